"""Where a round of changes stands: kept as JSON in place of Graph's link alone, which does not say its own window."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta

from integrations.errors import CursorExpired, RateLimited

PAD = timedelta(days=1)
"""All-day events are kept as local instants, so that those at the window's edges may be missed without it."""

AHEAD = timedelta(days=14)
"""A window cannot be moved: so much longer it is asked for, and after so many days a full round asks for another."""

MAX_PAGES = 2000
MAX_REPEATS = 2

LOST = "The place where reading stopped is not in a known form."
MOVED_ON = "Outlook tells changes only of the days it was first asked for, and time has moved on."
ENDLESS = "Outlook sent the same pages again and again."
BUSY = "Microsoft asked us to slow down."


@dataclass(frozen=True)
class Rest:
    """What a page named and is still to be asked for.

    ``unclear`` are events. ``series`` has the ids of what the page named of each, with the time when it was changed
    last, as the page says it.
    """

    unclear: tuple[str, ...] = ()
    series: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.unclear or self.series)


@dataclass(frozen=True)
class Place:
    """A link to follow, and what holds for its whole round.

    ``rest`` comes before the link. With ``is_last`` the link is where the next round begins. Before ``waits_until``,
    ISO in UTC, Microsoft does not want to be asked.

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
    rest: Rest = Rest()
    is_last: bool = False
    waits_until: str = ""

    def onward(self, link: str, ids: Iterable[str]) -> "Place":
        """The place behind a page with these ids. Raises CursorExpired where the pages do not end."""
        digest = hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:8]
        repeats = self.repeats + (digest in self.seen and any(ids))
        if repeats >= MAX_REPEATS or len(self.seen) >= MAX_PAGES:
            raise CursorExpired(ENDLESS)
        return replace(self, link=link, seen=(*self.seen, digest), repeats=repeats)

    def last(self, link: str) -> "Place":
        """The place behind the last page: the link is the next round's."""
        return replace(self, link=link, seen=(), repeats=0, is_last=True)

    def before(self, rest: Rest, wait: float | None) -> "Place":
        """The same place, with so much of the page to be asked for yet, and seconds to wait before."""
        until = datetime.now(UTC) + timedelta(seconds=wait) if rest and wait else None
        return replace(self, rest=rest, waits_until=until.isoformat() if until else "")

    def ended(self) -> "Place":
        """Where the next round of changes begins, once the last page is read."""
        return replace(self, is_last=False)

    def check_wait(self) -> None:
        """Raises RateLimited where it is too early to ask."""
        if self.waits_until:
            seconds = (datetime.fromisoformat(self.waits_until) - datetime.now(UTC)).total_seconds()
            if seconds > 0:
                raise RateLimited(BUSY, seconds)

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
        place = replace(place, seen=tuple(place.seen), rest=_rest(place.rest))
        texts = (place.link, place.calendar, place.owner, place.waits_until, *place.seen)
        is_good = all(isinstance(text, str) for text in texts)
        if place.waits_until:
            is_good = is_good and datetime.fromisoformat(place.waits_until).tzinfo is not None
        if is_good and datetime.fromisoformat(place.start) < datetime.fromisoformat(place.end):
            return place
    except (ValueError, TypeError, AttributeError) as error:
        raise CursorExpired(LOST) from error
    raise CursorExpired(LOST)


def _rest(kept: object) -> Rest:
    """Raises TypeError, ValueError or AttributeError for what is none. A place kept by an earlier version has none."""
    if kept == Rest():
        return Rest()
    rest = Rest(**kept)  # type: ignore[arg-type]
    series = {master: dict(named.items()) for master, named in rest.series.items()}
    texts = [*rest.unclear, *series, *(text for named in series.values() for pair in named.items() for text in pair)]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("Not all of it is text.")
    return Rest(tuple(rest.unclear), series)


def written(moment: datetime) -> str:
    """An aware time as a query's value."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
