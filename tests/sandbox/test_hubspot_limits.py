"""How the pretend HubSpot slows callers down and fails them."""

from typing import Any

import pytest
import requests
from hubspot.crm.contacts import ApiException

from tests.sandbox.hubspot_app import App, error_of, installed, recorded
from tests.sandbox.person import Scene

LIST, SEARCH = "/crm/v3/objects/contacts", "/crm/v3/objects/contacts/search"


@pytest.fixture
def app(scene: Scene) -> App:
    return installed(scene)


@pytest.fixture
def token(app: App) -> str:
    token: str = app.link()["access_token"]
    return token


def policy(answer: requests.Response) -> str:
    assert answer.status_code == 429
    name: str = answer.json()["policyName"]
    return name


class TestTenSeconds:
    def test_headers_are_as_recorded(self, app: App, token: str) -> None:
        answer = app.plain(token, "GET", LIST)
        wanted = {"max": "110", "remaining": "109", "interval-milliseconds": "10000", "secondly": "11"}
        for name, value in wanted.items():
            assert answer.headers[f"X-HubSpot-RateLimit-{name}"] == value
        assert answer.headers["X-HubSpot-RateLimit-Secondly-Remaining"] == "10"
        assert answer.headers["X-HubSpot-Correlation-Id"]
        assert "X-HubSpot-RateLimit-Daily" not in answer.headers

    def test_the_111th_within_ten_seconds(self, app: App, token: str) -> None:
        app.control("limits", used=109)
        assert app.plain(token, "GET", LIST).ok
        refused = app.plain(token, "GET", LIST)
        wanted = recorded("errors")["RATE_LIMIT_429_ten_secondly"]
        assert policy(refused) == "TEN_SECONDLY_ROLLING"
        assert set(refused.json()) == set(wanted)
        assert refused.json()["message"] == wanted["message"]
        app.scene.post("clock", advance_seconds=10)
        assert app.plain(token, "GET", LIST).ok

    def test_another_app_has_its_own(self, app: App, token: str) -> None:
        app.control("limits", used=110)
        other = App(app.scene, app.portal, client_id="app-2")
        assert app.plain(token, "GET", LIST).status_code == 429
        assert other.plain(other.link()["access_token"], "GET", LIST).ok

    def test_a_limit_on_order(self, app: App, token: str) -> None:
        app.control("limits", max=2, seconds=60)
        statuses = [app.plain(token, "GET", LIST).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        listed = app.scene.get("hubspot/limits")["limits"][0]
        assert (listed["in_window"], listed["refused"]) == ({"app-1": 2}, 1)


class TestSearches:
    def test_five_in_a_second_for_all_apps(self, app: App, token: str) -> None:
        other = App(app.scene, app.portal, client_id="app-2")
        tokens = [token, other.link()["access_token"]] * 3
        answers = [app.plain(one, "POST", SEARCH, json={}) for one in tokens]
        assert [one.status_code for one in answers] == [200] * 5 + [429]
        assert policy(answers[-1]) == "SECONDLY"
        assert set(answers[-1].json()) == set(recorded("errors")["RATE_LIMIT_429_secondly"])
        assert not [name for one in answers for name in one.headers if name.startswith("X-HubSpot-RateLimit")]
        app.scene.post("clock", advance_seconds=1)
        assert app.plain(token, "POST", SEARCH, json={}).ok

    def test_they_do_not_count_as_others(self, app: App, token: str) -> None:
        app.plain(token, "POST", SEARCH, json={})
        assert app.plain(token, "GET", LIST).headers["X-HubSpot-RateLimit-Remaining"] == "109"


def test_a_day(app: App, token: str) -> None:
    app.control("limits", daily=1)
    assert app.plain(token, "GET", LIST).ok
    refused = app.plain(token, "GET", LIST)
    assert policy(refused) == "DAILY"
    assert set(refused.json()) == set(recorded("errors")["RATE_LIMIT_429_daily"])


class TestTroubles:
    @pytest.mark.parametrize(
        ("status", "category"), [(401, "EXPIRED_AUTHENTICATION"), (423, "LOCKED"), (477, "MIGRATION_IN_PROGRESS")]
    )
    def test_statuses_of_hubspots_own(self, app: App, status: int, category: str) -> None:
        api = app.client().crm.contacts.basic_api
        app.control("troubles", operation="hubspot.contacts.create", status=status, retry_after=5)
        with pytest.raises(ApiException) as caught:
            api.create({"properties": {"email": "a@x.example"}})
        assert (caught.value.status, error_of(caught)["category"]) == (status, category)
        assert caught.value.headers["Retry-After"] == "5"
        assert app.stored() == {}
        assert api.create({"properties": {"email": "a@x.example"}}).id

    @pytest.mark.parametrize("status", [502, 503, 504, 521, 524])
    def test_gateways(self, app: App, token: str, status: int) -> None:
        app.control("troubles", operation="*.search", status=status, after=1, times=2)
        statuses = [app.plain(token, "POST", SEARCH, json={}).status_code for _ in range(4)]
        assert statuses == [200, status, status, 200]

    def test_only_a_portals_own_until_cleared(self, app: App, token: str) -> None:
        other = App(app.scene, app.scene.post("hubspot/portals", name="Other", domain="o.example")["id"])
        app.control("troubles", operation="hubspot.*", status=503, times=None)
        assert [app.plain(token, "GET", LIST).status_code for _ in range(2)] == [503, 503]
        assert other.plain(other.link()["access_token"], "GET", LIST).ok
        assert len(app.scene.get("hubspot/troubles")["troubles"]) == 1
        app.scene.http.delete(f"{app.scene.url}/control/hubspot/troubles", timeout=20)
        assert app.plain(token, "GET", LIST).ok

    def test_a_status_without_words(self, app: App) -> None:
        url = f"{app.scene.url}/control/hubspot/troubles"
        assert app.scene.http.post(url, json={"operation": "*", "status": 418}, timeout=20).status_code == 400


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("rate_limit_429", 429),
            ("rate_limit_403", 429),
            ("forbidden_403", 403),
            ("not_found_404", 404),
            ("gone_410", 410),
            ("error_500", 500),
            ("error_503", 503),
        ],
    )
    def test_in_hubspots_words(self, app: App, token: str, kind: str, status: int) -> None:
        app.scene.post("faults", operation="hubspot.contacts.list", kind=kind, account=str(app.portal), retry_after=7)
        answer = app.plain(token, "GET", LIST)
        assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
        assert answer.json()["status"] == "error"
        assert app.plain(token, "GET", LIST).ok

    def test_a_lost_reply_is_work_done(self, app: App, token: str) -> None:
        app.scene.post("faults", operation="hubspot.contacts.create", kind="half_page")
        with pytest.raises(requests.RequestException):
            app.plain(token, "POST", LIST, json={"properties": {"email": "a@x.example"}})
        assert [one["properties"]["email"] for one in app.stored().values()] == ["a@x.example"]

    def test_tokens_fail_too(self, app: App) -> None:
        app.scene.post("faults", operation="hubspot.token", kind="error_503")
        answer = app.scene.http.post(app.token_url, data={"grant_type": "refresh_token"}, timeout=20)
        assert answer.status_code == 503

    def test_calls_are_noted_by_portal(self, app: App, token: str) -> None:
        app.plain(token, "GET", LIST)
        last: Any = app.scene.get("requests")["last"][-1]
        assert (last["operation"], last["account"]) == ("hubspot.contacts.list", str(app.portal))


def test_a_path_that_is_none(app: App, token: str) -> None:
    assert app.plain(token, "GET", "/crm/v3/objects/deals").status_code == 404
