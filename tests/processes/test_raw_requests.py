"""Bytes on a socket that no client library would send, to the real web servers: refused, and nobody else notices."""

import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from django.utils import timezone

from integrations import channel_tokens
from integrations.models import Channel, Integration, SyncState
from lpxgp.demo_stage import answers, free_port
from relationships.models import Company, User
from tests.processes.conftest import ALIAS, ROOT, until
from tests.processes.product import STARTED_WITHIN, end
from tests.processes.raw_requests import CHUNKED, FRAMING, HOST, OTHERS, UNFINISHED, get, post
from webhooks.models import Delivery

pytestmark = pytest.mark.processes

SLOW_CLIENTS = 200


class Web(NamedTuple):
    """A running web server and a channel that its pushes belong to."""

    port: int
    channel: Channel

    def send(self, request: bytes) -> bytes:
        """All that was answered until the server closed; fails if it keeps the connection open."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            try:
                client.sendall(request)
                while received := client.recv(65536):
                    answer += received
            except (BrokenPipeError, ConnectionResetError):
                pass  # closed before we had sent everything
            except TimeoutError:
                pytest.fail(f"the connection is still open after {answer[:200]!r}")
        return answer

    def is_well(self) -> None:
        """A page and a push get through at once, and the push is stored."""
        began = time.monotonic()
        assert self.send(get(b"/livez", HOST + b"Connection: close\r\n")).startswith(b"HTTP/1.1 200")
        assert self.push().startswith(b"HTTP/1.1 202")
        assert time.monotonic() - began < 3

    def push(self, headers: bytes = b"Content-Length: 0\r\n", body: bytes = b"") -> bytes:
        """The answer to a new push as Google makes it; checks that what is accepted is stored."""
        number = Delivery.objects.using(ALIAS).count() + 1
        signed = {
            "X-Goog-Channel-ID": self.channel.channel_id,
            "X-Goog-Channel-Token": channel_tokens.make(self.channel.channel_id),
            "X-Goog-Resource-ID": self.channel.resource_id,
            "X-Goog-Resource-State": "exists",
            "X-Goog-Message-Number": str(number),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items()).encode()
        answer = self.send(post(lines + b"Connection: close\r\n" + headers, body))
        assert Delivery.objects.using(ALIAS).count() == number, answer
        return answer


@pytest.fixture(scope="module")
def channel(database: str) -> Channel:
    company = Company.objects.using(ALIAS).create(name="Acme Partners")
    user = User.objects.db_manager(ALIAS).create_user("alice@acme.example", company=company)
    owned = {"company": company, "provider": "google"}
    integration = Integration.unscoped.using(ALIAS).create(
        user=user, integration_type="calendar", encrypted_tokens=b"x", external_account_id="118", **owned
    )
    state = SyncState.unscoped.using(ALIAS).create(
        company=company, integration=integration, resource_type="calendar", external_id=user.email, is_chosen=True
    )
    return Channel.unscoped.using(ALIAS).create(
        user=user,
        integration=integration,
        sync_state=state,
        channel_id=str(uuid.uuid4()),
        channel_token="encrypted",
        resource_id="resource-1",
        expires_at=timezone.now() + timedelta(days=7),
        state=Channel.State.LIVE,
        **owned,
    )


@contextmanager
def running(arguments: list[str], port: int, database: str, log: Path) -> Iterator[None]:
    """A web server as an operator starts it; fails if it wrote a traceback or answered a 5xx."""
    environment = {"DATABASE_URL": database, "BIND": f"127.0.0.1:{port}", "WEB_CONCURRENCY": "1", "DEBUG": "1"}
    with log.open("wb") as output:
        process = psutil.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/livez"), STARTED_WITHIN, "the web server's start")
        yield
    finally:
        end(process)
    assert "Traceback" not in log.read_text(errors="replace"), log.read_text(errors="replace")[-5000:]


@pytest.fixture(scope="module")
def web(database: str, channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """``manage.py serve``, with nothing in front of it."""
    port = free_port(0)
    log = tmp_path_factory.mktemp("web") / "log"
    with running(["manage.py", "serve", "--port", str(port)], port, database, log):
        yield Web(port, channel)


@pytest.fixture(scope="module")
def gunicorn(database: str, channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """gunicorn with the product's own configuration."""
    port = free_port(0)
    log = tmp_path_factory.mktemp("gunicorn") / "log"
    with running(["-m", "gunicorn", "lpxgp.wsgi"], port, database, log):
        yield Web(port, channel)


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
    assert web.send(get(b"/livez", HOST + b"Expect: 100-continue\r\nConnection: close\r\n")).startswith(b"HTTP/1.1 200")


def test_the_address_may_be_absolute(web: Web) -> None:
    assert web.send(get(b"http://127.0.0.1/livez", HOST + b"Connection: close\r\n")).startswith(b"HTTP/1.1 200")


def test_two_hundred_unfinished_requests_hold_up_nobody(web: Web) -> None:
    starts = list(UNFINISHED.values())
    with ExitStack() as open_sockets:
        for number in range(SLOW_CLIENTS):
            client = open_sockets.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=10))
            client.sendall(starts[number % len(starts)])
        web.is_well()
    web.is_well()
