"""Signing in at the pretend Salesforce, as authlib and a person with a browser see it."""

import base64
import hashlib
import hmac
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.base_client import OAuthError

from tests.sandbox.person import REDIRECT, Json, Scene, redirected
from tests.sandbox.salesforce import ANNA, APP, BEN, HOST, LOGIN, SCOPE, Lab, acme, recorded, refusal, rerouted

TEST_HOST = "test.salesforce.com"
SANDBOX = "acme--uat.sandbox.my.salesforce.com"
VERIFIER = "v" * 50


def post_token(lab: Lab, host: str = LOGIN, **form: str) -> requests.Response:
    """POST /token as nobody's client would: with anything."""
    body = {"client_id": APP[0], "client_secret": APP[1], "redirect_uri": REDIRECT} | form
    address = f"{lab.scene.url}/salesforce/{host}/services/oauth2/token"
    return lab.scene.http.post(address, data={key: value for key, value in body.items() if value}, timeout=20)


def code_of(lab: Lab, username: str = ANNA, host: str = LOGIN) -> str:
    """A code, asked for with VERIFIER's challenge."""
    address, _ = lab.oauth().create_authorization_url(
        f"https://{host}/services/oauth2/authorize", scope=SCOPE, code_verifier=VERIFIER
    )
    return redirected(lab.consent(host, address, username))["code"]


def redeem(lab: Lab, code: str, **form: str) -> requests.Response:
    return post_token(lab, grant_type="authorization_code", code=code, **({"code_verifier": VERIFIER} | form))


def refresh(lab: Lab, token: str, host: str = LOGIN) -> requests.Response:
    return post_token(lab, host, grant_type="refresh_token", refresh_token=token)


def get(lab: Lab, address: str, token: str) -> requests.Response:
    """A rerouted GET with a token."""
    session = rerouted(requests.Session(), lab.scene.url)
    answer: requests.Response = session.get(address, headers={"Authorization": f"Bearer {token}"})
    return answer


def test_the_reply_is_as_recorded(scene: Scene) -> None:
    lab = acme(scene)
    reply = lab.token()
    assert set(reply) == set(recorded("token_reply.json"))
    assert reply["instance_url"] == f"https://{HOST}"
    assert isinstance(reply["issued_at"], str)
    assert reply["id"] == f"https://{LOGIN}/id/{lab.org['id']}/{lab.org['users'][ANNA]}"
    assert len(lab.org["id"]) == 18
    assert reply["access_token"].startswith(lab.org["id"][:15] + "!")
    signed = hmac.new(APP[1].encode(), (reply["id"] + reply["issued_at"]).encode(), hashlib.sha256).digest()
    assert reply["signature"] == base64.b64encode(signed).decode()
    assert lab.client(token=reply["access_token"]).query("SELECT Id FROM User")["totalSize"] == 2


def test_authlib_refreshes_and_keeps_its_refresh_token(scene: Scene) -> None:
    lab = acme(scene)
    reply = lab.token()
    session = lab.oauth()
    again = session.refresh_token(f"https://{LOGIN}/services/oauth2/token", refresh_token=reply["refresh_token"])
    assert again["refresh_token"] == reply["refresh_token"]
    assert again["access_token"] != reply["access_token"]
    raw = refresh(lab, reply["refresh_token"]).json()
    assert set(raw) == set(recorded("token_refresh_reply.json"))


def test_a_session_with_a_scope_of_its_own_cannot_refresh(scene: Scene) -> None:
    """What authlib does when the scope is given to the session: Salesforce refuses it."""
    lab = acme(scene)
    session = lab.oauth(scope=SCOPE)
    with pytest.raises(OAuthError) as caught:
        session.refresh_token(f"https://{LOGIN}/services/oauth2/token", refresh_token=lab.token()["refresh_token"])
    wanted = recorded("token_errors.json")["scope_sent_400"]
    assert (caught.value.error, caught.value.description) == (wanted["error"], wanted["error_description"])


