"""Word of the core: a record that briefs and CRMs depend on changed. Signed after the Standard Webhooks specification.

The body is ``{"type": "match.updated", "company_id": "<uuid>", "entity": "match", "id": "<uuid>"}``. No value is taken
from it: that company's CRMs are looked at, the named row first of all, and the briefs of its meetings.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping

from django.conf import settings

from integrations.contract import OURS, Claim, IncomingRequest, JsonObject, Notice
from integrations.errors import Refused, Unreadable

WEBHOOK_TYPE = "entity-updated"
TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 10
"""While a secret is replaced, a message carries two."""

ENTITIES = {"organization", "person", "match", "touchpoint", "meeting", "email", "note", "task"}
"""Records that a brief or a CRM shows."""

ID = re.compile(r"[\x21-\x7e]{1,180}")
TIMESTAMP = re.compile(r"[0-9]{1,12}")
EVENT = re.compile(r"([a-z][a-z_]{0,40})\.([a-z][a-z_]{0,40})", re.ASCII)


class Core:
    """The sender. Without ENTITY_WEBHOOK_SECRET its address does not exist."""

    slug = "core"
    label = "LPxGP Core"

    def recognises(self, request: IncomingRequest) -> bool:
        """Whether it may post at all: the address is its own."""
        return bool(settings.ENTITY_WEBHOOK_SECRET)

    def handshake(self, request: IncomingRequest) -> str | None:
        """None: it asks for no proof."""
        return None

    def verify(self, request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
        """What a message proves. Raises Refused, Unreadable or ValueError."""
        _check_signature(request)
        event, company_id, value = _content(request.body)
        named = {name: str(value[name])[:100] for name in ("entity", "id") if isinstance(value.get(name), str | int)}
        kept = {"type": event, "company_id": str(company_id), **named}
        return (
            Claim(
                dedupe_key=request.headers["webhook-id"],
                headers={name: request.headers[name] for name in ("webhook-id", "webhook-timestamp")},
                company_id=company_id,
                body=json.dumps(kept).encode(),
            ),
        )

    def read(self, webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a stored message says. Raises Unreadable."""
        event, _, value = _content(body)
        entity, _, what = event.partition(".")
        if entity not in ENTITIES:
            return Notice(False, f"No brief and no CRM depends on {entity}.")
        row_id = _uuid(value.get("id"))
        items = (f"{OURS}{entity}:{row_id}",) if row_id else ()
        return Notice(True, f"A record of ours was {what}: {entity}.", items=items, is_our_own=True)


def signature(secret: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    """The signature of a message, version 1, as base64."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest())


def _check_signature(request: IncomingRequest) -> None:
    """Raises Refused unless one of its signatures was made by one of our secrets, now."""
    message_id, timestamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    if not ID.fullmatch(message_id) or not TIMESTAMP.fullmatch(timestamp):
        raise Refused("Its id or time is missing.")
    if abs(request.received_at.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise Refused("It was signed too long ago, or in the future.")
    sent = [one.encode("latin-1", "replace") for one in _sent(request.headers.get("webhook-signature", ""))]
    # Each is compared, so that the time taken does not tell which one fits.
    fits = [
        hmac.compare_digest(signature(secret, message_id, timestamp, request.body), one)
        for secret in secrets()
        for one in sent
    ]
    if not any(fits):
        raise Refused("None of its signatures is ours.")


def _sent(header: str) -> Iterator[str]:
    """The signatures of version 1 that stand in the header."""
    for part in header.split(" ")[:MOST_SIGNATURES]:
        version, _, value = part.partition(",")
        if version == "v1" and value:
            yield value


def secrets() -> list[bytes]:
    """What messages may be signed with: one secret, or two while it is replaced."""
    found = []
    for text in settings.ENTITY_WEBHOOK_SECRET.split(","):
        try:
            found.append(base64.b64decode(text.removeprefix("whsec_"), validate=True))
        except ValueError:
            continue
    return [secret for secret in found if secret]


def _content(body: bytes) -> tuple[str, uuid.UUID, JsonObject]:
    """Which event, whose, and all of it. Raises Unreadable or ValueError."""
    value = json.loads(body)
    event = value.get("type") if isinstance(value, dict) else None
    if not isinstance(event, str) or not EVENT.fullmatch(event):
        raise Unreadable("It says no type of the form match.updated.")
    return event, uuid.UUID(str(value.get("company_id"))), value


def _uuid(value: object) -> uuid.UUID | None:
    """The id of a row of ours, where it looks like one."""
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None


sender = Core()
