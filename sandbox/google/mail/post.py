"""The post office: it writes mails from orders, and puts them into the mailboxes of all who sent or got them."""

import hashlib
import re
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sandbox.clock import parse_instant
from sandbox.control import ControlError
from sandbox.google.mail import letters, rfc5322
from sandbox.google.mail.blocks import Block, Original, Sample
from sandbox.google.mail.letters import FIELDS
from sandbox.google.mail.mailbox import Change, Mailbox, Stored
from sandbox.world import World

RECEIVED, SENT = ("INBOX", "UNREAD", "CATEGORY_PERSONAL"), ("SENT",)
REPLY = re.compile(r"^((re|fwd?|aw|wg)\s*:\s*)+", re.IGNORECASE)
LISTS_KEPT = 16
Order = dict[str, Any]


@dataclass
class Alias:
    """Another address an account sends as. Unverified ones get no mail."""

    email: str
    name: str = ""
    is_verified: bool = True


class Post:
    """All mailboxes by address. ``touched`` collects those changed and not yet announced.

    ``is_scattered`` puts hours of disorder into lists, ``is_decoding`` decodes header values. The world's lock guards
    it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.mailboxes: dict[str, Mailbox] = {}
        self.aliases: dict[str, list[Alias]] = {}
        self.blocks: dict[str, Block] = {}
        self.touched: list[str] = []
        self.is_scattered = False
        self.is_decoding = False
        self.lists: OrderedDict[Hashable, list[tuple[int, str]]] = OrderedDict()
        self._names: dict[tuple[str, str], str] = {}
        self._count = 0

    def reset(self) -> None:
        """No mailboxes; lists in order, headers as they came."""
        for held in (self.mailboxes, self.aliases, self.blocks, self.touched, self.lists, self._names):
            held.clear()
        self.is_scattered = self.is_decoding = False
        self._count = 0

    def open(self, email: str, name: str) -> None:
        """A mailbox for an account, or its new name."""
        box = self.mailboxes.setdefault(email, Mailbox(email, name, self._world.clock))
        box.name = name

    def mailbox(self, email: str) -> Mailbox:
        """A mailbox by its account; ControlError if there is none."""
        if email not in self.mailboxes:
            raise ControlError(f"no account {email}")
        return self.mailboxes[email]

    def put(self, account: str, order: Order) -> dict[str, str]:
        """Carry out an order for one mail: the id in each mailbox it is put into, by account."""
        if unknown := set(order) - FIELDS:
            raise ControlError(f"a mail has no {', '.join(sorted(unknown))}")
        box = self.mailbox(account)
        at = self._moment(order)
        raw = letters.as_sent(order["raw"]) if "raw" in order else None
        mail = self._written(box, order, at) if raw is None else raw
        headers = rfc5322.headers_of(mail)
        if raw is not None and "date" not in order:
            at = letters.date_of(headers) or at
        senders, takers = self._owners(headers, "from"), self._owners(headers, "to", "cc", "bcc")
        is_on_its_way = order.get("copies", True) and "DRAFT" not in order.get("labels", ())
        holders = {account: None} | (dict.fromkeys(senders + takers) if is_on_its_way else {})
        ids = {}
        for holder in holders:
            is_sender, is_taker = holder in senders, holder in takers or holder not in senders
            labels = (*(SENT if is_sender else ()), *(RECEIVED if is_taker else ()))
            if holder == account and "labels" in order:
                labels = tuple(order["labels"])
            is_exact = is_sender or (raw is not None and holder == account)
            copy = mail if is_exact else letters.received(mail, holder, at)
            ids[holder] = self._deliver(holder, copy, labels, at, str(order.get("thread") or "")).id
        return ids

    def send_draft(self, account: str, message_id: str) -> dict[str, str]:
        """A draft becomes a sent mail: it goes, a new message comes into its thread, and the others get theirs."""
        box = self.mailbox(account)
        draft = box.get(message_id)
        if "DRAFT" not in draft.labels:
            raise ControlError(f"{message_id} is no draft")
        raw, thread = draft.source.raw(), draft.thread_id
        box.delete(message_id)
        self.touch(account)
        return self.put(account, {"raw": raw.decode("utf-8", "surrogateescape"), "thread": thread})

    def put_block(self, account: str, block: Block) -> None:
        """Many mails at once. They leave no history: what was known before them is too old to be asked for."""
        box = self.mailbox(account)
        self.blocks[block.name] = block
        opener = ""
        for index in range(block.count):
            thread = opener if index != block.opener(index) else ""
            labels = SENT if block.is_sent(index) else ("INBOX", "CATEGORY_PERSONAL")
            added = box.add(Sample(block, index), labels, block.at_ms(index), thread, is_old=True)
            opener = added.thread_id
        box.forget_history()

    def remember_list(self, key: Hashable, places: list[tuple[int, str]]) -> None:
        """Keep a list for its next pages; the oldest of many goes."""
        self.lists[key] = places
        if len(self.lists) > LISTS_KEPT:
            self.lists.popitem(last=False)

    def touch(self, account: str) -> None:
        """A mailbox changed."""
        if account not in self.touched:
            self.touched.append(account)

    def addresses(self, account: str) -> list[str]:
        """An account's own address and the aliases it gets mail for."""
        return [account, *(one.email for one in self.aliases.get(account, []) if one.is_verified)]

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "mailboxes": [dumped(box) for box in self.mailboxes.values()],
            "aliases": {email: [asdict(one) for one in held] for email, held in self.aliases.items()},
            "blocks": [asdict(block) for block in self.blocks.values()],
            "names": [[account, name, thread] for (account, name), thread in self._names.items()],
            "count": self._count,
            "is_scattered": self.is_scattered,
            "is_decoding": self.is_decoding,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.blocks = {one["name"]: Block(**one) for one in saved["blocks"]}
        self.aliases = {email: [Alias(**one) for one in held] for email, held in saved["aliases"].items()}
        self._names = {(account, name): thread for account, name, thread in saved["names"]}
        self._count = saved["count"]
        self.is_scattered, self.is_decoding = saved["is_scattered"], saved["is_decoding"]
        for one in saved["mailboxes"]:
            self.mailboxes[one["email"]] = self._loaded(one)

    def _loaded(self, saved: dict[str, Any]) -> Mailbox:
        box = Mailbox(saved["email"], saved["name"], self._world.clock, saved["history_id"], saved["floor"])
        box.user_labels = saved["user_labels"]
        for message_id, thread_id, labels, at_ms, number, kept in saved["messages"]:
            source = Original(b64decode(kept)) if isinstance(kept, str) else Sample(self.blocks[kept[0]], kept[1])
            box.restore(Stored(message_id, thread_id, frozenset(labels), at_ms, number, source))
        box.history = [
            Change(number, at, kind, message_id, thread_id, frozenset(labels), frozenset(moved))
            for number, at, kind, message_id, thread_id, labels, moved in saved["history"]
        ]
        return box

    def _deliver(self, holder: str, mail: bytes, labels: tuple[str, ...], at: datetime, thread: str) -> Stored:
        box = self.mailbox(holder)
        for label in labels:
            if label not in box.user_labels and label not in {*RECEIVED, *SENT} and label.startswith("Label_"):
                box.user_labels[label] = label.removeprefix("Label_")
        source = Original(mail)
        found = self._thread_of(box, rfc5322.headers_of(mail), thread)
        stored = box.add(source, labels, int(at.timestamp() * 1000), found)
        if thread:
            self._names[holder, thread] = stored.thread_id
        self.touch(holder)
        return stored

    def _thread_of(self, box: Mailbox, headers: rfc5322.Headers, thread: str) -> str:
        """The thread by its name or id, else that of a mail it answers with the same subject; empty for a new one."""
        if thread:
            return thread if thread in box.threads else self._names.get((box.email, thread), "")
        subject = topic(rfc5322.first(headers, "subject"))
        named = " ".join(rfc5322.values(headers, "references") + rfc5322.values(headers, "in-reply-to")).split()
        for message_id in reversed(named):
            for found in sorted(box.ids_of(rfc5322.bare(message_id))):
                answered = box.messages[found]
                if topic(rfc5322.first(answered.source.headers(), "subject")) == subject:
                    return answered.thread_id
        return ""

    def _written(self, box: Mailbox, order: Order, at: datetime) -> bytes:
        """The mail that an order's fields describe, as its sender holds it."""
        self._count += 1
        digest = hashlib.sha256(f"{box.email} {self._count}".encode()).hexdigest()
        return letters.written(order, f"{box.name} <{box.email}>", at, f"CA{digest[:30]}@mail.gmail.com")

    def _moment(self, order: Order) -> datetime:
        return parse_instant(order["date"]) if order.get("date") else self._world.clock.now()

    def _owners(self, headers: rfc5322.Headers, *names: str) -> list[str]:
        """The accounts whose addresses stand in these headers."""
        found = {
            email for name in names for value in rfc5322.values(headers, name) for email in letters.addresses_in(value)
        }
        return [account for account in self.mailboxes if found & set(self.addresses(account))]


def topic(subject: str) -> str:
    """A subject without the marks of answers."""
    return REPLY.sub("", subject.strip()).lower()


def dumped(box: Mailbox) -> dict[str, Any]:
    """A mailbox as JSON."""
    return {
        "email": box.email,
        "name": box.name,
        "history_id": box.history_id,
        "floor": box.floor,
        "user_labels": box.user_labels,
        "messages": [
            [one.id, one.thread_id, sorted(one.labels), one.at_ms, one.history_id, kept(one.source)]
            for one in box.messages.values()
        ],
        "history": [
            [one.id, one.at, one.kind, one.message_id, one.thread_id, sorted(one.labels), sorted(one.moved)]
            for one in box.history
        ],
    }


def kept(source: Original | Sample) -> Any:
    """A mail as JSON: itself, or its place in a block."""
    return [source.block.name, source.index] if isinstance(source, Sample) else b64encode(source.content).decode()
