"""The contract of ingestion, line by line."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from integrations import channel_tokens
from integrations.contract import Claim
from integrations.models import Channel, SyncState
from tests.webhooks.conftest import Push, google_headers, make_channel
from webhooks import inbox, senders
from webhooks.inbox import Receipt
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
PATH = "/webhooks/calendar-event"


def test_a_push_is_stored_by_one_statement(
    push: Push, channel: Channel, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        response = push(channel, 7)
    assert response.status_code == 202
    delivery = Delivery.objects.get()
    assert delivery.dedupe_key == f"{channel.channel_id}:7"
    assert (delivery.company_id, delivery.sync_state_id) == (channel.company_id, channel.sync_state_id)
    assert (delivery.status, delivery.attempts, delivery.webhook_type) == ("received", 0, "calendar-event")
    assert bytes(delivery.body) == b""
    assert delivery.headers["x-goog-resource-state"] == "exists"


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_since_the_last_push_costs_none(push: Push, channel: Channel) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connection that could die.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", pid)
    other.close()
    assert push(channel).status_code == 202
    assert Delivery.objects.count() == 1


def test_no_secret_is_stored(push: Push, channel: Channel) -> None:
    push(channel)
    assert not any("token" in name for name in Delivery.objects.get().headers)
    assert "." not in json.dumps(list(Delivery.objects.get().headers)).replace("x-goog", "")


def test_the_same_push_again_is_one_row_and_answered_at_once(push: Push, channel: Channel) -> None:
    assert push(channel).status_code == 202
    assert [push(channel).status_code for _ in range(3)] == [200, 200, 200]
    assert Delivery.objects.count() == 1


def test_the_address_may_name_the_provider(push: Push, channel: Channel) -> None:
    assert push(channel, path=f"{PATH}/google").status_code == 202


def test_a_body_is_encrypted_and_comes_back(push: Push, channel: Channel) -> None:
    body = b'{"secret thing": "\\u0000"}'
    assert push(channel, body=body).status_code == 202
    delivery = Delivery.objects.get()
    assert b"secret thing" not in bytes(delivery.body)
    assert inbox.body_of(delivery) == body


def test_the_first_push_may_come_before_the_channel_is_known_to_be_open(push: Push, state: SyncState) -> None:
    opening = make_channel(state, state=Channel.State.OPENING, resource_id="", expires_at=None)
    response = push(opening, 1, X_Goog_Resource_State="sync", X_Goog_Resource_ID="not-known-to-us-yet")
    assert response.status_code == 202


@pytest.mark.parametrize("dead", [Channel.State.STOPPED, Channel.State.EXPIRED, Channel.State.FAILED])
def test_a_dead_channel_is_as_unknown_as_none(push: Push, state: SyncState, dead: str) -> None:
    assert push(make_channel(state, state=dead)).status_code == 404
    assert push(Channel(channel_id="never-opened", resource_id="resource-1")).status_code == 404
    assert not Delivery.objects.exists()


def test_a_lapsed_channel_and_a_foreign_resource_are_refused(push: Push, channel: Channel, state: SyncState) -> None:
    lapsed = make_channel(state, expires_at=timezone.now() - timedelta(seconds=1))
    assert push(lapsed).status_code == 404
    assert push(channel, X_Goog_Resource_ID="another").status_code == 404
    assert push(channel, X_Goog_Resource_ID=None).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"X_Goog_Channel_Token": None},
        {"X_Goog_Channel_Token": ""},
        {"X_Goog_Channel_Token": "wrong"},
        {"X_Goog_Channel_Token": "k\xe9y.n.m"},
        {"X_Goog_Channel_Token": channel_tokens.make("another-channel")},
        {"X_Goog_Channel_ID": "another-channel"},
    ],
)
def test_what_proves_nothing_learns_nothing(push: Push, channel: Channel, change: dict[str, str | None]) -> None:
    response = push(channel, **change)
    assert response.status_code == 401
    unknown = push(channel, path="/webhooks/no-such-type")
    assert unknown.status_code == 404
    assert response.content == unknown.content
    assert not response.cookies
    assert not Delivery.objects.exists()


def test_a_channel_sent_twice_in_one_request_is_refused(client: Client, channel: Channel) -> None:
    headers = google_headers(channel)
    doubled = f"{channel.channel_id}, {channel.channel_id}"  # what WSGI makes of two headers of one name
    response = client.post(PATH, content_type="application/json", headers={**headers, "X-Goog-Channel-ID": doubled})
    assert response.status_code == 401


@pytest.mark.parametrize("path", ["/webhooks/nothing", f"{PATH}/nobody", "/webhooks/calendar-event/microsoft_"])
def test_an_address_that_nobody_was_given_is_not_there(push: Push, channel: Channel, path: str) -> None:
    assert push(channel, path=path).status_code == 404


def test_a_request_that_no_provider_recognises_is_not_there(client: Client) -> None:
    assert client.post(PATH, data=b"{}", content_type="application/json").status_code == 404


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_only_post(client: Client, method: str) -> None:
    assert getattr(client, method)(PATH).status_code == 405


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ({"CONTENT_LENGTH": ""}, 202),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": "1_0"}, 400),
        ({"CONTENT_LENGTH": "٣"}, 400),
        ({"CONTENT_LENGTH": "1048577"}, 413),
        ({"CONTENT_LENGTH": "9" * 5000}, 413),
        ({"CONTENT_LENGTH": "5", "wsgi.input": io.BytesIO(b"{}")}, 400),
        ({"CONTENT_TYPE": "text/html"}, 415),
        ({"CONTENT_TYPE": "multipart/form-data; boundary=x"}, 415),
        ({"CONTENT_TYPE": "application/x-www-form-urlencoded"}, 415),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, 415),
        ({"HTTP_CONTENT_ENCODING": "identity, br"}, 415),
        ({"HTTP_CONTENT_ENCODING": "Identity"}, 202),
        ({"HTTP_ACCEPT": "text/html"}, 202),
        ({"CONTENT_TYPE": ""}, 202),
    ],
)
def test_headers_are_judged_before_the_body(
    client: Client, channel: Channel, environ: dict[str, Any], status: int
) -> None:
    response = client.generic(
        "POST", PATH, headers=google_headers(channel), **{"CONTENT_TYPE": "application/json", **environ}
    )
    assert response.status_code == status


def test_the_largest_body_passes_and_one_byte_more_does_not(push: Push, channel: Channel) -> None:
    assert push(channel, 1, body=b"x" * 1024 * 1024).status_code == 202
    assert push(channel, 2, body=b"x" * (1024 * 1024 + 1)).status_code == 413


HOSTILE = [
    b"[" * 200_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a": NaN, "b": Infinity}',
    b'{"a": "\\u0000"}',
    b'{"a": "\\ud800"}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b"\xff\xfe\x00",
    b"\0",
    b'{"a": 1, "a": 2}',
    b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
]


@pytest.mark.parametrize("body", HOSTILE)
def test_a_hostile_body_is_stored_as_it_is(push: Push, channel: Channel, body: bytes) -> None:
    assert push(channel, body=body).status_code == 202
    assert inbox.body_of(Delivery.objects.get()) == body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RecursionError(), 400),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), 400),
        (ValueError("bad"), 400),
        (KeyError("ours"), 503),
    ],
)
def test_what_a_provider_cannot_read_is_never_500(
    push: Push, channel: Channel, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def verify(*_: object) -> Claim:
        raise error

    monkeypatch.setattr(senders.by_type()["calendar-event"]["google"], "verify", verify)
    response = push(channel)
    assert response.status_code == status
    assert ("Retry-After" in response.headers) == (status == 503)


def test_trouble_with_the_database_asks_to_send_again(
    push: Push, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Receipt:
        raise OperationalError("disk full")

    monkeypatch.setattr(inbox, "receive", fail)
    response = push(channel)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert b"disk" not in response.content


def test_an_address_that_gets_too_much_says_when_to_come_again(
    push: Push, channel: Channel, settings: pytest.FixtureRequest
) -> None:
    settings.WEBHOOK_MAX_PER_SECOND = 2  # type: ignore[attr-defined]
    codes = [push(channel, number).status_code for number in range(4)]
    assert codes[:2] == [202, 202]
    response = push(channel, 9)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "1"
    assert push(channel, 10, path=f"{PATH}/google").status_code == 202


def test_a_session_cookie_costs_no_query(
    push: Push, channel: Channel, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.cookies["sessionid"] = "x" * 32
    with django_assert_num_queries(1):
        response = push(channel)
    assert response.status_code == 202
    assert not response.cookies
    assert "Set-Cookie" not in response.headers


def test_a_claim_without_a_channel_is_stored_once(django_assert_num_queries: DjangoAssertNumQueries, db: None) -> None:
    claim = Claim(dedupe_key="event-1", headers={"x-id": "\ud800\0ok"})
    with django_assert_num_queries(1):
        assert inbox.receive("google", "calendar-event", claim, b"{}") is Receipt.STORED
    assert inbox.receive("google", "calendar-event", claim, b"{}") is Receipt.DUPLICATE
    assert inbox.receive("other", "calendar-event", claim, b"{}") is Receipt.STORED
    assert Delivery.objects.filter(company=None).count() == 2
    assert Delivery.objects.filter(headers={"x-id": "?ok"}).count() == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(key=st.text(max_size=300), channel_id=st.text(max_size=300), resource=st.text(max_size=20))
def test_no_text_of_a_sender_breaks_the_statement(channel: Channel, key: str, channel_id: str, resource: str) -> None:
    claim = Claim(dedupe_key=key, headers={"x": key}, channel_id=channel_id or "x", resource_id=resource)
    assert inbox.receive("google", "calendar-event", claim, b"") is Receipt.UNKNOWN


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    name=st.sampled_from(
        ["X-Goog-Channel-ID", "X-Goog-Channel-Token", "X-Goog-Message-Number", "X-Goog-Resource-State"]
    ),
    value=st.text(st.characters(max_codepoint=255), max_size=400),
)
def test_no_header_of_a_sender_makes_500(client: Client, channel: Channel, name: str, value: str) -> None:
    response = client.post(PATH, content_type="application/json", headers={**google_headers(channel), name: value})
    assert response.status_code in {200, 202, 400, 401, 404}
