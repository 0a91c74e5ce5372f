"""Answers of Graph to prepare: messages, pages and batches."""

import json
from pathlib import Path
from typing import Any

from tests.integrations.email.canned import Canned, Json

FIXTURES = Path(__file__).parents[2] / "fixtures" / "microsoft"
NOW = "2026-11-03T10:00:00Z"


def body(name: str) -> Json:
    """What Graph answered, as it was captured or documented."""
    found: Json = json.loads((FIXTURES / f"{name}.json").read_text())
    return found


def who(address: str, name: str = "") -> Json:
    return {"emailAddress": {"name": name or address, "address": address}}


def headed(external_id: str = "1", /, headers: Json | None = None, **fields: Any) -> Json:
    """A message with these headers and fields, in the inbox."""
    found = [{"name": name.replace("_", "-"), "value": value} for name, value in (headers or {}).items()]
    usual = {"conversationId": "c1", "parentFolderId": "inbox-id", "receivedDateTime": NOW, "isDraft": False}
    return {"id": external_id, "internetMessageHeaders": found} | usual | fields


def batch(*answers: tuple[int, Any] | tuple[int, Any, Json]) -> tuple[int, Json]:
    """The answer to a batch, the last one first: order means nothing."""
    responses = []
    for number, answer in enumerate(answers, start=1):
        status, content, headers = (*answer, {})[:3]
        responses.append({"id": str(number), "status": status, "headers": headers, "body": content})
    return 200, {"responses": list(reversed(responses))}


READ_FOLDERS = batch((200, {"id": "inbox-id"}), (200, {"id": "sent-id"}), (200, {"id": "archive-id"}))
"""What the folders are called, as it is asked before messages are sorted."""


def asked(canned: Canned, number: int = -1) -> list[Json]:
    """What a batch asked for."""
    found: list[Json] = json.loads(canned.asked[number].body or b"")["requests"]
    return found
