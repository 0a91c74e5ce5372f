"""Mailboxes have one watch each at the provider: renewed in its row, stopped only when nobody needs it any more."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from integrations import channels, linking
from integrations.email.gmail import Gmail
from integrations.errors import BadConfig
from integrations.models import Channel, Integration, SyncState
from relationships import tenancy
from relationships.models import User
from tests.pretend_mail import TOPIC, Mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail(watched_mail: Mail) -> Mail:
    """Mailboxes of an installation that has a topic."""
    return watched_mail


def watches(mail: Mail) -> list[str]:
    """The accounts that Google watches."""
    return [str(one["account"]) for one in mail.watches()]


def disconnect(mail: Mail, integration: Integration) -> None:
    with tenancy.within(integration.company_id):
        linking.disconnect(integration, is_data_deleted=False)
    mail.run_jobs()


def test_linking_watches_the_mailbox_and_renews_daily(mail: Mail, alice: User) -> None:
    integration = mail.link(alice)
    channel = Channel.unscoped.get(integration=integration)
    assert (channel.state, channel.resource_id) == ("live", alice.email)
    assert channel.renew_at is not None
    assert channel.renew_at < timezone.now() + timedelta(days=1, minutes=1)
    assert watches(mail) == [alice.email]
    assert mail.google.requests_of("gmail.users.watch") == 1


def test_a_renewal_keeps_the_row_and_stops_nothing(mail: Mail, alice: User) -> None:
    mail.link(alice)
    Channel.unscoped.update(renew_at=timezone.now(), expires_at=timezone.now() + timedelta(days=1))
    before = Channel.unscoped.get()
    assert channels.renew_due() == 1
    channel = Channel.unscoped.get()
    assert (channel.pk, channel.channel_id, channel.state) == (before.pk, before.channel_id, "live")
    assert channel.expires_at > timezone.now() + timedelta(days=6)
    assert mail.google.requests_of("gmail.users.stop") == 0
    assert channels.renew_due() == 0


def test_a_renewal_in_vain_lives_on_and_is_not_tried_each_minute(
    mail: Mail, alice: User, as_alice: Client, settings: Settings
) -> None:
    mail.link(alice)
    settings.GOOGLE_PUBSUB_TOPIC = ""
    SyncState.unscoped.update(missed_pushes=channels.MISSED_LIMIT)
    assert channels.renew_due() == 0
    channel = Channel.unscoped.get()
    assert (channel.state, channel.attempts) == ("live", 1)
    assert "could not be renewed: This installation has no topic" in as_alice.get("/settings/integrations/").text
    assert channels.renew_due() == 0
    channel.refresh_from_db()
    assert channel.attempts == 1

    settings.GOOGLE_PUBSUB_TOPIC = TOPIC
    Channel.unscoped.update(renew_at=timezone.now())
    assert channels.renew_due() == 1
    channel.refresh_from_db()
    assert (channel.error, channel.attempts) == ("", 0)
    assert SyncState.unscoped.get().missed_pushes == 0


def test_a_lapsed_or_refused_watch_is_asked_for_in_the_same_row(mail: Mail, alice: User) -> None:
    mail.link(alice)
    before = Channel.unscoped.get()
    Channel.unscoped.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert channels.renew_due() == 1
    channel = Channel.unscoped.get()
    assert (channel.pk, channel.state, channel.error) == (before.pk, "live", "")


def test_two_at_once_ask_once(mail: Mail, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    integration = mail.link(alice)
    state = SyncState.unscoped.get(integration=integration)
    Channel.unscoped.update(state=Channel.State.FAILED)
    assert channels._begin(state, None) is not None
    assert channels._begin(state, None) is None
    Channel.unscoped.update(state=Channel.State.LIVE, renew_at=timezone.now())
    channel = Channel.unscoped.select_related("integration", "sync_state__integration").get()
    assert channels._watch_again(channel) == 1
    assert channels._watch_again(channel) == 0


def test_a_topic_that_is_missing_is_said_and_asked_for_now_and_then(
    mail: Mail, alice: User, settings: Settings
) -> None:
    settings.GOOGLE_PUBSUB_TOPIC = ""
    mail.link(alice)
    channel = Channel.unscoped.get()
    assert (channel.state, "GOOGLE_PUBSUB_TOPIC" in channel.error) == ("failed", True)
    calls = mail.google.requests_of("gmail.users.watch")
    for _ in range(5):
        channels.renew_due()
    assert mail.google.requests_of("gmail.users.watch") == calls == 0
    settings.GOOGLE_PUBSUB_TOPIC = TOPIC
    Channel.unscoped.update(created_at=timezone.now() - channels.RETRY_AFTER)
    assert channels.renew_due() == 1
    assert Channel.unscoped.get().state == "live"


def test_a_mailbox_linked_twice_is_stopped_by_whoever_leaves_last(mail: Mail, alice: User, charlie: User) -> None:
    first, second = mail.link(alice), mail.link(charlie, account=alice.email)
    assert Channel.unscoped.filter(state="live", resource_id=alice.email).count() == 2

    disconnect(mail, first)
    assert mail.google.requests_of("gmail.users.stop") == 0
    assert watches(mail) == [alice.email]
    assert Channel.unscoped.get(integration=first).state == "stopped"
    assert Channel.unscoped.get(integration=second).state == "live"
    first.refresh_from_db()
    assert bytes(first.encrypted_tokens) == b""

    disconnect(mail, second)
    assert mail.google.requests_of("gmail.users.stop") == 1
    assert watches(mail) == []


def test_whoever_links_while_another_stops_is_watched_again(
    mail: Mail, alice: User, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mail.link(alice)
    original = Gmail.stop

    def stop(self: Gmail, *args: object) -> None:
        if not Integration.unscoped.filter(user=charlie).exists():
            mail.link(charlie, account=alice.email)
        original(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Gmail, "stop", stop)
    disconnect(mail, first)
    assert watches(mail) == []
    assert channels.renew_due() == 1
    assert watches(mail) == [alice.email]


def test_a_watch_in_trouble_is_a_state_and_no_crash(mail: Mail, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BadConfig("Gmail may not publish in this installation's topic.")

    monkeypatch.setattr(Gmail, "watch", refuse)
    integration = mail.link(alice)
    assert Channel.unscoped.get().error == "Gmail may not publish in this installation's topic."
    integration.refresh_from_db()
    assert integration.sync_status == "active"
    disconnect(mail, integration)
    integration.refresh_from_db()
    assert not integration.is_revocation_due
