"""OAuth at Salesforce on recorded bodies: where consent begins, what comes of it, refreshes and their refusals."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

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
    Unusable,
)
from integrations.providers.salesforce.offers import CRM
from tests.integrations.email.canned import Canned

FIXTURES = Path(__file__).parents[2] / "fixtures" / "salesforce"
PROVIDER = providers.get("salesforce")
CONFIG = ClientConfig("client-1", "secret-1", "https://hub.example.com/oauth/callback/salesforce")
ORG, USER = "00DdM00000vfgTuUAI", "005dM00000awSFJQA2"
INSTANCE = "https://example.my.salesforce.com"
ORGANIZATION = {"totalSize": 1, "done": True, "records": [{"Id": ORG, "Name": "Example Inc", "IsSandbox": False}]}


def fixture(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return found


def signed(**changes: Any) -> dict[str, Any]:
    """The token service's answer, signed as Salesforce signs it."""
    reply = fixture("token_reply") | changes
    digest = hmac.digest(b"secret-1", f"{reply['id']}{reply['issued_at']}".encode(), hashlib.sha256)
    return reply | {"signature": base64.b64encode(digest).decode()}


def begun(host: str = "login.salesforce.com") -> Begun:
    wanted = ConsentWanted(CRM, "state-1", "alice@acme.example", options={"login_host": host})
    return PROVIDER.begin(CONFIG, requests.Session(), wanted)


def exchanged(*answers: Any, host: str = "login.salesforce.com") -> tuple[Tokens, Account, Canned]:
    canned = Canned(*answers)
    return *PROVIDER.exchange(CONFIG, canned.session, {"code": "code-1"}, begun(host).kept), canned


def refreshed(answer: Any, **details: str) -> tuple[Tokens, Canned]:
    canned = Canned(answer)
    return PROVIDER.refresh(CONFIG, canned.session, "old-refresh", ["api"], details), canned


def form(canned: Canned, number: int = 0) -> dict[str, str]:
    body = canned.asked[number].body
    return {name: values[0] for name, values in parse_qs(body.decode() if isinstance(body, bytes) else body).items()}


@pytest.mark.parametrize("host", ["login.salesforce.com", "test.salesforce.com", "acme--uat.sandbox.my.salesforce.com"])
def test_consent_begins_where_one_logs_in_with_pkce(host: str) -> None:
    url = urlsplit(begun(host).url)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}

    assert (url.netloc, url.path) == (host, "/services/oauth2/authorize")
    assert query["code_challenge_method"] == "S256"
    assert (query["scope"], query["state"]) == ("api refresh_token id", "state-1")
    verifier = json.loads(begun(host).kept)["verifier"]
    assert len(verifier) >= 43


def test_no_consent_begins_at_a_strangers_host() -> None:
    with pytest.raises(Unusable, match="My Domain"):
        begun("acme.evil.example")


def test_a_code_becomes_a_grant_of_the_organization() -> None:
    granted, account, canned = exchanged((200, signed()), (200, ORGANIZATION), host="test.salesforce.com")

    assert account == Account(ORG, "Example Inc (example.my.salesforce.com)")
    assert (granted.expires_at, granted.refresh_token) == (None, "5AepEXAMPLE")
    assert {"api", "id", "refresh_token"} <= set(granted.scopes)
    assert granted.details == {
        "login_host": "test.salesforce.com",
        "instance_url": INSTANCE,
        "account_name": "Example Inc",
        "is_sandbox": "",
        "user_id": USER,
    }
    assert canned.asked[0].url == "https://test.salesforce.com/services/oauth2/token"
    assert form(canned).keys() == {
        "grant_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "client_id",
        "client_secret",
    }
    assert str(canned.asked[1].url).startswith(f"{INSTANCE}/services/data/v62.0/query?q=")


def test_a_sandbox_is_known_as_one() -> None:
    row = {"Id": ORG, "Name": "Example Inc", "IsSandbox": True}
    granted, _, _ = exchanged((200, signed()), (200, {"records": [row]}))

    assert granted.details["is_sandbox"] == "1"


def test_an_organizations_odd_name_is_one_that_can_be_stored() -> None:
    row = {"Id": ORG, "Name": "Example\0 \ud83d", "IsSandbox": False}
    granted, account, _ = exchanged((200, signed()), (200, {"records": [row]}))

    assert granted.details["account_name"] == "Example ?"
    assert account.address.startswith("Example ? (")


def test_full_access_holds_the_lesser_permissions() -> None:
    granted, _, _ = exchanged((200, signed(scope="full offline_access")), (200, ORGANIZATION))

    assert {scope.name for scope in CRM.scopes} <= set(granted.scopes)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([(200, signed() | {"signature": "bm90IG91cnM="})], Permanent),
        ([(200, signed() | {"signature": "é"})], Permanent),
        ([(200, signed(instance_url="https://evil.example"))], Permanent),
        ([(200, signed(instance_url="https://127.0.0.1"))], Permanent),
        ([(200, signed(id="https://login.salesforce.com/id/nobody"))], MissingScope),
        ([(200, signed()), (200, {"records": [{"Id": "00D000000000001AAA", "Name": "x", "IsSandbox": 0}]})], Permanent),
        ([(200, signed()), (200, {"records": []})], Temporary),
        ([(200, signed()), (200, [])], Temporary),
        ([(200, signed()), (200, b"<html>")], Temporary),
        ([(200, signed()), (403, [{"errorCode": "API_DISABLED_FOR_ORG"}])], MissingScope),
        ([(200, signed()), (503, b"")], Temporary),
        ([(200, {"token_type": "Bearer"})], Temporary),
        ([(200, ["no", "object"])], Temporary),
        ([(200, b"<html>")], Temporary),
        ([(502, b"<html>")], Temporary),
    ],
)
def test_an_answer_that_does_not_hold_together_links_nothing(answers: list[Any], error: type[Exception]) -> None:
    with pytest.raises(IntegrationError) as caught:
        exchanged(*answers)
    assert type(caught.value) is error


