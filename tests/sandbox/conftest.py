"""A sandbox of one's own for every test: real sockets on loopback, nothing else."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep

import pytest

from sandbox.server import Sandbox
from tests.sandbox.person import Scene

ALICE, BOB = "alice@acme.example", "bob@acme.example"


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A fresh sandbox with Alice and Bob of Acme."""
    with Sandbox() as sandbox:
        scene = Scene(sandbox.url)
        scene.post("google/accounts", email=ALICE, name="Alice Ash", hd="acme.example")
        scene.post("google/accounts", email=BOB, name="Bob Birch", hd="acme.example")
        yield scene
        scene.http.close()


class Receiver:
    """A webhook address that remembers what came and answers as told: ``answers`` first, then 200."""

    def __init__(self) -> None:
        self.came: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.answers: list[int] = []
        self.url = ""

    def wait_for(self, count: int) -> list[dict[str, str]]:
        """The headers of the first ``count`` messages, within ten seconds."""
        until(lambda: len(self.came) >= count)
        return self.came[:count]

    @property
    def numbers(self) -> list[int]:
        return [int(headers["X-Goog-Message-Number"]) for headers in self.came]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A live webhook address on loopback."""
    receiver = Receiver()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            receiver.came.append(dict(self.headers))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/webhooks/calendar-event"
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


def until(is_so: Callable[[], bool]) -> None:
    """Poll until something is so; fail after ten seconds."""
    deadline = monotonic() + 10
    while not is_so():
        assert monotonic() < deadline, "waited ten seconds in vain"
        sleep(0.01)
