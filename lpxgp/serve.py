"""The embedded web server: waitress, which reads a request whole before a thread sees it.

So a slow client keeps a socket and not a thread, and a chunked body arrives with its length; gunicorn's threads need a
proxy in front of them for both (docs/deploy.md). What waitress forgives, and a proxy may read differently, is refused.
"""

import re
import signal
from collections import Counter
from types import FrameType
from typing import Any

from django.conf import settings
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.server import BaseWSGIServer, create_server
from waitress.utilities import BadRequest

from lpxgp.wsgi import application

ROOM_FOR_AN_ANSWER = 64 * 1024
"""Bytes over the product's own limit that still reach it, so that it can say itself what is too large."""

MAX_CHUNK_LINE = 1024
"""Bytes of a chunk's size with its extensions, and of the fields after the last chunk. Nobody sends us either."""

REQUEST_LINE = re.compile(rb"[A-Z]+ [^ ]+ HTTP/1\.[01]")
# waitress matches a line that holds one of these in the square of its length: seconds for the largest.
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)


class Parser(HTTPRequestParser):
    """Refuses with 400, and the end of the connection, what RFC 9112 lets a server refuse and waitress does not."""

    def received(self, data: bytes) -> int:
        """Take in bytes; how many of them belong to this request."""
        consumed: int = super().received(data)
        if self.chunked and max(len(self.body_rcv.control_line), len(self.body_rcv.trailer)) > MAX_CHUNK_LINE:
            self.error, self.completed = BadRequest("Chunk line too long"), True
        if self.error or self.body_rcv is None:
            # Told to continue, waitress would wait for the body of a request that is refused or has none.
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read request line and headers. Raises ParsingError."""
        flaw = _flaw(header_plus)
        if flaw:
            raise ParsingError(flaw)
        try:
            super().parse_header(header_plus)
        except (ValueError, TransferEncodingNotImplemented) as error:
            raise ParsingError(str(error)) from error
        if not self.path.startswith("/") or (self.proxy_netloc and self.proxy_netloc != self.headers.get("HOST")):
            raise ParsingError("Not an address of this server")


def _flaw(header_plus: bytes) -> str:
    """Why a request is refused before it is parsed; empty if it is not."""
    first_line, *lines = header_plus.split(b"\r\n")
    if not REQUEST_LINE.fullmatch(first_line) or first_line.startswith((b"CONNECT ", b"TRACE ")):
        return "Request line not supported"
    if CONTROL.search(header_plus):
        return "Control character"
    if any(line.startswith((b" ", b"\t")) for line in lines):
        return "Folded header line"
    fields = Counter(line.partition(b":")[0].lower() for line in lines)
    if fields[b"host"] > 1 or fields[b"content-length"] + fields[b"transfer-encoding"] > 1:
        return "Ambiguous headers"
    # A server of HTTP/1.0 does not know chunks: it would take them for the next request.
    if fields[b"transfer-encoding"] and not (CHUNKED.search(header_plus) and first_line.endswith(b"1.1")):
        return "Transfer-Encoding not supported"
    return ""


class Channel(HTTPChannel):
    """A connection on which a request has ``channel_timeout`` seconds in all, however slowly its bytes keep coming."""

    parser_class = Parser
    last_activity: float

    def handle_read(self) -> None:
        """Read what there is; only a request's first bytes count as activity, after which waitress closes."""
        unfinished, began = self.request, self.last_activity
        super().handle_read()
        if unfinished is not None and self.request is unfinished:
            self.last_activity = began


def create(wsgi: Any, host: str, port: int, **options: Any) -> Any:
    """A waitress server for ``wsgi`` with our limits; ``run()`` serves. Port 0 takes a free one."""
    limits = {
        "threads": 8,
        "connection_limit": 1000,
        "asyncore_use_poll": True,
        "channel_timeout": 30,
        "cleanup_interval": 5,
        "max_request_header_size": 16 * 1024,
        "max_request_body_size": settings.WEBHOOK_MAX_BYTES + ROOM_FOR_AN_ANSWER,
        # Without a proxy in front, whoever sends these headers made them up.
        "clear_untrusted_proxy_headers": not settings.TRUSTED_PROXY_COUNT,
        "ident": None,
    }
    sockets: dict[int, Any] = options.setdefault("map", {})
    server = create_server(wsgi, host=host, port=port, **{**limits, **options})
    for listener in sockets.values():
        if isinstance(listener, BaseWSGIServer):
            listener.channel_class = Channel
    return server


def run(host: str, port: int) -> None:
    """Serve the product until SIGTERM or Ctrl-C; requests under way are answered first."""
    signal.signal(signal.SIGTERM, _leave)
    create(application, host, port).run()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
