"""Setting the scene at the pretend HubSpot: accounts, grants, limits and webhooks, behind /control/hubspot/…"""

from dataclasses import asdict
from typing import Any
from zoneinfo import available_timezones

from werkzeug.wrappers import Request

from sandbox.control import ControlError, body_of, required
from sandbox.hubspot.kinds import KINDS
from sandbox.hubspot.limits import Limits
from sandbox.hubspot.portals import Facts, Owner, Portal
from sandbox.hubspot.state import HubSpot, hubspot_of
from sandbox.hubspot.tokens import Client, Prefill, app_id_of
from sandbox.hubspot.troubles import Trouble
from sandbox.hubspot.writing import Change
from sandbox.providers import Control
from sandbox.world import World

Json = dict[str, Any]


def some_portal(world: World, body: Json) -> Portal | None:
    """The portal an order names, None for all."""
    return hubspot_of(world).portal(body["portal"]) if body.get("portal") else None


def add_portal(world: World, request: Request) -> Any:
    """{"id"?, "name"?, "domain"?, "time_zone"?, "hosting"?, "owners"?}: creates or changes; a new one has an owner.

    ``owners`` is a list of {"email", "first_name"?, "last_name"?, "id"?, "archived"?}.
    """
    hubspot, body = hubspot_of(world), body_of(request)
    known = hubspot.portals.get(int(body.get("id") or 0))
    before = asdict(known.facts) if known else {"name": "Portal", "domain": "portal.example"}
    given = {name: body[name] for name in ("name", "domain", "time_zone", "hosting") if body.get(name)}
    if given.get("time_zone", "UTC") not in available_timezones():
        raise ControlError(f"there is no time zone {given['time_zone']}")
    portal = hubspot.add_portal(int(body.get("id") or 0), Facts(**(before | given)))
    for one in body.get("owners") or ([] if portal.owners else [{"email": f"admin@{portal.facts.domain}"}]):
        add_owner(hubspot, portal, one)
    return {"id": portal.id, "owners": [asdict(one) for one in portal.owners]}


def add_owner(hubspot: HubSpot, portal: Portal, given: Json) -> Owner:
    """One owner; without names they are made from the address."""
    email = required(given, "email").lower()
    first = given.get("first_name") or email.partition("@")[0].partition(".")[0].title()
    last = given.get("last_name") or email.partition("@")[0].rpartition(".")[2].title()
    owner = portal.add_owner(email, first, last, hubspot.now, str(given.get("id") or ""))
    owner.is_archived = bool(given.get("archived", owner.is_archived))
    return owner


def list_portals(world: World, request: Request) -> Any:
    """Every portal with its owners and the clients let in."""
    hubspot = hubspot_of(world)
    return {
        "portals": [
            {
                "id": one.id,
                **asdict(one.facts),
                "owners": [asdict(owner) for owner in one.owners],
                "clients": hubspot.tokens.installed(one.id),
                "records": {name: len(book.live) for name, book in one.books.items()},
            }
            for one in hubspot.portals.values()
        ]
    }


def consent(world: World, request: Request) -> Any:
    """{"portal", "untick"?: [parts of optional scopes], "deny"?}: how the consent page comes up."""
    hubspot, body = hubspot_of(world), body_of(request)
    prefill = Prefill([str(part) for part in body.get("untick", [])], bool(body.get("deny")))
    hubspot.tokens.prefills[hubspot.portal(body["portal"]).id] = prefill
    return {"ok": True}


def add_client(world: World, request: Request) -> Any:
    """{"client_id", "client_secret", "app_id"?, "redirect_uris"?}: from the first one on, only such are good."""
    body = body_of(request)
    client_id = required(body, "client_id")
    app_id = int(body.get("app_id") or app_id_of(client_id))
    addresses = [str(one) for one in body.get("redirect_uris") or []]
    client = Client(required(body, "client_secret"), app_id, addresses, is_registered=True)
    hubspot_of(world).tokens.clients[client_id] = client
    return {"client_id": client_id, "app_id": app_id}


def expire_access_tokens(world: World, request: Request) -> Any:
    """{"portal"?}: access tokens run out now; refreshing works."""
    portal = some_portal(world, body_of(request))
    hubspot_of(world).tokens.expire_access(portal.id if portal else None)
    return {"ok": True}


def revoke(world: World, request: Request) -> Any:
    """{"portal"}: the user uninstalls every app; nothing they hold is good any more."""
    hubspot = hubspot_of(world)
    hubspot.tokens.uninstall(hubspot.portal(body_of(request)["portal"]).id)
    return {"ok": True}


def rotate_refresh_tokens(world: World, request: Request) -> Any:
    """{"on"}: each refresh brings a new refresh token, and the old one is no good any more."""
    hubspot_of(world).tokens.is_rotating = bool(body_of(request)["on"])
    return {"ok": True}


