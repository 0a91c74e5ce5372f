"""Which events an events.list call returns, page by page.

A full list and a delta are the same walk over a calendar's changes; the delta starts where its sync token was given.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from sandbox.clock import parse_instant
from sandbox.google import shapes
from sandbox.google.calendars import BUSY_ONLY, Body, Calendar, Entry
from sandbox.google.events import instance
from sandbox.google.query import Query, properties_match
from sandbox.google.recurrence import Slot, is_endless, slots

# Measured by users, promised by nobody: how far Google expands, and how far it takes back a deleted series.
AHEAD = timedelta(days=730)
TAKEN_BACK_AHEAD = timedelta(days=183)
MOST_INSTANCES = 5_000
# A page may come out short, or empty: after this many candidates per wanted item the next page is due.
CANDIDATES_PER_ITEM = 4


@dataclass(frozen=True)
class Walk:
    """One walk over a calendar's changes: those after ``number`` and up to ``upto``.

    ``since`` is the sync token's change, None for a full list; ``index`` the last item seen of change ``number``, -1
    when it is not to be seen again. ``time_min`` bounds instances below.
    """

    number: int
    index: int
    upto: int
    now: datetime
    since: int | None
    time_min: datetime | None


@dataclass(frozen=True)
class Found:
    """An item and its place in the walk."""

    number: int
    index: int
    body: Body
    etag: str


def page(calendar: Calendar, query: Query, role: str, walk: Walk) -> tuple[list[Found], Found | None]:
    """The next items, and the last place looked at if there is more behind it."""
    found: list[Found] = []
    last: Found | None = None
    for scanned, candidate in enumerate(candidates(calendar, query, role, walk)):
        if len(found) == query.max_results or scanned == query.max_results * CANDIDATES_PER_ITEM:
            return found, last
        last = candidate
        if is_wanted(calendar, candidate.body, query, role, walk):
            found.append(candidate)
    return found, None


def page_by_start(calendar: Calendar, query: Query, role: str, walk: Walk) -> tuple[list[Found], Found | None]:
    """As ``page``, in the order of start times; here ``index`` counts items of the whole list."""
    whole = Walk(0, -1, walk.upto, walk.now, walk.since, walk.time_min)
    wanted = (
        one for one in candidates(calendar, query, role, whole) if is_wanted(calendar, one.body, query, role, walk)
    )
    ordered = sorted(wanted, key=lambda one: (shapes.edges(one.body, calendar.time_zone)[0], one.body["id"]))
    first = walk.index + 1
    found = [
        Found(0, first + offset, one.body, one.etag)
        for offset, one in enumerate(ordered[first : first + query.max_results])
    ]
    return found, found[-1] if first + len(found) < len(ordered) else None


def candidates(calendar: Calendar, query: Query, role: str, walk: Walk) -> Iterator[Found]:
    """Everything the walk comes by, filtered or not: the places must not depend on filters that look at the clock."""
    is_single = query.is_single or role == BUSY_ONLY
    after = walk.number if walk.index < 0 else walk.number - 1
    for entry in calendar.changes(after, walk.upto):
        bodies = expand(calendar, entry, query, walk) if is_single else iter([entry.body])
        for index, body in enumerate(bodies):
            if body is not None and (entry.number > walk.number or index > walk.index):
                yield Found(entry.number, index, body, entry.etag)


def expand(calendar: Calendar, entry: Entry, query: Query, walk: Walk) -> Iterator[Body | None]:
    """An event as single events: what a client must take back, then itself or a series' instances.

    None holds the place of an instance that is an exception by now, so that the places behind it stay.
    """
    if walk.since is not None:
        yield from taken_back(calendar, entry, walk.since, walk)
    if not entry.is_series:
        yield entry.body
    elif not entry.is_cancelled:
        for slot in slots_within(calendar, entry.body, walk, query.time_max):
            is_exception = f"{entry.body['id']}_{slot.key}" in calendar.entries
            yield None if is_exception else instance(entry.body, slot, calendar.time_zone)


def slots_within(calendar: Calendar, series: Body, walk: Walk, time_max: datetime | None) -> Iterator[Slot]:
    """A series' slots, bounded: below by ``time_min``, above by ``time_max``, an endless one by two years."""
    begin, end = shapes.edges(series, calendar.time_zone)
    earliest = walk.time_min - (end - begin) - timedelta(days=1) if walk.time_min else None
    limit = time_max + timedelta(days=1) if time_max else None
    if limit is None and is_endless(series):
        limit = max(walk.now, begin) + AHEAD
    wanted = (slot for slot in slots(series, calendar.time_zone) if earliest is None or slot.start > earliest)
    for slot in islice(wanted, MOST_INSTANCES):
        if limit is not None and slot.start >= limit:
            return
        yield slot


