"""/subscriptions: create, list, get, renew, reauthorize, delete.

https://learn.microsoft.com/graph/api/subscription-post-subscriptions
"""

import json
import uuid
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from sandbox.microsoft import graph, handshake, paths, prefer
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.state import microsoft_of
from sandbox.microsoft.subscriptions import CHANGES, Subscription
from sandbox.providers import Call, Route

LONGEST_MINUTES, SHORTEST_MINUTES = 10_080, 45
CLIENT_STATE_LENGTH = 128
MOST_PER_MAILBOX = 1_000
SCOPES = {"events": ("Calendars.Read",), "messages": ("Mail.ReadBasic", "Mail.Read")}
ANY_SCOPE = ("Calendars.Read", "Mail.ReadBasic", "Mail.Read")
NEEDED = ("changeType", "notificationUrl", "resource", "expirationDateTime")
KNOWN = {
    *NEEDED,
    "applicationId",
    "clientState",
    "encryptionCertificate",
    "encryptionCertificateId",
    "includeResourceData",
    "latestSupportedTlsVersion",
    "lifecycleNotificationUrl",
    "notificationQueryOptions",
    "notificationUrlAppId",
}
UNREADABLE = "Could not process subscription creation payload. Are all property names spelled and camelCased properly?"
Json = dict[str, Any]


def invalid(message: str) -> GraphError:
    """The order is no good."""
    return GraphError(400, "InvalidRequest", message)


@graph.answers_unlocked
def create(call: Call) -> Response:
    """POST /subscriptions. Both addresses are asked for consent while the caller waits."""
    with call.world.lock:
        wanted = ordered(call)
        refuse_more(call, wanted)
    for address in filter(None, (wanted.notification_url, wanted.lifecycle_url)):
        handshake.validate(address)
    with call.world.lock:
        refuse_more(call, wanted)
        microsoft_of(call.world).subscriptions.add(wanted)
    return graph.reply(shown(wanted, is_state_shown=True), 201)


@graph.answers
def index(call: Call) -> Json:
    """GET /subscriptions: those of this app for this account, of whichever grant."""
    found = [shown(one) for one in own(call)]
    return {"@odata.context": f"{graph.origin(call)}/$metadata#subscriptions", "value": found}


@graph.answers
def get(call: Call) -> Json:
    """GET /subscriptions/{id}."""
    return shown(found(call))


@graph.answers
def update(call: Call) -> Json:
    """PATCH /subscriptions/{id}: a new end, which also authorizes it again. Nothing else can be changed."""
    subscription, body = found(call), json_of(call)
    if set(body) - {"expirationDateTime"}:
        raise invalid("Only expirationDateTime can be updated.")
    subscription.expires_at = expiry(call, body.get("expirationDateTime"))
    subscription.is_paused = False
    return shown(subscription)


@graph.answers
def delete(call: Call) -> Response:
    """DELETE /subscriptions/{id}."""
    microsoft_of(call.world).subscriptions.remove(found(call).id)
    return Response(status=204)


@graph.answers
def reauthorize(call: Call) -> Response:
    """POST /subscriptions/{id}/reauthorize: goes on, to the same end."""
    found(call).is_paused = False
    return Response(status=204)


ROUTES = [
    Route("POST", f"{graph.BASE}/subscriptions", "graph.subscriptions.create", create),
    Route("GET", f"{graph.BASE}/subscriptions", "graph.subscriptions.list", index),
    Route("GET", f"{graph.BASE}/subscriptions/<subscription_id>", "graph.subscriptions.get", get),
    Route("PATCH", f"{graph.BASE}/subscriptions/<subscription_id>", "graph.subscriptions.update", update),
    Route("DELETE", f"{graph.BASE}/subscriptions/<subscription_id>", "graph.subscriptions.delete", delete),
    Route(
        "POST",
        f"{graph.BASE}/subscriptions/<subscription_id>/reauthorize",
        "graph.subscriptions.reauthorize",
        reauthorize,
    ),
]


def own(call: Call) -> list[Subscription]:
    """The live subscriptions of the caller's app and account."""
    account = graph.authorised(call, *ANY_SCOPE)
    client_id = graph.token_of(call).client_id
    live = microsoft_of(call.world).subscriptions.live(account.upn)
    return [one for one in live if one.client_id == client_id]


def found(call: Call) -> Subscription:
    """The one the path names; GraphError 404 if it is not the caller's, or over."""
    for one in own(call):
        if one.id == call.args["subscription_id"]:
            return one
    raise GraphError(404, "ResourceNotFound", "The object was not found.")


