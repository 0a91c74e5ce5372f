"""The list of an org's records, as people look through them."""

from collections.abc import Iterator
from html import escape
from itertools import islice

from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.pages import records, tables
from sandbox.pages.records import PER_PAGE, Tab
from sandbox.pages.tables import Cell
from sandbox.providers import Call
from sandbox.salesforce import derived, looking
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.looking import SHOWN, Missing
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.tables import Table

SEARCHED = {
    "Account": ("Name", "Website"),
    "Contact": ("Name", "Email", "Title"),
    "Event": ("Subject", "Location"),
    "Task": ("Subject",),
    "Note": ("Title",),
}
COLUMNS = {
    "Account": ("BillingCity", "Website"),
    "Contact": ("Title", "Email", "AccountId"),
    "Event": ("StartDateTime", "WhoId", "WhatId"),
    "Task": ("Status", "ActivityDate", "WhoId"),
    "Note": ("ParentId",),
}
HEADS = {
    "BillingCity": "City",
    "Website": "Website",
    "Title": "Title",
    "Email": "Email",
    "AccountId": "Account",
    "StartDateTime": "Starts",
    "WhoId": "With",
    "WhatId": "About",
    "Status": "Status",
    "ActivityDate": "Due",
    "ParentId": "About",
}


def listing(call: Call) -> Response:
    """GET /: one object's records, what was changed last first; ``?object=&q=&bin=1&page=``."""
    try:
        return list_page(looking.org_of(call), call)
    except Missing as error:
        return error.response()


def list_page(org: Org, call: Call) -> Response:
    """The page of one object."""
    args = call.request.args
    name = args["object"] if args.get("object") in SHOWN else SHOWN[0]
    is_bin, words = args.get("bin") == "1", args.get("q", "").strip()
    number = max(args.get("page", 1, type=int), 1)
    found = list(
        islice(matching(org.tables[name], words, is_bin=is_bin), (number - 1) * PER_PAGE, number * PER_PAGE + 1)
    )
    kept = {"object": name, **({"bin": "1"} if is_bin else {})}
    around = kept | ({"q": words} if words else {})
    main = (
        f"{looking.crumb(org)}<h1>{escape(org.name)}: {escape(org.tables[name].kind.plural)}</h1>"
        f'<p class="quiet">{escape(org.host)}</p>{records.tabs(tabs(org, name))}'
        f"{records.search('Name, e-mail address or title', words, kept)}{aside(org, name, is_bin=is_bin)}"
        f"{table(org, name, found[:PER_PAGE]) or '<p>No such records.</p>'}"
        f"{records.pager(number, has_more=len(found) > PER_PAGE, kept=around)}"
    )
    return pages.page(f"{org.tables[name].kind.plural} · {org.name}", main, 200, looking.BANNER)


def tabs(org: Org, current: str) -> list[Tab]:
    """Every object with the number of its records."""
    return [
        Tab(org.tables[name].kind.plural, org.tables[name].count(), f"?object={name}", name == current)
        for name in SHOWN
    ]


def aside(org: Org, name: str, *, is_bin: bool) -> str:
    """New records, and those in the Recycle Bin."""
    kind, deleted = org.tables[name].kind, len(org.tables[name].bin())
    if is_bin:
        return f'<p>In the Recycle Bin. <a href="?object={name}">Back to those that are there</a></p>'
    bin_link = f' · <a href="?object={name}&amp;bin=1">Recycle Bin ({deleted:,})</a>' if deleted else ""
    return f'<p><a href="{escape(looking.top(org))}new/{name}">New {kind.label.lower()}</a>{bin_link}</p>'


def matching(table: Table, words: str, *, is_bin: bool) -> Iterator[Row]:
    """Rows in which all words stand, what was changed last first."""
    wanted = words.lower().split()
    for number in reversed(table.ordered(None, None, is_deleted=is_bin)):
        row = table.get(number)
        if row is not None and mentions(table.kind.name, row, wanted):
            yield row


def mentions(name: str, row: Row, words: list[str]) -> bool:
    """Whether all words stand in what a record is looked for by."""
    text = " ".join(str(derived.value(name, row, key) or "") for key in SEARCHED[name]).lower() if words else ""
    return all(word in text for word in words)


def table(org: Org, name: str, rows: list[Row]) -> str:
    """A line for each row."""
    head = ("Name", "Changed", "By", *(HEADS[key] for key in COLUMNS[name]))
    lines = [
        (
            looking.link(org, row["Id"]),
            looking.when(row["SystemModstamp"]),
            looking.saver(org, row),
            *(held(org, key, row) for key in COLUMNS[name]),
        )
        for row in rows
    ]
    return tables.table(org.tables[name].kind.plural, head, lines)


def held(org: Org, key: str, row: Row) -> Cell:
    """A field as the list shows it."""
    if key.endswith("Id"):
        return looking.link(org, row.get(key))
    return looking.when(row[key]) if key == "StartDateTime" and row.get(key) else str(row.get(key) or "")
