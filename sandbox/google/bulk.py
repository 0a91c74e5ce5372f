"""Many synthetic events that take no memory: each is computed from its index when asked for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.clock import iso

FIRST_DAY, LAST_DAY = -90, 60
SUBJECTS = ("Intro call", "Fund update", "Diligence review", "Quarterly catch-up", "Site visit", "Term sheet")
STEP = 7919


@dataclass
class Block:
    """``count`` events with the ids ``bulk<name>x<index>``, spread over -90 to +60 days around ``start``.

    ``series_share`` of them (0 to 1) are weekly series of four. ``stamp`` is in microseconds since 1970.
    """

    name: str
    count: int
    guests: list[str]
    start: str
    series_share: float
    stamp: int
    first_number: int = 0

    @property
    def last_number(self) -> int:
        return self.first_number + self.count - 1

    def id_of(self, index: int) -> str:
        """The event id at an index: same block, same id."""
        return f"bulk{self.name}x{index:07d}"

    def index_of(self, event_id: str) -> int | None:
        """The index of an id, None if it is not of this block."""
        digits = event_id.removeprefix(f"bulk{self.name}x")
        is_ours = digits != event_id and len(digits) == 7 and digits.isdecimal() and int(digits) < self.count
        return int(digits) if is_ours else None

    def etag_of(self, index: int) -> str:
        """An etag no other event has."""
        return f'"{(self.stamp + index) * 2}"'

    def body(self, index: int, calendar_id: str, owner: str) -> dict[str, Any]:
        """The event at an index, as it would be stored."""
        start = self._start_of(index)
        moment = iso(datetime.fromtimestamp(self.stamp / 1_000_000, UTC))
        event_id = self.id_of(index)
        body: dict[str, Any] = {
            "id": event_id,
            "status": "confirmed",
            "created": moment,
            "updated": moment,
            "summary": f"{SUBJECTS[index % len(SUBJECTS)]} {index}",
            "creator": {"email": owner},
            "organizer": {"email": calendar_id},
            "start": {"dateTime": start.isoformat(), "timeZone": "UTC"},
            "end": {"dateTime": (start + timedelta(minutes=30 + 15 * (index % 3))).isoformat(), "timeZone": "UTC"},
            "iCalUID": f"{event_id}@google.com",
            "sequence": 0,
            "reminders": {"useDefault": True},
            "eventType": "default",
        }
        if self.guests:
            guest = self.guests[index % len(self.guests)]
            body["attendees"] = [
                {"email": calendar_id, "responseStatus": "accepted"},
                {"email": guest, "responseStatus": "needsAction"},
            ]
        if self._is_series(index):
            body["recurrence"] = ["RRULE:FREQ=WEEKLY;COUNT=4"]
        return body

    def _start_of(self, index: int) -> datetime:
        """Quarter hours of the span, visited in a fixed scattered order."""
        quarters = (LAST_DAY - FIRST_DAY) * 96
        return datetime.fromisoformat(self.start) + timedelta(days=FIRST_DAY, minutes=15 * (index * STEP % quarters))

    def _is_series(self, index: int) -> bool:
        return int((index + 1) * self.series_share) > int(index * self.series_share)
