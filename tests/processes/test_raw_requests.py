"""Bytes on a socket that no client library would send, to the real web servers: refused, and nobody else notices."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from integrations.models import Channel
from tests.processes.raw_requests import CHUNKED, CLOSE, FRAMING, HOST, OTHERS, UNFINISHED, get
from tests.processes.web import Web, live_channel, running

pytestmark = pytest.mark.processes

SLOW_CLIENTS = 200
FAULT = re.compile(r'Traceback|"logger": "(waitress|django\.request)", "level": "error"')


@pytest.fixture(scope="module")
def channel(database: str) -> Channel:
    return live_channel()


@pytest.fixture(scope="module")
def web(database: str, channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """``manage.py serve``, with nothing in front of it."""
    yield from serving(["manage.py", "serve"], database, channel, tmp_path_factory.mktemp("web") / "log")


@pytest.fixture(scope="module")
def gunicorn(database: str, channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """gunicorn with the product's own configuration."""
    yield from serving(["-m", "gunicorn", "lpxgp.wsgi"], database, channel, tmp_path_factory.mktemp("gunicorn") / "log")


def serving(arguments: list[str], database: str, channel: Channel, log: Path) -> Iterator[Web]:
    """Fails in the end if the server has stumbled over anything."""
    with running(arguments, database, channel, log) as web:
        yield web
    written = log.read_text(errors="replace")
    assert not FAULT.search(written), written[-5000:]


def assert_is_refused(answer: bytes, answers_at_most: int) -> None:
    """Closed, or answered by nothing but 4xx: nothing that was hidden in a body was taken for a request."""
    statuses = re.findall(rb"HTTP/1\.[01] (\d\d\d) ", answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))
    assert bool(statuses) == bool(answer), answer
    assert all(status.startswith(b"4") for status in statuses), answer
    assert len(statuses) <= answers_at_most, answer


@pytest.mark.parametrize("name", [*FRAMING, *OTHERS])
def test_the_embedded_server_refuses(web: Web, name: str) -> None:
    assert_is_refused(web.send({**FRAMING, **OTHERS}[name]), 1)
    web.is_well()


@pytest.mark.parametrize("name", FRAMING)
def test_gunicorn_refuses(gunicorn: Web, name: str) -> None:
    # It answers before it has looked at chunks that nobody asked for, and refuses them then.
    assert_is_refused(gunicorn.send(FRAMING[name]), 2)
    gunicorn.is_well()


def test_chunks_whose_length_nobody_told_are_taken(web: Web) -> None:
    assert web.push(CHUNKED, b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n").startswith(b"HTTP/1.1 202")


def test_a_body_is_asked_for_where_the_sender_waits_for_that(web: Web) -> None:
    answer = web.push(b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"{}")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202")


def test_a_request_without_a_body_is_answered_though_it_waits_to_be_asked_for_one(web: Web) -> None:
    assert web.send(get(b"/livez", HOST + CLOSE + b"Expect: 100-continue\r\n")).startswith(b"HTTP/1.1 200")


def test_the_address_may_be_absolute(web: Web) -> None:
    assert web.send(get(b"http://127.0.0.1/livez", HOST + CLOSE)).startswith(b"HTTP/1.1 200")


def test_two_hundred_unfinished_requests_hold_up_nobody(web: Web) -> None:
    starts = list(UNFINISHED.values())
    with ExitStack() as open_sockets:
        for number in range(SLOW_CLIENTS):
            client = open_sockets.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=10))
            client.sendall(starts[number % len(starts)])
        web.is_well()
    web.is_well()
