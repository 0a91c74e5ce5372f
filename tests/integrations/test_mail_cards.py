"""How far the reading of a mailbox is, in words: found, read, left, waiting, and for whom."""

import html
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import cards
from integrations.email import plans
from integrations.email.models import EmailMessage, EmailThread, MailSearch, MailToRead
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import FollowUp, Touchpoint, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_acme")]


@pytest.fixture
def state(alice: User) -> SyncState:
    integration = Integration.unscoped.create(
        company=alice.company, user=alice, provider="google", integration_type="email", encrypted_tokens=b"",
        external_account_id="1", account_address=alice.email, resources_listed_at=timezone.now(),
        sync_status="syncing",
    )  # fmt: skip
    return SyncState.unscoped.create(
        company=alice.company, integration=integration, resource_type="mailbox", external_id="me", name=alice.email,
        is_chosen=True, is_primary=True, dirty_mark=1,
    )  # fmt: skip


def search(state: SyncState, left: int = 0, **more: object) -> MailSearch:
    """A question, answered unless said otherwise, with messages that are still to be read."""
    values = {"purpose": "first", "since": timezone.now(), "listed_at": timezone.now(), **more}
    made = MailSearch.unscoped.create(company_id=state.company_id, state=state, **values)
    MailToRead.unscoped.bulk_create(
        MailToRead(company_id=state.company_id, state=state, external_id=f"{made.pk}-{number}", search=made)
        for number in range(left)
    )
    return made


def run(state: SyncState, outcome: str, found: int, **more: object) -> SyncRun:
    return SyncRun.unscoped.create(
        company_id=state.company_id, state=state, kind="first", trigger="link", outcome=outcome, found=found,
        finished_at=None if outcome == "running" else timezone.now(), **more,
    )  # fmt: skip


def words(client: Client) -> str:
    page = re.sub(r"<[^>]+>", " ", html.unescape(client.get("/settings/integrations/").text))
    page = re.sub(r"\s+([.,;])", r"\1", " ".join(page.split()))
    return page[page.index("Gmail") :]


def test_while_it_is_listed_nobody_knows_how_long_it_takes(state: SyncState, as_alice: Client) -> None:
    search(state, 2, listed_at=None)
    run(state, "running", 0)
    page = words(as_alice)
    assert "Looking for mail with people you know: 2 messages found so far." in page
    assert "left" not in page


def test_the_plan_is_said_before_the_first_message_is_read(state: SyncState, as_alice: Client) -> None:
    search(state, 1200)
    run(state, "running", 0)
    assert "1,200 messages found; reading them takes about 4 minutes." in words(as_alice)


def test_progress_counts_what_all_runs_read(state: SyncState, as_alice: Client) -> None:
    run(state, "done", 70, started_at=timezone.now() - timedelta(days=1))
    SyncRun.unscoped.update(finished_at=timezone.now() - timedelta(days=1))
    search(state, 1200)
    run(state, "interrupted", 300)
    run(state, "running", 120)
    page = words(as_alice)
    assert "420 of 1,620 messages; about 4 minutes left." in page
    assert 'value="420" max="1620"' in as_alice.get("/settings/integrations/").text
    part = as_alice.get(f"/settings/integrations/{state.integration_id}/card/", {"face": face(state)}).text
    assert "420 of 1,620" in part
    assert 'value="420" max="1620" hx-swap-oob="true"' in part
    assert "Reconnect" not in part


def test_the_last_messages_take_no_minute(state: SyncState, as_alice: Client) -> None:
    search(state, 3)
    run(state, "running", 9)
    assert "9 of 12 messages; less than a minute left." in words(as_alice)


def test_waiting_for_the_quota_is_said_in_the_providers_name(state: SyncState, alice: User, as_alice: Client) -> None:
    search(state, 600)
    run(state, "interrupted", 300, error="The provider's limit for a minute is used up.")
    again_at = timezone.now() + timedelta(seconds=40)
    SyncState.unscoped.update(next_attempt_at=again_at)
    page = words(as_alice)
    local = again_at.astimezone(ZoneInfo(alice.time_zone))
    assert f"Google's limit for a minute is used up. It goes on by itself at {local:%H:%M:%S}." in page
    assert "The next try is at" not in page


def test_a_card_that_waits_and_reads_in_turns_is_not_exchanged_each_time(state: SyncState) -> None:
    search(state, 600)
    run(state, "running", 300)
    before = face(state)
    SyncRun.unscoped.update(outcome="interrupted", error="The provider's limit for a minute is used up.")
    SyncState.unscoped.update(next_attempt_at=timezone.now() + timedelta(seconds=40))
    assert face(state) == before


def test_the_past_of_a_new_contact_is_read_with_its_count(state: SyncState, as_alice: Client) -> None:
    search(state, 8, purpose="contact", about="Marc Dubois")
    run(state, "running", 4)
    assert "Past mail (Marc Dubois): 4 of 12 messages; less than a minute left." in words(as_alice)
    search(state, 5)
    assert "Marc" not in words(as_alice)


def test_counts_of_messages_exchanges_and_answers_owed(state: SyncState, alice: User, bob: User) -> None:
    thread = EmailThread.unscoped.create(company=alice.company, state=state, external_id="t")
    for number, verdict in enumerate(["exchange", "exchange", "list"]):
        EmailMessage.unscoped.create(
            company=alice.company, state=state, thread=thread, external_id=str(number), unique_key=str(number),
            thread_key="t", sent_at=timezone.now(), verdict=verdict,
        )  # fmt: skip
    past, coming = timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=1)
    for number, (user, due_at, outcome) in enumerate(
        [(alice, past, "open"), (alice, coming, "open"), (alice, past, "answered"), (bob, past, "open")]
    ):
        touchpoint = Touchpoint.unscoped.create(
            company=alice.company, kind="email", occurred_at=past, unique_key=f"u{number}"
        )
        FollowUp.unscoped.create(
            company=alice.company, user=user, touchpoint=touchpoint, side="theirs", outcome=outcome, since_at=past,
            due_at=due_at,
        )  # fmt: skip
    assert plans.counts([state.pk]) == {state.pk: {"messages": 3, "exchanges": 2, "owed": 1}}


def test_a_large_first_sync_is_said_by_few_queries(state: SyncState) -> None:
    search(state, 1000)
    run(state, "running", 0)
    with CaptureQueriesContext(connection) as few:
        cards.for_integration(state.integration)
    search(state, 1000)
    with CaptureQueriesContext(connection) as more:
        cards.for_integration(state.integration)
    assert len(few) == len(more) <= 12


def face(state: SyncState) -> str:
    return cards.for_integration(state.integration).face
