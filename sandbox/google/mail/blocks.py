"""Many synthetic mails that take little memory: each is written from its index when asked for."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from sandbox.google.mail import rfc5322
from sandbox.google.mail.rfc5322 import Headers

SUBJECTS = ("Fund update", "Data room", "Side letter", "Capital call", "Reference call", "Quarterly report")
STEP = 7919


@dataclass
class Block:
    """``count`` mails between ``owner`` and ``peers``, spread over ``days`` before ``until_ms`` (since 1970).

    ``per_thread`` of them answer each other, in turn from a peer and from the owner.
    """

    name: str
    count: int
    owner: str
    peers: list[str]
    until_ms: int
    days: float
    per_thread: int = 1

    def opener(self, index: int) -> int:
        """The index of the first mail of a mail's thread."""
        return index - index % self.per_thread

    def at_ms(self, index: int) -> int:
        """When it was taken: threads stand scattered over the span, their mails an hour apart."""
        thread, place = divmod(index, self.per_thread)
        slot = thread * STEP % self._threads
        span = int(self.days * 86_400_000)
        return self.until_ms - span * (slot + 1) // self._threads + place * 3_600_000 * (self.per_thread > 1)

    def is_sent(self, index: int) -> bool:
        """Whether the owner wrote it."""
        thread, place = divmod(index, self.per_thread)
        return (thread + place) % 2 == 1

    def message_id(self, index: int) -> str:
        """Without brackets."""
        return f"bulk-{self.name}-{index:07d}@bulk.example"

    def headers(self, index: int) -> Headers:
        """The headers of the mail at an index."""
        thread = index // self.per_thread
        peer, is_sent = self.peers[thread % len(self.peers)], self.is_sent(index)
        answers = f"<{self.message_id(index - 1)}>" if index != self.opener(index) else ""
        subject = f"{'Re: ' if answers else ''}{SUBJECTS[thread % len(SUBJECTS)]} {thread}"
        written = [
            ("MIME-Version", "1.0"),
            ("Date", rfc5322.date(datetime.fromtimestamp(self.at_ms(index) // 1000, UTC))),
            ("Message-ID", f"<{self.message_id(index)}>"),
            ("Subject", subject),
            ("From", self.owner if is_sent else peer),
            ("To", peer if is_sent else self.owner),
            ("Content-Type", 'text/plain; charset="UTF-8"'),
        ]
        return written + ([("In-Reply-To", answers), ("References", answers)] if answers else [])

    def raw(self, index: int) -> bytes:
        """The mail at an index."""
        return rfc5322.head(self.headers(index)) + b"\r\nThe text of a bulk mail, number %d.\r\n" % index

    @cached_property
    def _threads(self) -> int:
        return -(-self.count // self.per_thread)


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail of a block."""

    block: Block
    index: int

    def headers(self) -> Headers:
        """Its headers."""
        return self.block.headers(self.index)

    def raw(self) -> bytes:
        """It as bytes."""
        return self.block.raw(self.index)


@dataclass(frozen=True, slots=True)
class Original:
    """A mail kept as it came."""

    content: bytes

    def headers(self) -> Headers:
        """Its headers."""
        return rfc5322.headers_of(self.content)

    def raw(self) -> bytes:
        """It as bytes."""
        return self.content
