"""Signing in by e-mail, what is refused, and sign-in with Google for those who connected it."""

import re
from typing import cast

import pytest
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal.flows import login as social_flow
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from relationships.models import User

LOGIN = "/accounts/login/"
PASSWORD = "a-long-password"


def log_in(client: Client, email: str, password: str = PASSWORD) -> HttpResponse:
    return cast(HttpResponse, client.post(LOGIN, {"login": email, "password": password}))


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


class TestByEmail:
    def test_a_member_signs_in_with_any_spelling_of_case(self, client: Client, alice: User) -> None:
        assert log_in(client, "Alice@ACME.example")["Location"] == "/"
        assert is_signed_in(client)

    def test_the_session_gets_a_new_key(self, client: Client, alice: User) -> None:
        client.get(LOGIN)
        session = client.session
        session["before"] = "x"
        session.save()
        client.cookies["sessionid"] = session.session_key or ""
        old = session.session_key
        log_in(client, alice.email)
        assert client.session.session_key != old

    def test_a_wrong_password_and_an_unknown_address_say_the_same(self, client: Client, alice: User) -> None:
        wrong = log_in(client, alice.email, "not-her-password").content.decode()
        unknown = log_in(client, "nobody@acme.example", "not-her-password").content.decode()
        assert not is_signed_in(client)

        def errors(page: str) -> list[str]:
            return re.findall(r"[^<>]*not correct[^<>]*", page)

        assert errors(wrong)
        assert errors(wrong) == errors(unknown)

    def test_who_is_switched_off_stays_out(self, client: Client, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        log_in(client, alice.email)
        assert not is_signed_in(client)

    def test_five_wrong_passwords_close_the_account_for_a_while(self, client: Client, alice: User) -> None:
        for _ in range(5):
            log_in(client, alice.email, "not-her-password")
        page = log_in(client, alice.email)
        assert b"Too many failed" in page.content
        assert not is_signed_in(client)

    def test_a_foreign_next_address_is_not_followed(self, client: Client, alice: User) -> None:
        page = client.post(f"{LOGIN}?next=https://evil.example/", {"login": alice.email, "password": PASSWORD})
        assert page["Location"] == "/"

    def test_the_next_page_of_ours_is_followed(self, client: Client, alice: User) -> None:
        page = client.post(LOGIN, {"login": alice.email, "password": PASSWORD, "next": "/settings/integrations/"})
        assert page["Location"] == "/settings/integrations/"


def test_nobody_signs_up(client: Client, db: None) -> None:
    for page in (
        client.get("/accounts/signup/"),
        client.post("/accounts/signup/", {"email": "new@acme.example", "password1": PASSWORD, "password2": PASSWORD}),
    ):
        assert page.status_code == 200
        assert b"password" not in page.content.lower(), "the page says why instead of asking"
    assert not User.objects.exists()


def test_a_forgotten_password_is_set_anew_by_mail(client: Client, alice: User) -> None:
    client.post("/accounts/password/reset/", {"email": alice.email})
    link = re.search(r"http://\S+(/accounts/password/reset/key/\S+)", str(mail.outbox[0].body))
    assert link
    form = client.get(link[1], follow=True)
    client.post(form.request["PATH_INFO"], {"password1": "another-long-one", "password2": "another-long-one"})
    assert log_in(client, alice.email, "another-long-one")["Location"] == "/"
    assert is_signed_in(client)


def test_a_reset_for_an_unknown_address_sends_nothing_and_says_the_same(client: Client, alice: User) -> None:
    known = client.post("/accounts/password/reset/", {"email": alice.email})
    sent = len(mail.outbox)
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@acme.example"})
    assert len(mail.outbox) == sent == 1
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


def test_a_changed_password_ends_the_other_sessions_and_is_told_by_mail(as_alice: Client, alice: User) -> None:
    other = Client()
    log_in(other, alice.email)
    assert other.get("/accounts/sessions/").status_code == 200
    new = {"oldpassword": PASSWORD, "password1": "another-long-one", "password2": "another-long-one"}
    as_alice.post("/accounts/password/change/", new)
    assert as_alice.get("/accounts/sessions/").status_code == 200
    assert other.get("/accounts/sessions/").status_code == 302
    assert [message.to for message in mail.outbox] == [[alice.email]]


def test_a_member_ends_her_other_sessions(alice: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        log_in(client, alice.email)
    here.post("/accounts/sessions/", {})
    assert here.get("/accounts/sessions/").status_code == 200
    assert there.get("/accounts/sessions/").status_code == 302


def test_a_new_address_counts_once_it_is_proven(client: Client, alice: User) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    log_in(client, alice.email)
    client.post("/accounts/email/", {"action_add": "", "email": "ceo@zenith.example"})
    alice.refresh_from_db()
    assert alice.email == "alice@acme.example"


class TestWithGoogle:
    """What happens after Google said who somebody is; the way there is allauth's."""

    @pytest.fixture(autouse=True)
    def _client_id(self, settings: Settings) -> None:
        settings.SOCIALACCOUNT_PROVIDERS = {
            "google": {"SCOPE": ["openid"], "APPS": [{"client_id": "sign-in", "secret": "s", "key": ""}]}
        }

    def test_the_sign_in_page_asks_for_nothing_but_who_one_is(self, client: Client, db: None) -> None:
        response = client.post("/accounts/google/login/")
        assert response.status_code == 302
        assert response["Location"].startswith("https://accounts.google.com/")
        assert "scope=openid&" in response["Location"] + "&"

    def test_an_equal_address_does_not_open_the_account(self, alice: User) -> None:
        request, response = self._come_back("118", alice.email)
        assert isinstance(request.user, AnonymousUser)
        assert response.status_code == 403
        assert "connect Google; from then on it signs you in" in response.content.decode()
        assert not SocialAccount.objects.exists()

    def test_who_connected_it_before_is_signed_in(self, alice: User) -> None:
        SocialAccount.objects.create(user=alice, provider="google", uid="118")
        request, response = self._come_back("118", "renamed@elsewhere.example")
        assert request.user == alice
        assert response["Location"] == "/"

    def test_it_is_connected_from_a_signed_in_session(self, alice: User) -> None:
        self._come_back("118", "private@gmail.example", user=alice, process=AuthProcess.CONNECT)
        assert SocialAccount.objects.get().user == alice

    def test_a_stranger_makes_no_account(self, db: None) -> None:
        self._come_back("119", "new@acme.example")
        assert not User.objects.exists()

    def _come_back(
        self, uid: str, email: str, user: User | None = None, process: str = AuthProcess.LOGIN
    ) -> tuple[HttpRequest, HttpResponse]:
        request = RequestFactory().get("/accounts/google/login/callback/")
        SessionMiddleware(lambda r: HttpResponse()).process_request(request)
        MessageMiddleware(lambda r: HttpResponse()).process_request(request)
        request.user = user or AnonymousUser()
        answer = {"sub": uid, "email": email, "email_verified": True}
        with context.request_context(request):
            login = get_adapter().get_provider(request, "google").sociallogin_from_response(request, answer)
            login.state = {"process": process}
            return request, social_flow.complete_login(request, login)
