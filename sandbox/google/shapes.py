"""How stored things look in Google's answers.

https://developers.google.com/workspace/calendar/api/v3/reference/events
"""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.google.calendars import BUSY_ONLY, WITHOUT_PRIVATE, Body, Calendar
from sandbox.google.recurrence import wall_time, zone_of

BUSY_KEYS = (
    "id",
    "status",
    "start",
    "end",
    "recurrence",
    "recurringEventId",
    "originalStartTime",
    "iCalUID",
    "eventType",
    "transparency",
)
CANCELLED_KEYS = ("id", "status", "recurringEventId", "originalStartTime")
REMINDERS = [{"method": "popup", "minutes": 10}]


def event(
    calendar: Calendar, body: Body, etag: str, role: str, zone: ZoneInfo, max_attendees: int | None = None
) -> Body:
    """An event as ``role`` sees it, its times in ``zone``."""
    if body["status"] == "cancelled":
        shown = {key: body[key] for key in CANCELLED_KEYS if key in body}
    elif is_hidden(body, role):
        shown = {key: body[key] for key in BUSY_KEYS if key in body} | {"visibility": "private"}
    else:
        shown = whole(calendar, body, max_attendees)
    for key in ("start", "end", "originalStartTime"):
        if key in shown:
            shown[key] = moment(shown[key], zone, calendar.time_zone)
    return {"kind": "calendar#event", "etag": etag, **shown}


def is_hidden(body: Body, role: str) -> bool:
    """Whether the reader sees only that someone is busy."""
    return role == BUSY_ONLY or (role in WITHOUT_PRIVATE and body.get("visibility") in {"private", "confidential"})


def whole(calendar: Calendar, body: Body, max_attendees: int | None) -> Body:
    """Everything, with what is relative to the calendar: the link, the self flags, the guests it may see."""
    shown = {**body, "htmlLink": link(body["id"], calendar.id)}
    for key in ("creator", "organizer"):
        shown[key] = with_self(body[key], calendar)
    if "attendees" in body:
        organizer = body["organizer"].get("email", "").lower()
        guests = [attendee(one, calendar, organizer) for one in body["attendees"]]
        own = [one for one in guests if one.get("self")]
        if body.get("guestsCanSeeOtherGuests") is False and "self" not in shown["organizer"]:
            guests = own
        if max_attendees is not None and len(guests) > max_attendees:
            guests, shown["attendeesOmitted"] = own, True
        shown["attendees"] = guests
    return shown


def attendee(stored: Body, calendar: Calendar, organizer: str) -> Body:
    """A guest; flags that are false are absent, an unanswered invitation needs action."""
    shown = {key: value for key, value in with_self(stored, calendar).items() if value is not False}
    if stored["email"].lower() == organizer:
        shown["organizer"] = True
    shown.setdefault("responseStatus", "needsAction")
    return shown


def with_self(person: Body, calendar: Calendar) -> Body:
    """``self`` means the calendar this copy is on, not the user who asks."""
    shown = {**person}
    shown.pop("self", None)
    if person.get("email", "").lower() == calendar.id.lower():
        shown["self"] = True
    return shown


def moment(stored: Body, zone: ZoneInfo, calendar_zone: str) -> Body:
    """A start or end: a date as it is, a time with the offset of ``zone``."""
    if "date" in stored:
        return {"date": stored["date"]}
    own_zone = stored.get("timeZone") or calendar_zone
    return {"dateTime": time_in(stored["dateTime"], own_zone, zone.key), "timeZone": own_zone}


@lru_cache(maxsize=65_536)
def time_in(text: str, own_zone: str, shown_zone: str) -> str:
    """A stored time, meant in its own zone if it has no offset, with the offset of another zone."""
    zone = ZoneInfo(own_zone)
    at = wall_time({"dateTime": text}, zone).replace(tzinfo=zone).astimezone(UTC).astimezone(ZoneInfo(shown_zone))
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def link(event_id: str, calendar_id: str) -> str:
    """The address of the event in Google's own pages."""
    eid = urlsafe_b64encode(f"{event_id} {calendar_id}".encode()).decode().rstrip("=")
    return f"https://www.google.com/calendar/event?eid={eid}"


def edges(body: Body, calendar_zone: str) -> tuple[datetime, datetime]:
    """Start and end in UTC, for comparing. A cancelled instance stands at its original start."""
    start = body.get("start") or body["originalStartTime"]
    zone = ZoneInfo(calendar_zone)
    begin, end = (
        wall_time(one, zone_of(one, calendar_zone))
        .replace(tzinfo=zone if "date" in one else zone_of(one, calendar_zone))
        .astimezone(UTC)
        for one in (start, body.get("end") or start)
    )
    return begin, end


def calendar(stored: Calendar) -> dict[str, Any]:
    """The Calendar resource."""
    return {
        "kind": "calendar#calendar",
        "etag": stored.etag,
        "id": stored.id,
        "summary": stored.summary,
        "timeZone": stored.time_zone,
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    }


def list_entry(stored: Calendar, account: str) -> dict[str, Any]:
    """The CalendarListEntry resource: the calendar as it stands in an account's list."""
    entry = {
        "kind": "calendar#calendarListEntry",
        "etag": stored.etag,
        "id": stored.id,
        "summary": stored.summary,
        "timeZone": stored.time_zone,
        "colorId": "14",
        "backgroundColor": "#9fe1e7",
        "foregroundColor": "#000000",
        "selected": True,
        "accessRole": stored.access[account],
        "defaultReminders": REMINDERS if stored.id == account else [],
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    }
    if stored.id == account:
        entry["primary"] = True
        entry["notificationSettings"] = {"notifications": [{"type": "eventCreation", "method": "email"}]}
    else:
        entry["dataOwner"] = stored.owner
    return entry
