"""The embedded web server: waitress, which reads a request whole before a thread sees it.

So a slow client keeps a socket and not a thread, and a chunked body arrives with its length; gunicorn's threads need a
proxy in front of them for both (docs/deploy.md).
"""

import signal
from types import FrameType
from typing import Any

from django.conf import settings
from waitress.server import create_server

from lpxgp.wsgi import application

ROOM_FOR_AN_ANSWER = 64 * 1024
"""Bytes over the product's own limit that still reach it, so that it can say itself what is too large."""


def create(wsgi: Any, host: str, port: int, **options: Any) -> Any:
    """A waitress server for ``wsgi`` with our limits; ``run()`` serves. Port 0 takes a free one."""
    return create_server(
        wsgi,
        host=host,
        port=port,
        threads=8,
        connection_limit=1000,
        asyncore_use_poll=True,
        channel_timeout=60,
        cleanup_interval=10,
        max_request_header_size=32 * 1024,
        max_request_body_size=settings.WEBHOOK_MAX_BYTES + ROOM_FOR_AN_ANSWER,
        # Without a proxy in front, whoever sends these headers made them up.
        clear_untrusted_proxy_headers=not settings.TRUSTED_PROXY_COUNT,
        ident=None,
        **options,
    )


def run(host: str, port: int) -> None:
    """Serve the product until SIGTERM or Ctrl-C; requests under way are answered first."""
    signal.signal(signal.SIGTERM, _leave)
    create(application, host, port).run()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
