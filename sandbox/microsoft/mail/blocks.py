"""Many synthetic mails that take little memory: each is written from its index when asked for."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.microsoft.mail import letters
from sandbox.microsoft.mail.letters import Letter

SUBJECTS = ("Fund update", "Data room", "Side letter", "Capital call", "Reference call", "Quarterly report")
STEP = 7919
UNKNOWN = 997
"""How many senders nobody knows there are."""


@dataclass
class Block:
    """``count`` mails of ``owner``, spread over ``days`` before ``until`` (seconds since 1970).

    ``share`` of them, from 0 to 1, are with the ``known`` addresses, in turn from them and to them; ``per_talk`` of
    those make a conversation. The others come from senders nobody knows.
    """

    name: str
    count: int
    owner: str
    known: list[str]
    share: float
    until: float
    days: float
    per_talk: int = 1

    def received_at(self, index: int) -> float:
        """Seconds since 1970; the order of indexes is not that of times."""
        slot = index * STEP % self.count
        return float(int(self.until - self.days * 86_400 * (slot + 1) / self.count))

    def is_known(self, index: int) -> bool:
        """Whether it is with a known address: evenly spread."""
        return bool(self.known) and int((index + 1) * self.share) > int(index * self.share)

    def is_sent(self, index: int) -> bool:
        """Whether the owner wrote it."""
        return self.is_known(index) and int(index * self.share) % 2 == 1

    def letter(self, index: int) -> Letter:
        """The mail at an index."""
        ordinal = int(index * self.share) if self.is_known(index) else index
        talk = f"bulk-{self.name}-{'k' if self.is_known(index) else 'u'}{ordinal // self.per_talk}"
        peer = self.known[ordinal // self.per_talk % len(self.known)] if self.is_known(index) else stranger(index)
        at, own, other = self.received_at(index), ["", self.owner], ["", peer]
        author, taker = (own, other) if self.is_sent(index) else (other, own)
        message_id = f"<bulk-{self.name}-{index:07d}@bulk.example>"
        subject = f"{SUBJECTS[ordinal % len(SUBJECTS)]} {ordinal // self.per_talk}"
        letter = Letter(
            subject=subject,
            message_id=message_id,
            conversation=talk,
            index=letters.opening_index(talk, self.until),
            sent_at=at - 2,
            received_at=at,
            author=author,
            sender=author,
            to=[taker],
            text=f"The text of a bulk mail, number {index}.",
        )
        letter.headers = letters.headers_of({}, letter, datetime.fromtimestamp(at, UTC))
        return letter


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail of a block."""

    block: Block
    index: int

    def letter(self) -> Letter:
        """It, written."""
        return self.block.letter(self.index)


def stranger(index: int) -> str:
    """A sender nobody knows."""
    return f"news{index % UNKNOWN}@letters{index % 89}.example"
