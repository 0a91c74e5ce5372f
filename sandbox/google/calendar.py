"""The Calendar API's calls.

https://developers.google.com/workspace/calendar/api/v3/reference
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.wrappers import Request, Response

from sandbox.google import errors, fields, listing, query, shapes
from sandbox.google.calendars import Calendar
from sandbox.google.events import instance_of
from sandbox.google.schema import scopes_for
from sandbox.google.state import Google, google_of
from sandbox.google.sync_tokens import PageToken, SyncToken, digest
from sandbox.google.tokens import Token
from sandbox.providers import Call, View

Answer = dict[str, Any]


def bearer(request: Request) -> str:
    """The access token of a request, empty if it brings none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.args.get("access_token", "")


def authorized(google: Google, call: Call) -> Token:
    """The live token of a call that has the scope the method needs."""
    text = bearer(call.request)
    if not text:
        raise errors.login_required()
    token = google.tokens.find_access(text)
    if token is None:
        raise errors.dead_token()
    if not scopes_for(call.operation) & set(token.scopes):
        raise errors.scope_missing(call.operation.replace("calendar.", "calendar.v3."))
    return token


def api(schema_name: str) -> Callable[[Callable[[Google, Call, Token], Answer]], View]:
    """A call of the API: token and scope, the world's lock, error envelopes, partial answers."""

    def decorate(function: Callable[[Google, Call, Token], Answer]) -> View:
        @wraps(function)
        def view(call: Call) -> Response:
            google = google_of(call.world)
            try:
                selected = call.request.args.get("fields")
                mask = fields.parse(selected, schema_name) if selected else {}
                with call.world.lock:
                    content = function(google, call, authorized(google, call))
            except errors.ApiError as error:
                return error.response()
            return errors.reply(fields.apply(mask, content))

        return view

    return decorate


def visible(google: Google, call: Call, token: Token) -> tuple[Calendar, str]:
    """The calendar of the path and the user's role on it; "primary" is the user's own. 404 without access."""
    wanted = call.args["calendar_id"]
    calendar = google.calendars.get(token.email if wanted == "primary" else wanted)
    if calendar is None or token.email not in calendar.access:
        raise errors.not_found()
    return calendar, calendar.access[token.email]


def origin_of(google: Google, calendar: Calendar, token: Token) -> str:
    """What tokens of a calendar's list are bound to."""
    return digest(google.era, calendar.id, calendar.generation, token.email)


@api("CalendarList")
def list_calendars(google: Google, call: Call, token: Token) -> Answer:
    """calendarList.list: in order of the last change, so that a sync token is the time of one."""
    args, now = call.request.args, call.world.clock.now().timestamp()
    size = min(query.number(args, "maxResults") or 100, 250)
    origin, rules = digest(google.era, "calendarList", token.email), digest(args.get("showHidden"))
    after, since = 0, 0
    if text := args.get("syncToken"):
        if args.get("minAccessRole") or args.get("showOwnOrganizationOnly"):
            raise errors.restricted_with_sync_token()
        since = after = SyncToken.parse(text, origin, rules, now).number
    if text := args.get("pageToken"):
        after = PageToken.parse(text, origin, rules).number
    mine = [one for one in google.calendars.values() if token.email in one.access]
    mine = sorted((one for one in mine if one.changed_at > after), key=lambda one: one.changed_at)
    shown = mine[:size]
    answer: Answer = {"kind": "calendar#calendarList", "etag": f'"p{digest(len(mine), since)}"'}
    last = shown[-1].changed_at if shown else after
    if len(mine) > size:
        answer["nextPageToken"] = PageToken(origin, rules, last, -1, 0, now).text()
    else:
        answer["nextSyncToken"] = SyncToken(origin, rules, last, now).text()
    return answer | {"items": [shapes.list_entry(one, token.email) for one in shown]}


@api("Calendar")
def get_calendar(google: Google, call: Call, token: Token) -> Answer:
    """calendars.get."""
    return shapes.calendar(visible(google, call, token)[0])


