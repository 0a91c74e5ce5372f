"""What changed since the last sync: new, changed, moved, cancelled and restored events, on one page or many."""

import pytest

from integrations.calendar import google as adapter
from integrations.calendar.models import CalendarEvent, EventGuest
from integrations.models import SyncRun
from relationships.models import User
from tests.integrations.calendar.scene import (
    ALICE,
    LP,
    RunJobs,
    at,
    events_of,
    listed,
    live,
    meeting,
    meetings_of,
    sync,
)
from tests.integrations.conftest import Google, Link, state_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]


def test_a_delta_brings_what_is_new_changed_moved_and_gone(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(
        ALICE,
        meeting("stays", at(1), ALICE, LP),
        meeting("renamed", at(2), ALICE, LP),
        meeting("moves", at(3), ALICE, LP),
        meeting("ends", at(4), ALICE, LP),
    )
    state = state_of(link(alice))

    google.put(
        ALICE,
        meeting("new", at(5), ALICE, LP),
        meeting("renamed", at(2), ALICE, LP, summary="Another title"),
        meeting("moves", at(9), ALICE, LP),
    )
    google.cancel(ALICE, "ends")
    run = sync(state, run_jobs)

    assert (run.kind, run.outcome, run.found, run.changed) == ("changes", "done", 4, 4)
    found = meetings_of(state)
    assert sorted(found) == ["Another title", "Meeting moves", "Meeting new", "Meeting stays"]
    assert found["Meeting moves"].occurred_at == at(9)
    assert events_of(state)["ends"].verdict == CalendarEvent.Verdict.CANCELLED


def test_a_restored_event_is_a_meeting_again(google: Google, link: Link, alice: User, run_jobs: RunJobs) -> None:
    google.put(ALICE, meeting("back", at(1), ALICE, LP))
    state = state_of(link(alice))
    touchpoint = meetings_of(state)["Meeting back"].pk

    google.cancel(ALICE, "back")
    sync(state, run_jobs)
    assert meetings_of(state) == {}
    google.put(ALICE, {"id": "back", "status": "confirmed"})
    sync(state, run_jobs)

    assert meetings_of(state)["Meeting back"].pk == touchpoint
    assert live(state) == {"back"}


def test_an_event_that_loses_its_outsider_is_no_meeting_any_more(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, meeting("call", at(1), ALICE, LP, "bob@acme.example"))
    state = state_of(link(alice))

    google.put(ALICE, meeting("call", at(1), ALICE, "bob@acme.example"))
    sync(state, run_jobs)

    assert meetings_of(state) == {}
    event = events_of(state)["call"]
    assert event.verdict == CalendarEvent.Verdict.INTERNAL
    guests = EventGuest.unscoped.filter(event=event)
    assert list(guests.values_list("email", flat=True)) == ["bob@acme.example"]


@pytest.mark.parametrize("size", [1, 2, 3, 250])
def test_many_pages_are_one_round_whatever_their_size(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(adapter, "PAGE_SIZE", size)
    google.put(ALICE, *[meeting(f"event{number}", at(number), ALICE, LP) for number in range(7)])

    state = state_of(link(alice))
    assert {name: row.etag for name, row in events_of(state).items()} == listed(google, ALICE)
    google.put(ALICE, *[meeting(f"event{number}", at(number + 1), ALICE, LP) for number in range(2, 10)])
    google.cancel(ALICE, "event0", "event3")
    run = sync(state, run_jobs)

    assert (run.kind, run.outcome) == ("changes", "done")
    assert live(state) == listed(google, ALICE).keys()
    assert {title.removeprefix("Meeting ") for title in meetings_of(state)} == live(state)


def test_a_delta_without_changes_writes_nothing(google: Google, link: Link, alice: User, run_jobs: RunJobs) -> None:
    google.put(ALICE, meeting("same", at(1), ALICE, LP))
    state = state_of(link(alice))
    before = events_of(state)["same"].updated_at

    run = sync(state, run_jobs)

    assert (run.found, run.changed, run.kind) == (0, 0, SyncRun.Kind.CHANGES)
    assert events_of(state)["same"].updated_at == before
