"""What was found, and how long reading it takes, is shown before reading begins, by itself or by a click."""

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from pytest_django.fixtures import Settings

from integrations import jobs, sync_states
from integrations.email.models import EmailMessage, MailToRead
from integrations.models import Integration, SyncRun
from relationships.models import Person, PersonAddress, User
from tests.integrations.conftest import state_of
from tests.integrations.email.memory import ALICE, LP
from tests.pretend_mail import Mail

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]

RunJobs = Callable[[], int]
BEN = "ben@gmail.com"


@pytest.fixture
def planned(mail: Mail, alice: User, settings: Settings) -> Integration:
    """Alice's mailbox right after consent: three mails with Lena were found, the plan is shown."""
    settings.MAIL_PLAN_SECONDS = 60
    for number in range(3):
        mail.put(ALICE, from_=LP, to=[ALICE], subject=f"Mail {number}")
    mail.put(ALICE, from_=BEN, to=[ALICE], subject="From Ben")
    return mail.link(alice)


def card(client: Client) -> str:
    page = re.sub(r"<[^>]+>", " ", html.unescape(client.get("/settings/integrations/").text))
    page = re.sub(r"\s+([.,;])", r"\1", " ".join(page.split()))
    return page[page.index("Gmail") :]


def press_start(client: Client, integration: Integration, run_jobs: RunJobs) -> None:
    assert client.post(f"/settings/integrations/{integration.pk}/sync/").status_code == 302
    assert "begins by itself" not in card(client)
    run_jobs()


def test_nothing_is_read_while_the_plan_is_shown(planned: Integration, as_alice: Client) -> None:
    assert not EmailMessage.objects.exists()
    assert MailToRead.objects.count() == 3
    page = card(as_alice)
    assert "3 messages found; reading them takes less than a minute." in page
    assert "Reading begins by itself at 1" in page
    assert "Start reading now" in page
    assert "It goes on by itself" not in page
    assert SyncRun.objects.latest("started_at").found == 0


def test_it_begins_when_somebody_says_so(planned: Integration, as_alice: Client, run_jobs: RunJobs) -> None:
    press_start(as_alice, planned, run_jobs)
    assert EmailMessage.objects.count() == 3
    assert "Sync now" in card(as_alice)


def test_it_begins_by_itself(planned: Integration, run_jobs: RunJobs, noon: time_machine.Traveller) -> None:
    noon.shift(timedelta(seconds=50))
    sync_states.queue_due()
    run_jobs()
    assert not EmailMessage.objects.exists()
    noon.shift(timedelta(seconds=15))
    sync_states.queue_due()
    run_jobs()
    assert EmailMessage.objects.count() == 3
    assert state_of(planned).last_error == ""


def test_a_new_contacts_count_is_shown_before_its_mail_is_read(
    planned: Integration, as_alice: Client, alice: User, run_jobs: RunJobs
) -> None:
    press_start(as_alice, planned, run_jobs)
    jobs.rematch()
    ben = Person.objects.create(company=alice.company, display_name="Ben Birch")
    PersonAddress.build(ben, BEN, is_primary=True).save()
    jobs.rematch()
    run_jobs()
    assert not EmailMessage.objects.filter(subject="From Ben").exists()
    assert "Past mail (Ben Birch (ben@gmail.com)): 1 message found; reading it takes" in card(as_alice)
    press_start(as_alice, planned, run_jobs)
    assert EmailMessage.objects.filter(subject="From Ben").exists()


def test_mail_that_comes_meanwhile_is_read_and_the_plan_goes_on(
    planned: Integration, mail: Mail, as_alice: Client, run_jobs: RunJobs, noon: time_machine.Traveller
) -> None:
    mail.put(ALICE, from_=LP, to=[ALICE], subject="New")
    noon.shift(timedelta(seconds=65))
    sync_states.queue_due()
    run_jobs()
    assert EmailMessage.objects.count() == 4


def test_a_gap_is_read_at_once(
    planned: Integration, mail: Mail, as_alice: Client, run_jobs: RunJobs, noon: time_machine.Traveller
) -> None:
    press_start(as_alice, planned, run_jobs)
    mail.put(ALICE, from_=LP, to=[ALICE], subject="In the gap")
    mail.forget_history(ALICE)
    noon.shift(timedelta(minutes=1))
    press_start(as_alice, planned, run_jobs)
    assert EmailMessage.objects.filter(subject="In the gap").exists()
