"""One event as Graph writes it, in our words.

https://learn.microsoft.com/graph/api/resources/event
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.calendar import times, uids
from integrations.calendar.texts import address, event_id, text
from integrations.contract import EventCopy, Guest, JsonObject
from integrations.errors import Unreadable

RESPONSES = {
    "organizer": "accepted",
    "accepted": "accepted",
    "declined": "declined",
    "tentativelyAccepted": "tentative",
    "notResponded": "needs_action",
    "none": "needs_action",
}
"""Graph's word for an answer to ours; an unknown one counts as none given."""

EVENT_TYPES = {"oof": "out_of_office", "workingElsewhere": "working_place"}
"""What an event without guests is, by how it shows its owner. A meeting out of the office is a meeting."""

SENSITIVITIES = {"personal": "private", "private": "private", "confidential": "private"}
"""All three are labels: Graph gives what such an event says, and keeping it out is our duty."""

UTC_NAMES = frozenset({"", "UTC", "Etc/UTC", "Coordinated Universal Time", "tzone://Microsoft/Utc"})
NEVER_YEAR = 1


def event(item: Any, owner: str) -> EventCopy:
    """One event on the calendar of ``owner`` (an address). Raises Unreadable for what makes no sense."""
    try:
        return _event(item, owner)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Unreadable(f"It has an unknown form ({type(error).__name__}).") from error


def _event(item: JsonObject, owner: str) -> EventCopy:
    series_id = event_id(item["seriesMasterId"]) if item.get("seriesMasterId") else ""
    if item.get("isCancelled"):
        return EventCopy(external_id=event_id(item["id"]), is_cancelled=True, series_id=series_id)
    is_all_day = bool(item.get("isAllDay"))
    starts_at, starts_on = start = _moment(item.get("start"), is_all_day)
    ends_at, ends_on = end = _moment(item.get("end"), is_all_day)
    times.check(start, end)
    is_organizer = bool(item.get("isOrganizer"))
    guests = _guests(item, owner)
    return EventCopy(
        external_id=event_id(item["id"]),
        etag=text(item.get("@odata.etag") or item.get("changeKey") or "", 200),
        ical_uid=text(item.get("iCalUId") or ""),
        series_id=series_id,
        original_start=_slot(item, start) if series_id else "",
        title=text(item.get("subject") or "", 500),
        location=text((item.get("location") or {}).get("displayName") or "", 500),
        join_url=_join_url(item),
        starts_at=starts_at,
        ends_at=ends_at,
        starts_on=starts_on,
        ends_on=ends_on,
        organizer=address(_person(item.get("organizer")).get("address") or ""),
        my_response="accepted" if is_organizer else _answer(item.get("responseStatus")),
        visibility=SENSITIVITIES.get(str(item.get("sensitivity")), "default"),
        event_type="default" if guests else EVENT_TYPES.get(str(item.get("showAs")), "default"),
        guests=guests,
        guests_omitted=bool(item.get("hideAttendees")) and not is_organizer,
        updated_at=_updated_at(item),
    )


def _guests(item: JsonObject, owner: str) -> tuple[Guest, ...]:
    """The other people: without rooms and the calendar's owner, with an organizer, who stands on no list of guests."""
    organizer = _person(item.get("organizer"))
    organized_by = address(organizer.get("address") or "")
    guests: dict[str, Guest] = {}
    for attendee in item.get("attendees") or []:
        person = _person(attendee)
        email = address(person.get("address") or "")
        if "@" not in email or attendee.get("type") == "resource" or email == owner:
            continue
        guests[email] = Guest(
            email=email,
            name=text(person.get("name") or "", 200),
            response=_answer(attendee.get("status")),
            is_organizer=email == organized_by,
            is_optional=attendee.get("type") == "optional",
        )
    if "@" in organized_by and organized_by not in {owner, *guests} and not item.get("isOrganizer"):
        name = text(organizer.get("name") or "", 200)
        guests[organized_by] = Guest(email=organized_by, name=name, response="accepted", is_organizer=True)
    return tuple(guests.values())


def _person(given: Any) -> JsonObject:
    """The name and address in a recipient; nothing where there is none."""
    return (given or {}).get("emailAddress") or {}


def _answer(given: Any) -> str:
    return RESPONSES.get(str((given or {}).get("response")), "needs_action")


def _moment(given: Any, is_all_day: bool) -> times.Moment:
    """An instant in UTC, or a day in no zone: all-day events are from midnight to midnight in every zone they are asked
    for, so their date counts and is never converted. Raises Unreadable."""
    if not isinstance(given, dict) or not given.get("dateTime"):
        raise Unreadable("The event has no start or no end.")
    value, zone = str(given["dateTime"]), str(given.get("timeZone") or "")
    if is_all_day:
        return None, times.day(value[:10])
    if datetime.fromisoformat(value).tzinfo is not None:
        return times.instant(value), None
    if zone not in UTC_NAMES:
        raise Unreadable(f"Its time is in the zone {zone[:40]!r}, and not in UTC as was asked for.")
    return times.instant(f"{value}Z"), None


def _slot(item: JsonObject, start: times.Moment) -> str:
    """An instance's slot in its series. Its start, as long as it was not moved."""
    if start[1] is None:
        moved_from = item.get("originalStart")
        return times.slot((times.instant(str(moved_from)), None) if moved_from else start)
    day = uids.day_of(str(item.get("iCalUId") or ""))
    if day is None and item.get("originalStart"):
        # Midnight somewhere on earth: noon is the same day nearly everywhere.
        day = (times.instant(str(item["originalStart"])) + timedelta(hours=12)).date()
    return times.slot((None, day or start[1]))


def _updated_at(item: JsonObject) -> datetime | None:
    """When it was changed last. The year one stands for never."""
    value = str(item.get("lastModifiedDateTime") or "")
    if not value:
        return None
    moment = datetime.fromisoformat(value)
    return None if moment.year <= NEVER_YEAR else times.instant(value).astimezone(UTC)


def _join_url(item: JsonObject) -> str:
    link = str((item.get("onlineMeeting") or {}).get("joinUrl") or item.get("onlineMeetingUrl") or "")
    return text(link, 1000) if link.startswith("https://") else ""
