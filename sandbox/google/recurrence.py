"""Which times a recurring event takes place: the part of RFC 5545 that Google Calendar's own pages use.

RRULE with FREQ DAILY, WEEKLY, MONTHLY or YEARLY, INTERVAL, COUNT, UNTIL, BYDAY (with ordinals in a month) and
BYMONTHDAY; EXDATE and RDATE. The rule runs on wall-clock time in the event's zone, so a meeting at nine stays at
nine when the clocks change. https://developers.google.com/workspace/calendar/api/concepts/events-calendars#recurring_events
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from heapq import merge
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
KNOWN_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "WKST"}
MOST_PERIODS = 20_000


@dataclass(frozen=True, order=True)
class Slot:
    """One occurrence: its start in UTC, and what its instance id ends with.

    An all-day occurrence starts at midnight UTC of its date and has a key without time.
    """

    start: datetime
    key: str = field(compare=False)


@dataclass(frozen=True)
class Rule:
    """A parsed RRULE. ``until`` is in the event's wall-clock time, inclusive."""

    frequency: str
    interval: int
    count: int | None
    until: datetime | None
    days: tuple[tuple[int, int], ...]
    month_days: tuple[int, ...]
    week_start: int


def zone_of(moment: dict[str, Any], fallback: str) -> ZoneInfo:
    """The zone a start is meant in: its own, else ``fallback``."""
    return ZoneInfo(moment.get("timeZone") or fallback)


def wall_time(moment: dict[str, Any], zone: ZoneInfo) -> datetime:
    """A start or end as naive wall-clock time in ``zone``; a date is its midnight."""
    if "date" in moment:
        return datetime.combine(date.fromisoformat(moment["date"]), time())
    parsed = datetime.fromisoformat(moment["dateTime"])
    return parsed if parsed.tzinfo is None else parsed.astimezone(zone).replace(tzinfo=None)


def slots(event: dict[str, Any], fallback_zone: str) -> Iterator[Slot]:
    """The occurrences of a recurring event in order, endless if its rule is."""
    is_all_day = "date" in event["start"]
    zone = ZoneInfo("UTC") if is_all_day else zone_of(event["start"], fallback_zone)
    first = wall_time(event["start"], zone)
    rules = [text.split(":", 1)[1] for text in event["recurrence"] if text.startswith("RRULE:")]
    added = set(listed(event["recurrence"], "RDATE", zone))
    removed = {instant(wall, zone) for wall in listed(event["recurrence"], "EXDATE", zone)}
    streams: list[Iterable[datetime]] = [occurrences(parse_rule(rule, zone), first) for rule in rules]
    seen: Slot | None = None
    for wall in merge(*streams, sorted(added if rules else added | {first})):
        start = instant(wall, zone)
        slot = Slot(start, start.strftime("%Y%m%d" if is_all_day else "%Y%m%dT%H%M%SZ"))
        if start not in removed and slot != seen:
            seen = slot
            yield slot


def is_endless(event: dict[str, Any]) -> bool:
    """Whether a rule of the event has neither COUNT nor UNTIL."""
    rules = (text for text in event["recurrence"] if text.startswith("RRULE:"))
    return any("COUNT=" not in rule and "UNTIL=" not in rule for rule in rules)


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Wall-clock time → UTC. A time the clocks skip moves on by the gap; of a doubled one the first is meant."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


def listed(lines: list[str], name: str, zone: ZoneInfo) -> Iterator[datetime]:
    """The wall-clock times of all EXDATE or RDATE lines."""
    for line in lines:
        head, _, values = line.partition(":")
        parameters = dict(part.split("=", 1) for part in head.split(";")[1:])
        if head.split(";")[0] == name:
            own_zone = ZoneInfo(parameters["TZID"]) if "TZID" in parameters else zone
            for value in values.split(","):
                yield instant(parse_time(value, own_zone), own_zone).astimezone(zone).replace(tzinfo=None)


def parse_time(text: str, zone: ZoneInfo) -> datetime:
    """An iCalendar date or time as naive wall-clock time in ``zone``."""
    if text.endswith("Z"):
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    return datetime.strptime(text, "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")


