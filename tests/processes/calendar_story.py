"""A calendar that keeps changing at random, and what the product must make of it in the end."""

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.processes.product import Json, Product

KNOWN = tuple(f"contact{number}@lp{number}.example" for number in range(6))
STRANGER = "sam@nobody-we-know.example"
PUSH_FAULTS = ("doubled", "reordered", "late")
Meeting = tuple[str, str, datetime, frozenset[str]]
"""Unique key, title, start, addresses of the guests."""


class Story:
    """Draws one change after the other for ``owner``'s calendar; the same seed draws the same ones."""

    def __init__(self, product: Product, owner: str, chance: random.Random) -> None:
        self._product, self._owner, self._chance = product, owner, chance
        self._first_day = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self._ids: list[str] = []

    def begin(self, count: int) -> None:
        """Meetings that are there before the calendar is linked."""
        for _ in range(count):
            self._create(is_silent=True)

    def change(self) -> None:
        """One more change, and its push: half of them new events, else moved, renamed, cancelled, other guests."""
        if self._chance.random() < 0.25:
            self._product.control("faults", operation="push", kind=self._chance.choice(PUSH_FAULTS))
        kinds = (self._create, self._move, self._rename, self._cancel, self._invite, self._hide)
        self._chance.choices(kinds, weights=(10, 3, 2, 3, 2, 1))[0]()

    def meetings(self) -> set[Meeting]:
        """What the calendar says now, by the rules of the product: confirmed, not private, with a known guest."""
        stored = self._product.ask("google/events", calendar=self._owner)["events"]
        return set(self._read(stored))

    def _read(self, stored: list[Json]) -> Iterator[Meeting]:
        for event in stored:
            guests = frozenset(one["email"] for one in event.get("attendees", [])) - {self._owner}
            is_open = event["status"] == "confirmed" and event.get("visibility") != "private"
            if is_open and guests & set(KNOWN):
                key = hashlib.sha256(f"{event['iCalUID']}|".encode()).hexdigest()
                start = datetime.fromisoformat(event["start"]["dateTime"])
                yield key, event["summary"], start.astimezone(UTC), guests

    def _create(self, is_silent: bool = False) -> None:
        number = len(self._ids)
        self._ids.append(f"story{number:05d}")
        self._put({"id": self._ids[-1], "summary": f"Meeting {number}", **self._times(), **self._guests()}, is_silent)

    def _move(self) -> None:
        self._put({"id": self._any(), **self._times()})

    def _rename(self) -> None:
        self._put({"id": self._any(), "summary": f"Renamed {self._chance.randrange(10**6)}"})

    def _cancel(self) -> None:
        self._product.control("google/events/cancel", calendar=self._owner, ids=[self._any()])

    def _invite(self) -> None:
        self._put({"id": self._any(), **self._guests()})

    def _hide(self) -> None:
        self._put({"id": self._any(), "visibility": self._chance.choice(("private", "default"))})

    def _any(self) -> str:
        return self._chance.choice(self._ids)

    def _put(self, event: Json, is_silent: bool = False) -> None:
        self._product.control("google/events", calendar=self._owner, events=[event], silent=is_silent)

    def _times(self) -> Json:
        start = self._first_day + timedelta(minutes=30 * self._chance.randrange(-60 * 48, 50 * 48))
        ends: dict[str, Any] = {"start": start, "end": start + timedelta(minutes=30)}
        return {name: {"dateTime": moment.isoformat()} for name, moment in ends.items()}

    def _guests(self) -> Json:
        """One to three guests, now and then none that the company knows."""
        pool = (STRANGER,) if self._chance.random() < 0.1 else KNOWN
        guests = self._chance.sample(pool, self._chance.randint(1, min(3, len(pool))))
        own = {"email": self._owner, "responseStatus": "accepted"}
        return {"attendees": [own, *({"email": guest} for guest in guests)]}
