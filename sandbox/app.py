"""The one WSGI application: finds the route, applies faults and latency, writes the record."""

from collections.abc import Iterable
from functools import cache
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox import control, home
from sandbox.clock import iso
from sandbox.faults import Fault
from sandbox.providers import Call, Provider, Route
from sandbox.world import World

TIMEOUT_SECONDS = 30.0
SLOW_SECONDS = 2.0
SECRET_PARAMETERS = frozenset({"access_token", "oauth_token"})


class Application:
    """Answers for all providers, for the control API and for the front page."""

    def __init__(self, world: World, providers: list[Provider]) -> None:
        self._world = world
        self._providers = providers
        self._controls = control.Controls(world, providers)
        self._routes = routes_of(tuple(providers))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = self._respond(overridden(Request(environ)), self._world.latency_seconds)
        return response(environ, start_response)

    def _respond(self, request: Request, latency_seconds: float) -> Response:
        if request.path == "/control" or request.path.startswith("/control/"):
            return self._controls.respond(request)
        path = request.path
        for provider in self._providers:
            path = provider.canonical(path)
        try:
            (provider, route), args = self._routes.bind_to_environ(request.environ).match(path)
        except NotFound:
            return home.respond(self._world, self._providers, request)
        except HTTPException as error:
            return Response(f"{error.code} {error.name}", error.code, mimetype="text/plain")
        call = Call(self._world, request, route.operation, args, self._answer_part)
        return self._answer(call, provider, route, latency_seconds) if route.operation else self._page(call, route)

    def _answer_part(self, request: Request) -> Response:
        """A part of a request: on its own in everything but the time on the way."""
        return self._respond(overridden(request), 0)

    def _page(self, call: Call, route: Route) -> Response:
        """A page for people, who look on and are no app."""
        with self._world.lock:
            response = route.view(call)
        if call.request.method == "POST":
            self._world.is_dirty.set()
        return response

    def _answer(self, call: Call, provider: Provider, route: Route, latency_seconds: float) -> Response:
        world = self._world
        with world.lock:
            account = provider.account_of(world, call.request)
        with provider.gate(call) as refusal:
            if latency_seconds:
                world.wait(latency_seconds)
            response = refusal or self._served(call, provider, route, account)
        response.date = world.clock.now()
        with world.lock:
            world.requests.count(call.operation)
            world.requests.note(entry(call, account, response))
        if call.request.method != "GET":
            world.is_dirty.set()
        return response

    def _served(self, call: Call, provider: Provider, route: Route, account: str) -> Response:
        with self._world.lock:
            fault = self._world.faults.take(call.operation, account)
        return self._spoiled(fault, call, provider, route) if fault else route.view(call)

    def _spoiled(self, fault: Fault, call: Call, provider: Provider, route: Route) -> Response:
        """The answer of a call that runs into a fault. The damaged ones did the work: their effects stay."""
        if fault.kind == "timeout":
            self._world.wait(TIMEOUT_SECONDS if fault.seconds is None else fault.seconds)
            return provider.fault(fault, call.operation)
        if fault.kind == "slow":
            self._world.wait(SLOW_SECONDS if fault.seconds is None else fault.seconds)
            return route.view(call)
        if fault.kind == "moved_301":
            return Response("", 301, {"Location": "https://moved.example.invalid/"})
        if fault.kind == "html_200":
            return Response("<!doctype html><title>Sign in</title><p>Please sign in.", mimetype="text/html")
        if fault.kind in {"half_page", "malformed_json"}:
            return cut(route.view(call), is_length_kept=fault.kind == "half_page")
        return provider.fault(fault, call.operation)


@cache
def routes_of(providers: tuple[Provider, ...]) -> Map:
    """Where each path leads. Made once: that takes a tenth of a second, and many tests have a sandbox of their own."""
    return Map(
        [
            Rule(route.path, methods=[route.method], endpoint=(provider, route))
            for provider in providers
            for route in provider.routes
        ],
        merge_slashes=False,
    )


def cut(response: Response, *, is_length_kept: bool) -> Response:
    """The first half of an answer. With its whole length announced, the connection closes early."""
    body = response.get_data()
    half = Response(body[: len(body) // 2], response.status_code, content_type=response.content_type)
    if is_length_kept:
        half.headers["Content-Length"] = str(max(len(body), 1))
    return half


def overridden(request: Request) -> Request:
    """A POST that says X-HTTP-Method-Override is that method, its form joined to the query.

    Google's client does so for addresses over 2048 characters.
    """
    method = request.headers.get("X-HTTP-Method-Override", "").upper()
    if request.method != "POST" or not method:
        return request
    parts = [request.query_string.decode(), request.get_data(as_text=True)]
    request.environ["QUERY_STRING"] = "&".join(part for part in parts if part)
    request.environ["REQUEST_METHOD"] = method
    request.environ["CONTENT_LENGTH"] = "0"
    return Request(request.environ)


def entry(call: Call, account: str, response: Response) -> dict[str, object]:
    """A call for the record. A repeated parameter is a list; tokens are left out."""
    query = {
        key: values[0] if len(values) == 1 else values
        for key, values in call.request.args.lists()
        if key not in SECRET_PARAMETERS
    }
    return {
        "operation": call.operation,
        "account": account,
        "query": query,
        "status": response.status_code,
        "at": iso(call.world.clock.now()),
    }
