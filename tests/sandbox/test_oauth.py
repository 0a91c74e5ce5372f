"""Sign-in as the real client libraries and a person with a browser see it."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from google.auth.transport import requests as google_requests
from google.oauth2 import id_token
from googleapiclient.errors import HttpError

from tests.sandbox.conftest import ALICE, BOB
from tests.sandbox.discovery import check_answer
from tests.sandbox.person import CLIENT, READ, READ_MAIL, REDIRECT, SCOPES, Scene, pkce, redirected, service


def test_a_code_becomes_tokens_whose_id_token_google_auth_verifies(scene: Scene) -> None:
    reply = scene.link(ALICE, nonce="nonce-1")
    assert set(reply["scope"].split()) == set(SCOPES)
    assert reply["refresh_token"]
    claims = id_token.verify_token(
        reply["id_token"],
        google_requests.Request(),
        audience=CLIENT[0],
        certs_url=f"{scene.url}/google-apis/oauth2/v1/certs",
    )
    assert claims["iss"] == "https://accounts.google.com"
    assert claims["email"] == ALICE
    assert claims["hd"] == "acme.example"
    assert claims["nonce"] == "nonce-1"
    assert claims["exp"] - claims["iat"] == 3600


def test_the_two_userinfo_spellings(scene: Scene) -> None:
    bearer = {"Authorization": f"Bearer {scene.link(ALICE)['access_token']}"}
    first = requests.get(f"{scene.url}/google-apis/oauth2/v2/userinfo", headers=bearer, timeout=20).json()
    check_answer("GET", "/google-apis/oauth2/v2/userinfo", first)
    second = requests.get(f"{scene.url}/google-openid/v1/userinfo", headers=bearer, timeout=20).json()
    assert (first["id"], first["verified_email"]) == (second["sub"], second["email_verified"])
    assert "name" not in first  # the profile scope was not asked for


def test_the_page_is_honest_and_strict(scene: Scene) -> None:
    page = scene.ask(login_hint=BOB)
    assert "Sandbox, not Google" in page.text
    assert f'value="{BOB}" required checked' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "form-action 'self' http://127.0.0.1:9" in policy
    assert "<script" not in page.text
    assert "style=" not in page.text


def test_an_unticked_scope_is_not_granted_and_the_api_says_so(scene: Scene) -> None:
    page = scene.ask()
    back = scene.answer(page, ALICE, decision="allow")
    reply = scene.token(grant_type="authorization_code", code=back["code"]).json()
    assert READ not in reply["scope"]
    calendar = service(scene.url, "calendar", "v3", reply["access_token"])
    with pytest.raises(HttpError) as error:
        calendar.events().list(calendarId="primary").execute()
    assert error.value.status_code == 403
    details = error.value.error_details
    assert details[0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_the_prefilled_answer_stands_when_the_form_is_sent_as_it_came(scene: Scene) -> None:
    scene.post("google/consent", account=ALICE, untick=["calendar"])
    back = scene.answer(scene.ask(), ALICE)
    assert "calendar" not in back["scope"]
    scene.post("google/consent", account=ALICE, deny=True)
    assert scene.answer(scene.ask(), ALICE) == {"error": "access_denied", "state": "state-1"}


def test_deny_comes_back_as_access_denied(scene: Scene) -> None:
    assert scene.answer(scene.ask(), ALICE, decision="deny") == {"error": "access_denied", "state": "state-1"}


@pytest.mark.parametrize(
    ("parameter", "value", "error"),
    [
        ("client_id", "", "invalid_request"),
        ("redirect_uri", "javascript:alert(1)", "redirect_uri_mismatch"),
        ("redirect_uri", "http://127.0.0.1:9/#fragment", "redirect_uri_mismatch"),
        ("redirect_uri", "http://a;script-src/", "redirect_uri_mismatch"),
        ("response_type", "token", "invalid_request"),
        ("scope", "https://www.googleapis.com/auth/calender", "invalid_scope"),
        ("code_challenge", "short", "invalid_request"),
    ],
)
def test_a_bad_request_stays_on_the_page(scene: Scene, parameter: str, value: str, error: str) -> None:
    page = scene.ask(**{parameter: value})
    assert page.status_code == 400
    assert error in page.text
    assert "Location" not in page.headers


def test_a_configured_client_pins_secret_and_redirect(scene: Scene) -> None:
    scene.post("google/clients", client_id=CLIENT[0], client_secret="other", redirect_uris=[REDIRECT])
    assert "redirect_uri_mismatch" in scene.ask(redirect_uri="http://127.0.0.1:9/else").text
    assert "invalid_client" in scene.ask(client_id="client-2").text
    code = scene.answer(scene.ask(), ALICE)["code"]
    refused = scene.token(grant_type="authorization_code", code=code)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_refresh_token_comes_on_first_consent_or_by_force(scene: Scene) -> None:
    assert "refresh_token" in scene.link(ALICE)
    assert "refresh_token" not in scene.link(ALICE)
    assert "refresh_token" in scene.link(ALICE, prompt="consent")
    assert "refresh_token" not in scene.link(BOB, access_type="online")


def test_prompt_none_needs_an_earlier_consent(scene: Scene) -> None:
    assert redirected(scene.ask(prompt="none"))["error"] == "login_required"
    assert redirected(scene.ask(prompt="none", login_hint=ALICE))["error"] == "interaction_required"
    scene.link(ALICE)
    assert "code" in redirected(scene.ask(prompt="none", login_hint=ALICE))


def test_a_code_is_good_once_in_time_for_its_address_and_verifier(scene: Scene) -> None:
    verifier, challenge = pkce()
    pinned = {"code_challenge": challenge, "code_challenge_method": "S256"}

    def fresh() -> str:
        return scene.answer(scene.ask(**pinned), ALICE)["code"]

    def exchange(code: str, **form: str) -> tuple[int, str]:
        answer = scene.token(**{"grant_type": "authorization_code", "code": code, "code_verifier": verifier} | form)
        return answer.status_code, answer.json().get("error", "")

    assert exchange(fresh(), code_verifier="wrong") == (400, "invalid_grant")
    assert exchange(fresh(), code_verifier="") == (400, "invalid_grant")
    assert exchange(fresh(), redirect_uri="http://127.0.0.1:9/else") == (400, "redirect_uri_mismatch")
    assert exchange(fresh(), client_id="client-2")[1] == "unauthorized_client"
    code = fresh()
    assert exchange(code) == (200, "")
    assert exchange(code) == (400, "invalid_grant")
    late = fresh()
    scene.post("clock", advance_seconds=601)
    assert exchange(late) == (400, "invalid_grant")


def test_the_client_may_come_as_basic(scene: Scene) -> None:
    code = scene.answer(scene.ask(), ALICE)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    answer = requests.post(f"{scene.url}/google-oauth2/token", data=form, auth=CLIENT, timeout=20)
    assert answer.status_code == 200
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    assert requests.post(f"{scene.url}/google-oauth2/token", data=form, timeout=20).status_code == 400


def test_refresh_keeps_the_refresh_token_and_may_narrow(scene: Scene) -> None:
    refresh = scene.link(ALICE)["refresh_token"]
    reply = scene.token(grant_type="refresh_token", refresh_token=refresh).json()
    assert "refresh_token" not in reply
    assert reply["id_token"]
    narrow = scene.token(grant_type="refresh_token", refresh_token=refresh, scope=READ).json()
    assert narrow["scope"] == READ
    assert "id_token" not in narrow
    refused = scene.token(grant_type="refresh_token", refresh_token=refresh, scope="h t t p").json()
    assert refused["error"] == "invalid_scope"


def test_rotation_ends_the_grant_when_an_old_token_comes_again(scene: Scene) -> None:
    scene.post("google/rotate_refresh_tokens", on=True)
    first = scene.link(ALICE)["refresh_token"]
    second = scene.token(grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    assert second != first
    assert scene.token(grant_type="refresh_token", refresh_token=first).json()["error"] == "invalid_grant"
    assert scene.token(grant_type="refresh_token", refresh_token=second).json()["error"] == "invalid_grant"


def test_the_two_texts_of_invalid_grant(scene: Scene) -> None:
    refresh = scene.link(ALICE)["refresh_token"]
    scene.post("google/revoke", account=ALICE)
    dead = scene.token(grant_type="refresh_token", refresh_token=refresh).json()
    assert dead == {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
    unknown = scene.token(grant_type="refresh_token", refresh_token="1//0never").json()
    assert unknown == {"error": "invalid_grant", "error_description": "Bad Request"}


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_either_token_kills_both(scene: Scene, kind: str) -> None:
    reply = scene.link(ALICE)
    address = f"{scene.url}/google-oauth2/revoke"
    assert requests.get(address, params={"token": reply[kind]}, timeout=20).status_code == 404
    assert requests.post(address, data={"token": reply[kind]}, timeout=20).status_code == 200
    again = requests.post(address, data={"token": reply[kind]}, timeout=20)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")
    assert scene.token(grant_type="refresh_token", refresh_token=reply["refresh_token"]).status_code == 400
    assert listing_status(scene, reply["access_token"]) == 401


def test_access_tokens_run_out_on_the_sandbox_clock(scene: Scene) -> None:
    reply = scene.link(ALICE)
    assert listing_status(scene, reply["access_token"]) == 200
    scene.post("clock", advance_seconds=3600)
    assert listing_status(scene, reply["access_token"]) == 401
    fresh = scene.token(grant_type="refresh_token", refresh_token=reply["refresh_token"]).json()
    assert listing_status(scene, fresh["access_token"]) == 200
    scene.post("google/expire_access_tokens", account=ALICE)
    assert listing_status(scene, fresh["access_token"]) == 401
    assert listing_status(scene, "") == 401


def test_incremental_consent_returns_the_union(scene: Scene) -> None:
    scene.link(ALICE)
    reply = scene.link(ALICE, scope="openid", include_granted_scopes="true")
    assert READ in reply["scope"].split()


def test_the_hundred_and_first_refresh_token_kills_the_first(scene: Scene) -> None:
    first = scene.link(ALICE)["refresh_token"]
    for _ in range(100):
        scene.link(ALICE, prompt="consent")
    assert scene.token(grant_type="refresh_token", refresh_token=first).json()["error"] == "invalid_grant"


def test_the_redirect_keeps_the_clients_own_query(scene: Scene) -> None:
    page = scene.ask(redirect_uri=f"{REDIRECT}?kept=1")
    answer = requests.post(page.url, data={"account": ALICE}, timeout=20, allow_redirects=False)
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["kept"] == ["1"]


def listing_status(scene: Scene, token: str) -> int:
    """The status of a plain events.list."""
    address = f"{scene.url}/google-apis/calendar/v3/calendars/primary/events"
    return requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=20).status_code


def test_mail_is_a_grant_of_its_own_that_ends_with_all_others(scene: Scene) -> None:
    calendar = scene.link(ALICE)
    mail = scene.link(ALICE, scope=f"openid {READ_MAIL}")
    assert mail["scope"] == f"openid {READ_MAIL}"
    assert mail["refresh_token"] != calendar["refresh_token"]
    assert "refresh_token" not in scene.link(ALICE, scope=f"openid {READ_MAIL}")
    scene.http.post(f"{scene.url}/google-oauth2/revoke", data={"token": calendar["refresh_token"]}, timeout=5)
    answer = scene.token(grant_type="refresh_token", refresh_token=mail["refresh_token"])
    assert answer.json()["error"] == "invalid_grant"
