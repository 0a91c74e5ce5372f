"""Linking a mailbox beside a calendar: one grant each, one card each, and what ends when one of them ends."""

import re

import pytest
from django.test import Client

from integrations import channels, linking, resources
from integrations.email.models import EmailMessage
from integrations.models import Channel, Integration, SyncRun, SyncState
from relationships import tenancy
from relationships.models import Organization, Person, PersonAddress, User
from tests.pretend_google import Google, Link
from tests.pretend_mail import Mail

pytestmark = pytest.mark.django_db
LP = "lena@alder.example"
SETTINGS = "/settings/integrations/"


@pytest.fixture(autouse=True)
def lena(alice: User) -> Person:
    firm = Organization.unscoped.create(company=alice.company, name="Alder Pension")
    person = Person.unscoped.create(company=alice.company, display_name="Lena", organization=firm)
    PersonAddress.build(person, LP).save()
    return person


def words(client: Client, address: str = SETTINGS) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    page = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+([.,;])", r"\1", " ".join(page.split()))


def test_a_mailbox_is_read_at_once_with_no_choice_to_make(mail: Mail, alice: User, as_alice: Client) -> None:
    mail.put(alice.email, from_=LP, to=[alice.email], subject="The fund")
    mail.put(alice.email, from_="stranger@else.example", to=[alice.email], subject="Buy")

    integration = mail.link(alice)

    state = SyncState.unscoped.get(integration=integration)
    assert (state.resource_type, state.is_chosen, state.name) == ("mailbox", True, alice.email)
    assert EmailMessage.unscoped.get().subject == "The fund"
    assert SyncRun.unscoped.get().outcome == "done"
    page = words(as_alice)
    assert "1 message, 1 of them an exchange with people you know; 0 answers owed" in page
    assert "Choose calendars" not in page
    assert as_alice.get(f"{SETTINGS}{integration.pk}/calendars/").status_code == 404


def test_before_consent_it_is_said_what_is_looked_for_and_how_long_it_takes(
    mail: Mail, alice: User, as_alice: Client
) -> None:
    page = words(as_alice, "/oauth/start/google/email")
    assert "1 address of contacts and 0 domains of firms" in page
    assert "about 300 messages a minute: 1,000 take about 4 minutes" in page
    assert "We keep" in page
    PersonAddress.unscoped.all().delete()
    assert "You have no contacts and no firms yet" in words(as_alice, "/oauth/start/google/email")


def test_a_permission_that_cannot_search_says_that_all_headers_are_looked_at(
    mail: Mail, as_alice: Client, settings: pytest.FixtureRequest
) -> None:
    settings.GMAIL_SCOPE = "metadata"  # type: ignore[attr-defined]
    page = words(as_alice, "/oauth/start/google/email")
    assert "The headers of all mail of the last 90 days are looked at" in page


def test_without_a_topic_the_card_says_why_there_are_no_instant_updates(
    mail: Mail, alice: User, as_alice: Client
) -> None:
    integration = mail.link(alice)
    channel = Channel.unscoped.get(integration=integration)
    assert channel.state == "failed"
    assert "No instant updates: This installation has no topic" in words(as_alice)
    assert channels.renew_due() == 0
    Channel.unscoped.update(created_at=channel.created_at - channels.RETRY_AFTER)
    assert channels.renew_due() == 0
    assert Channel.unscoped.get().pk == channel.pk


def test_disconnecting_mail_leaves_the_calendar_of_the_same_account_alone(
    google: Google, mail: Mail, link: Link, alice: User, as_alice: Client
) -> None:
    calendar = link(alice)
    mailbox = mail.link(alice)
    page = words(as_alice, f"{SETTINGS}{mailbox.pk}/disconnect/")
    assert "Google Calendar still needs it" in page
    assert "is told to end the consent" not in page

    as_alice.post(f"{SETTINGS}{mailbox.pk}/disconnect/", {"imported": "keep"})
    mail.run_jobs()

    assert google.requests_of("oauth.revoke") == 0
    mailbox.refresh_from_db()
    assert (mailbox.sync_status, bytes(mailbox.encrypted_tokens)) == ("revoked", b"")
    resources.refresh(calendar)
    calendar.refresh_from_db()
    assert calendar.sync_status == "active"
    page = words(as_alice, f"{SETTINGS}{calendar.pk}/disconnect/")
    assert "Google is told to end the consent" in page
    as_alice.post(f"{SETTINGS}{calendar.pk}/disconnect/", {"imported": "keep"})
    mail.run_jobs()
    assert google.requests_of("oauth.revoke") == 1


def test_another_companys_link_of_the_account_is_not_named(
    mail: Mail, alice: User, charlie: User, as_alice: Client
) -> None:
    mailbox = mail.link(alice)
    mail.link(charlie, account=alice.email)
    page = words(as_alice, f"{SETTINGS}{mailbox.pk}/disconnect/")
    assert "another link of this account still needs it" in page
    assert charlie.email not in page
    assert "Zenith" not in page


def test_deleting_what_a_mailbox_brought(mail: Mail, alice: User, as_alice: Client) -> None:
    mail.put(alice.email, from_=LP, to=[alice.email], subject="The fund")
    integration = mail.link(alice)
    page = words(as_alice, f"{SETTINGS}{integration.pk}/disconnect/")
    assert "who wrote to whom in 1 message, and what follows from it" in page

    answer = as_alice.post(f"{SETTINGS}{integration.pk}/disconnect/", {"imported": "delete", "confirm": "delete"})
    assert answer.status_code == 302
    mail.run_jobs()

    assert not EmailMessage.unscoped.exists()
    assert not SyncState.unscoped.filter(integration=integration).exists()
    integration.refresh_from_db()
    assert not integration.is_deletion_due


def test_pause_resume_and_reconnect_go_on_where_it_stopped(mail: Mail, alice: User, as_alice: Client) -> None:
    mail.put(alice.email, from_=LP, to=[alice.email], subject="One")
    integration = mail.link(alice)
    as_alice.post(f"{SETTINGS}{integration.pk}/pause/")
    mail.put(alice.email, from_=LP, to=[alice.email], subject="Two")
    mail.run_jobs()
    assert EmailMessage.unscoped.count() == 1
    assert "Not read now" in words(as_alice)
    as_alice.post(f"{SETTINGS}{integration.pk}/resume/")
    mail.run_jobs()
    assert EmailMessage.unscoped.count() == 2

    mail.google.post("google/revoke", account=alice.email)
    with tenancy.within(integration.company_id):
        linking.poke_all(integration, "manual")
    mail.put(alice.email, from_=LP, to=[alice.email], subject="Three")
    mail.run_jobs()
    integration.refresh_from_db()
    assert integration.sync_status == "stale"
    assert mail.follow_consent(as_alice, alice.email).status_code == 302
    mail.run_jobs()
    assert EmailMessage.unscoped.count() == 3
    assert SyncState.unscoped.filter(integration=integration).count() == 1
    assert Integration.unscoped.count() == 1


def test_the_history_names_the_mailbox_and_what_was_left_out(mail: Mail, alice: User, as_alice: Client) -> None:
    mail.put(alice.email, from_=LP, to=[alice.email], subject="News", headers={"List-Id": "<news.alder.example>"})
    integration = mail.link(alice)
    page = words(as_alice, f"{SETTINGS}{integration.pk}/history/")
    assert "What did not count as an exchange" in page
    assert "1 × From a mailing list or newsletter" in page
    assert "Calendar" not in page.split("What was read", 2)[2].split("Could not be read")[0]
