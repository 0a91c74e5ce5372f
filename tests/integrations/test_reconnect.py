"""Linking beside itself: two tabs at once, a disconnect that is not finished, a member who was switched off."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django_q.models import OrmQ

from integrations import channels, jobs, linking, outbound, providers, sync_states
from integrations.models import Channel, Integration, SyncState
from relationships.models import User
from tests.integrations.calendar.scene import at, live, meeting
from tests.integrations.conftest import Google, Link, follow_consent, state_of

pytestmark = pytest.mark.django_db
RunJobs = Callable[[], int]
Answer = dict[str, str]


def consented(google: Google, client: Client, account: str) -> Answer:
    """A tab that has come as far as the provider's answer."""
    begun = client.post("/oauth/start/google/calendar")
    back = urlsplit(google.consent(begun["Location"], account))
    return {name: values[0] for name, values in parse_qs(back.query).items()}


def disconnect(client: Client, integration: Integration, imported: str = "keep") -> None:
    form = {"imported": imported, "confirm": "delete"}
    assert client.post(f"/settings/integrations/{integration.pk}/disconnect/", form).status_code == 302


def test_two_tabs_at_once_end_in_one_link(google: Google, as_alice: Client, alice: User) -> None:
    tabs = [consented(google, as_alice, alice.email) for _ in range(2)]

    assert [as_alice.get("/oauth/callback/google", tab).status_code for tab in tabs] == [302, 302]
    assert Integration.unscoped.get().user == alice


def test_a_second_tab_with_another_account_is_refused_with_words(google: Google, as_alice: Client, alice: User) -> None:
    google.post("google/accounts", email="other@acme.example", name="Other")
    tabs = [consented(google, as_alice, account) for account in (alice.email, "other@acme.example")]

    answers = [as_alice.get("/oauth/callback/google", tab) for tab in tabs]
    assert [answer.status_code for answer in answers] == [302, 400]
    assert "That is another account" in answers[1].content.decode()
    assert Integration.unscoped.get().account_address == alice.email


@pytest.mark.parametrize("imported", ["keep", "delete"])
def test_a_disconnect_is_finished_before_a_new_link_begins(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: RunJobs, imported: str
) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    integration = link(alice)
    answer = consented(google, as_alice, alice.email)
    disconnect(as_alice, integration, imported)

    early = as_alice.post("/oauth/start/google/calendar")
    assert early.status_code == 400
    assert "still being disconnected" in early.content.decode()
    late = as_alice.get("/oauth/callback/google", answer)
    assert late.status_code == 400
    assert "still being disconnected" in late.content.decode()

    run_jobs()
    again = link(alice)
    again.refresh_from_db()
    assert (again.pk, again.sync_status) == (integration.pk, "active")
    assert live(state_of(again)) == {"one"}


def test_a_deletion_whose_job_was_lost_is_begun_again_by_the_sweep(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: RunJobs
) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    integration = link(alice)
    disconnect(as_alice, integration, "delete")
    OrmQ.objects.all().delete()

    jobs.sweep()
    run_jobs()

    assert not SyncState.unscoped.filter(integration=integration).exists()
    integration.refresh_from_db()
    assert not integration.is_deletion_due
    jobs.sweep()
    assert not OrmQ.objects.exists()


def test_the_data_goes_after_the_channels_were_stopped(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: RunJobs
) -> None:
    integration = link(alice)
    google.fault("calendar.channels.stop", "error_503", times=1)
    disconnect(as_alice, integration, "delete")
    run_jobs()
    integration.refresh_from_db()
    assert integration.encrypted_tokens, "without them the channel could never be stopped"

    jobs.sweep()
    run_jobs()

    assert google.requests_of("calendar.channels.stop") == 2
    integration.refresh_from_db()
    assert (bytes(integration.encrypted_tokens), integration.is_deletion_due) == (b"", False)
    assert not SyncState.unscoped.exists()


