"""Gmail's resources, as the API writes them: what is empty has no key.

https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages
"""

from base64 import urlsafe_b64encode
from collections.abc import Collection
from email.message import Message
from html import escape
from typing import Any

from sandbox.google.mail import rfc5322
from sandbox.google.mail.mailbox import SYSTEM_LABELS, Change, Mailbox, Stored
from sandbox.google.mail.search import decoded

SNIPPET = 190
HIDDEN_LABELS = frozenset({"CHAT", "UNREAD", "STARRED", "SENT", "DRAFT"})
Answer = dict[str, Any]


def reference(stored: Stored) -> Answer:
    """A message in a list."""
    return {"id": stored.id, "threadId": stored.thread_id}


def message(stored: Stored, form: str, wanted: Collection[str] = (), *, is_decoding: bool = False) -> Answer:
    """A message in a format; ``wanted`` are the lower-cased names of the headers to show, none for all."""
    raw = stored.source.raw()
    answer = reference(stored) | some(labelIds=sorted(stored.labels))
    answer |= {
        "snippet": snippet(raw),
        "sizeEstimate": len(raw),
        "historyId": str(stored.history_id),
        "internalDate": str(stored.at_ms),
    }
    if form == "raw":
        answer["raw"] = urlsafe_b64encode(raw).decode()
    elif form == "full":
        answer["payload"] = part(rfc5322.tree_of(raw), "", is_decoding=is_decoding)
    elif form == "metadata":
        tree = rfc5322.tree_of(raw)
        shown = [(name, value) for name, value in rfc5322.shown(tree) if not wanted or name.lower() in wanted]
        answer["payload"] = {"mimeType": tree.get_content_type()} | some(headers=named(shown, is_decoding=is_decoding))
    return answer


def part(tree: Message, number: str, *, is_decoding: bool = False) -> Answer:
    """A part and those within it."""
    answer: Answer = {"partId": number, "mimeType": tree.get_content_type(), "filename": tree.get_filename() or ""}
    answer |= some(headers=named(rfc5322.shown(tree), is_decoding=is_decoding))
    if not tree.is_multipart():
        return answer | {"body": body(tree, number)}
    inner = [one for one in tree.get_payload() if isinstance(one, Message)]
    parts = [part(one, f"{number}.{place}" if number else str(place)) for place, one in enumerate(inner)]
    return answer | {"body": {"size": 0}} | some(parts=parts)


def body(tree: Message, number: str) -> Answer:
    """The text of a part; a file's is fetched by itself."""
    content = tree.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    if tree.get_filename():
        return {"attachmentId": f"ANGjdJ{number or '0'}", "size": len(raw)}
    return {"size": len(raw)} | some(data=urlsafe_b64encode(raw).decode())


def named(headers: rfc5322.Headers, *, is_decoding: bool) -> list[Answer]:
    """Headers as name and value."""
    return [{"name": name, "value": decoded(value) if is_decoding else value} for name, value in headers]


def snippet(raw: bytes) -> str:
    """The beginning of the text, escaped for HTML."""
    text = " ".join(rfc5322.plain_text(rfc5322.tree_of(raw)).split())
    return escape(text[:SNIPPET])


def change(one: Change) -> Answer:
    """A record of the history: the messages without headers, once by themselves and once by what happened."""
    about = {"id": one.message_id, "threadId": one.thread_id}
    detail: Answer = {"message": about | some(labelIds=sorted(one.labels))}
    if one.moved:
        detail["labelIds"] = sorted(one.moved)
    return {"id": str(one.id), "messages": [about], one.kind: [detail]}


def thread(box: Mailbox, thread_id: str) -> Answer:
    """A thread in a list."""
    held = [box.messages[one] for one in box.threads[thread_id]]
    last = max(held, key=lambda one: one.at_ms)
    number = max(one.history_id for one in held)
    return {"id": thread_id, "snippet": snippet(last.source.raw()), "historyId": str(number)}


def label(box: Mailbox, label_id: str, *, with_counts: bool = False) -> Answer:
    """A label, Gmail's own or the user's."""
    is_system = label_id in SYSTEM_LABELS
    answer: Answer = {
        "id": label_id,
        "name": label_id if is_system else box.user_labels[label_id],
        "type": "system" if is_system else "user",
    }
    if label_id in HIDDEN_LABELS or label_id.startswith("CATEGORY_"):
        answer |= {"messageListVisibility": "hide", "labelListVisibility": "labelHide"}
    if with_counts:
        ids = box.by_label[label_id]
        unread = ids & box.by_label["UNREAD"]
        answer |= {"messagesTotal": len(ids), "messagesUnread": len(unread)}
        answer["threadsTotal"] = len({box.messages[one].thread_id for one in ids})
        answer["threadsUnread"] = len({box.messages[one].thread_id for one in unread})
    return answer


def some(**values: Any) -> Answer:
    """The values that are not empty."""
    return {name: value for name, value in values.items() if value}
