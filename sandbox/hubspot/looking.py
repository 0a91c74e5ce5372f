"""What people see of records: their names, where their pages are, who wrote them and when."""

from html import escape

from werkzeug.wrappers import Response

from sandbox import pages
from sandbox.clock import readable
from sandbox.hubspot.kinds import KINDS, Kind
from sandbox.hubspot.paths import APP
from sandbox.hubspot.portals import Portal
from sandbox.hubspot.records import Record, Source
from sandbox.hubspot.shapes import value
from sandbox.hubspot.state import HubSpot, hubspot_of
from sandbox.pages import records
from sandbox.pages.tables import Link
from sandbox.providers import Call

BANNER = "Sandbox, not HubSpot. No real account is involved."
SHOWN = ("companies", "contacts", "meetings", "emails", "tasks", "notes", "calls")
TITLES = {
    "companies": ("name", "domain"),
    "contacts": ("hs_full_name_or_email",),
    "meetings": ("hs_meeting_title",),
    "emails": ("hs_email_subject",),
    "tasks": ("hs_task_subject",),
    "notes": ("hs_body_preview",),
    "calls": ("hs_call_title",),
}
LONGEST = 80
"""Letters of a note that stand for its title."""
WRITERS = {"IMPORT": "an import", "AUTOMATION_PLATFORM": "a workflow"}
BY_APP, BY_PERSON = "INTEGRATION", "CRM_UI"


class Missing(Exception):
    """There is no such page; the message says why."""

    def response(self) -> Response:
        """The page that says so."""
        main = f'<h1>Not here</h1><p>{escape(str(self))}</p><p><a href="/">All of the sandbox</a></p>'
        return pages.page("Not here", main, 404, BANNER)


def portal_of(call: Call) -> Portal:
    """The portal of the path; Missing if there is none."""
    number = call.args["portal"]
    portal = hubspot_of(call.world).portals.get(int(number)) if number.isdecimal() else None
    if portal is None:
        raise Missing(f"There is no portal {number}.")
    return portal


def top(portal: Portal) -> str:
    """The page of the portal's lists."""
    return f"{APP}/contacts/{portal.id}/"


def address(portal: Portal, kind: Kind, record_id: int) -> str:
    """The page of a record."""
    return f"{top(portal)}record/{kind.type_id}/{record_id}"


def title(kind: Kind, record: Record) -> str:
    """What people call a record."""
    texts = (value(kind, record, name) for name in TITLES[kind.name])
    text = next((one for one in texts if one), f"{kind.singular} {record.id}")
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"


def link(portal: Portal, kind: Kind, record: Record) -> Link:
    """A record's name that leads to its page."""
    return Link(title(kind, record), address(portal, kind, record.id))


def company(portal: Portal, record_id: str | None) -> Link | str:
    """A company by id; the id itself where there is none."""
    kind = KINDS["companies"]
    record = portal.books[kind.name].find(record_id) if record_id else None
    return link(portal, kind, record) if record else record_id or ""


def when(at_ms: int) -> str:
    """A moment of a record."""
    return readable(at_ms / 1000)


def last_writer(record: Record) -> Source | None:
    """Who changed it last; None where that was no write of values, such as an archiving, of which nobody is kept."""
    newest = [versions[-1] for versions in (record.history or {}).values()]
    last = max(newest, key=lambda one: one.at_ms, default=None)
    if last is not None and last.at_ms == record.updated_ms:
        return last.source
    return record.source if record.updated_ms == record.created_ms else None


def writer(hubspot: HubSpot, portal: Portal, source: Source | None) -> str:
    """Who wrote, in words."""
    if source is None:
        return "somebody who put it into the bin, out of it, or merged it"
    if source.type == BY_APP:
        return f"the app {app(hubspot, source.id)}"
    user = portal.user(source.user_id)
    if source.type == BY_PERSON and user is not None:
        return " ".join(filter(None, (user.first_name, user.last_name))) or user.email
    return WRITERS.get(source.type, source.type)


def app(hubspot: HubSpot, number: str) -> str:
    """An app by its client id; its number where that is not known."""
    names = (name for name, one in hubspot.tokens.clients.items() if str(one.app_id) == number)
    return next(names, number)


def crumb(portal: Portal, *links: Link) -> str:
    """The way up from a page of the portal."""
    return records.crumb(Link("Sandbox", "/"), Link(f"{portal.facts.name} (HubSpot)", top(portal)), *links)
