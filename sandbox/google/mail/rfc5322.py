"""Mail as it travels: written from fields, and read into headers and parts.

RFC 5322; header values are folded and encoded as senders do it, and shown as Gmail shows them: unfolded, not decoded.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr

Headers = list[tuple[str, str]]
BOUNDARY = "000000000000sandbox"
CALENDAR = ("Sender", "Google Calendar <calendar-notification@google.com>")
"""Calendar sends invitations and answers for a person: From is the person, and this alone tells, apart from a part."""


@dataclass(frozen=True)
class Draft:
    """What a mail is written from. A header of ``headers`` replaces the one that would be written; None leaves it out.

    ``invitation`` is an iCalendar text, ``attachments`` are names of files.
    """

    headers: Sequence[tuple[str, str | None]] = ()
    body: str = ""
    html: str = ""
    invitation: str = ""
    attachments: Sequence[str] = ()
    written: Headers = field(default_factory=list)


def compose(draft: Draft) -> bytes:
    """The mail as bytes, lines ended by CRLF."""
    given = {name.lower() for name, _ in draft.headers}
    top = [(name, value) for name, value in draft.written if name.lower() not in given]
    top += [(name, value) for name, value in draft.headers if value is not None]
    if draft.invitation and "sender" not in given:
        top.append(CALENDAR)
    parts = parts_of(draft)
    if len(parts) == 1:
        lines, content = parts[0]
        return head([*top, *lines]) + b"\r\n" + content
    kind = "mixed" if draft.attachments else "alternative"
    inner = b"".join(
        b"--" + BOUNDARY.encode() + b"\r\n" + head(lines) + b"\r\n" + content + b"\r\n" for lines, content in parts
    )
    top += [("Content-Type", f'multipart/{kind}; boundary="{BOUNDARY}"')]
    return head(top) + b"\r\n" + inner + b"--" + BOUNDARY.encode() + b"--\r\n"


def parts_of(draft: Draft) -> list[tuple[Headers, bytes]]:
    """The parts of a mail, each with its own headers."""
    parts = [text_part('text/plain; charset="UTF-8"', draft.body)]
    if draft.html:
        parts.append(text_part('text/html; charset="UTF-8"', draft.html))
    if draft.invitation:
        parts.append(text_part('text/calendar; charset="UTF-8"; method=REQUEST', draft.invitation))
    for name in draft.attachments:
        headers, content = text_part(f'application/octet-stream; name="{name}"', f"The content of {name}.")
        parts.append(([*headers, ("Content-Disposition", f'attachment; filename="{name}"')], content))
    return parts


def text_part(kind: str, text: str) -> tuple[Headers, bytes]:
    """A part: as it is while it is ASCII with short lines, otherwise in base64."""
    text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    if text.isascii() and all(len(line) < 990 for line in text.split("\r\n")):
        return [("Content-Type", kind)], text.encode() + b"\r\n"
    encoded = b64encode(text.encode()).decode()
    lines = "\r\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
    return [("Content-Type", kind), ("Content-Transfer-Encoding", "base64")], lines.encode() + b"\r\n"


def head(headers: Iterable[tuple[str, str]]) -> bytes:
    """Header lines, each ended by CRLF. A value goes out as given; UTF-8 where it is not ASCII."""
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in headers)


def word(text: str) -> str:
    """A text as RFC 2047 encodes it where it is not ASCII."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=75).encode(linesep="\r\n")


def address(text: str) -> str:
    """``Name <a@b>`` with the name encoded where it must be; anything else in ASCII as it is, however odd."""
    return text if text.isascii() else formataddr(parseaddr(text))


def date(moment: datetime) -> str:
    """A Date header."""
    return format_datetime(moment)


def headers_of(raw: bytes) -> Headers:
    """All headers in order, names in the sender's case, values unfolded."""
    return shown(BytesHeaderParser(policy=compat32).parsebytes(raw))


def tree_of(raw: bytes) -> Message:
    """The mail with its parts."""
    return BytesParser(policy=compat32).parsebytes(raw)


def shown(part: Message) -> Headers:
    """A part's headers as the API gives them; bytes that are no UTF-8 become replacement characters."""
    return [(name, text_of(value)) for name, value in part.items()]


def text_of(value: object) -> str:
    """A header value without folds."""
    raw = str(value).replace("\r", "").replace("\n", "")
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def plain_text(tree: Message) -> str:
    """The first text of a mail."""
    for part in tree.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    return ""


def values(headers: Headers, name: str) -> list[str]:
    """Every value of a header, whatever its case."""
    return [value for held, value in headers if held.lower() == name]


def first(headers: Headers, name: str) -> str:
    """A header's first value, empty without one."""
    return next(iter(values(headers, name)), "")


def bare(message_id: str) -> str:
    """A Message-ID without its brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")
