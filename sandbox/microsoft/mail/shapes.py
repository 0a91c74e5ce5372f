"""Messages and folders as Graph writes them.

https://learn.microsoft.com/graph/api/resources/message
"""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape, unescape
from typing import Any

from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.mail.letters import MEETINGS, Letter, Party
from sandbox.microsoft.mail.mailbox import Entry, Folder, Mailbox, Stored
from sandbox.microsoft.prefer import Prefer

NEVER = "0001-01-01T00:00:00Z"
PREVIEW = 255
TAG = re.compile(r"<[^>]*>")
Shape = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """How a client wants to see messages: which properties (None: the usual ones) and what it prefers.

    ``is_whole``: whether its permission shows bodies.
    """

    names: frozenset[str] | None
    prefer: Prefer
    is_whole: bool


@dataclass(frozen=True)
class View:
    """One message, seen by a client."""

    box: Mailbox
    stored: Stored
    letter: Letter
    look: Look

    @property
    def id(self) -> str:
        """Its id in the spelling asked for."""
        return self.box.id_of(self.stored).spelled(is_immutable=self.look.prefer.is_immutable)

    @property
    def change_key(self) -> str:
        """Another one after each change."""
        return b64encode(b"\x09\x00\x00\x00\x16\x00\x00\x00" + self.stored.changed.to_bytes(22)).decode()


def time_of(at: float | None) -> str:
    """Seconds since 1970 as Graph writes times; the year 1 for none."""
    return NEVER if at is None else datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def party(one: Party | None) -> Shape | None:
    """A recipient; one without an address has none, as in drafts and in some items of other programs."""
    if one is None:
        return None
    name, address = one
    return {"emailAddress": {"name": name or address} | ({"address": address} if address else {})}


def parties(many: Sequence[Party]) -> list[Shape]:
    """Recipients."""
    return [shape for shape in map(party, many) if shape]


def body(view: View) -> Shape:
    """The text: Outlook turns plain ones into HTML, and HTML into text where that is preferred."""
    letter = view.letter
    if view.look.prefer.is_text:
        return {"contentType": "text", "content": plain(letter)}
    content = letter.text if letter.is_html else f"<html><body>{escape(letter.text)}</body></html>"
    return {"contentType": "html", "content": content}


def plain(letter: Letter) -> str:
    """The text without tags."""
    return unescape(TAG.sub("", letter.text)).strip() if letter.is_html else letter.text


USUAL: dict[str, Callable[[View], Any]] = {
    "createdDateTime": lambda view: time_of(view.stored.received_at),
    "lastModifiedDateTime": lambda view: time_of(view.stored.modified_at),
    "changeKey": lambda view: view.change_key,
    "categories": lambda view: view.letter.categories,
    "receivedDateTime": lambda view: time_of(view.stored.received_at),
    "sentDateTime": lambda view: time_of(view.letter.sent_at),
    "hasAttachments": lambda view: bool(view.letter.attachments),
    "internetMessageId": lambda view: view.letter.message_id or None,
    "subject": lambda view: view.letter.subject or None,
    "bodyPreview": lambda view: plain(view.letter)[:PREVIEW],
    "importance": lambda view: view.letter.importance,
    "parentFolderId": lambda view: view.box.ids.folder(view.stored.folder),
    "conversationId": lambda view: view.box.ids.conversation(view.letter.conversation),
    "conversationIndex": lambda view: view.letter.index,
    "isDeliveryReceiptRequested": lambda view: None if view.stored.is_draft else False,
    "isReadReceiptRequested": lambda view: False,
    "isRead": lambda view: view.stored.is_read,
    "isDraft": lambda view: view.stored.is_draft,
    "webLink": lambda view: f"https://outlook.office365.com/owa/?ItemID={view.id}&exvsurl=1&viewmodel=ReadMessageItem",
    "inferenceClassification": lambda view: "focused",
    "body": body,
    "sender": lambda view: party(view.letter.sender),
    "from": lambda view: party(view.letter.author),
    "toRecipients": lambda view: parties(view.letter.to),
    "ccRecipients": lambda view: parties(view.letter.cc),
    "bccRecipients": lambda view: parties(view.letter.bcc),
    "replyTo": lambda view: parties(view.letter.reply_to),
    "flag": lambda view: {"flagStatus": "notFlagged"},
}
ON_REQUEST: dict[str, Callable[[View], Any]] = {
    "internetMessageHeaders": lambda view: [{"name": name, "value": value} for name, value in view.letter.headers],
    "uniqueBody": body,
}
"""What comes by $select alone."""
PROPERTIES = USUAL | ON_REQUEST
BODIES = frozenset({"body", "bodyPreview", "uniqueBody"})
CANONICAL = {name.lower(): name for name in ["id", *PROPERTIES]}


def look(names: Sequence[str], prefer: Prefer, *, is_whole: bool) -> Look:
    """A look at the properties of a $select. GraphError 400 for one that messages do not have."""
    if unknown := [name for name in names if name.lower() not in CANONICAL]:
        message = f"Could not find a property named '{unknown[0]}' on type 'Microsoft.OutlookServices.Message'."
        raise GraphError(400, "RequestBroker--ParseUri", message)
    wanted = frozenset(CANONICAL[name.lower()] for name in names)
    return Look(wanted or None, prefer, is_whole)


def message(box: Mailbox, stored: Stored, seen: Look, *, is_typed: bool = False) -> Shape:
    """A message. ``is_typed``: delta says the type of everything, other calls that of mails about meetings alone.

    What a permission hides is absent; so are the headers of what never travelled.
    """
    view = View(box, stored, stored.source.letter(), seen)
    meeting = view.letter.meeting
    shape: Shape = {}
    if is_typed or meeting:
        shape["@odata.type"] = f"#microsoft.graph.{MEETINGS[meeting][0] if meeting else 'message'}"
    shape |= {"@odata.etag": f'W/"{view.change_key}"', "id": view.id}
    for name, write in PROPERTIES.items():
        is_wanted = name in USUAL if seen.names is None else name in seen.names
        is_hidden = name in BODIES and not seen.is_whole
        if is_wanted and not is_hidden and not (name == "internetMessageHeaders" and not view.letter.headers):
            shape[name] = write(view)
    if meeting and seen.names is None:
        shape["meetingMessageType"] = MEETINGS[meeting][1]
    return shape


def removed(box: Mailbox, entry: Entry, *, is_immutable: bool) -> Shape:
    """A message that went, deleted or moved: delta does not tell which."""
    name = box.ids.item(entry.number, entry.place).spelled(is_immutable=is_immutable)
    return {"@odata.type": "#microsoft.graph.message", "id": name, "@removed": {"reason": "deleted"}}


def folder(box: Mailbox, one: Folder) -> Shape:
    """A folder; the display name may be in any language."""
    children = sum(other.parent == one.number for other in box.folders.values())
    return {
        "id": box.ids.folder(one.number),
        "displayName": one.display_name,
        "parentFolderId": box.ids.folder(one.parent),
        "childFolderCount": children,
        "unreadItemCount": sum(not box.messages[number].is_read for number in one.held),
        "totalItemCount": len(one.held),
        "sizeInBytes": 10_000 * len(one.held),
        "isHidden": one.is_hidden,
    }
