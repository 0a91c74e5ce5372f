"""HubSpot's pushes: lists of events, signed with the app's client secret (version 3), perhaps of several portals.

https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping

from django.conf import settings

from integrations.contract import FORGET, Claim, IncomingRequest, JsonObject, Notice
from integrations.errors import Refused, Unreadable

TOLERANCE_MS = 300_000
MOST_EVENTS = 1_000
"""HubSpot sends a hundred at most."""

MOST_NAMED = 200
TIMESTAMP = re.compile(r"[0-9]{1,15}")
ESCAPES = {
    "3A": ":",
    "2F": "/",
    "3F": "?",
    "40": "@",
    "21": "!",
    "24": "$",
    "27": "'",
    "28": "(",
    "29": ")",
    "2A": "*",
    "2C": ",",
    "3B": ";",
}
"""The only ones that HubSpot undoes in an address before it signs it."""
ESCAPE = re.compile(f"%({'|'.join(ESCAPES)})", re.IGNORECASE)

OBJECTS = {
    "contact": "contacts",
    "company": "companies",
    "note": "notes",
    "0-1": "contacts",
    "0-2": "companies",
    "0-46": "notes",
}
"""What events call the objects that are read from HubSpot: by name, or by type where they say only "object"."""

PRIVACY = "privacyDeletion"
ENDS = {"deletion", PRIVACY, "merge", "restore"}
"""Events that no search finds again: what was deleted for privacy is listed nowhere."""
CHANGES = {"creation", "propertyChange", "associationChange"}

KEY = (
    "subscriptionId",
    "subscriptionType",
    "objectId",
    "occurredAt",
    "propertyName",
    "propertyValue",
    "fromObjectId",
    "toObjectId",
    "associationType",
    "associationRemoved",
    "primaryObjectId",
    "newObjectId",
)
"""What tells an event from another. Its eventId does not, and its attemptNumber grows."""

IDS = ("objectId", "fromObjectId", "primaryObjectId", "newObjectId")
KEPT = (
    *(name for name in KEY if name != "propertyValue"),
    "eventId",
    "portalId",
    "appId",
    "attemptNumber",
    "objectTypeId",
    "mergedObjectIds",
    "changeSource",
    "sourceId",
    "changeFlag",
)
"""What is stored of an event: no values, which are people's names and addresses, and are read anew anyway."""


def recognises(request: IncomingRequest) -> bool:
    """Whether a request is one of HubSpot's."""
    return "x-hubspot-signature-v3" in request.headers


def verify(request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
    """What the events of one request prove, one claim for each portal they are of; none for an empty list.

    Raises Refused, Unreadable, ValueError or RecursionError.
    """
    _check_signature(request)
    by_portal: dict[str, list[JsonObject]] = {}
    for event in _events(request.body):
        portal = event.get("portalId")
        if _is_id(portal):
            by_portal.setdefault(str(portal), []).append(event)
    return tuple(_claim(portal, events) for portal, events in by_portal.items())


def read(webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
    """What the stored events of one portal say: which records to read again. Raises Unreadable.

    Those of an import are not named, since the cursor finds thousands for fewer calls; those of our own writes are,
    since only their values tell whether somebody else changed them meanwhile.
    """
    events = sorted(_events(body), key=_order)
    known = [event for event in events if _object(event) and _what(event) in ENDS | CHANGES]
    if not known:
        said = sorted({_type(event) for event in events})
        return Notice(False, f"HubSpot told of {', '.join(said[:5]) or 'nothing'}, which is not read from there.")
    named = [event for event in known if event.get("changeSource") != "IMPORT" or _what(event) in ENDS]
    names = dict.fromkeys(name for event in named for name in _names(event))
    counts = {
        "written by us": sum(map(_is_ours, known)),
        "of an import, found by the next look at all changes": len(known) - len(named),
        "not read from there": len(events) - len(known),
    }
    said = [f"{count} {words}" for words, count in counts.items() if count]
    return Notice(
        True, "; ".join([f"HubSpot told of {_counted(len(known), 'change')}", *said]) + ".", items=tuple(names)
    )


def signature(secret: str, method: str, url: str, body: bytes, timestamp: str) -> bytes:
    """Signature version 3: base64 of the HMAC-SHA256 of all four, with nothing between them."""
    source = method.encode() + decoded(url).encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), source, hashlib.sha256).digest())


