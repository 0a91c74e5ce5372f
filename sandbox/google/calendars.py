"""Calendars and the events on them, kept in the order of their last change.

Every change of a calendar has a number. A sync token is such a number: what changed since is a walk from there.
"""

from bisect import bisect_right
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.google.bulk import Block

Body = dict[str, Any]
BUSY_ONLY = "freeBusyReader"
WITHOUT_PRIVATE = frozenset({"reader", "writerWithoutPrivateAccess"})


@dataclass
class Former:
    """What an event looked like until change ``until``: its instances must be taken back from a client."""

    until: int
    shape: Body


@dataclass
class Entry:
    """One event of a calendar. ``body`` is Google's resource without kind, etag, htmlLink and self flags."""

    body: Body
    number: int
    etag: str
    former: list[Former] = field(default_factory=list)

    @property
    def is_cancelled(self) -> bool:
        return bool(self.body["status"] == "cancelled")

    @property
    def is_series(self) -> bool:
        return "recurrence" in self.body


@dataclass
class Calendar:
    """A calendar. ``access`` is role by account; ``generation`` grows when all sync tokens become void.

    ``changed_at`` is the stamp of the last change of the calendar itself, ``updated`` the time of its last event's.
    """

    id: str
    summary: str
    time_zone: str
    owner: str
    access: dict[str, str]
    changed_at: int
    updated: str
    generation: int = 0
    last_number: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    _order: list[tuple[int, str]] = field(default_factory=list)

    @property
    def etag(self) -> str:
        return f'"{self.changed_at * 2}"'

    def get(self, event_id: str) -> Entry | None:
        """The event with this id, or None; also one of a block, which is made on the spot."""
        if event_id in self.entries:
            return self.entries[event_id]
        for block in self.blocks:
            index = block.index_of(event_id)
            if index is not None:
                return self._from_block(block, index)
        return None

    def put(self, body: Body, etag: str) -> Entry:
        """Store an event as the latest change."""
        before = self.get(body["id"])
        self.last_number += 1
        entry = Entry(body, self.last_number, etag)
        if before is not None:
            entry.former = [*before.former, *former_of(before, body, self.last_number)]
        self.entries[body["id"]] = entry
        self._order.append((entry.number, body["id"]))
        self.updated = body["updated"]
        return entry

    def drop(self, event_id: str) -> None:
        """Forget an event without a trace: an exception whose series is gone."""
        self.entries.pop(event_id, None)

    def put_block(self, block: Block) -> None:
        """Add many synthetic events as the latest changes."""
        block.first_number = self.last_number + 1
        self.last_number += block.count
        self.blocks.append(block)

    def exceptions_of(self, series_id: str) -> list[Entry]:
        """The stored instances of a series: moved, changed or cancelled ones."""
        prefix = f"{series_id}_"
        return [
            entry
            for event_id, entry in self.entries.items()
            if event_id.startswith(prefix) and entry.body.get("recurringEventId") == series_id
        ]

    def changes(self, after: int, upto: int) -> Iterator[Entry]:
        """Events whose last change has a number above ``after`` and not above ``upto``, in order."""
        streams = [(block.first_number, block) for block in self.blocks if block.last_number > after]
        position = bisect_right(self._order, (after, "\uffff"))
        for first, block in streams:
            position = yield from self._ordered(position, min(first, upto + 1))
            yield from self._of_block(block, after, upto)
        yield from self._ordered(position, upto + 1)

    def _ordered(self, position: int, before: int) -> Generator[Entry, None, int]:
        """Own entries numbered below ``before``; returns where it stopped."""
        while position < len(self._order) and self._order[position][0] < before:
            number, event_id = self._order[position]
            entry = self.entries.get(event_id)
            if entry is not None and entry.number == number:
                yield entry
            position += 1
        return position

    def _of_block(self, block: Block, after: int, upto: int) -> Iterator[Entry]:
        start = max(after + 1 - block.first_number, 0)
        for index in range(start, min(block.count, upto + 1 - block.first_number)):
            if block.id_of(index) not in self.entries:
                yield self._from_block(block, index)

    def _from_block(self, block: Block, index: int) -> Entry:
        return Entry(block.body(index, self.id, self.owner), block.first_number + index, block.etag_of(index))

    def dump(self) -> dict[str, Any]:
        """The calendar as JSON."""
        saved = asdict(self)
        del saved["_order"]
        return saved


def former_of(before: Entry, body: Body, number: int) -> list[Former]:
    """The old shape of an event, if a client that expands series must now take instances back."""
    if before.is_cancelled or "recurringEventId" in body:
        return []
    keys = ("start", "end", "recurrence")
    was_series, is_series = before.is_series, "recurrence" in body and body["status"] != "cancelled"
    is_same = all(before.body.get(key) == body.get(key) for key in keys) and body["status"] != "cancelled"
    if is_same or not (was_series or is_series):
        return []
    shape = {key: before.body[key] for key in ("id", *keys) if key in before.body}
    return [Former(number, shape)]


def restored(saved: dict[str, Any]) -> Calendar:
    """A calendar from what ``dump`` gave."""
    entries = {
        event_id: Entry(one["body"], one["number"], one["etag"], [Former(**old) for old in one["former"]])
        for event_id, one in saved.pop("entries").items()
    }
    blocks = [Block(**one) for one in saved.pop("blocks")]
    order = sorted((entry.number, event_id) for event_id, entry in entries.items())
    return Calendar(**saved, entries=entries, blocks=blocks, _order=order)
