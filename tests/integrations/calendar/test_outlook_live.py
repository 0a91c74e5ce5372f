"""Outlook's own ways, against the pretend Microsoft: what is asked, what ends a round, what a page costs."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import resources
from integrations.calendar import outlook
from integrations.calendar import sync as calendar_sync
from integrations.calendar.outlook import rounds, turns
from integrations.models import Integration, SyncState
from relationships.models import User
from tests.integrations.calendar.agendas import OutlookAgenda, begins, later, many, met, titles
from tests.integrations.calendar.scene import ALICE, LP, RunJobs, at, last_run, live, meetings_of, sync
from tests.integrations.calendar.test_queries import MOST_PER_PAGE
from tests.integrations.conftest import state_of
from tests.pretend_microsoft import Microsoft

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]


@pytest.fixture
def agenda(microsoft: Microsoft) -> OutlookAgenda:
    return OutlookAgenda(microsoft)


def counted(microsoft: Microsoft) -> dict[str, int]:
    counts: dict[str, int] = microsoft.get("requests")["counts"]
    return {name: number for name, number in counts.items() if name.startswith("graph.")}


def test_a_series_costs_one_request_however_many_instances_it_has(agenda: OutlookAgenda, alice: User) -> None:
    agenda.put(ALICE, *many(3), *[met(f"daily{number}", number, every=1, count=30) for number in range(25)])

    state = state_of(agenda.link(alice))

    assert len(live(state)) == 3 + 25 * 30
    found = counted(agenda.microsoft)
    assert found["graph.events.instances"] == 25
    # Twenty in a batch, and no batch for two pages.
    assert (found["graph.calendarView.delta"], found["graph.batch"]) == (2, 2)
    assert "graph.events.get" not in found
    (use,) = [one for one in agenda.microsoft.get("microsoft/throttle")["uses"] if one["account"] == ALICE]
    assert (use["most_in_flight"], use["refused"]) == (1, 0)


def test_a_series_that_has_to_wait_keeps_the_others_and_is_read_alone(
    agenda: OutlookAgenda, alice: User, run_jobs: RunJobs
) -> None:
    agenda.put(ALICE, met("one", 1), met("daily", 2, every=1, count=3), met("weekly", 2, every=7, count=2))
    agenda.microsoft.fault("graph.events.instances", "rate_limit_429", retry_after="20")
    state = state_of(agenda.link(alice))
    assert last_run(state).outcome == "failed"
    assert "slow down" in last_run(state).error
    assert "one" in titles(state)
    assert len(titles(state)) == 2
    state.refresh_from_db()
    assert state.next_attempt_at is not None
    assert state.next_attempt_at >= timezone.now() + timedelta(seconds=18)

    later(run_jobs, seconds=100)
    assert titles(state) == {"one", "daily", "weekly"}
    assert (last_run(state).outcome, counted(agenda.microsoft)["graph.events.instances"]) == ("done", 3)


def test_a_mailbox_that_is_busy_for_a_second_costs_nothing_but_that(
    agenda: OutlookAgenda, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(turns, "sleep", slept.append)
    agenda.put(ALICE, met("one", 1), met("daily", 2, every=1, count=3), met("weekly", 2, every=7, count=2))
    agenda.microsoft.fault("graph.events.instances", "rate_limit_429", retry_after="1")
    state = state_of(agenda.link(alice))
    assert (last_run(state).outcome, len(live(state)), slept) == ("done", 6, [1.0])


def test_hundreds_of_series_are_read_in_turns_and_nothing_is_lost_or_left(
    agenda: OutlookAgenda, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_BATCHES", 1)
    agenda.put(ALICE, *[met(f"series{number}", number % 40, every=1, count=2) for number in range(45)], *many(3))
    state = state_of(agenda.link(alice))
    assert (last_run(state).outcome, len(live(state)), last_run(state).pages) == ("done", 93, 3)

    for number in range(45):
        agenda.cancel(ALICE, f"series{number}")
    agenda.put(ALICE, met("new", 3))
    run = sync(state, run_jobs)
    assert (run.kind, run.outcome, len(titles(state))) == ("changes", "done", 4)


@pytest.mark.parametrize("kind", ["error_503", "error_500"])
def test_an_instance_that_fails_for_a_moment_costs_nothing(agenda: OutlookAgenda, alice: User, kind: str) -> None:
    agenda.put(ALICE, met("one", 1), met("daily", 2, every=1, count=3), met("weekly", 2, every=7, count=3))
    agenda.microsoft.fault("graph.events.instances", kind)
    state = state_of(agenda.link(alice))
    assert (last_run(state).outcome, len(live(state))) == ("done", 7)


@pytest.mark.parametrize(
    "code", ["SyncStateNotFound", "syncStateNotFound", "resyncRequired", "fullSyncRequired", "InvalidDeltaToken"]
)
def test_every_way_to_forget_a_link_is_a_full_round(
    agenda: OutlookAgenda, alice: User, run_jobs: RunJobs, code: str
) -> None:
    agenda.put(ALICE, *many(2))
    state = state_of(agenda.link(alice))
    agenda.cancel(ALICE, "event0")
    agenda.microsoft.post("microsoft/cursors/expire", account=ALICE, code=code)

    run = sync(state, run_jobs)

    assert (run.kind, run.outcome, run.deleted) == ("full", "done", 1)
    assert titles(state) == {"event1"}


@pytest.mark.parametrize("size", [2, 500])
def test_pages_without_end_become_another_round(
    agenda: OutlookAgenda, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(outlook, "PAGE_SIZE", size)
    agenda.put(ALICE, *many(5))
    agenda.odd(ALICE, "endless", monkeypatch)

    state = state_of(agenda.link(alice))

    run = last_run(state)
    assert (run.outcome, run.error, run.why_full) == ("done", "", rounds.ENDLESS)
    assert run.pages < 12
    assert titles(state) == {f"event{number}" for number in range(5)}
    assert sync(state, run_jobs).kind == "changes"


def test_a_window_that_moved_on_is_asked_for_anew(agenda: OutlookAgenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("endless", 1, every=7))
    state = state_of(agenda.link(alice))
    kinds = []
    for days in (1, 13, 16, 17):
        with time_machine.travel(timezone.now() + timedelta(days=days), tick=True):
            Integration.unscoped.update(expires_at=timezone.now())
            run = sync(state, run_jobs)
            kinds.append((run.kind, run.why_full, run.outcome))
            ahead = [start for start in begins(state) if start > timezone.now()]
            assert max(ahead) > timezone.now() + timedelta(days=52)
    assert kinds == [
        ("changes", "", "done"),
        ("changes", "", "done"),
        ("full", rounds.MOVED_ON, "done"),
        ("changes", "", "done"),
    ]


def test_what_the_organizer_cancelled_is_no_meeting_though_it_stays(
    agenda: OutlookAgenda, alice: User, run_jobs: RunJobs
) -> None:
    agenda.put(ALICE, met("call", 1, organizer=LP), met("weekly", 2, every=7, count=2, organizer=LP))
    state = state_of(agenda.link(alice))
    assert len(begins(state)) == 3

    for title in ("call", "weekly"):
        which = {"account": ALICE, "id": agenda.ids[ALICE, title], "silent": True}
        agenda.microsoft.post("microsoft/events/change", changes={"isCancelled": True}, **which)
    sync(state, run_jobs)

    assert (begins(state), live(state)) == ([], set())


def test_a_series_that_leaves_the_window_takes_its_instances_along(
    agenda: OutlookAgenda, alice: User, run_jobs: RunJobs
) -> None:
    agenda.put(ALICE, met("daily", 1, every=1, count=3), met("stays", 1))
    state = state_of(agenda.link(alice))

    agenda.put(ALICE, met("daily", 200, every=1, count=3))
    sync(state, run_jobs)

    assert titles(state) == {"stays"}


def test_one_instance_that_goes_is_a_small_change(
    agenda: OutlookAgenda, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    agenda.put(ALICE, met("daily", 1, every=1), *many(5))
    state = state_of(agenda.link(alice))
    before = counted(agenda.microsoft)
    agenda.cancel_instance(ALICE, "daily", at(4))

    with CaptureQueriesContext(connection) as seen:
        run = sync(state, run_jobs)

    assert (run.found, last_run(state).outcome) == (74, "done")
    assert at(4) not in {row.occurred_at for row in meetings_of(state).values() if row.title == "daily"}
    after = counted(agenda.microsoft)
    assert {name: after[name] - before.get(name, 0) for name in ("graph.calendarView.delta", "graph.batch")} == {
        "graph.calendarView.delta": 1,
        "graph.batch": 1,
    }
    assert len(seen) < 80


@pytest.mark.parametrize("size", [10, 300])
def test_a_first_page_with_series_costs_as_many_statements_as_any(
    agenda: OutlookAgenda, alice: User, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    statements: list[list[str]] = []
    original = calendar_sync._store

    def store(*args: object) -> None:
        with CaptureQueriesContext(connection) as captured:
            original(*args)  # type: ignore[arg-type]
        kept = [query["sql"] for query in captured if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
        statements.append(kept)

    monkeypatch.setattr(calendar_sync, "_store", store)
    agenda.put(ALICE, *[met(f"event{number}", number % 50) for number in range(size)])
    agenda.put(ALICE, *[met(f"series{number}", number % 50, every=1, count=3) for number in range(size // 10)])
    agenda.link(alice)

    (page,) = statements
    # And the round's list.
    assert len(page) <= MOST_PER_PAGE["first"] + 1, page


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_list_that_is_refused_neither_invents_a_calendar_nor_loses_one(
    agenda: OutlookAgenda, alice: User, is_linked: bool
) -> None:
    """Nothing but the list could say which calendar is the main one."""
    if is_linked:
        agenda.link(alice)
    before = set(SyncState.unscoped.values_list("external_id", "is_chosen", "is_gone"))
    agenda.microsoft.fault("graph.calendars.list", "forbidden_403", times=None)

    if is_linked:
        resources.refresh(Integration.unscoped.get())
    else:
        agenda.link(alice)

    assert set(SyncState.unscoped.values_list("external_id", "is_chosen", "is_gone")) == before
    integration = Integration.unscoped.get()
    assert (integration.sync_status, integration.reason[:57]) == (
        "error",
        "Your calendars could not be listed: Microsoft refuses acc",
    )


def test_changes_are_announced_of_all_calendars_at_once(agenda: OutlookAgenda, alice: User) -> None:
    team = agenda.add_calendar(ALICE, "Team")
    integration = agenda.link(alice)
    assert SyncState.unscoped.filter(integration=integration, external_id=team).exists()
    assert counted(agenda.microsoft)["graph.subscriptions.create"] == 1
