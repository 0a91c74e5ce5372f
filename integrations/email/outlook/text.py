"""The text of one mail."""

import requests

from integrations.email import plain_text
from integrations.email.outlook import calls
from integrations.errors import MissingScope, Unreadable
from integrations.providers import microsoft

MAX_CHARACTERS = 1_000_000


def fetch(http: requests.Session, external_id: str) -> str:
    """The text of one mail, empty where it has none. Raises ResourceGone or Unreadable.

    Raises MissingScope too: what a permission hides is left out of the answer.
    """
    answer = microsoft.graph(http, "GET", calls.message(external_id, "body"))
    if "body" not in answer:
        raise MissingScope("The permission that was granted covers the headers of mail only, not its text.")
    body = answer["body"] or {}
    if not isinstance(body, dict):
        raise Unreadable("Its text has an unknown form.")
    text = str(body.get("content") or "")
    return _storable(text if str(body.get("contentType")).lower() == "text" else plain_text.of(text))


def _storable(text: str) -> str:
    """With line breaks kept, and without what no database takes."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return plain.encode("utf-8", "ignore").decode()[:MAX_CHARACTERS].strip()
