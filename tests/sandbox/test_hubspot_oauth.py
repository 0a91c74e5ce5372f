"""Installing an app in the pretend HubSpot: the page, tokens of all versions, what ends them."""

from typing import Any

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from tests.sandbox.hubspot_app import CLIENT, REDIRECT, SCOPES, SECRET, App, installed, recorded
from tests.sandbox.person import Json, Scene, redirected

VERSIONS = ["v1", "2026-03", "2026-09"]
EMAIL_BODIES = "sales-email-read"


@pytest.fixture
def app(scene: Scene) -> App:
    return installed(scene)


def token_post(app: App, path: str = "", **form: str) -> requests.Response:
    form = {"client_id": CLIENT, "client_secret": SECRET} | form
    return app.scene.http.post(f"{app.token_url}{path}", data=form, timeout=20)


@pytest.mark.parametrize("version", VERSIONS)
class TestEveryVersion:
    def test_authlib_installs_and_refreshes(self, app: App, version: str) -> None:
        app.version = version
        token = app.link()
        assert set(recorded("token_reply")) <= set(token)
        assert (token["expires_in"], token["hub_id"], token["token_type"]) == (1800, app.portal, "bearer")
        assert set(token["scopes"]) == set(SCOPES)
        assert len(token["access_token"]) > 300
        again = app.session().refresh_token(app.token_url, refresh_token=token["refresh_token"])
        assert again["refresh_token"] == token["refresh_token"]
        assert again["access_token"] != token["access_token"]
        assert app.plain(again["access_token"], "GET", "/account-info/v3/details").json()["portalId"] == app.portal

    def test_a_code_is_good_once(self, app: App, version: str) -> None:
        app.version = version
        code = redirected(app.consent(app.page()))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        assert token_post(app, **form).ok
        again = token_post(app, **form)
        assert (again.status_code, again.json()["status"]) == (400, "BAD_AUTH_CODE")

    def test_a_dead_refresh_token(self, app: App, version: str) -> None:
        app.version = version
        app.link()
        answer = token_post(app, grant_type="refresh_token", refresh_token="na1-none")
        assert answer.status_code == 400
        assert answer.json() == recorded("errors")["OAUTH_400"]
        with pytest.raises(OAuthError) as caught:
            app.session().refresh_token(app.token_url, refresh_token="na1-none")
        assert caught.value.error == "invalid_grant"

    def test_basic_is_refused(self, app: App, version: str) -> None:
        app.version = version
        code = redirected(app.consent(app.page()))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        answer = app.scene.http.post(app.token_url, data=form, auth=(CLIENT, SECRET), timeout=20)
        assert (answer.status_code, answer.json()["status"]) == (400, "BAD_CLIENT_ID")


class TestConsent:
    def test_the_page_lets_choose_between_portals(self, app: App) -> None:
        other = app.scene.post("hubspot/portals", name="Other", domain="other.example")["id"]
        page = app.page()
        assert page.ok
        assert f"{app.portal} ben.birch@acme.example" in page.text
        assert f"({other})" in page.text
        assert app.link(account=f"{other} admin@other.example")["hub_id"] == other

    def test_who_chose_is_known(self, app: App) -> None:
        token = app.link(account=f"{app.portal} ben.birch@acme.example")["access_token"]
        info = app.plain(token, "GET", f"/oauth/v1/access-tokens/{token}").json()
        assert info["user"] == "ben.birch@acme.example"

    def test_denied(self, app: App) -> None:
        answer = redirected(app.consent(app.page(), decision="deny"))
        assert answer["error"] == "access_denied"
        app.control("consent", deny=True)
        assert redirected(app.consent(app.page()))["error"] == "access_denied"

    def test_optional_scopes_may_be_left_out(self, app: App) -> None:
        optional = (EMAIL_BODIES, "crm.objects.owners.read")
        needed = SCOPES[:-1]
        assert set(app.link(*needed, optional=optional)["scopes"]) == {*needed, *optional}
        chosen = app.link(*needed, optional=optional, decision="allow", scope=[EMAIL_BODIES])
        assert set(chosen["scopes"]) == {*needed, EMAIL_BODIES}
        app.control("consent", untick=["owners"])
        assert set(app.link(*needed, optional=optional)["scopes"]) == {*needed, EMAIL_BODIES}

    @pytest.mark.parametrize(
        "changes", [{"scope": "crm.none"}, {"redirect_uri": "nowhere"}, {"scope": ""}, {"code_challenge": "short"}]
    )
    def test_a_request_that_is_no_good_never_redirects(self, app: App, changes: dict[str, str]) -> None:
        asked = {"client_id": CLIENT, "redirect_uri": REDIRECT, "scope": "oauth"} | changes
        page = app.scene.http.get(f"{app.scene.url}/hubspot-app/oauth/authorize", params=asked, timeout=20)
        assert page.status_code == 400

    def test_an_account_that_is_none_is_asked_for_again(self, app: App) -> None:
        assert app.consent(app.page(), account="1").status_code == 200


