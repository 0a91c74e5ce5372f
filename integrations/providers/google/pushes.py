"""Google's pushes: Calendar's are proved by the secret of their channel, Gmail's by the token of Pub/Sub.

https://developers.google.com/workspace/calendar/api/guides/push
https://developers.google.com/workspace/gmail/api/guides/push
https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

from integrations.contract import Claim, IncomingRequest, Notice, Reach
from integrations.errors import Refused
from integrations.providers.google.certificates import certificates
from integrations.providers.google.consent import ISSUERS

CALENDAR_HEADERS = (
    "x-goog-channel-id",
    "x-goog-message-number",
    "x-goog-resource-id",
    "x-goog-resource-state",
    "x-goog-resource-uri",
    "x-goog-channel-expiration",
)

CLOCK_SKEW_SECONDS = 10
MAX_TOKEN = 8192

NOBODY = "?"
"""Stands for the mailbox where a message of the subscription names none: nobody watches it, so it is acknowledged."""


@dataclass(frozen=True)
class Announcement:
    """What Gmail's message in Pub/Sub's envelope says. ``history_id`` is a hint: it may be old, doubled or late."""

    message_id: str
    mailbox: str
    history_id: str


def recognises(request: IncomingRequest) -> bool:
    """Whether a push is Google's: Calendar's says all in headers, Pub/Sub's comes with a token and an envelope."""
    if "x-goog-channel-id" in request.headers:
        return True
    return _bearer(request) != "" and b'"message"' in request.body and b'"subscription"' in request.body


def verify(request: IncomingRequest, is_signed: Callable[[str, str], bool], reach: Reach) -> Claim:
    """What a push proves about itself. Raises Refused."""
    if "x-goog-channel-id" in request.headers:
        return _verify_calendar(request, is_signed)
    _verify_token(request, reach)
    announced = announcement(request.body)
    return Claim(dedupe_key=announced.message_id, headers={}, resource_id=announced.mailbox, by_resource=True)


def read(webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
    """What a stored push says: that something changed, never what."""
    if webhook_type == "email-received":
        announced = announcement(body)
        if announced.mailbox == NOBODY:
            return Notice(is_change=False, detail="Pub/Sub sent a message that is not Gmail's.")
        return Notice(is_change=True, detail=f"Gmail announced a change of the mailbox ({announced.history_id}).")
    state = headers.get("x-goog-resource-state", "")
    if state in {"exists", "not_exists"}:
        return Notice(is_change=True, detail="Something changed in the calendar.")
    if state == "sync":
        return Notice(is_change=False, detail="Google confirmed that it will push.")
    return Notice(is_change=False, detail=f"Google sent the state {state[:40]!r}, which means nothing to us.")


def announcement(body: bytes) -> Announcement:
    """Pub/Sub's envelope, read in both spellings of its keys. Never raises: what is no such thing is nobody's."""
    try:
        message = json.loads(body)["message"]
        message_id = str(message.get("messageId") or message.get("message_id") or uuid.uuid4())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Announcement(str(uuid.uuid4()), NOBODY, "")
    data = _data(message.get("data"))
    mailbox, history_id = data.get("emailAddress"), data.get("historyId")
    if not isinstance(mailbox, str) or "@" not in mailbox:
        return Announcement(message_id, NOBODY, "")
    return Announcement(message_id, mailbox.strip().lower(), str(history_id)[:40])


def _data(encoded: Any) -> dict[str, Any]:
    """The JSON object inside: base64 of either alphabet, with or without its padding."""
    try:
        plain = str(encoded).replace("-", "+").replace("_", "/").rstrip("=")
        value = json.loads(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _verify_calendar(request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> Claim:
    """Google signs nothing here: the channel's secret, given when the channel was opened, proves the sender."""
    channel_id = request.headers.get("x-goog-channel-id", "")
    token = request.headers.get("x-goog-channel-token", "")
    if not channel_id or not token or not is_signed(channel_id, token):
        raise Refused("The channel token is missing or wrong.")
    number = request.headers.get("x-goog-message-number", "")
    return Claim(
        dedupe_key=f"{channel_id}:{number or uuid.uuid4()}",
        headers={name: request.headers[name] for name in CALENDAR_HEADERS if name in request.headers},
        channel_id=channel_id,
        resource_id=request.headers.get("x-goog-resource-id", ""),
    )


def _verify_token(request: IncomingRequest, reach: Reach) -> None:
    """Signature, issuer, audience, expiry and whose it is: any Google service account can get a token for our address,
    so it must be ours. Raises Refused."""
    token, account = _bearer(request), settings.GOOGLE_PUBSUB_SERVICE_ACCOUNT
    if not token or not account:
        raise Refused("There is no token, or GOOGLE_PUBSUB_SERVICE_ACCOUNT is not set.")
    try:
        known = certificates.having(str(jwt.decode_header(token).get("kid", "")), reach)
        claims = jwt.decode(token, dict(known), audience=request.url, clock_skew_in_seconds=CLOCK_SKEW_SECONDS)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, GoogleAuthError) as error:
        raise Refused("The token is not good.") from error
    if claims.get("iss") not in ISSUERS:
        raise Refused("The token is not Google's.")
    if claims.get("email_verified") is not True or claims.get("email") != account:
        raise Refused("The token belongs to another account.")


def _bearer(request: IncomingRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and len(token) <= MAX_TOKEN and token.isascii() else ""
