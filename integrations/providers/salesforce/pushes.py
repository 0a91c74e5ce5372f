"""Salesforce's pushes. A call-out of Apex code (docs/salesforce-push.md) is signed with its channel's secret; an
Outbound Message comes to an address that holds another one. Both may speak of that channel's organization alone.

Of both the same is stored, written by us: organization, records, and no more. An Outbound Message may hold a session of
the organization and people's names and addresses.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote, urlsplit

from integrations import signing_secrets
from integrations.contract import Claim, IncomingRequest, JsonObject, Notice, Reply
from integrations.errors import Refused, Unreadable
from integrations.providers.salesforce import outbound_messages
from integrations.providers.salesforce.consent import to18
from integrations.providers.salesforce.outbound_messages import ACKNOWLEDGEMENT

SIGNATURE_HEADER, TIME_HEADER, SECRET_HEADER = (
    "x-salesforce-signature",
    "x-salesforce-timestamp",
    "x-salesforce-secret-id",
)
TOLERANCE_SECONDS = 300
MOST_IDS = 2_000
"""A trigger gets 200 records at once."""

MILLISECONDS_FROM = 10**11
"""A time above is in milliseconds, as Apex counts; below in seconds."""

TIMESTAMP = re.compile(r"[0-9]{1,15}")
ORGANIZATION = re.compile(r"00D[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?", re.ASCII)
RECORD = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?", re.ASCII)
OBJECT = re.compile(r"[A-Za-z][0-9A-Za-z_]{0,79}", re.ASCII)
CHANNEL_PATH = re.compile(r"/([0-9a-f-]{36})/([^/]+)$")
EVENT = re.compile(r"[a-z]{1,20}", re.ASCII)
OBJECTS = {"Account", "Contact", "Note"}
"""What is read from Salesforce."""

ACK = Reply("text/xml; charset=utf-8", ACKNOWLEDGEMENT)


def recognises(request: IncomingRequest) -> bool:
    """Whether a request is one of Salesforce's."""
    return SIGNATURE_HEADER in request.headers


def verify(request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
    """What a push proves. Raises Refused, Unreadable, ValueError or RecursionError."""
    own_address = CHANNEL_PATH.search(urlsplit(request.url).path)
    if own_address:
        return (_message(request.body, own_address[1], unquote(own_address[2]), is_signed),)
    return (_call_out(request),)


def read(webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
    """What a stored push says: which records to read again. Raises Unreadable."""
    kept = json.loads(body)
    records = [(str(one["object"]), str(one["id"])) for one in kept["records"]]
    names = dict.fromkeys(f"{kind}:{record_id}" for kind, record_id in records if kind in OBJECTS)
    if not names:
        kinds = sorted({kind for kind, _ in records})
        return Notice(False, f"Salesforce told of {', '.join(kinds[:5]) or 'nothing'}, which is not read from there.")
    what = f" ({kept['event']})" if kept.get("event") else ""
    count = "1 changed record" if len(names) == 1 else f"{len(names)} changed records"
    return Notice(True, f"Salesforce told of {count}{what}.", items=tuple(names))


def signature(secret: str, timestamp: str, body: bytes) -> bytes:
    """The HMAC-SHA256 of time, a full stop, and body."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).digest()


def _call_out(request: IncomingRequest) -> Claim:
    """Every second call-out about a record says the same: its time tells it from the first one."""
    channel_id, signing_id = _signed_by(request)
    value = json.loads(request.body)
    ids, kind = (value.get("ids"), value.get("object")) if isinstance(value, dict) else (None, None)
    if not isinstance(ids, list) or not isinstance(kind, str) or len(ids) > MOST_IDS:
        raise Unreadable("It is not what our Apex class sends.")
    event = value.get("event")
    kept = _kept(value.get("organizationId"), ((kind, one) for one in ids))
    kept["event"] = event if isinstance(event, str) and EVENT.fullmatch(event) else ""
    return Claim(
        hashlib.sha256(f"{channel_id}.{request.headers[TIME_HEADER]}.".encode() + request.body).hexdigest(),
        {},
        channel_id=channel_id,
        resource_id=kept["organizationId"],
        signing_id=signing_id,
        body=json.dumps(kept).encode(),
    )


def _signed_by(request: IncomingRequest) -> tuple[str, str]:
    """Whose channel and which secret of it a call-out was signed with, now. Raises Refused, the same for all that is
    wrong: no word tells which channels there are."""
    timestamp = request.headers.get(TIME_HEADER, "")
    named = signing_secrets.parse(request.headers.get(SECRET_HEADER, ""))
    if named is None or not TIMESTAMP.fullmatch(timestamp):
        raise Refused("It does not say when it was signed, or with what.")
    at = int(timestamp) / 1000 if int(timestamp) >= MILLISECONDS_FROM else int(timestamp)
    if abs(request.received_at.timestamp() - at) > TOLERANCE_SECONDS:
        raise Refused("It was signed too long ago, or in the future.")
    mac = signature(signing_secrets.secret(*named), timestamp, request.body)
    sent = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "replace")
    # Apex has a function for either form; both are compared, so that the time taken does not tell which one fits.
    fits = [hmac.compare_digest(form, sent) for form in (base64.b64encode(mac), mac.hex().encode())]
    if not any(fits):
        raise Refused("The signature is wrong.")
    return named


def _message(body: bytes, channel_id: str, token: str, is_signed: Callable[[str, str], bool]) -> Claim:
    """An Outbound Message of a channel. One sent again has the same notifications."""
    if not is_signed(channel_id, token):
        raise Refused("The address holds no secret of ours.")
    message = outbound_messages.parse(body)
    kept = _kept(message.organization_id, ((one.object, one.record_id) for one in message.notifications))
    ids = sorted(one.id for one in message.notifications)
    key = hashlib.sha256(json.dumps([channel_id, ids]).encode()).hexdigest()
    return Claim(
        key, {}, channel_id=channel_id, resource_id=kept["organizationId"], body=json.dumps(kept).encode(), reply=ACK
    )


def _kept(organization_id: object, records: Iterable[tuple[str, object]]) -> JsonObject:
    """What is stored: ids of 18 characters and names of objects, nothing of the sender's own. Raises Unreadable."""
    if not isinstance(organization_id, str) or not ORGANIZATION.fullmatch(organization_id):
        raise Unreadable("It does not say which organization it is of.")
    named = [
        {"object": kind, "id": to18(one)}
        for kind, one in records
        if OBJECT.fullmatch(kind) and isinstance(one, str) and RECORD.fullmatch(one)
    ]
    return {"organizationId": to18(organization_id), "records": named}
