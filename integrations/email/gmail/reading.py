"""Reads the headers of messages in batches, by the cheapest requests that bring them."""

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import requests

from integrations.contract import MailBatch, MailRef, MessageCopy, UnreadableItem
from integrations.email import batch, headers
from integrations.email.gmail import calls
from integrations.errors import Permanent, Temporary, TokenRefused, Unreadable
from integrations.providers import google

FIELDS = "id,threadId,labelIds,internalDate,payload(headers)"
"""Of a message Google sends no more than this: no snippet."""

HEADERS_QUERY = [("format", "metadata"), *(("metadataHeaders", name) for name in headers.WANTED)]
MESSAGE_QUERY = urlencode([*HEADERS_QUERY, ("fields", FIELDS)])
THREAD_QUERY = urlencode([*HEADERS_QUERY, ("fields", f"id,messages({FIELDS})")])


@dataclass(frozen=True)
class Ask:
    """One part of a batch: a message, or a thread that holds several of those wanted."""

    path: str
    ids: tuple[str, ...]
    is_thread: bool = False


@dataclass
class Sorted:
    """What became of each message that was asked for, as it is found out."""

    messages: list[MessageCopy] = field(default_factory=list)
    unreadable: list[UnreadableItem] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    retry_after: float | None = None


def read(http: requests.Session, mailbox: str, wanted: Collection[MailRef]) -> MailBatch:
    """The headers of these messages. Raises TokenRefused where the token was refused inside the batch."""
    result, asks = Sorted(), plan(mailbox, wanted)
    for start in range(0, len(asks), calls.BATCH_PARTS):
        some = asks[start : start + calls.BATCH_PARTS]
        for ask, part in zip(some, calls.send(http, [ask.path for ask in some]), strict=True):
            _sort(ask, part, result)
    return MailBatch(
        messages=tuple(result.messages),
        unreadable=tuple(result.unreadable),
        gone=tuple(result.gone),
        missing=tuple(result.missing),
        again=tuple(result.again),
        retry_after=result.retry_after,
    )


def cost(wanted: Collection[MailRef]) -> int:
    """Quota units of reading these."""
    return sum(calls.THREAD_UNITS if ask.is_thread else calls.MESSAGE_UNITS for ask in plan("me", wanted))


def plan(mailbox: str, wanted: Collection[MailRef]) -> list[Ask]:
    """The cheapest requests that bring these: of a thread with several of them all at once, else one by one."""
    threads: dict[str, list[str]] = defaultdict(list)
    for external_id, thread_id in {ref.external_id: ref.thread_id for ref in wanted}.items():
        threads[thread_id].append(external_id)
    asks = []
    for thread_id, ids in threads.items():
        if thread_id and len(ids) * calls.MESSAGE_UNITS > calls.THREAD_UNITS:
            asks.append(Ask(f"{calls.path(mailbox, 'threads', thread_id)}?{THREAD_QUERY}", tuple(ids), is_thread=True))
        else:
            asks += [Ask(f"{calls.path(mailbox, 'messages', one)}?{MESSAGE_QUERY}", (one,)) for one in ids]
    return asks


def _sort(ask: Ask, part: batch.Part | None, result: Sorted) -> None:
    """Put what was asked for where it belongs. Raises where the answer concerns all: a refused token or permission."""
    if part is None:
        result.again += ask.ids
    elif part.status == 200:
        _take(ask, part, result)
    elif part.status in {404, 410}:
        result.missing += ask.ids
    else:
        _put_off(ask, part, result)


def _put_off(ask: Ask, part: batch.Part, result: Sorted) -> None:
    error = google.meant(part.status, part.headers, part.body, is_mail=True)
    if isinstance(error, TokenRefused):
        raise error
    if isinstance(error, Temporary):
        result.again += ask.ids
        if error.retry_after is not None:
            result.retry_after = max(error.retry_after, result.retry_after or 0.0)
    elif isinstance(error, Permanent) and calls.is_bad_request(error):
        result.unreadable += [UnreadableItem(one, str(error)) for one in ask.ids]
    else:
        raise error


def _take(ask: Ask, part: batch.Part, result: Sorted) -> None:
    try:
        answer = json.loads(part.body)
        items = answer["messages"] if ask.is_thread else [answer]
        found = {item["id"]: item for item in items}
    except calls.ODD:
        # Half an answer, or none: the next one will be whole.
        result.again += ask.ids
        return
    for external_id in ask.ids:
        if external_id not in found:
            result.missing.append(external_id)
            continue
        try:
            copy = message(found[external_id])
        except Unreadable as error:
            result.unreadable.append(UnreadableItem(external_id, str(error)))
            continue
        if copy is None:
            result.gone.append(external_id)
        else:
            result.messages.append(copy)


def message(item: Any) -> MessageCopy | None:
    """One message resource; None for what is never taken. Raises Unreadable for what makes no sense."""
    try:
        return _message(item)
    except calls.ODD as error:
        raise Unreadable(f"It has an unknown form ({type(error).__name__}).") from error


def _message(item: dict[str, Any]) -> MessageCopy | None:
    ref = calls.ref(item)
    if ref is None:
        raise Unreadable("Its id has an unknown form.")
    labels = set(map(str, item.get("labelIds") or ()))
    if labels & calls.NEVER_TAKEN:
        return None
    is_sent = "SENT" in labels
    named = headers.grouped(
        (one["name"], one["value"])
        for one in (item.get("payload") or {}).get("headers") or ()
        if isinstance(one.get("name"), str) and isinstance(one.get("value"), str)
    )
    return MessageCopy(
        external_id=ref.external_id,
        # A message without a thread is one by itself, which is how Gmail numbers the first of a thread.
        thread_id=ref.thread_id or ref.external_id,
        sent_at=moment(item),
        message_id=headers.message_id(named),
        in_reply_to=headers.in_reply_to(named),
        references=headers.references(named),
        subject=headers.subject(named),
        # Whom a blind copy went to is known to its sender alone.
        parties=tuple(party for party in headers.parties(named) if is_sent or party.role != "bcc"),
        is_sent=is_sent,
        labels=tuple(word for name, word in calls.LABELS.items() if name in labels),
        automatic=headers.automatic(named),
    )


def moment(item: dict[str, Any]) -> datetime:
    """When Gmail took the message, from milliseconds as text. The Date header may say anything, so it is not asked."""
    value = item["internalDate"]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable("It has no date.")
    taken_at = datetime.fromtimestamp(int(value) / 1000, UTC)
    if not 1970 <= taken_at.year <= 9000:
        raise Unreadable("Its date makes no sense.")
    return taken_at
