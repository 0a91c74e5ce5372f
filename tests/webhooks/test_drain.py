"""From the inbox to the sync and back: claims, retries, poison, leases, settling."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import providers, sync_states
from integrations.contract import Notice
from integrations.errors import NeedsReconnect, Permanent, Temporary
from integrations.models import Channel, Integration, SyncState
from tests.webhooks.conftest import Push, make_channel, make_state
from webhooks import drain, inbox, retries, settling, sweeping
from webhooks.models import Attempt, Delivery, WebhookFailure

pytestmark = pytest.mark.django_db

Reads = Callable[[Exception | Notice], None]


def deliver(channel: Channel, count: int = 1, first: int = 10, state: str = "exists") -> None:
    """Store pushes without the web."""
    Delivery.objects.bulk_create(
        Delivery(
            company_id=channel.company_id,
            provider="google",
            webhook_type="calendar-event",
            dedupe_key=f"{channel.channel_id}:{number}",
            channel_id=channel.channel_id,
            sync_state_id=channel.sync_state_id,
            headers={"x-goog-resource-state": state},
        )
        for number in range(first, first + count)
    )


def finish_sync(state: SyncState) -> None:
    state.refresh_from_db()
    SyncState.unscoped.filter(pk=state.pk).update(
        done_mark=state.dirty_mark, last_success_at=timezone.now().replace(hour=9, minute=8, second=7)
    )


def make_due() -> None:
    """Let the back-off of all be over."""
    Delivery.objects.filter(status="retry").update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def lose_claims() -> None:
    """What a worker killed with SIGKILL leaves behind, a minute later."""
    drain.claim(timezone.now(), drain.BATCH, False) or drain.claim(timezone.now(), 1, True)
    Delivery.objects.filter(status="processing").update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Let Google's module say this of every delivery, or raise it."""

    def install(outcome: Exception | Notice) -> None:
        def read(*_: object) -> Notice:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(providers.get("google"), "read", read)

    return install


def test_a_change_is_done_when_its_sync_has_run(push: Push, channel: Channel, state: SyncState) -> None:
    push(channel)
    assert drain.run() == 1
    delivery = Delivery.objects.get()
    state.refresh_from_db()
    assert (delivery.status, delivery.awaits_mark, delivery.attempts) == ("waiting", state.dirty_mark, 1)
    assert state.last_push_at is not None
    assert delivery.tries.get().outcome == "poked"
    assert OrmQ.objects.count() == 1
    assert settling.settle() == 0

    finish_sync(state)
    assert settling.settle() == 1
    delivery.refresh_from_db()
    attempt = delivery.tries.get()
    assert (delivery.status, attempt.outcome) == ("done", "done")
    assert attempt.detail == "Arrived with the sync at 09:08:07 UTC."
    assert attempt.duration is not None
    assert attempt.duration > timedelta(0)
    assert delivery.finished_at is not None
    assert settling.settle() == 0


def test_many_pushes_on_one_calendar_are_one_poke_and_one_sync(channel: Channel, state: SyncState) -> None:
    deliver(channel, 50)
    assert drain.run() == 50
    state.refresh_from_db()
    assert state.dirty_mark == 1
    assert OrmQ.objects.count() == 1
    assert Attempt.objects.filter(outcome="poked").count() == 50


def test_a_push_during_a_sync_waits_for_the_next_one(channel: Channel, state: SyncState) -> None:
    deliver(channel, 1, first=1)
    drain.run()
    SyncState.unscoped.filter(pk=state.pk).update(held_until=timezone.now() + timedelta(minutes=15))
    deliver(channel, 1, first=2)
    drain.run()
    SyncState.unscoped.filter(pk=state.pk).update(done_mark=1)
    settling.settle()
    assert dict(Delivery.objects.values_list("dedupe_key", "status")) == {
        f"{channel.channel_id}:1": "done",
        f"{channel.channel_id}:2": "waiting",
    }


