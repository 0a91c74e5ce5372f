"""What all calls to Gmail share: ids, pages, batches, and which trouble means what."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import requests

from integrations.contract import MailRef
from integrations.email import batch
from integrations.errors import Permanent, Temporary
from integrations.providers import google

BATCH_URL = "https://gmail.googleapis.com/batch/gmail/v1"
BATCH_PARTS = 50
"""Google allows 100 and advises against more than 50: they are worked on at once, and then refused as too many."""

PAGE_SIZE = 500
"""Google's maximum; a page costs the same however long."""

MESSAGE_UNITS, THREAD_UNITS, LIST_UNITS, HISTORY_UNITS, PROFILE_UNITS = 20, 40, 5, 2, 1
"""Quota units of a call since May 2026. What a call brings does not change its price."""

NEVER_TAKEN = frozenset({"DRAFT", "CHAT", "SPAM", "TRASH"})
LABELS = {"INBOX": "inbox", "SENT": "sent", "IMPORTANT": "important"}

ID = re.compile(r"[\x21-\x7e]{1,200}")
ODD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError)
"""What reading an answer in an unknown form raises."""


def ref(item: Any) -> MailRef | None:
    """A message as a list or a change names it; None where it has no usable id."""
    if not isinstance(item, dict) or not is_id(item.get("id")):
        return None
    thread_id = item.get("threadId")
    return MailRef(item["id"], str(thread_id) if is_id(thread_id) else "")


def is_id(value: Any) -> bool:
    """Whether this is an id as it stands: a shortened or cleaned one might be another message's."""
    return isinstance(value, str) and ID.fullmatch(value) is not None


def next_page(answer: dict[str, Any], page: str) -> str:
    """The token of the page after ``page``. Raises Temporary where it is the same one."""
    token = str(answer.get("nextPageToken") or "")
    if token and token == page:
        raise Temporary("Gmail's list does not end.")
    return token


def is_bad_request(error: Permanent) -> bool:
    """Whether Google found fault with the request itself."""
    return "HTTP 400" in str(error)


def path(mailbox: str, kind: str, external_id: str) -> str:
    """Where a message or thread is, without host and query."""
    return f"/gmail/v1/users/{quote(mailbox, safe='')}/{kind}/{quote(external_id, safe='')}"


def send(http: requests.Session, paths: Sequence[str]) -> list[batch.Part | None]:
    """One batch. Raises what its answer as a whole means."""
    answer = http.post(
        BATCH_URL, data=batch.written(paths), headers={"Content-Type": batch.CONTENT_TYPE}, allow_redirects=False
    )
    if answer.status_code != 200:
        raise google.meant(answer.status_code, answer.headers, answer.content, is_mail=True)
    return batch.answers(answer.headers.get("Content-Type", ""), answer.content, len(paths))