def ordered(call: Call) -> Subscription:
    """The subscription that a request orders, checked but for what needs others."""
    account, body = graph.authorised(call), json_of(call)
    if not KNOWN.issuperset(body):
        raise invalid(UNREADABLE)
    for name in NEEDED:
        if not isinstance(body.get(name), str) or not body[name]:
            raise invalid(f"{name} is a required property for subscription creation.")
    if body.get("includeResourceData"):
        raise invalid("The sandbox sends no resource data.")
    kind, folder = watched(body["resource"], account.upn, account.oid)
    graph.authorised(call, *SCOPES[kind])
    if folder and microsoft_of(call.world).mail.mailbox(account.upn).folder(folder) is None:
        raise GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    return Subscription(
        id=str(uuid.uuid4()),
        account=account.upn,
        oid=account.oid,
        tenant=account.tenant,
        client_id=graph.token_of(call).client_id,
        resource=body["resource"],
        kind=kind,
        folder=folder,
        changes=changes(body["changeType"]),
        notification_url=address(body, "notificationUrl"),
        lifecycle_url=address(body, "lifecycleNotificationUrl"),
        client_state=client_state(body),
        expires_at=expiry(call, body["expirationDateTime"]),
        is_immutable=prefer.read(call.request).is_immutable,
    )


def refuse_more(call: Call, wanted: Subscription) -> None:
    """GraphError for a second one of the same kind, and for more than a mailbox may have."""
    live = microsoft_of(call.world).subscriptions.live(wanted.account)
    for one in live:
        if one.combination == wanted.combination:
            message = f"Subscription Id {one.id} already exists for the requested combination"
            raise GraphError(409, "Conflict", message)
    if len(live) >= MOST_PER_MAILBOX:
        raise GraphError(403, "ErrorQuotaExceeded", f"A mailbox has at most {MOST_PER_MAILBOX} subscriptions.")


def watched(resource: str, upn: str, oid: str) -> tuple[str, str]:
    """The kind and the folder that a resource names. GraphError 400 for anything but one's own events and mails."""
    path, _, query = resource.partition("?")
    parts = paths.canonical(f"{graph.BASE}/{path.strip('/')}").removeprefix(f"{graph.BASE}/").split("/")
    if parts[0].lower() == "users" and len(parts) > 1 and parts[1].lower() in {upn, oid}:
        parts = ["me", *parts[2:]]
    match parts:
        case ["me", "events" | "messages" as kind] if not query:
            return kind, ""
        case ["me", "mailFolders", folder, "messages"] if not query:
            return "messages", folder
    raise invalid(f"The sandbox sends no notifications of the resource '{resource}'.")


def changes(text: str) -> list[str]:
    """``created,updated`` taken apart; GraphError 400 for another word."""
    words = [word.strip().lower() for word in text.split(",")]
    if not set(words) <= set(CHANGES):
        raise invalid(f"The changeType '{text}' is not supported. It is any of {', '.join(CHANGES)}.")
    return sorted(set(words), key=CHANGES.index)


def address(body: Json, name: str) -> str:
    """An https address, or http on this very machine, which Graph itself would not take. Empty if absent."""
    text = body.get(name) or ""
    parts = urlsplit(text) if isinstance(text, str) else None
    if text and (parts is None or not (parts.scheme == "https" or is_loopback(parts.scheme, parts.hostname or ""))):
        raise invalid(f"The {name} must be an absolute HTTPS address.")
    return str(text)


def is_loopback(scheme: str, host: str) -> bool:
    """Whether an http address stays on this machine."""
    try:
        return scheme == "http" and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False


def client_state(body: Json) -> str:
    """The shared secret; empty without one."""
    text = body.get("clientState") or ""
    if not isinstance(text, str) or len(text) > CLIENT_STATE_LENGTH:
        raise invalid(f"The clientState is limited to {CLIENT_STATE_LENGTH} characters.")
    return text


def expiry(call: Call, text: object) -> float:
    """The end that is asked for, seconds since 1970, at least 45 minutes away. GraphError 400 if it is too far."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise invalid(UNREADABLE) from error
    if moment.tzinfo is None:
        raise invalid(UNREADABLE)
    now, end = call.world.clock.now().timestamp(), moment.timestamp()
    if end > now + LONGEST_MINUTES * 60:
        message = f"Subscription expiration can only be {LONGEST_MINUTES} minutes in the future."
        raise GraphError(400, "ExtensionError", message)
    if end <= now:
        raise GraphError(400, "ExtensionError", "Subscription expiration must be in the future.")
    return max(end, now + SHORTEST_MINUTES * 60)


def json_of(call: Call) -> Json:
    """The request's JSON object; GraphError 400 for anything else."""
    try:
        body = json.loads(call.request.get_data())
    except ValueError as error:
        raise invalid(UNREADABLE) from error
    if not isinstance(body, dict):
        raise invalid(UNREADABLE)
    return body


def shown(subscription: Subscription, *, is_state_shown: bool = False) -> Json:
    """The object. Only the answer to its creation gives the client state."""
    return {
        "@odata.context": f"{graph.ORIGIN}/$metadata#subscriptions/$entity",
        "id": subscription.id,
        "resource": subscription.resource,
        "applicationId": subscription.client_id,
        "changeType": ",".join(subscription.changes),
        "clientState": (subscription.client_state or None) if is_state_shown else None,
        "notificationUrl": subscription.notification_url,
        "notificationQueryOptions": None,
        "lifecycleNotificationUrl": subscription.lifecycle_url or None,
        "expirationDateTime": subscription.expiration,
        "creatorId": subscription.oid,
        "includeResourceData": None,
        "latestSupportedTlsVersion": "v1_2",
        "encryptionCertificate": None,
        "encryptionCertificateId": None,
        "notificationUrlAppId": None,
    }