def test_what_is_no_change_is_ignored_with_its_reason(channel: Channel, state: SyncState) -> None:
    deliver(channel, 1, first=1, state="sync")
    deliver(channel, 1, first=2, state="party")
    drain.run()
    assert set(Delivery.objects.values_list("status", flat=True)) == {"ignored"}
    assert {"party" in error for error in Delivery.objects.values_list("error", flat=True)} == {True, False}
    state.refresh_from_db()
    assert state.dirty_mark == 0
    assert not WebhookFailure.objects.exists()


def test_a_batch_costs_the_same_statements_as_one(channel: Channel, integration: Integration) -> None:
    counts = []
    for number, size in enumerate((2, 50)):
        deliver(channel, size // 2, first=number * 1000)
        deliver(channel, size // 2, first=number * 1000 + 500, state="sync")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert drain.run() == size
        counts.append(len(queries))
        SyncState.unscoped.update(queued_at=None)
    assert counts[0] == counts[1]
    assert counts[0] <= 24


def test_an_empty_inbox_costs_one_look_each(
    django_assert_num_queries: Callable[..., CaptureQueriesContext], db: None
) -> None:
    with django_assert_num_queries(3):
        drain.run()
        drain.run_suspects()
        settling.settle()


def test_temporary_trouble_is_tried_five_times_with_growing_waits(channel: Channel, reads: Reads) -> None:
    deliver(channel)
    reads(Temporary("Google has trouble of its own."))
    waits = []
    for number in range(1, 6):
        make_due()
        assert drain.run() == 1
        delivery = Delivery.objects.get()
        assert delivery.attempts == number
        waits.append((delivery.next_attempt_at - timezone.now()).total_seconds())
        assert drain.run() == 0
    assert delivery.status == "failed"
    assert waits[:4] == sorted(waits[:4])
    assert 3 < waits[0] <= 8
    failure = WebhookFailure.objects.get()
    assert (failure.retry_count, failure.error, failure.resolved) == (5, "Google has trouble of its own.", False)
    assert list(delivery.tries.values_list("number", "outcome")) == [
        *((number, "retry") for number in range(1, 5)),
        (5, "failed"),
    ]


def test_retry_after_is_honoured_within_reason(channel: Channel, reads: Reads) -> None:
    now = timezone.now()
    assert retries.next_attempt_at(1, now, 300) == now + timedelta(seconds=300)
    assert retries.next_attempt_at(1, now, 1e12) == now + timedelta(hours=6)
    for attempts in range(1, 100):
        assert timedelta(seconds=4) <= retries.next_attempt_at(attempts, now) - now <= timedelta(seconds=60)


def test_permanent_trouble_fails_at_once(channel: Channel, reads: Reads) -> None:
    deliver(channel)
    reads(Permanent("Not what is documented."))
    drain.run()
    assert Delivery.objects.get().status == "failed"
    assert WebhookFailure.objects.get().error == "Not what is documented."


def test_a_bug_is_recorded_with_its_traceback_and_holds_nobody_up(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(channel, 3)
    bad = Delivery.objects.order_by("dedupe_key").first()
    assert bad
    body_of = inbox.body_of

    def broken(delivery: Delivery) -> bytes:
        if delivery.pk == bad.pk:
            raise ZeroDivisionError("a \0 bug")
        return body_of(delivery)

    monkeypatch.setattr(inbox, "body_of", broken)
    assert drain.run() == 3
    assert Delivery.objects.filter(status="waiting").count() == 2
    attempt = bad.tries.get()
    assert (attempt.outcome, attempt.error) == ("retry", "ZeroDivisionError: a  bug")
    assert "Traceback" in attempt.traceback


def test_an_unknown_provider_is_a_bug_of_ours(channel: Channel) -> None:
    deliver(channel)
    Delivery.objects.update(provider="gone")
    drain.run()
    assert Delivery.objects.get().status == "retry"


def test_a_dead_grant_holds_the_work_until_the_account_is_back(
    channel: Channel, integration: Integration, state: SyncState
) -> None:
    deliver(channel)
    drain.run()
    Integration.unscoped.update(sync_status="stale")
    assert settling.settle() == 1
    assert Delivery.objects.get().status == "held"
    assert settling.settle() == 0
    Integration.unscoped.update(sync_status="active")
    SyncState.unscoped.update(queued_at=None)
    OrmQ.objects.all().delete()
    assert settling.settle() == 1
    assert Delivery.objects.get().status == "waiting"
    assert OrmQ.objects.count() == 1
    finish_sync(state)
    settling.settle()
    assert Delivery.objects.get().status == "done"


def test_a_delivery_whose_reading_needs_the_account_is_read_again(
    channel: Channel, integration: Integration, reads: Reads
) -> None:
    deliver(channel)
    reads(NeedsReconnect("The grant is dead."))
    drain.run()
    assert Delivery.objects.get().status == "held"
    assert settling.settle() == 1
    reads(Notice(is_change=True, detail="Changed."))
    drain.run()
    assert Delivery.objects.get().status == "waiting"
    assert list(Attempt.objects.values_list("number", "outcome")) == [(1, "held"), (2, "poked")]


@pytest.mark.parametrize(
    "change", [{"is_chosen": False}, {"is_gone": True}, {"integration__sync_status": "revoked"}, {}]
)
def test_what_is_no_longer_synced_is_ignored(channel: Channel, state: SyncState, change: dict[str, object]) -> None:
    deliver(channel)
    drain.run()
    if "integration__sync_status" in change:
        Integration.unscoped.update(sync_status="revoked")
    elif change:
        SyncState.unscoped.update(**change)
    else:
        state.delete()
    assert settling.settle() == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error) == ("ignored", settling.NO_LONGER_SYNCED)
    assert delivery.tries.get().outcome == "ignored"


def test_a_sync_that_was_given_up_fails_its_deliveries(channel: Channel, state: SyncState) -> None:
    deliver(channel, 2)
    drain.run()
    SyncState.unscoped.update(gave_up_mark=1, last_error="Google refuses access to this calendar.")
    assert settling.settle() == 2
    assert set(Delivery.objects.values_list("status", "error")) == {
        ("failed", "Google refuses access to this calendar.")
    }
    assert WebhookFailure.objects.filter(resolved=False).count() == 2
    assert WebhookFailure.objects.values("fingerprint").distinct().count() == 1
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"failed"}


def test_a_worker_that_dies_loses_nothing(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "BATCH", 50)
    deliver(channel, 60)
    lose_claims()
    assert sweeping.free_expired() == 50
    assert Delivery.objects.filter(is_suspect=True, status="retry").count() == 50
    assert drain.run() == 10
    assert drain.run_suspects() == 50
    assert Delivery.objects.filter(status="waiting", is_suspect=False).count() == 60
    assert Attempt.objects.filter(outcome="lost").count() == 50


def test_a_delivery_that_kills_every_worker_is_given_up(channel: Channel) -> None:
    deliver(channel)
    for _ in range(5):
        lose_claims()
        assert sweeping.free_expired() == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error, delivery.attempts) == ("failed", sweeping.WORKER_DIED_ALWAYS, 5)
    assert WebhookFailure.objects.get().delivery_id == delivery.pk
    assert list(delivery.tries.values_list("number", "outcome")) == [(number, "lost") for number in range(1, 6)]
    assert drain.run() + drain.run_suspects() == 0


