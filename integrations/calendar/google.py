"""Translates Google Calendar: lists calendars, reads pages of events, opens and stops push channels.

https://developers.google.com/workspace/calendar/api/guides/sync
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import requests

from integrations.calendar import times
from integrations.calendar.texts import address, event_id, id_of, text
from integrations.contract import (
    EventCopy,
    EventPage,
    Guest,
    OpenedChannel,
    PageRequest,
    ResourceInfo,
    UnreadableItem,
    WatchRequest,
)
from integrations.errors import CursorExpired, Permanent, Temporary, Unreadable
from integrations.providers import google

PAGE_SIZE = 2500
"""Google's maximum: at 50 ms a call, six times the events per second of its default of 250."""

RESPONSES = {
    "accepted": "accepted",
    "declined": "declined",
    "tentative": "tentative",
    "needsAction": "needs_action",
}
"""Google's word for an answer to ours; an unknown one counts as none given."""

EVENT_TYPES = {
    "default": "default",
    "focusTime": "focus_time",
    "outOfOffice": "out_of_office",
    "workingLocation": "working_place",
    "birthday": "birthday",
    "fromGmail": "from_mail",
}
"""Google's kind of entry to ours; an unknown one counts as an ordinary event."""

ACCESS_ROLES = {"freeBusyReader": "free_busy"}
"""Google's word for what the account may see; all others see events."""

VISIBILITIES = {"private": "private", "confidential": "private"}


class GoogleCalendar:
    """The adapter. ``http`` is an authorised session of ``integrations.outbound``, used by one thread."""

    is_single_watch = False

    def calendars(self, http: requests.Session) -> Iterator[ResourceInfo]:
        """Every calendar of the account's list. Raises MissingScope where listing was not granted."""
        listing = google.api("calendar", "v3").calendarList()
        page = ""
        while True:
            answer = google.run(listing.list(maxResults=250, **({"pageToken": page} if page else {})), http)
            items, last = answer.get("items"), page
            page = str(answer.get("nextPageToken", ""))
            if not isinstance(items, list) or (page and page == last):
                # Neither an empty list nor an endless one: after it calendars would count as gone.
                raise Temporary("Google's answer is no list of calendars.")
            for item in items:
                if not item.get("deleted") and item.get("id"):
                    yield _calendar(item)
            if not page:
                return

    def page(self, http: requests.Session, wanted: PageRequest) -> EventPage:
        """One page. Series come as instances, so that moved and cancelled ones are what they are."""
        fields: dict[str, Any] = {"calendarId": wanted.calendar_id, "maxResults": PAGE_SIZE, "singleEvents": True}
        if wanted.page:
            fields["pageToken"] = wanted.page
        if wanted.cursor:
            fields["syncToken"] = wanted.cursor
        else:
            fields["timeMin"] = _rfc3339(wanted.window_start)
            fields["timeMax"] = _rfc3339(wanted.window_end)
        try:
            answer = google.run(google.api("calendar", "v3").events().list(**fields), http)
        except Permanent as error:
            if (wanted.cursor or wanted.page) and "HTTP 400" in str(error):
                raise CursorExpired("Google no longer takes the place where we stopped reading.") from error
            raise
        return _page(answer)

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        """Ask for pushes. Google may grant less time than asked: its answer counts."""
        body = {
            "id": wanted.channel_id,
            "type": "web_hook",
            "address": wanted.address,
            "token": wanted.token,
            "params": {"ttl": str(int((wanted.expires_at - datetime.now(UTC)).total_seconds()))},
        }
        request = google.api("calendar", "v3").events().watch(calendarId=wanted.external_id, body=body)
        answer = google.run(request, http)
        return OpenedChannel(
            resource_id=str(answer.get("resourceId", "")),
            resource_uri=str(answer.get("resourceUri", "")),
            expires_at=datetime.fromtimestamp(int(answer["expiration"]) / 1000, UTC)
            if answer.get("expiration")
            else wanted.expires_at,
        )

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        """End a channel. Raises ResourceGone where it ended already."""
        body = {"id": channel_id, "resourceId": resource_id}
        google.run(google.api("calendar", "v3").channels().stop(body=body), http)


def _calendar(item: dict[str, Any]) -> ResourceInfo:
    return ResourceInfo(
        external_id=text(item["id"]),
        name=text(item.get("summaryOverride") or item.get("summary") or item["id"], 200),
        time_zone=text(item.get("timeZone", ""), 100),
        is_primary=bool(item.get("primary", False)),
        access_role=ACCESS_ROLES.get(str(item.get("accessRole")), "reader"),
    )


