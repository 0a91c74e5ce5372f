"""Setting the scene at the pretend Gmail: functions behind /control/google/mail…"""

from typing import Any

from werkzeug.wrappers import Request

from sandbox.clock import parse_instant
from sandbox.control import ControlError, body_of, required
from sandbox.google.mail import junk, talks
from sandbox.google.mail.blocks import Block
from sandbox.google.mail.mailbox import Mailbox
from sandbox.google.mail.post import Alias
from sandbox.google.mail.pubsub import MODES, Subscription
from sandbox.google.state import Google, google_of
from sandbox.providers import Control
from sandbox.world import World

MOST_PREVIEWED = 5_000


def box_of(google: Google, body: dict[str, Any]) -> Mailbox:
    """The mailbox of the body's ``account``."""
    return google.post.mailbox(required(body, "account").lower())


def put_mail(world: World, request: Request) -> Any:
    """{"account", "messages": [fields], "silent"?}: put mails into an account's box and those of all they went to.

    Fields, all optional: from, to, cc, bcc (texts or lists), subject, body, html, date (RFC 3339, when Gmail took it),
    thread (a name of your own, or a thread's id), labels (of this account's copy), headers (an object or pairs, which
    replace those written; null leaves one out), message_id, in_reply_to, references, invitation (iCalendar),
    attachments (names), copies (false: this account's copy alone), or raw (the whole mail as text).
    """
    google, body = google_of(world), body_of(request)
    box = box_of(google, body)
    try:
        copies = [google.post.put(box.email, dict(order)) for order in body["messages"]]
    finally:
        google.announce(is_silent=bool(body.get("silent")))
    return {"ids": [ids[box.email] for ids in copies], "copies": copies}


def list_mail(world: World, request: Request) -> Any:
    """?account=ADDRESS: the first 5,000 mails as stored, with their headers."""
    box = google_of(world).post.mailbox(request.args.get("account", ""))
    shown = list(box.messages.values())[:MOST_PREVIEWED]
    messages = [
        {
            "id": one.id,
            "thread_id": one.thread_id,
            "labels": sorted(one.labels),
            "at_ms": one.at_ms,
            "headers": one.source.headers(),
        }
        for one in shown
    ]
    return {"messages": messages, "history_id": str(box.history_id), "total": len(box.messages)}


def delete_mail(world: World, request: Request) -> Any:
    """{"account", "ids", "silent"?}: delete for good."""
    google, body = google_of(world), body_of(request)
    box = box_of(google, body)
    try:
        for message_id in body["ids"]:
            box.delete(message_id)
            google.post.touch(box.email)
    finally:
        google.announce(is_silent=bool(body.get("silent")))
    return {"ids": body["ids"]}


def relabel_mail(world: World, request: Request) -> Any:
    """{"account", "ids", "add"?, "remove"?, "silent"?}: change labels; adding TRASH or SPAM takes INBOX away."""
    google, body = google_of(world), body_of(request)
    box = box_of(google, body)
    add, remove = set(body.get("add", [])), set(body.get("remove", []))
    if add & {"TRASH", "SPAM"}:
        remove.add("INBOX")
    try:
        for message_id in body["ids"]:
            box.relabel(message_id, add, remove)
            google.post.touch(box.email)
    finally:
        google.announce(is_silent=bool(body.get("silent")))
    return {"ids": body["ids"]}


def send_draft(world: World, request: Request) -> Any:
    """{"account", "id", "silent"?}: a mail put with the label DRAFT goes out: deleted, and a new one in its thread."""
    google, body = google_of(world), body_of(request)
    box = box_of(google, body)
    ids = google.post.send_draft(box.email, required(body, "id"))
    google.announce(is_silent=bool(body.get("silent")))
    return {"id": ids[box.email], "copies": ids}


def bulk_mail(world: World, request: Request) -> Any:
    """{"account", "count", "peers", "days"?, "per_thread"?, "until"?}: many mails, silently, in this box alone."""
    google, body = google_of(world), body_of(request)
    box = box_of(google, body)
    until = parse_instant(body["until"]) if body.get("until") else world.clock.now()
    peers = [str(peer) for peer in body["peers"]]
    count, per_thread = int(body["count"]), int(body.get("per_thread", 1))
    if not peers or count < 1 or per_thread < 1:
        raise ControlError("bulk mail needs peers, a count and a number per thread")
    block = Block(
        name=str(len(google.post.blocks)),
        count=count,
        owner=box.email,
        peers=peers,
        until_ms=int(until.timestamp() * 1000),
        days=float(body.get("days", 90)),
        per_thread=per_thread,
    )
    google.post.put_block(box.email, block)
    return {"count": block.count, "total": len(box.messages)}


def seed_mail(world: World, request: Request) -> Any:
    """{"account", "peers", "talks"?, "days"?, "seed"?}: conversations, silently, the same for the same seed."""
    google, body = google_of(world), body_of(request)
    box, peers = box_of(google, body), [str(peer) for peer in body["peers"]]
    if not peers:
        raise ControlError("conversations need peers")
    days, seed = float(body.get("days", 90)), str(body.get("seed", "1"))
    told = talks.told(box.email, peers, int(body.get("talks", 10)), days, seed, world.clock.now())
    ids = [google.post.put(box.email, order)[box.email] for order in told]
    google.announce(is_silent=True)
    return {"ids": ids}


