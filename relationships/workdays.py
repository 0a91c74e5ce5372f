"""Time in business days: Monday to Friday of somebody's own calendar, whatever the clocks there do.

A place on this scale is a number of business days. Every weekday counts one, also the one that has 23 or 25 hours, and
a part of a day counts by its share of that day. A weekend lasts no time at all. Holidays are not known.
"""

from datetime import UTC, date, datetime, time, timedelta
from math import floor
from zoneinfo import ZoneInfo

A_BLINK = 1e-9
"""Of a day, 0.1 ms: what is lost between a number and a moment."""


def between(start: datetime, end: datetime, zone: ZoneInfo) -> float:
    """How many business days pass between two aware moments; negative where ``end`` is the earlier one."""
    return place(end, zone) - place(start, zone)


def after(start: datetime, days: float, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, that is so many business days after ``start``. What ends with a Friday ends on Monday."""
    wanted = place(start, zone) + days
    whole = floor(wanted + A_BLINK)
    weeks, weekday = divmod(whole, 5)
    day = date.fromordinal(weeks * 7 + weekday + 1)
    begins = midnight(day, zone)
    return begins + (midnight(day + timedelta(days=1), zone) - begins) * max(0.0, wanted - whole)


def place(moment: datetime, zone: ZoneInfo) -> float:
    """Where an aware moment stands on the scale that began on Monday, 1 January of year 1."""
    day = moment.astimezone(zone).date()
    # The first day of year 1 was a Monday, and has the ordinal 1.
    weeks, weekday = divmod(day.toordinal() - 1, 7)
    if weekday > 4:
        return weeks * 5 + 5
    begins = midnight(day, zone)
    return weeks * 5 + weekday + (moment - begins) / (midnight(day + timedelta(days=1), zone) - begins)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When this day begins there, in UTC; where the clocks skip midnight, the moment at which they do."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)
