"""Replays: the plan, the command, and that asking ten times is asking once."""

import threading
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from integrations.models import Channel, Integration, SyncState
from relationships.models import User
from tests.webhooks.test_drain import deliver, finish_sync
from webhooks import drain, replay, settling
from webhooks.management.commands.replay_webhooks import since
from webhooks.models import Attempt, Delivery, WebhookFailure

pytestmark = pytest.mark.django_db


@pytest.fixture
def failed(channel: Channel, state: SyncState) -> Delivery:
    """A delivery whose sync was given up."""
    deliver(channel)
    drain.run()
    SyncState.unscoped.filter(pk=state.pk).update(gave_up_mark=1, last_error="Google refuses.", failures=5)
    settling.settle()
    return Delivery.objects.get()


def test_a_successful_replay_resolves_the_failure_and_keeps_the_history(
    failed: Delivery, state: SyncState, staff: User
) -> None:
    assert replay.replay(failed, staff, "Google is back")
    failed.refresh_from_db()
    assert (failed.status, failed.attempts, failed.error) == ("received", 0, "")
    assert drain.run() == 1
    state.refresh_from_db()
    assert (state.dirty_mark, state.failures) == (2, 0)
    finish_sync(state)
    settling.settle()
    failed.refresh_from_db()
    assert failed.status == "done"
    assert list(failed.tries.values_list("number", "is_replay", "outcome", "asked_by", "reason")) == [
        (1, False, "failed", None, ""),
        (2, True, "done", staff.pk, "Google is back"),
    ]
    failure = WebhookFailure.objects.get()
    assert failure.resolved
    assert failure.resolution == "A replay brought it."
    assert failure.resolved_at is not None


def test_a_replay_that_fails_again_stays_one_open_failure(failed: Delivery) -> None:
    replay.replay(failed, None, "try")
    drain.run()
    SyncState.unscoped.update(gave_up_mark=2)
    settling.settle()
    failed.refresh_from_db()
    assert failed.status == "failed"
    assert WebhookFailure.objects.filter(resolved=False).count() == 1


def test_asking_twice_is_asking_once(failed: Delivery) -> None:
    assert [replay.replay(failed, None, "again") for _ in range(10)] == [True] + [False] * 9
    assert Attempt.objects.filter(is_replay=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_ten_people_asking_at_once_are_one_replay(failed: Delivery) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has no concurrent writers; test_processes.py does this with a file.")
    answers: list[bool] = []

    def ask() -> None:
        try:
            answers.append(replay.replay(failed, None, "at once"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 9 + [True]
    assert Attempt.objects.filter(is_replay=True).count() == 1


def test_the_plan_says_what_would_happen(failed: Delivery, channel: Channel, integration: Integration) -> None:
    deliver(channel, 2, first=100)
    deliver(channel, 3, first=200)
    Delivery.objects.filter(dedupe_key__contains=":20").update(status="done")
    deliver(channel, 1, first=300)
    Delivery.objects.filter(dedupe_key__endswith=":300").update(status="failed", sync_state=None, error="gone")
    plan = replay.plan(Delivery.objects.all())
    assert (plan.total, plan.to_replay, plan.already_done, plan.under_way, plan.disconnected) == (7, 1, 3, 2, 1)
    assert (plan.users, plan.companies, plan.oldest_at) == (1, 1, failed.received_at)
    assert [(group.cause, group.count) for group in plan.groups] == [("Google refuses.", 1)]
    assert replay.plan(Delivery.objects.all(), include_done=True).to_replay == 4

    Integration.unscoped.update(sync_status="stale")
    assert replay.plan(Delivery.objects.all()).disconnected == 2


def test_a_bulk_replay_does_what_the_plan_said(failed: Delivery, channel: Channel) -> None:
    deliver(channel, 600, first=1000)
    Delivery.objects.filter(status="received").update(status="failed", error="x")
    everything = Delivery.objects.all()
    plan = replay.plan(everything)
    result = replay.run(everything, None, "bulk")
    assert (result.replayed, result.left_alone) == (plan.to_replay, 0) == (601, 0)
    assert replay.run(everything, None, "bulk").replayed == 0


def test_what_was_forgotten_is_not_replayed(failed: Delivery) -> None:
    Delivery.objects.update(status="done", received_at=timezone.now() - timedelta(days=15))
    assert replay.plan(Delivery.objects.all(), include_done=True).to_replay == 0


def command(*words: str) -> str:
    out = StringIO()
    call_command("replay_webhooks", *words, stdout=out)
    return out.getvalue()


def test_the_command_plans_and_replays(failed: Delivery) -> None:
    assert "1 would be replayed (1 users, 1 companies" in command("--dry-run")
    failed.refresh_from_db()
    assert failed.status == "failed"
    assert "0 would be replayed" in command("--provider", "microsoft", "--yes")
    assert "0 would be replayed" in command("--type", "email-received", "--yes")
    with pytest.raises(CommandError, match="--yes"):
        command("--since", "1h")
    assert "Asked again for 1" in command("--provider", "google", "--type", "calendar-event", "--since", "1h", "--yes")
    failed.refresh_from_db()
    assert failed.status == "received"
    assert Attempt.objects.get(is_replay=True).reason == "manage.py replay_webhooks"
    assert "0 deliveries match" in command("--yes")
    assert "1 are under way" in command("--all", "--yes")


def test_since_is_a_span_or_a_date() -> None:
    assert since("2026-11-23") == datetime(2026, 11, 23, tzinfo=UTC)
    assert since("2026-11-23T08:00+01:00") == datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert abs(timezone.now() - timedelta(days=3) - since("3d")) < timedelta(seconds=5)
    for words in ("yesterday", "2026-13-45", "9999999999d", "3w", "999999d"):
        with pytest.raises(CommandError, match="--since"):
            since(words)
