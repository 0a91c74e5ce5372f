"""What the settings page says about each link, in words, and at what price."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import cards
from integrations.calendar.models import CalendarEvent
from integrations.models import Channel, Integration, SetAside, SyncRun, SyncState
from relationships.models import Company, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_acme")]


@pytest.fixture
def integration(alice: User) -> Integration:
    return Integration.unscoped.create(
        company=alice.company,
        user=alice,
        provider="google",
        integration_type="calendar",
        encrypted_tokens=b"",
        external_account_id="1",
        account_address="alice@acme.example",
        resources_listed_at=timezone.now(),
    )


def calendar(integration: Integration, name: str = "Alice", **more: object) -> SyncState:
    return SyncState.unscoped.create(
        company_id=integration.company_id,
        integration=integration,
        resource_type="calendar",
        external_id=name,
        name=name,
        is_chosen=True,
        **more,
    )


def channel(state: SyncState, status: str, **more: object) -> Channel:
    return Channel.unscoped.create(
        company_id=state.company_id,
        integration=state.integration,
        sync_state=state,
        provider="google",
        channel_id=str(uuid.uuid4()),
        channel_token="x",
        state=status,
        **more,
    )


def card_of(user: User) -> cards.Card:
    return next(card for card in cards.for_user(user) if card.service.type == "calendar")


def test_what_is_not_linked_is_offered(alice: User) -> None:
    card = card_of(alice)

    assert (card.is_linked, card.tone, card.is_busy, card.next_sync_at, card.counts) == (False, "off", False, None, {})


@pytest.mark.parametrize(
    ("status", "tone"),
    [("active", "ok"), ("syncing", "busy"), ("paused", "off"), ("stale", "bad"), ("revoked", "off"), ("error", "warn")],
)
def test_every_state_has_its_tone(integration: Integration, alice: User, status: str, tone: str) -> None:
    Integration.unscoped.update(sync_status=status)

    assert card_of(alice).tone == tone


def test_counts_progress_and_the_next_check(integration: Integration, alice: User) -> None:
    soon = timezone.now() + timedelta(minutes=7)
    first = calendar(integration, next_poll_at=soon + timedelta(minutes=5))
    calendar(integration, "Team", next_attempt_at=soon)
    for number, verdict in enumerate(["meeting", "meeting", "internal", "cancelled"]):
        CalendarEvent.unscoped.create(
            company=alice.company,
            state=first,
            external_id=f"{number}",
            starts_at=soon,
            verdict=verdict,
            is_cancelled=verdict == "cancelled",
        )
    SetAside.unscoped.create(company=alice.company, state=first, external_id="odd", reason="No.")
    old = SyncRun.unscoped.create(company=alice.company, state=first, kind="first", trigger="link", outcome="done")
    SyncRun.unscoped.filter(pk=old.pk).update(started_at=timezone.now() - timedelta(hours=1))
    running = SyncRun.unscoped.create(company=alice.company, state=first, kind="changes", trigger="poll", found=3)

    card = card_of(alice)

    assert (card.counts, card.set_aside, card.next_sync_at) == ({"events": 3, "meetings": 2}, 1, soon)
    assert [line.run for line in card.running] == [running]
    assert card.sync_now_at is not None


@pytest.mark.parametrize(("wait", "is_long"), [(timedelta(seconds=40), False), (timedelta(hours=1), True)])
def test_what_waits_for_long_says_why_and_until_when(
    integration: Integration, alice: User, as_alice: Client, wait: timedelta, is_long: bool
) -> None:
    """A day's allowance is used up: that reading began in a moment was said for hours."""
    again_at = timezone.now() + wait
    state = calendar(integration, dirty_mark=1, next_attempt_at=again_at)
    Integration.unscoped.update(sync_status="syncing")
    SyncRun.unscoped.create(
        company=alice.company, state=state, kind="changes", trigger="poll", outcome="interrupted", error="All is used."
    )
    card = card_of(alice)
    assert (card.pause is not None, card.tone, card.refresh_seconds) == (
        (True, "warn", 30) if is_long else (False, "busy", 2)
    )
    page = " ".join(as_alice.get("/settings/integrations/").content.decode().split())
    assert ("All is used. It goes on by itself at <time" in page) == is_long
    assert ("Reading begins in a moment." in page) != is_long
    assert (">Waiting</span>" in page) == is_long
    before = card.face
    SyncRun.unscoped.create(company=alice.company, state=state, kind="changes", trigger="poll")
    assert card_of(alice).pause is None
    assert (card_of(alice).face != before) == is_long, "the card is exchanged once it goes on"


def test_a_card_refreshes_itself_only_while_something_happens(integration: Integration, alice: User) -> None:
    assert not card_of(alice).is_busy
    Integration.unscoped.update(resources_listed_at=None)
    assert card_of(alice).is_busy
    Integration.unscoped.update(resources_listed_at=timezone.now())
    state = calendar(integration, dirty_mark=1)
    assert card_of(alice).is_busy
    SyncState.unscoped.filter(pk=state.pk).update(gave_up_mark=1)
    assert not card_of(alice).is_busy


@pytest.mark.parametrize(
    ("status", "error", "missed", "tone", "words"),
    [
        ("live", "", 0, "ok", "Changes arrive at once, and are checked every 15 minutes."),
        ("live", "", 1, "warn",
         "The last changes came without an announcement; the check every 15 minutes found them."),
        ("opening", "", 0, "busy", "Changes are read every 15 minutes; instant updates are being arranged."),
        ("failed", "Google refused.", 0, "warn",
         "No instant updates: Google refused. Changes are read every 15 minutes."),
        ("expired", "", 0, "warn",
         "Instant updates lapsed and are being renewed. Changes are read every 15 minutes."),
    ],
)  # fmt: skip
def test_how_pushes_are_doing_is_said_in_words(
    integration: Integration, alice: User, status: str, error: str, missed: int, tone: str, words: str
) -> None:
    channel(calendar(integration, missed_pushes=missed), status, error=error)

    [line] = card_of(alice).lines
    assert (line.push.tone, line.push.words) == (tone, words)


def test_a_living_channel_counts_more_than_its_successor_under_way(integration: Integration, alice: User) -> None:
    state = calendar(integration)
    old = channel(state, "live")
    channel(state, "opening", replaces=old)

    [line] = card_of(alice).lines
    assert line.push.tone == "ok"


def test_the_number_of_queries_does_not_grow(integration: Integration, alice: User, acme: Company) -> None:
    def price() -> int:
        with CaptureQueriesContext(connection) as captured:
            card_of(alice)
        return len(captured)

    prices = []
    for number in range(8):
        state = calendar(integration, f"Calendar {number}")
        channel(state, "live")
        SyncRun.unscoped.create(company=acme, state=state, kind="first", trigger="link")
        prices.append(price())

    assert set(prices) == {9}
