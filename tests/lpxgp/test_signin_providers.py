"""Google and Microsoft sign people in: real HTTP, through the sandbox's consent pages, token endpoints and claims."""

import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.core import mail
from django.http import HttpResponse
from django.test import Client
from django.utils.html import strip_tags
from pytest_django.fixtures import Settings

from lpxgp.social import exchange
from lpxgp.social.microsoft import provider as microsoft
from relationships.models import User
from sandbox.signing import sign
from tests.lpxgp.test_signin import LOGIN, PASSWORD, is_signed_in, log_in
from tests.pretend_signin import GOOGLE, MICROSOFT, SignIn, come_back

BOTH = pytest.mark.parametrize("provider", [GOOGLE, MICROSOFT])
CONNECTIONS = "/accounts/3rdparty/"


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", strip_tags(answer.content.decode()))


def connect(signin: SignIn, user: User, provider: str, account: str) -> Client:
    """A client in which ``user`` signed in by password and connected an account."""
    client = Client()
    log_in(client, user.email)
    assert signin.go(client, provider, account, process="connect")["Location"] == CONNECTIONS
    return client


def assert_refused(client: Client, answer: HttpResponse) -> None:
    assert answer.status_code == 403
    assert "is not connected to anybody here" in text_of(answer)
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()


class TestGoogle:
    def test_a_known_address_that_google_runs_signs_in(self, signin: SignIn, client: Client, alice: User) -> None:
        assert signin.go(client, GOOGLE, alice.email)["Location"] == "/"
        assert client.session["_auth_user_id"] == str(alice.pk)
        assert not SocialToken.objects.exists()
        assert set(SocialAccount.objects.get().extra_data) == {"email", "name", "hd"}
        alice.refresh_from_db()
        assert alice.check_password(PASSWORD), "the password stays as it was"
        assert [message.to for message in mail.outbox] == [[alice.email]], "she is told that it was connected"

    def test_it_is_bound_to_the_account_and_no_longer_to_the_address(
        self, signin: SignIn, client: Client, alice: User
    ) -> None:
        signin.go(client, GOOGLE, alice.email)
        sub = SocialAccount.objects.get(user=alice).uid
        signin.google_account("renamed@acme.example", sub=sub, hd="acme.example")
        again = Client()
        assert signin.go(again, GOOGLE, "renamed@acme.example")["Location"] == "/"
        assert is_signed_in(again)

    def test_an_address_that_was_handed_out_again_does_not_get_the_predecessor(
        self, signin: SignIn, client: Client, alice: User
    ) -> None:
        signin.go(client, GOOGLE, alice.email)
        signin.google_account(alice.email, sub="42", hd="acme.example")
        successor = Client()
        assert signin.go(successor, GOOGLE, alice.email).status_code == 403
        assert not is_signed_in(successor)

    def test_an_unknown_address_is_refused_and_told_what_to_do(
        self, signin: SignIn, client: Client, alice: User
    ) -> None:
        signin.google_account("new@acme.example", hd="acme.example")
        answer = signin.go(client, GOOGLE, "new@acme.example")
        assert_refused(client, answer)
        page = text_of(answer)
        assert "new@acme.example" in page
        assert "ask your firm's administrator" in page.replace("&#x27;", "'")
        assert "Choose another Google account" in page
        assert User.objects.count() == 1

    @pytest.mark.parametrize(
        ("hd", "is_verified"), [("acme.example", False), ("", True), ("", False)], ids=["not verified", "private", "-"]
    )
    def test_an_address_that_google_does_not_answer_for_is_refused(
        self, signin: SignIn, client: Client, alice: User, hd: str, is_verified: bool
    ) -> None:
        signin.google_account(alice.email, hd=hd, emailVerified=is_verified)
        assert_refused(client, signin.go(client, GOOGLE, alice.email))

    def test_the_refusal_is_the_same_whether_the_address_is_known_or_not(self, signin: SignIn, alice: User) -> None:
        pages = []
        for email in (alice.email, "nobo@acme.example"):
            signin.google_account(email, hd="")
            client = Client()
            page = text_of(signin.go(client, GOOGLE, email))
            pages.append(page.replace(email, "…"))
        assert pages[0] == pages[1]

    def test_who_is_switched_off_stays_out(self, signin: SignIn, client: Client, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        assert_refused(client, signin.go(client, GOOGLE, alice.email))

    def test_without_an_id_token_userinfo_says_the_same(
        self, signin: SignIn, client: Client, alice: User, settings: Settings
    ) -> None:
        settings.SOCIALACCOUNT_PROVIDERS[GOOGLE]["SCOPE"] = ["email", "profile"]
        signin.google_account(alice.email, hd="acme.example")
        assert signin.go(client, GOOGLE, alice.email)["Location"] == "/"
        assert signin.sandbox.requests_of("oauth.userinfo") == 1

    def test_an_id_token_cannot_be_posted_instead(self, client: Client, db: None) -> None:
        assert client.post("/accounts/google/login/token/", {"credential": "x"}).status_code == 404


class TestMicrosoft:
    def test_an_equal_address_is_refused(self, signin: SignIn, client: Client, alice: User) -> None:
        signin.microsoft_account(alice.email)
        answer = signin.go(client, MICROSOFT, alice.email)
        assert_refused(client, answer)
        assert "Microsoft does not vouch for an account" in text_of(answer)

    def test_a_foreign_tenant_that_claims_her_address_is_refused(
        self, signin: SignIn, client: Client, alice: User
    ) -> None:
        connect(signin, alice, MICROSOFT, signin.microsoft_account(alice.email)["upn"])
        signin.microsoft_account("evil@attacker.example", mail=alice.email)
        assert signin.go(client, MICROSOFT, "evil@attacker.example").status_code == 403
        assert not is_signed_in(client)
        assert SocialAccount.objects.get().user == alice

    def test_once_connected_it_signs_in_whatever_its_name_becomes(
        self, signin: SignIn, client: Client, alice: User
    ) -> None:
        known = signin.microsoft_account("a.ash@acme.example", mail="")
        connect(signin, alice, MICROSOFT, "a.ash@acme.example")
        account = SocialAccount.objects.get(user=alice)
        assert account.uid == f"{known['tenant']}.{known['oid']}"
        assert set(account.extra_data) == {"oid", "tid", "name", "preferred_username"}
        signin.microsoft_account("married@acme.example", tenant=known["tenant"], oid=known["oid"])
        assert signin.go(client, MICROSOFT, "married@acme.example")["Location"] == "/"
        assert client.session["_auth_user_id"] == str(alice.pk)

    def test_the_same_object_id_in_another_tenant_is_another_account(
        self, signin: SignIn, client: Client, alice: User
    ) -> None:
        known = signin.microsoft_account(alice.email)
        connect(signin, alice, MICROSOFT, alice.email)
        signin.microsoft_account("evil@attacker.example", oid=known["oid"])
        assert signin.go(client, MICROSOFT, "evil@attacker.example").status_code == 403
        assert not is_signed_in(client)

    def test_graph_is_never_asked(self, signin: SignIn, client: Client, db: None) -> None:
        signin.microsoft_account("new@acme.example")
        signin.go(client, MICROSOFT, "new@acme.example")
        counts = signin.sandbox.get("requests")["counts"]
        assert counts["microsoft.token"] == 1
        assert not [name for name in counts if name.startswith("graph.")]

    TENANT, ACCOUNT = "0e6c5a2e-0000-4000-8000-000000000001", "0e6c5a2e-0000-4000-8000-000000000002"
    GOOD = {
        "aud": "ours",
        "exp": 4_000_000_000,
        "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "tid": TENANT,
        "oid": ACCOUNT,
    }

    @pytest.mark.parametrize(
        "wrong",
        [
            {"aud": "another-client"},
            {"exp": 1_000_000_000},
            {"tid": ACCOUNT},
            {"tid": "common"},
            {"oid": ""},
            {"iss": "https://login.microsoftonline.com.evil.example/v2.0"},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    def test_claims_that_are_not_for_us_or_not_whole_are_not_read(self, wrong: dict[str, object]) -> None:
        assert microsoft.read_claims(sign(self.GOOD), "ours")["oid"] == self.ACCOUNT
        with pytest.raises(OAuth2Error):
            microsoft.read_claims(sign({**self.GOOD, **wrong}), "ours")

    @pytest.mark.parametrize("token", ["", "x", "a.b.c"])
    def test_what_is_no_id_token_is_not_read(self, token: str) -> None:
        with pytest.raises(OAuth2Error):
            microsoft.read_claims(token, "ours")


@BOTH
class TestBoth:
    @pytest.fixture(autouse=True)
    def _accounts(self, signin: SignIn, alice: User) -> None:
        signin.microsoft_account(alice.email)

    def test_the_consent_page_is_asked_for_who_one_is_and_nothing_else(
        self, signin: SignIn, client: Client, provider: str
    ) -> None:
        widened = signin.begin(client, provider, scope="Mail.Read,calendar", auth_params="access_type=offline")
        asked = parse_qs(urlsplit(widened).query)
        assert widened.startswith(f"{signin.sandbox.url}/{provider}-")
        assert set(asked["scope"][0].split()) == {"openid", "email", "profile"}
        assert "access_type" not in asked
        assert asked["code_challenge_method"] == ["S256"]

    def test_without_a_sandbox_the_browser_goes_to_the_provider(
        self, signin: SignIn, client: Client, provider: str, settings: Settings
    ) -> None:
        settings.PROVIDER_ORIGINS = {}
        real = {
            GOOGLE: "https://accounts.google.com/o/oauth2/v2/auth?",
            MICROSOFT: "https://login.microsoftonline.com/",
        }
        assert signin.begin(client, provider).startswith(real[provider])

    def test_a_link_alone_begins_nothing(self, client: Client, provider: str) -> None:
        answer = client.get(f"/accounts/{provider}/login/")
        assert answer.status_code == 200
        assert "does not let us read your calendar or mail" in text_of(answer)

    def test_a_no_leads_back_and_says_so(self, signin: SignIn, client: Client, alice: User, provider: str) -> None:
        answer = signin.go(client, provider, alice.email, decision="deny")
        assert answer["Location"] == LOGIN
        assert "was told not to tell us who you are" in text_of(client.get(LOGIN))

    def test_a_no_while_connecting_leads_back_to_the_connections(
        self, signin: SignIn, client: Client, alice: User, provider: str
    ) -> None:
        log_in(client, alice.email)
        assert signin.go(client, provider, alice.email, decision="deny", process="connect")["Location"] == CONNECTIONS
        assert is_signed_in(client)

    def test_a_state_of_nobody_is_refused(self, signin: SignIn, client: Client, alice: User, provider: str) -> None:
        back = signin.answered(signin.begin(client, provider), alice.email)
        assert signin.begin(client, provider)
        forged = come_back(client, re.sub(r"state=\w+", "state=forged", back))
        assert forged.status_code == 401
        assert "Try" in text_of(forged)
        assert not is_signed_in(client)

    def test_an_answer_brought_to_another_browser_is_refused(
        self, signin: SignIn, client: Client, alice: User, provider: str
    ) -> None:
        connect(signin, alice, provider, alice.email)
        back = signin.answered(signin.begin(client, provider), alice.email)
        victim = Client()
        assert come_back(victim, back).status_code == 401
        assert not is_signed_in(victim)

    def test_an_answer_counts_once(self, signin: SignIn, client: Client, alice: User, provider: str) -> None:
        connect(signin, alice, provider, alice.email)
        back = signin.answered(signin.begin(client, provider), alice.email)
        assert come_back(client, back)["Location"] == "/"
        client.logout()
        assert come_back(client, back).status_code == 401

    @pytest.mark.parametrize("kind", ["error_503", "malformed_json", "half_page", "html_200"])
    def test_a_provider_in_trouble_gets_a_page_with_a_way_on(
        self, signin: SignIn, client: Client, alice: User, provider: str, kind: str
    ) -> None:
        signin.sandbox.fault("*.token", kind)
        answer = signin.go(client, provider, alice.email)
        assert answer.status_code == 401
        assert "Sign in with a password" in text_of(answer)
        assert not is_signed_in(client)

    def test_a_provider_that_hangs_is_not_waited_for(
        self, signin: SignIn, client: Client, alice: User, provider: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exchange, "TOTAL_SECONDS", 0.2)
        signin.sandbox.fault("*.token", "timeout", seconds=2)
        assert signin.go(client, provider, alice.email).status_code == 401

    def test_an_account_of_somebody_else_is_not_taken_over(
        self, signin: SignIn, alice: User, bob: User, provider: str
    ) -> None:
        connect(signin, bob, provider, alice.email)
        client = Client()
        log_in(client, alice.email)
        signin.go(client, provider, alice.email, process="connect")
        assert "somebody else here has this account connected already" in text_of(client.get(CONNECTIONS))
        assert SocialAccount.objects.get().user == bob

    def test_the_page_of_connections_names_it_and_removes_it(self, signin: SignIn, alice: User, provider: str) -> None:
        client = connect(signin, alice, provider, alice.email)
        assert f"{provider.title()}: {alice.email}" in text_of(client.get(CONNECTIONS))
        client.post(CONNECTIONS, {"account": str(SocialAccount.objects.get().pk)})
        page = text_of(client.get(CONNECTIONS))
        assert "No account is connected yet." in page
        assert "your Google account connects itself" in page
        assert not SocialAccount.objects.exists()

    def test_the_next_page_of_ours_is_followed_and_no_foreign_one(
        self, signin: SignIn, alice: User, provider: str
    ) -> None:
        connect(signin, alice, provider, alice.email)
        for wanted, got in {"/people/": "/people/", "https://evil.example/": "/"}.items():
            assert signin.go(Client(), provider, alice.email, next=wanted)["Location"] == got

    def test_a_second_factor_is_asked_for(self, signin: SignIn, client: Client, alice: User, provider: str) -> None:
        connect(signin, alice, provider, alice.email)
        TOTP.activate(alice, generate_totp_secret())
        assert signin.go(client, provider, alice.email)["Location"] == "/accounts/2fa/authenticate/"
        assert not is_signed_in(client)


class TestStaff:
    @pytest.fixture(autouse=True)
    def _strict(self, settings: Settings) -> None:
        settings.STAFF_NEED_MFA = True

    def test_without_a_second_factor_they_are_sent_to_set_one_up(
        self, signin: SignIn, client: Client, staff: User
    ) -> None:
        signin.google_account(staff.email, hd="lpxgp.example")
        signin.go(client, GOOGLE, staff.email, next="/admin/")
        assert client.get("/admin/")["Location"] == "/accounts/2fa/totp/activate/"

    def test_an_account_is_bound_after_the_second_factor(self, signin: SignIn, client: Client, staff: User) -> None:
        signin.google_account(staff.email, hd="lpxgp.example")
        TOTP.activate(staff, generate_totp_secret())
        codes = RecoveryCodes.activate(staff).get_unused_codes()
        assert signin.go(client, GOOGLE, staff.email)["Location"] == "/accounts/2fa/authenticate/"
        assert not is_signed_in(client)
        assert not SocialAccount.objects.exists()
        client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
        assert client.get("/admin/").status_code == 200
        assert SocialAccount.objects.get().user == staff


def test_the_sign_in_page_offers_what_is_set_up(signin: SignIn, client: Client, db: None, settings: Settings) -> None:
    page = client.get(f"{LOGIN}?{urlencode({'next': '/people/'})}").content.decode()
    assert "Continue with Google" in page
    assert "Continue with Microsoft" in page
    assert "next=%2Fpeople%2F" in page
    settings.SOCIALACCOUNT_PROVIDERS = {}
    assert "Continue with" not in client.get(LOGIN).content.decode()


def test_the_page_of_errors_stands_without_a_provider(client: Client, db: None) -> None:
    assert "Sign in with a password" in text_of(client.get("/accounts/3rdparty/login/error/"))


@pytest.mark.parametrize("address", ["https://evil.example/token", "http://oauth2.googleapis.com/token"])
def test_sign_in_reaches_the_providers_alone(address: str) -> None:
    with exchange.session() as http, pytest.raises(exchange.requests.ConnectionError):
        http.get(address)
