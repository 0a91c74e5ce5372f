"""What every calendar adapter promises when something is odd or goes wrong: the same cases for each provider."""

import pytest
from django.utils import timezone

from integrations.models import Integration, SetAside, SyncState
from relationships.models import Note, Touchpoint, User
from tests.integrations.calendar.agendas import Agenda, begins, later, many, met, titles
from tests.integrations.calendar.scene import ALICE, RunJobs, at, events_of, last_run, meetings_of, sync
from tests.integrations.conftest import state_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]


def test_a_forgotten_cursor_is_a_full_round_that_finds_deletions_and_keeps_notes(
    agenda: Agenda, alice: User, run_jobs: RunJobs
) -> None:
    agenda.put(ALICE, *many(5), met("daily", 1, every=1, count=4))
    state = state_of(agenda.link(alice))
    touchpoint = meetings_of(state)["event2"]
    Note.unscoped.create(company_id=alice.company_id, touchpoint=touchpoint, author=alice, text="Wants the deck")
    agenda.cancel(ALICE, "event2", "event4")
    agenda.cancel_instance(ALICE, "daily", at(3))
    agenda.put(ALICE, met("event1", 8))
    agenda.forget(ALICE)

    run = sync(state, run_jobs)

    assert (run.kind, run.outcome) == ("full", "done")
    assert "no longer knows where we stopped" in run.why_full
    assert titles(state) == {"event0", "event1", "event3", "daily"}
    assert len(begins(state)) == 6
    assert meetings_of(state)["event1"].occurred_at == at(8)
    kept = Touchpoint.unscoped.get(pk=touchpoint.pk)
    assert kept.cancelled_at is not None
    assert Note.unscoped.get(touchpoint=kept).text == "Wants the deck"
    again = sync(state, run_jobs)
    assert (again.kind, again.found) == ("changes", 0)


@pytest.mark.parametrize("cursor", ["nonsense", "{}", '{"link": "https://evil.example/x"}', "[1]"])
def test_a_cursor_in_no_known_form_is_a_full_round(agenda: Agenda, alice: User, run_jobs: RunJobs, cursor: str) -> None:
    agenda.put(ALICE, met("one", 1))
    state = state_of(agenda.link(alice))
    SyncState.unscoped.filter(pk=state.pk).update(cursor=cursor)

    run = sync(state, run_jobs)

    assert (run.kind, run.outcome, run.deleted) == ("full", "done", 0)
    assert run.why_full
    assert titles(state) == {"one"}


