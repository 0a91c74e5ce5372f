"""Signing in at the pretend Microsoft, as a client and a person see it."""

from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from sandbox.server import Sandbox
from tests.sandbox.person import REDIRECT, Scene, pkce, redirected

ANNA, TENANT = "anna@contoso.example", "72f988bf-0000-4000-8000-000000000001"
AUTHORITY = "microsoft-login/common/oauth2/v2.0"
Json = dict[str, Any]


@pytest.fixture
def contoso(scene: Scene) -> Scene:
    """The sandbox with Anna of Contoso."""
    scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller", tenant=TENANT)
    return scene


def ask(scene: Scene, authority: str = AUTHORITY, **parameters: str) -> requests.Response:
    asked = {
        "client_id": "client-1",
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid profile email",
        "state": "state-1",
    } | parameters
    return scene.http.get(f"{scene.url}/{authority}/authorize", params=asked, timeout=20, allow_redirects=False)


def token(scene: Scene, **form: str) -> requests.Response:
    form = {
        "client_id": "client-1",
        "client_secret": "secret-1",
        "redirect_uri": REDIRECT,
        "grant_type": "authorization_code",
    } | form
    return scene.http.post(f"{scene.url}/{AUTHORITY}/token", data=form, timeout=20)


def sign_in(scene: Scene, **parameters: str) -> Json:
    """All of it; the token reply."""
    verifier, challenge = pkce()
    page = ask(scene, code_challenge=challenge, code_challenge_method="S256", **parameters)
    code = scene.answer(page, ANNA, decision="allow")["code"]
    answer = token(scene, code=code, code_verifier=verifier)
    assert answer.ok, answer.text
    reply: Json = answer.json()
    return reply


def me(scene: Scene, access_token: str, **query: str) -> requests.Response:
    bearer = {"Authorization": f"Bearer {access_token}"}
    return scene.http.get(f"{scene.url}/microsoft-graph/v1.0/me", params=query, headers=bearer, timeout=20)


def test_a_code_becomes_an_id_token_that_its_published_key_verifies(contoso: Scene) -> None:
    reply = sign_in(contoso, nonce="nonce-1")
    published = contoso.http.get(f"{contoso.url}/microsoft-login/common/discovery/v2.0/keys", timeout=20).json()
    key = jwt.PyJWKSet.from_dict(published)[jwt.get_unverified_header(reply["id_token"])["kid"]]
    issuer = f"https://login.microsoftonline.com/{TENANT}/v2.0"
    claims = jwt.decode(reply["id_token"], key.key, ["RS256"], audience="client-1", issuer=issuer)
    assert (claims["tid"], claims["nonce"], claims["ver"]) == (TENANT, "nonce-1", "2.0")
    assert claims["oid"] == contoso.post("microsoft/accounts", upn=ANNA)["oid"]
    assert (claims["preferred_username"], claims["email"]) == (ANNA, ANNA)
    assert reply["scope"] == "openid profile email"


def test_claims_follow_the_scopes(contoso: Scene) -> None:
    claims = jwt.decode(sign_in(contoso, scope="openid")["id_token"], options={"verify_signature": False})
    assert not {"oid", "name", "preferred_username", "email"} & set(claims)
    assert "id_token" not in sign_in(contoso, scope="User.Read")


def test_the_page_is_honest_and_strict(contoso: Scene) -> None:
    page = ask(contoso, login_hint=ANNA)
    assert "Sandbox, not Microsoft" in page.text
    assert f'value="{ANNA}" required checked' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self' http://127.0.0.1:9" in policy
    assert "unsafe" not in policy
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("tenant", "is_offered"),
    [("common", True), ("organizations", True), (TENANT, True), ("consumers", False), ("another-tenant", False)],
)
def test_an_authority_offers_its_own_accounts(contoso: Scene, tenant: str, is_offered: bool) -> None:
    page = ask(contoso, f"microsoft-login/{tenant}/oauth2/v2.0")
    assert (ANNA in page.text) is is_offered


