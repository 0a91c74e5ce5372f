"""An address for Graph's notifications, which answers handshakes as told and remembers what came."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
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