class TestProof:
    def test_the_verifier_is_needed_where_there_was_a_challenge(self, app: App) -> None:
        page = app.page(code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method="S256")
        code = redirected(app.consent(page))["code"]
        answer = token_post(app, grant_type="authorization_code", code=code, redirect_uri=REDIRECT)
        assert answer.json()["status"] == "BAD_CODE_VERIFIER"

    def test_another_redirect_address(self, app: App) -> None:
        code = redirected(app.consent(app.page()))["code"]
        answer = token_post(app, grant_type="authorization_code", code=code, redirect_uri=f"{REDIRECT}/other")
        assert answer.json()["status"] == "BAD_REDIRECT_URI"

    def test_registered_clients_alone_are_good(self, app: App) -> None:
        app.scene.post("hubspot/clients", client_id=CLIENT, client_secret=SECRET, redirect_uris=[REDIRECT], app_id=77)
        token = app.link()["access_token"]
        assert app.plain(token, "GET", f"/oauth/v1/access-tokens/{token}").json()["app_id"] == 77
        assert App(app.scene, app.portal, client_id="app-2").page().status_code == 400
        wrong = token_post(app, client_secret="wrong", grant_type="refresh_token", refresh_token="any")
        assert wrong.json()["status"] == "BAD_CLIENT_SECRET"

    def test_an_unknown_grant_type(self, app: App) -> None:
        assert token_post(app, grant_type="password").json()["status"] == "BAD_GRANT_TYPE"


