"""Consent and tokens at Microsoft, through real msal and real HTTP against the pretend one."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.conf import settings as django_settings
from pytest_django.fixtures import Settings

from integrations import outbound, providers
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
from integrations.providers.microsoft import consent
from integrations.providers.microsoft.offers import CALENDAR, MAIL_BY_HEADERS, MAIL_WITH_TEXT, WORK_PAGE
from tests.integrations.email.canned import Canned
from tests.pretend_microsoft import CLIENT_ID, Microsoft

PROVIDER = providers.get("microsoft")
ALICE = "alice@acme.example"
GRANTED = ("Calendars.Read", "offline_access", "openid", "profile")
CONFIGURATION = {
    "authorization_endpoint": "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    "token_endpoint": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
}


@pytest.fixture(autouse=True)
def asks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test learnt of Microsoft's addresses, the next one asks for again."""
    monkeypatch.setattr(consent.Login, "_known", {})


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with outbound.session(PROVIDER) as session:
        yield session


def begun(http: requests.Session, **more: Any) -> Begun:
    return PROVIDER.begin(providers.client_config("microsoft"), http, ConsentWanted(CALENDAR, "state-1", ALICE, **more))


def answer_to(begun: Begun, microsoft: Microsoft, account: str = ALICE, decision: str = "allow") -> dict[str, str]:
    back = urlsplit(microsoft.consent(outbound.rerouted(begun.url), account, decision))
    return {name: values[0] for name, values in parse_qs(back.query).items()}


def linked(microsoft: Microsoft, http: requests.Session, account: str = ALICE) -> tuple[Tokens, Account]:
    begin = begun(http)
    return PROVIDER.exchange(
        providers.client_config("microsoft"), http, answer_to(begin, microsoft, account), begin.kept
    )


def refreshed(http: requests.Session, token: str, scopes: tuple[str, ...] = GRANTED) -> Tokens:
    return PROVIDER.refresh(providers.client_config("microsoft"), http, token, scopes, {})


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def test_the_consent_address_asks_for_what_is_needed_and_no_more(microsoft: Microsoft, http: requests.Session) -> None:
    begin = begun(http)
    query = query_of(begin.url)

    assert begin.url.startswith("https://login.microsoftonline.com/common/oauth2/v2.0/authorize?")
    assert sorted(query["scope"][0].split()) == ["Calendars.Read", "offline_access", "openid", "profile"]
    assert (query["client_id"], query["state"], query["login_hint"]) == ([CLIENT_ID], ["state-1"], [ALICE])
    assert query["code_challenge_method"] == ["S256"]
    assert query["prompt"] == ["select_account"], "prompt=consent asks even where an administrator allowed it for all"
    assert query["redirect_uri"] == [f"{django_settings.PUBLIC_URL}/oauth/callback/microsoft"]
    assert json.loads(begin.kept)["code_verifier"] not in begin.url
    assert "claims" not in query


def test_what_microsoft_demanded_goes_with_the_next_consent(microsoft: Microsoft, http: requests.Session) -> None:
    demanded = '{"access_token":{"capolids":{"essential":true,"values":["4ac30fb9"]}}}'

    assert json.loads(query_of(begun(http, claims=demanded).url)["claims"][0]) == json.loads(demanded)


def test_a_consent_becomes_tokens_and_an_account(microsoft: Microsoft, http: requests.Session) -> None:
    tenant, person = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
    microsoft.post("microsoft/accounts", upn="Priya@Else.example", tenant=tenant, oid=person)
    granted, account = linked(microsoft, http, "priya@else.example")

    assert granted.scopes == GRANTED
    assert granted.access_token
    assert granted.refresh_token
    assert granted.expires_at
    assert account == Account(id=f"{person}.{tenant}", address="priya@else.example")


