"""Which days a recurring event takes place on: daily, weekly and monthly patterns of Graph.

https://learn.microsoft.com/graph/api/resources/patternedrecurrence
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count, islice, takewhile
from typing import Any

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PATTERNS = ("daily", "weekly", "absoluteMonthly")
RANGES = ("numbered", "endDate", "noEnd")
NEVER = "0001-01-01"


def completed(given: dict[str, Any], first: date, zone: str) -> dict[str, Any]:
    """A patternedRecurrence with all Graph fills in; ValueError for what the sandbox cannot repeat."""
    pattern = {
        "type": "weekly",
        "interval": 1,
        "month": 0,
        "dayOfMonth": 0,
        "firstDayOfWeek": "sunday",
        "index": "first",
    } | given.get("pattern", {})
    if pattern["type"] not in PATTERNS:
        raise ValueError(f"recurrence.pattern.type must be one of {', '.join(PATTERNS)}")
    if pattern["type"] == "weekly":
        pattern.setdefault("daysOfWeek", [DAYS[first.weekday()]])
        if not pattern["daysOfWeek"] or not {*pattern["daysOfWeek"], pattern["firstDayOfWeek"]} <= {*DAYS}:
            raise ValueError("recurrence.pattern.daysOfWeek holds other things than days")
    if pattern["type"] == "absoluteMonthly":
        pattern["dayOfMonth"] = pattern["dayOfMonth"] or first.day
    limits = {"startDate": first.isoformat(), "endDate": NEVER, "recurrenceTimeZone": zone, "numberOfOccurrences": 0}
    limits |= {"type": "noEnd"} | given.get("range", {})
    if limits["type"] not in RANGES or int(pattern["interval"]) < 1:
        raise ValueError(f"recurrence.range.type must be one of {', '.join(RANGES)}, the interval 1 or more")
    return {"pattern": pattern, "range": limits}


def days(recurrence: dict[str, Any]) -> Iterator[date]:
    """The days of a completed recurrence in order, endless if it is."""
    limits = recurrence["range"]
    first = date.fromisoformat(limits["startDate"])
    found = (day for day in _pattern_days(recurrence["pattern"], first) if day >= first)
    if limits["type"] == "numbered":
        return islice(found, int(limits["numberOfOccurrences"]))
    if limits["type"] == "endDate":
        last = date.fromisoformat(limits["endDate"])
        return takewhile(lambda day: day <= last, found)
    return found


def _pattern_days(pattern: dict[str, Any], first: date) -> Iterator[date]:
    """The days of the period ``first`` lies in and of every further one."""
    if pattern["type"] == "daily":
        return (first + timedelta(days=steps) for steps in count(0, pattern["interval"]))
    if pattern["type"] == "weekly":
        return _weekly(pattern, first)
    return _monthly(pattern, first)


def _weekly(pattern: dict[str, Any], first: date) -> Iterator[date]:
    begin = DAYS.index(pattern["firstDayOfWeek"])
    week_start = first - timedelta(days=(first.weekday() - begin) % 7)
    offsets = sorted({(DAYS.index(day) - begin) % 7 for day in pattern["daysOfWeek"]})
    for weeks in count(0, pattern["interval"]):
        for offset in offsets:
            yield week_start + timedelta(weeks=weeks, days=offset)


def _monthly(pattern: dict[str, Any], first: date) -> Iterator[date]:
    """Once a month; a 31st is the last day of a shorter one, as Outlook has it."""
    for months in count(first.month - 1, pattern["interval"]):
        year, month = first.year + months // 12, months % 12 + 1
        yield date(year, month, min(pattern["dayOfMonth"], monthrange(year, month)[1]))
