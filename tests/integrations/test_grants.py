"""Grants: one redemption of a rotating refresh token, dead grants said once, nothing lost."""

import threading
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from integrations import grants, jobs
from integrations.errors import BadConfig, NeedsReconnect, Temporary
from integrations.models import Integration, SyncState
from relationships.models import User
from tests.integrations.calendar.scene import at, meeting, sync
from tests.pretend_google import Google, Link, state_of


def expire(integration: Integration) -> None:
    Integration.unscoped.filter(pk=integration.pk).update(expires_at=timezone.now())


@pytest.mark.django_db
def test_a_fresh_token_is_used_without_asking(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)
    before = google.requests_of("oauth.token")
    assert grants.fresh(integration.pk).token == grants.unseal(integration)["access_token"]
    assert google.requests_of("oauth.token") == before


@pytest.mark.django_db
def test_a_refresh_keeps_the_refresh_token_that_the_reply_lacks(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)
    before = grants.unseal(integration)
    expire(integration)

    access = grants.fresh(integration.pk)

    integration.refresh_from_db()
    after = grants.unseal(integration)
    assert after["refresh_token"] == before["refresh_token"]
    assert after["access_token"] == access.token != before["access_token"]
    assert (access.version, integration.lease) == (integration.version, None)


@pytest.mark.django_db(transaction=True)
def test_many_workers_redeem_a_rotating_token_once(google: Google, link: Link, alice: User) -> None:
    google.post("google/rotate_refresh_tokens", on=True)
    integration = link(alice)
    expire(integration)
    before = google.requests_of("oauth.token")
    found: list[str] = []
    start = threading.Barrier(6)

    def worker() -> None:
        start.wait(10)
        try:
            found.append(grants.fresh(integration.pk).token)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(found) == 6
    assert len(set(found)) == 1
    assert google.requests_of("oauth.token") - before == 1
    integration.refresh_from_db()
    assert integration.sync_status == "active"


@pytest.mark.django_db
def test_a_lease_of_a_killed_worker_runs_out(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)
    expire(integration)
    assert grants._take_lease(integration, integration.pk)
    Integration.unscoped.filter(pk=integration.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    assert grants.fresh(integration.pk).version == integration.version + 1


@pytest.mark.django_db
def test_a_lease_that_ran_out_while_saving_costs_no_token(
    google: Google, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.post("google/rotate_refresh_tokens", on=True)
    integration = link(alice)
    before = grants.unseal(integration)["refresh_token"]
    expire(integration)
    seal = grants.seal

    def slowly(row: Integration, values: dict[str, str]) -> bytes:
        Integration.unscoped.filter(pk=row.pk).update(lease=row.pk, lease_until=timezone.now())
        return seal(row, values)

    with monkeypatch.context() as patch:
        patch.setattr(grants, "seal", slowly)
        grants.fresh(integration.pk)

    integration.refresh_from_db()
    assert grants.unseal(integration)["refresh_token"] != before
    expire(integration)
    assert grants.fresh(integration.pk).token
    integration.refresh_from_db()
    assert integration.sync_status == "active"


@pytest.mark.django_db
def test_a_dead_grant_stops_holds_and_tells_once(
    google: Google, link: Link, alice: User, run_jobs: Callable[[], int]
) -> None:
    integration = link(alice)
    state = state_of(integration)
    google.post("google/revoke", account=alice.email)
    expire(integration)
    sync(state, run_jobs)
    jobs.tell_stale()

    integration.refresh_from_db()
    assert integration.sync_status == "stale"
    assert "consent" in integration.reason
    assert integration.encrypted_tokens
    assert [message.to for message in mail.outbox] == [[alice.email]]
    assert "Nothing was lost" in mail.outbox[0].body

    google.put(alice.email, meeting("late", at(1), alice.email, "x@else.example"))
    state.refresh_from_db()
    assert state.is_dirty

    link(alice)
    state.refresh_from_db()
    assert (state.is_dirty, state.failures) == (False, 0)
    assert SyncState.unscoped.filter(events__external_id="late").exists()


@pytest.mark.django_db
def test_who_lost_the_race_does_not_declare_the_grant_dead(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)
    grants.mark_stale(integration.pk, integration.version - 1, "An old view of it.")

    integration.refresh_from_db()
    assert integration.sync_status == "active"


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["error_500", "error_503", "malformed_json", "half_page"])
def test_trouble_at_the_token_service_keeps_the_state(google: Google, link: Link, alice: User, kind: str) -> None:
    integration = link(alice)
    expire(integration)
    google.fault("oauth.token", kind, times=3)
    with pytest.raises(Temporary):
        grants.fresh(integration.pk)

    integration.refresh_from_db()
    assert (integration.sync_status, integration.lease) == ("active", None)
    google.http.delete(f"{google.url}/control/faults")
    assert grants.fresh(integration.pk).token


@pytest.mark.django_db
def test_a_refused_client_tells_the_operator_and_throws_nobody_out(
    google: Google, link: Link, alice: User, settings: Settings
) -> None:
    integration = link(alice)
    expire(integration)
    settings.PROVIDER_CREDENTIALS = {"google": {"client_id": "client-1", "client_secret": ""}}
    with pytest.raises(BadConfig, match="GOOGLE_CLIENT_SECRET"):
        grants.fresh(integration.pk)

    integration.refresh_from_db()
    assert integration.sync_status == "error"


@pytest.mark.django_db
def test_a_lost_key_is_said_and_a_new_consent_mends_it(
    google: Google, link: Link, alice: User, settings: Settings
) -> None:
    integration = link(alice)
    settings.TOKEN_ENCRYPTION_KEYS = [b"n" * 32]
    with pytest.raises(NeedsReconnect, match="cannot be decrypted"):
        grants.fresh(integration.pk)

    integration.refresh_from_db()
    assert integration.sync_status == "stale"
    assert link(alice).sync_status == "active"


@pytest.mark.django_db
def test_a_mail_server_that_is_down_is_tried_again(
    google: Google, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = link(alice)
    grants.mark_stale(integration.pk, integration.version, "Withdrawn.")

    def refuse(*args: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(grants, "send_mail", refuse)
        with pytest.raises(ConnectionRefusedError):
            grants.tell_stale()
    assert grants.tell_stale() == 1
    assert grants.tell_stale() == 0


@pytest.mark.django_db
def test_one_address_that_is_refused_keeps_nobody_else_from_being_told(
    google: Google, link: Link, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for integration in [link(alice), link(bob)]:
        grants.mark_stale(integration.pk, integration.version, "Withdrawn.")
    original = grants.send_mail

    def picky(subject: str, message: str, sender: None, to: list[str]) -> None:
        if to == [alice.email]:
            raise SMTPRecipientsRefused({alice.email: (550, b"No such user")})
        original(subject, message, sender, to)

    monkeypatch.setattr(grants, "send_mail", picky)

    assert grants.tell_stale() == 1
    assert [message.to for message in mail.outbox] == [[bob.email]]
    assert grants.tell_stale() == 0
