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

ID = re.compile(r"[\w-]{8,64}", re.ASCII)


def watch(http: requests.Session, resource: str, wanted: WatchRequest) -> OpenedChannel:
    """Have changes of ``resource`` (``/me/messages``) announced; what is announced already is renewed.

    Graph takes no second subscription of the same resource, whoever else of the account has one: where it posts to our
    address it is adopted, else replaced. Renewing also gives a paused one the fresh token.
    """
    if ID.fullmatch(wanted.resource_id):
        try:
            return _renewed(http, wanted.resource_id, wanted)
        except ResourceGone:
            pass  # it ran out, or was removed: another is made
    try:
        return _created(http, resource, wanted)
    except Conflict:
        pass
    adopted = _adopted(http, resource, wanted)
    return adopted or _created(http, resource, wanted)


def stop(http: requests.Session, subscription_id: str) -> None:
    """End a subscription. Raises ResourceGone where it ended already; does nothing for what is no subscription's id."""
    if ID.fullmatch(subscription_id):
        graph(http, "DELETE", f"/subscriptions/{subscription_id}")


def _created(http: requests.Session, resource: str, wanted: WatchRequest) -> OpenedChannel:
    """Graph asks both addresses whether they are ours before it answers. What proves a notification is in clientState:
    our channel and its secret."""
    body: JsonObject = {
        "changeType": ",".join(sorted(CHANGES)),
        "notificationUrl": wanted.address,
        "lifecycleNotificationUrl": wanted.address,
        "resource": resource,
        "expirationDateTime": _end(wanted),
        "clientState": f"{wanted.channel_id}.{wanted.token}",
    }
    return _opened(graph(http, "POST", "/subscriptions", body=body))


def _renewed(http: requests.Session, subscription_id: str, wanted: WatchRequest) -> OpenedChannel:
    body: JsonObject = {"expirationDateTime": _end(wanted)}
    return _opened(graph(http, "PATCH", f"/subscriptions/{subscription_id}", body=body))


def _adopted(http: requests.Session, resource: str, wanted: WatchRequest) -> OpenedChannel | None:
    """The subscription that stands in the way, if it posts to us; any other is deleted."""
    for found in _listed(http):
        if str(found.get("resource", "")).strip("/").lower() != resource.strip("/").lower():
            continue
        subscription_id = str(found.get("id", ""))
        addresses = {found.get("notificationUrl"), found.get("lifecycleNotificationUrl")}
        try:
            if addresses == {wanted.address} and set(str(found.get("changeType")).split(",")) == CHANGES:
                return _renewed(http, subscription_id, wanted)
            stop(http, subscription_id)
        except ResourceGone:
            continue
    return None


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
