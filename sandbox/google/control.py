"""Setting the scene at the pretend Google: functions behind /control/google/…"""

from typing import Any

from werkzeug.wrappers import Request

from sandbox.clock import parse_instant
from sandbox.control import ControlError, body_of, required
from sandbox.google import events
from sandbox.google.bulk import Block
from sandbox.google.state import google_of
from sandbox.google.tokens import Client, Prefill
from sandbox.providers import Control
from sandbox.world import World

DEFAULT_ZONE = "Europe/Berlin"
ROLES = frozenset({"freeBusyReader", "reader", "writerWithoutPrivateAccess", "writer", "owner"})
MOST_PREVIEWED = 5_000


def add_account(world: World, request: Request) -> Any:
    """{"email", "name"?, "sub"?, "hd"?, "timeZone"?, "emailVerified"?}: create or change.

    A new account gets its primary calendar.
    """
    google, body = google_of(world), body_of(request)
    email = required(body, "email").lower()
    before = google.accounts.get(email)
    account = google.add_account(
        email,
        body.get("name") or (before.name if before else email.split("@")[0].title()),
        body.get("sub") or (before.sub if before else ""),
        body.get("hd", before.hd if before else ""),
        body.get("timeZone") or (before.time_zone if before else DEFAULT_ZONE),
    )
    account.is_verified = bool(body.get("emailVerified", before.is_verified if before else True))
    return {"email": account.email, "sub": account.sub}


def add_calendar(world: World, request: Request) -> Any:
    """{"account", "id", "summary"?, "timeZone"?, "accessRole"?, "primary"?}: create, change, or give a role on it."""
    google, body = google_of(world), body_of(request)
    account = google.account(required(body, "account").lower())
    calendar_id = account.email if body.get("primary") else required(body, "id")
    existing = google.calendars.get(calendar_id)
    role = body.get("accessRole", "owner")
    if role not in ROLES:
        raise ControlError(f"accessRole must be one of {', '.join(sorted(ROLES))}")
    google.add_calendar(
        account.email,
        calendar_id,
        body.get("summary") or (existing.summary if existing else calendar_id),
        body.get("timeZone") or (existing.time_zone if existing else account.time_zone),
        role,
    )
    return {"id": calendar_id}


def put_events(world: World, request: Request) -> Any:
    """{"calendar", "events": [Google's resources], "silent"?}: create or change, one push for each event changed."""
    google, body = google_of(world), body_of(request)
    calendar = google.calendar(required(body, "calendar"))
    try:
        ids = [events.upsert(google, calendar, given) for given in body["events"]]
    finally:
        google.announce(is_silent=bool(body.get("silent")))
    return {"ids": ids}


def cancel_events(world: World, request: Request) -> Any:
    """{"calendar", "ids", "silent"?}: delete events, or cancel instances by their instance ids."""
    google, body = google_of(world), body_of(request)
    calendar = google.calendar(required(body, "calendar"))
    try:
        for event_id in body["ids"]:
            events.cancel(google, calendar, event_id)
    finally:
        google.announce(is_silent=bool(body.get("silent")))
    return {"ids": body["ids"]}


def list_events(world: World, request: Request) -> Any:
    """?calendar=ID: the first 5,000 events as stored, deleted ones included, oldest change first."""
    calendar = google_of(world).calendar(request.args.get("calendar", ""))
    return {"events": events.preview(calendar, MOST_PREVIEWED)}


def bulk_events(world: World, request: Request) -> Any:
    """{"calendar", "count", "guests"?, "start"?, "series_share"?}: many events, silently, without copies for guests."""
    google, body = google_of(world), body_of(request)
    calendar = google.calendar(required(body, "calendar"))
    start = parse_instant(body["start"]) if body.get("start") else world.clock.now().replace(second=0, microsecond=0)
    block = Block(
        name=str(len(calendar.blocks)),
        count=int(body["count"]),
        guests=[str(guest) for guest in body.get("guests", [])],
        start=start.isoformat(),
        series_share=float(body.get("series_share", 0.0)),
        stamp=world.clock.stamp(),
    )
    calendar.put_block(block)
    return {"count": block.count, "first_id": block.id_of(0)}