class TestLives:
    def test_expired_access(self, app: App) -> None:
        token = app.link()
        app.scene.post("clock", advance_seconds=1800 + 75)
        answer = app.plain(token["access_token"], "GET", "/crm/v3/objects/contacts")
        wanted = recorded("errors")["EXPIRED_AUTHENTICATION_401"]
        assert answer.status_code == 401
        assert set(answer.json()) == set(wanted)
        assert answer.json()["category"] == wanted["category"]
        assert "75 second(s) ago" in answer.json()["message"]

    def test_expired_by_order_and_refreshed(self, app: App) -> None:
        token = app.link()
        app.control("expire_access_tokens")
        assert app.plain(token["access_token"], "GET", "/crm/v3/objects/contacts").status_code == 401
        fresh = app.session().refresh_token(app.token_url, refresh_token=token["refresh_token"])
        assert app.plain(fresh["access_token"], "GET", "/crm/v3/objects/contacts").ok

    def test_a_token_that_never_was(self, app: App) -> None:
        answer = app.plain("nonsense", "GET", "/crm/v3/objects/contacts")
        assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")

    def test_rotation_ends_the_old_one(self, app: App) -> None:
        app.scene.post("hubspot/rotate_refresh_tokens", on=True)
        old = app.link()["refresh_token"]
        new = app.session().refresh_token(app.token_url, refresh_token=old)["refresh_token"]
        assert new != old
        assert token_post(app, grant_type="refresh_token", refresh_token=old).json()["status"] == "BAD_REFRESH_TOKEN"
        assert token_post(app, grant_type="refresh_token", refresh_token=new).ok

    def test_uninstalled_by_the_user(self, app: App) -> None:
        token = app.link()
        app.control("revoke")
        dead = token_post(app, grant_type="refresh_token", refresh_token=token["refresh_token"])
        assert dead.json()["status"] == "BAD_REFRESH_TOKEN"
        assert app.plain(token["access_token"], "GET", "/crm/v3/objects/contacts").status_code == 401

    def test_uninstalled_by_the_app(self, app: App) -> None:
        token = app.link()
        assert app.plain(token["access_token"], "DELETE", "/appinstalls/v3/external-install").status_code == 204
        assert app.scene.get("hubspot/portals")["portals"][0]["clients"] == []

    def test_without_its_refresh_token_an_access_token_lives_on(self, app: App) -> None:
        token = app.link()
        client: Any = app.client(token=token["access_token"])
        client.oauth.refresh_tokens_api.archive(token["refresh_token"])
        assert app.plain(token["access_token"], "GET", "/crm/v3/objects/contacts").ok
        dead = token_post(app, grant_type="refresh_token", refresh_token=token["refresh_token"])
        assert dead.json()["status"] == "BAD_REFRESH_TOKEN"
        assert app.scene.get("hubspot/portals")["portals"][0]["clients"] == [CLIENT]


class TestWhoseToken:
    def test_hubspots_client_reads_what_a_token_is(self, app: App) -> None:
        token = app.link()
        client: Any = app.client(token=token["access_token"])
        info = client.oauth.access_tokens_api.get(token["access_token"])
        assert (info.hub_id, info.token_type, info.hub_domain) == (app.portal, "access", "acme.example")
        wanted = set(recorded("access_token_info")) - {"signed_access_token"}
        shown = app.plain(token["access_token"], "GET", f"/oauth/v1/access-tokens/{token['access_token']}").json()
        assert set(shown) == wanted
        known = client.oauth.refresh_tokens_api.get(token["refresh_token"])
        assert (known.hub_id, known.client_id) == (app.portal, CLIENT)

    def test_hubspots_client_gets_tokens_too(self, app: App) -> None:
        client: Any = app.client()
        code = redirected(app.consent(app.page()))["code"]
        reply = client.oauth.tokens_api.create(
            grant_type="authorization_code", code=code, redirect_uri=REDIRECT, client_id=CLIENT, client_secret=SECRET
        )
        assert reply.expires_in == 1800
        assert reply.refresh_token

    @pytest.mark.parametrize("version", VERSIONS[1:])
    def test_introspection_and_revocation(self, app: App, version: str) -> None:
        app.version = version
        token = app.link()

        def about(text: str) -> Json:
            found: Json = token_post(app, "/introspect", token=text, token_type_hint="access_token").json()
            return found

        told = about(token["access_token"])
        assert (told["active"], told["token_use"], told["hub_id"]) == (True, "access_token", app.portal)
        assert about(token["refresh_token"])["token_use"] == "refresh_token"
        assert token_post(app, "/revoke", token=token["refresh_token"]).status_code == 200
        assert about(token["refresh_token"]) == {"active": False}
        assert about(token["access_token"])["active"]
        token_post(app, "/revoke", token=token["access_token"])
        assert about(token["access_token"]) == {"active": False}

    def test_authlib_puts_its_default_basic_where_it_does_not_count(self, app: App) -> None:
        code = redirected(app.consent(app.page()))["code"]
        session = OAuth2Session(CLIENT, SECRET, redirect_uri=REDIRECT)
        session.trust_env = False
        with pytest.raises(OAuthError):
            session.fetch_token(app.token_url, code=code, grant_type="authorization_code")
