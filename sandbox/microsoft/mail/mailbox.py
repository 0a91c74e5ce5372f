"""One mailbox: its folders, what lies in them, and what happened to each folder.

https://learn.microsoft.com/graph/delta-query-messages
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.clock import Clock
from sandbox.control import ControlError
from sandbox.microsoft.mail.blocks import Sample
from sandbox.microsoft.mail.ids import FOLDER, IMMUTABLE, NORMAL, Ids, ItemId
from sandbox.microsoft.mail.letters import Letter

ROOT = 1
WELL_KNOWN = {
    "inbox": "Inbox",
    "drafts": "Drafts",
    "sentitems": "Sent Items",
    "deleteditems": "Deleted Items",
    "archive": "Archive",
    "junkemail": "Junk Email",
    "outbox": "Outbox",
    "conversationhistory": "Conversation History",
}
"""The folders every mailbox has, by the name that may stand for their id. Their display names may be any language's."""


class Entry(NamedTuple):
    """Something that happened in a folder: a message came, changed, or went (``is_gone``). ``place`` was its place."""

    change: int
    number: int
    place: int
    is_gone: bool


@dataclass(slots=True)
class Stored:
    """A message in a mailbox. ``number`` is its own for good; ``place`` and ``folder`` are where it lies.

    ``arrived`` and ``changed`` are numbers of changes; ``modified_at`` is seconds since 1970.
    """

    number: int
    place: int
    folder: int
    arrived: int
    changed: int
    received_at: float
    modified_at: float
    source: Letter | Sample
    is_read: bool = False
    is_draft: bool = False


@dataclass(slots=True)
class Folder:
    """A folder. ``name`` is its well-known name, empty for a user's own; ``log`` is what happened in it, in order."""

    number: int
    name: str
    display_name: str
    parent: int
    changed: int
    is_hidden: bool = False
    held: set[int] = field(default_factory=set)
    log: list[Entry] = field(default_factory=list)

    def after(self, change: int) -> list[Entry]:
        """What happened since a change, oldest first."""
        return self.log[bisect_right(self.log, change, key=lambda entry: entry.change) :]


