"""A disk that takes no more: pushes are answered 503, nothing breaks, and all goes on once there is room."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.processes.raw_requests import CLOSE, HOST, get
from tests.processes.web import Web, live_channel, running

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="Only SQLite's files are written by the server itself."),
]


@pytest.fixture
def web(database: str, tmp_path: Path) -> Iterator[Web]:
    with running(["manage.py", "serve"], database, live_channel(), tmp_path / "log") as web:
        yield web


def is_ready(web: Web) -> bool:
    return web.send(get(b"/readyz", HOST + CLOSE)).startswith(b"HTTP/1.1 200")


def test_a_push_that_finds_no_room_is_asked_for_again(web: Web) -> None:
    assert web.push().startswith(b"HTTP/1.1 202")
    assert is_ready(web)

    # No file of the server may grow beyond what SQLite wrote first: its next write fails as on a full disk.
    web.process.rlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    for _ in range(3):
        refused = web.push()
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 10\r\n" in refused
        assert b"Traceback" not in refused
    assert web.send(get(b"/livez", HOST + CLOSE)).startswith(b"HTTP/1.1 200")

    web.process.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert web.push().startswith(b"HTTP/1.1 202")
    assert is_ready(web)