@api("Events")
def list_events(google: Google, call: Call, token: Token) -> Answer:
    """events.list: a page of the full list, or of what changed since a sync token."""
    calendar, role = visible(google, call, token)
    now = call.world.clock.now()
    asked = query.parse(call.request.args, now)
    origin = origin_of(google, calendar, token)
    sync = None
    if asked.sync_token:
        sync = SyncToken.parse(asked.sync_token, origin, asked.sync_rules, now.timestamp())
    walk = start_of(calendar, asked, sync, origin, now)
    turn_page = listing.page_by_start if asked.order_by == "startTime" else listing.page
    found, last = turn_page(calendar, asked, role, walk)
    zone = asked.zone or ZoneInfo(calendar.time_zone)
    answer = envelope(calendar, role, zone)
    if last is not None:
        place = PageToken(origin, asked.page_rules, last.number, last.index, walk.upto, walk.now.timestamp())
        answer["nextPageToken"] = place.text()
    elif asked.gives_sync_token:
        time_min = walk.time_min.timestamp() if walk.time_min else None
        rules = asked.sync_rules
        answer["nextSyncToken"] = SyncToken(origin, rules, walk.upto, now.timestamp(), time_min).text()
    shown = [shapes.event(calendar, one.body, one.etag, role, zone, asked.max_attendees) for one in found]
    return answer | {"items": shown}


def start_of(
    calendar: Calendar, asked: query.Query, sync: SyncToken | None, origin: str, now: datetime
) -> listing.Walk:
    """Where the walk begins: at the page token's place, or at the sync token's change, or at the first."""
    since = sync.number if sync else None
    time_min = asked.time_min
    if sync is not None and sync.time_min is not None:
        time_min = datetime.fromtimestamp(sync.time_min, UTC)
    if asked.page_token:
        place = PageToken.parse(asked.page_token, origin, asked.page_rules)
        first_asked = datetime.fromtimestamp(place.now, UTC)
        return listing.Walk(place.number, place.index, place.upto, first_asked, since, time_min)
    return listing.Walk(since or 0, -1, calendar.last_number, now, since, time_min)


def envelope(calendar: Calendar, role: str, zone: ZoneInfo) -> Answer:
    """What stands around the items of a list of events."""
    return {
        "kind": "calendar#events",
        "etag": f'"p{digest(calendar.id, calendar.last_number)}"',
        "summary": calendar.summary,
        "description": "",
        "updated": calendar.updated,
        "timeZone": zone.key,
        "accessRole": role,
        "defaultReminders": shapes.REMINDERS if role == "owner" else [],
    }


@api("Event")
def get_event(google: Google, call: Call, token: Token) -> Answer:
    """events.get: also of an instance, and of a cancelled event."""
    calendar, role = visible(google, call, token)
    event_id = call.args["event_id"]
    entry = calendar.get(event_id)
    body = entry.body if entry else instance_of(calendar, event_id)
    if body is None:
        raise errors.not_found()
    series = entry or calendar.get(body["recurringEventId"])
    zone = query.zone_in(call.request.args) or ZoneInfo(calendar.time_zone)
    max_attendees = query.number(call.request.args, "maxAttendees")
    return shapes.event(calendar, body, series.etag if series else "", role, zone, max_attendees)


@api("Events")
def list_instances(google: Google, call: Call, token: Token) -> Answer:
    """events.instances: a series' occurrences in order, changed ones included."""
    calendar, role = visible(google, call, token)
    args, event_id = call.request.args, call.args["event_id"]
    series = calendar.get(event_id)
    if series is None or series.is_cancelled or not series.is_series:
        raise errors.not_found()
    asked = query.parse(args, call.world.clock.now())
    walk = listing.Walk(0, -1, 0, call.world.clock.now(), None, asked.time_min)
    exceptions = [(one.body, one.etag) for one in calendar.exceptions_of(event_id)]
    plain = [(body, series.etag) for body in listing.expand(calendar, series, asked, walk) if body]
    bodies = [
        (body, etag)
        for body, etag in exceptions + plain
        if (body["status"] != "cancelled" or asked.show_deleted) and listing.is_in_window(calendar, body, asked)
    ]
    bodies.sort(key=lambda one: one[0]["id"])
    origin = origin_of(google, calendar, token)
    place = PageToken.parse(asked.page_token, origin, asked.page_rules).index if asked.page_token else 0
    upto = place + asked.max_results
    zone = asked.zone or ZoneInfo(calendar.time_zone)
    answer = envelope(calendar, role, zone)
    if upto < len(bodies):
        answer["nextPageToken"] = PageToken(origin, asked.page_rules, 0, upto, 0, 0).text()
    shown = bodies[place:upto]
    return answer | {
        "items": [shapes.event(calendar, body, etag, role, zone, asked.max_attendees) for body, etag in shown]
    }


def unknown(call: Call) -> Response:
    """A path or method the API does not have here."""
    return errors.not_found().response()