@pytest.mark.parametrize(("verifier", "error"), [("", "invalid_grant"), ("w" * 50, "invalid_request")])
def test_the_verifier_is_asked_for(scene: Scene, verifier: str, error: str) -> None:
    lab = acme(scene)
    answer = redeem(lab, code_of(lab), code_verifier=verifier)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_code_is_good_once_for_its_app_and_its_address(scene: Scene) -> None:
    lab = acme(scene)
    code = code_of(lab)
    assert redeem(lab, code).ok
    assert redeem(lab, code).json()["error"] == "invalid_grant"
    assert redeem(lab, code_of(lab), redirect_uri=f"{REDIRECT}/").json()["error"] == "redirect_uri_mismatch"
    assert redeem(lab, code_of(lab), client_id="another").json()["error"] == "invalid_grant"
    late = code_of(lab)
    scene.post("clock", advance_seconds=901)
    assert redeem(lab, late).json()["error"] == "invalid_grant"


def test_without_a_challenge_there_is_no_code(scene: Scene) -> None:
    lab = acme(scene)
    address = (
        f"https://{LOGIN}/services/oauth2/authorize?client_id=a&response_type=code&state=s&redirect_uri={REDIRECT}"
    )
    back = redirected(lab.consent(LOGIN, address, ANNA))
    assert back["error"] == "invalid_request"
    assert back["state"] == "s"


def test_denying_and_unknown_scopes_go_back_to_the_app(scene: Scene) -> None:
    lab = acme(scene)

    def asked(scope: str, **form: str) -> dict[str, str]:
        address, _ = lab.oauth().create_authorization_url(
            f"https://{LOGIN}/services/oauth2/authorize", scope=scope, code_verifier=VERIFIER
        )
        return redirected(lab.consent(LOGIN, address, ANNA, **form))

    assert asked(SCOPE, decision="deny")["error"] == "access_denied"
    assert asked("api nonsense")["error"] == "invalid_scope"
    scene.post("salesforce/consent", user=ANNA, deny=True)
    assert asked(SCOPE)["error"] == "access_denied"
    assert "code" in asked(SCOPE, decision="allow")


def test_without_offline_access_no_refresh_token(scene: Scene) -> None:
    assert "refresh_token" not in acme(scene).token(scope="api")


def test_data_needs_the_scope_api(scene: Scene) -> None:
    lab = acme(scene)
    with refusal(401, "INVALID_SESSION_ID"):
        lab.client(token=lab.token(scope="id refresh_token")["access_token"]).query("SELECT Id FROM User")


def test_configured_apps_alone_are_good(scene: Scene) -> None:
    lab = acme(scene)
    token = lab.token()["refresh_token"]
    order = {"client_id": APP[0], "client_secret": "another", "redirect_uris": [REDIRECT]}
    scene.post("salesforce/clients", **order)
    wrong = refresh(lab, token)
    assert (wrong.status_code, wrong.json()) == (400, recorded("token_errors.json")["bad_client_400"])
    assert post_token(lab, grant_type="refresh_token", refresh_token=token, client_id="x").json()["error"] == (
        "invalid_client_id"
    )
    scene.post("salesforce/clients", **(order | {"client_secret": APP[1], "redirect_uris": ["https://other.example/"]}))
    address, _ = lab.oauth().create_authorization_url(
        f"https://{LOGIN}/services/oauth2/authorize", code_verifier=VERIFIER
    )
    page = lab.consent(LOGIN, address, ANNA)
    assert page.status_code == 400
    assert "redirect_uri_mismatch" in page.text


def test_basic_authentication_will_do(scene: Scene) -> None:
    lab = acme(scene)
    form = {"grant_type": "refresh_token", "refresh_token": lab.token()["refresh_token"]}
    address = f"{scene.url}/salesforce/{LOGIN}/services/oauth2/token"
    assert scene.http.post(address, data=form, auth=APP, timeout=20).ok


