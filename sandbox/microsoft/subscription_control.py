"""Setting the scene of notifications: functions behind /control/microsoft/… and a table on the front page."""

from dataclasses import asdict
from typing import Any

from werkzeug.wrappers import Request

from sandbox.control import ControlError, body_of, required
from sandbox.microsoft.state import Microsoft, microsoft_of
from sandbox.microsoft.subscriptions import CHANGES, LIFECYCLE, TYPES, Subscription
from sandbox.providers import Control, Table
from sandbox.world import World

MOST_NOTICES = 1_000
Json = dict[str, Any]


def meant(microsoft: Microsoft, body: Json) -> list[Subscription]:
    """The live subscriptions of the body's ``account``, or the one ``subscription`` of them; all without either."""
    account = microsoft.account(required(body, "account").lower()).upn if body.get("account") else None
    wanted = body.get("subscription")
    return [one for one in microsoft.subscriptions.live(account) if wanted in (None, one.id)]


def list_subscriptions(world: World, request: Request) -> Any:
    """?account=ADDRESS: the live subscriptions, of one account or all, with their client states."""
    found = meant(microsoft_of(world), request.args.to_dict())
    return {"subscriptions": [asdict(one) | {"expiration": one.expiration} for one in found]}


def lifecycle(world: World, request: Request) -> Any:
    """{"account"?, "subscription"?, "event"}: send a lifecycle notification for each, and do what it says.

    ``reauthorizationRequired`` pauses until renewed or authorized again, ``subscriptionRemoved`` removes, ``missed``
    just tells. How many were sent: those without a lifecycle address hear nothing.
    """
    microsoft, body = microsoft_of(world), body_of(request)
    event = required(body, "event")
    if event not in LIFECYCLE:
        raise ControlError(f"event must be one of {', '.join(LIFECYCLE)}")
    return {"sent": sum(microsoft.subscriptions.tell(one, event) for one in meant(microsoft, body))}


def expire(world: World, request: Request) -> Any:
    """{"account"?, "subscription"?}: they run out now, and nobody is told."""
    microsoft = microsoft_of(world)
    found = meant(microsoft, body_of(request))
    for one in found:
        microsoft.subscriptions.remove(one.id)
    return {"expired": [one.id for one in found]}


def notify(world: World, request: Request) -> Any:
    """{"account", "kind", "ids", "change"?, "folder"?, "times"?}: say that items changed, although they did not."""
    microsoft, body = microsoft_of(world), body_of(request)
    account, kind = microsoft.account(required(body, "account").lower()), required(body, "kind")
    change, times = body.get("change", "updated"), int(body.get("times", 1))
    if kind not in TYPES or change not in CHANGES or times > MOST_NOTICES:
        kinds, changes = ", ".join(TYPES), ", ".join(CHANGES)
        raise ControlError(f"kind is one of {kinds}, change one of {changes}, and times up to {MOST_NOTICES}")
    for item_id in [str(one) for one in body["ids"]] * times:
        microsoft.subscriptions.changed(account.upn, kind, item_id, change, str(body.get("folder", "")))
    return {"ok": True}


def table(microsoft: Microsoft) -> Table:
    """What is subscribed to, for the front page."""
    rows = [
        [
            one.account,
            one.resource,
            ",".join(one.changes),
            one.notification_url,
            one.expiration,
            "paused" if one.is_paused else "live",
        ]
        for one in microsoft.subscriptions.live()
    ]
    return Table("Graph subscriptions", ("Account", "Resource", "Changes", "Sends to", "Until", "State"), rows)


CONTROLS: dict[str, Control] = {
    "GET subscriptions": list_subscriptions,
    "POST subscriptions/expire": expire,
    "POST lifecycle": lifecycle,
    "POST notify": notify,
}