def test_a_consent_that_another_link_hangs_on_is_not_revoked(
    google: Google, link: Link, alice: User, bob: User, as_alice: Client, run_jobs: RunJobs
) -> None:
    shared = link(alice)
    bobs = link(bob, account=alice.email)
    disconnect(as_alice, shared)
    run_jobs()

    shared.refresh_from_db()
    assert bytes(shared.encrypted_tokens) == b""
    assert google.requests_of("oauth.revoke") == 0
    sync_states.poke([state_of(bobs).pk], trigger="manual")
    run_jobs()
    bobs.refresh_from_db()
    assert bobs.sync_status == "active"


def test_a_late_end_of_an_old_grant_leaves_the_new_one(
    google: Google, link: Link, alice: User, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended twice at once, linked again, and disconnected again, all before the first one hears from the provider."""
    integration = link(alice)
    disconnect(as_alice, integration)
    revoked = []

    def slow(config: object, http: object, token: str, details: object) -> None:
        revoked.append(token)
        Integration.unscoped.filter(pk=integration.pk).update(encrypted_tokens=b"new", version=integration.version + 5)

    monkeypatch.setattr(providers.get("google"), "revoke", slow)
    linking.end_grant(integration.pk)

    integration.refresh_from_db()
    assert len(revoked) == 1
    assert (bytes(integration.encrypted_tokens), integration.is_revocation_due) == (b"new", True)


def test_a_reconnect_whose_listing_fails_is_read_all_the_same(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: RunJobs
) -> None:
    integration = link(alice)
    disconnect(as_alice, integration)
    run_jobs()
    google.put(alice.email, meeting("meanwhile", at(1), alice.email, "x@else.example"))
    google.fault("calendar.calendarList.list", "error_503", times=1)

    link(alice)
    jobs.sweep()
    run_jobs()

    assert "meanwhile" in live(state_of(integration))


def test_a_member_who_was_switched_off_is_signed_out_and_read_no_more(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: RunJobs
) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    integration = link(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    jobs.sweep()
    run_jobs()

    answer = as_alice.get("/settings/integrations/")
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")
    integration.refresh_from_db()
    assert (integration.sync_status, bytes(integration.encrypted_tokens)) == ("revoked", b"")
    assert integration.reason == "The member's sign-in was switched off."
    assert Channel.unscoped.get(integration=integration).state == "stopped"
    assert google.requests_of("oauth.revoke") == 1
    assert live(state_of(integration)) == {"one"}


def test_a_channel_that_opens_during_a_disconnect_is_stopped(
    google: Google, link: Link, alice: User, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = link(alice)
    Channel.unscoped.all().delete()
    original = outbound.ProviderTransport.send

    def send(self: outbound.ProviderTransport, request: object, **more: object) -> object:
        answer = original(self, request, **more)  # type: ignore[arg-type]
        if "/watch" in str(getattr(request, "url", "")):
            channels.want_stopped(integration)
        return answer

    monkeypatch.setattr(outbound.ProviderTransport, "send", send)
    channels.ensure(state_of(integration).pk)

    channel = Channel.unscoped.get()
    assert google.requests_of("calendar.channels.stop") == 1
    assert channel.state == "stopped"


def test_a_late_page_finds_its_hold_gone(google: Google, link: Link, alice: User, as_alice: Client) -> None:
    integration = link(alice)
    SyncState.unscoped.update(held_by=integration.pk, held_until=state_of(integration).next_poll_at)
    disconnect(as_alice, integration)

    assert state_of(integration).held_by is None


def test_the_answer_of_a_token_service_in_no_known_form_is_said(
    google: Google, as_alice: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = outbound._whole_body
    bodies = iter([b"[]", b'{"error": {"code": 429}}', b'{"access_token": "a", "expires_in": "soon"}'])

    def odd(response: object, host: str, deadline: float) -> bytes:
        whole = original(response, host, deadline)  # type: ignore[arg-type]
        return next(bodies) if host == "oauth2.googleapis.com" else whole

    monkeypatch.setattr(outbound, "_whole_body", odd)
    for _ in range(3):
        assert follow_consent(as_alice, google, alice.email).status_code == 400
