"""What happened in a mailbox since a cursor, by Gmail's history."""

from collections.abc import Iterator
from typing import Any

import requests

from integrations.contract import MailChanges, MailRef
from integrations.email.gmail import calls
from integrations.errors import CursorExpired, Permanent, ResourceGone, Temporary
from integrations.providers import google

TYPES = ("messageAdded", "messageDeleted", "labelAdded", "labelRemoved")


def page(http: requests.Session, mailbox: str, cursor: str, token: str) -> MailChanges:
    """A page of what happened after ``cursor``. Raises CursorExpired where Google's history begins later."""
    fields: dict[str, Any] = {
        "userId": mailbox,
        "startHistoryId": cursor,
        "historyTypes": list(TYPES),
        "maxResults": calls.PAGE_SIZE,
    }
    if token:
        fields["pageToken"] = token
    try:
        answer = google.run(google.api("gmail", "v1").users().history().list(**fields), http)
    except ResourceGone as error:
        raise CursorExpired("Gmail no longer knows where we stopped reading.") from error
    except Permanent as error:
        if calls.is_bad_request(error):
            raise CursorExpired("Gmail no longer takes the place where we stopped reading.") from error
        raise
    changed, vanished = happened(answer.get("history"))
    next_page = calls.next_page(answer, token)
    return MailChanges(changed, vanished, next_page, "" if next_page else history_id(answer))


def history_id(answer: dict[str, Any]) -> str:
    """A 64-bit number, mostly sent as text. Raises Temporary where it is missing: without it mail would be lost."""
    found = str(answer.get("historyId", ""))
    if not (found.isascii() and found.isdigit()):
        raise Temporary("Gmail did not say where its history stands.")
    return found


def happened(records: Any) -> tuple[tuple[MailRef, ...], tuple[str, ...]]:
    """What a page of history comes to: the last word on each message counts."""
    last: dict[str, MailRef | None] = {}
    for record in records if isinstance(records, list) else ():
        for item in _items(record, "messagesAdded"):
            if not _labels(item) & calls.NEVER_TAKEN:
                _note(last, item, is_relabelled=False)
        for item in _items(record, "messagesDeleted"):
            _note_vanished(last, item)
        for kind in ("labelsAdded", "labelsRemoved"):
            for item in _items(record, kind):
                _note_labels(last, item, kind)
    changed = tuple(ref for ref in last.values() if ref)
    return changed, tuple(external_id for external_id, ref in last.items() if ref is None)


def _items(record: Any, kind: str) -> Iterator[dict[str, Any]]:
    items = record.get(kind) if isinstance(record, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("message"), dict):
            yield item


def _labels(item: dict[str, Any]) -> set[str]:
    """The labels a message has after a change, as far as the record says them."""
    labels = item["message"].get("labelIds")
    return set(map(str, labels)) if isinstance(labels, list) else set()


def _note_labels(last: dict[str, MailRef | None], item: dict[str, Any], kind: str) -> None:
    """Into the bin or spam is as good as deleted, out of them as good as new; read, star and category are nothing."""
    named = item.get("labelIds")
    labels = set(map(str, named)) if isinstance(named, list) else set()
    if kind == "labelsAdded" and labels & calls.NEVER_TAKEN:
        _note_vanished(last, item)
    elif labels & calls.NEVER_TAKEN or (labels & set(calls.LABELS) and not _labels(item) & calls.NEVER_TAKEN):
        _note(last, item, is_relabelled=not labels & calls.NEVER_TAKEN)


def _note(last: dict[str, MailRef | None], item: dict[str, Any], is_relabelled: bool) -> None:
    ref = calls.ref(item["message"])
    if ref is None:
        return
    before = last.get(ref.external_id)
    is_new_too = before is not None and not before.is_relabelled
    last[ref.external_id] = MailRef(ref.external_id, ref.thread_id, is_relabelled and not is_new_too)


def _note_vanished(last: dict[str, MailRef | None], item: dict[str, Any]) -> None:
    ref = calls.ref(item["message"])
    if ref:
        last[ref.external_id] = None
