"""An address for Graph's notifications, which answers handshakes as told, and how to subscribe it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.clock import parse_instant
from tests.sandbox.conftest import until
from tests.sandbox.graph import Graph
from tests.sandbox.person import Json, Scene

ANNA = "anna@contoso.example"
SECRET = "s" * 128
Shake = Callable[[str], tuple[int, str, str]]


def good(token: str) -> tuple[int, str, str]:
    """The handshake as it should be: status, type, body."""
    return 200, "text/plain", token


class Hook:
    """``handshakes`` are the paths asked, ``came`` the notifications by request; ``answers`` first, then 202.

    ``during`` a handshake, and ``before_answer`` to notifications, runs what a test wants.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.handshakes: list[str] = []
        self.came: list[list[Json]] = []
        self.answers: list[int] = []
        self.shake: Shake = good
        self.during: Callable[[], None] = lambda: None
        self.before_answer: Callable[[], None] = lambda: None

    @property
    def items(self) -> list[Json]:
        """All notifications, in the order they came."""
        return [item for request in self.came for item in request]


@contextmanager
def listening() -> Iterator[Hook]:
    """A live one on loopback."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = parse_qs(urlsplit(self.path).query).get("validationToken")
            if asked:
                hook.handshakes.append(self.path.partition("validationToken=")[0])
                hook.during()
                self.reply(*hook.shake(asked[0]))
            else:
                hook.came.append(json.loads(body)["value"])
                hook.before_answer()
                self.reply(hook.answers.pop(0) if hook.answers else 202, "text/plain", "")

        def reply(self, status: int, kind: str, text: str) -> None:
            # Whoever waited too long has hung up by now.
            with suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    hook = Hook(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def later(scene: Scene, minutes: float) -> str:
    now: datetime = parse_instant(scene.get("health")["now"])
    return (now + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def order(scene: Scene, hook: Hook, **changes: Any) -> Json:
    """The body of a creation; None leaves a name out."""
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": f"{hook.url}/webhooks/calendar-event",
        "lifecycleNotificationUrl": f"{hook.url}/webhooks/calendar-event?lifecycle=1",
        "resource": "/me/events",
        "expirationDateTime": later(scene, 10_000),
        "clientState": SECRET,
    } | changes
    return {name: value for name, value in body.items() if value is not None}


def subscribe(graph: Graph, hook: Hook, headers: dict[str, str] | None = None, **changes: Any) -> Json:
    """Create one that is taken."""
    answer = graph.post("/subscriptions", order(graph.scene, hook, **changes), headers=headers)
    assert answer.status_code == 201, answer.text
    created: Json = answer.json()
    return created


def notify(scene: Scene, *ids: str, kind: str = "events", **more: Any) -> None:
    scene.post("microsoft/notify", account=more.pop("account", ANNA), kind=kind, ids=list(ids), **more)


def settle(scene: Scene) -> None:
    """Wait until every request is done with."""
    until(lambda: scene.get("idle")["pending"] == 0)
