"""Linking: every way a consent can end, each on a page that says what happened and what to do."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from integrations import grants, jobs
from integrations.calendar.models import CalendarEvent
from integrations.models import Channel, Integration, LinkAttempt, SyncState
from integrations.providers.google import CALENDAR
from relationships import tenancy
from relationships.models import User
from tests.integrations.calendar.test_sync import at, meeting
from tests.pretend_google import GOOGLE_SCOPES, Google, Link, follow_consent, state_of

pytestmark = pytest.mark.django_db


def the_link(user: User) -> Integration | None:
    return Integration.unscoped.filter(user=user).first()


def back_from(google: Google, client: Client, **consent: str) -> dict[str, str]:
    begun = client.post("/oauth/start/google/calendar")
    back = urlsplit(google.consent(begun["Location"], "alice@acme.example", **consent))  # type: ignore[arg-type]
    return {name: values[0] for name, values in parse_qs(back.query).items()}


def test_the_scopes_asked_for_are_these_and_no_others() -> None:
    assert [scope.name for scope in CALENDAR.scopes] == list(GOOGLE_SCOPES)


def test_the_consent_address_carries_what_google_needs(google: Google, as_alice: Client) -> None:
    begun = as_alice.post("/oauth/start/google/calendar")
    query = parse_qs(urlsplit(begun["Location"]).query)

    assert begun.status_code == 303
    assert query["access_type"] == ["offline"]
    assert query["prompt"] == ["consent"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == ["http://127.0.0.1:8000/oauth/callback/google"]
    assert len(query["state"][0]) >= 43
    attempt = LinkAttempt.unscoped.get()
    assert query["state"][0] not in (attempt.state_digest, attempt.session_digest)


def test_before_consent_a_page_says_what_is_read_and_what_never(as_alice: Client, google: Google) -> None:
    page = as_alice.get("/oauth/start/google/calendar").content.decode()

    assert "Anything in your mailbox" in page
    assert "Continue to Google" in page


def test_a_firms_own_sign_in_page_may_stand_between(as_alice: Client, google: Google) -> None:
    """Chrome ends a form's way where a redirect leaves what the page allows; elsewhere nothing is loosened."""
    page = as_alice.get("/oauth/start/google/calendar")
    forms = page["Content-Security-Policy"].partition("form-action")[2].partition(";")[0].split()
    assert "https:" in forms
    assert "https:" not in as_alice.get("/people/")["Content-Security-Policy"].split()