def junk_mail(world: World, request: Request) -> Any:
    """{"account", "known"}: one of every oddity from or to somebody known, silently; the ids by the oddity's name."""
    google, body = google_of(world), body_of(request)
    box, now = box_of(google, body), world.clock.now()
    made = junk.orders(box.email, required(body, "known"), now)
    ids = {name: google.post.put(box.email, order)[box.email] for name, order in made.items()}
    google.announce(is_silent=True)
    return {"ids": ids}


def set_aliases(world: World, request: Request) -> Any:
    """{"account", "aliases": [{"email", "name"?, "verified"?}]}: the other addresses it sends as and gets mail for."""
    google, body = google_of(world), body_of(request)
    box = box_of(google, body)
    google.post.aliases[box.email] = [
        Alias(required(one, "email").lower(), str(one.get("name") or ""), bool(one.get("verified", True)))
        for one in body["aliases"]
    ]
    return {"ok": True}


def set_options(world: World, request: Request) -> Any:
    """{"scattered"?, "decoded"?}: lists with hours of disorder; header values with encoded words decoded."""
    post, body = google_of(world).post, body_of(request)
    post.is_scattered = bool(body.get("scattered", post.is_scattered))
    post.is_decoding = bool(body.get("decoded", post.is_decoding))
    return {"ok": True}


def forget_history(world: World, request: Request) -> Any:
    """{"account"?}: history ids given so far are too old: history.list answers 404."""
    google, wanted = google_of(world), body_of(request).get("account")
    for box in [google.post.mailbox(wanted)] if wanted else google.post.mailboxes.values():
        box.forget_history()
    return {"ok": True}


def set_quota(world: World, request: Request) -> Any:
    """{"units_per_minute"?: number or null for none, "status"?: 403 or 429, "clear"?}: Gmail's limit per user."""
    meter, body = google_of(world).quota, body_of(request)
    if "units_per_minute" in body:
        limit = body["units_per_minute"]
        meter.limit = None if limit is None else int(limit)
    if body.get("status", meter.status) not in {403, 429}:
        raise ControlError("status must be 403 or 429")
    meter.status = body.get("status", meter.status)
    if body.get("clear"):
        meter.uses.clear()
    return meter.listing()


def read_quota(world: World, request: Request) -> Any:
    """The limit, and what every account used."""
    return google_of(world).quota.listing()


def subscribe(world: World, request: Request) -> Any:
    """{"topic", "endpoint", "audience"?, "service_account", "subscription"?}: where notices of a topic are pushed.

    The audience is the endpoint unless given. Watches on topics without a subscription are refused.
    """
    body = body_of(request)
    topic, endpoint = required(body, "topic"), required(body, "endpoint")
    name = body.get("subscription") or f"{topic.replace('/topics/', '/subscriptions/')}-push"
    audience = body.get("audience") or endpoint
    made = Subscription(topic, name, endpoint, audience, required(body, "service_account"))
    google_of(world).pubsub.subscriptions[topic] = made
    return {"subscription": made.name}


def pubsub_options(world: World, request: Request) -> Any:
    """{"tokens"?: good or what is wrong with them, "history_as_text"?, "rotate"?: number of keys to go on by}.

    By one key: the next is published already. By two or more: the one that signs then was never seen before.
    """
    google, body = google_of(world), body_of(request)
    mode = body.get("tokens", google.pubsub.mode)
    if mode not in MODES:
        raise ControlError(f"tokens must be one of {', '.join(sorted(MODES))}")
    google.pubsub.mode = mode
    google.pubsub.is_text = bool(body.get("history_as_text", google.pubsub.is_text))
    google.pubsub.signing_key += int(body.get("rotate", 0))
    return {"tokens": mode, "signing_key": google.pubsub.signing_key}


def push_mail(world: World, request: Request) -> Any:
    """{"account", "times"?, "distinct"?, "history_id"?, "topic"?}: notices without a change or a watch.

    The account may be unknown. Not distinct means one message, delivered so often.
    """
    google, body = google_of(world), body_of(request)
    account, times = required(body, "account"), int(body.get("times", 1))
    box = google.post.mailboxes.get(account)
    history_id = int(body.get("history_id") or (box.history_id if box else 1))
    subscription = google.pubsub.subscription(body.get("topic"))
    is_distinct = body.get("distinct", True)
    for _ in range(times if is_distinct else 1):
        google.pubsub.publish(subscription, account, history_id, 1 if is_distinct else times)
    return {"ok": True}


def list_watches(world: World, request: Request) -> Any:
    """Every watch, by account and client."""
    return {"watches": google_of(world).pubsub.listing()}


def expire_watches(world: World, request: Request) -> Any:
    """{"account"?}: watches are over now."""
    google_of(world).pubsub.expire(body_of(request).get("account"))
    return {"ok": True}


CONTROLS: dict[str, Control] = {
    "POST mail": put_mail,
    "GET mail": list_mail,
    "POST mail/delete": delete_mail,
    "POST mail/relabel": relabel_mail,
    "POST mail/send_draft": send_draft,
    "POST mail/bulk": bulk_mail,
    "POST mail/seed": seed_mail,
    "POST mail/junk": junk_mail,
    "POST mail/aliases": set_aliases,
    "POST mail/options": set_options,
    "POST mail/forget_history": forget_history,
    "POST mail/quota": set_quota,
    "GET mail/quota": read_quota,
    "POST mail/push": push_mail,
    "GET mail/watches": list_watches,
    "POST mail/watches/expire": expire_watches,
    "POST pubsub": subscribe,
    "POST pubsub/options": pubsub_options,
}
