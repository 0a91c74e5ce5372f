"""The transport: allow-listed hosts, https, no redirects, whole answers in bounded time, rerouting."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from integrations import outbound
from integrations.errors import Permanent, Temporary


class Everything:
    """A reach whose hosts alone count."""

    hosts = ("api.provider.example", "*.tenant.example")

    def is_allowed(self, request: requests.PreparedRequest) -> bool:
        return True


ALL = Everything()


class Far(BaseHTTPRequestHandler):
    """A far side that misbehaves as its path says."""

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", "100" if self.path in {"/half", "/drip"} else "5")
        self.end_headers()
        self.wfile.write(b"hello")
        self.wfile.flush()
        if self.path == "/drip":
            self.server.patience.wait(5)  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def far(settings: Settings) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Far)
    server.patience = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    settings.PROVIDER_ORIGINS = {"https://api.provider.example": base, "https://*.tenant.example": base}
    yield "https://api.provider.example"
    server.patience.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_a_rerouted_answer_still_belongs_to_the_real_address(far: str) -> None:
    answer = outbound.session(ALL, "token").get(f"{far}/")

    assert answer.text == "hello"
    assert answer.url == f"{far}/"
    assert outbound.session(ALL).get("https://acme.tenant.example/").text == "hello"


def test_the_real_host_stands_in_the_base_of_a_pattern(settings: Settings) -> None:
    settings.PROVIDER_ORIGINS = {"https://*.tenant.example": "http://127.0.0.1:9/tenants/{host}"}

    assert outbound.rerouted("https://acme.tenant.example/a?b=%7Bhost%7D") == (
        "http://127.0.0.1:9/tenants/acme.tenant.example/a?b=%7Bhost%7D"
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "http://api.provider.example/",
        "https://api.provider.example:8443/",
        "https://api.provider.example.evil.example/",
        "https://user:pass@api.provider.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "http://localhost:6379/",
        "https://tenant.example/",
        "https://api.provider.example@evil.example/",
        "https://evil.example#api.provider.example",
    ],
)
def test_no_other_address_is_ever_asked(far: str, address: str) -> None:
    with pytest.raises(Permanent):
        outbound.session(ALL, "token").get(address)


@pytest.mark.parametrize("path", ["redirect", "half"])
def test_redirects_and_half_answers_are_trouble(far: str, path: str) -> None:
    with pytest.raises(Temporary):
        outbound.session(ALL, "token").get(f"{far}/{path}")


def test_a_dripping_answer_ends_at_the_deadline(far: str) -> None:
    with pytest.raises(Temporary):
        outbound.session(ALL, total_seconds=0.3).get(f"{far}/drip")


def test_a_refused_connection_is_trouble_not_a_bug(settings: Settings) -> None:
    settings.PROVIDER_ORIGINS = {"https://api.provider.example": "http://127.0.0.1:1"}
    with pytest.raises(Temporary):
        outbound.session(ALL).get("https://api.provider.example/")


def test_retry_after_is_read_as_seconds_or_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    assert outbound.retry_after({"Retry-After": "7"}) == 7
    assert 80 < (outbound.retry_after({"retry-after": soon}) or 0) <= 90
    assert outbound.retry_after({}) is None
    assert outbound.retry_after({"Retry-After": "99999999"}) == 86400


@given(st.text(max_size=40))
def test_any_retry_after_is_survived(value: str) -> None:
    found = outbound.retry_after({"Retry-After": value})
    assert found is None or 0 <= found <= 86400
