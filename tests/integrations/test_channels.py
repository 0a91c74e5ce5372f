"""Push channels: opened, renewed with overlap, stopped, healed; never doubled."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from requests import Session

from integrations import channel_tokens, channels, jobs
from integrations.calendar.google import GoogleCalendar
from integrations.contract import OpenedChannel, WatchRequest
from integrations.models import Channel, SyncState
from relationships.models import User
from tests.pretend_google import Google, Link, state_of

pytestmark = pytest.mark.django_db


def live() -> list[Channel]:
    return list(Channel.unscoped.filter(state="live"))


def test_linking_opens_a_channel_with_a_secret_of_its_own(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)

    (channel,) = live()
    secret = channels.unseal(channel)
    assert channel.sync_state == state_of(integration)
    assert channel_tokens.is_signed(channel.channel_id, secret)
    assert secret not in channel.channel_token
    assert channel.resource_id
    assert channel.expires_at
    assert channel.renew_at
    assert channel.renew_at < channel.expires_at - timedelta(days=2)


def test_a_renewal_overlaps_and_stops_the_old_one(google: Google, link: Link, alice: User) -> None:
    link(alice)
    (old,) = live()
    Channel.unscoped.update(renew_at=timezone.now())

    assert channels.renew_due() == 1

    old.refresh_from_db()
    (new,) = live()
    assert (old.state, new.replaces_id) == ("stopped", old.pk)
    assert google.requests_of("calendar.channels.stop") == 1
    assert channels.renew_due() == 0


def test_two_renewals_at_once_open_one_channel(google: Google, link: Link, alice: User) -> None:
    link(alice)
    (old,) = live()

    assert channels._begin(old.sync_state, old) is not None
    assert channels._begin(old.sync_state, old) is None
    assert channels.open_channel(old.sync_state_id, replaces=old) is None


def test_a_renewal_in_trouble_keeps_the_old_channel_and_tries_later(google: Google, link: Link, alice: User) -> None:
    link(alice)
    (old,) = live()
    Channel.unscoped.update(renew_at=timezone.now())
    google.fault("calendar.events.watch", "error_503", times=1)

    assert channels.renew_due() == 0
    old.refresh_from_db()
    assert old.state == "live"
    assert old.renew_at
    assert old.renew_at > timezone.now()

    Channel.unscoped.filter(pk=old.pk).update(renew_at=timezone.now())
    assert channels.renew_due() == 1


def test_a_token_that_ran_out_early_is_refreshed_to_renew_and_to_stop(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)
    Channel.unscoped.update(renew_at=timezone.now())
    google.post("google/expire_access_tokens", account=alice.email)
    assert channels.renew_due() == 1
    (channel,) = live()
    assert channel.error == ""

    google.post("google/expire_access_tokens", account=alice.email)
    channels.want_stopped(integration)
    assert channels.stop_due() == 1
    assert google.requests_of("calendar.channels.stop") == 3  # the old one, this one, and once with the dead token


def test_a_lapsed_channel_is_seen_and_replaced(google: Google, link: Link, alice: User) -> None:
    link(alice)
    Channel.unscoped.update(expires_at=timezone.now(), renew_at=timezone.now() + timedelta(days=1))

    assert channels.renew_due() == 1
    assert Channel.unscoped.filter(state="expired").count() == 1
    assert len(live()) == 1


def test_an_opening_whose_process_died_is_given_up_and_another_is_opened(
    google: Google, link: Link, alice: User
) -> None:
    integration = link(alice)
    Channel.unscoped.update(state="opening", created_at=timezone.now() - timedelta(minutes=5))

    assert channels.renew_due() == 1
    assert Channel.unscoped.filter(state="expired", sync_state=state_of(integration)).count() == 1


def test_missed_pushes_replace_the_channel(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)
    SyncState.unscoped.update(missed_pushes=channels.MISSED_LIMIT)

    assert channels.renew_due() == 1
    assert state_of(integration).missed_pushes == 0


def test_a_refused_channel_says_why_on_the_card_and_is_asked_for_later(
    google: Google, link: Link, alice: User, as_alice: Client
) -> None:
    google.fault("calendar.events.watch", "forbidden_403", times=1)
    link(alice)

    channel = Channel.unscoped.get()
    assert channel.state == "failed"
    assert channel.error in as_alice.get("/settings/integrations/").content.decode()
    assert channels.renew_due() == 0
    Channel.unscoped.update(created_at=timezone.now() - timedelta(hours=1))
    assert channels.renew_due() == 1


def test_a_new_consent_asks_at_once_for_the_channel_that_was_refused(
    google: Google, link: Link, alice: User, as_alice: Client
) -> None:
    google.fault("calendar.events.watch", "forbidden_403", times=1)
    link(alice)
    refused = Channel.unscoped.get(state="failed").error

    link(alice)
    assert Channel.unscoped.filter(state="live").count() == 1
    assert refused not in as_alice.get("/settings/integrations/").content.decode()


def test_a_paused_link_opens_no_channels(google: Google, link: Link, alice: User, as_alice: Client) -> None:
    integration = link(alice)
    as_alice.post(f"/settings/integrations/{integration.pk}/pause/")
    Channel.unscoped.update(state="expired")

    assert channels.renew_due() == 0


def test_unticking_a_calendar_stops_its_channel(google: Google, link: Link, alice: User, as_alice: Client) -> None:
    integration = link(alice)
    as_alice.post(f"/settings/integrations/{integration.pk}/calendars/", {})
    channels.renew_due()

    assert live() == []
    assert google.requests_of("calendar.channels.stop") == 1


def test_one_channel_that_meets_a_bug_does_not_keep_the_others_from_renewal(
    google: Google, link: Link, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (state_of(link(user)) for user in (alice, bob))
    Channel.unscoped.filter(sync_state=first).update(renew_at=timezone.now() - timedelta(hours=1))
    Channel.unscoped.filter(sync_state=second).update(renew_at=timezone.now())
    original = GoogleCalendar.watch

    def watch(self: GoogleCalendar, http: Session, wanted: WatchRequest) -> OpenedChannel:
        if wanted.external_id == alice.email:
            raise ValueError("an expiration that is no number")
        return original(self, http, wanted)

    monkeypatch.setattr(GoogleCalendar, "watch", watch)
    channels.renew_due()

    assert Channel.unscoped.filter(sync_state=second, state="live", replaces__isnull=False).exists()
    assert Channel.unscoped.get(sync_state=first, state="live").renew_at > timezone.now()
    assert "ValueError" in Channel.unscoped.get(sync_state=first, state="failed").error


def test_ended_channels_are_forgotten_once_no_push_can_come_from_them(google: Google, link: Link, alice: User) -> None:
    link(alice)
    old = timezone.now() - timedelta(days=31)
    (channel,) = live()
    for ended in ("stopped", "failed", "expired"):
        Channel.unscoped.create(
            company_id=channel.company_id, integration_id=channel.integration_id, sync_state_id=channel.sync_state_id,
            provider="google", channel_id=ended, state=ended, created_at=old,
        )  # fmt: skip
    Channel.unscoped.filter(pk=channel.pk).update(created_at=old)

    jobs.purge()

    assert Channel.unscoped.get() == channel
