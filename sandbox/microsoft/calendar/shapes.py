"""Events and calendars as Graph writes them.

https://learn.microsoft.com/graph/api/resources/event
https://learn.microsoft.com/graph/api/resources/calendar
"""

import re
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from urllib.parse import quote

from sandbox.microsoft.calendar import ids, uids, zones
from sandbox.microsoft.calendar.books import Body, Calendar, Entry
from sandbox.microsoft.calendar.occurrences import Occurrence

EVENT_TYPE = "#microsoft.graph.event"
OWA = "https://outlook.office365.com/owa"
NEVER = "0001-01-01T00:00:00Z"
PREVIEW_LENGTH = 255
DEFAULTS: Body = {
    "transactionId": None,
    "categories": [],
    "reminderMinutesBeforeStart": 15,
    "isReminderOn": True,
    "hasAttachments": False,
    "subject": "",
    "importance": "normal",
    "sensitivity": "normal",
    "isAllDay": False,
    "isCancelled": False,
    "isDraft": False,
    "responseRequested": True,
    "showAs": "busy",
    "onlineMeetingUrl": None,
    "isOnlineMeeting": False,
    "onlineMeetingProvider": "unknown",
    "onlineMeeting": None,
    "allowNewTimeProposals": True,
    "hideAttendees": False,
    "body": {"contentType": "html", "content": ""},
    "location": {"displayName": "", "locationType": "default", "uniqueIdType": "unknown", "address": {}},
    "attendees": [],
}
BASIC_HIDES = frozenset({"body", "bodyPreview", "hasAttachments"})
"""What Calendars.ReadBasic does not give: left out here, nobody says how it looks there."""


@dataclass(frozen=True)
class Viewer:
    """Who reads, and how they want to read it: ``zone`` is a name as sent, ``is_basic`` without the text.

    ``is_text``: bodies come without markup.
    """

    upn: str
    address: str
    name: str
    zone: str
    is_immutable: bool
    is_basic: bool
    is_text: bool = False

    @property
    def addresses(self) -> set[str]:
        """Every address that is this person."""
        return {self.upn.lower(), self.address.lower()}

    def id_of(self, entry: Entry, occurrence: Occurrence | None = None) -> str:
        """The id of an event or occurrence in the spelling asked for."""
        key = ids.Key(entry.serial, occurrence.day if occurrence else None)
        return ids.spelled(self.upn, key, is_immutable=self.is_immutable)


def stub(entry: Entry, occurrence: Occurrence, viewer: Viewer) -> Body:
    """All that delta says of an occurrence like any other of its series."""
    return {
        "@odata.type": EVENT_TYPE,
        "@odata.etag": etag(entry),
        "id": viewer.id_of(entry, occurrence),
        "seriesMasterId": viewer.id_of(entry),
        "type": "occurrence",
        **times(occurrence.body, viewer.zone),
    }


def event(entry: Entry, occurrence: Occurrence | None, viewer: Viewer) -> Body:
    """The whole of an event, a series (with its first occurrence's times) or one occurrence of it."""
    body = occurrence.body if occurrence else entry.body
    event_id = viewer.id_of(entry, occurrence)
    shape = {
        "@odata.etag": etag(entry),
        "id": event_id,
        "createdDateTime": entry.created_at,
        "lastModifiedDateTime": entry.changed_at,
        "changeKey": change_key(entry.change_key),
        "originalStartTimeZone": body["start"]["timeZone"],
        "originalEndTimeZone": body["end"]["timeZone"],
        "seriesMasterId": viewer.id_of(entry) if occurrence else None,
        "type": kind_of(entry, occurrence),
        "webLink": f"{OWA}/?itemid={quote(event_id, safe='')}&exvsurl=1&path=/calendar/item",
        "recurrence": None,
        **DEFAULTS,
        **body,
        **people(body, viewer),
        **times(body, viewer.zone),
    }
    shape["iCalUId"] = uids.of_occurrence(body["iCalUId"], occurrence.day) if occurrence else body["iCalUId"]
    if viewer.is_text:
        shape["body"] = {"contentType": "text", "content": plain(shape["body"])}
    shape["bodyPreview"] = plain(shape["body"])[:PREVIEW_LENGTH]
    shape["locations"] = [shape["location"]] if shape["location"]["displayName"] else []
    if occurrence:
        shape["originalStart"] = f"{occurrence.original_at:%Y-%m-%dT%H:%M:%S}Z"
    return {key: value for key, value in shape.items() if key not in BASIC_HIDES} if viewer.is_basic else shape


