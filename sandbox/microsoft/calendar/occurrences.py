"""When an event takes place: once, or on every day of its series that is not deleted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sandbox.microsoft.calendar import recurrence, zones
from sandbox.microsoft.calendar.books import Body, Entry

LEAD = timedelta(days=1)
"""A day of a series begins at most this long before or after that day in UTC."""


@dataclass(frozen=True)
class Window:
    """A span of time, aware; its end is outside."""

    start: datetime
    end: datetime

    def holds(self, body: Body) -> bool:
        """Whether an event of these times touches the window."""
        start, end = span(body)
        return start < self.end and (end > self.start or start == end == self.start)


@dataclass(frozen=True)
class Occurrence:
    """One day of a series: its whole body, the times included. ``original_at`` is when the series wanted it."""

    day: date
    original_at: datetime
    body: Body
    is_exception: bool


def span(body: Body) -> tuple[datetime, datetime]:
    """Start and end in UTC. An all-day event lies from midnight to midnight of the zone it was written in."""
    return zones.instant(body["start"]), zones.instant(body["end"])


def within(entry: Entry, window: Window) -> list[Occurrence]:
    """The occurrences of a series that touch the window, by start."""
    first_day = zones.wall(entry.body["start"]).date()
    longest = zones.wall(entry.body["end"]).date() - first_day + LEAD
    skipped = {*entry.exceptions, *entry.cancelled}
    found = [exception for exception in exceptions(entry) if window.holds(exception.body)]
    for day in recurrence.days(entry.body["recurrence"]):
        if day > window.end.date() + LEAD:
            break
        if day < window.start.date() - longest or day.isoformat() in skipped:
            continue
        regular = _regular(entry, day)
        if window.holds(regular.body):
            found.append(regular)
    return sorted(found, key=lambda one: (span(one.body), one.day))


def exceptions(entry: Entry) -> Iterator[Occurrence]:
    """The changed occurrences of a series."""
    for text, changes in entry.exceptions.items():
        regular = _regular(entry, date.fromisoformat(text))
        yield Occurrence(regular.day, regular.original_at, regular.body | changes, is_exception=True)


def on(entry: Entry, day: date) -> Occurrence | None:
    """The occurrence the series has, or had before it was moved, on a day; None if it has none or it is deleted."""
    text = day.isoformat()
    if text in entry.exceptions:
        regular = _regular(entry, day)
        return Occurrence(day, regular.original_at, regular.body | entry.exceptions[text], is_exception=True)
    for candidate in recurrence.days(entry.body["recurrence"]):
        if candidate >= day:
            return _regular(entry, day) if candidate == day and text not in entry.cancelled else None
    return None


def _regular(entry: Entry, day: date) -> Occurrence:
    """A day as the series says: the same time on the clock, and as long as the first."""
    start, end = entry.body["start"], entry.body["end"]
    wall = datetime.combine(day, zones.wall(start).time())
    moment = zones.written(wall, start["timeZone"])
    if entry.body.get("isAllDay"):
        until = zones.written(wall + (zones.wall(end) - zones.wall(start)), end["timeZone"])
    else:
        length = zones.instant(end) - zones.instant(start)
        until = zones.moment_of(zones.instant(moment) + length, end["timeZone"])
    body = {key: value for key, value in entry.body.items() if key != "recurrence"} | {"start": moment, "end": until}
    return Occurrence(day, zones.instant(moment), body, is_exception=False)
