"""A round that breaks anywhere keeps what it stored and goes on from there; it ends where the provider stands."""

import uuid
from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import linking, outbound, runs, sync_states
from integrations.calendar import google as adapter
from integrations.calendar import sync as calendar_sync
from integrations.models import RoundPage, SyncRun, SyncState
from relationships import tenancy
from relationships.models import Note, Touchpoint, User
from tests.integrations.calendar.scene import (
    ALICE,
    LP,
    RunJobs,
    at,
    events_of,
    last_run,
    listed,
    live,
    meeting,
    meetings_of,
    sync,
)
from tests.integrations.conftest import Google, Link, state_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]

LIST = "calendar.events.list"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "PAGE_SIZE", 2)


def later(run_jobs: RunJobs, **delta: float) -> None:
    """Let time go by and do what is due then, as the sweep does."""
    with time_machine.travel(timezone.now() + timedelta(**delta), tick=True):
        sync_states.queue_due()
        run_jobs()


@pytest.mark.parametrize(
    "kind", ["half_page", "malformed_json", "html_200", "error_500", "error_503", "timeout", "rate_limit_429"]
)
@pytest.mark.parametrize("is_first", [True, False], ids=["first sync", "delta"])
def test_a_fault_in_the_middle_keeps_what_is_stored_and_goes_on_from_there(
    google: Google,
    link: Link,
    alice: User,
    run_jobs: RunJobs,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    is_first: bool,
) -> None:
    if kind == "timeout":
        monkeypatch.setattr(outbound, "READ_SECONDS", 2.0)
    events = [meeting(f"event{number}", at(number), ALICE, LP) for number in range(9)]
    if is_first:
        google.put(ALICE, *events)
        google.fault(LIST, kind, after=2, seconds=6)
        state = state_of(link(alice))
    else:
        state = state_of(link(alice))
        google.put(ALICE, *events)
        google.fault(LIST, kind, after=2, seconds=6)
        sync(state, run_jobs)

    state.refresh_from_db()
    run = last_run(state)
    assert (run.outcome, run.pages) == ("failed", 2)
    assert len(events_of(state)) == 4
    assert state.page_cursor
    assert state.next_attempt_at is not None
    assert run.error == state.last_error != ""

    google.http.delete(f"{google.url}/control/faults", timeout=5)
    google.fault("push", "lost", times=None)
    asked = google.requests_of(LIST)
    later(run_jobs, seconds=100)

    state.refresh_from_db()
    assert last_run(state).outcome == "done"
    again = [request["query"] for request in google.get("requests")["last"] if request["operation"] == LIST][asked:]
    # It goes on with the page that was missing, and ends with what changed since the first one.
    assert "pageToken" in again[0]
    assert "syncToken" in again[-1]
    assert live(state) == listed(google, ALICE).keys()
    assert len(meetings_of(state)) == 9
    assert (state.page_cursor, state.failures, state.last_error) == ("", 0, "")


def test_a_crash_while_a_page_is_stored_leaves_no_part_of_it(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(5)])
    original, calls = runs.store_page, iter(range(100))

    def breaks_once(*args: object) -> None:
        if next(calls) == 1:
            raise RuntimeError("the power went off")
        original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "store_page", breaks_once)
    state = state_of(link(alice))

    assert len(events_of(state)) == len(meetings_of(state)) == 2
    assert "A fault of our own (RuntimeError)" in last_run(state).error
    later(run_jobs, seconds=100)
    assert live(state) == listed(google, ALICE).keys()
    assert len(meetings_of(state)) == 5


def test_a_slice_that_runs_out_goes_on_in_another_job(
    google: Google, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(7)])
    monkeypatch.setattr(runs, "SLICE", timedelta(seconds=-1))

    state = state_of(link(alice))

    outcomes = list(SyncRun.unscoped.filter(state=state).order_by("started_at").values_list("outcome", "trigger"))
    assert outcomes == [("interrupted", "link")] * 3 + [("done", "link")]
    assert live(state) == listed(google, ALICE).keys()
    assert state.done_mark == state.dirty_mark
    assert not RoundPage.unscoped.exists()


