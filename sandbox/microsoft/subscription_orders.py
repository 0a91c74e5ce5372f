"""What a subscription may be: the limits on a request for one.

https://learn.microsoft.com/graph/api/resources/subscription#subscription-lifetime
"""

import json
import uuid
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from sandbox.microsoft import graph, paths, prefer
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.state import microsoft_of
from sandbox.microsoft.subscriptions import CHANGES, Subscription
from sandbox.providers import Call

LONGEST_MINUTES, SHORTEST_MINUTES = 10_080, 45
CLIENT_STATE_LENGTH = 128
SCOPES = {"events": ("Calendars.Read",), "messages": ("Mail.ReadBasic", "Mail.Read")}
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
