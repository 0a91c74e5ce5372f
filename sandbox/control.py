"""The control API: tests and the demo set the scene with it. JSON over HTTP, loopback only."""

import json
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.clock import iso, parse_instant
from sandbox.providers import Control, Provider
from sandbox.world import World

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class ControlError(ValueError):
    """The order cannot be carried out; its text is the answer's ``error``."""


def body_of(request: Request) -> dict[str, Any]:
    """The request's JSON object; an empty body is an empty object."""
    if not request.get_data():
        return {}
    body = json.loads(request.get_data())
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def required(body: dict[str, Any], name: str) -> str:
    """A non-empty text from the body."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ControlError(f"{name} is missing")
    return value


def health(world: World, request: Request) -> Any:
    """Whether it runs, and its time."""
    return {"ok": True, "now": iso(world.clock.now())}


def reset(world: World, request: Request) -> Any:
    """Empty the world: accounts, faults, records, clock."""
    world.reset()
    return {"ok": True}


def move_clock(world: World, request: Request) -> Any:
    """{"advance_seconds"} or {"set": RFC 3339}."""
    body = body_of(request)
    if "set" in body:
        world.clock.set(parse_instant(required(body, "set")))
    else:
        world.clock.advance(float(body["advance_seconds"]))
    return {"now": iso(world.clock.now())}


def add_fault(world: World, request: Request) -> Any:
    """{"operation", "kind", "account"?, "times"?, "after"?, "retry_after"?, "seconds"?}; see sandbox/faults.py."""
    return {"id": world.faults.add(body_of(request)).id}


def list_faults(world: World, request: Request) -> Any:
    """The faults not used up."""
    return {"faults": world.faults.listing()}


def clear_faults(world: World, request: Request) -> Any:
    """Cancel all faults."""
    world.faults.clear()
    return {"ok": True}


def list_requests(world: World, request: Request) -> Any:
    """Calls of the providers' APIs: counts and the last 500."""
    return world.requests.listing()


def clear_requests(world: World, request: Request) -> Any:
    """Forget the calls."""
    world.requests.clear()
    return {"ok": True}


def list_pushes(world: World, request: Request) -> Any:
    """Counts of messages by outcome, and the last 500 tries."""
    listing = world.pushes.listing()
    for name in ("sent", "accepted", "refused", "retried", "lost"):
        listing["counts"].setdefault(name, 0)
    return listing


def idle(world: World, request: Request) -> Any:
    """How many push messages are not done with."""
    return {"pending": sum(state.pending_pushes() for state in world.states.values())}


def set_latency(world: World, request: Request) -> Any:
    """{"milliseconds"}, added to every answer of the providers' APIs."""
    world.latency_seconds = float(body_of(request)["milliseconds"]) / 1000
    return {"ok": True}


SHARED: dict[str, Control] = {
    "GET health": health,
    "POST reset": reset,
    "POST clock": move_clock,
    "POST faults": add_fault,
    "GET faults": list_faults,
    "DELETE faults": clear_faults,
    "GET requests": list_requests,
    "DELETE requests": clear_requests,
    "GET pushes": list_pushes,
    "GET idle": idle,
    "POST latency": set_latency,
}


class Controls:
    """Finds and runs the control function of a path below /control."""

    def __init__(self, world: World, providers: list[Provider]) -> None:
        self._table: dict[str, Callable[[Request], Any]] = {
            name: partial(function, world) for name, function in SHARED.items()
        }
        for provider in providers:
            for name, function in provider.controls.items():
                method, path = name.split(" ", 1)
                self._table[f"{method} {provider.slug}/{path}"] = partial(function, world)
        self._world = world

    def respond(self, request: Request) -> Response:
        """Run one order: 200 with JSON, or 400, 403, 404, 415 with ``{"error": text}``."""
        if not is_local(request):
            return answer({"error": "the control API answers this machine only"}, 403)
        # A web page open in the developer's browser can POST anything here, but not with this type.
        if request.method == "POST" and request.get_data() and request.mimetype != "application/json":
            return answer({"error": "send application/json"}, 415)
        function = self._table.get(f"{request.method} {request.path.removeprefix('/control').strip('/')}")
        if function is None:
            return answer({"error": f"no such control: {request.method} {request.path}"}, 404)
        return self._run(function, request)

    def _run(self, function: Callable[[Request], Any], request: Request) -> Response:
        try:
            with self._world.lock:
                result = function(request)
        except KeyError as error:
            return answer({"error": f"{error.args[0]} is missing or unknown"}, 400)
        except (ValueError, TypeError, AttributeError) as error:
            return answer({"error": str(error)}, 400)
        if request.method != "GET":
            self._world.is_dirty.set()
        return answer(result, 200)


def is_local(request: Request) -> bool:
    """Whether the caller is this machine, and calls it by a local name (a rebound DNS name is not)."""
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    return bool(request.remote_addr) and ip_address(str(request.remote_addr)).is_loopback and host in LOCAL_NAMES


def answer(content: Any, status: int) -> Response:
    """``content`` as JSON."""
    return Response(json.dumps(content), status, mimetype="application/json")
