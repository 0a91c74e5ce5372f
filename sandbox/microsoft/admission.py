"""Who is let in to a mailbox, by Outlook's limits, and how tests shorten them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.control import body_of, required
from sandbox.microsoft import graph
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.state import microsoft_of
from sandbox.microsoft.throttle import MOST_AT_ONCE, MOST_REQUESTS, WINDOW_SECONDS, Limits
from sandbox.providers import Call, Control
from sandbox.world import World

OUTSIDE = ("graph.me.", "graph.batch", "graph.subscriptions.")
"""Operations that do not count: they do not touch the mailbox, or their parts count by themselves."""


@contextmanager
def gate(call: Call) -> Iterator[Response | None]:
    """Counts a request for as long as it is in flight; yields the refusal of one too many."""
    throttle = microsoft_of(call.world).throttle
    if not call.operation.startswith("graph.") or call.operation.startswith(OUTSIDE):
        yield None
        return
    try:
        with call.world.lock:
            token = microsoft_of(call.world).tokens.find_access(graph.bearer(call.request))
            use = throttle.enter(token.upn, token.client_id) if token else None
    except GraphError as error:
        yield error.response(call.request.headers.get("client-request-id", ""))
        return
    try:
        yield None
    finally:
        with call.world.lock:
            if use is not None:
                use.in_flight -= 1


def set_limits(world: World, request: Request) -> Any:
    """{"account", "requests"?, "seconds"?, "at_once"?}: what the mailbox bears; Outlook's own without a number."""
    microsoft, body = microsoft_of(world), body_of(request)
    limits = Limits(
        at_once=int(body.get("at_once", MOST_AT_ONCE)),
        requests=int(body.get("requests", MOST_REQUESTS)),
        window_seconds=float(body.get("seconds", WINDOW_SECONDS)),
    )
    microsoft.throttle.limit(microsoft.account(required(body, "account").lower()).upn, limits)
    return {"ok": True}


def list_uses(world: World, request: Request) -> Any:
    """What each app used of each mailbox: requests in this window and ever, most in flight, refused."""
    return {"uses": microsoft_of(world).throttle.listing()}


CONTROLS: dict[str, Control] = {
    "POST throttle": set_limits,
    "GET throttle": list_uses,
}
