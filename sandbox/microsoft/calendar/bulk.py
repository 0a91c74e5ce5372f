"""Many events at once: the same for the same order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.microsoft.calendar import zones

FIRST_DAY, LAST_DAY = -90, 60
SUBJECTS = ("Intro call", "Fund update", "Diligence review", "Quarterly catch-up", "Site visit", "Term sheet")
STEP = 7919
WEEKS = 4


def bodies(count: int, start: datetime, series_share: float, guests: list[str]) -> Iterator[dict[str, Any]]:
    """``count`` events spread over -90 to +60 days around ``start``.

    ``series_share`` of them (0 to 1) are weekly series of four. Each has one of the ``guests``, if there are any.
    """
    quarters = (LAST_DAY - FIRST_DAY) * 96
    origin = start.astimezone(UTC) + timedelta(days=FIRST_DAY)
    for index in range(count):
        begin = origin + timedelta(minutes=15 * (index * STEP % quarters))
        body: dict[str, Any] = {
            "subject": f"{SUBJECTS[index % len(SUBJECTS)]} {index}",
            "start": zones.moment_of(begin, "UTC"),
            "end": zones.moment_of(begin + timedelta(minutes=30 + 15 * (index % 3)), "UTC"),
        }
        if guests:
            body["attendees"] = [{"emailAddress": {"address": guests[index % len(guests)]}}]
        if int((index + 1) * series_share) > int(index * series_share):
            body["recurrence"] = {"pattern": {"type": "weekly"}, "range": {"type": "numbered"}}
            body["recurrence"]["range"]["numberOfOccurrences"] = WEEKS
        yield body
