"""A failed delivery whose change came with a later sync waits for nobody any more."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import Channel, SyncRun, SyncState
from tests.webhooks.test_drain import deliver, finish_sync
from tests.webhooks.test_replay import failed
from webhooks import jobs, replay, settling
from webhooks.models import Delivery, WebhookFailure

__all__ = ["failed"]
pytestmark = pytest.mark.django_db


def run_of(state: SyncState, minutes: int, outcome: str = "done") -> None:
    """A run that began so many minutes after now."""
    SyncRun.unscoped.create(
        company=state.company,
        state=state,
        kind="changes",
        trigger="poll",
        outcome=outcome,
        started_at=timezone.now() + timedelta(minutes=minutes),
    )


def unread(channel: Channel) -> Delivery:
    """A delivery that was given up before it was ever read."""
    deliver(channel)
    delivery = Delivery.objects.get()
    Delivery.objects.update(status="failed", error="Its worker died.")
    WebhookFailure.objects.create(delivery=delivery, provider="google", webhook_type="calendar-event", payload={})
    return delivery


def test_the_next_poll_settles_the_failure_with_its_reason(
    failed: Delivery, state: SyncState, as_staff: Client
) -> None:
    jobs.sweep()
    assert not WebhookFailure.objects.get().resolved

    finish_sync(state)
    assert jobs.sweep() == 1

    failure = WebhookFailure.objects.get()
    assert (failure.resolved, failure.resolution) == (True, "A later sync brought it.")
    assert failure.resolved_at is not None
    failed.refresh_from_db()
    assert (failed.status, failed.error) == ("done", "")
    assert replay.plan(Delivery.objects.all()).already_done == 1
    listed = as_staff.get("/admin/webhooks/webhookfailure/?state=resolved").content.decode()
    assert "A later sync brought it." in listed
    shown = as_staff.get(f"/admin/webhooks/webhookfailure/{failure.pk}/change/").content.decode()
    assert "A later sync brought it." in shown


def test_a_delivery_that_was_never_read_is_settled_by_a_run_that_began_after_it(
    channel: Channel, state: SyncState
) -> None:
    unread(channel)
    run_of(state, minutes=-5)
    run_of(state, minutes=1, outcome="failed")
    assert settling.resolve_brought() == 0
    run_of(state, minutes=2)
    assert settling.resolve_brought() == 1
    assert WebhookFailure.objects.get().resolution == "A later sync brought it."


def test_what_speaks_of_nothing_that_is_synced_stays_open(channel: Channel, state: SyncState) -> None:
    unread(channel)
    run_of(state, minutes=1)
    Delivery.objects.update(sync_state=None)
    assert settling.resolve_brought() == 0
    assert not WebhookFailure.objects.get().resolved


def test_a_replay_says_that_it_was_the_replay(failed: Delivery, state: SyncState) -> None:
    replay.replay(failed, None, "again")
    finish_sync(state)
    assert settling.resolve_brought() == 0


def test_many_are_settled_in_pieces(channel: Channel, state: SyncState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "MOST_AT_ONCE", 2)
    deliver(channel, 5)
    Delivery.objects.update(status="failed", awaits_mark=1)
    for one in Delivery.objects.all():
        WebhookFailure.objects.create(delivery=one, provider="google", webhook_type="calendar-event", payload={})
    SyncState.unscoped.filter(pk=state.pk).update(done_mark=1)
    assert settling.resolve_brought() == 5
    assert not WebhookFailure.objects.filter(resolved=False).exists()
