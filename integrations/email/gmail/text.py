"""The text of one mail out of its parts."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import requests

from integrations.email import headers, plain_text
from integrations.email.gmail import calls
from integrations.errors import Unreadable
from integrations.providers import google

MAX_CHARACTERS = 1_000_000


def fetch(http: requests.Session, mailbox: str, external_id: str) -> str:
    """The text of one mail, empty where it has none. Raises ResourceGone, MissingScope or Unreadable."""
    messages = google.api("gmail", "v1").users().messages()
    answer = google.run(messages.get(userId=mailbox, id=external_id, format="full", fields="payload"), http)
    try:
        return of(answer.get("payload") or {})
    except calls.ODD as error:
        raise Unreadable("Its text has an unknown form.") from error


def of(payload: dict[str, Any]) -> str:
    """The first plain text that is no attachment, else the first HTML as text."""
    for mime_type in ("text/plain", "text/html"):
        for part in _leaves(payload):
            if part.get("mimeType") == mime_type and (part.get("body") or {}).get("data"):
                text = _decoded(part)
                return _storable(plain_text.of(text) if mime_type == "text/html" else text)
    return ""


def _leaves(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts that hold something, without what is attached: another mail may be, with parts of its own."""
    if part.get("filename") or str(part.get("mimeType", "")).startswith("message/"):
        return
    parts = part.get("parts") or []
    if not parts:
        yield part
    for inner in parts:
        yield from _leaves(inner)


def _decoded(part: dict[str, Any]) -> str:
    """The part's text. Google may have made UTF-8 of it or not, and says the old name of its encoding in both cases."""
    data = part["body"]["data"]
    raw = base64.urlsafe_b64decode(data.rstrip("=") + "=" * (-len(data.rstrip("=")) % 4))
    named = headers.grouped((one["name"], one["value"]) for one in part.get("headers") or ())
    found = re.search(r'charset="?([\w.:-]+)', " ".join(named.get("content-type", ())), re.IGNORECASE)
    charset = found[1].lower() if found else "utf-8"
    # These are written in ASCII alone, so UTF-8 would seem to fit.
    order = [charset, "utf-8"] if charset.startswith(("iso-2022", "utf-7", "hz")) else ["utf-8", charset]
    for encoding in order:
        try:
            return raw.decode(encoding)
        except (LookupError, ValueError):
            continue
    return raw.decode("utf-8", "replace")


def _storable(text: str) -> str:
    """With line breaks kept, and without what no database takes."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return plain.encode("utf-8", "ignore").decode()[:MAX_CHARACTERS].strip()