def test_a_refresh_brings_new_tokens_and_the_old_one_stays_good(microsoft: Microsoft, http: requests.Session) -> None:
    first, _ = linked(microsoft, http)
    assert first.refresh_token
    second = refreshed(http, first.refresh_token)
    third = refreshed(http, first.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert len({first.access_token, second.access_token, third.access_token}) == 3
    assert "Calendars.Read" in second.scopes


def test_the_addresses_of_the_service_are_asked_once(microsoft: Microsoft, http: requests.Session) -> None:
    granted, _ = linked(microsoft, http)
    for _ in range(3):
        granted = refreshed(http, granted.refresh_token or "")

    assert microsoft.requests_of("microsoft.discovery") == 1
    assert microsoft.requests_of("microsoft.token") == 4
    kept = repr([(url, answer.text, answer.headers) for url, (_, answer) in consent.Login._known.items()])
    assert granted.access_token not in kept
    assert "openid-configuration" in kept


@pytest.mark.parametrize(
    ("code", "words", "has_claims"),
    [
        (50173, "a password was reset", False),
        (700082, "not used for 90 days", False),
        (70008, "not used for too long", False),
        (50057, "switched off", False),
        (65001, "consent was withdrawn", False),
        (50076, "prove again that it is you", True),
        (50079, "prove again that it is you", True),
        (53003, "Conditional Access", True),
    ],
)
def test_a_dead_grant_says_why(
    microsoft: Microsoft, http: requests.Session, code: int, words: str, has_claims: bool
) -> None:
    granted, _ = linked(microsoft, http)
    microsoft.post("microsoft/revoke", account=ALICE, code=code)

    with pytest.raises(NeedsReconnect, match=words) as caught:
        refreshed(http, granted.refresh_token or "")

    assert ("access_token" in caught.value.claims) is has_claims


def test_a_cause_that_is_mended_is_seen_at_once(microsoft: Microsoft, http: requests.Session) -> None:
    """msal by itself gives the same refusal for a minute without asking again."""
    granted, _ = linked(microsoft, http)
    microsoft.post("microsoft/revoke", account=ALICE, code=53003)
    for _ in range(2):
        with pytest.raises(NeedsReconnect):
            refreshed(http, granted.refresh_token or "")
    linked(microsoft, http)

    assert refreshed(http, granted.refresh_token or "").access_token
    assert microsoft.requests_of("microsoft.token") == 5


def test_a_wrong_secret_is_the_installations_trouble(microsoft: Microsoft, http: requests.Session) -> None:
    granted, _ = linked(microsoft, http)
    begin = begun(http)
    answer = answer_to(begin, microsoft)
    microsoft.post("microsoft/secret", wrong=True)

    with pytest.raises(BadConfig, match="client id and secret"):
        refreshed(http, granted.refresh_token or "")
    with pytest.raises(BadConfig, match="client id and secret"):
        PROVIDER.exchange(providers.client_config("microsoft"), http, answer, begin.kept)


def test_a_code_is_good_once(microsoft: Microsoft, http: requests.Session) -> None:
    begin = begun(http)
    answer = answer_to(begin, microsoft)
    config = providers.client_config("microsoft")
    PROVIDER.exchange(config, http, answer, begin.kept)

    with pytest.raises(NeedsReconnect):
        PROVIDER.exchange(config, http, answer, begin.kept)


def test_the_answer_of_another_consent_is_refused(microsoft: Microsoft, http: requests.Session) -> None:
    """Another verifier, and if that were guessed, another nonce in the ID token."""
    mine, other = begun(http), begun(http)
    answer, config = answer_to(other, microsoft), providers.client_config("microsoft")
    stolen = json.loads(other.kept) | {"nonce": json.loads(mine.kept)["nonce"]}

    with pytest.raises(Permanent, match="does not belong"):
        PROVIDER.exchange(config, http, answer, json.dumps(stolen))
    with pytest.raises(NeedsReconnect):
        PROVIDER.exchange(config, http, answer_to(begun(http), microsoft), mine.kept)


@pytest.mark.parametrize(
    ("kind", "retry_after"),
    [("rate_limit_429", 7), ("error_503", 5), ("error_500", None), ("html_200", None), ("malformed_json", None)],
)
def test_a_busy_token_service_is_asked_again_later(
    microsoft: Microsoft, http: requests.Session, kind: str, retry_after: int | None
) -> None:
    granted, _ = linked(microsoft, http)
    more = {"retry_after": retry_after} if retry_after else {}
    microsoft.fault("microsoft.token", kind, **more)

    with pytest.raises(Temporary) as caught:
        refreshed(http, granted.refresh_token or "")

    assert isinstance(caught.value, RateLimited) is (kind == "rate_limit_429")
    assert caught.value.retry_after == retry_after
    assert refreshed(http, granted.refresh_token or "").access_token


@pytest.mark.parametrize("kind", ["error_503", "html_200", "malformed_json", "half_page"])
def test_a_broken_discovery_is_trouble_for_now(microsoft: Microsoft, http: requests.Session, kind: str) -> None:
    microsoft.fault("microsoft.discovery", kind)

    with pytest.raises(Temporary):
        begun(http)
    assert begun(http).url


class TestWhoMayLink:
    TENANT = "55555555-5555-4555-8555-555555555555"
    ANOTHER = "66666666-6666-4666-8666-666666666666"

    @pytest.fixture(autouse=True)
    def accounts(self, microsoft: Microsoft) -> None:
        microsoft.post("microsoft/accounts", upn="in@one.example", tenant=self.TENANT)
        microsoft.post("microsoft/accounts", upn="out@two.example", tenant=self.ANOTHER)
        microsoft.post("microsoft/accounts", upn="me@outlook.example", tenant=consent.PERSONAL)

    @pytest.mark.parametrize("account", ["in@one.example", "out@two.example", "me@outlook.example"])
    def test_anybody_by_default(self, microsoft: Microsoft, http: requests.Session, account: str) -> None:
        assert linked(microsoft, http, account)[1].address == account

    def test_an_organizations_own_people(
        self, microsoft: Microsoft, http: requests.Session, settings: Settings
    ) -> None:
        settings.MICROSOFT_TENANT = self.TENANT

        assert f"/{self.TENANT}/oauth2" in begun(http).url
        assert linked(microsoft, http, "in@one.example")[1].id.endswith(self.TENANT)

    @pytest.mark.parametrize(
        ("tenant", "account"), [(TENANT, "out@two.example"), ("organizations", "me@outlook.example")]
    )
    def test_the_tenant_in_the_token_decides(
        self, microsoft: Microsoft, http: requests.Session, settings: Settings, tenant: str, account: str
    ) -> None:
        """Whatever page the browser was sent to: msal does not look at the tenant."""
        begin = begun(http)
        answer = answer_to(begin, microsoft, account)
        settings.MICROSOFT_TENANT = tenant

        with pytest.raises(Permanent, match="does not take"):
            PROVIDER.exchange(providers.client_config("microsoft"), http, answer, begin.kept)

    def test_a_tenant_that_nobody_knows(self, microsoft: Microsoft, http: requests.Session, settings: Settings) -> None:
        settings.MICROSOFT_TENANT = "77777777-7777-4777-8777-777777777777"

        with pytest.raises(BadConfig, match="MICROSOFT_TENANT"):
            begun(http)


@pytest.mark.parametrize(
    "reply",
    [b"", b"<html>", b"[]", b"null", b"{}", {"access_token": ""}, {"access_token": "a", "expires_in": "soon"}, b"\xff",
     b'{"access_token": "a", "expires_in": 1e400}', {"access_token": "a", "expires_in": 10**15}],
)  # fmt: skip
def test_an_answer_that_is_none_is_trouble_for_now(settings: Settings, reply: Any) -> None:
    settings.PROVIDER_CREDENTIALS = {"microsoft": {"client_id": "c", "client_secret": "s"}}

    with pytest.raises(Temporary, match="Microsoft's token service"):
        refreshed(Canned((200, CONFIGURATION), (200, reply)).session, "old")


@pytest.mark.parametrize("reply", [b"", b"[]", b"{}", {"issuer": 5}])
def test_a_discovery_that_is_none_is_trouble_for_now(settings: Settings, reply: Any) -> None:
    settings.PROVIDER_CREDENTIALS = {"microsoft": {"client_id": "c", "client_secret": "s"}}

    with pytest.raises(IntegrationError):
        begun(Canned((200, reply)).session)


@pytest.mark.parametrize(
    "said", ["Calendars.Read openid", "https://graph.microsoft.com/Calendars.Read", "calendars.read Mail.Read email"]
)
def test_permissions_count_in_any_spelling_and_none_that_was_not_asked_for(settings: Settings, said: str) -> None:
    settings.PROVIDER_CREDENTIALS = {"microsoft": {"client_id": "c", "client_secret": "s"}}
    reply = {"access_token": "a", "refresh_token": "r", "scope": said, "expires_in": 3599, "token_type": "Bearer"}
    granted = refreshed(Canned((200, CONFIGURATION), (200, reply)).session, "old", ("Calendars.Read", "openid"))

    assert set(granted.scopes) - {"openid"} == {"Calendars.Read", "offline_access"}


@pytest.mark.parametrize("claims", [{}, {"tid": "t"}, {"oid": "o"}, {"tid": "t", "oid": "o", "aud": "another"}])
def test_a_token_that_names_no_account_links_none(settings: Settings, claims: dict[str, str]) -> None:
    settings.PROVIDER_CREDENTIALS = {"microsoft": {"client_id": "c", "client_secret": "s"}}

    with pytest.raises(MissingScope, match="which account"):
        consent._account({"id_token_claims": claims}, providers.client_config("microsoft"))


def test_administrators_have_a_consent_of_their_own(settings: Settings) -> None:
    settings.PROVIDER_CREDENTIALS = {"microsoft": {"client_id": "client-1", "client_secret": "s"}}
    url = PROVIDER.admin_consent_url(providers.client_config("microsoft"), CALENDAR, "state-2")

    assert url.startswith("https://login.microsoftonline.com/organizations/v2.0/adminconsent?")
    assert query_of(url) == {
        "client_id": ["client-1"],
        "scope": ["openid profile offline_access https://graph.microsoft.com/Calendars.Read"],
        "redirect_uri": [f"{settings.PUBLIC_URL}/oauth/admin/microsoft"],
        "state": ["state-2"],
    }


def test_mail_asks_for_headers_unless_text_may_be_saved(settings: Settings) -> None:
    names = [{scope.name for scope in service.scopes} for service in (CALENDAR, MAIL_BY_HEADERS, MAIL_WITH_TEXT)]

    assert [sorted(each - {"openid", "profile", "offline_access"}) for each in names] == [
        ["Calendars.Read"],
        ["Mail.ReadBasic"],
        ["Mail.Read"],
    ]
    assert {service.provider_page for service in (CALENDAR, MAIL_BY_HEADERS, MAIL_WITH_TEXT)} == {WORK_PAGE}


def test_revoking_asks_nothing_of_microsoft() -> None:
    canned = Canned()
    PROVIDER.revoke(ClientConfig("id", "secret", "https://hub.example/back"), canned.session, "token", {})

    assert (canned.asked, PROVIDER.can_revoke) == ([], False)


@pytest.mark.parametrize(
    ("issuer", "is_microsoft"),
    [
        ("https://login.microsoftonline.com/84bd8158-6d4d-4958-8b9f-9d6445542f95/v2.0", True),
        ("https://login.microsoftonline.com.evil.example/x/v2.0", False),
        ("https://accounts.google.com", False),
    ],
)
def test_an_issuer_is_microsofts_or_not(issuer: str, is_microsoft: bool) -> None:
    assert PROVIDER.is_issuer(issuer) is is_microsoft