def test_a_link_is_stored_encrypted_with_what_was_granted(
    google: Google, as_alice: Client, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    answer = follow_consent(as_alice, google, alice.email)

    assert answer.status_code == 302
    integration = Integration.unscoped.get(user=alice)
    values = grants.unseal(integration)
    assert set(integration.scopes) == set(GOOGLE_SCOPES)
    assert integration.account_address == alice.email
    assert values["refresh_token"].encode() not in bytes(integration.encrypted_tokens)
    assert values["access_token"] not in caplog.text
    assert not LinkAttempt.unscoped.exists()


def test_a_denied_consent_says_so_and_links_nothing(google: Google, as_alice: Client, alice: User) -> None:
    answer = follow_consent(as_alice, google, alice.email, decision="deny")

    assert answer.status_code == 400
    assert "You did not allow it" in answer.content.decode()
    assert the_link(alice) is None


def test_a_missing_box_names_the_permission_and_offers_to_start_again(
    google: Google, as_alice: Client, alice: User
) -> None:
    answer = follow_consent(as_alice, google, alice.email, scopes=(GOOGLE_SCOPES[3],))

    page = answer.content.decode()
    assert answer.status_code == 400
    assert "The consent leaves this out: Read the events of your calendars" in page
    assert "Start again" in page
    assert the_link(alice) is None


def test_without_the_list_of_calendars_the_main_one_is_read(
    google: Google, link: Link, alice: User, as_alice: Client
) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    integration = link(alice, scopes=(GOOGLE_SCOPES[2],))

    assert state_of(integration).external_id == alice.email
    assert CalendarEvent.unscoped.filter(state__integration=integration).count() == 1
    assert "Not granted: List your calendars" in as_alice.get("/settings/integrations/").content.decode()


def test_a_callback_is_good_once(google: Google, as_alice: Client, alice: User) -> None:
    query = back_from(google, as_alice)
    assert as_alice.get("/oauth/callback/google", query).status_code == 302

    again = as_alice.get("/oauth/callback/google", query)
    assert again.status_code == 400
    assert "no longer good" in again.content.decode()


@pytest.mark.parametrize(
    "query", [{}, {"state": "guess", "code": "guess"}, {"code": "x"}, {"state": "\x00é", "code": "x"}]
)
def test_a_callback_that_nobody_began_is_refused(as_alice: Client, query: dict[str, str]) -> None:
    assert as_alice.get("/oauth/callback/google", query).status_code == 400


def test_a_callback_of_a_colleague_or_of_another_browser_is_refused(
    google: Google, as_alice: Client, alice: User, bob: User
) -> None:
    query = back_from(google, as_alice)
    for user in (bob, alice):
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        assert client.get("/oauth/callback/google", query).status_code == 400
    assert not Integration.unscoped.exists()


def test_an_old_consent_is_refused(google: Google, as_alice: Client, alice: User) -> None:
    query = back_from(google, as_alice)
    LinkAttempt.unscoped.update(expires_at=timezone.now())

    assert as_alice.get("/oauth/callback/google", query).status_code == 400
    assert the_link(alice) is None


def test_an_answer_of_another_issuer_is_refused(google: Google, as_alice: Client, alice: User) -> None:
    query = back_from(google, as_alice) | {"iss": "https://evil.example"}

    assert as_alice.get("/oauth/callback/google", query).status_code == 400
    assert the_link(alice) is None


@pytest.mark.parametrize("kind", ["error_503", "malformed_json", "html_200", "half_page"])
def test_trouble_at_the_token_service_is_said_and_nothing_is_linked(
    google: Google, as_alice: Client, alice: User, kind: str
) -> None:
    google.fault("oauth.token", kind, times=5)
    answer = follow_consent(as_alice, google, alice.email)

    assert answer.status_code == 400
    assert "Nothing was linked" in answer.content.decode()
    assert the_link(alice) is None


def test_reconnecting_keeps_id_cursor_and_history(google: Google, link: Link, alice: User, as_alice: Client) -> None:
    integration = link(alice)
    before = state_of(integration)
    with tenancy.within(integration.company_id):
        grants.mark_stale(integration.pk, integration.version, "Consent was withdrawn.")

    assert follow_consent(as_alice, google, alice.email).status_code == 302

    after = Integration.unscoped.get(user=alice)
    assert (after.pk, after.sync_status, after.reason, after.told_at) == (integration.pk, "active", "", None)
    assert state_of(after).cursor == before.cursor


def test_reconnecting_as_somebody_else_is_refused_with_words(
    google: Google, link: Link, alice: User, as_alice: Client
) -> None:
    google.post("google/accounts", email="other@acme.example", name="Other")
    integration = link(alice)
    answer = follow_consent(as_alice, google, "other@acme.example")

    page = answer.content.decode()
    assert answer.status_code == 400
    assert "other@acme.example" in page
    assert "choose alice@acme.example" in page
    integration.refresh_from_db()
    assert integration.account_address == "alice@acme.example"


def test_disconnecting_stops_revokes_deletes_the_tokens_and_keeps_the_data(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: Callable[[], int]
) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    integration = link(alice)
    assert Channel.unscoped.get(integration=integration).state == "live"

    as_alice.post(f"/settings/integrations/{integration.pk}/disconnect/", {"imported": "keep"})
    run_jobs()

    integration.refresh_from_db()
    assert (integration.sync_status, bytes(integration.encrypted_tokens)) == ("revoked", b"")
    assert google.requests_of("calendar.channels.stop") == 1
    assert google.requests_of("oauth.revoke") == 1
    assert Channel.unscoped.get(integration=integration).state == "stopped"
    assert CalendarEvent.unscoped.count() == 1


def test_deleting_the_imported_data_needs_the_typed_word(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: Callable[[], int]
) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    integration = link(alice)
    address = f"/settings/integrations/{integration.pk}/disconnect/"

    refused = as_alice.post(address, {"imported": "delete", "confirm": "yes"})
    assert refused.status_code == 400
    assert CalendarEvent.unscoped.count() == 1

    as_alice.post(address, {"imported": "delete", "confirm": "delete"})
    run_jobs()
    assert CalendarEvent.unscoped.count() == 0
    assert not SyncState.unscoped.exists()


def test_a_provider_in_trouble_is_asked_again_to_revoke(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: Callable[[], int]
) -> None:
    integration = link(alice)
    google.fault("oauth.revoke", "error_503")
    as_alice.post(f"/settings/integrations/{integration.pk}/disconnect/", {"imported": "keep"})
    run_jobs()
    integration.refresh_from_db()
    assert integration.is_revocation_due
    assert integration.encrypted_tokens

    jobs.sweep()
    run_jobs()
    integration.refresh_from_db()
    assert (integration.is_revocation_due, bytes(integration.encrypted_tokens)) == (False, b"")


def test_a_disconnected_account_can_be_linked_again(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: Callable[[], int]
) -> None:
    integration = link(alice)
    as_alice.post(f"/settings/integrations/{integration.pk}/disconnect/", {"imported": "keep"})
    run_jobs()

    again = link(alice)
    assert (again.pk, again.sync_status) == (integration.pk, "active")
    assert Channel.unscoped.filter(integration=again, state="live").count() == 1


def test_the_settings_of_another_are_not_found(google: Google, link: Link, alice: User, bob: User) -> None:
    integration = link(alice)
    client = Client()
    client.force_login(bob, backend="allauth.account.auth_backends.AuthenticationBackend")
    for part in ("sync", "pause", "resume", "disconnect", "calendars"):
        assert client.post(f"/settings/integrations/{integration.pk}/{part}/").status_code == 404
    assert client.get(f"/settings/integrations/{integration.pk}/history/").status_code == 404


def test_what_is_not_offered_is_not_found(as_alice: Client) -> None:
    assert as_alice.get("/oauth/start/google/fax").status_code == 404
    assert as_alice.get("/oauth/start/nobody/calendar").status_code == 404
    assert as_alice.get("/oauth/callback/nobody").status_code == 404


def test_a_listing_that_failed_once_is_made_up_for(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: Callable[[], int]
) -> None:
    google.fault("calendar.calendarList.list", "error_503", times=1)
    integration = link(alice)
    integration.refresh_from_db()
    assert integration.sync_status == "error"
    assert "could not be listed" in as_alice.get("/settings/integrations/").content.decode()

    Integration.unscoped.update(resources_tried_at=timezone.now() - timedelta(minutes=10))
    jobs.sweep()
    run_jobs()

    integration.refresh_from_db()
    assert (integration.sync_status, integration.reason) == ("active", "")
    assert state_of(integration).last_success_at
    assert Channel.unscoped.get(integration=integration).state == "live"


def test_what_a_disconnect_kept_can_be_deleted_later(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: Callable[[], int]
) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    integration = link(alice)
    address = f"/settings/integrations/{integration.pk}/disconnect/"
    as_alice.post(address, {"imported": "keep"})
    run_jobs()
    assert address in as_alice.get("/settings/integrations/").content.decode()
    assert "Delete what was imported" in as_alice.get(address).content.decode()

    as_alice.post(address, {"imported": "delete", "confirm": "delete"})
    run_jobs()
    assert CalendarEvent.unscoped.count() == 0
    assert address not in as_alice.get("/settings/integrations/").content.decode()
