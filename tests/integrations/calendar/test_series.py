"""Series come as instances: moved, cancelled, cut, deleted and endless ones; the window moves on with time."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from integrations import sync_states
from integrations.calendar import sync as calendar_sync
from integrations.calendar.models import CalendarEvent
from integrations.contract import EventCopy
from integrations.models import SyncState
from relationships import tenancy
from relationships.models import Touchpoint, User
from tests.integrations.calendar.scene import (
    ALICE,
    LP,
    RunJobs,
    at,
    events_of,
    last_run,
    live,
    meeting,
    meetings_of,
    series,
    slot,
    sync,
)
from tests.integrations.conftest import Google, Link, state_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]


def days_of(state: SyncState) -> list[datetime]:
    """When the company's visible meetings begin, in order."""
    return sorted(
        Touchpoint.unscoped.filter(company_id=state.company_id, cancelled_at=None).values_list("occurred_at", flat=True)
    )


def test_instances_are_meetings_of_their_own_and_may_move_or_be_cancelled(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    first = at(1)
    google.put(ALICE, series("weekly", first, "FREQ=WEEKLY;COUNT=4", ALICE, LP))
    state = state_of(link(alice))
    week = timedelta(weeks=1)
    assert days_of(state) == [first + number * week for number in range(4)]
    second = slot("weekly", first + week)
    key = events_of(state)[second].meeting_key

    google.put(ALICE, meeting(second, first + week + timedelta(hours=3), ALICE, LP))
    google.cancel(ALICE, slot("weekly", first + 2 * week))
    sync(state, run_jobs)

    assert days_of(state) == [first, first + week + timedelta(hours=3), first + 3 * week]
    # The slot it came from says which meeting it is, wherever it moved.
    assert events_of(state)[second].meeting_key == key


def test_a_deleted_series_ends_all_its_instances(google: Google, link: Link, alice: User, run_jobs: RunJobs) -> None:
    google.put(ALICE, series("weekly", at(-20), "FREQ=WEEKLY", ALICE, LP), meeting("other", at(1), ALICE, LP))
    state = state_of(link(alice))
    assert len(live(state)) > 10

    google.cancel(ALICE, "weekly")
    sync(state, run_jobs)

    assert live(state) == {"other"}
    assert list(meetings_of(state)) == ["Meeting other"]


def test_the_tombstone_of_a_series_alone_ends_instances_nobody_reported(
    google: Google, link: Link, alice: User
) -> None:
    google.put(ALICE, series("weekly", at(1), "FREQ=WEEKLY;COUNT=4", ALICE, LP))
    state = state_of(link(alice))

    with tenancy.within(state.company_id):
        ids = calendar_sync._taken_back(state, [EventCopy("weekly", is_cancelled=True)], {})
        assert set(CalendarEvent.objects.filter(pk__in=ids).values_list("external_id", flat=True)) == live(state)
        alive = EventCopy("weekly_later", series_id="weekly")
        assert not calendar_sync._taken_back(state, [EventCopy("weekly", is_cancelled=True), alive], {})


def test_an_event_that_becomes_a_series_and_one_again(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    start = at(2)
    google.put(ALICE, meeting("changes", start, ALICE, LP))
    state = state_of(link(alice))

    google.put(ALICE, series("changes", start, "FREQ=DAILY;COUNT=3", ALICE, LP))
    sync(state, run_jobs)
    assert live(state) == {slot("changes", start + timedelta(days=day)) for day in range(3)}
    assert len(days_of(state)) == 3

    google.put(ALICE, meeting("changes", start, ALICE, LP, recurrence=None))
    sync(state, run_jobs)
    assert live(state) == {"changes"}
    assert days_of(state) == [start]


def test_this_and_following_is_a_new_series_and_a_shorter_old_one(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    first = at(1)
    google.put(ALICE, series("old", first, "FREQ=WEEKLY;COUNT=6", ALICE, LP))
    state = state_of(link(alice))
    week = timedelta(weeks=1)
    cut = first + 3 * week

    until = f"{cut.astimezone(UTC) - timedelta(seconds=1):%Y%m%dT%H%M%SZ}"
    google.put(
        ALICE,
        series("old", first, f"FREQ=WEEKLY;UNTIL={until}", ALICE, LP),
        series(f"old_R{cut:%Y%m%dT%H%M%S}", cut + timedelta(hours=2), "FREQ=WEEKLY;COUNT=3", ALICE, LP),
    )
    sync(state, run_jobs)

    assert days_of(state) == [first + number * week + (number > 2) * timedelta(hours=2) for number in range(6)]


def test_an_endless_series_is_stored_no_further_than_the_window(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, series("endless", at(1), "FREQ=DAILY", ALICE, LP))
    state = state_of(link(alice))
    stored = len(live(state))
    assert stored == 60

    google.put(ALICE, {"id": "endless", "summary": "Touched"})
    run = sync(state, run_jobs)

    assert len(live(state)) == stored
    assert run.found > 300
    assert run.skipped["beyond_window"] == run.found - stored
    assert max(days_of(state)) < at(61)
    assert set(meetings_of(state)) == {"Touched"}


def test_an_event_that_moves_beyond_the_window_is_followed_and_a_new_one_there_is_not(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, meeting("moves", at(5), ALICE, LP))
    state = state_of(link(alice))

    google.put(ALICE, meeting("moves", at(200), ALICE, LP), meeting("far", at(200), ALICE, LP))
    sync(state, run_jobs)
    assert live(state) == {"moves"}
    assert days_of(state) == [at(200)]

    google.cancel(ALICE, "moves")
    sync(state, run_jobs)
    assert live(state) == set()


def test_far_events_come_into_the_window_by_themselves(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(
        ALICE,
        meeting("far", at(63), ALICE, LP, updated=at(-3).isoformat()),
        series("endless", at(1), "FREQ=WEEKLY", ALICE, LP),
    )
    state = state_of(link(alice))
    before = len(live(state))
    assert "far" not in live(state)

    with time_machine.travel(timezone.now() + timedelta(days=7), tick=True):
        google.post("google/expire_access_tokens")
        sync_states.queue_due()
        run_jobs()
        state.refresh_from_db()
        run = last_run(state)
        assert (run.kind, run.outcome) == ("changes", "done")
        assert "far" in live(state)
        assert len(live(state)) == before + 2
        # Time announced them, so no push was missed.
        assert state.missed_pushes == 0
        assert state.window_end is not None
        assert state.window_end > at(59)


def test_an_extension_that_breaks_is_done_again(google: Google, link: Link, alice: User, run_jobs: RunJobs) -> None:
    google.put(ALICE, meeting("far", at(63), ALICE, LP))
    state = state_of(link(alice))

    with time_machine.travel(timezone.now() + timedelta(days=7), tick=True):
        google.fault("calendar.events.list", "error_503")
        sync(state, run_jobs)
        assert last_run(state).outcome == "failed"
        assert "far" not in live(state)
        sync(state, run_jobs)
        assert "far" in live(state)


def test_a_series_keeps_its_wall_clock_hour_when_clocks_change(google: Google, link: Link, alice: User) -> None:
    with time_machine.travel(datetime(2027, 3, 20, 12, tzinfo=UTC), tick=True):
        google.post("google/expire_access_tokens")
        zone = {"timeZone": "Europe/Zurich"}
        body = meeting("weekly", at(0), ALICE, LP, recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"])
        body["start"] = {"dateTime": "2027-03-22T09:00:00+01:00"} | zone
        body["end"] = {"dateTime": "2027-03-22T10:00:00+01:00"} | zone
        google.put(ALICE, body)

        state = state_of(link(alice))

    assert [f"{moment:%d %H}" for moment in days_of(state)] == ["22 08", "29 07", "05 07"]
    assert CalendarEvent.unscoped.filter(state=state).count() == 3
