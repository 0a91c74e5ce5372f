"""A mail as a mailbox holds it, and what an order of the control API makes of it."""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, getaddresses
from typing import Any, Self

from sandbox.clock import parse_instant
from sandbox.control import ControlError

FIELDS = frozenset(
    [
        "folder",
        "from",
        "sender",
        "to",
        "cc",
        "bcc",
        "reply_to",
        "subject",
        "body",
        "html",
        "sent_at",
        "received_at",
        "message_id",
        "in_reply_to",
        "references",
        "headers",
        "conversation",
        "attachments",
        "importance",
        "categories",
        "meeting",
        "draft",
        "read",
    ]
)
MEETINGS = {
    "request": ("eventMessageRequest", "meetingRequest"),
    "cancelled": ("eventMessage", "meetingCancelled"),
    "accepted": ("eventMessageResponse", "meetingAccepted"),
    "tentative": ("eventMessageResponse", "meetingTentativelyAccepted"),
    "declined": ("eventMessageResponse", "meetingDeclined"),
}
"""What a mail about a meeting is, and its meetingMessageType."""
EPOCH_1601_SECONDS = 11_644_473_600
Order = dict[str, Any]
Party = list[str]
"""A name and an address."""


@dataclass(slots=True)
class Letter:
    """One mail. Times are seconds since 1970; None is a time that was never set.

    ``headers`` are those it travelled with. ``conversation`` names what it belongs to, ``index`` is its place there.
    """

    subject: str
    message_id: str
    conversation: str
    index: str
    sent_at: float | None
    received_at: float
    author: Party | None = None
    sender: Party | None = None
    to: list[Party] = field(default_factory=list)
    cc: list[Party] = field(default_factory=list)
    bcc: list[Party] = field(default_factory=list)
    reply_to: list[Party] = field(default_factory=list)
    text: str = ""
    is_html: bool = False
    headers: list[list[str]] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    importance: str = "normal"
    categories: list[str] = field(default_factory=list)
    meeting: str = ""

    def letter(self) -> Self:
        """Itself."""
        return self


def check(order: Order) -> None:
    """ControlError for a field no mail has."""
    if unknown := set(order) - FIELDS:
        raise ControlError(f"a mail has no {', '.join(sorted(unknown))}")
    if order.get("meeting", "request") not in MEETINGS:
        raise ControlError(f"meeting must be one of {', '.join(sorted(MEETINGS))}")


def written(order: Order, own: Party, now: datetime, message_id: str) -> Letter:
    """The mail of an order, in no conversation yet. ``own`` is whose box it is for: its sender, if none is given.

    A null as sent_at is a time never set, as from a mail without an author.
    """
    check(order)
    author = one_party(order["from"]) if "from" in order else own
    received = parse_instant(order["received_at"]) if order.get("received_at") else None
    sent = order.get("sent_at", order.get("received_at"))
    sent_at = None if "sent_at" in order and sent is None else parse_instant(sent) if sent else now
    arrived = received or sent_at or now
    letter = Letter(
        subject=str(order.get("subject") or ""),
        message_id=bracketed(order.get("message_id", message_id)),
        conversation=str(order.get("conversation") or ""),
        index="",
        sent_at=None if sent_at is None else sent_at.timestamp(),
        received_at=arrived.timestamp(),
        author=author,
        sender=one_party(order["sender"]) if "sender" in order else author,
        to=parties(order.get("to", own if "from" in order else None)),
        cc=parties(order.get("cc")),
        bcc=parties(order.get("bcc")),
        reply_to=parties(order.get("reply_to")),
        text=str(order.get("html") or order.get("body") or ""),
        is_html="html" in order,
        attachments=listed(order.get("attachments")),
        importance=str(order.get("importance") or "normal"),
        categories=listed(order.get("categories")),
        meeting=str(order.get("meeting") or ""),
    )
    letter.headers = headers_of(order, letter, arrived)
    return letter


def headers_of(order: Order, letter: Letter, arrived: datetime) -> list[list[str]]:
    """The headers of a mail; one of the order's replaces that of its name, null leaves it out."""
    given = order.get("headers") or {}
    own = [[str(name), value] for name, value in (given.items() if isinstance(given, dict) else given)]
    answered = " ".join(map(bracketed, listed(order.get("references", order.get("in_reply_to")))))
    sent = None if letter.sent_at is None else datetime.fromtimestamp(letter.sent_at, UTC)
    usual = [
        ["Received", f"from mail.example (192.0.2.1) by mx.example; {format_datetime(arrived)}"],
        ["From", shown(letter.author)],
        ["To", ", ".join(map(shown, letter.to))],
        ["Cc", ", ".join(map(shown, letter.cc))],
        ["Subject", letter.subject],
        ["Date", format_datetime(sent) if sent else ""],
        ["Message-ID", letter.message_id],
        ["In-Reply-To", bracketed(order.get("in_reply_to"))],
        ["References", answered],
        ["MIME-Version", "1.0"],
        ["Content-Type", "text/plain; charset=utf-8"],
    ]
    replaced = {name.lower() for name, _ in own}
    kept = [pair for pair in usual if pair[1] and pair[0].lower() not in replaced]
    return kept + [[name, str(value)] for name, value in own if value is not None]


def opening_index(name: str, at: float) -> str:
    """The conversationIndex that opens a conversation: 22 bytes with the time, in base64."""
    ticks = int((at + EPOCH_1601_SECONDS) * 10_000_000)
    head = ticks.to_bytes(8)[:6]
    return b64encode(head + hashlib.sha256(name.encode()).digest()[:16]).decode()


def next_index(index: str, number: int) -> str:
    """The conversationIndex of an answer: five bytes more than what it answers."""
    return b64encode(b64decode(index) + (number & 0xFFFFFFFF).to_bytes(4) + b"\x00").decode()


def parties(value: Any) -> list[Party]:
    """``Name <a@b>``, a pair of name and address, or a list of those. The address of a pair may be anything."""
    if value is None:
        return []
    if isinstance(value, str):
        return [[name, address] for name, address in getaddresses([value])]
    if len(value) == 2 and all(isinstance(one, str) for one in value) and "@" not in value[0]:
        return [list(value)]
    return [party for one in value for party in parties(one)]


def one_party(value: Any) -> Party | None:
    """The first of ``parties``; None for nobody."""
    return next(iter(parties(value)), None)


def shown(party: Party | None) -> str:
    """A party in a header."""
    if party is None:
        return ""
    return f"{party[0]} <{party[1]}>" if party[0] else party[1]


def listed(value: Any) -> list[str]:
    """A text, a list of texts or nothing, as a list."""
    return [] if value is None else [value] if isinstance(value, str) else [str(one) for one in value]


def bracketed(message_id: str | None) -> str:
    """A Message-ID in brackets; empty for none."""
    return f"<{message_id.strip().removeprefix('<').removesuffix('>')}>" if message_id else ""