def test_an_unsigned_answer_is_taken() -> None:
    """The signature is checked where there is one: TLS has said already who answers."""
    reply = fixture("token_reply")
    del reply["signature"]
    _, account, _ = exchanged((200, reply), (200, ORGANIZATION))

    assert account.id == ORG


def test_a_refresh_goes_where_one_logged_in_and_names_no_scope() -> None:
    fresh, canned = refreshed((200, fixture("token_refresh_reply")), login_host="acme.my.salesforce.com")

    assert canned.asked[0].url == "https://acme.my.salesforce.com/services/oauth2/token"
    assert form(canned) == {
        "grant_type": "refresh_token",
        "refresh_token": "old-refresh",
        "client_id": "client-1",
        "client_secret": "secret-1",
    }
    assert (fresh.access_token, fresh.refresh_token) == ("00DEXAMPLE!AQMAQEXAMPLE2", "old-refresh")
    assert fresh.expires_at is None


def test_a_refresh_brings_the_rotated_token_and_the_moved_address() -> None:
    moved = {"refresh_token": "new", "instance_url": "https://renamed.my.salesforce.com"}
    fresh, _ = refreshed((200, fixture("token_refresh_reply") | moved))

    assert (fresh.refresh_token, fresh.details) == ("new", {"instance_url": "https://renamed.my.salesforce.com"})


def test_a_refresh_with_a_strange_address_keeps_the_old_one_and_the_rotated_token() -> None:
    strange = {"refresh_token": "new", "instance_url": "https://evil.example"}
    fresh, _ = refreshed((200, fixture("token_refresh_reply") | strange))

    assert (fresh.refresh_token, fresh.details) == ("new", {})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (fixture("token_errors")["expired_refresh_400"], NeedsReconnect),
        (fixture("token_errors")["inactive_user_400"], NeedsReconnect),
        ({"error": "invalid_grant", "error_description": "token request is already being processed"}, Temporary),
        ({"error": "invalid_request", "error_description": "Token request is already being processed."}, Temporary),
        ({"error": "invalid_grant", "error_description": "ip restricted or invalid login hours"}, Permanent),
        (fixture("token_errors")["bad_client_400"], BadConfig),
        (fixture("token_errors")["scope_sent_400"], Permanent),
        ({"error": "invalid_client_id"}, BadConfig),
        ({"error": "rate_limit_exceeded"}, RateLimited),
        ({"error": "server_error"}, Temporary),
        ({"error": "something new"}, Permanent),
    ],
)
def test_what_the_token_service_refuses_is_said_in_our_words(body: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(IntegrationError) as caught:
        refreshed((400, body))
    assert type(caught.value) is error


@pytest.mark.parametrize("what", ["organization", "user"])
def test_a_grant_that_ended_with_its_organization_or_user_says_so(what: str) -> None:
    with pytest.raises(NeedsReconnect, match=what) as caught:
        refreshed((400, {"error": "invalid_grant", "error_description": f"inactive {what}"}))
    assert "revoked" not in str(caught.value)


@pytest.mark.parametrize("host", ["evil.example", "login.salesforce.com.evil.example", ""])
def test_a_stored_host_is_checked_again_before_a_token_goes_there(host: str) -> None:
    with pytest.raises(Permanent):
        refreshed((200, {}), login_host=host)


def test_a_grant_is_revoked_where_it_was_given() -> None:
    canned = Canned((200, b""))
    PROVIDER.revoke(CONFIG, canned.session, "refresh-1", {"login_host": "test.salesforce.com"})

    assert canned.asked[0].url == "https://test.salesforce.com/services/oauth2/revoke"
    assert form(canned) == {"token": "refresh-1"}


@pytest.mark.parametrize(("status", "is_trouble"), [(200, False), (400, False), (429, True), (503, True)])
def test_a_dead_token_counts_as_revoked_and_trouble_does_not(status: int, is_trouble: bool) -> None:
    canned = Canned((status, {"error": "unsupported_token_type"}))
    if not is_trouble:
        PROVIDER.revoke(CONFIG, canned.session, "refresh-1", {})
        return
    with pytest.raises(Temporary):
        PROVIDER.revoke(CONFIG, canned.session, "refresh-1", {})


def test_errors_of_the_consent_have_words() -> None:
    assert "docs/salesforce.md" in PROVIDER.refusal({"error": "redirect_uri_mismatch"}).remedy  # type: ignore[union-attr]
    assert PROVIDER.refusal({"error": "access_denied"}) is None


@pytest.mark.parametrize(
    ("issuer", "is_theirs"),
    [
        ("https://login.salesforce.com", True),
        ("https://acme.my.salesforce.com", True),
        ("http://login.salesforce.com", False),
        ("login.salesforce.com", False),
        ("https://evil.example", False),
    ],
)
def test_an_answer_of_another_issuer_is_not_salesforces(issuer: str, is_theirs: bool) -> None:
    assert PROVIDER.is_issuer(issuer) is is_theirs
