"""Tables: cells are text or links, always escaped. What is wide scrolls by itself, never the page."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple


class Link(NamedTuple):
    """A cell that leads somewhere on these pages."""

    text: str
    address: str


Cell = str | Link


def cell(content: Cell) -> str:
    """A cell's HTML."""
    if isinstance(content, Link):
        return f'<a href="{escape(content.address)}">{escape(content.text)}</a>'
    return escape(content)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table that says its title to those who do not see it; empty without rows."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell(one)}</td>" for one in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
