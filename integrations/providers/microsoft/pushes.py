"""Graph's notifications: each proves itself by the state it was subscribed with, our channel and its secret.

https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
https://learn.microsoft.com/graph/change-notifications-lifecycle-events
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations.contract import Claim, IncomingRequest, JsonObject, Notice
from integrations.errors import Refused, Unreadable

VALIDATION = "validationToken"
LONGEST_VALIDATION = 1_000
LONGEST_ID = 200

BUCKET_SECONDS = 60
"""What has no version is thought said twice when it comes again within this minute. Later it may be news."""

MOST_ITEMS = 2_000
"""Graph sends a hundred at most. Each costs a MAC, before anybody has proved anything."""

EVENTS = {
    "subscriptionRemoved": Notice(True, "Microsoft ended its notifications: they are asked for anew.", channel="gone"),
    "reauthorizationRequired": Notice(True, "Microsoft wants its notifications to be renewed now.", channel="renew"),
    "missed": Notice(True, "Microsoft could not deliver some notifications."),
}
"""What follows from a lifecycle notification. Whatever it is about, changes may have gone unannounced."""

CHANGED = {
    "calendar-event": "Something changed in the calendar.",
    "email-received": "Something changed in the mailbox.",
}


def recognises(request: IncomingRequest) -> bool:
    """Whether a request is Graph's: it asks whether the address is ours, or speaks of a subscription."""
    return b'"subscriptionId"' in request.body or bool(_validations(request))


def handshake(request: IncomingRequest) -> str | None:
    """The text that proves to Graph that the address is ours. Raises Unreadable for what Graph would not send."""
    asked = _validations(request)
    if not asked:
        return None
    if len(asked) > 1 or not 0 < len(asked[0]) <= LONGEST_VALIDATION:
        raise Unreadable("Graph asks with one token, of a length that is no trouble to send back.")
    if not (asked[0].isascii() and asked[0].isprintable()):
        raise Unreadable("Graph's tokens are plain text.")
    return asked[0]


def verify(request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
    """What the notifications of one request prove, one claim for each subscription they are of.

    Those that prove nothing are dropped. Raises Refused where none is left, Unreadable, ValueError or RecursionError
    for what is no list of notifications.
    """
    proved: dict[tuple[str, bool], list[JsonObject]] = {}
    channels: dict[tuple[str, bool], str] = {}
    for item in _items(request.body):
        channel_id, subscription_id = _channel(item, is_signed), item.get("subscriptionId")
        if channel_id and isinstance(subscription_id, str) and 0 < len(subscription_id) <= LONGEST_ID:
            # Apart, since what is said of a subscription itself has other keys than what it announces.
            group = subscription_id, "lifecycleEvent" in item
            proved.setdefault(group, []).append({name: item[name] for name in item if name != "clientState"})
            channels[group] = channel_id
    if not proved:
        raise Refused("No notification carries a state that we made.")
    return tuple(_claim(group[0], channels[group], items, request.received_at) for group, items in proved.items())


def read(webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
    """What the stored notifications of one subscription say. Raises Unreadable."""
    said = [item.get("lifecycleEvent") for item in _items(body)]
    for event, notice in EVENTS.items():
        if event in said:
            return notice
    if None in said:
        return Notice(True, CHANGED.get(webhook_type, "Something changed."))
    return Notice(False, f"Microsoft sent the event {str(said[0])[:40]!r}, which means nothing to us.")


def _validations(request: IncomingRequest) -> list[str]:
    """What is asked to be sent back, decoded."""
    query = urlsplit(request.url).query
    if VALIDATION not in query:
        return []
    return [value for name, value in parse_qsl(query, keep_blank_values=True) if name == VALIDATION]


def _channel(item: JsonObject, is_signed: Callable[[str, str], bool]) -> str:
    """The channel whose secret the notification knows; empty where it knows none."""
    channel_id, _, token = str(item.get("clientState")).partition(".")
    return channel_id if token and is_signed(channel_id, token) else ""


def _claim(subscription_id: str, channel_id: str, items: list[JsonObject], received_at: datetime) -> Claim:
    """Its body is these notifications and no others, which may be another company's, and none of the secrets."""
    keys = sorted(_key(item, received_at) for item in items)
    return Claim(
        dedupe_key=hashlib.sha256(json.dumps([subscription_id, keys]).encode()).hexdigest(),
        headers={},
        channel_id=channel_id,
        resource_id=subscription_id,
        by_resource=True,
        body=json.dumps({"value": items}).encode(),
    )


def _key(item: JsonObject, received_at: datetime) -> str:
    """What tells a notification from another, and not from itself sent again."""
    data = item.get("resourceData")
    data = data if isinstance(data, dict) else {}
    version = data.get("@odata.etag") or int(received_at.timestamp() // BUCKET_SECONDS)
    return json.dumps([item.get("lifecycleEvent"), item.get("changeType"), data.get("id"), version])


def _items(body: bytes) -> list[JsonObject]:
    """The notifications of a request."""
    value: Any = json.loads(body)
    items = value.get("value") if isinstance(value, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable("These are no notifications of Graph.")
    if len(items) > MOST_ITEMS:
        raise Unreadable(f"More than {MOST_ITEMS} notifications at once are not Graph's.")
    return items