def set_limits(world: World, request: Request) -> Any:
    """{"portal", "max"?, "seconds"?, "search"?, "daily"?, "used"?, "used_today"?, "client_id"?}.

    HubSpot's own without a number. ``used`` is as if each client of the portal had just made so many calls.
    """
    hubspot, body = hubspot_of(world), body_of(request)
    portal = hubspot.portal(body["portal"])
    use, own = hubspot.meter.use(portal.id), Limits()
    daily = body.get("daily")
    use.limits = Limits(
        most=int(body.get("max", own.most)),
        seconds=float(body.get("seconds", own.seconds)),
        searches=int(body.get("search", own.searches)),
        daily=None if daily is None else int(daily),
    )
    use.today = int(body.get("used_today", use.today))
    for client_id in hubspot.tokens.installed(portal.id) if "used" in body else ():
        if body.get("client_id") in (None, client_id):
            hubspot.meter.fill(portal.id, client_id, int(body["used"]))
    return {"ok": True}


def list_limits(world: World, request: Request) -> Any:
    """Each portal's limits and what was used of them."""
    return {"limits": hubspot_of(world).meter.listing()}


def set_search_lag(world: World, request: Request) -> Any:
    """{"seconds", "portal"?}: for so long, on the sandbox's clock, search does not see what is written from now on."""
    hubspot, body = hubspot_of(world), body_of(request)
    portal = some_portal(world, body)
    for one in [portal] if portal else hubspot.portals.values():
        one.lag_seconds = float(body["seconds"])
    return {"ok": True}


def set_webhooks(world: World, request: Request) -> Any:
    """{"target"?, "client_id"?, "signed_as"?, "style"?, "properties"?, "shuffle"?, "duplicate"?, "forge"?, …}.

    See sandbox/hubspot/webhooks.py. An empty target ends them; without a client it is everybody's.
    """
    hubspot, body = hubspot_of(world), body_of(request)
    options = hubspot.webhooks.options
    changes = {name: value for name, value in body.items() if name not in ("target", "client_id", "targets")}
    if "target" in body:
        changes["targets"] = options.targets | {str(body.get("client_id") or ""): str(body["target"])}
    hubspot.webhooks.change_options(changes)
    return asdict(hubspot.webhooks.options)


def list_webhooks(world: World, request: Request) -> Any:
    """How they go out now."""
    return asdict(hubspot_of(world).webhooks.options)


def push(world: World, request: Request) -> Any:
    """{"portal", "ids", "type"?, "event"?, "property"?, "value"?, "facts"?, "times"?}: events without a change."""
    hubspot, body = hubspot_of(world), body_of(request)
    portal, kind = hubspot.portal(body["portal"]), KINDS[body.get("type", "contacts")]
    facts = dict(body.get("facts") or {})
    if body.get("property"):
        facts |= {"propertyName": str(body["property"]), "propertyValue": str(body.get("value", ""))}
    event = str(body.get("event") or "propertyChange")
    changes = [
        Change(portal, kind, event, int(one), portal.owners[0].source, hubspot.now_ms, facts) for one in body["ids"]
    ]
    for _ in range(int(body.get("times", 1))):
        hubspot.webhooks.announce(changes)
    return {"ok": True}


def add_trouble(world: World, request: Request) -> Any:
    """{"operation", "status", "portal"?, "times"?, "after"?, "retry_after"?}: calls refused with 401, 423, 477, 502…"""
    hubspot, body = hubspot_of(world), body_of(request)
    portal, times, retry_after = some_portal(world, body), body.get("times", 1), body.get("retry_after")
    hubspot.troubles.add(
        Trouble(
            required(body, "operation"),
            int(body["status"]),
            portal.id if portal else 0,
            None if times is None else int(times),
            int(body.get("after") or 0),
            "" if retry_after is None else str(retry_after),
        )
    )
    return {"ok": True}


def list_troubles(world: World, request: Request) -> Any:
    """Those not used up."""
    return {"troubles": hubspot_of(world).troubles.listing()}


def clear_troubles(world: World, request: Request) -> Any:
    """Cancel all."""
    hubspot_of(world).troubles.clear()
    return {"ok": True}


def app(world: World, request: Request) -> Any:
    """?client_id=ID: the number that an app's own writes are known by."""
    client_id = request.args.get("client_id", "")
    if not client_id:
        raise ControlError("client_id is missing")
    return {"client_id": client_id, "app_id": hubspot_of(world).tokens.app_id(client_id)}


CONTROLS: dict[str, Control] = {
    "POST portals": add_portal,
    "GET portals": list_portals,
    "POST consent": consent,
    "POST clients": add_client,
    "GET clients/app": app,
    "POST expire_access_tokens": expire_access_tokens,
    "POST revoke": revoke,
    "POST rotate_refresh_tokens": rotate_refresh_tokens,
    "POST limits": set_limits,
    "GET limits": list_limits,
    "POST search_lag": set_search_lag,
    "POST webhooks": set_webhooks,
    "GET webhooks": list_webhooks,
    "POST push": push,
    "POST troubles": add_trouble,
    "GET troubles": list_troubles,
    "DELETE troubles": clear_troubles,
}