def test_all_claims_are_free_at_once_and_who_lives_after_all_stores_nothing(channel: Channel) -> None:
    deliver(channel, 2)
    late = drain.claim(timezone.now(), 50, False)
    assert sweeping.free_expired() == 0
    assert sweeping.free_all() == 2
    drain._finish(late)
    assert set(Delivery.objects.values_list("status", "is_suspect")) == {("retry", True)}
    assert drain.run_suspects() == 2
    assert set(Attempt.objects.values_list("number", "outcome")) == {(1, "lost"), (2, "poked")}


def test_who_comes_after_his_lease_changes_nothing(channel: Channel, state: SyncState) -> None:
    deliver(channel, 2)
    late = drain.claim(timezone.now(), 50, False)
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweeping.free_expired()
    for one in late:
        drain._read(one)
    drain._finish(late)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"retry"}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"lost"}
    state.refresh_from_db()
    assert state.dirty_mark == 0


@pytest.mark.django_db(transaction=True)
def test_what_was_read_is_stored_once_the_database_is_back(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(channel, 3)
    poke, troubles = sync_states.poke, [OperationalError("restarting"), InterfaceError("connection closed")]

    def fail_twice(*arguments: Any, **options: Any) -> None:
        if troubles:
            raise troubles.pop()
        poke(*arguments, **options)

    monkeypatch.setattr(sync_states, "poke", fail_twice)
    monkeypatch.setattr(drain, "AFTER_TROUBLE", timedelta(0))
    assert drain.run() == 3
    assert not troubles
    assert set(Delivery.objects.values_list("status", "attempts")) == {("waiting", 1)}


@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_away_is_not_waited_for_beyond_the_lease(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise OperationalError("gone")

    deliver(channel)
    monkeypatch.setattr(sync_states, "poke", fail)
    monkeypatch.setattr(drain, "AFTER_TROUBLE", drain.LEASE)
    with pytest.raises(OperationalError):
        drain.run()
    assert Delivery.objects.get().status == "processing"


def test_a_live_lease_is_left_alone(channel: Channel) -> None:
    deliver(channel)
    drain.claim(timezone.now(), 50, False)
    assert sweeping.free_expired() == 0
    assert drain.run() == 0


def test_old_bodies_and_attempts_are_forgotten_and_the_key_is_kept(
    push: Push, channel: Channel, state: SyncState
) -> None:
    push(channel, 1, body=b"{}")
    drain.run()
    finish_sync(state)
    settling.settle()
    push(channel, 2, body=b"{}")
    Delivery.objects.update(received_at=timezone.now() - timedelta(days=15))
    Attempt.objects.update(started_at=timezone.now() - timedelta(days=91))
    assert sweeping.forget_old() == 2
    done, waiting = Delivery.objects.get(status="done"), Delivery.objects.get(status="received")
    assert (bytes(done.body), done.headers) == (b"", {})
    assert bytes(waiting.body)
    assert sweeping.forget_old() == 0
    assert push(channel, 1, body=b"{}").status_code == 200


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [(drain._DUE, ["x", False, 1]), (settling._VERDICTS, [1]), (sweeping._EXPIRED, ["x", 1])],
)
def test_the_looks_of_the_loop_use_partial_indexes(sql: str, parameters: list[str | bool | int]) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by size; on an empty table it reads the table.")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        plan = " ".join(str(row[3]) for row in cursor.fetchall())
    assert "INDEX delivery_" in plan, plan


@pytest.mark.django_db(transaction=True)
def test_workers_beside_each_other_never_share_a_delivery(channel: Channel) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has no concurrent writers; test_processes.py does this with a file.")
    deliver(channel, 200)
    claimed: list[object] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            while tries := drain.claim(timezone.now(), 10, False):
                claimed.extend(one.delivery.pk for one in tries)
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(claimed) == len(set(claimed)) == 200
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(
    order=st.permutations([number for number in range(1, 6) for _ in range(20)]),
    drains=st.lists(st.integers(0, 99), max_size=10),
)
def test_duplicates_in_any_order_are_one_effect_each(
    push: Push, integration: Integration, order: list[int], drains: list[int]
) -> None:
    """Each of five pushes comes twenty times, shuffled, while the inbox is drained in between."""
    state = make_state(integration, external_id=timezone.now().isoformat())
    channel = make_channel(state)
    for position, number in enumerate(order):
        assert push(channel, number).status_code in {200, 202}
        if position in drains:
            drain.run()
    drain.run()
    finish_sync(state)
    settling.settle()
    rows = Delivery.objects.filter(sync_state=state)
    assert sorted(rows.values_list("dedupe_key", flat=True)) == [
        f"{channel.channel_id}:{number}" for number in range(1, 6)
    ]
    assert set(rows.values_list("status", "attempts")) == {("done", 1)}
    assert Attempt.objects.filter(delivery__in=rows).count() == 5
    state.refresh_from_db()
    assert state.dirty_mark <= min(5, len(drains) + 1)
