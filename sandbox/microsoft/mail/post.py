"""The post office: it writes mails from orders, and puts them into the mailboxes of all who sent or got them."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from sandbox.control import ControlError
from sandbox.microsoft.mail import letters
from sandbox.microsoft.mail.blocks import Block, Sample
from sandbox.microsoft.mail.ids import ItemId
from sandbox.microsoft.mail.letters import Letter, Order, Party
from sandbox.microsoft.mail.mailbox import Entry, Folder, Mailbox, Stored
from sandbox.world import World

UNSENT = frozenset({"sentitems", "drafts", "outbox"})
"""What lies there first never travelled: it has no headers."""
QUIRKS = frozenset({"empty_first", "repeat", "endless", "lost_moves"})


class Change(NamedTuple):
    """Something to tell subscribers. ``kind`` is created, updated or deleted; ``folder`` has the folder's names."""

    upn: str
    item: ItemId
    kind: str
    folder: Sequence[str]


@dataclass(frozen=True)
class Owner:
    """Whose a mailbox is; ``addresses`` are lower-cased."""

    name: str
    address: str
    addresses: frozenset[str]


class Post:
    """All mailboxes by account. ``touched`` collects what subscribers were not told yet.

    ``quirks`` are the ways an account's delta misbehaves. The world's lock guards it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.mailboxes: dict[str, Mailbox] = {}
        self.owners: dict[str, Owner] = {}
        self.blocks: dict[str, Block] = {}
        self.quirks: dict[str, str] = {}
        self.touched: list[Change] = []
        self._count = 0

    def reset(self) -> None:
        """No mailboxes."""
        for held in (self.mailboxes, self.owners, self.blocks, self.quirks, self.touched):
            held.clear()
        self._count = 0

    def open(self, upn: str, name: str, address: str) -> None:
        """A mailbox for an account, or its new name and address."""
        self.owners[upn] = Owner(name, address or upn, frozenset({upn.lower(), (address or upn).lower()}))
        if upn not in self.mailboxes:
            self.mailboxes[upn] = Mailbox(upn, self._world.clock)
            self.mailboxes[upn].furnish()

    def mailbox(self, upn: str) -> Mailbox:
        """A mailbox by its account; ControlError if there is none."""
        if upn not in self.mailboxes:
            raise ControlError(f"no account {upn}")
        return self.mailboxes[upn]

    def put(self, upn: str, order: Order) -> Stored:
        """Put one mail into one mailbox: where the order says, or else by whether the account wrote it."""
        box = self.mailbox(upn)
        letter = self._written(upn, order)
        is_own = letter.author is not None and letter.author[1].lower() in self.owners[upn].addresses
        is_draft = bool(order.get("draft"))
        usual = "drafts" if is_draft else "sentitems" if is_own else "inbox"
        folder = box.get_folder(str(order.get("folder") or usual))
        return self._deliver(box, letter, folder, is_read=bool(order.get("read", is_own)), is_draft=is_draft)

    def send(self, upn: str, order: Order) -> list[tuple[str, Stored]]:
        """A mail goes out: a copy among the account's sent items, and one in each inbox it was sent to."""
        letter = self._written(upn, {name: value for name, value in order.items() if name != "from"})
        box = self.mailbox(upn)
        sent = self._deliver(box, replace(letter), box.get_folder("sentitems"), is_read=True)
        return [(upn, sent), *self._received(letter)]

    def send_draft(self, upn: str, stored: Stored) -> list[tuple[str, Stored]]:
        """A draft goes out: it moves to the sent items, by which it keeps its immutable id alone."""
        if not stored.is_draft:
            raise ControlError("that message is no draft")
        box, now = self.mailbox(upn), self._world.clock.now()
        letter = replace(stored.source.letter(), sent_at=now.timestamp(), received_at=now.timestamp())
        stored.source, stored.is_draft, stored.received_at = letter, False, letter.received_at
        self.move(upn, stored, box.get_folder("sentitems"))
        travelled = replace(letter, headers=letters.headers_of({}, letter, now))
        return [(upn, stored), *self._received(travelled)]

    def move(self, upn: str, stored: Stored, target: Folder) -> None:
        """Move a message into another folder."""
        box = self.mailbox(upn)
        source = box.folders[stored.folder]
        before = box.move(stored, target)
        self.touched.append(Change(upn, before, "deleted", box.names_of(source.number)))
        self._tell(box, stored, "created")

    def touch(self, upn: str, stored: Stored, *, is_read: bool) -> None:
        """A message was read, or marked as not."""
        stored.is_read = is_read
        self.mailbox(upn).touch(stored)
        self._tell(self.mailbox(upn), stored, "updated")

    def delete(self, upn: str, stored: Stored) -> None:
        """Delete a message for good."""
        box = self.mailbox(upn)
        names = box.names_of(stored.folder)
        self.touched.append(Change(upn, box.delete(stored), "deleted", names))

    def delete_folder(self, upn: str, folder: Folder) -> None:
        """Delete a folder and what lies in it for good."""
        box = self.mailbox(upn)
        names = box.names_of(folder.number)
        self.touched += [Change(upn, item, "deleted", names) for item in box.delete_folder(folder)]

    def put_block(self, upn: str, block: Block) -> None:
        """Many mails at once, which nobody is told about."""
        box = self.mailbox(upn)
        self.blocks[block.name] = block
        inbox, sent = box.get_folder("inbox"), box.get_folder("sentitems")
        for index in range(block.count):
            is_sent = block.is_sent(index)
            box.add(Sample(block, index), sent if is_sent else inbox, is_read=is_sent)

    def take_touched(self) -> Sequence[Change]:
        """What happened since the last call."""
        touched, self.touched = self.touched, []
        return touched

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "blocks": [asdict(block) for block in self.blocks.values()],
            "mailboxes": [dumped(box) for box in self.mailboxes.values()],
            "quirks": self.quirks,
            "count": self._count,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave, or nothing. The owners are opened anew afterwards."""
        self.reset()
        self.blocks = {one["name"]: Block(**one) for one in saved.get("blocks", ())}
        self.quirks, self._count = dict(saved.get("quirks", {})), saved.get("count", 0)
        for one in saved.get("mailboxes", ()):
            self.mailboxes[one["upn"]] = self._loaded(one)

    def _loaded(self, saved: dict[str, Any]) -> Mailbox:
        box = Mailbox(saved["upn"], self._world.clock)
        box.changes, box.last_number = saved["changes"], saved["last_number"]
        box.graves = [Entry(*one) for one in saved["graves"]]
        for number, name, shown, parent, changed, is_hidden, log in saved["folders"]:
            entries = [Entry(*one) for one in log]
            box.folders[number] = Folder(number, name, shown, parent, changed, is_hidden, log=entries)
        for row in saved["messages"]:
            kept = row["source"]
            source = Letter(**kept) if isinstance(kept, dict) else Sample(self.blocks[kept[0]], kept[1])
            box.restore(Stored(**row | {"source": source}), source.letter().message_id)
        return box

    def _received(self, letter: Letter) -> list[tuple[str, Stored]]:
        """Put a mail into the inboxes of the accounts it was sent to, without its bcc."""
        takers = {address.lower() for _, address in [*letter.to, *letter.cc, *letter.bcc]}
        boxes = [self.mailbox(upn) for upn, owner in self.owners.items() if owner.addresses & takers]
        return [
            (box.upn, self._deliver(box, replace(letter, bcc=[]), box.get_folder("inbox"), is_read=False))
            for box in boxes
        ]

    def _written(self, upn: str, order: Order) -> Letter:
        self._count += 1
        owner = self.owners[self.mailbox(upn).upn]
        digest = hashlib.sha256(f"{upn} {self._count}".encode()).hexdigest()[:24].upper()
        own: Party = [owner.name, owner.address]
        letter = letters.written(order, own, self._world.clock.now(), f"{digest}@EURP190.PROD.OUTLOOK.COM")
        answered = " ".join(letters.listed(order.get("references")) + letters.listed(order.get("in_reply_to")))
        return self._joined(self.mailbox(upn), letter, answered.split())

    def _joined(self, box: Mailbox, letter: Letter, answered: Sequence[str]) -> Letter:
        """The mail in the conversation it names, or of a mail it answers, or one of its own."""
        found = [number for one in reversed(answered) for number in box.by_message_id.get(letters.bracketed(one), ())]
        parent = box.messages[found[0]].source.letter() if found else None
        if parent is not None and not letter.conversation:
            index = letters.next_index(parent.index, self._count)
            return replace(letter, conversation=parent.conversation, index=index)
        name = letter.conversation or letter.message_id or f"{box.upn} {self._count}"
        return replace(letter, conversation=name, index=letters.opening_index(name, letter.received_at))

    def _deliver(
        self, box: Mailbox, letter: Letter, folder: Folder, *, is_read: bool, is_draft: bool = False
    ) -> Stored:
        if folder.name in UNSENT:
            letter.headers = []
        stored = box.add(letter, folder, is_read=is_read, is_draft=is_draft)
        self._tell(box, stored, "created")
        return stored

    def _tell(self, box: Mailbox, stored: Stored, kind: str) -> None:
        self.touched.append(Change(box.upn, box.id_of(stored), kind, box.names_of(stored.folder)))


def dumped(box: Mailbox) -> dict[str, Any]:
    """A mailbox as JSON."""
    return {
        "upn": box.upn,
        "changes": box.changes,
        "last_number": box.last_number,
        "graves": box.graves,
        "folders": [
            [one.number, one.name, one.display_name, one.parent, one.changed, one.is_hidden, one.log]
            for one in box.folders.values()
        ],
        "messages": [
            {name: getattr(one, name) for name in Stored.__slots__} | {"source": kept(one.source)}
            for one in box.messages.values()
        ],
    }


def kept(source: Letter | Sample) -> Any:
    """A mail as JSON: itself, or its place in a block."""
    return [source.block.name, source.index] if isinstance(source, Sample) else asdict(source)
