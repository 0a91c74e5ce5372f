"""Linking at the pretend Microsoft with Microsoft's own msal: codes, refreshing, refusals, the administrator."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import msal
import pytest
import requests

from sandbox.server import Sandbox
from tests.sandbox.office import CALENDARS, CLIENT_ID, LOGIN, MAIL_HEADS, Office
from tests.sandbox.person import REDIRECT, Scene, redirected

ANNA, TENANT = "anna@contoso.example", "72f988bf-0000-4000-8000-000000000001"
BEN = "ben@contoso.example"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
DAY = 86_400


@pytest.fixture
def office(scene: Scene) -> Office:
    """Anna and Ben of Contoso."""
    office = Office(scene)
    for upn, name in ((ANNA, "Anna Keller"), (BEN, "Ben Lund")):
        office.account(upn, name=name, tenant=TENANT)
    return office


def admin_address(authority: str = TENANT, **more: str) -> str:
    asked = {
        "client_id": CLIENT_ID,
        "scope": "https://graph.microsoft.com/Calendars.Read https://graph.microsoft.com/Mail.ReadBasic",
        "redirect_uri": REDIRECT,
        "state": "state-9",
    } | more
    return f"{LOGIN}/{authority}/v2.0/adminconsent?{urlencode(asked)}"


class TestCodeFlow:
    def test_msal_links_an_account(self, office: Office) -> None:
        result = office.link(ANNA, CALENDARS, "User.Read")
        account = office.account(ANNA)
        claims = result["id_token_claims"]
        assert (claims["tid"], claims["oid"]) == (TENANT, account["oid"])
        assert set(result["scope"].split()) == {CALENDARS, "User.Read", "openid", "profile"}
        assert result["refresh_token"]
        assert office.graph(result["access_token"], "/me").json()["id"] == account["oid"]

    def test_msal_finds_the_account_and_its_token_in_its_cache(self, office: Office) -> None:
        app = office.app()
        flow = office.flow(app)
        first = app.acquire_token_by_auth_code_flow(flow, office.consent(flow, ANNA))
        account = app.get_accounts()[0]
        assert account["home_account_id"] == f"{office.account(ANNA)['oid']}.{TENANT}"
        office.scene.http.delete(f"{office.scene.url}/control/requests", timeout=20)
        assert app.acquire_token_silent([CALENDARS], account)["access_token"] == first["access_token"]
        assert "microsoft.token" not in office.scene.get("requests")["counts"], "short names hit the cache"

    def test_msal_checks_the_nonce_and_the_state(self, office: Office) -> None:
        app = office.app()
        flow = office.flow(app)
        back = office.consent(flow, ANNA)
        with pytest.raises(ValueError, match="state"):
            app.acquire_token_by_auth_code_flow(flow, back | {"state": "another"})
        with pytest.raises(RuntimeError, match="nonce"):
            app.acquire_token_by_auth_code_flow(flow | {"nonce": "another"}, back)

    def test_without_offline_access_there_is_nothing_to_refresh(self, office: Office) -> None:
        app = office.app(exclude_scopes=["offline_access"])
        flow = office.flow(app)
        assert "refresh_token" not in app.acquire_token_by_auth_code_flow(flow, office.consent(flow, ANNA))

    def test_a_no_is_an_error_that_msal_returns(self, office: Office) -> None:
        result = office.link(ANNA, decision="deny")
        assert result["error"] == "access_denied"
        assert "AADSTS65004" in result["error_description"]

    def test_the_page_says_what_linking_allows(self, office: Office) -> None:
        flow = office.flow(office.app(), CALENDARS, MAIL_HEADS)
        page = office.http.get(flow["auth_uri"], timeout=20).text
        assert "Link your account" in page
        assert "without the text of any mail" in page

    def test_form_post_is_refused_openly(self, office: Office) -> None:
        flow = office.flow(office.app(), response_mode="form_post")
        assert office.http.get(flow["auth_uri"], timeout=20).status_code == 400


class TestDiscovery:
    @pytest.mark.parametrize(
        ("authority", "issuer"),
        [("common", "{tenantid}"), ("organizations", "{tenantid}"), ("consumers", PERSONAL), (TENANT, TENANT)],
    )
    def test_an_authority_has_its_document(self, office: Office, authority: str, issuer: str) -> None:
        found = office.http.get(f"{LOGIN}/{authority}/v2.0/.well-known/openid-configuration", timeout=20).json()
        assert found["issuer"] == f"https://login.microsoftonline.com/{issuer}/v2.0"
        assert found["token_endpoint"] == f"{LOGIN}/{authority}/oauth2/v2.0/token"
        assert office.http.get(found["jwks_uri"], timeout=20).json()["keys"]

    def test_a_tenant_nobody_belongs_to_has_none(self, office: Office) -> None:
        answer = office.http.get(f"{LOGIN}/a-typo/v2.0/.well-known/openid-configuration", timeout=20)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_tenant")
        with pytest.raises(ValueError, match="authority"):
            office.app("a-typo")

    def test_the_names_of_the_cloud(self, office: Office) -> None:
        names = office.http.get(f"{LOGIN}/common/discovery/instance?api-version=1.1", timeout=20).json()
        assert "login.microsoftonline.com" in names["metadata"][0]["aliases"]
        assert names["tenant_discovery_endpoint"].endswith("/common/v2.0/.well-known/openid-configuration")


class TestRefresh:
    def test_each_refresh_brings_a_new_token_and_the_old_one_stays_good(self, office: Office) -> None:
        first = office.link(ANNA)
        second = office.refresh(first["refresh_token"])
        third = office.refresh(first["refresh_token"])
        assert len({one["refresh_token"] for one in (first, second, third)}) == 3
        assert len({one["access_token"] for one in (first, second, third)}) == 3
        assert CALENDARS in second["scope"].split()

    def test_an_access_token_runs_out_by_the_clock_or_on_order(self, office: Office) -> None:
        linked = office.link(ANNA, "User.Read")
        office.control("expire_access_tokens", account=BEN)
        assert office.graph(linked["access_token"], "/me").ok
        office.scene.post("clock", advance_seconds=3600)
        refused = office.graph(linked["access_token"], "/me")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
        assert "expired" in refused.json()["error"]["message"]
        fresh = office.refresh(linked["refresh_token"], "User.Read")["access_token"]
        assert office.graph(fresh, "/me").ok
        office.control("expire_access_tokens")
        assert office.graph(fresh, "/me").status_code == 401

    def test_it_gives_no_more_than_was_granted(self, office: Office) -> None:
        linked = office.link(ANNA, CALENDARS)
        result = office.refresh(linked["refresh_token"], MAIL_HEADS)
        assert (result["error"], result["suberror"]) == ("invalid_grant", "consent_required")
        assert office.refresh(linked["refresh_token"], "Made.Up")["error"] == "invalid_scope"

    def test_junk_and_another_clients_token_are_refused(self, office: Office) -> None:
        assert office.refresh("junk")["error"] == "invalid_grant"
        linked = office.link(ANNA)
        form = {"client_id": "another", "client_secret": "x", "grant_type": "refresh_token"}
        form["refresh_token"] = linked["refresh_token"]
        answer = office.http.post(f"{LOGIN}/common/oauth2/v2.0/token", data=form, timeout=20)
        assert (answer.status_code, answer.json()["error_codes"]) == (400, [9002313])

    def test_ninety_idle_days_end_it(self, office: Office) -> None:
        linked = office.link(ANNA)
        office.scene.post("clock", advance_seconds=89 * DAY)
        newer = office.refresh(linked["refresh_token"])
        office.scene.post("clock", advance_seconds=2 * DAY)
        result = office.refresh(linked["refresh_token"])
        assert (result["error"], result["error_codes"]) == ("invalid_grant", [700082])
        assert "inactive for 90.00:00:00" in result["error_description"]
        assert office.refresh(newer["refresh_token"])["access_token"]


class TestTroubles:
    @pytest.mark.parametrize(
        ("code", "error", "suberror"),
        [
            (50173, "invalid_grant", ""),
            (700082, "invalid_grant", ""),
            (70008, "invalid_grant", ""),
            (50057, "invalid_grant", ""),
            (65001, "invalid_grant", "consent_required"),
            (50076, "interaction_required", "basic_action"),
            (50079, "interaction_required", "basic_action"),
            (53003, "invalid_grant", "message_only"),
        ],
    )
    def test_a_refresh_fails_in_these_words(self, office: Office, code: int, error: str, suberror: str) -> None:
        linked, ben = office.link(ANNA), office.link(BEN)
        office.control("revoke", account=ANNA, code=code)
        result = office.refresh(linked["refresh_token"])
        assert (result["error"], result.get("suberror", "")) == (error, suberror)
        assert result["error_codes"] == [code]
        assert result["error_description"].startswith(f"AADSTS{code}: ")
        assert "{" not in result["error_description"]
        assert office.refresh(ben["refresh_token"])["access_token"], "Ben's grant is untouched"
        again = office.link(ANNA)
        assert office.refresh(again["refresh_token"])["access_token"]

    def test_conditional_access_says_which_claims_it_wants(self, office: Office) -> None:
        linked = office.link(ANNA)
        office.control("revoke", account=ANNA, code=53003)
        claims = office.refresh(linked["refresh_token"])["claims"]
        assert json.loads(claims)["access_token"]["capolids"]["essential"] is True
        app = office.app()
        flow = office.flow(app, claims_challenge=claims)
        assert parse_qs(urlsplit(flow["auth_uri"]).query)["claims"] == [claims]
        assert app.acquire_token_by_auth_code_flow(flow, office.consent(flow, ANNA))["access_token"]

    def test_a_rule_may_stand_against_consent_itself(self, office: Office) -> None:
        office.control("bar", account=ANNA)
        back = office.consent(office.flow(office.app()), ANNA)
        assert back["error"] == "access_denied"
        assert back["error_description"].startswith("AADSTS53003: Access has been blocked")
        assert office.link(BEN)["access_token"]
        office.control("bar", account=ANNA, code=0)
        assert office.link(ANNA)["access_token"]

    def test_a_code_is_refused_until_what_was_demanded_comes_with_the_consent(self, office: Office) -> None:
        office.control("bar", account=ANNA, code=50076, at="token")
        app = office.app()
        flow = office.flow(app)
        refused = app.acquire_token_by_auth_code_flow(flow, office.consent(flow, ANNA))
        assert (refused["error"], refused["error_codes"]) == ("interaction_required", [50076])
        assert "error" in office.link(ANNA)
        flow = office.flow(app, claims_challenge=refused["claims"])
        assert app.acquire_token_by_auth_code_flow(flow, office.consent(flow, ANNA))["access_token"]
        assert office.link(ANNA)["access_token"]

    def test_a_new_consent_cures_the_old_token_unless_it_is_over(self, office: Office) -> None:
        linked = office.link(ANNA)
        office.control("revoke", account=ANNA, code=65001)
        office.link(ANNA)
        assert office.refresh(linked["refresh_token"])["access_token"]
        office.control("revoke", account=ANNA)
        office.link(ANNA)
        assert office.refresh(linked["refresh_token"])["error_codes"] == [50173]

    def test_an_unknown_trouble_cannot_be_ordered(self, office: Office) -> None:
        answer = requests.post(
            f"{office.scene.url}/control/microsoft/revoke", json={"account": ANNA, "code": 1}, timeout=20
        )
        assert (answer.status_code, "50173" in answer.json()["error"]) == (400, True)

    def test_a_wrong_secret_is_the_clients_trouble_and_nobody_elses(self, office: Office) -> None:
        linked = office.link(ANNA)
        office.control("secret", wrong=True)
        result = office.refresh(linked["refresh_token"])
        assert (result["error"], result["error_codes"]) == ("invalid_client", [7000215])
        assert office.link(ANNA)["error"] == "invalid_client"
        office.control("secret", wrong=False)
        assert office.refresh(linked["refresh_token"])["access_token"]

    def test_a_busy_token_endpoint_is_msals_error_or_a_returned_one(self, office: Office) -> None:
        linked = office.link(ANNA)
        office.scene.post("faults", operation="microsoft.token", kind="rate_limit_429", account=ANNA, retry_after="7")
        assert office.refresh(linked["refresh_token"])["error"] == "temporarily_unavailable"
        office.scene.post("faults", operation="microsoft.token", kind="error_503")
        with pytest.raises(msal.exceptions.MsalServiceError):
            office.refresh(linked["refresh_token"])
        assert office.refresh(linked["refresh_token"])["access_token"]


class TestAdministrator:
    def test_a_strict_tenant_refuses_until_its_administrator_consented(self, office: Office) -> None:
        office.control("admin_consent_required", tenant=TENANT)
        refused = office.link(ANNA, CALENDARS, MAIL_HEADS)
        assert refused["error"] == "access_denied"
        assert refused["error_description"] == "AADSTS90094: The grant requires admin permission."
        back = redirected(office.answered(admin_address(), BEN, "allow"))
        assert (back["admin_consent"], back["tenant"], back["state"]) == ("True", TENANT, "state-9")
        assert "https://graph.microsoft.com/Calendars.Read" in back["scope"].split()
        assert "code" not in back
        assert office.link(ANNA, CALENDARS, MAIL_HEADS)["access_token"]
        assert office.link(ANNA, "Mail.Read")["error"] == "access_denied", "he allowed less than that"
        office.control("admin_consent_required", tenant=ANNA, required=False)
        assert office.link(ANNA, "Mail.Read")["access_token"]

    def test_sign_in_and_what_was_linked_before_go_on(self, office: Office) -> None:
        linked = office.link(ANNA)
        office.control("admin_consent_required", tenant=TENANT)
        assert office.refresh(linked["refresh_token"])["access_token"]
        assert office.link(ANNA, "User.Read")["access_token"]
        office.account("eve@elsewhere.example")
        assert office.link("eve@elsewhere.example", CALENDARS)["access_token"], "another tenant"

    def test_the_administrator_may_say_no(self, office: Office) -> None:
        office.control("admin_consent_required", tenant=TENANT)
        back = redirected(office.answered(admin_address(), BEN, "deny"))
        assert (back["admin_consent"], back["error"], back["state"]) == ("True", "consent_required", "state-9")
        assert back["error_description"].startswith("AADSTS65004")
        assert office.link(ANNA)["error"] == "access_denied"

    def test_all_of_it_at_once(self, office: Office) -> None:
        office.control("admin_consent_required", tenant=TENANT)
        address = admin_address("organizations", scope="https://graph.microsoft.com/.default")
        assert "https://graph.microsoft.com/Mail.Read" in redirected(office.answered(address, BEN, "allow"))["scope"]
        assert office.link(ANNA, "Mail.Read")["access_token"]

    @pytest.mark.parametrize(
        ("authority", "wrong"),
        [
            ("common", {}),
            ("consumers", {}),
            (TENANT, {"redirect_uri": "javascript:alert(1)"}),
            (TENANT, {"redirect_uri": "http://[broken"}),
            (TENANT, {"client_id": ""}),
            (TENANT, {"scope": "Made.Up"}),
        ],
    )
    def test_what_cannot_be_answered_is_a_dead_end(self, office: Office, authority: str, wrong: dict[str, str]) -> None:
        page = office.http.get(admin_address(authority, **wrong), timeout=20)
        assert page.status_code == 400
        assert "AADSTS" in page.text


def test_the_front_page_tells_who_is_linked_and_in_trouble(office: Office) -> None:
    office.link(ANNA)
    office.control("revoke", account=ANNA)
    office.control("admin_consent_required", tenant=TENANT)
    front = office.scene.http.get(f"{office.scene.url}/", timeout=20).text
    assert f"{CLIENT_ID} (AADSTS50173), needs an administrator" in front


def test_grants_survive_a_restart(tmp_path: Path) -> None:
    with Sandbox(state_file=tmp_path / "state.json") as first:
        office = Office(Scene(first.url))
        office.account(ANNA, tenant=TENANT)
        office.account(BEN, tenant=TENANT)
        good, bad = office.link(ANNA), office.link(BEN)
        office.control("revoke", account=BEN, code=65001)
        office.control("admin_consent_required", tenant=TENANT)
        office.answered(admin_address(scope="https://graph.microsoft.com/Mail.ReadBasic"), BEN, "allow")
    with Sandbox(state_file=tmp_path / "state.json") as second:
        office = Office(Scene(second.url))
        assert office.refresh(good["refresh_token"])["access_token"]
        assert office.refresh(bad["refresh_token"])["error_codes"] == [65001]
        assert office.link(ANNA, CALENDARS)["error"] == "access_denied"
        assert office.link(ANNA, MAIL_HEADS)["access_token"]
