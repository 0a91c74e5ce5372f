"""Subscriptions: how Graph is asked to announce changes. One for each kind of data, account and installation.

https://learn.microsoft.com/graph/api/resources/subscription
https://learn.microsoft.com/graph/change-notifications-lifecycle-events
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import requests

from integrations.contract import JsonObject, OpenedChannel, WatchRequest
from integrations.errors import ResourceGone, Temporary
from integrations.providers.microsoft.client import graph
from integrations.providers.microsoft.errors import Conflict

LIFETIME = timedelta(minutes=10_000)
"""Graph allows 10,080 for events and messages."""

RENEW_EVERY = timedelta(days=1)
CHANGES = {"created", "updated", "deleted"}
MAX_LISTED = 50
"""Pages of subscriptions; an app has a handful of them in one mailbox."""

TRIES = 3
"""Others of the same account may subscribe at the same moment."""

ID = re.compile(r"[\w-]{8,64}", re.ASCII)
WHOSE = re.compile(r"/?(me|users(/[^/]+|\('[^']*'\)))/", re.IGNORECASE)
"""How Graph may begin a resource of the account that asks."""


def watch(http: requests.Session, resource: str, wanted: WatchRequest) -> OpenedChannel:
    """Have changes of ``resource`` (``/me/messages``) announced; what is announced already is renewed.

    Graph takes no second subscription of the same resource, whoever else of the account has one: where it posts to our
    address it is adopted, else replaced. Renewing also gives a paused one the fresh token.
    """
    if ID.fullmatch(wanted.resource_id) and (kept := _kept(http, wanted.resource_id, wanted)):
        return kept
    for _ in range(TRIES):
        try:
            return _created(http, resource, wanted)
        except Conflict:
            if adopted := _adopted(http, resource, wanted):
                return adopted
    raise Temporary("Microsoft says that changes of it are announced already, and does not say to whom.")


def stop(http: requests.Session, subscription_id: str) -> None:
    """End a subscription. Raises ResourceGone where it ended already; does nothing for what is no subscription's id."""
    if ID.fullmatch(subscription_id):
        graph(http, "DELETE", f"/subscriptions/{subscription_id}")


def address(wanted: WatchRequest) -> str:
    """Where notifications are to go. It names the key that signed the secret, since Graph never tells the secret again:
    whether a subscription of this address proves itself with a key that is still ours can be seen from it."""
    return f"{wanted.address}?signed={wanted.key_id}"


def _created(http: requests.Session, resource: str, wanted: WatchRequest) -> OpenedChannel:
    """Graph asks both addresses whether they are ours before it answers. What proves a notification is in clientState:
    our channel and its secret."""
    body: JsonObject = {
        "changeType": ",".join(sorted(CHANGES)),
        "notificationUrl": address(wanted),
        "lifecycleNotificationUrl": address(wanted),
        "resource": resource,
        "expirationDateTime": _end(wanted),
        "clientState": f"{wanted.channel_id}.{wanted.token}",
    }
    return _opened(graph(http, "POST", "/subscriptions", body=body))


def _kept(http: requests.Session, subscription_id: str, wanted: WatchRequest) -> OpenedChannel | None:
    """The subscription, renewed. None where it ended, or posts elsewhere (its address cannot be changed) and was ended
    for it."""
    try:
        body: JsonObject = {"expirationDateTime": _end(wanted)}
        renewed = graph(http, "PATCH", f"/subscriptions/{subscription_id}", body=body)
        if _posts_to(renewed, wanted):
            return _opened(renewed)
        stop(http, subscription_id)
    except ResourceGone:
        pass
    return None


def _adopted(http: requests.Session, resource: str, wanted: WatchRequest) -> OpenedChannel | None:
    """The subscription that stands in the way, if it posts to us; any other is deleted."""
    for found in _listed(http):
        if _watched(str(found.get("resource", ""))) == _watched(resource):
            kept = _kept(http, str(found.get("id", "")), wanted)
            if kept:
                return kept
    return None


def _watched(resource: str) -> str:
    """What is watched, whoever's: asked for as ``/me/events`` it may be listed by the account's id. Only subscriptions
    of this account are."""
    return WHOSE.sub("", resource, count=1).strip("/").lower()


def _posts_to(subscription: JsonObject, wanted: WatchRequest) -> bool:
    """Whether it tells our address, both of what changed and of itself, and of every kind of change.

    Graph's answer to a renewal may leave out where it tells of itself, which then counts for nothing: replaced for that
    it would be replaced every day, and whoever shares it would replace it again.
    """
    ours = address(wanted)
    addresses = subscription.get("notificationUrl"), subscription.get("lifecycleNotificationUrl", ours)
    changes = {word.strip() for word in str(subscription.get("changeType")).split(",")}
    return addresses == (ours, ours) and changes >= CHANGES


def _listed(http: requests.Session) -> Iterator[JsonObject]:
    url = "/subscriptions"
    for _ in range(MAX_LISTED):
        answer = graph(http, "GET", url)
        items = answer.get("value")
        yield from (item for item in (items if isinstance(items, list) else []) if isinstance(item, dict))
        url = str(answer.get("@odata.nextLink") or "")
        if not url:
            return


def _end(wanted: WatchRequest) -> str:
    end = min(datetime.now(UTC) + LIFETIME, wanted.expires_at)
    return end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _opened(answer: JsonObject) -> OpenedChannel:
    """Renewed daily, so that days of trouble pass before it ends."""
    try:
        subscription_id = str(answer["id"])
        ends_at = datetime.fromisoformat(str(answer["expirationDateTime"])).astimezone(UTC)
    except (KeyError, ValueError, OverflowError) as error:
        raise Temporary("Microsoft did not say how long it will announce changes.") from error
    now = datetime.now(UTC)
    return OpenedChannel(subscription_id, "", ends_at, renew_at=min(now + RENEW_EVERY, now + (ends_at - now) / 2))
