"""Nothing at Google can be changed or sent, whatever the code asks: every call of both APIs is tried."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from googleapiclient import discovery_cache
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from integrations import outbound, providers
from integrations.email import batch
from integrations.email.gmail import listing
from integrations.errors import Permanent
from integrations.providers import google
from lpxgp.social import exchange

GMAIL, CALENDAR = "https://gmail.googleapis.com", "https://www.googleapis.com"
SINCE = datetime(2026, 8, 1, tzinfo=UTC)
ME = f"{GMAIL}/gmail/v1/users/me"
EVENTS = f"{CALENDAR}/calendar/v3/calendars/primary/events"

MAY_BE_POSTED = {
    "gmail.users.watch",
    "gmail.users.stop",
    "calendar.events.watch",
    "calendar.channels.stop",
}


def methods(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every call of an API, by the document Google's client is made from."""
    yield from node.get("methods", {}).values()
    for inner in node.get("resources", {}).values():
        yield from methods(inner)


def calls() -> Iterator[Any]:
    for name, version in (("gmail", "v1"), ("calendar", "v3")):
        document = json.loads(discovery_cache.get_static_doc(name, version))
        for method in methods(document):
            path = re.sub(r"\{\+?(\w+)\}", lambda found: "me" if found[1] == "userId" else "x1", method["path"])
            url = document["rootUrl"] + document["servicePath"] + path
            yield pytest.param(method["httpMethod"], url, method["id"], id=method["id"])


class Recorder(BaseHTTPRequestHandler):
    """A Google that would do anything; it writes down what it was asked."""

    def answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer

    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture(scope="module")
def recorder() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def asked(recorder: ThreadingHTTPServer, settings: Settings) -> list[str]:
    """What reached Google."""
    base = f"http://127.0.0.1:{recorder.server_port}"
    hosts = providers.get("google").hosts
    settings.PROVIDER_ORIGINS = {f"https://{host}": base for host in hosts}
    recorder.asked = []  # type: ignore[attr-defined]
    return recorder.asked  # type: ignore[attr-defined]


@pytest.fixture
def http() -> requests.Session:
    return outbound.session(providers.get("google"), "token")


@pytest.mark.parametrize(("method", "url", "name"), list(calls()))
def test_of_all_calls_only_reading_and_watching_get_through(
    method: str, url: str, name: str, http: requests.Session, asked: list[str]
) -> None:
    body = None if method == "GET" else {"x": 1}
    if method == "GET" or name in MAY_BE_POSTED:
        http.request(method, url, json=body)
        assert len(asked) == 1
        return
    with pytest.raises(Permanent, match="stopped on its way"):
        http.request(method, url, json=body)
    assert asked == []


