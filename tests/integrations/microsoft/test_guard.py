"""Nothing can be changed or sent at Microsoft, whatever the code above the transport tries."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from integrations import providers
from integrations.providers.microsoft import client, guard
from tests.integrations.email.canned import Canned

GRAPH = "https://graph.microsoft.com/v1.0"
LOGIN = "https://login.microsoftonline.com"


def is_allowed(method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> bool:
    request = requests.Request(method, url, data=body, headers=dict(headers or {}))
    return guard.is_allowed(requests.Session().prepare_request(request))


def items(*requests: object) -> bytes:
    return json.dumps({"requests": list(requests)}).encode()


GET = {"id": "1", "method": "GET", "url": "/me/messages/1", "headers": {"Prefer": client.prefer()}}


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", f"{GRAPH}/me/calendarView/delta?startDateTime=x&$deltatoken=y", None),
        ("GET", f"{GRAPH}/me/mailFolders('inbox')/messages?$filter=a&%24select=id", None),
        ("GET", f"{LOGIN}/common/v2.0/.well-known/openid-configuration", None),
        ("POST", f"{LOGIN}/organizations/oauth2/v2.0/token", {"grant_type": "refresh_token"}),
        ("POST", f"{GRAPH}/subscriptions", b"{}"),
        ("PATCH", f"{GRAPH}/subscriptions/7f105c7d-2dc5-4530-97cd-4e7ae6534c07", b"{}"),
        ("DELETE", f"{GRAPH}/subscriptions/7f105c7d-2dc5-4530-97cd-4e7ae6534c07", None),
        ("POST", f"{GRAPH}/subscriptions/7f105c7d-2dc5-4530-97cd-4e7ae6534c07/reauthorize", None),
        ("POST", f"{GRAPH}/$batch", items(GET)),
        ("POST", f"{GRAPH}/%24batch", items(GET, {**GET, "id": "2"})),
    ],
)
def test_reading_and_our_own_subscriptions_pass(method: str, url: str, body: Any) -> None:
    assert is_allowed(method, url, body)


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", f"{GRAPH}/me/sendMail", b"{}"),
        ("POST", f"{GRAPH}/me/events", b"{}"),
        ("POST", f"{GRAPH}/me/events/1/accept", b"{}"),
        ("POST", f"{GRAPH}/me/messages/1/move", b"{}"),
        ("POST", f"{GRAPH}/me/revokeSignInSessions", None),
        ("PATCH", f"{GRAPH}/me/messages/1", b"{}"),
        ("PUT", f"{GRAPH}/me/messages/1", b"{}"),
        ("DELETE", f"{GRAPH}/me/events/1", None),
        ("DELETE", f"{GRAPH}/subscriptions", None),
        ("DELETE", f"{GRAPH}/subscriptions/../me/events/1", None),
        ("DELETE", f"{GRAPH}/subscriptions/x%2F..%2F..%2Fme%2Fevents%2F1", None),
        ("PATCH", f"{GRAPH}/subscriptions/x/y", b"{}"),
        ("POST", f"{GRAPH}/subscriptions?$method=x", b"{}"),
        ("POST", "https://graph.microsoft.com/beta/subscriptions", b"{}"),
        ("POST", f"{LOGIN}/common/oauth2/v2.0/logout", None),
        ("POST", "https://graph.microsoft.com/common/oauth2/v2.0/token", None),
        ("GET", f"{GRAPH}/me/messages", b"body"),
        ("OPTIONS", f"{GRAPH}/me", None),
    ],
)
def test_all_else_is_stopped(method: str, url: str, body: Any) -> None:
    assert not is_allowed(method, url, body)


@pytest.mark.parametrize(
    "body",
    [
        items(),
        items(GET, {**GET, "method": "POST"}),
        items({**GET, "method": "get"}),
        items({**GET, "body": {}}),
        items({**GET, "dependsOn": ["1"]}),
        items({**GET, "url": "https://graph.microsoft.com/v1.0/me/sendMail"}),
        items({**GET, "url": "//elsewhere.example/x"}),
        items({**GET, "url": "/me/../../beta/me"}),
        items({**GET, "url": "/me/%2e%2e/x"}),
        items({**GET, "url": 5}),
        items({**GET, "headers": {"X-HTTP-Method-Override": "DELETE"}}),
        items({**GET, "headers": "x"}),
        items("GET"),
        json.dumps({"requests": GET}).encode(),
        json.dumps({"requests": [GET], "more": 1}).encode(),
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_batch_that_may_do_more_than_read_is_stopped(body: bytes) -> None:
    assert not is_allowed("POST", f"{GRAPH}/$batch", body)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "x-method-override"])
def test_no_header_may_name_another_method(header: str) -> None:
    assert not is_allowed("GET", f"{GRAPH}/me/messages/1", headers={header: "DELETE"})


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "0"}, {"Content-Length": "999"}, {"Transfer-Encoding": "chunked"}, {"Host": "x"}]
)
def test_a_body_is_as_long_as_it_says(headers: dict[str, str]) -> None:
    request = requests.Session().prepare_request(requests.Request("POST", f"{GRAPH}/subscriptions", data=b"{}"))
    request.headers.update(headers)

    assert not guard.is_allowed(request)


def test_what_our_own_calls_send_passes() -> None:
    canned = Canned(*[(200, {})] * 5)
    client.graph(canned.session, "GET", "/me/calendars", params={"$select": "id,name"}, page_size=50)
    client.graph(canned.session, "POST", "/subscriptions", body={"changeType": "created"})
    client.graph(canned.session, "PATCH", "/subscriptions/1-2", body={"expirationDateTime": "x"})
    client.graph(canned.session, "DELETE", "/subscriptions/1-2")
    list(client.batch(canned.session, {"a": "/me/messages/a?$select=id"}))

    provider = providers.get("microsoft")
    assert [provider.is_allowed(request) for request in canned.asked] == [True] * 5
    assert provider.hosts == ("login.microsoftonline.com", "graph.microsoft.com")
