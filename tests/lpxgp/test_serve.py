"""The embedded server under clients that are slow, and under bodies of unknown length."""

import http.client
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread
from typing import Any

import pytest
from django.conf import settings
from waitress import wasyncore
from waitress.adjustments import Adjustments

from lpxgp import serve

SLOW_CLIENTS = 40


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with the body it read."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()]


@pytest.fixture
def port() -> Iterator[int]:
    """Where the server answers, with the limits of the product and an application that echoes."""
    with serving() as listening:
        yield listening


@contextmanager
def serving(**limits: int) -> Iterator[int]:
    sockets: dict[int, Any] = {}
    server = serve.create(echo, "127.0.0.1", 0, map=sockets, **limits)
    is_over: list[bool] = []

    def loop() -> None:
        while not is_over:
            wasyncore.loop(timeout=0.05, use_poll=True, map=sockets, count=1)

    thread = Thread(target=loop)
    thread.start()
    try:
        yield server.effective_port
    finally:
        is_over.append(True)
        thread.join()
        server.task_dispatcher.shutdown()
        for channel in list(sockets.values()):
            channel.close()


def post(port: int, body: Any, **options: Any) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/", body, **options)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_forty_slow_bodies_hold_up_nobody(port: int) -> None:
    with ExitStack() as open_sockets:
        for _ in range(SLOW_CLIENTS):
            client = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nthe first bytes")
        began = time.monotonic()

        assert post(port, b"hello") == (200, b"hello")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a"),
        (b"GET / HTTP/1.1\nHost: x\n", b"\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"a"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
)
def test_a_request_that_does_not_end_is_given_up(start: bytes, drop: bytes) -> None:
    with (
        serving(channel_timeout=1, cleanup_interval=1) as port,
        socket.create_connection(("127.0.0.1", port), timeout=0.1) as client,
    ):
        client.sendall(start)
        end = time.monotonic() + 10
        # Closed while a byte of ours was on its way, it is reset.
        with suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() < end:
                with suppress(TimeoutError):
                    assert client.recv(1) == b""
                    return
                client.sendall(drop)
            pytest.fail("the connection is still open")


def test_a_line_that_takes_long_to_match_is_refused_unmatched() -> None:
    parser = serve.Parser(Adjustments())
    began = time.process_time()
    parser.received(b"GET / HTTP/1.1\r\nHost: x\r\nX:" + b" \t" * 8000 + b"\0b\r\n\r\n")
    assert parser.error.code == 400
    assert time.process_time() - began < 0.3  # over a second otherwise


def test_a_connection_serves_one_request_after_another_for_longer_than_one_may_take() -> None:
    with serving(channel_timeout=1, cleanup_interval=1) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.connect()
        first, end = connection.sock, time.monotonic() + 2.5
        while time.monotonic() < end:
            connection.request("POST", "/", b"hello")
            assert connection.getresponse().read() == b"hello"
        assert connection.sock is first
        connection.close()


def test_a_chunked_body_arrives_whole(port: int) -> None:
    assert post(port, iter([b"one ", b"two"]), encode_chunked=True) == (200, b"one two")


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(port: int) -> None:
    too_long = settings.WEBHOOK_MAX_BYTES + serve.ROOM_FOR_AN_ANSWER + 1
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {too_long}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_that_is_too_long_is_refused(port: int) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 65536

    try:
        status = post(port, endless(), encode_chunked=True)[0]
    except (BrokenPipeError, ConnectionResetError):
        return  # refused before the client had sent everything
    assert status == 413