def test_events_deleted_while_a_round_was_interrupted_are_found(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(6)])
    google.fault(LIST, "error_500", after=2)
    state = state_of(link(alice))
    google.cancel(ALICE, "event0", "event5")

    later(run_jobs, seconds=100)
    sync(state, run_jobs)

    assert live(state) == listed(google, ALICE).keys() == {f"event{number}" for number in (1, 2, 3, 4)}


def test_a_change_made_while_a_round_was_interrupted_is_found_by_the_run_that_ends_it(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    state = state_of(link(alice))
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(6)])
    google.fault(LIST, "error_500", after=1)
    sync(state, run_jobs)
    google.put(ALICE, meeting("event1", at(20), ALICE, LP), meeting("late", at(21), ALICE, LP))

    sync(state, run_jobs)

    assert live(state) == listed(google, ALICE).keys()
    assert meetings_of(state)["Meeting event1"].occurred_at == at(20)


def test_a_worker_killed_between_the_last_page_and_the_end_of_the_round(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(5)])
    state = state_of(link(alice))
    google.cancel(ALICE, "event1")
    google.post("google/expire_sync_tokens")
    with monkeypatch.context() as patch:
        patch.setattr(calendar_sync, "_end_round", lambda held, rules: _killed(held))
        with pytest.raises(SystemExit):
            sync(state, run_jobs)
    assert SyncState.unscoped.get(pk=state.pk).round_id
    assert "event1" in live(state)

    later(run_jobs, minutes=5)

    assert live(state) == listed(google, ALICE).keys()
    killed, after = SyncRun.unscoped.filter(state=state).order_by("-started_at")[1], last_run(state)
    assert (killed.outcome, killed.error) == ("interrupted", "Its worker stopped.")
    assert (after.outcome, after.deleted) == ("done", 1)


def _killed(held: runs.Held) -> None:
    if held.state.round_id:
        raise SystemExit


def test_whoever_lost_the_hold_after_the_last_page_takes_nothing_for_deleted(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(5)])
    state = state_of(link(alice))
    google.post("google/expire_sync_tokens")
    original = calendar_sync._end_round

    def overtaken(held: runs.Held, rules: object) -> None:
        if held.state.round_id:
            RoundPage.unscoped.filter(state=state).delete()
            SyncState.unscoped.filter(pk=state.pk).update(held_by=uuid.uuid4())
        original(held, rules)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(calendar_sync, "_end_round", overtaken)
        run = sync(state, run_jobs)

    assert (run.outcome, run.error) == ("interrupted", runs.STOPPED)
    assert len(live(state)) == len(meetings_of(state)) == 5


@pytest.mark.parametrize("how", ["expired", "gone_410"])
def test_a_lost_cursor_is_a_full_round_that_finds_deletions_and_keeps_notes(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, how: str
) -> None:
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(5)])
    state = state_of(link(alice))
    touchpoint = meetings_of(state)["Meeting event2"]
    Note.unscoped.create(company_id=alice.company_id, touchpoint=touchpoint, author=alice, text="Wants the deck")
    google.cancel(ALICE, "event2", "event4")
    google.put(ALICE, meeting("event1", at(8), ALICE, LP))
    if how == "expired":
        google.post("google/expire_sync_tokens")
    else:
        google.fault(LIST, "gone_410")

    run = sync(state, run_jobs)

    assert (run.kind, run.outcome, run.deleted) == ("full", "done", 2)
    assert run.why_full == "Google no longer knows where we stopped reading."
    assert live(state) == listed(google, ALICE).keys()
    assert meetings_of(state)["Meeting event1"].occurred_at == at(8)
    kept = Touchpoint.unscoped.get(pk=touchpoint.pk)
    assert kept.cancelled_at is not None
    assert Note.unscoped.get(touchpoint=kept).text == "Wants the deck"
    again = sync(state, run_jobs)
    assert (again.kind, again.found) == ("changes", 0)


def test_a_page_token_nobody_knows_any_more_does_not_hold_up_the_calendar(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(6)])
    google.fault(LIST, "error_500", after=1)
    state = state_of(link(alice))
    SyncState.unscoped.filter(pk=state.pk).update(page_cursor="made-up")

    later(run_jobs, seconds=100)

    assert last_run(state).outcome == "done"
    assert live(state) == listed(google, ALICE).keys()