def test_an_unreadable_event_is_set_aside_and_later_read(
    agenda: Agenda, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    agenda.put(ALICE, met("good", 1), met("odd", 2))
    with monkeypatch.context() as patch:
        agenda.spoil("odd", patch)
        state = state_of(agenda.link(alice))
        assert SetAside.unscoped.get(state=state).reason
        assert (last_run(state).outcome, last_run(state).set_aside) == ("done", 1)
        assert titles(state) == {"good"}

    agenda.put(ALICE, met("odd", 3))
    sync(state, run_jobs)

    assert titles(state) == {"good", "odd"}
    assert not SetAside.unscoped.exists()


@pytest.mark.parametrize("title", ["odd", "daily"])
def test_what_became_unreadable_is_not_taken_for_deleted(
    agenda: Agenda, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    agenda.put(ALICE, met("odd", 1), met("daily", 2, every=1, count=3))
    state = state_of(agenda.link(alice))
    agenda.put(ALICE, met("odd", 1, place="Here"), met("daily", 2, every=1, count=3, place="Here"))

    with monkeypatch.context() as patch:
        agenda.spoil(title, patch)
        assert sync(state, run_jobs).set_aside == (1 if title == "odd" else 3)
        assert titles(state) == {"odd", "daily"}
        agenda.forget(ALICE)
        assert sync(state, run_jobs).kind == "full"
    assert titles(state) == set(meetings_of(state)) == {"odd", "daily"}
    assert len(begins(state)) == 4


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("kind", ["empty_first", "repeat"])
@pytest.mark.parametrize("is_first", [True, False], ids=["first sync", "delta"])
def test_an_empty_page_and_items_said_twice_change_nothing(
    agenda: Agenda, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch, kind: str, is_first: bool
) -> None:
    plans = [*many(5), met("daily", 1, every=1, count=4), met("last", 6)]
    if not is_first:
        agenda.put(ALICE, met("before", 7))
        agenda.link(alice)
    agenda.put(ALICE, *plans)
    agenda.odd(ALICE, kind, monkeypatch)
    state = state_of(agenda.link(alice) if is_first else Integration.unscoped.get())
    if not is_first:
        sync(state, run_jobs)

    assert (last_run(state).outcome, last_run(state).error) == ("done", "")
    assert set(meetings_of(state)) == {plan.title for plan in plans} | (set() if is_first else {"before"})
    assert len(begins(state)) == 10 + (not is_first)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    "kind", ["half_page", "malformed_json", "html_200", "error_500", "error_503", "rate_limit_429"]
)
@pytest.mark.parametrize("is_first", [True, False], ids=["first sync", "delta"])
def test_a_fault_in_the_middle_keeps_what_is_stored_and_goes_on_from_there(
    agenda: Agenda, alice: User, run_jobs: RunJobs, kind: str, is_first: bool
) -> None:
    if is_first:
        agenda.put(ALICE, *many(9))
        agenda.fault(kind, after=2)
        state = state_of(agenda.link(alice))
    else:
        state = state_of(agenda.link(alice))
        agenda.put(ALICE, *many(9))
        agenda.fault(kind, after=2)
        sync(state, run_jobs)

    state.refresh_from_db()
    run = last_run(state)
    assert (run.outcome, run.pages) == ("failed", 2)
    assert len(events_of(state)) == 4
    assert state.page_cursor
    assert run.error == state.last_error != ""

    agenda.calm()
    asked = agenda.asked()
    later(run_jobs, seconds=100)

    state.refresh_from_db()
    assert last_run(state).outcome == "done"
    assert titles(state) == set(meetings_of(state)) == {f"event{number}" for number in range(9)}
    # It goes on with the third of five pages, and ends with what changed since the first one.
    assert agenda.asked() - asked == 4
    assert (state.page_cursor, state.failures, state.last_error) == ("", 0, "")


@pytest.mark.usefixtures("small_pages")
def test_what_happened_while_a_round_was_interrupted_is_found(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, *many(6))
    agenda.fault("error_500", after=2)
    state = state_of(agenda.link(alice))
    agenda.cancel(ALICE, "event0", "event5")
    agenda.put(ALICE, met("event1", 20), met("late", 21))

    later(run_jobs, seconds=100)

    assert titles(state) == {"event1", "event2", "event3", "event4", "late"}
    assert meetings_of(state)["event1"].occurred_at == at(20)


def test_an_unchanged_full_round_writes_nothing(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, *many(4), met("daily", 1, every=1, count=4))
    state = state_of(agenda.link(alice))
    before = {name: (row.pk, row.updated_at) for name, row in events_of(state).items()}
    agenda.forget(ALICE)

    run = sync(state, run_jobs)

    assert (run.kind, run.changed, run.deleted, run.found) == ("full", 0, 0, 8)
    assert {name: (row.pk, row.updated_at) for name, row in events_of(state).items()} == before


def test_a_revoked_grant_stops_it_and_reconnecting_goes_on(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("before", 1))
    integration = agenda.link(alice)
    state = state_of(integration)
    agenda.revoke(ALICE)
    Integration.unscoped.filter(pk=integration.pk).update(expires_at=timezone.now())
    agenda.put(ALICE, met("since", 2))

    sync(state, run_jobs)

    integration.refresh_from_db()
    assert (integration.sync_status, integration.reason != "") == ("stale", True)
    assert list(meetings_of(state)) == ["before"]
    agenda.link(alice)
    assert sorted(meetings_of(state)) == ["before", "since"]


def test_a_token_that_ran_out_is_refreshed_in_the_middle(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    state = state_of(agenda.link(alice))
    agenda.put(ALICE, met("one", 1))
    agenda.expire_access()

    run = sync(state, run_jobs)

    assert (run.outcome, run.error) == ("done", "")
    assert titles(state) == {"one"}
