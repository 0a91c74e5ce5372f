"""A web server of the product, and the bytes that it is sent and answers."""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.processes.raw_requests import CLOSE, HOST, get, post
from webhooks.models import Delivery


class Web(NamedTuple):
    """A running web server and a channel that its pushes belong to."""

    process: psutil.Popen
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
        assert self.send(get(b"/accounts/login/", HOST + CLOSE)).startswith(b"HTTP/1.1 200")
        assert self.push().startswith(b"HTTP/1.1 202")
        assert time.monotonic() - began < 3

    def push(self, headers: bytes = b"Content-Length: 0\r\n", body: bytes = b"", number: int = 0) -> bytes:
        """The answer to a push as Google makes it: a new one, unless its number was sent before.

        Checks that it is stored where the answer promises that, and not otherwise.
        """
        before = Delivery.objects.using(ALIAS).count()
        signed = {
            "X-Goog-Channel-ID": self.channel.channel_id,
            "X-Goog-Channel-Token": channel_tokens.make(self.channel.channel_id),
            "X-Goog-Resource-ID": self.channel.resource_id,
            "X-Goog-Resource-State": "exists",
            "X-Goog-Message-Number": str(number or before + 1),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items()).encode()
        answer = self.send(post(lines + b"Connection: close\r\n" + headers, body))
        assert Delivery.objects.using(ALIAS).count() == before + (b" 202 " in answer), answer
        return answer


def live_channel() -> Channel:
    """Of a linked calendar of a new company."""
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
def running(arguments: list[str], database: str, channel: Channel, log: Path) -> Iterator[Web]:
    """A web server as an operator starts it, on a free port; its output goes to ``log``."""
    port = free_port(0)
    address = {"HOST": "127.0.0.1", "PORT": str(port), "BIND": f"127.0.0.1:{port}", "WEB_CONCURRENCY": "1"}
    with log.open("wb") as output:
        process = psutil.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "DEBUG": "1", "DATABASE_URL": database, **address},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/livez"), STARTED_WITHIN, "the web server's start")
        yield Web(process, port, channel)
    finally:
        end(process)