def test_rotation_kills_the_old_token_at_once(scene: Scene) -> None:
    lab = acme(scene)
    scene.post("salesforce/rotate_refresh_tokens", on=True)
    old = lab.token()["refresh_token"]
    new = refresh(lab, old).json()["refresh_token"]
    assert new != old
    late = refresh(lab, old)
    assert (late.status_code, late.json()) == (400, recorded("token_errors.json")["expired_refresh_400"])
    assert refresh(lab, new).ok


def test_refreshing_works_at_every_host_of_the_org_and_at_no_other(scene: Scene) -> None:
    lab = acme(scene)
    token = lab.token()["refresh_token"]
    assert refresh(lab, token, HOST).ok
    scene.post("salesforce/orgs", org="globex", users=[{"username": "gina@globex.example"}])
    for host in (TEST_HOST, "globex.my.salesforce.com"):
        assert refresh(lab, token, host).json()["error"] == "invalid_grant"


def test_a_sandbox_signs_in_at_test_and_at_its_own_host(scene: Scene) -> None:
    lab = acme(scene)
    org = scene.post("salesforce/orgs", org=SANDBOX, users=[{"username": "anna@acme.example.uat"}])
    for host in (TEST_HOST, SANDBOX):
        reply = lab.token("anna@acme.example.uat", host)
        assert reply["instance_url"] == f"https://{SANDBOX}"
        assert reply["id"].startswith(f"https://{TEST_HOST}/id/{org['id']}/")
    # Production users are not offered there, nor the other way round.
    address, _ = lab.oauth().create_authorization_url(
        f"https://{TEST_HOST}/services/oauth2/authorize", code_verifier=VERIFIER
    )
    assert f'value="{ANNA}"' not in lab.consent(TEST_HOST, address, ANNA).text


def test_an_orgs_own_host_offers_its_users_alone(scene: Scene) -> None:
    lab = acme(scene)
    scene.post("salesforce/orgs", org="globex", users=[{"username": "gina@globex.example"}])
    assert lab.token(BEN, HOST)["instance_url"] == f"https://{HOST}"
    address, _ = lab.oauth().create_authorization_url(
        f"https://{HOST}/services/oauth2/authorize", code_verifier=VERIFIER
    )
    page = lab.consent(HOST, address, "gina@globex.example")
    assert page.status_code == 200
    assert "gina@globex.example" not in page.text
    missing = f"https://nobody.my.salesforce.com/services/oauth2/authorize?{urlsplit(address).query}"
    assert lab.consent("nobody.my.salesforce.com", missing, ANNA).status_code == 400


def test_an_inactive_user_is_told_so(scene: Scene) -> None:
    lab = acme(scene)
    token = lab.token()
    code = code_of(lab)
    scene.post("salesforce/orgs", org=HOST, users=[{"username": ANNA, "active": False}])
    wanted = recorded("token_errors.json")["inactive_user_400"]
    assert refresh(lab, token["refresh_token"]).json() == wanted
    assert redeem(lab, code).json() == wanted
    with refusal(401, "INVALID_SESSION_ID"):
        lab.client(token=token["access_token"]).query("SELECT Id FROM User")


def test_a_session_ends_by_time_and_by_order_and_use_makes_it_longer(scene: Scene) -> None:
    lab = acme(scene)
    reply = lab.token()
    client = lab.client(token=reply["access_token"])
    for _ in range(3):
        scene.post("clock", advance_seconds=7_000)
        client.query("SELECT Id FROM User")
    scene.post("clock", advance_seconds=7_300)
    with refusal(401) as errors:
        client.query("SELECT Id FROM User")
    assert errors == recorded("errors.json")["INVALID_SESSION_ID_401"]
    fresh = lab.client(token=refresh(lab, reply["refresh_token"]).json()["access_token"])
    fresh.query("SELECT Id FROM User")
    lab.order("expire_access_tokens")
    with refusal(401, "INVALID_SESSION_ID"):
        fresh.Contact.describe()
    assert refresh(lab, reply["refresh_token"]).ok


