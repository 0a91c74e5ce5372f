"""Log lines: one JSON object each, and no secret whatever way it got there."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import requests
import structlog
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from lpxgp import logs

Lines = Callable[[], list[dict[str, Any]]]

CANARIES = [
    "ya29.a0AfH6SMBcanary-canary_canary",
    "1//0gcanaryCanary-canary_canary",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl",
    "00D5g000004abcd!AQcAQH0canary.canary_canary",
    "pat-na1-11111111-2222-3333-4444-canarycanary",
    "GOCSPX-canarycanarycanary",
    "Bearer opaque-canary-token",
    "?code=4/0AcanaryCanary",
    "&state=canary-of-a-state&",
    "google_client_secret=canary-secret",
    "refresh_token=canary-refresh",
    '"access_token": "canary-access"',
    "'id_token': 'canary-id'",
    "Authorization: Basic Y2FuYXJ5OmNhbmFyeQ==",
    "1a2b3c4d|gAAAAABcanarycanarycanarycanary==",
    "/webhooks/crm-contact/any/00000000-0000-0000-0000-000000000007/"
    "6bb6aa12.f0x3MvwkwTcanaryTHsMP6.F--TcfVKoQWnmGeYH6xGvcanaryMwZWYjhnDhTk_kkw",
]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Configures logging as production does; returns what was written since, parsed."""
    kept_handlers, kept_level = logging.root.handlers[:], logging.root.level
    kept_structlog = structlog.get_config()
    logs.configure("INFO", mask_key="test")
    written: list[str] = []

    def read() -> list[dict[str, Any]]:
        written.extend(capsys.readouterr().err.splitlines())
        return [json.loads(line) for line in written]

    yield read
    logging.root.handlers, logging.root.level = kept_handlers, kept_level
    structlog.configure(**kept_structlog)


def has_canary(value: object) -> bool:
    return "canary" in str(value).lower()


def test_a_line_tells_when_what_and_where(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("lpxgp.test").info("synced", events=3)
    (line,) = lines()
    assert line["event"] == "synced"
    assert (line["events"], line["level"], line["logger"], line["request_id"]) == (3, "info", "lpxgp.test", "r1")
    assert line["timestamp"].endswith("Z")


def test_libraries_lines_are_json_too(lines: Lines) -> None:
    logging.getLogger("django_q").warning("lost %s", "worker")
    (line,) = lines()
    assert (line["event"], line["level"]) == ("lost worker", "warning")


@pytest.mark.parametrize("secret", CANARIES)
def test_no_secret_by_its_shape(lines: Lines, secret: str) -> None:
    log = structlog.get_logger("lpxgp.test")
    log.info("in a field", address=f"https://x.example/{secret}")
    log.info(f"in the event {secret}")
    log.info("nested", answer={"deep": [{"text": f"... {secret} ..."}]})
    logging.getLogger("someone.else").error("by %s", secret)
    try:
        raise ValueError(f"answered {secret}")
    except ValueError:
        log.exception("in an exception")
    assert len(lines()) == 5
    assert not [line for line in lines() if has_canary(line)]


@pytest.mark.parametrize(
    "key",
    ["token", "access_token", "refresh_token", "client_secret", "password", "Authorization", "Cookie", "code_verifier"]
    + ["body", "payload", "headers", "code", "seed", "X-Goog-Channel-Token", "X-HubSpot-Signature-v3", "api_key"],
)
def test_no_secret_by_its_name(lines: Lines, key: str) -> None:
    structlog.get_logger("lpxgp.test").info("x", **{key: "canary"}, inner={key: ["canary"]})
    (line,) = lines()
    assert not has_canary(line)
    assert line[key] == logs.HIDDEN


def test_words_and_numbers_that_are_no_secret_stay(lines: Lines) -> None:
    structlog.get_logger("lpxgp.test").info(
        "Google answered",
        status_code=404,
        code=404,
        state="live",
        detail="status code: 404, state=active",
        basic="Basic use",
    )
    (line,) = lines()
    assert line["detail"] == "status code: 404, state=active"
    assert (line["status_code"], line["code"], line["state"], line["basic"]) == (404, 404, "live", "Basic use")


def test_addresses_are_masked_alike_and_not_readable(lines: Lines) -> None:
    log = structlog.get_logger("lpxgp.test")
    log.info("one", to="Alice.Ash+lp@acme.example")
    log.info("two: alice.ash+lp@acme.example")
    log.info("three", to="bob@acme.example")
    one, two, three = lines()
    assert one["to"].startswith("person:")
    assert one["to"] in two["event"]
    assert one["to"] != three["to"]
    assert "acme" not in str(lines())


def test_the_mask_depends_on_the_key() -> None:
    address = "alice@acme.example"
    assert logs.text_cleaner("one")(address) != logs.text_cleaner("two")(address)


def test_an_exception_keeps_its_frames_and_cause_but_not_a_body(lines: Lines) -> None:
    def fetch() -> None:
        raise requests.HTTPError("500: " + "the body of a mail, " * 500)

    try:
        try:
            fetch()
        except requests.HTTPError as error:
            raise RuntimeError("sync failed") from error
    except RuntimeError:
        structlog.get_logger("lpxgp.test").exception("gave up")
    (line,) = lines()
    assert "RuntimeError: sync failed" in line["exception"]
    assert "Caused by requests.exceptions.HTTPError: 500" in line["exception"]
    assert "in fetch" in line["exception"]
    assert line["exception"].count("the body of a mail") < 20


def test_a_database_error_keeps_no_row(lines: Lines) -> None:
    said = (
        'new row violates check constraint "ended"\nDETAIL:  Failing row contains (7, Canary acquisition, 2026-01-01).'
    )
    try:
        try:
            raise psycopg.errors.CheckViolation(said)
        except psycopg.Error as error:
            raise IntegrityError(said) from error
    except IntegrityError:
        structlog.get_logger("lpxgp.test").exception("gave up")
    (line,) = lines()
    assert line["exception"].count('new row violates check constraint "ended"') == 2
    assert not has_canary(line)


def test_a_line_break_in_a_value_makes_no_second_line(lines: Lines) -> None:
    structlog.get_logger("lpxgp.test").info("x", path='/a\n{"event": "forged"}')
    assert len(lines()) == 1


def test_chatty_libraries_are_quiet(lines: Lines) -> None:
    logging.getLogger("urllib3.connectionpool").info("GET /?access_token=x")
    logging.getLogger("googleapiclient.discovery").info("URL being requested: GET https://x")
    logging.getLogger("django.server").info("GET /oauth/callback/google?code=x")
    assert lines() == []


def test_caplog_still_hears_us(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        structlog.get_logger("lpxgp.test").info("heard", number=4)
    assert "heard" in caplog.text


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("refused ya29.canary-canary")


urlpatterns = [path("oauth/callback/google", fail)]


def test_the_request_line_has_no_query_and_a_failure_no_secret(lines: Lines, settings: Settings, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False)
    response = client.get("/oauth/callback/google?code=canary-code&state=canary-state")
    found = lines()
    assert not [line for line in found if has_canary(line)]
    (request,) = [line for line in found if line["event"] == "request"]
    assert (request["path"], request["status"]) == ("/oauth/callback/google", 500)
    assert request["request_id"] == response["X-Request-ID"]
    assert any("RuntimeError" in line.get("exception", "") for line in found)


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_whatever_is_logged_redaction_does_not_fail(text: str, fields: dict[str, object]) -> None:
    event = logs.redactor("key")(None, "info", {"event": text, **fields})
    assert set(event) == {"event", *fields}