def taken_back(calendar: Calendar, entry: Entry, since: int, walk: Walk) -> Iterator[Body | None]:
    """Tombstones for instances the event had after change ``since`` and has no more."""
    event_id, is_live = entry.body["id"], not entry.is_cancelled
    current = set[str]()
    if entry.is_series and is_live:
        current = {slot.key for slot in slots_within(calendar, entry.body, walk, None)}
    for former in entry.former:
        if former.until <= since:
            continue
        if "recurrence" not in former.shape:
            if entry.is_series:
                yield {"id": event_id, "status": "cancelled", "eventType": entry.body["eventType"]}
            continue
        limit = None if is_live else walk.now + TAKEN_BACK_AHEAD
        for slot in slots_within(calendar, former.shape, walk, limit):
            if slot.key in current:
                continue
            current.add(slot.key)
            if f"{event_id}_{slot.key}" in calendar.entries:
                yield None
                continue
            gone = instance(former.shape, slot, calendar.time_zone)
            yield gone | {"status": "cancelled", "eventType": entry.body["eventType"]}


def is_wanted(calendar: Calendar, body: Body, query: Query, role: str, walk: Walk) -> bool:
    """Whether an item passes the query's filters. A delta has hardly any: the client must learn all changes."""
    if query.event_types and body["eventType"] not in query.event_types:
        return False
    if walk.since is not None:
        return True
    if body["status"] == "cancelled" and not shows_cancelled(calendar, body, query, role):
        return False
    if query.updated_min and parse_instant(body["updated"]) < query.updated_min:
        return False
    if query.ical_uid and body["iCalUID"] != query.ical_uid:
        return False
    if not properties_match(body, "private", query.private) or not properties_match(body, "shared", query.shared):
        return False
    if query.text and query.text not in searched_text(body):
        return False
    return is_in_window(calendar, body, query)


def shows_cancelled(calendar: Calendar, body: Body, query: Query, role: str) -> bool:
    """Cancelled instances of a live series belong to the series as long as it is not expanded."""
    if role == BUSY_ONLY:
        return False
    series = calendar.get(body["recurringEventId"]) if "recurringEventId" in body else None
    is_of_live_series = series is not None and not series.is_cancelled
    return query.show_deleted or query.updated_min is not None or (is_of_live_series and not query.is_single)


def searched_text(body: Body) -> str:
    """What ``q`` looks through, in lower case."""
    people = [body["organizer"], *body.get("attendees", [])]
    names = [person.get(key, "") for person in people for key in ("email", "displayName")]
    return " ".join([body.get(key, "") for key in ("summary", "description", "location")] + names).lower()


def is_in_window(calendar: Calendar, body: Body, query: Query) -> bool:
    """timeMin is an exclusive bound on the end, timeMax one on the start. A series is in if any instance is."""
    if query.time_min is None and query.time_max is None:
        return True
    begin, end = shapes.edges(body, calendar.time_zone)
    if "recurrence" not in body:
        return overlaps(begin, end, query)
    length = end - begin
    latest = query.time_max or datetime.max.replace(tzinfo=UTC)
    for slot in slots(body, calendar.time_zone):
        if slot.start >= latest:
            return False
        if overlaps(slot.start, slot.start + length, query):
            return True
    return False


def overlaps(begin: datetime, end: datetime, query: Query) -> bool:
    """Whether a span lies in the window."""
    is_after = query.time_min is None or end > query.time_min
    return is_after and (query.time_max is None or begin < query.time_max)
