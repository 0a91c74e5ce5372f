"""Setting the scene at the pretend Outlook mail: functions behind /control/microsoft/messages… and /folders…

Ids are given and taken in either spelling; those given back are immutable unless they are said to be normal.
"""

from collections.abc import Sequence
from typing import Any

from werkzeug.wrappers import Request

from sandbox.clock import parse_instant
from sandbox.control import ControlError, body_of, required
from sandbox.microsoft import paging
from sandbox.microsoft.mail import delta, junk
from sandbox.microsoft.mail.blocks import Block
from sandbox.microsoft.mail.mailbox import Mailbox, Stored
from sandbox.microsoft.mail.post import QUIRKS
from sandbox.microsoft.state import Microsoft, microsoft_of
from sandbox.providers import Control, Table
from sandbox.world import World

OUTSIDE = frozenset({"account", "messages", "silent"})
MOST_PREVIEWED = 5_000
Body = dict[str, Any]


def box_of(microsoft: Microsoft, body: Body) -> Mailbox:
    """The mailbox of the body's ``account``."""
    return microsoft.mail.mailbox(required(body, "account").lower())


def orders_of(body: Body) -> list[Body]:
    """The body's ``messages``, or the one message that the body itself is."""
    if "messages" in body:
        return [dict(order) for order in body["messages"]]
    return [{name: value for name, value in body.items() if name not in OUTSIDE}]


def wanted(box: Mailbox, body: Body) -> list[Stored]:
    """The messages of ``id`` or ``ids``."""
    return [box.get(str(one)) for one in body.get("ids", [body.get("id", "")])]


def ids_of(box: Mailbox, messages: Sequence[Stored]) -> Body:
    """What a control tells about messages."""
    ids = [box.id_of(one) for one in messages]
    return {
        "ids": [one.immutable for one in ids],
        "normal_ids": [one.normal for one in ids],
        "message_ids": [one.source.letter().message_id for one in messages],
    }


def put_messages(world: World, request: Request) -> Any:
    """{"account", fields} or {"account", "messages": [fields]}, "silent"?: put mails into one mailbox.

    Fields, all optional: folder (id or well-known name; else by who wrote it), from, sender, to, cc, bcc, reply_to
    (texts, pairs or lists), subject, body, html, sent_at, received_at (RFC 3339), message_id (null for none),
    in_reply_to, references, headers (an object or pairs, which replace those written; null leaves one out),
    conversation (a name of your own), attachments (names), importance, categories, meeting (request, cancelled,
    accepted, tentative, declined), draft, read. A null as from or sent_at is none.
    """
    microsoft, body = microsoft_of(world), body_of(request)
    box = box_of(microsoft, body)
    try:
        stored = [microsoft.mail.put(box.upn, order) for order in orders_of(body)]
    finally:
        announce(microsoft, body)
    return ids_of(box, stored)


def send_message(world: World, request: Request) -> Any:
    """{"account", fields} or {"account", "id": a draft's}, "silent"?: a mail goes out, also to accounts' inboxes."""
    microsoft, body = microsoft_of(world), body_of(request)
    box = box_of(microsoft, body)
    try:
        if "id" in body:
            copies = microsoft.mail.send_draft(box.upn, box.get(body["id"]))
        else:
            copies = microsoft.mail.send(box.upn, orders_of(body)[0])
    finally:
        announce(microsoft, body)
    told = [{"account": upn} | shown(microsoft.mail.mailbox(upn), stored) for upn, stored in copies]
    return ids_of(box, [copies[0][1]]) | {"copies": told}


def move_messages(world: World, request: Request) -> Any:
    """{"account", "id" or "ids", "folder", "silent"?}: into another folder; normal ids change."""
    microsoft, body = microsoft_of(world), body_of(request)
    box = box_of(microsoft, body)
    target, messages = box.get_folder(required(body, "folder")), wanted(box, body)
    for stored in messages:
        microsoft.mail.move(box.upn, stored, target)
    announce(microsoft, body)
    return ids_of(box, messages)


def mark_messages(world: World, request: Request) -> Any:
    """{"account", "id" or "ids", "read"?: true, "silent"?}: changed where they lie."""
    microsoft, body = microsoft_of(world), body_of(request)
    box = box_of(microsoft, body)
    messages = wanted(box, body)
    for stored in messages:
        microsoft.mail.touch(box.upn, stored, is_read=bool(body.get("read", True)))
    announce(microsoft, body)
    return ids_of(box, messages)


def delete_messages(world: World, request: Request) -> Any:
    """{"account", "id" or "ids", "silent"?}: for good. To throw away like a person does, move to deleteditems."""
    microsoft, body = microsoft_of(world), body_of(request)
    box = box_of(microsoft, body)
    messages = wanted(box, body)
    told = ids_of(box, messages)
    for stored in messages:
        microsoft.mail.delete(box.upn, stored)
    announce(microsoft, body)
    return told


def bulk_messages(world: World, request: Request) -> Any:
    """{"account", "count", "known": [addresses], "share"?: 0.5, "days"?, "per_talk"?, "until"?}: silently.

    ``share`` of the mails are with known addresses, in turn from and to them; the others from senders nobody knows.
    """
    microsoft, body = microsoft_of(world), body_of(request)
    box = box_of(microsoft, body)
    until = parse_instant(body["until"]) if body.get("until") else world.clock.now()
    block = Block(
        name=f"{len(microsoft.mail.blocks)}",
        count=int(body["count"]),
        owner=microsoft.mail.owners[box.upn].address,
        known=[str(one) for one in body.get("known", [])],
        share=float(body.get("share", 0.5)),
        until=until.timestamp(),
        days=float(body.get("days", 90)),
        per_talk=int(body.get("per_talk", 1)),
    )
    if block.count < 1 or block.per_talk < 1 or not 0 <= block.share <= 1:
        raise ControlError("bulk mail needs a count, a share from 0 to 1 and a number per talk")
    microsoft.mail.put_block(box.upn, block)
    known = sum(map(block.is_known, range(block.count)))
    return {"count": block.count, "known": known, "total": len(box.messages)}


