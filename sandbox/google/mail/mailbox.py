"""One mailbox: its messages, where each stands in the indexes that searches read, and what happened to it.

https://developers.google.com/workspace/gmail/api/guides/sync
"""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from sandbox.clock import Clock
from sandbox.control import ControlError
from sandbox.google.mail import rfc5322
from sandbox.google.mail.blocks import Original, Sample

HISTORY_KEPT = timedelta(days=7)
INDEXED = ("from", "to", "cc", "bcc", "delivered-to", "list-id", "message-id")
SYSTEM_LABELS = [
    "INBOX",
    "SENT",
    "DRAFT",
    "SPAM",
    "TRASH",
    "CHAT",
    "UNREAD",
    "STARRED",
    "IMPORTANT",
    "CATEGORY_PERSONAL",
    "CATEGORY_SOCIAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_UPDATES",
    "CATEGORY_FORUMS",
]
HIDDEN = frozenset({"SPAM", "TRASH"})


@dataclass(slots=True)
class Stored:
    """A message as a mailbox holds it. ``at_ms`` is when Gmail took it, in milliseconds since 1970."""

    id: str
    thread_id: str
    labels: frozenset[str]
    at_ms: int
    history_id: int
    source: Original | Sample


@dataclass(frozen=True, slots=True)
class Change:
    """One record of the history. ``kind`` is the key Gmail gives it; ``labels`` those of the message at that time."""

    id: int
    at: float
    kind: str
    message_id: str
    thread_id: str
    labels: frozenset[str]
    moved: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def label_set(labels: frozenset[str]) -> frozenset[str]:
    """One object for equal sets: a large mailbox has few different ones."""
    return labels


@dataclass
class Mailbox:
    """The mail of one account. ``floor`` is the history id before which nothing is known any more.

    ``version`` changes with every change, for whoever keeps something computed from it.
    """

    email: str
    name: str
    clock: Clock
    history_id: int = 0
    floor: int = 0
    version: int = 0
    messages: dict[str, Stored] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    user_labels: dict[str, str] = field(default_factory=dict)
    by_label: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    by_header: dict[str, defaultdict[str, set[str]]] = field(
        default_factory=lambda: {name: defaultdict(set) for name in INDEXED}
    )

    def __post_init__(self) -> None:
        if not self.history_id:
            self.history_id = 10_000 + int(hashlib.sha256(self.email.encode()).hexdigest()[:4], 16)
            self.floor = self.history_id

    def get(self, message_id: str) -> Stored:
        """A message by id; ControlError if there is none."""
        if message_id not in self.messages:
            raise ControlError(f"{self.email} has no message {message_id}")
        return self.messages[message_id]

    def add(
        self, source: Original | Sample, labels: Iterable[str], at_ms: int, thread_id: str = "", *, is_old: bool = False
    ) -> Stored:
        """Put a message in; without a thread it opens one. An old one leaves no trace in the history."""
        headers = source.headers()
        held = label_set(frozenset(labels))
        message_id = self._new_id(at_ms, rfc5322.first(headers, "message-id"))
        number = self.history_id if is_old else self._next_history_id()
        stored = Stored(message_id, thread_id or message_id, held, at_ms, number, source)
        self.restore(stored)
        if not is_old:
            self._note("messagesAdded", stored)
            # Gmail sorts a new message a moment later, so its id comes twice.
            if moved := held & {"IMPORTANT", "CATEGORY_PERSONAL"}:
                stored.history_id = self._next_history_id()
                self._note("labelsAdded", stored, moved)
        return stored

    def restore(self, stored: Stored) -> None:
        """Put a message into the indexes."""
        self.version += 1
        self.messages[stored.id] = stored
        self.threads.setdefault(stored.thread_id, []).append(stored.id)
        for label in stored.labels:
            self.by_label[label].add(stored.id)
        for name, value in stored.source.headers():
            if (key := name.lower()) in self.by_header:
                self.by_header[key][value].add(stored.id)

    def delete(self, message_id: str) -> None:
        """Remove a message for good."""
        stored = self.get(message_id)
        self._next_history_id()
        self._note("messagesDeleted", stored)
        del self.messages[message_id]
        self.threads[stored.thread_id].remove(message_id)
        if not self.threads[stored.thread_id]:
            del self.threads[stored.thread_id]
        for label in stored.labels:
            self.by_label[label].discard(message_id)
        for name, value in stored.source.headers():
            if (key := name.lower()) in self.by_header:
                self.by_header[key][value].discard(message_id)

    def relabel(self, message_id: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Change labels, a record for those that came and one for those that went."""
        stored = self.get(message_id)
        came, went = frozenset(add) - stored.labels, frozenset(remove) & stored.labels
        for moved, kind in ((came, "labelsAdded"), (went, "labelsRemoved")):
            if not moved:
                continue
            stored.labels = label_set(stored.labels | moved if kind == "labelsAdded" else stored.labels - moved)
            for label in moved:
                (self.by_label[label].add if kind == "labelsAdded" else self.by_label[label].discard)(message_id)
            stored.history_id = self._next_history_id()
            self._note(kind, stored, moved)

    def changes_since(self, start: int) -> list[Change] | None:
        """What happened after a history id, oldest first; None where that is not known any more."""
        self._forget_old()
        if start < self.floor or start > self.history_id:
            return None
        return self.history[bisect_right(self.history, start, key=lambda change: change.id) :]

    def forget_history(self) -> None:
        """Everything up to now is too old to be asked for."""
        self.floor = self._next_history_id()
        self.history.clear()

    def ids_of(self, message_id: str) -> set[str]:
        """The messages with a Message-ID, given without brackets."""
        held = self.by_header["message-id"]
        return held.get(f"<{message_id}>", set()) | held.get(message_id, set())

    def _note(self, kind: str, stored: Stored, moved: frozenset[str] = frozenset()) -> None:
        self.version += 1
        now = self.clock.now().timestamp()
        self.history.append(Change(self.history_id, now, kind, stored.id, stored.thread_id, stored.labels, moved))

    def _next_history_id(self) -> int:
        """Rising with gaps, as Gmail's do."""
        self.history_id += 1 + self.history_id % 3 * 7
        return self.history_id

    def _forget_old(self) -> None:
        limit = (self.clock.now() - HISTORY_KEPT).timestamp()
        gone = bisect_right(self.history, limit, key=lambda change: change.at)
        if gone:
            self.floor = self.history[gone - 1].id
            del self.history[:gone]

    def _new_id(self, at_ms: int, message_id: str) -> str:
        """Sixteen hexadecimal digits that begin with the time, the same for the same mail in an equal mailbox."""
        digest = hashlib.sha256(f"{self.email} {message_id} {self.history_id}".encode()).hexdigest()
        number = (at_ms << 20) | int(digest[:5], 16)
        while f"{number:016x}" in self.messages:
            number += 1
        return f"{number:016x}"