class Mailbox:
    """The mail of one account. ``changes`` counts what happened to it; the world's lock guards it."""

    def __init__(self, upn: str, clock: Clock) -> None:
        self.upn, self.ids, self.clock = upn, Ids(upn), clock
        self.changes = self.last_number = 0
        self.folders: dict[int, Folder] = {}
        self.graves: list[Entry] = []
        self.messages: dict[int, Stored] = {}
        self.by_place: dict[int, int] = {}
        self.by_message_id: dict[str, list[int]] = {}
        self._sorted: dict[int, tuple[int, list[Stored]]] = {}

    def furnish(self) -> None:
        """The folders every mailbox has."""
        root = self.add_folder("Top of Information Store", 0, "msgfolderroot")
        for name, shown in WELL_KNOWN.items():
            self.add_folder(shown, root.number, name)

    def folder(self, text: str) -> Folder | None:
        """A folder by its id, or by its well-known name in any case."""
        kind, number = self.ids.read(text)
        if kind == FOLDER:
            return self.folders.get(number)
        return next((one for one in self.folders.values() if one.name and one.name == text.lower()), None)

    def find(self, text: str) -> Stored | None:
        """A message by either of its ids. The one of a place it left is no longer its own."""
        kind, number = self.ids.read(text)
        if kind == NORMAL:
            return self.messages.get(self.by_place.get(number, 0))
        return self.messages.get(number) if kind == IMMUTABLE else None

    def id_of(self, stored: Stored) -> ItemId:
        """A message's ids."""
        return self.ids.item(stored.number, stored.place)

    def names_of(self, number: int) -> list[str]:
        """What a folder is called by: its id, and its well-known name if it has one."""
        return [self.ids.folder(number), *filter(None, [self.folders[number].name])]

    def newest(self, folder: Folder | None = None) -> list[Stored]:
        """The messages of a folder or of all, by when they were received, the last one first."""
        number = folder.number if folder else 0
        changes, found = self._sorted.get(number, (-1, []))
        if changes != self.changes:
            held = map(self.messages.__getitem__, folder.held) if folder else self.messages.values()
            found = sorted(held, key=lambda one: (-one.received_at, -one.number))
            self._sorted[number] = self.changes, found
        return found

    def add_folder(self, shown: str, parent: int, name: str = "", *, is_hidden: bool = False) -> Folder:
        """A new folder."""
        folder = Folder(self._next_number(), name, shown, parent, self._next_change(), is_hidden)
        self.folders[folder.number] = folder
        return folder

    def rename_folder(self, folder: Folder, shown: str) -> None:
        """Another display name."""
        folder.display_name, folder.changed = shown, self._next_change()

    def delete_folder(self, folder: Folder) -> list[ItemId]:
        """Remove a folder with what lies in it for good; the messages' ids."""
        gone = [self.delete(self.messages[number]) for number in sorted(folder.held)]
        del self.folders[folder.number]
        self.graves.append(Entry(self._next_change(), folder.number, folder.number, True))
        return gone

    def add(self, source: Letter | Sample, folder: Folder, *, is_read: bool, is_draft: bool = False) -> Stored:
        """Put a message into a folder."""
        letter = source.letter()
        number, change = self._next_number(), self._next_change()
        stored = Stored(
            number=number,
            place=number,
            folder=folder.number,
            arrived=change,
            changed=change,
            received_at=letter.received_at,
            modified_at=self.clock.now().timestamp(),
            source=source,
            is_read=is_read,
            is_draft=is_draft,
        )
        self.restore(stored, letter.message_id)
        folder.log.append(Entry(change, number, stored.place, False))
        return stored

    def restore(self, stored: Stored, message_id: str) -> None:
        """Put a message into the indexes."""
        self.messages[stored.number] = stored
        self.by_place[stored.place] = stored.number
        self.by_message_id.setdefault(message_id, []).append(stored.number)
        self.folders[stored.folder].held.add(stored.number)

    def move(self, stored: Stored, target: Folder) -> ItemId:
        """Move a message, by which its normal id changes; the ids it had."""
        before = self.id_of(stored)
        source = self.folders[stored.folder]
        self._leave(stored, source)
        stored.place, stored.folder = self._next_number(), target.number
        stored.arrived = self._next_change()
        self.by_place[stored.place] = stored.number
        target.held.add(stored.number)
        self._note(stored, stored.arrived)
        return before

    def touch(self, stored: Stored) -> None:
        """A message changed where it lies."""
        self._note(stored, self._next_change())

    def delete(self, stored: Stored) -> ItemId:
        """Remove a message for good; the ids it had."""
        before = self.id_of(stored)
        self._leave(stored, self.folders[stored.folder])
        del self.messages[stored.number]
        self.by_message_id[stored.source.letter().message_id].remove(stored.number)
        return before

    def living(self, entries: Iterable[Entry], folder: Folder) -> Iterable[tuple[Entry, Stored | None]]:
        """The entries that still tell something: who went, and the last one about each message in the folder."""
        for entry in entries:
            stored = self.messages.get(entry.number)
            if entry.is_gone:
                yield entry, None
            elif stored is not None and stored.folder == folder.number and stored.changed == entry.change:
                yield entry, stored

    def get(self, text: str) -> Stored:
        """A message by either id; ControlError without one."""
        stored = self.find(text)
        if stored is None:
            raise ControlError(f"{self.upn} has no message {text}")
        return stored

    def get_folder(self, text: str) -> Folder:
        """A folder by id or well-known name; ControlError without one."""
        folder = self.folder(text)
        if folder is None:
            raise ControlError(f"{self.upn} has no folder {text}")
        return folder

    def _note(self, stored: Stored, change: int) -> None:
        stored.changed, stored.modified_at = change, self.clock.now().timestamp()
        self.folders[stored.folder].log.append(Entry(change, stored.number, stored.place, False))

    def _leave(self, stored: Stored, folder: Folder) -> None:
        folder.held.discard(stored.number)
        folder.log.append(Entry(self._next_change(), stored.number, stored.place, True))
        del self.by_place[stored.place]

    def _next_number(self) -> int:
        self.last_number += 1
        return self.last_number

    def _next_change(self) -> int:
        self.changes += 1
        return self.changes