def _page(answer: dict[str, Any]) -> EventPage:
    items = answer.get("items")
    if not isinstance(items, list):
        # An answer without its list is not an empty list: after it every event would count as deleted.
        raise Temporary("Google's answer has no list of events.")
    events, unreadable = [], []
    for item in items:
        try:
            events.append(event(item))
        except Unreadable as error:
            # One item in an unknown form must not hold up the calendar: it is set aside with its reason.
            unreadable.append(UnreadableItem(id_of(item), str(error)))
    return EventPage(
        events=tuple(events),
        unreadable=tuple(unreadable),
        next_page=str(answer.get("nextPageToken", "")),
        next_cursor=str(answer.get("nextSyncToken", "")),
    )


def event(item: Any) -> EventCopy:
    """One event resource; of a cancelled one only the id is sure. Raises Unreadable for what makes no sense."""
    try:
        return _event(item)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Unreadable(f"It has an unknown form ({type(error).__name__}).") from error


def _event(item: dict[str, Any]) -> EventCopy:
    series_id = event_id(item["recurringEventId"]) if item.get("recurringEventId") else ""
    if item.get("status") == "cancelled":
        return EventCopy(external_id=event_id(item["id"]), is_cancelled=True, series_id=series_id)
    original = item.get("originalStartTime") or {}
    start, end = item.get("start"), item.get("end")
    if not isinstance(start, dict) or not isinstance(end, dict):
        raise Unreadable("The event has no start or no end.")
    starts_at, starts_on = _moment(start)
    ends_at, ends_on = _moment(end)
    times.check((starts_at, starts_on), (ends_at, ends_on))
    organizer = item.get("organizer") or {}
    attendees = item.get("attendees") or []
    return EventCopy(
        external_id=event_id(item["id"]),
        etag=text(item.get("etag", ""), 200),
        ical_uid=text(item.get("iCalUID", "")),
        series_id=series_id,
        original_start=times.slot(_moment(original)) if original else "",
        title=text(item.get("summary", ""), 500),
        location=text(item.get("location", ""), 500),
        join_url=_join_url(item),
        starts_at=starts_at,
        ends_at=ends_at,
        starts_on=starts_on,
        ends_on=ends_on,
        organizer=address(organizer.get("email", "")),
        my_response=_my_response(attendees, organizer),
        visibility=VISIBILITIES.get(str(item.get("visibility")), "default"),
        event_type=EVENT_TYPES.get(str(item.get("eventType")), "default"),
        guests=_guests(attendees, organizer),
        guests_omitted=bool(item.get("attendeesOmitted", False)),
        updated_at=times.instant(str(item["updated"])) if item.get("updated") else None,
    )


def _guests(attendees: list[dict[str, Any]], organizer: dict[str, Any]) -> tuple[Guest, ...]:
    """The other people: without rooms and the calendar's owner (``self``), with an organizer who is not on the list."""
    guests: dict[str, Guest] = {}
    for attendee in attendees:
        email = address(attendee.get("email", ""))
        if "@" not in email or attendee.get("resource") or attendee.get("self"):
            continue
        guests[email] = Guest(
            email=email,
            name=text(attendee.get("displayName", ""), 200),
            response=RESPONSES.get(str(attendee.get("responseStatus", "")), "needs_action"),
            is_organizer=bool(attendee.get("organizer", False)),
            is_optional=bool(attendee.get("optional", False)),
        )
    email = address(organizer.get("email", ""))
    listed = organizer.get("self") or email in guests or email.endswith("calendar.google.com")
    if "@" in email and not listed:
        name = text(organizer.get("displayName", ""), 200)
        guests[email] = Guest(email=email, name=name, response="accepted", is_organizer=True)
    return tuple(guests.values())


def _my_response(attendees: list[dict[str, Any]], organizer: dict[str, Any]) -> str:
    """The answer of the calendar's owner: ``self`` refers to the calendar the copy is on."""
    for attendee in attendees:
        if attendee.get("self"):
            return RESPONSES.get(str(attendee.get("responseStatus", "")), "needs_action")
    return "accepted" if organizer.get("self") else ""


def _moment(value: dict[str, Any]) -> times.Moment:
    """An instant in UTC, or a day in no zone. Raises Unreadable."""
    if value.get("dateTime"):
        return times.instant(str(value["dateTime"])), None
    if value.get("date"):
        return None, times.day(str(value["date"]))
    raise Unreadable("A start or end has neither a time nor a day.")


def _join_url(item: dict[str, Any]) -> str:
    for entry in (item.get("conferenceData") or {}).get("entryPoints") or []:
        if entry.get("entryPointType") == "video" and str(entry.get("uri", "")).startswith("https://"):
            return text(entry["uri"], 1000)
    link = str(item.get("hangoutLink", ""))
    return text(link, 1000) if link.startswith("https://") else ""


def _rfc3339(moment: datetime | None) -> str:
    assert moment is not None, "a full round needs its window"
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


adapter = GoogleCalendar()
