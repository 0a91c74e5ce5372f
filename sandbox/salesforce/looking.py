"""What people see of records: their names, where their pages are, who saved them and when."""

from html import escape

from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.clock import readable
from sandbox.pages import records
from sandbox.pages.tables import Link
from sandbox.providers import Call
from sandbox.salesforce import derived
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.state import salesforce_of
from sandbox.salesforce.writes import APP

SHOWN = ("Account", "Contact", "Event", "Task", "Note")
"""The objects that have lists, and whose records can be changed by hand."""
BANNER = "Sandbox, not Salesforce. No real account is involved."
TITLES = {"Event": "Subject", "Task": "Subject", "Note": "Title", "ContentNote": "Title", "PermissionSet": "Label"}


class Missing(Exception):
    """There is no such page; the message says why."""

    def response(self) -> Response:
        """The page that says so."""
        main = f'<h1>Not here</h1><p>{escape(str(self))}</p><p><a href="/">All of the sandbox</a></p>'
        return pages.page("Not here", main, 404, BANNER)


def org_of(call: Call) -> Org:
    """The org at the host of the path, up to date; Missing if there is none."""
    org = salesforce_of(call.world).orgs.get(call.args["host"])
    if org is None:
        raise Missing(f"There is no org at {call.args['host']}.")
    org.settle()
    return org


def address(org: Org, record_id: str) -> str:
    """The page of a record."""
    return f"/salesforce/{org.host}/{record_id}"


def top(org: Org) -> str:
    """The page of the org's lists."""
    return f"/salesforce/{org.host}/"


def title(name: str, row: Row) -> str:
    """What people call a record."""
    return str(derived.value(name, row, TITLES.get(name, "Name")) or row["Id"])


def link(org: Org, record_id: str | None) -> Link | str:
    """A record's name that leads to its page; the id itself where there is no such record, or nothing for none."""
    table, row = (org.table_of(record_id), org.row(record_id)) if record_id else (None, None)
    if table is None or row is None:
        return record_id or ""
    return Link(title(table.kind.name, row), address(org, row["Id"]))


def when(seconds: int) -> str:
    """A moment of a row."""
    return readable(seconds)


def saver(org: Org, row: Row) -> str:
    """Who saved a row last."""
    user = org.row(row["LastModifiedById"]) if row.get("LastModifiedById") else None
    name = title("User", user) if user else "Salesforce itself"
    return f"the app {row[APP]}, as {name}" if row.get(APP) else name


def crumb(org: Org, *links: Link) -> str:
    """The way up from a page of the org."""
    return records.crumb(Link("Sandbox", "/"), Link(f"{org.name} (Salesforce)", top(org)), *links)
