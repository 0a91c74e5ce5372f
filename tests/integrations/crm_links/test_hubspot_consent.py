"""OAuth at HubSpot on recorded bodies, in both generations of its addresses."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pytest_django.fixtures import Settings

from integrations import providers
from integrations.contract import Account, Begun, ClientConfig, ConsentWanted, Tokens
from integrations.errors import (
    BadConfig,
    IntegrationError,
    MissingScope,
    NeedsReconnect,
    Permanent,
    RateLimited,
    Temporary,
)
from integrations.providers.hubspot.offers import CRM
from tests.integrations.email.canned import Canned

FIXTURES = Path(__file__).parents[2] / "fixtures" / "hubspot"
PROVIDER = providers.get("hubspot")
CONFIG = ClientConfig("client-1", "secret-1", "https://hub.example.com/oauth/callback/hubspot")


def fixture(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return found


TOKEN = fixture("token_reply") | {"hub_id": 147893286}
INFO = fixture("access_token_info") | {"active": True}
ACCOUNT = fixture("account_info")["body"]


def begun() -> Begun:
    return PROVIDER.begin(CONFIG, requests.Session(), ConsentWanted(CRM, "state-1"))


def exchanged(*answers: Any) -> tuple[Tokens, Account, Canned]:
    canned = Canned(*answers)
    return *PROVIDER.exchange(CONFIG, canned.session, {"code": "code-1"}, "verifier-1"), canned


def form(canned: Canned, number: int = 0) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(str(canned.asked[number].body)).items()}


def paths(canned: Canned) -> list[str]:
    return [urlsplit(str(one.url)).path for one in canned.asked]


def test_consent_asks_for_what_is_needed_and_offers_the_rest() -> None:
    url = begun().url
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    assert url.startswith("https://app.hubspot.com/oauth/authorize?")
    assert "+" not in url, "HubSpot takes a plus for a part of a permission's name"
    assert "crm.objects.contacts.write" in query["scope"].split()
    assert "crm.schemas.contacts.write" in query["optional_scope"].split()
    assert query["code_challenge_method"] == "S256"


def test_a_code_becomes_a_grant_of_the_account() -> None:
    granted, account, canned = exchanged((200, TOKEN), (200, INFO), (200, ACCOUNT))

    assert paths(canned) == [
        "/oauth/2026-03/token",
        "/oauth/2026-03/token/introspect",
        "/account-info/2026-09/details",
    ]
    assert form(canned)["code_verifier"] == "verifier-1"
    assert form(canned)["client_secret"] == "secret-1"
    assert "Authorization" not in canned.asked[0].headers
    assert account == Account("147893286", "example.com (account 147893286)")
    assert granted.details == {
        "account_name": "example.com",
        "ui_domain": "app-eu1.hubspot.com",
        "is_sandbox": "",
        "user_id": "88842095",
        "app_id": "18221010",
    }
    assert granted.expires_at is not None
    assert timedelta(minutes=29) < granted.expires_at - datetime.now(UTC) <= timedelta(minutes=30)
    assert "crm.objects.owners.read" in granted.scopes


def test_the_numbered_generation_never_puts_a_token_into_an_address(settings: Settings) -> None:
    settings.HUBSPOT_API_GENERATION = "v3"
    _, account, canned = exchanged((200, TOKEN), (200, ACCOUNT))

    assert paths(canned) == ["/oauth/v1/token", "/account-info/v3/details"]
    assert account == Account("147893286", "account 147893286")


def test_a_test_account_is_known_as_one() -> None:
    granted, _, _ = exchanged((200, TOKEN), (200, INFO), (200, ACCOUNT | {"accountType": "SANDBOX"}))

    assert granted.details["is_sandbox"] == "1"


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([(200, TOKEN), (200, INFO), (200, ACCOUNT | {"portalId": 1})], MissingScope),
        ([(200, TOKEN | {"hub_id": None}), (200, {"active": True}), (200, {})], MissingScope),
        ([(200, TOKEN | {"hub_id": "../x"}), (200, {"active": True}), (200, {})], MissingScope),
        ([(200, TOKEN), (200, {"active": False})], Temporary),
        ([(200, TOKEN), (200, INFO), (503, b"")], Temporary),
        ([(200, TOKEN), (200, INFO), (200, [])], Temporary),
        ([(200, {"token_type": "bearer"})], Temporary),
        ([(200, b"<html>")], Temporary),
        ([(502, b"<html>")], Temporary),
        ([(429, {}, {"Retry-After": "7"})], RateLimited),
    ],
)
def test_an_answer_that_does_not_hold_together_links_nothing(answers: list[Any], error: type[Exception]) -> None:
    with pytest.raises(IntegrationError) as caught:
        exchanged(*answers)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN", "message": "…"}, NeedsReconnect),
        ({"error": "invalid_grant", "status": "BAD_REDIRECT_URI"}, BadConfig),
        ({"status": "BAD_CLIENT_SECRET"}, BadConfig),
        ({"error": "invalid_client"}, BadConfig),
        ({"error": "invalid_grant"}, NeedsReconnect),
        ({"status": "SOMETHING_NEW", "message": "no"}, Permanent),
        ({}, Permanent),
    ],
)
def test_what_the_token_service_refuses_is_said_in_our_words(body: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(IntegrationError) as caught:
        PROVIDER.refresh(CONFIG, Canned((400, body)).session, "old", [], {})
    assert type(caught.value) is error


def test_a_refresh_brings_the_refresh_token_that_goes_on() -> None:
    canned = Canned((200, TOKEN | {"refresh_token": "next", "access_token": "x" * 400}))
    fresh = PROVIDER.refresh(CONFIG, canned.session, "old", [], {})

    assert (fresh.refresh_token, len(fresh.access_token), fresh.details) == ("next", 400, {})
    assert form(canned)["refresh_token"] == "old"


def test_a_grant_is_revoked_in_the_body_where_that_is_possible(settings: Settings) -> None:
    dated, numbered = Canned((204, b"")), Canned((204, b""))
    PROVIDER.revoke(CONFIG, dated.session, "na1-ab/12", {})
    settings.HUBSPOT_API_GENERATION = "v3"
    PROVIDER.revoke(CONFIG, numbered.session, "na1-ab/12", {})

    assert (dated.asked[0].method, paths(dated)) == ("POST", ["/oauth/2026-03/token/revoke"])
    assert form(dated)["token"] == "na1-ab/12"
    assert (numbered.asked[0].method, paths(numbered)) == ("DELETE", ["/oauth/v1/refresh-tokens/na1-ab%2F12"])


@pytest.mark.parametrize("status", [429, 503])
def test_a_revocation_in_trouble_is_tried_again(status: int) -> None:
    with pytest.raises(Temporary):
        PROVIDER.revoke(CONFIG, Canned((status, b"")).session, "token", {})
