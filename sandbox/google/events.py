"""Writing events: what the control API, in place of a person in Google's own pages, does to a calendar."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import uuid4

from sandbox.clock import iso
from sandbox.control import ControlError
from sandbox.google import shapes
from sandbox.google.calendars import Body, Calendar, Entry
from sandbox.google.recurrence import Slot, slots, wall_time, zone_of
from sandbox.google.schema import check_fields, schema_of
from sandbox.google.state import Google

INSTANCE_ID = re.compile(r"^(?P<series>.+)_(?P<key>\d{8}(?:T\d{6}Z)?)$")
MADE_BY_GOOGLE = frozenset({"kind", "etag", "htmlLink", "attendeesOmitted"})


def upsert(google: Google, calendar: Calendar, given: Body) -> str:
    """Create or change an event (given keys over the stored ones) and its colleagues' copies. Returns its id.

    An instance id makes an exception of its series. Changed calendars are announced by the caller.
    """
    check_fields(given, schema_of("Event"))
    given = {key: value for key, value in given.items() if key not in MADE_BY_GOOGLE}
    event_id = given.get("id") or derived_id(given) or uuid4().hex[:26]
    before = calendar.get(event_id)
    base = before.body if before else instance_of(calendar, event_id) or {}
    body = merged(base, given) | {"id": event_id}
    if before is not None and before.is_cancelled and "status" not in given:
        body["status"] = "confirmed"
    complete(google, calendar, body, given, is_new=before is None)
    check_times(calendar, body)
    store(google, calendar, body)
    if body["organizer"].get("email", "").lower() == calendar.id.lower():
        share(google, calendar, body, before)
    else:
        answer(google, calendar, body)
    return event_id


def cancel(google: Google, calendar: Calendar, event_id: str) -> None:
    """Delete an event or cancel an instance; ControlError if there is no such event."""
    if calendar.get(event_id) is None and instance_of(calendar, event_id) is None:
        raise ControlError(f"no event {event_id}")
    upsert(google, calendar, {"id": event_id, "status": "cancelled"})


def merged(base: Body, given: Body) -> Body:
    """``given`` over ``base``. Guests keep their answers unless new ones are given; None removes a key."""
    body = {key: value for key, value in (base | given).items() if value is not None}
    answers = {one["email"].lower(): one.get("responseStatus") for one in base.get("attendees", [])}
    if given.get("attendees"):
        body["attendees"] = [
            {"responseStatus": answers.get(one["email"].lower()) or "needsAction"} | one for one in given["attendees"]
        ]
    return body


def complete(google: Google, calendar: Calendar, body: Body, given: Body, *, is_new: bool) -> None:
    """Fill in what Google fills in."""
    now = iso(google.world.clock.now())
    body.setdefault("status", "confirmed")
    body.setdefault("created", now)
    body.setdefault("eventType", "default")
    body.setdefault("reminders", {"useDefault": True})
    body.setdefault("iCalUID", f"{body['id']}@google.com")
    body.setdefault("creator", {"email": calendar.owner})
    body.setdefault("organizer", {"email": calendar.id})
    if "updated" not in given:
        body["updated"] = now
    if "sequence" not in given:
        body["sequence"] = 0 if is_new and "recurringEventId" not in body else body.get("sequence", 0) + 1
    if "recurrence" in body:
        for key in ("start", "end"):
            if "dateTime" in body.get(key, {}):
                body[key] = {"timeZone": calendar.time_zone} | body[key]


def check_times(calendar: Calendar, body: Body) -> None:
    """ControlError for times or rules Google would refuse, or this sandbox cannot expand."""
    if body["status"] == "cancelled":
        return
    if "start" not in body or "end" not in body:
        raise ControlError(f"event {body['id']} needs start and end")
    try:
        start, end = shapes.edges(body, calendar.time_zone)
        if "recurrence" in body:
            next(slots(body, calendar.time_zone), None)
    except (ValueError, KeyError) as error:
        raise ControlError(f"event {body['id']}: {error}") from error
    if end < start:
        raise ControlError(f"event {body['id']} ends before it starts")


def derived_id(given: Body) -> str:
    """The id of an exception given by its series and original start; empty for anything else."""
    if "recurringEventId" not in given or "originalStartTime" not in given:
        return ""
    original = given["originalStartTime"]
    if "date" in original:
        return f"{given['recurringEventId']}_{original['date'].replace('-', '')}"
    zone = zone_of(original, "UTC")
    start = wall_time(original, zone).replace(tzinfo=zone).astimezone(UTC)
    return f"{given['recurringEventId']}_{start:%Y%m%dT%H%M%SZ}"


def series_of(calendar: Calendar, event_id: str) -> tuple[Entry, Slot] | None:
    """The live series an instance id belongs to, and the slot; None if it is no such id."""
    match = INSTANCE_ID.match(event_id)
    series = calendar.get(match["series"]) if match else None
    if match is None or series is None or series.is_cancelled or not series.is_series:
        return None
    slot = find_slot(series.body, calendar.time_zone, match["key"])
    return (series, slot) if slot else None


def find_slot(body: Body, zone: str, key: str) -> Slot | None:
    """The slot of a series with this key, or None."""
    day = datetime.strptime(key[:8], "%Y%m%d").date()
    for slot in slots(body, zone):
        if slot.key == key:
            return slot
        if slot.start.date() > day:
            return None
    return None


def instance_of(calendar: Calendar, event_id: str) -> Body | None:
    """An instance as its series says it is, or None."""
    found = series_of(calendar, event_id)
    return None if found is None else instance(found[0].body, found[1], calendar.time_zone)


def instance(series: Body, slot: Slot, fallback_zone: str) -> Body:
    """One occurrence of a series as an event of its own."""
    body = {key: value for key, value in series.items() if key != "recurrence"}
    body |= {"id": f"{series['id']}_{slot.key}", "recurringEventId": series["id"]}
    if "date" in series["start"]:
        days = wall_time(series["end"], zone_of({}, "UTC")) - wall_time(series["start"], zone_of({}, "UTC"))
        body["start"] = {"date": slot.start.date().isoformat()}
        body["end"] = {"date": (slot.start + days).date().isoformat()}
    else:
        begin, end = shapes.edges(series, fallback_zone)
        zone = zone_of(series["start"], fallback_zone)
        for key, at in (("start", slot.start), ("end", slot.start + (end - begin))):
            body[key] = {"dateTime": at.astimezone(zone).isoformat(), "timeZone": zone.key}
    body["originalStartTime"] = body["start"]
    return body


def store(google: Google, calendar: Calendar, body: Body) -> None:
    """Put an event on one calendar. Exceptions its series no longer has go; google.touched remembers the calendar."""
    calendar.put(body, f'"{google.world.clock.stamp() * 2}"')
    google.touched.append(calendar.id)
    if "recurringEventId" in body:
        return
    is_series = "recurrence" in body and body["status"] != "cancelled"
    for exception in calendar.exceptions_of(body["id"]):
        key = exception.body["id"].removeprefix(f"{body['id']}_")
        if not is_series:
            calendar.drop(exception.body["id"])
        elif not exception.is_cancelled and find_slot(body, calendar.time_zone, key) is None:
            gone = exception.body | {"status": "cancelled", "updated": body["updated"]}
            calendar.put(gone, f'"{google.world.clock.stamp() * 2}"')


def guests(google: Google, calendar: Calendar, body: Body | None) -> Iterator[Calendar]:
    """The primary calendars of guests who live in this sandbox, without the one the event is on."""
    for one in (body or {}).get("attendees", []):
        email = one["email"].lower()
        if email in google.accounts and email != calendar.id:
            yield google.calendars[email]


def share(google: Google, calendar: Calendar, body: Body, before: Entry | None) -> None:
    """The organizer changed an event: colleagues' copies follow; who is no guest any more loses the copy."""
    invited = {guest.id: guest for guest in guests(google, calendar, body)}
    for guest in invited.values():
        mine = guest.get(body["id"])
        kept = {"reminders": mine.body["reminders"]} if mine else {}
        store(google, guest, {**body, **kept})
    for guest in guests(google, calendar, before.body if before else None):
        mine = guest.get(body["id"])
        if guest.id not in invited and mine is not None and not mine.is_cancelled:
            store(google, guest, {**mine.body, "status": "cancelled", "updated": body["updated"]})