def test_a_cursor_google_refuses_is_a_full_round(google: Google, link: Link, alice: User, run_jobs: RunJobs) -> None:
    google.put(ALICE, meeting("one", at(1), ALICE, LP))
    state = state_of(link(alice))
    SyncState.unscoped.filter(pk=state.pk).update(cursor="nonsense")

    run = sync(state, run_jobs)

    assert (run.kind, run.outcome) == ("full", "done")
    assert run.why_full
    assert live(state) == {"one"}


def test_an_event_at_the_first_days_edge_is_not_taken_for_deleted(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    """An all-day event of the first day ends earlier in Auckland than midnight UTC says."""
    google.post("google/accounts", email=ALICE, name="Alice Ash", timeZone="Pacific/Auckland")
    state = state_of(link(alice))
    start = SyncState.unscoped.get(pk=state.pk).window_start
    assert start is not None
    edge = start.date()
    day = {"start": {"date": str(edge)}, "end": {"date": str(edge + timedelta(days=1))}}
    google.put(ALICE, meeting("edge", at(1), ALICE, LP) | day)
    sync(state, run_jobs)
    was_stored = "edge" in live(state)
    google.post("google/expire_sync_tokens")

    run = sync(state, run_jobs)

    assert (run.kind, run.deleted) == ("full", 0)
    assert ("edge" in live(state)) == was_stored


def test_endless_pages_are_noticed(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(5)])
    state = state_of(link(alice))
    google.put(ALICE, *[meeting(f"event{number}", at(number + 1), ALICE, LP) for number in range(5)])
    original = adapter.GoogleCalendar.page
    first: list[str] = []

    def same_again(self: adapter.GoogleCalendar, http: object, wanted: object) -> object:
        page = original(self, http, wanted)  # type: ignore[arg-type]
        first.append(page.next_page)
        return page.__class__(page.events, page.unreadable, first[0])

    monkeypatch.setattr(adapter.GoogleCalendar, "page", same_again)
    run = sync(state, run_jobs)

    assert (run.outcome, run.error) == ("failed", "The provider sent the same page twice.")
    assert run.pages <= 3


def test_a_hold_lost_in_the_middle_rolls_the_page_back(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_of(link(alice))
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(6)])
    original, other = runs.store_page, uuid.uuid4()

    def overtaken(held: runs.Held, *args: object) -> None:
        if held.run.pages == 1:
            SyncState.unscoped.filter(pk=state.pk).update(held_by=other)
        original(held, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "store_page", overtaken)
    run = sync(state, run_jobs)

    assert (run.outcome, run.error) == ("interrupted", runs.STOPPED)
    assert len(events_of(state)) == 2
    assert SyncState.unscoped.get(pk=state.pk).done_mark < SyncState.unscoped.get(pk=state.pk).dirty_mark


def test_pausing_stops_a_sync_at_its_next_page_and_resuming_goes_on(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = link(alice)
    state = state_of(integration)
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(6)])
    with monkeypatch.context() as patch:
        patch.setattr(runs, "check_time", lambda held: linking.pause(integration))
        run = sync(state, run_jobs)
    assert run.outcome == "interrupted"
    assert len(events_of(state)) == 2
    assert SyncState.unscoped.get(pk=state.pk).held_by is None

    with tenancy.within(state.company_id), transaction.atomic():
        linking.resume(integration)
    run_jobs()

    assert live(state) == listed(google, ALICE).keys()


def test_all_deleted_events_are_locked_before_the_company_is(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at the contacts locks events, then the company: the other way round the two could wait for each other."""
    monkeypatch.setattr(calendar_sync, "CANCEL_BATCH", 1)
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(4)])
    state = state_of(link(alice))
    google.cancel(ALICE, "event1", "event2", "event3")
    SyncState.unscoped.filter(pk=state.pk).update(cursor="")

    with CaptureQueriesContext(connection) as queries:
        run = sync(state, run_jobs)

    assert run.deleted == 3
    order = []
    for query in queries:
        if query["sql"].startswith('UPDATE "calendar_calendarevent" SET "is_cancelled"'):
            order.append("event")
        elif query["sql"].startswith('SELECT "relationships_company"'):
            order.append("company")
    assert order == ["event"] * 3 + ["company"] * 3
    assert live(state) == {"event0"}