def kind_of(entry: Entry, occurrence: Occurrence | None) -> str:
    """Graph's word for what it is."""
    if occurrence:
        return "exception" if occurrence.is_exception else "occurrence"
    return "seriesMaster" if entry.is_series else "singleInstance"


def times(body: Body, zone: str) -> Body:
    """Start and end in a zone. All-day ones are midnight to midnight whatever the zone: only its name changes."""
    if body.get("isAllDay"):
        return {key: zones.written(zones.wall(body[key]), zone) for key in ("start", "end")}
    return {key: zones.moment_of(zones.instant(body[key]), zone) for key in ("start", "end")}


def people(body: Body, viewer: Viewer) -> Body:
    """Organizer, guests and the answers, as this person sees them."""
    own = {"emailAddress": {"name": viewer.name, "address": viewer.address}}
    organizer = body.get("organizer") or own
    is_organizer = organizer["emailAddress"]["address"].lower() in viewer.addresses
    guests = body.get("attendees", [])
    mine = [guest for guest in guests if guest["emailAddress"]["address"].lower() in viewer.addresses]
    answer = {"response": "organizer" if guests else "none", "time": NEVER}
    if not is_organizer:
        answer = mine[0]["status"] if mine else {"response": "notResponded", "time": NEVER}
    is_hidden = body.get("hideAttendees") and not is_organizer
    return {
        "organizer": organizer,
        "isOrganizer": is_organizer,
        "attendees": mine if is_hidden else guests,
        "responseStatus": body.get("responseStatus") or answer,
    }


def plain(body: Body) -> str:
    """A text without markup."""
    content = str(body["content"])
    return unescape(re.sub(r"<[^>]*>", "", content)).strip() if body["contentType"] == "html" else content


def removed(entry: Entry, viewer: Viewer) -> Body:
    """A tombstone; also for what was changed outside the window."""
    return {"@odata.type": EVENT_TYPE, "id": viewer.id_of(entry), "@removed": {"reason": "deleted"}}


def calendar(one: Calendar) -> Body:
    """A calendar as in the list of calendars."""
    return {
        "id": one.id,
        "name": one.name,
        "color": "auto",
        "hexColor": "",
        "isDefaultCalendar": one.is_default,
        "changeKey": change_key(one.change_key),
        "canShare": one.can_edit,
        "canViewPrivateItems": True,
        "canEdit": one.can_edit,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": one.is_default,
        "isRemovable": not one.is_default,
        "owner": {"name": one.owner_name, "address": one.owner_address},
    }


def chosen(shape: Body, names: list[str]) -> Body:
    """What ``$select`` leaves: the id and the etag always stay."""
    if not names:
        return shape
    return {key: value for key, value in shape.items() if key in {"id", "@odata.etag", *names}}


def etag(entry: Entry) -> str:
    """The etag of an event; its occurrences share it."""
    return f'W/"{change_key(entry.change_key)}"'


def change_key(stamp: int) -> str:
    """A stamp as the opaque text Exchange counts with."""
    return f"DwAAABYAAAC{stamp:X}=="


def written_at(moment: datetime) -> str:
    """An aware time as Graph writes it outside of start and end: UTC, seven digits."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond * 10:07d}Z"
