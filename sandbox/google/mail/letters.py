"""Mails written from orders of the control API, and what becomes of them on their way."""

import re
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import HeaderRegistry
from email.utils import parsedate_to_datetime
from typing import Any

from sandbox.google.mail import rfc5322
from sandbox.google.mail.rfc5322 import Draft, Headers

FIELDS = frozenset(
    [
        "from",
        "to",
        "cc",
        "bcc",
        "subject",
        "body",
        "html",
        "date",
        "thread",
        "labels",
        "headers",
        "message_id",
        "in_reply_to",
        "references",
        "invitation",
        "attachments",
        "raw",
        "copies",
    ]
)
Order = dict[str, Any]


def written(order: Order, own: str, at: datetime, message_id: str) -> bytes:
    """The mail that an order's fields describe, as its sender holds it.

    ``own`` is whose mailbox it is for: its sender unless another is given, and then its recipient. ``message_id`` is
    used where the order has none.
    """
    given = order.get("headers", [])
    draft = Draft(
        headers=list(given.items()) if isinstance(given, dict) else [(str(name), value) for name, value in given],
        body=str(order.get("body") or ""),
        html=str(order.get("html") or ""),
        invitation=str(order.get("invitation") or ""),
        attachments=listed(order.get("attachments")),
        written=[(name, value) for name, value in headers_for(order, own, at, message_id).items() if value],
    )
    return rfc5322.compose(draft)


def headers_for(order: Order, own: str, at: datetime, message_id: str) -> dict[str, str]:
    """The headers that follow from an order's fields; empty ones are not meant."""
    return {
        "MIME-Version": "1.0",
        "Date": rfc5322.date(at),
        "Message-ID": bracketed(order.get("message_id", message_id)),
        "In-Reply-To": bracketed(order.get("in_reply_to")),
        "References": " ".join(map(bracketed, listed(order.get("references", order.get("in_reply_to"))))),
        "Subject": rfc5322.word(str(order.get("subject") or "")),
        "From": addresses(order.get("from", own)),
        "To": addresses(order.get("to", own if "from" in order else None)),
        "Cc": addresses(order.get("cc")),
        "Bcc": addresses(order.get("bcc")),
    }


def as_sent(raw: str) -> bytes:
    """A mail given as text, with lines that end as they do on the wire."""
    return raw.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def received(mail: bytes, holder: str, at: datetime) -> bytes:
    """A mail as it arrives: with the traces of its way, without its Bcc."""
    headers, _, content = mail.partition(b"\r\n\r\n")
    kept = re.sub(rb"(?im)^bcc:[^\r\n]*(\r\n[ \t][^\r\n]*)*(\r\n|\Z)", b"", headers)
    way = [
        ("Delivered-To", holder),
        ("Received", f"by 2002:a17:90a:77cb:0:0:0:0 with SMTP id e11csp4670216pjs;\r\n        {rfc5322.date(at)}"),
    ]
    return rfc5322.head(way) + kept.rstrip(b"\r\n") + b"\r\n\r\n" + content


def addresses_in(value: str) -> list[str]:
    """The addresses of a header, lower-cased."""
    try:
        parsed = HeaderRegistry()("to", value)
    except (ValueError, IndexError, AttributeError, HeaderParseError):
        # Python's parser trips over some junk; a mail with such a header is for nobody.
        return []
    return [one.addr_spec.lower() for one in getattr(parsed, "addresses", ())]


def date_of(headers: Headers) -> datetime | None:
    """The Date header, aware; None if there is none that can be read."""
    try:
        moment = parsedate_to_datetime(rfc5322.first(headers, "date"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def addresses(value: Any) -> str:
    """A text or a list of texts as a header."""
    return ", ".join(map(rfc5322.address, listed(value)))


def listed(value: Any) -> list[str]:
    """A text, a list of texts or nothing, as a list."""
    return [] if value is None else [value] if isinstance(value, str) else [str(one) for one in value]


def bracketed(message_id: str | None) -> str:
    """A Message-ID in brackets; empty for none."""
    return f"<{rfc5322.bare(message_id)}>" if message_id else ""