def decoded(url: str) -> str:
    """The address with HubSpot's twelve escapes undone, and no others."""
    return ESCAPE.sub(lambda found: ESCAPES[found[1].upper()], url)


def _check_signature(request: IncomingRequest) -> None:
    """Raises Refused. The address is the one HubSpot was given, whatever a proxy makes of it."""
    secret = settings.PROVIDER_CREDENTIALS.get("hubspot", {}).get("client_secret")
    timestamp = request.headers.get("x-hubspot-request-timestamp", "")
    if not secret or not TIMESTAMP.fullmatch(timestamp):
        raise Refused("It has no time, or HUBSPOT_CLIENT_SECRET is not set.")
    if abs(request.received_at.timestamp() * 1000 - int(timestamp)) > TOLERANCE_MS:
        raise Refused("It was signed too long ago, or in the future.")
    sent = request.headers.get("x-hubspot-signature-v3", "").encode("utf-8", "replace")
    if not hmac.compare_digest(signature(secret, request.method, request.url, request.body, timestamp), sent):
        raise Refused("The signature is not HubSpot's.")


def _events(body: bytes) -> list[JsonObject]:
    """HubSpot's guide has another name for the type of an event than its requests; here it is always theirs."""
    value = json.loads(body)
    if not isinstance(value, list) or not all(isinstance(event, dict) for event in value):
        raise Unreadable("These are no events of HubSpot.")
    if len(value) > MOST_EVENTS:
        raise Unreadable(f"More than {MOST_EVENTS} events at once are not HubSpot's.")
    return [
        event if "subscriptionType" in event else {**event, "subscriptionType": event.get("eventType")}
        for event in value
    ]


def _claim(portal: str, events: list[JsonObject]) -> Claim:
    keys = sorted(json.dumps([event.get(name) for name in KEY]) for event in events)
    kept = [
        {name: event[name] for name in KEPT if name in event} | {"subscriptionType": _type(event)} for event in events
    ]
    return Claim(
        dedupe_key=hashlib.sha256(json.dumps([portal, keys]).encode()).hexdigest(),
        headers={},
        resource_id=portal,
        by_resource=True,
        body=json.dumps(kept).encode(),
    )


def _order(event: JsonObject) -> int:
    at = event.get("occurredAt")
    return at if isinstance(at, int) else 0


def _type(event: JsonObject) -> str:
    """Such as contact.creation."""
    return str(event.get("subscriptionType"))[:100]


def _what(event: JsonObject) -> str:
    return _type(event).partition(".")[2]


def _object(event: JsonObject) -> str:
    """The object's name in addresses; empty for what is not read."""
    kind = _type(event).partition(".")[0]
    return OBJECTS.get(str(event.get("objectTypeId")) if kind == "object" else kind, "")


def _names(event: JsonObject) -> Iterable[str]:
    """Every record an event concerns: a merge those that vanish, too, and the one that comes of it.

    What was deleted for privacy is not to be read again.
    """
    merged = event.get("mergedObjectIds")
    ids = [event.get(name) for name in IDS] + (merged[:MOST_NAMED] if isinstance(merged, list) else [])
    said = FORGET if _what(event) == PRIVACY else ""
    return [f"{said}{_object(event)}:{one}" for one in ids if _is_id(one)]


def _is_ours(event: JsonObject) -> bool:
    """Whether it tells of a write of this app."""
    app = settings.HUBSPOT_APP_ID
    return bool(app) and event.get("changeSource") == "INTEGRATION" and str(event.get("sourceId")) == app


def _is_id(value: object) -> bool:
    """A number, perhaps as text; true and false are numbers to Python."""
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) <= 20
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**20


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