def parse_rule(text: str, zone: ZoneInfo) -> Rule:
    """An RRULE's value; ValueError for parts this module does not know."""
    parts = dict(part.split("=", 1) for part in text.split(";"))
    if unknown := parts.keys() - KNOWN_PARTS:
        raise ValueError(f"RRULE parts not supported: {', '.join(sorted(unknown))}")
    if parts["FREQ"] not in FREQUENCIES:
        raise ValueError(f"FREQ not supported: {parts['FREQ']}")
    until = parts.get("UNTIL")
    last = None if until is None else parse_time(until, zone)
    if last is not None and until is not None and "T" not in until:
        last = datetime.combine(last.date(), time.max)
    return Rule(
        frequency=parts["FREQ"],
        interval=int(parts.get("INTERVAL", 1)),
        count=int(parts["COUNT"]) if "COUNT" in parts else None,
        until=last,
        days=tuple(parse_day(day) for day in parts.get("BYDAY", "").split(",") if day),
        month_days=tuple(int(day) for day in parts.get("BYMONTHDAY", "").split(",") if day),
        week_start=DAYS.index(parts.get("WKST", "MO")),
    )


def parse_day(text: str) -> tuple[int, int]:
    """A BYDAY item → (ordinal, weekday); "-1FR" is the last Friday, "FR" has ordinal 0: every one."""
    return int(text[:-2] or 0), DAYS.index(text[-2:])


def occurrences(rule: Rule, first: datetime) -> Iterator[datetime]:
    """Wall-clock starts of a rule, from the event's start on."""
    starts = (datetime.combine(day, first.time()) for day in days_of(rule, first.date()))
    wanted: Iterator[datetime] = starts
    if rule.until is not None:
        until = rule.until
        wanted = takewhile(lambda start: start <= until, starts)
    for number, start in enumerate(wanted):
        if rule.count is not None and number >= rule.count:
            return
        yield start


def days_of(rule: Rule, first: date) -> Iterator[date]:
    """The dates of a rule, from ``first`` on, in order, up to the last year Python has."""
    for number in range(MOST_PERIODS):
        try:
            days = sorted(set(period(rule, first, number * rule.interval)))
        except (ValueError, OverflowError):
            return
        for day in days:
            if day >= first:
                yield day


def period(rule: Rule, first: date, steps: int) -> Iterator[date]:
    """The rule's dates within the ``steps``-th day, week, month or year counted from the one of ``first``."""
    weekdays = {weekday for _, weekday in rule.days}
    if rule.frequency == "DAILY":
        day = first + timedelta(days=steps)
        if not weekdays or day.weekday() in weekdays:
            yield day
    elif rule.frequency == "WEEKLY":
        monday = first - timedelta(days=(first.weekday() - rule.week_start) % 7) + timedelta(weeks=steps)
        for offset in range(7):
            day = monday + timedelta(days=offset)
            if day.weekday() in (weekdays or {first.weekday()}):
                yield day
    elif rule.frequency == "MONTHLY":
        years, month = divmod(first.month - 1 + steps, 12)
        yield from days_in_month(rule, first, first.year + years, month + 1)
    else:
        yield from days_in_month(rule, first, first.year + steps, first.month)


def days_in_month(rule: Rule, first: date, year: int, month: int) -> Iterator[date]:
    """The rule's dates in a month; a 31st is skipped where there is none."""
    start = date(year, month, 1)
    length = ((start + timedelta(days=31)).replace(day=1) - start).days
    if rule.days:
        for ordinal, weekday in rule.days:
            all_such = [day for day in range(1, length + 1) if date(year, month, day).weekday() == weekday]
            if ordinal == 0:
                yield from (date(year, month, day) for day in all_such)
            elif abs(ordinal) <= len(all_such):
                yield date(year, month, all_such[ordinal - 1 if ordinal > 0 else ordinal])
        return
    for number in rule.month_days or (first.day,):
        day = number if number > 0 else length + 1 + number
        if 1 <= day <= length:
            yield date(year, month, day)