def test_a_session_is_good_at_its_own_org_only(scene: Scene) -> None:
    lab = acme(scene)
    scene.post("salesforce/orgs", org="globex", users=[{"username": "gina@globex.example"}])
    token = lab.token("gina@globex.example")["access_token"]
    with refusal(401, "INVALID_SESSION_ID"):
        lab.client(token=token).query("SELECT Id FROM User")


def test_revoking(scene: Scene) -> None:
    lab = acme(scene)
    first, second = lab.token(), lab.token()
    session = lab.oauth()
    assert session.revoke_token(f"https://{LOGIN}/services/oauth2/revoke", token=first["refresh_token"]).content == b""
    assert refresh(lab, first["refresh_token"]).json()["error"] == "invalid_grant"
    with refusal(401):
        lab.client(token=first["access_token"]).query("SELECT Id FROM User")
    assert refresh(lab, second["refresh_token"]).ok
    lab.order("revoke", user=ANNA)
    assert refresh(lab, second["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_sixth_approval_ends_the_first(scene: Scene) -> None:
    lab = acme(scene)
    tokens = [lab.token()["refresh_token"] for _ in range(6)]
    assert [refresh(lab, token).ok for token in tokens] == [False, *[True] * 5]


def test_who_one_is(scene: Scene) -> None:
    lab = acme(scene)
    reply = lab.token()
    found = get(lab, f"https://{HOST}/services/oauth2/userinfo", reply["access_token"])
    wanted: Json = recorded("userinfo.json")["body"]
    assert set(found.json()) == set(wanted)
    assert set(found.json()["urls"]) == set(wanted["urls"])
    assert (found.json()["organization_id"], found.json()["email"]) == (lab.org["id"], ANNA)
    assert found.json()["urls"]["partner"].endswith(lab.org["id"][:15])
    identity = get(lab, reply["id"], reply["access_token"]).json()
    assert (identity["user_id"], identity["organization_id"]) == tuple(reply["id"].split("/")[:-3:-1])
    assert get(lab, reply["id"], "nonsense").status_code == 403
    only_data = lab.token(scope="api")["access_token"]
    assert get(lab, f"https://{HOST}/services/oauth2/userinfo", only_data).text == "Missing_OAuth_Scope"


def test_the_page_is_escaped_and_strict(scene: Scene) -> None:
    lab = acme(scene)
    lab.order("orgs", users=[{"username": ANNA, "name": "<b>Anna"}])
    address, _ = lab.oauth().create_authorization_url(
        f"https://{LOGIN}/services/oauth2/authorize", scope=SCOPE, code_verifier=VERIFIER
    )
    page = lab.consent(LOGIN, address, "nobody@acme.example")
    assert "<b>Anna" not in page.text
    assert "form-action 'self' http://127.0.0.1:9" in page.headers["Content-Security-Policy"]
    assert parse_qs(urlsplit(address).query)["code_challenge_method"] == ["S256"]


def test_faults_of_sign_in_are_objects(scene: Scene) -> None:
    lab = acme(scene)
    token = lab.token()["refresh_token"]
    scene.post("faults", operation="salesforce.token", kind="error_503", account=ANNA)
    answer = refresh(lab, token)
    assert (answer.status_code, answer.json()["error"]) == (503, "server_error")
    assert refresh(lab, token).ok


def test_a_rotated_token_may_get_lost_on_the_way(scene: Scene) -> None:
    """The reply breaks off after the work was done: the new token is nobody's, the old one is dead."""
    lab = acme(scene)
    scene.post("salesforce/rotate_refresh_tokens", on=True)
    token = lab.token()["refresh_token"]
    scene.post("faults", operation="salesforce.token", kind="half_page")
    with pytest.raises(requests.RequestException):
        refresh(lab, token)
    assert refresh(lab, token).json()["error"] == "invalid_grant"
