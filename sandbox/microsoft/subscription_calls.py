"""/subscriptions: create, list, get, renew, reauthorize, delete.

https://learn.microsoft.com/graph/api/subscription-post-subscriptions
"""

from typing import Any

from werkzeug.wrappers import Response

from sandbox.microsoft import graph, handshake
from sandbox.microsoft import subscription_orders as orders
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.state import microsoft_of
from sandbox.microsoft.subscriptions import Subscription
from sandbox.providers import Call, Route

MOST_PER_MAILBOX = 1_000
ANY_SCOPE = ("Calendars.Read", "Mail.ReadBasic", "Mail.Read")
Json = dict[str, Any]


@graph.answers_unlocked
def create(call: Call) -> Response:
    """POST /subscriptions. Both addresses are asked for consent while the caller waits."""
    with call.world.lock:
        wanted = orders.ordered(call)
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
    subscription, body = found(call), orders.json_of(call)
    if set(body) - {"expirationDateTime"}:
        raise orders.invalid("Only expirationDateTime can be updated.")
    subscription.expires_at = orders.expiry(call, body.get("expirationDateTime"))
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


def refuse_more(call: Call, wanted: Subscription) -> None:
    """GraphError for a second one of the same kind, and for more than a mailbox may have."""
    live = microsoft_of(call.world).subscriptions.live(wanted.account)
    for one in live:
        if one.combination == wanted.combination:
            message = f"Subscription Id {one.id} already exists for the requested combination"
            raise GraphError(409, "Conflict", message)
    if len(live) >= MOST_PER_MAILBOX:
        raise GraphError(403, "ErrorQuotaExceeded", f"A mailbox has at most {MOST_PER_MAILBOX} subscriptions.")


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
