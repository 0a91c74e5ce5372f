"""Calendars and the events on them, kept in the order of their last change.

Every change of a calendar has a number. A delta token holds such a number: what changed since is a walk from there.
A series is one entry: whatever happens to one of its occurrences changes the whole.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.clock import Clock
from sandbox.control import ControlError
from sandbox.microsoft.calendar import ids

Body = dict[str, Any]


@dataclass
class Entry:
    """One event or series. ``body`` holds what was said about it, in Graph's words; shapes.py adds the rest.

    ``exceptions`` are the changed occurrences (what differs, by original day), ``cancelled`` the days of deleted
    ones. ``change_key`` is a stamp; ``created_at`` and ``changed_at`` are ISO texts in UTC.
    """

    serial: int
    number: int
    change_key: int
    created_at: str
    changed_at: str
    body: Body
    exceptions: dict[str, Body] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    is_deleted: bool = False

    @property
    def is_series(self) -> bool:
        return bool(self.body.get("recurrence"))


@dataclass
class Calendar:
    """A calendar of one mailbox."""

    id: str
    name: str
    is_default: bool
    can_edit: bool
    owner_name: str
    owner_address: str
    change_key: int
    last_number: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    order: list[tuple[int, int]] = field(default_factory=list)

    def put(self, entry: Entry) -> None:
        """Take an entry in, or again, as the latest change."""
        self.last_number += 1
        entry.number = self.last_number
        self.entries[entry.serial] = entry
        self.order.append((entry.number, entry.serial))

    def changes(self, after: int, upto: int) -> Iterator[Entry]:
        """Entries whose last change has a number above ``after`` and not above ``upto``, in order."""
        for position in range(bisect_right(self.order, (after, 1 << 62)), len(self.order)):
            number, serial = self.order[position]
            if number > upto:
                return
            entry = self.entries[serial]
            if entry.number == number:
                yield entry

    def live(self) -> Iterator[Entry]:
        """What is not deleted."""
        return (entry for entry in self.entries.values() if not entry.is_deleted)


@dataclass
class Book:
    """The calendars of one mailbox by id, the default one first.

    ``quirks`` wait for the next rounds of delta, ``expiry`` is how it says that a token was forgotten.
    """

    upn: str
    calendars: dict[str, Calendar] = field(default_factory=dict)
    last_serial: int = 0
    quirks: list[str] = field(default_factory=list)
    expiry: str = ""

    def default(self) -> Calendar:
        """The calendar every mailbox has."""
        return next(calendar for calendar in self.calendars.values() if calendar.is_default)

    def next_serial(self) -> int:
        """A number no calendar or event of this mailbox has had."""
        self.last_serial += 1
        return self.last_serial

    def find(self, serial: int) -> tuple[Calendar, Entry] | None:
        """An event that is there, and its calendar."""
        for calendar in self.calendars.values():
            entry = calendar.entries.get(serial)
            if entry is not None:
                return None if entry.is_deleted else (calendar, entry)
        return None


class Calendars:
    """Every mailbox's calendars. The world's lock guards them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.books: dict[str, Book] = {}

    def reset(self) -> None:
        """No mailboxes."""
        self.books.clear()

    def open(self, upn: str, name: str, address: str) -> Book:
        """The calendars of an account, new or changed; a new one gets its default calendar."""
        if upn not in self.books:
            self.books[upn] = Book(upn)
            self.add(upn, "Calendar", name, address, is_default=True)
        default = self.books[upn].default()
        default.owner_name, default.owner_address = name, address
        return self.books[upn]

    def add(
        self,
        upn: str,
        name: str,
        owner_name: str,
        owner_address: str,
        *,
        can_edit: bool = True,
        is_default: bool = False,
    ) -> Calendar:
        """One more calendar in a mailbox."""
        book = self.book(upn)
        calendar_id = ids.calendar(upn, book.next_serial())
        calendar = Calendar(
            calendar_id, name, is_default, can_edit, owner_name, owner_address, change_key=self.clock.stamp()
        )
        book.calendars[calendar_id] = calendar
        return calendar

    def book(self, upn: str) -> Book:
        """A mailbox's calendars; ControlError if there are none."""
        if upn not in self.books:
            raise ControlError(f"no account {upn}")
        return self.books[upn]

    def dump(self) -> list[dict[str, Any]]:
        """All of it as JSON."""
        return [
            asdict(book) | {"calendars": [_dumped(calendar) for calendar in book.calendars.values()]}
            for book in self.books.values()
        ]

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Take over what ``dump`` gave."""
        self.books = {}
        for one in saved:
            calendars = [_restored(calendar) for calendar in one["calendars"]]
            self.books[one["upn"]] = Book(**one | {"calendars": {each.id: each for each in calendars}})


def _dumped(calendar: Calendar) -> dict[str, Any]:
    """JSON has no numbers for keys; the order is in the entries."""
    saved = asdict(calendar)
    del saved["order"]
    return saved | {"entries": list(saved["entries"].values())}


def _restored(saved: dict[str, Any]) -> Calendar:
    entries = [Entry(**one) for one in saved["entries"]]
    order = sorted((entry.number, entry.serial) for entry in entries)
    return Calendar(**saved | {"entries": {entry.serial: entry for entry in entries}, "order": order})
