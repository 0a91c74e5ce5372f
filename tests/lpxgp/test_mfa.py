"""The second factor through its real pages: enrol, sign in, refuse, recover; its seeds in the database."""

import re
import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from relationships.models import User
from tests.lpxgp.test_signin import PASSWORD, is_signed_in, log_in

ENROL = "/accounts/2fa/totp/activate/"
CHALLENGE = "/accounts/2fa/authenticate/"
CODES = "/accounts/2fa/recovery-codes/"


def code_now(seed: str) -> str:
    return format_hotp_value(hotp_value(seed, int(time.time()) // 30))


def enrol(client: Client) -> str:
    """Go through the page as a person does; returns the seed that the page shows."""
    assert "/reauthenticate/" in client.get(ENROL)["Location"]
    page = client.post(f"/accounts/reauthenticate/?next={ENROL}", {"password": PASSWORD}, follow=True)
    seed = page.context["form"].secret
    assert seed in page.content.decode()
    assert client.post(ENROL, {"code": code_now(seed)})["Location"] == CODES
    return seed


@pytest.fixture
def seed(alice: User) -> str:
    """Alice has a second factor, set up some minutes ago."""
    with time_machine.travel("2030-03-04T08:00:00Z", tick=False):
        client = Client()
        log_in(client, alice.email)
        return enrol(client)


@pytest.fixture(autouse=True)
def _today(request: pytest.FixtureRequest) -> object:
    if "seed" in request.fixturenames:
        request.getfixturevalue("seed")
    with time_machine.travel("2030-03-04T09:00:00Z", tick=False):
        yield


def raw_seeds() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        return " ".join(str(row[0]) for row in cursor.fetchall())


def test_no_seed_is_readable_in_the_database(seed: str, alice: User) -> None:
    raw = raw_seeds()
    assert raw.count("gAAAA") == 2, "the seeds of the app and of the recovery codes"
    assert seed not in raw
    assert all(seed not in str(session.get_decoded()) for session in Session.objects.all())
    recovery = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    assert all(code not in raw for code in recovery.wrap().get_unused_codes())


def test_the_password_alone_signs_nobody_in(seed: str, client: Client, alice: User) -> None:
    assert log_in(client, alice.email)["Location"] == CHALLENGE
    assert not is_signed_in(client)
    assert client.get("/accounts/sessions/").status_code == 302


def test_password_and_code_sign_in(seed: str, client: Client, alice: User) -> None:
    log_in(client, alice.email)
    client.post(CHALLENGE, {"code": code_now(seed)})
    assert is_signed_in(client)


def test_a_code_works_once(seed: str, alice: User) -> None:
    first, second = Client(), Client()
    for client in (first, second):
        log_in(client, alice.email)
        client.post(CHALLENGE, {"code": code_now(seed)})
    assert is_signed_in(first)
    assert not is_signed_in(second)


def test_a_wrong_code_is_refused_and_guessing_is_stopped(seed: str, client: Client, alice: User) -> None:
    log_in(client, alice.email)
    wrong = f"{(int(code_now(seed)) + 1) % 1_000_000:06}"
    for _ in range(5):
        assert b"Incorrect code" in client.post(CHALLENGE, {"code": wrong}).content
    assert b"Too many failed" in client.post(CHALLENGE, {"code": code_now(seed)}).content
    assert not is_signed_in(client)


def test_a_recovery_code_works_once(seed: str, alice: User) -> None:
    recovery = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    code = recovery.wrap().get_unused_codes()[0]
    first, second = Client(), Client()
    for client in (first, second):
        log_in(client, alice.email)
        client.post(CHALLENGE, {"code": code})
    assert is_signed_in(first)
    assert not is_signed_in(second)


def test_recovery_codes_are_shown_once(client: Client, alice: User) -> None:
    log_in(client, alice.email)
    enrol(client)
    first, second = (re.findall(r"\b\d{8}\b", client.get(CODES).content.decode()) for _ in range(2))
    assert len(set(first)) == 10
    assert not set(second) & set(first)


def test_a_seed_under_a_lost_key_lets_nobody_in_and_says_why(
    seed: str, client: Client, alice: User, settings: Settings
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [b"another key of thirty-two bytes!"]
    log_in(client, alice.email)
    page = client.post(CHALLENGE, {"code": code_now(seed)})
    assert b"cannot be read" in page.content
    assert not is_signed_in(client)


def test_a_second_factor_is_changed_only_after_a_fresh_proof(seed: str, client: Client, alice: User) -> None:
    log_in(client, alice.email)
    client.post(CHALLENGE, {"code": code_now(seed)})
    with time_machine.travel("2030-03-04T09:20:00Z", tick=False):
        response = client.post("/accounts/2fa/totp/deactivate/")
        assert "/reauthenticate/" in response["Location"]
    assert Authenticator.objects.filter(user=alice, type=Authenticator.Type.TOTP).exists()


class TestStaff:
    @pytest.fixture(autouse=True)
    def _required(self, settings: Settings) -> None:
        settings.STAFF_NEED_MFA = True

    def test_staff_without_it_are_sent_to_set_it_up_and_told_why(self, staff: User, client: Client) -> None:
        log_in(client, staff.email)
        for address in ("/admin/", "/admin/relationships/company/", "/", "/metrics"):
            response = client.get(address)
            assert (response.status_code, response["Location"]) == (302, ENROL), address
        assert any("second factor" in str(message) for message in get_messages(response.wsgi_request))

    def test_staff_with_it_enter(self, staff: User, client: Client) -> None:
        log_in(client, staff.email)
        enrol(client)
        assert client.get("/admin/").status_code == 200

    def test_members_are_free_to_go_without(self, as_alice: Client) -> None:
        assert as_alice.get("/accounts/sessions/").status_code == 200


@pytest.mark.django_db
def test_a_lost_second_factor_is_reset_with_all_sessions(staff: User, client: Client) -> None:
    client.force_login(staff, backend="allauth.account.auth_backends.AuthenticationBackend")
    client.get("/admin/")
    TOTP.activate(staff, "JBSWY3DPEHPK3PXP")

    call_command("reset_second_factor", staff.email.upper())

    assert not Authenticator.objects.filter(user=staff).exists()
    assert client.get("/admin/").status_code == 302
    with pytest.raises(CommandError, match="Nobody signs in"):
        call_command("reset_second_factor", "nobody@lpxgp.example")
