"""An address that Salesforce tells of changes: it keeps what came and answers as told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

from tests.sandbox.conftest import until
from tests.sandbox.person import Scene
from tests.sandbox.salesforce import FIXTURES

ACK = (FIXTURES / "outbound_message_ack.xml").read_bytes()
OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
RECORD = "{urn:sobject.enterprise.soap.sforce.com}"


class Ear:
    """``came`` are headers and bodies; ``answers`` first (status, type, body), then an acknowledgement."""

    def __init__(self) -> None:
        self.url = ""
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, str, bytes]] = []

    def wait_for(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """The first messages, within ten seconds."""
        until(lambda: len(self.came) >= count)
        return self.came[:count]

    def envelopes(self) -> list[Element]:
        """What came, as XML."""
        return [fromstring(body) for _, body in self.came]


@contextmanager
def listening() -> Iterator[Ear]:
    """A live one on loopback."""
    ear = Ear()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            ear.came.append((dict(self.headers), body))
            status, kind, content = ear.answers.pop(0) if ear.answers else (200, "text/xml; charset=utf-8", ACK)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    ear.url = f"http://127.0.0.1:{server.server_port}/webhooks/crm"
    try:
        yield ear
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def settle(scene: Scene) -> None:
    """Wait until every message is done with."""
    until(lambda: scene.get("idle")["pending"] == 0)