def test_a_no_comes_back_in_its_words(contoso: Scene) -> None:
    back = contoso.answer(ask(contoso), ANNA, decision="deny")
    assert (back["error"], back["state"]) == ("access_denied", "state-1")
    assert back["error_description"].startswith("AADSTS65004")
    contoso.post("microsoft/consent", account=ANNA, deny=True)
    assert contoso.answer(ask(contoso), ANNA)["error"] == "access_denied"


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": ""},
        {"redirect_uri": "javascript:alert(1)"},
        {"response_type": "token"},
        {"code_challenge": "short", "code_challenge_method": "S256"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_request_that_cannot_be_trusted_is_a_dead_end(contoso: Scene, wrong: dict[str, str]) -> None:
    page = ask(contoso, **wrong)
    assert page.status_code == 400
    assert "AADSTS" in page.text


def test_an_unknown_scope_comes_back(contoso: Scene) -> None:
    assert redirected(ask(contoso, scope="openid Nonsense.Read"))["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("wrong", "error", "status"),
    [
        ({"code": "never-given"}, "invalid_grant", 400),
        ({"client_secret": ""}, "invalid_client", 401),
        ({"grant_type": "password"}, "unsupported_grant_type", 400),
        ({"redirect_uri": "http://127.0.0.1:9/elsewhere"}, "invalid_grant", 400),
        ({"client_id": "another"}, "invalid_grant", 400),
        ({"code_verifier": "x" * 43}, "invalid_grant", 400),
        ({"code_verifier": ""}, "invalid_grant", 400),
    ],
)
def test_the_token_endpoint_refuses(contoso: Scene, wrong: dict[str, str], error: str, status: int) -> None:
    verifier, challenge = pkce()
    page = ask(contoso, code_challenge=challenge, code_challenge_method="S256")
    good = {"code": contoso.answer(page, ANNA, decision="allow")["code"], "code_verifier": verifier}
    answer = token(contoso, **(good | wrong))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_codes"]


def test_a_code_is_good_once_and_for_ten_minutes(contoso: Scene) -> None:
    code = contoso.answer(ask(contoso), ANNA, decision="allow")["code"]
    assert token(contoso, code=code).ok
    assert token(contoso, code=code).json()["error"] == "invalid_grant"
    late = contoso.answer(ask(contoso), ANNA, decision="allow")["code"]
    contoso.post("clock", advance_seconds=601)
    assert token(contoso, code=late).json()["error"] == "invalid_grant"


def test_me_needs_user_read_and_a_live_token(contoso: Scene) -> None:
    refused = me(contoso, sign_in(contoso)["access_token"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "Authorization_RequestDenied")
    access_token = sign_in(contoso, scope="openid profile User.Read")["access_token"]
    chosen = me(contoso, access_token, **{"$select": "id,mail,jobTitle"}).json()
    assert (chosen["mail"], chosen["jobTitle"]) == (ANNA, None)
    assert "userPrincipalName" not in chosen
    assert me(contoso, access_token).json()["givenName"] == "Anna"
    contoso.post("clock", advance_seconds=3600)
    assert me(contoso, access_token).json()["error"]["code"] == "InvalidAuthenticationToken"


def test_faults_are_said_in_its_words_and_of_its_account(contoso: Scene) -> None:
    access_token = sign_in(contoso, scope="User.Read")["access_token"]
    contoso.post("faults", operation="graph.*", kind="rate_limit_429", account=ANNA, retry_after="7")
    spoiled = me(contoso, access_token)
    assert (spoiled.status_code, spoiled.headers["Retry-After"]) == (429, "7")
    assert spoiled.json()["error"]["code"] == "TooManyRequests"
    contoso.post("faults", operation="microsoft.token", kind="error_503")
    assert token(contoso, code="x").json()["error"] == "temporarily_unavailable"
    assert contoso.get("requests")["last"][-1]["operation"] == "microsoft.token"


def test_what_it_does_not_have_is_said(contoso: Scene) -> None:
    answer = contoso.http.get(f"{contoso.url}/microsoft-graph/v1.0/me/contacts", timeout=20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_the_front_page_lists_the_accounts(contoso: Scene) -> None:
    front = contoso.http.get(f"{contoso.url}/", timeout=20).text
    assert "Microsoft accounts" in front
    assert ANNA in front


def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    with Sandbox(state_file=tmp_path / "state.json") as first:
        scene = Scene(first.url)
        known = scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller", tenant=TENANT)
        scene.post("microsoft/consent", account=ANNA, deny=True)
        access_token = sign_in(scene, scope="User.Read")["access_token"]
    with Sandbox(state_file=tmp_path / "state.json") as second:
        scene = Scene(second.url)
        assert me(scene, access_token).json()["id"] == known["oid"]
        assert scene.answer(ask(scene), ANNA)["error"] == "access_denied"
