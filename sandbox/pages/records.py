"""Pages on which people see and change records of a pretend CRM: lists of them, and single ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from sandbox.pages.forms import secret
from sandbox.pages.tables import Cell, Link, cell

PER_PAGE = 50
OURS = "lpxgp"


@dataclass(frozen=True)
class Tab:
    """One kind of records, with how many there are."""

    label: str
    count: int
    address: str
    is_current: bool = False


@dataclass(frozen=True)
class Fact:
    """A field of a record: what people call it, what the API does, and what it holds. ``note`` says who wrote it."""

    label: str
    name: str
    value: Cell
    note: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether the product added the field."""
        return self.name.lower().startswith(OURS)


def tabs(kinds: Sequence[Tab]) -> str:
    """Links to the lists of each kind."""
    links = "".join(map(tab, kinds))
    return f'<nav class="tabs" aria-label="Kinds of records">{links}</nav>'


def tab(one: Tab) -> str:
    """One link."""
    here = ' aria-current="page"' if one.is_current else ""
    count = f'<span class="quiet">{one.count:,}</span>'
    return f'<a href="{escape(one.address)}"{here}>{escape(one.label)} {count}</a>'


def search(label: str, words: str, kept: Mapping[str, str]) -> str:
    """The search box; ``kept`` are the other parameters of the list."""
    held = "".join(secret(name, value) for name, value in kept.items())
    return (
        f'<form role="search" class="row">{held}<label>{escape(label)} '
        f'<input type="search" name="q" value="{escape(words)}"></label><button>Search</button></form>'
    )


def pager(number: int, *, has_more: bool, kept: Mapping[str, str]) -> str:
    """Links to the pages before and after; none where there is one page."""
    around = [("Newer", number - 1)] * (number > 1) + [("Older", number + 1)] * has_more
    if not around:
        return ""
    links = "".join(f'<a href="?{escape(urlencode({**kept, "page": where}))}">{name}</a> ' for name, where in around)
    return f'<nav class="pager" aria-label="Pages"><span class="quiet">Page {number}</span> {links}</nav>'


def facts(known: Sequence[Fact]) -> str:
    """The fields of a record: the product's own first, then those that hold something; the empty ones folded away."""
    filled = [one for one in known if one.is_ours or one.value]
    empty = [one for one in known if one not in filled]
    shown = rows(sorted(filled, key=lambda one: not one.is_ours))
    if not empty:
        return shown
    return f"{shown}<details><summary>{len(empty)} empty fields</summary>{rows(empty)}</details>"


def rows(known: Sequence[Fact]) -> str:
    """A table of fields."""
    return '<table class="facts"><tbody>' + "".join(map(row, known)) + "</tbody></table>"


def row(one: Fact) -> str:
    """One field."""
    badge = ' <span class="badge">LPxGP’s field</span>' if one.is_ours else ""
    note = f"<small>{escape(one.note)}</small>" if one.note else ""
    name = f"<small><code>{escape(one.name)}</code></small>" if one.name else ""
    held = cell(one.value) if one.value else '<span class="quiet">empty</span>'
    return f'<tr><th scope="row">{escape(one.label)}{badge}{name}</th><td>{held}{note}</td></tr>'


def linked(title: str, links: Sequence[Link], count: int) -> str:
    """Records that hang together with one; empty without any. ``count`` may be more than are shown."""
    if not links:
        return ""
    items = "".join(f"<li>{cell(one)}</li>" for one in links)
    more = f'<p class="quiet">and {count - len(links):,} more</p>' if count > len(links) else ""
    return f"<h3>{escape(title)}</h3><ul>{items}</ul>{more}"


def told(text: str) -> str:
    """What was done."""
    return f'<p class="notice" role="status">{escape(text)}</p>' if text else ""


def refused(why: Sequence[str]) -> str:
    """What the CRM says against it."""
    items = "".join(f"<li>{escape(one)}</li>" for one in why)
    return f'<div class="notice bad" role="alert"><p>Nothing was saved.</p><ul>{items}</ul></div>' if why else ""


def crumb(*links: Link) -> str:
    """The way up."""
    return f'<nav aria-label="You are here">{" › ".join(map(cell, links))}</nav>'