def expire_sync_tokens(world: World, request: Request) -> Any:
    """{"calendar"?}: sync tokens given so far answer 410."""
    google, wanted = google_of(world), body_of(request).get("calendar")
    for calendar in [google.calendar(wanted)] if wanted else google.calendars.values():
        calendar.generation += 1
    return {"ok": True}


def revoke(world: World, request: Request) -> Any:
    """{"account"}: the user takes back every grant."""
    google = google_of(world)
    google.tokens.end_grant(google.account(required(body_of(request), "account").lower()).email)
    return {"ok": True}


def expire_access_tokens(world: World, request: Request) -> Any:
    """{"account"?}: access tokens run out now; refreshing works."""
    google_of(world).tokens.expire_access(body_of(request).get("account"))
    return {"ok": True}


def rotate_refresh_tokens(world: World, request: Request) -> Any:
    """{"on"}: each refresh brings a new refresh token, and an old one that comes again ends the grant."""
    google_of(world).tokens.is_rotating = bool(body_of(request)["on"])
    return {"ok": True}


def push(world: World, request: Request) -> Any:
    """{"calendar", "times"?, "distinct"?}: ``exists`` without a change; not distinct means one message, repeated."""
    google, body = google_of(world), body_of(request)
    calendar, times = google.calendar(required(body, "calendar")), int(body.get("times", 1))
    if body.get("distinct", True):
        google.pushes.announce(calendar.id, times)
    else:
        google.pushes.repeat(calendar.id, times)
    return {"ok": True}


def push_options(world: World, request: Request) -> Any:
    """{"sync_before_reply"}: the ``sync`` message arrives before watch is answered."""
    google_of(world).pushes.is_sync_before_reply = bool(body_of(request)["sync_before_reply"])
    return {"ok": True}


def list_channels(world: World, request: Request) -> Any:
    """Every channel with its resource id."""
    return {"channels": google_of(world).pushes.listing()}


def expire_channels(world: World, request: Request) -> Any:
    """{"calendar"?}: channels go silent now."""
    google_of(world).pushes.expire(body_of(request).get("calendar"))
    return {"ok": True}


def consent(world: World, request: Request) -> Any:
    """{"account", "untick"?: [parts of scopes], "deny"?}: how the consent page comes up for an account."""
    google, body = google_of(world), body_of(request)
    account = google.account(required(body, "account").lower())
    google.tokens.prefills[account.email] = Prefill(
        [str(part) for part in body.get("untick", [])], bool(body.get("deny"))
    )
    return {"ok": True}


def add_client(world: World, request: Request) -> Any:
    """{"client_id", "client_secret", "redirect_uris"}: from the first one on, only such clients are good."""
    body = body_of(request)
    client = Client(required(body, "client_secret"), [str(address) for address in body["redirect_uris"]])
    google_of(world).tokens.clients[required(body, "client_id")] = client
    return {"ok": True}


CONTROLS: dict[str, Control] = {
    "POST accounts": add_account,
    "POST calendars": add_calendar,
    "POST events": put_events,
    "GET events": list_events,
    "POST events/cancel": cancel_events,
    "POST bulk_events": bulk_events,
    "POST expire_sync_tokens": expire_sync_tokens,
    "POST revoke": revoke,
    "POST expire_access_tokens": expire_access_tokens,
    "POST rotate_refresh_tokens": rotate_refresh_tokens,
    "POST push": push,
    "POST push_options": push_options,
    "GET channels": list_channels,
    "POST channels/expire": expire_channels,
    "POST consent": consent,
    "POST clients": add_client,
}
