"""Opening and stopping push channels.

https://developers.google.com/workspace/calendar/api/v3/reference/events/watch
"""

import json
import re
from datetime import timedelta
from time import monotonic

from werkzeug.wrappers import Request, Response

from sandbox.google import errors
from sandbox.google.calendar import Answer, api, authorized, visible
from sandbox.google.calendars import Calendar
from sandbox.google.push import Channel
from sandbox.google.state import Google, google_of
from sandbox.google.tokens import Token
from sandbox.providers import Call
from sandbox.world import World

CHANNEL_ID = re.compile(r"^[A-Za-z0-9\-_+/=]{1,64}$")
DEFAULT_TTL, LONGEST_TTL = timedelta(days=7), timedelta(days=30)
SYNC_WAIT_SECONDS = 5.0


@api("Channel")
def open_channel(google: Google, call: Call, token: Token) -> Answer:
    """events.watch: a new channel, which gets its ``sync`` message at once."""
    calendar, _ = visible(google, call, token)
    wanted = json_body(call.request)
    channel = new_channel(google, calendar, token, wanted)
    google.pushes.channels[channel.id] = channel
    google.pushes.send(channel, "sync")
    answer = {
        "kind": "api#channel",
        "id": channel.id,
        "resourceId": channel.resource_id,
        "resourceUri": channel.resource_uri,
        "expiration": str(channel.expires_at),
    }
    return answer | ({"token": channel.token} if channel.token else {})


def watch_events(call: Call) -> Response:
    """events.watch. On request the answer waits until ``sync`` is delivered, as it may overtake Google's."""
    response = open_channel(call)
    pushes = google_of(call.world).pushes
    if pushes.is_sync_before_reply:
        deadline = monotonic() + SYNC_WAIT_SECONDS
        while pushes.pending() and monotonic() < deadline:
            call.world.wait(0.01)
    return response


def new_channel(google: Google, calendar: Calendar, token: Token, wanted: Answer) -> Channel:
    """The channel asked for; ApiError for what Google refuses."""
    channel_id, address = str(wanted.get("id") or ""), str(wanted.get("address") or "")
    if not CHANNEL_ID.match(channel_id):
        raise errors.invalid("resource.id", "Invalid channel id")
    if wanted.get("type") not in {"web_hook", "webhook"}:
        raise errors.invalid("resource.type", "Unknown channel type")
    if not re.match(r"^https?://[^/\s]+", address):
        message = f"WebHook callback must be HTTPS: {address}"
        raise errors.ApiError(400, "push.webhookUrlNotHttps", message)
    if len(str(wanted.get("token") or "")) > 256:
        raise errors.invalid("resource.token")
    if channel_id in google.pushes.channels:
        raise errors.ApiError(400, "channelIdNotUnique", f"Channel id {channel_id} not unique")
    expires_at = expiry(wanted, google.world)
    return Channel(
        channel_id, calendar.id, token.email, token.client_id, address, str(wanted.get("token") or ""), expires_at
    )


def expiry(wanted: Answer, world: World) -> int:
    """When a channel ends, in milliseconds since 1970: in a week, or as wished but within a month."""
    now = world.clock.now()
    latest = int((now + LONGEST_TTL).timestamp() * 1000)
    try:
        if ttl := wanted.get("params", {}).get("ttl"):
            return min(int((now + timedelta(seconds=int(ttl))).timestamp() * 1000), latest)
        wish = int(wanted.get("expiration") or (now + DEFAULT_TTL).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise errors.invalid("resource.expiration") from None
    if wish <= now.timestamp() * 1000:
        raise errors.invalid("resource.expiration", "Channel expiration is in the past")
    return min(wish, latest)


def stop_channel(call: Call) -> Response:
    """channels.stop: by the same user and client, with both ids; 204, or 404."""
    google = google_of(call.world)
    try:
        with call.world.lock:
            token = authorized(google, call)
            wanted = json_body(call.request)
            channel = google.pushes.channels.get(str(wanted.get("id")))
            if (
                channel is None
                or channel.resource_id != wanted.get("resourceId")
                or (channel.account, channel.client_id) != (token.email, token.client_id)
            ):
                message = f"Channel '{wanted.get('id')}' not found for project"
                raise errors.ApiError(404, "notFound", message)
            del google.pushes.channels[channel.id]
    except errors.ApiError as error:
        return error.response()
    return Response(status=204)


def json_body(request: Request) -> Answer:
    """The request's JSON object."""
    try:
        body = json.loads(request.get_data())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise errors.ApiError(400, "parseError", "Parse Error")
    return body