@pytest.mark.parametrize("body", [{"summary": "x"}, {}])
def test_the_typed_client_is_stopped_too(body: dict[str, Any], http: requests.Session, asked: list[str]) -> None:
    users = google.api("gmail", "v1").users()
    tries = [
        google.api("calendar", "v3").events().insert(calendarId="primary", body=body),
        google.api("calendar", "v3").events().delete(calendarId="primary", eventId="x"),
        users.messages().send(userId="me", body=body),
        users.messages().modify(userId="me", id="1", body=body),
        users.messages().trash(userId="me", id="1"),
        users.messages().batchDelete(userId="me", body=body),
        users.drafts().create(userId="me", body=body),
    ]
    for request in tries:
        with pytest.raises(Permanent):
            google.run(request, http)
    assert asked == []


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TRICKS = [
    ("POST", f"{ME}/messages/send", {"X-HTTP-Method-Override": "GET", **FORM}, "raw=x"),
    ("POST", f"{ME}/watch", {"X-HTTP-Method-Override": "DELETE"}, ""),
    ("POST", f"{ME}/watch", {"x-http-method": "PUT"}, ""),
    ("POST", f"{ME}/watch", {"X-Method-Override": "PUT"}, ""),
    ("POST", f"{ME}/messages", {"X-HTTP-Method-Override": "get", **FORM}, "q=x"),
    ("POST", f"{ME}/messages", {"X-HTTP-Method-Override": "GET"}, "q=x"),
    ("POST", f"{ME}/messages", {"X-HTTP-Method-Override": "GET", "X-HTTP-Method": "POST", **FORM}, "q=x"),
    ("POST", f"{ME}/messages", {"X-HTTP-Method-Override": "GET", **FORM}, "q=x&%24httpMethod=POST"),
    ("POST", f"{ME}/messages?uploadType=media", {"X-HTTP-Method-Override": "GET", **FORM}, "q=x"),
    ("GET", f"{ME}/messages/1", {"X-HTTP-Method-Override": "DELETE"}, None),
    ("GET", f"{ME}/messages/1", {}, "x=1"),
    ("GET", f"{ME}/messages/1?$httpMethod=DELETE", {}, None),
    ("GET", f"{ME}/messages/1?%24httpHeaders=X-HTTP-Method-Override:DELETE", {}, None),
    ("GET", f"{ME}/messages/1?x_method=DELETE", {}, None),
    ("GET", f"{ME}/messages/1?x=1;$httpMethod=DELETE", {}, None),
    ("get", f"{ME}/messages/1", {"x-http-method-override": "POST"}, None),
    ("HEAD", f"{ME}/messages/1", {}, None),
    ("OPTIONS", f"{ME}/messages/1", {}, None),
    ("POST", f"{ME}/watch/../messages/send", {}, "{}"),
    ("POST", f"{ME}/watch/%2e%2e/messages/send", {}, "{}"),
    ("POST", f"{ME}//watch", {}, "{}"),
    ("POST", f"{ME}/watch/", {}, "{}"),
    ("POST", f"{ME}/watch;x", {}, "{}"),
    ("POST", f"{GMAIL}/gmail/v1/users/bob@acme.example/watch", {}, "{}"),
    ("POST", f"{GMAIL}/upload/gmail/v1/users/me/messages/send", {}, "x"),
    ("POST", f"{CALENDAR}/upload/gmail/v1/users/me/messages/send", {}, "x"),
    ("POST", f"{CALENDAR}/gmail/v1/users/me/watch", {}, "{}"),
    ("POST", f"{CALENDAR}/batch", {"Content-Type": batch.CONTENT_TYPE}, batch.written(["/calendar/v3/x"])),
    ("POST", f"{EVENTS}?x=/watch", {}, "{}"),
    ("POST", f"{EVENTS}/quickAdd?text=watch", {}, ""),
    ("POST", f"{EVENTS}/x/../watch/../../events", {}, "{}"),
    ("POST", f"{CALENDAR}/calendar/v3/calendars/a/b/events/watch", {}, "{}"),
    ("POST", "https://accounts.google.com/token", {}, "x=1"),
    ("POST", "https://oauth2.googleapis.com/tokeninfo", {}, "x=1"),
    ("POST", "https://gmail.googleapis.com:443/gmail/v1/users/me/messages/send", {}, "{}"),
]


@pytest.mark.parametrize(("method", "url", "sent", "body"), TRICKS)
def test_tricks_do_not_help(
    method: str, url: str, sent: dict[str, str], body: Any, http: requests.Session, asked: list[str]
) -> None:
    with pytest.raises(Permanent):
        http.request(method, url, headers=sent, data=body)
    # As it stands, without the tidying that a session does.
    prepared = requests.Request(method, url, headers=sent, data=body).prepare()
    prepared.url, prepared.method = url, method
    with pytest.raises(Permanent):
        http.send(prepared)
    assert asked == []


HIDDEN = f"POST {ME}/messages/send HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
FRAMES = [
    ("POST", {"Content-Length": "0"}, HIDDEN),
    ("POST", {"Content-Length": "2"}, "{}" + HIDDEN),
    ("POST", {"Content-Length": f"+{len(HIDDEN)}"}, HIDDEN),
    ("POST", {"Transfer-Encoding": "chunked"}, HIDDEN),
    ("POST", {"Host": "www.googleapis.com"}, "{}"),
    ("GET", {"Content-Length": "120"}, None),
    ("GET", {"Transfer-Encoding": "chunked"}, None),
]


@pytest.mark.parametrize(("method", "more", "body"), FRAMES)
def test_no_second_request_hides_behind_the_first(
    method: str, more: dict[str, str], body: str | None, http: requests.Session, asked: list[str]
) -> None:
    prepared = requests.Request(method, f"{ME}/watch", data=body).prepare()
    prepared.headers.update(more)
    with pytest.raises(Permanent):
        http.send(prepared)
    with pytest.raises(Permanent):
        http.post(f"{ME}/watch", data=iter([b"{}"]))
    assert asked == []


def hidden(*requests_inside: str) -> bytes:
    """A batch with these requests in it, written as our own are."""
    parts = (
        f"--{batch.BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <read + {number}>\r\n\r\n{inside}"
        for number, inside in enumerate(requests_inside)
    )
    return "".join([*parts, f"--{batch.BOUNDARY}--\r\n"]).encode()


