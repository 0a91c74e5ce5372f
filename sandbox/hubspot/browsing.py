"""The list of a portal's records, as people look through them."""

from collections.abc import Iterator
from html import escape
from itertools import islice

from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.hubspot import looking
from sandbox.hubspot.kinds import KINDS, Kind
from sandbox.hubspot.looking import SHOWN, Missing
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import Book, Record
from sandbox.hubspot.shapes import value
from sandbox.hubspot.sheets import held
from sandbox.hubspot.state import HubSpot, hubspot_of
from sandbox.pages import records, tables
from sandbox.pages.records import PER_PAGE, Tab
from sandbox.providers import Call

COLUMNS = {
    "companies": ("domain", "city"),
    "contacts": ("email", "jobtitle", "associatedcompanyid"),
    "meetings": ("hs_meeting_start_time", "hs_meeting_outcome"),
    "emails": ("hs_timestamp", "hs_email_direction"),
    "tasks": ("hs_timestamp", "hs_task_status"),
    "notes": ("hs_timestamp",),
    "calls": ("hs_timestamp", "hs_call_status"),
}


def listing(call: Call) -> Response:
    """GET /contacts/PORTAL: one kind's records, what was changed last first; ``?type=&q=&bin=1&page=``."""
    try:
        return list_page(hubspot_of(call.world), looking.portal_of(call), call)
    except Missing as error:
        return error.response()


def list_page(hubspot: HubSpot, portal: Portal, call: Call) -> Response:
    """The page of one kind."""
    args = call.request.args
    kind = KINDS[args["type"] if args.get("type") in SHOWN else SHOWN[0]]
    is_bin, words = args.get("bin") == "1", args.get("q", "").strip()
    number = max(args.get("page", 1, type=int), 1)
    matches = matching(portal.books[kind.name], words, is_bin=is_bin)
    found = list(islice(matches, (number - 1) * PER_PAGE, number * PER_PAGE + 1))
    kept = {"type": kind.name, **({"bin": "1"} if is_bin else {})}
    around = kept | ({"q": words} if words else {})
    main = (
        f"{looking.crumb(portal)}<h1>{escape(portal.facts.name)}: {kind.name}</h1>"
        f'<p class="quiet">Portal {portal.id}</p>{records.tabs(tabs(portal, kind))}'
        f"{records.search('Name, e-mail address or title', words, kept)}{aside(portal, kind, is_bin=is_bin)}"
        f"{table(hubspot, portal, kind, found[:PER_PAGE]) or '<p>No such records.</p>'}"
        f"{records.pager(number, has_more=len(found) > PER_PAGE, kept=around)}"
    )
    return pages.page(f"{kind.name.title()} · {portal.facts.name}", main, 200, looking.BANNER)


def tabs(portal: Portal, current: Kind) -> list[Tab]:
    """Every kind with the number of its records."""
    return [Tab(name.title(), len(portal.books[name].live), f"?type={name}", name == current.name) for name in SHOWN]


def aside(portal: Portal, kind: Kind, *, is_bin: bool) -> str:
    """New records, and the archived ones."""
    if is_bin:
        return f'<p>Archived ones. <a href="?type={kind.name}">Back to those that are there</a></p>'
    archived = len(portal.books[kind.name].archived)
    bin_link = f' · <a href="?type={kind.name}&amp;bin=1">Archived ({archived:,})</a>' if archived else ""
    return f'<p><a href="{escape(looking.top(portal))}new/{kind.name}">New {kind.singular}</a>{bin_link}</p>'


def matching(book: Book, words: str, *, is_bin: bool) -> Iterator[Record]:
    """Records in which all words stand, what was changed last first."""
    wanted = words.lower().split()
    if is_bin:
        shelf = iter(sorted(book.archived.values(), key=lambda one: (one.archived_ms, one.id), reverse=True))
    else:
        shelf = (book.live[record_id] for _, record_id in reversed(book.stamps))
    return (one for one in shelf if mentions(book.kind, one, wanted))


def mentions(kind: Kind, record: Record, words: list[str]) -> bool:
    """Whether all words stand in what a record is looked for by."""
    names = (*looking.TITLES[kind.name], *kind.searched, "jobtitle")
    text = " ".join(value(kind, record, name) or "" for name in names).lower() if words else ""
    return all(word in text for word in words)


def table(hubspot: HubSpot, portal: Portal, kind: Kind, found: list[Record]) -> str:
    """A line for each record."""
    columns = [
        portal.properties[kind.name][name] for name in COLUMNS[kind.name] if name in portal.properties[kind.name]
    ]
    head = ("Name", "Changed", "By", *(one["label"] for one in columns))
    lines = [
        (
            looking.link(portal, kind, record),
            looking.when(record.updated_ms),
            looking.writer(hubspot, portal, looking.last_writer(record)),
            *(held(portal, kind, one, record) for one in columns),
        )
        for record in found
    ]
    return tables.table(kind.name.title(), head, lines)
