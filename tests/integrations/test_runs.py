"""The engine of every sync with a work of the test's own: holds, marks, retries, and what each error leads to."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from django_q.models import OrmQ

from integrations import clock, grants, runs, sync_states
from integrations.errors import (
    BadConfig,
    CursorExpired,
    IntegrationError,
    MissingScope,
    NeedsReconnect,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
)
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def integration(alice: User, monkeypatch: pytest.MonkeyPatch) -> Integration:
    """A grant whose access token is always good."""
    monkeypatch.setattr(grants, "fresh", lambda pk, refused=None: grants.Access("new" if refused else "token", 1))
    return Integration.unscoped.create(
        company=alice.company,
        user=alice,
        provider="google",
        integration_type="calendar",
        encrypted_tokens=b"",
        external_account_id="1",
    )


@pytest.fixture
def state(integration: Integration) -> SyncState:
    return SyncState.unscoped.create(
        company_id=integration.company_id,
        integration=integration,
        resource_type="calendar",
        external_id="alice@acme.example",
        name="Alice",
        is_chosen=True,
    )


def nothing(held: runs.Held) -> None:
    """A sync that finds all as it was."""


def raising(error: Exception) -> Callable[[runs.Held], None]:
    def work(held: runs.Held) -> None:
        raise error

    return work


def run(state: SyncState, work: runs.Work = nothing) -> SyncRun:
    """Poke as a push does, run, and read the state again."""
    sync_states.poke([state.pk])
    runs.sync(state.pk, work)
    state.refresh_from_db()
    state.integration.refresh_from_db()
    return SyncRun.unscoped.filter(state=state).latest("started_at")


def test_a_run_that_goes_well_is_clean_and_due_again_at_the_next_poll(state: SyncState) -> None:
    done = run(state)

    assert (done.outcome, done.kind, done.trigger) == ("done", "first", "push")
    assert (state.is_dirty, state.held_by, state.failures, state.trigger) == (False, None, 0, "")
    assert state.next_poll_at is not None
    assert timedelta(minutes=12) < state.next_poll_at - timezone.now() < timedelta(minutes=18)
    assert state.integration.sync_status == "active"
    assert state.integration.last_sync is not None


def test_a_job_that_comes_twice_finds_nothing_due(state: SyncState) -> None:
    run(state)

    runs.sync(state.pk, raising(AssertionError("nothing was due")))

    assert SyncRun.unscoped.filter(state=state).count() == 1


def test_a_thousand_pokes_queue_one_job(state: SyncState) -> None:
    for _ in range(50):
        sync_states.poke([state.pk])

    assert OrmQ.objects.count() == 1
    state.refresh_from_db()
    assert state.dirty_mark == 50


def test_a_poke_during_a_run_leads_to_another_round_and_keeps_its_trigger(state: SyncState) -> None:
    rounds: list[str] = []

    def work(held: runs.Held) -> None:
        rounds.append(held.run.trigger)
        if len(rounds) == 1:
            sync_states.poke([state.pk], trigger=SyncRun.Trigger.MANUAL)
            runs.sync(state.pk, raising(AssertionError("somebody else holds it")))

    sync_states.poke([state.pk])
    runs.sync(state.pk, work)

    state.refresh_from_db()
    assert rounds == ["push", "manual"]
    assert (state.is_dirty, state.done_mark) == (False, 2)


def test_a_poke_while_a_run_fails_is_not_given_up_with_it(state: SyncState) -> None:
    def work(held: runs.Held) -> None:
        sync_states.poke([state.pk])
        raise Permanent("No.")

    run(state, work)

    assert state.dirty_mark > state.gave_up_mark
    OrmQ.objects.all().delete()
    SyncState.unscoped.update(queued_at=None)
    assert sync_states.queue_due() == 1


def test_a_slice_that_went_well_ends_a_row_of_failures(state: SyncState) -> None:
    run(state, raising(Temporary("No answer.")))
    assert (state.failures, state.last_error) == (1, "No answer.")
    SyncState.unscoped.filter(pk=state.pk).update(next_attempt_at=timezone.now())

    run(state, raising(runs.OutOfTime()))

    assert (state.failures, state.last_error, state.is_dirty, state.held_by) == (0, "", True, None)
    assert state.queued_at is not None


def test_temporary_errors_back_off_are_given_up_and_tried_again_at_the_poll(state: SyncState) -> None:
    error = Temporary("Google has trouble of its own (HTTP 503).")
    moment, waits = timezone.now(), []
    for number in range(1, clock.MAX_ATTEMPTS):
        with time_machine.travel(moment, tick=False):
            failed = run(state, raising(error))
            assert (failed.outcome, failed.error, state.failures) == ("failed", str(error), number)
            assert state.next_attempt_at is not None
            waits.append((state.next_attempt_at - moment).total_seconds())
            runs.sync(state.pk, raising(AssertionError("its back-off is not over")))
        moment = state.next_attempt_at
    assert waits == sorted(waits)
    assert 4 <= waits[0] <= 6
    assert max(waits) <= 62

    with time_machine.travel(moment, tick=False):
        run(state, raising(error))
        assert (state.gave_up_mark, state.next_attempt_at, state.failures) == (state.dirty_mark, None, 0)
        assert (state.integration.sync_status, state.integration.reason) == ("error", str(error))
        assert sync_states.queue_due() == 0
    assert state.next_poll_at is not None
    with time_machine.travel(state.next_poll_at + timedelta(minutes=3), tick=False):
        assert sync_states.queue_due() == 1
        runs.sync(state.pk, nothing)
        state.refresh_from_db()
        state.integration.refresh_from_db()
        assert (state.last_error, state.is_dirty) == ("", False)
        assert (state.integration.sync_status, state.integration.reason) == ("active", "")


def test_a_provider_that_asks_for_patience_gets_it(state: SyncState) -> None:
    run(state, raising(RateLimited("Google asked us to slow down.", retry_after=900)))

    assert state.next_attempt_at is not None
    assert state.next_attempt_at - timezone.now() > timedelta(minutes=14)
    assert state.integration.sync_status == "active"


@pytest.mark.parametrize(
    ("error", "words", "status"),
    [
        (Permanent("Google refuses access to this calendar."), "Google refuses access to this calendar.", "error"),
        (MissingScope("Calendar access was not granted."), "Calendar access was not granted.", "error"),
        (
            BadConfig("The API is not switched on."),
            "The API is not switched on. The operator of this installation must act.",
            "error",
        ),
        (ResourceGone("The calendar no longer exists."), "The calendar no longer exists.", "error"),
    ],
)
def test_what_another_try_would_not_change_is_said_at_once(
    state: SyncState, error: IntegrationError, words: str, status: str
) -> None:
    failed = run(state, raising(error))

    assert (failed.outcome, failed.error, state.last_error) == ("failed", words, words)
    assert state.gave_up_mark == state.dirty_mark
    assert (state.integration.sync_status, state.integration.reason) == (status, words)
    assert state.is_gone == isinstance(error, ResourceGone)
    assert state.is_chosen != state.is_gone


def test_a_bug_is_called_one_and_tried_again(state: SyncState) -> None:
    run(state, raising(ZeroDivisionError("secret details")))

    assert state.last_error.startswith("A fault of our own (ZeroDivisionError)")
    assert "secret" not in state.last_error
    assert state.next_attempt_at is not None


def test_a_dead_grant_holds_the_work_until_the_user_reconnects(state: SyncState) -> None:
    def dies(held: runs.Held) -> None:
        Integration.unscoped.update(sync_status="stale", reason="It was withdrawn.")
        raise NeedsReconnect("It was withdrawn.")

    run(state, dies)
    assert (state.is_dirty, state.failures, state.last_error, state.held_by) == (True, 0, "", None)
    assert state.integration.sync_status == "stale"
    assert sync_states.queue_due() == 0
    runs.sync(state.pk, raising(AssertionError("its grant is dead")))

    Integration.unscoped.update(sync_status="active", reason="")
    SyncState.unscoped.update(queued_at=None)
    assert sync_states.queue_due() == 1
    runs.sync(state.pk, nothing)
    state.refresh_from_db()
    assert not state.is_dirty


def test_a_refused_token_is_refreshed_once(state: SyncState) -> None:
    tokens: list[str] = []

    def refuses_once(held: runs.Held) -> None:
        tokens.append(held.access.token)
        if len(tokens) == 1:
            raise TokenRefused("Google no longer accepts the access token.")

    assert run(state, refuses_once).outcome == "done"
    assert tokens == ["token", "new"]
    assert run(state, raising(TokenRefused("Again."))).outcome == "failed"


def test_an_expired_cursor_is_a_full_round_once(state: SyncState) -> None:
    SyncState.unscoped.update(cursor="old", page_cursor="page", last_success_at=timezone.now())
    seen: list[str] = []

    def work(held: runs.Held) -> None:
        seen.append(held.state.cursor)
        if held.state.cursor:
            raise CursorExpired("Google no longer knows where we stopped reading.")

    done = run(state, work)

    assert seen == ["old", ""]
    assert (done.kind, done.why_full) == ("full", "Google no longer knows where we stopped reading.")
    assert run(state, raising(CursorExpired("Again."))).outcome == "failed"


def test_a_hold_is_void_after_its_time_and_the_killed_run_is_closed(state: SyncState) -> None:
    def killed(held: runs.Held) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        run(state, killed)
    runs.sync(state.pk, raising(AssertionError("it is still held")))
    with time_machine.travel(timezone.now() + runs.HOLD + timedelta(seconds=1), tick=True):
        SyncState.unscoped.update(queued_at=None)
        assert sync_states.queue_due() == 1
        runs.sync(state.pk, nothing)

    outcomes = list(SyncRun.unscoped.order_by("started_at").values_list("outcome", "error"))
    assert outcomes == [("interrupted", "Its worker stopped."), ("done", "")]


def test_a_sync_that_kills_its_worker_again_and_again_is_given_up(state: SyncState) -> None:
    def killed(held: runs.Held) -> None:
        raise SystemExit

    sync_states.poke([state.pk])
    moment = timezone.now()
    for _ in range(clock.MAX_ATTEMPTS):
        with time_machine.travel(moment, tick=True), pytest.raises(SystemExit):
            runs.sync(state.pk, killed)
        moment += timedelta(minutes=3)
    with time_machine.travel(moment, tick=True):
        runs.sync(state.pk, raising(AssertionError("it was given up")))

    state.refresh_from_db()
    assert state.gave_up_mark == state.dirty_mark
    assert state.last_error == "Reading it stopped its worker, or failed, 5 times in a row."


def test_one_of_two_calendars_in_trouble_is_said_and_the_other_does_not_hide_it(
    integration: Integration, state: SyncState
) -> None:
    other = SyncState.unscoped.create(
        company_id=integration.company_id,
        integration=integration,
        resource_type="calendar",
        external_id="team",
        is_chosen=True,
    )
    run(state, raising(Permanent("Google refuses access to this calendar.")))

    run(other)

    integration.refresh_from_db()
    assert (integration.sync_status, integration.reason) == ("error", "Google refuses access to this calendar.")
    run(state)
    integration.refresh_from_db()
    assert (integration.sync_status, integration.reason) == ("active", "")


def test_a_poll_that_finds_what_no_push_announced_counts_it(state: SyncState) -> None:
    def finds(held: runs.Held) -> None:
        held.unannounced = 2

    run(state)
    SyncState.unscoped.update(next_poll_at=timezone.now())
    runs.sync(state.pk, finds)
    state.refresh_from_db()
    assert state.missed_pushes == 1

    sync_states.poke([state.pk])
    state.refresh_from_db()
    assert (state.missed_pushes, state.last_push_at is not None) == (0, True)


def test_what_a_person_asks_for_ends_a_back_off(state: SyncState) -> None:
    run(state, raising(Temporary("Trouble.", retry_after=3600)))
    OrmQ.objects.all().delete()

    sync_states.poke([state.pk], trigger=SyncRun.Trigger.MANUAL)

    assert OrmQ.objects.count() == 1
    runs.sync(state.pk, nothing)
    state.refresh_from_db()
    assert not state.is_dirty


@pytest.mark.parametrize("status", ["paused", "stale", "revoked"])
def test_nothing_runs_for_a_grant_that_does_not_work(integration: Integration, state: SyncState, status: str) -> None:
    sync_states.poke([state.pk])
    Integration.unscoped.update(sync_status=status)

    runs.sync(state.pk, raising(AssertionError("it may not run")))

    integration.refresh_from_db()
    assert integration.sync_status == status


def test_a_calendar_nobody_chose_is_not_read(state: SyncState) -> None:
    SyncState.unscoped.update(is_chosen=False)
    sync_states.poke([state.pk])

    runs.sync(state.pk, raising(AssertionError("it was not chosen")))

    assert OrmQ.objects.count() == 0


def test_a_calendar_dropped_while_it_is_read_leaves_nobody_reading(state: SyncState) -> None:
    def work(held: runs.Held) -> None:
        SyncState.unscoped.filter(pk=state.pk).update(is_chosen=False)
        runs.store_page(held, "cursor", "", {}, {})

    done = run(state, work)

    assert (done.outcome, state.held_by) == ("interrupted", None)
    assert state.integration.sync_status == "active"


def test_a_calendar_that_never_comes_to_rest_gives_its_worker_back(state: SyncState) -> None:
    rounds = []
    with time_machine.travel(timezone.now(), tick=False) as clock_hand:

        def work(held: runs.Held) -> None:
            rounds.append(held.run.pk)
            assert len(rounds) < 20, "it would go on until the queue ends it as hanging"
            sync_states.poke([state.pk])
            clock_hand.shift(timedelta(seconds=20))

        sync_states.poke([state.pk])
        OrmQ.objects.all().delete()
        runs.sync(state.pk, work)

        assert 2 <= len(rounds) <= 5
        assert OrmQ.objects.count() == 1