GET = "GET /gmail/v1/users/me/messages/1 HTTP/1.1\r\n\r\n\r\n"
POST = "POST /gmail/v1/users/me/messages/send HTTP/1.1\r\n\r\n\r\n"
SEND = '\r\nPOST /gmail/v1/users/me/messages/send HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{"raw": "x"}\r\n'
OTHER = 'multipart/mixed; boundary="other"'
BATCHES = [
    (batch.CONTENT_TYPE, hidden(POST)),
    (batch.CONTENT_TYPE, hidden(GET, POST)),
    (batch.CONTENT_TYPE, hidden("DELETE /gmail/v1/users/me/messages/1 HTTP/1.1\r\n\r\n\r\n")),
    (batch.CONTENT_TYPE, hidden("GET /x HTTP/1.1\r\nX-HTTP-Method-Override: POST\r\n\r\n\r\n")),
    (batch.CONTENT_TYPE, hidden(GET.replace("/1", "/1?$httpMethod=DELETE", 1))),
    (batch.CONTENT_TYPE, hidden(GET.replace("/1", "/1?%24httpMethod=DELETE", 1))),
    (batch.CONTENT_TYPE, hidden("GET https://evil.example/ HTTP/1.1\r\n\r\n\r\n")),
    (batch.CONTENT_TYPE, hidden(GET + SEND)),
    (batch.CONTENT_TYPE, hidden(GET) + b"\r\n" + hidden(POST)),
    (batch.CONTENT_TYPE, b"preamble\r\n" + hidden(GET)),
    (batch.CONTENT_TYPE, hidden(GET).replace(b"\r\n", b"\n")),
    (batch.CONTENT_TYPE, hidden()),
    (batch.CONTENT_TYPE, b""),
    (batch.CONTENT_TYPE, hidden(GET).decode()),
    (OTHER, hidden(GET)),
    (OTHER, hidden(GET).replace(batch.BOUNDARY.encode(), b"other")),
    (f"{batch.CONTENT_TYPE}; boundary=other", hidden(GET)),
    (f"{batch.CONTENT_TYPE}, {OTHER}", hidden(GET)),
    ("application/json", hidden(GET)),
]


@pytest.mark.parametrize(("content_type", "body"), BATCHES)
@pytest.mark.parametrize("path", ["/batch", "/batch/gmail/v1"])
def test_no_request_that_changes_hides_in_a_batch(
    path: str, content_type: str, body: Any, http: requests.Session, asked: list[str]
) -> None:
    with pytest.raises(Permanent):
        http.post(GMAIL + path, data=body, headers={"Content-Type": content_type})
    assert asked == []


def test_a_batch_of_readings_gets_through_but_by_no_other_method(http: requests.Session, asked: list[str]) -> None:
    sent = {"Content-Type": batch.CONTENT_TYPE}
    http.post(
        f"{GMAIL}/batch/gmail/v1", data=batch.written(["/gmail/v1/users/me/messages/1?format=minimal"]), headers=sent
    )

    for more in ({"X-HTTP-Method-Override": "GET"}, {"X-HTTP-Method": "PUT"}):
        with pytest.raises(Permanent):
            http.post(f"{GMAIL}/batch/gmail/v1", data=batch.written(["/x"]), headers=sent | more)
    assert asked == ["POST /batch/gmail/v1"]


TEXT = st.text(st.characters(codec="latin-1"), max_size=30)


@given(before=TEXT, inside=TEXT, after=TEXT)
def test_a_batch_with_anything_added_is_none(before: str, inside: str, after: str) -> None:
    good = batch.written(["/gmail/v1/users/me/messages/1", "/gmail/v1/users/me/messages/2"]).decode()
    middle = len(good) // 2
    changed = before + good[:middle] + inside + good[middle:] + after
    is_path_only = batch.WRITABLE.fullmatch("/" + inside) and not before and not after

    assert bool(batch.asked(batch.CONTENT_TYPE, changed.encode("latin-1"))) == (changed == good) or is_path_only


def test_a_long_search_goes_as_a_post_that_says_it_is_a_get(http: requests.Session, asked: list[str]) -> None:
    people = tuple(f"somebody.with.a.long.name.{number}@pension.example" for number in range(25))
    (query,) = listing.pieces(people, (), since=SINCE)
    listing.page(http, "me", query)

    assert asked == ["POST /gmail/v1/users/me/messages"]


def test_sign_in_may_only_redeem_a_code_and_read(settings: Settings, asked: list[str]) -> None:
    http = exchange.session()
    http.post("https://oauth2.googleapis.com/token", data={"code": "x"})

    for method, url in (("POST", EVENTS), ("POST", f"{EVENTS}/watch"), ("DELETE", f"{EVENTS}/1")):
        with pytest.raises(requests.ConnectionError):
            http.request(method, url)
    assert asked == ["POST /token"]
