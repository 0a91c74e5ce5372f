"""Where a round of changes stands: kept as JSON in place of Graph's link alone, which does not say its own window."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from integrations.errors import CursorExpired

PAD = timedelta(days=1)
"""All-day events are kept as local instants, so that those at the window's edges may be missed without it."""

AHEAD = timedelta(days=14)
"""A window cannot be moved: so much longer it is asked for, and after so many days a full round asks for another."""

MAX_PAGES = 2000
MAX_REPEATS = 2

LOST = "The place where reading stopped is not in a known form."
MOVED_ON = "Outlook tells changes only of the days it was first asked for, and time has moved on."
ENDLESS = "Outlook sent the same pages again and again."


@dataclass(frozen=True)
class Place:
    """A link to follow, and what holds for its whole round.

    ``start`` and ``end`` are the window, ISO in UTC. ``owner`` is the address of whose calendar it is. ``seen`` has a
    digest of each page so far, by which a round that never ends is noticed: that was seen to happen.
    """

    link: str
    calendar: str
    start: str
    end: str
    owner: str
    seen: tuple[str, ...] = ()
    repeats: int = 0

    def onward(self, link: str, ids: Iterable[str]) -> "Place":
        """The place behind a page with these ids. Raises CursorExpired where the pages do not end."""
        digest = hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:8]
        repeats = self.repeats + (digest in self.seen and any(ids))
        if repeats >= MAX_REPEATS or len(self.seen) >= MAX_PAGES:
            raise CursorExpired(ENDLESS)
        return replace(self, link=link, seen=(*self.seen, digest), repeats=repeats)

    def ended(self, link: str) -> "Place":
        """Where the next round of changes begins."""
        return replace(self, link=link, seen=(), repeats=0)

    def covers(self, end: datetime | None) -> bool:
        """Whether changes up to this moment, and a day more, are told."""
        return end is None or datetime.fromisoformat(self.end) - PAD >= end

    def written(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))


def first(calendar: str, owner: str, start: datetime, end: datetime, path: str) -> Place:
    """The beginning of a round that reads a window; ``path`` is what is asked for, without it."""
    edges = written(start - PAD), written(end + AHEAD + PAD)
    return Place(f"{path}?{window(*edges)}", calendar, *edges, owner)


def window(start: str, end: str) -> str:
    """As a query."""
    return f"startDateTime={start}&endDateTime={end}"


def read(kept: str) -> Place:
    """A place as ``written`` gave it. Raises CursorExpired for anything else."""
    try:
        place = Place(**json.loads(kept))
        is_good = all(isinstance(text, str) for text in (place.link, place.calendar, place.owner, *place.seen))
        if is_good and datetime.fromisoformat(place.start) < datetime.fromisoformat(place.end):
            return replace(place, seen=tuple(place.seen))
    except (ValueError, TypeError) as error:
        raise CursorExpired(LOST) from error
    raise CursorExpired(LOST)


def written(moment: datetime) -> str:
    """An aware time as a query's value."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