def junk_messages(world: World, request: Request) -> Any:
    """{"account", "known"}: one of every oddity from or to somebody known, silently; the ids by the oddity's name."""
    microsoft, body = microsoft_of(world), body_of(request)
    box = box_of(microsoft, body)
    made = junk.orders(microsoft.mail.owners[box.upn].address, required(body, "known"), world.clock.now())
    ids = {name: box.id_of(microsoft.mail.put(box.upn, order)).immutable for name, order in made.items()}
    microsoft.mail.take_touched()
    return {"ids": ids}


def list_messages(world: World, request: Request) -> Any:
    """?account=: the first 5,000 mails as stored."""
    box = microsoft_of(world).mail.mailbox(request.args.get("account", "").lower())
    messages = list(box.messages.values())[:MOST_PREVIEWED]
    return {"messages": [shown(box, one) for one in messages], "total": len(box.messages)}


def shown(box: Mailbox, stored: Stored) -> Body:
    """A message as stored."""
    letter, item = stored.source.letter(), box.id_of(stored)
    return {
        "id": item.immutable,
        "normal_id": item.normal,
        "folder": box.folders[stored.folder].name or box.ids.folder(stored.folder),
        "message_id": letter.message_id,
        "subject": letter.subject,
        "headers": letter.headers,
    }


def add_folder(world: World, request: Request) -> Any:
    """{"account", "name", "parent"?: id or well-known name, "hidden"?}: a folder of the user's own."""
    body = body_of(request)
    box = box_of(microsoft_of(world), body)
    parent = box.get_folder(str(body.get("parent") or "msgfolderroot"))
    folder = box.add_folder(required(body, "name"), parent.number, is_hidden=bool(body.get("hidden")))
    return {"id": box.ids.folder(folder.number)}


def rename_folder(world: World, request: Request) -> Any:
    """{"account", "folder", "name"}: another display name, such as one of another language."""
    body = body_of(request)
    box = box_of(microsoft_of(world), body)
    box.rename_folder(box.get_folder(required(body, "folder")), required(body, "name"))
    return {"ok": True}


def delete_folder(world: World, request: Request) -> Any:
    """{"account", "folder", "silent"?}: with what lies in it. A mailbox without an archive is one of those, too."""
    microsoft, body = microsoft_of(world), body_of(request)
    box = box_of(microsoft, body)
    microsoft.mail.delete_folder(box.upn, box.get_folder(required(body, "folder")))
    announce(microsoft, body)
    return {"ok": True}


def expire_cursors(world: World, request: Request) -> Any:
    """{"account"?}: the links of mail given so far are too old: 410 SyncStateNotFound."""
    microsoft, account = microsoft_of(world), body_of(request).get("account")
    meant = {"upn": account.lower()} if account else {}
    return {"forgotten": sum(paging.forget(microsoft, kind, **meant) for kind in (delta.MESSAGES, delta.FOLDERS))}


def set_quirk(world: World, request: Request) -> Any:
    """{"account", "kind"?}: how the account's delta misbehaves until told otherwise; no kind: not at all.

    empty_first: a round's first page is empty. repeat: a page begins with the last item of the one before. endless: the
    last page leads to itself. lost_moves: by immutable ids, what was moved into a folder is never told there.
    """
    microsoft, body = microsoft_of(world), body_of(request)
    box, kind = box_of(microsoft, body), str(body.get("kind") or "")
    if kind and kind not in QUIRKS:
        raise ControlError(f"kind must be one of {', '.join(sorted(QUIRKS))}")
    microsoft.mail.quirks[box.upn] = kind
    return {"ok": True}


def announce(microsoft: Microsoft, body: Body) -> None:
    """Tell subscribers what happened, or forget it if the body says ``silent``."""
    touched = microsoft.mail.take_touched()
    for upn, item, kind, folder in [] if body.get("silent") else touched:
        microsoft.subscriptions.changed(upn, "messages", item.immutable, kind, folder, plain_id=item.normal)


def table(microsoft: Microsoft) -> Table:
    """The mailboxes for the front page."""
    rows = []
    for box in microsoft.mail.mailboxes.values():
        filled = [f"{one.display_name} ({len(one.held)})" for one in box.folders.values() if one.held]
        rows.append([box.upn, str(len(box.messages)), ", ".join(filled), microsoft.mail.quirks.get(box.upn, "")])
    return Table("Outlook mailboxes", ("Account", "Mails", "In folders", "Misbehaves"), rows)


CONTROLS: dict[str, Control] = {
    "POST messages": put_messages,
    "GET messages": list_messages,
    "POST messages/send": send_message,
    "POST messages/move": move_messages,
    "POST messages/mark": mark_messages,
    "POST messages/delete": delete_messages,
    "POST messages/bulk": bulk_messages,
    "POST messages/junk": junk_messages,
    "POST messages/quirk": set_quirk,
    "POST folders": add_folder,
    "POST folders/rename": rename_folder,
    "POST folders/delete": delete_folder,
    "POST cursors/expire_mail": expire_cursors,
}