def answer(google: Google, calendar: Calendar, body: Body) -> None:
    """A guest's copy changed: the guest's answer shows on every other copy. Deleting a copy declines."""
    own: list[Body] = [one for one in body.get("attendees", []) if one["email"].lower() == calendar.id.lower()]
    if not own:
        return
    response = "declined" if body["status"] == "cancelled" else own[0].get("responseStatus", "needsAction")
    emails = [body["organizer"].get("email", ""), *(one["email"] for one in body["attendees"])]
    for email in dict.fromkeys(each.lower() for each in emails):
        other = google.calendars.get(email)
        copy = other.get(body["id"]) if other is not None and other is not calendar else None
        if other is None or copy is None or copy.is_cancelled:
            continue
        attendees: list[Body] = [
            one | {"responseStatus": response} if one["email"].lower() == calendar.id.lower() else one
            for one in copy.body.get("attendees", [])
        ]
        if attendees != copy.body.get("attendees", []):
            store(google, other, {**copy.body, "attendees": attendees, "updated": body["updated"]})


def preview(calendar: Calendar, limit: int) -> list[dict[str, Any]]:
    """The first events as stored, for the control API."""
    return [entry.body | {"etag": entry.etag} for entry in islice(calendar.changes(0, calendar.last_number), limit)]
