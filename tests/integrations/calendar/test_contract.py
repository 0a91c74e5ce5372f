"""What every calendar adapter promises, through the real client and real HTTP: the same cases for each provider."""

from datetime import UTC, date, timedelta

import pytest
import time_machine
from django.utils import timezone

from integrations import resources, sync_states
from integrations.calendar.models import CalendarEvent, EventGuest
from integrations.models import Integration, SyncState
from relationships import tenancy
from relationships.models import Note, Person, Touchpoint, User
from tests.integrations.calendar.agendas import Agenda, Plan, begins, many, met, titles, verdicts
from tests.integrations.calendar.scene import ALICE, BOB, LP, RunJobs, at, events_of, last_run, live, meetings_of, sync
from tests.integrations.conftest import state_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]


# First sync


def test_a_first_sync_reads_the_window_and_finds_the_meetings(agenda: Agenda, alice: User, lena: Person) -> None:
    agenda.put(
        ALICE,
        met("past", -10),
        met("coming", 10),
        met("longago", -120),
        met("far", 100),
        Plan("internal", at(1), (BOB,)),
        Plan("alone", at(2)),
        Plan("stranger", at(3), ("who@nobody.example",)),
        met("place", 12, place="Bahnhofstrasse 1"),
    )
    state = state_of(agenda.link(alice))

    run = last_run(state)
    assert (run.kind, run.outcome, run.error) == ("first", "done", "")
    assert verdicts(state) == {
        "past": "meeting",
        "coming": "meeting",
        "internal": "internal",
        "alone": "no_guests",
        "stranger": "unknown_guests",
        "place": "meeting",
    }
    found = meetings_of(state)
    assert sorted(found) == ["coming", "past", "place"]
    assert (found["past"].occurred_at, found["past"].ended_at) == (at(-10), at(-10, 1))
    with tenancy.within(state.company_id):
        assert list(found["past"].people.all()) == [lena]
        assert list(found["past"].users.all()) == [alice]
    assert found["place"].location == "Bahnhofstrasse 1"
    event = next(row for row in events_of(state).values() if row.title == "past")
    assert (event.organizer, event.my_response, event.visibility) == (ALICE, "accepted", "default")
    assert list(EventGuest.unscoped.filter(event=event).values_list("email", flat=True)) == [LP]


def test_what_i_declined_does_not_count_and_what_i_may_go_to_does(
    agenda: Agenda, alice: User, run_jobs: RunJobs
) -> None:
    agenda.put(ALICE, met("declined", 1, answer="declined"), met("maybe", 2, answer="tentative"))
    state = state_of(agenda.link(alice))
    assert verdicts(state) == {"declined": "declined", "maybe": "meeting"}

    agenda.put(ALICE, met("declined", 1, answer="accepted"), met("maybe", 2, answer="declined"))
    sync(state, run_jobs)

    assert verdicts(state) == {"declined": "meeting", "maybe": "declined"}
    assert list(meetings_of(state)) == ["declined"]


def test_of_a_private_event_nothing_is_kept_but_its_time(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("open", 1, place="Clinic"), met("secret", 2, place="Clinic", is_private=True))
    state = state_of(agenda.link(alice))
    assert list(meetings_of(state)) == ["open"]

    agenda.put(ALICE, met("open", 1, place="Clinic", is_private=True))
    sync(state, run_jobs)

    assert meetings_of(state) == {}
    rows = events_of(state).values()
    assert {(row.title, row.location, row.organizer, row.verdict) for row in rows} == {("", "", "", "private")}
    assert {row.starts_at for row in rows} == {at(1), at(2)}
    assert not EventGuest.unscoped.exists()


@pytest.mark.parametrize("was_declined", [False, True])
def test_what_becomes_private_is_no_longer_kept_in_its_meeting_either(
    agenda: Agenda, alice: User, bob: User, run_jobs: RunJobs, was_declined: bool
) -> None:
    agenda.put(ALICE, met("open", 1, place="Clinic"), met("noted", 2, place="Clinic"), met("stays", 3))
    state = state_of(agenda.link(alice))
    noted = meetings_of(state)["noted"]
    Note.unscoped.create(company_id=alice.company_id, touchpoint=noted, author=bob, text="Wants the deck")
    if was_declined:
        agenda.put(ALICE, *[met(name, 1, place="Clinic", answer="declined") for name in ("open", "noted")])
        sync(state, run_jobs)

    agenda.put(ALICE, *[met(name, 2, place="Clinic", is_private=True) for name in ("open", "noted")])
    sync(state, run_jobs)

    left = Touchpoint.unscoped.exclude(title="stays").get()
    assert (left.pk, left.title, left.location, left.guests) == (noted.pk, "", "", [])
    assert not Person.unscoped.filter(touchpoints=left).exists()
    assert Note.unscoped.get().touchpoint_id == noted.pk

    agenda.put(ALICE, *[met(name, 2) for name in ("open", "noted")])
    sync(state, run_jobs)
    found = meetings_of(state)
    assert set(found) == {"open", "noted", "stays"}
    assert found["noted"].pk == noted.pk
    assert Person.unscoped.filter(touchpoints=noted).exists()


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Europe/Zurich", "Pacific/Honolulu"])
def test_a_day_stays_that_day_for_every_reader(agenda: Agenda, alice: User, run_jobs: RunJobs, zone: str) -> None:
    alice.time_zone = zone
    alice.save()
    day = at(10).date()
    agenda.put(ALICE, Plan("offsite", day, (LP,), days=2, zone=zone))

    state = state_of(agenda.link(alice))

    (event,) = events_of(state).values()
    assert (event.starts_on, event.ends_on, event.starts_at) == (day, day + timedelta(days=2), None)
    touchpoint = meetings_of(state)["offsite"]
    assert (touchpoint.all_day_on, touchpoint.occurred_at.date()) == (day, day)

    agenda.put(ALICE, Plan("offsite", day + timedelta(days=1), (LP,), zone=zone))
    sync(state, run_jobs)
    assert meetings_of(state)["offsite"].all_day_on == day + timedelta(days=1)


def test_all_day_instances_have_their_days_as_slots(agenda: Agenda, alice: User) -> None:
    day = at(3).date()
    agenda.put(ALICE, Plan("retreat", day, (LP,), every=7, count=3, zone="Pacific/Auckland"))

    state = state_of(agenda.link(alice))

    days = [day + timedelta(weeks=number) for number in range(3)]
    rows = sorted(events_of(state).values(), key=lambda row: row.starts_on or date.min)
    assert [row.starts_on for row in rows] == days
    assert [row.original_start for row in rows] == [f"{one:%Y%m%d}" for one in days]


@pytest.mark.parametrize("size", [1, 2, 3, 250])
def test_many_pages_are_one_round_whatever_their_size(
    agenda: Agenda, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(agenda.adapter, "PAGE_SIZE", size)
    agenda.put(ALICE, *many(6), met("series", 1, every=2, count=4))
    state = state_of(agenda.link(alice))
    assert titles(state) == {*(f"event{number}" for number in range(6)), "series"}
    assert len(begins(state)) == 10

    agenda.put(ALICE, *many(8, 1)[2:])
    agenda.cancel(ALICE, "event0", "event3")
    run = sync(state, run_jobs)

    assert (run.kind, run.outcome) == ("changes", "done")
    assert titles(state) == set(meetings_of(state)) == {*(f"event{number}" for number in (1, 2, 4, 5, 6, 7)), "series"}
    assert len(begins(state)) == 10


# Changes


def test_a_delta_brings_what_is_new_changed_moved_and_gone(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("stays", 1), met("grows", 2), met("moves", 3), met("ends", 4))
    state = state_of(agenda.link(alice))

    agenda.put(ALICE, met("new", 5), Plan("grows", at(2), (LP, "two@alder.example")), met("moves", 9))
    agenda.cancel(ALICE, "ends")
    run = sync(state, run_jobs)

    assert (run.kind, run.outcome, run.changed) == ("changes", "done", 4)
    found = meetings_of(state)
    assert sorted(found) == ["grows", "moves", "new", "stays"]
    assert found["moves"].occurred_at == at(9)
    assert {guest["email"] for guest in found["grows"].guests} == {LP, "two@alder.example"}
    assert verdicts(state)["ends"] == CalendarEvent.Verdict.CANCELLED


def test_a_delta_without_changes_writes_nothing(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("same", 1), met("series", 2, every=1, count=3))
    state = state_of(agenda.link(alice))
    before = {name: row.updated_at for name, row in events_of(state).items()}

    run = sync(state, run_jobs)

    assert (run.kind, run.found, run.changed) == ("changes", 0, 0)
    assert {name: row.updated_at for name, row in events_of(state).items()} == before


def test_an_event_that_loses_its_outsider_is_no_meeting_any_more(
    agenda: Agenda, alice: User, run_jobs: RunJobs
) -> None:
    agenda.put(ALICE, Plan("call", at(1), (LP, BOB)))
    state = state_of(agenda.link(alice))

    agenda.put(ALICE, Plan("call", at(1), (BOB,)))
    sync(state, run_jobs)

    assert meetings_of(state) == {}
    assert verdicts(state) == {"call": "internal"}
    assert list(EventGuest.unscoped.values_list("email", flat=True)) == [BOB]


def test_an_event_that_moves_beyond_the_window_is_followed_and_a_new_one_there_is_not(
    agenda: Agenda, alice: User, run_jobs: RunJobs
) -> None:
    agenda.put(ALICE, met("moves", 5))
    state = state_of(agenda.link(alice))

    agenda.put(ALICE, met("moves", 200), met("far", 200))
    sync(state, run_jobs)
    assert titles(state) == {"moves"}
    assert begins(state) == [at(200)]

    agenda.cancel(ALICE, "moves")
    sync(state, run_jobs)
    assert titles(state) == set()


def test_far_events_come_into_the_window_by_themselves(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("far", 63), met("endless", 1, every=7))
    state = state_of(agenda.link(alice))
    before = len(live(state))
    assert "far" not in titles(state)

    for days in (4, 7, 40):
        with time_machine.travel(timezone.now() + timedelta(days=days), tick=True):
            Integration.unscoped.update(expires_at=timezone.now())
            sync_states.queue_due()
            run_jobs()
            state.refresh_from_db()
            assert (last_run(state).outcome, last_run(state).error) == ("done", "")
            assert "far" in titles(state)
            assert state.window_end is not None
            assert state.window_end > at(59)
            assert state.missed_pushes == 0
    assert len(live(state)) > before + 4


def test_what_the_window_newly_covers_is_followed(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("far", 62), met("other", 62, every=1, count=3))
    state = state_of(agenda.link(alice))

    with time_machine.travel(timezone.now() + timedelta(days=6), tick=True):
        Integration.unscoped.update(expires_at=timezone.now())
        sync(state, run_jobs)
        assert titles(state) == {"far", "other"}
        agenda.put(ALICE, met("far", 57))
        sync(state, run_jobs)
        assert meetings_of(state)["far"].occurred_at == at(57)
        agenda.cancel(ALICE, "far")
        sync(state, run_jobs)
        assert titles(state) == {"other"}
        assert len(begins(state)) == 3


# Series


def test_instances_are_meetings_of_their_own_and_may_move_or_be_cancelled(
    agenda: Agenda, alice: User, run_jobs: RunJobs
) -> None:
    first, week = at(1), timedelta(weeks=1)
    agenda.put(ALICE, met("weekly", 1, every=7, count=4))
    state = state_of(agenda.link(alice))
    assert begins(state) == [first + number * week for number in range(4)]
    keys = {row.starts_at: row.meeting_key for row in events_of(state).values()}
    assert len(set(keys.values())) == 4

    agenda.move_instance(ALICE, "weekly", first + week, first + week + timedelta(hours=3))
    agenda.cancel_instance(ALICE, "weekly", first + 2 * week)
    sync(state, run_jobs)

    assert begins(state) == [first, first + week + timedelta(hours=3), first + 3 * week]
    moved = next(row for row in events_of(state).values() if row.starts_at == first + week + timedelta(hours=3))
    # The slot it came from says which meeting it is, wherever it moved.
    assert moved.meeting_key == keys[first + week]
    assert moved.original_start == f"{(first + week).astimezone(UTC):%Y%m%dT%H%M%SZ}"


def test_a_series_that_moves_takes_all_its_instances_along(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("daily", 1, every=1, count=3), met("other", 1))
    state = state_of(agenda.link(alice))

    agenda.put(ALICE, Plan("daily", at(2, 5), (LP,), every=1, count=3))
    sync(state, run_jobs)

    assert begins(state) == [at(1), *(at(2 + number, 5) for number in range(3))]


def test_a_shorter_series_loses_its_last_instances(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("weekly", 1, every=7, count=6))
    state = state_of(agenda.link(alice))

    agenda.put(ALICE, met("weekly", 1, every=7, count=2))
    sync(state, run_jobs)

    assert begins(state) == [at(1), at(8)]
    assert len(live(state)) == 2


def test_a_deleted_series_ends_all_its_instances(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("weekly", -20, every=7), met("other", 1))
    state = state_of(agenda.link(alice))
    assert len(live(state)) > 10

    agenda.cancel(ALICE, "weekly")
    sync(state, run_jobs)

    assert titles(state) == {"other"}
    assert list(meetings_of(state)) == ["other"]


def test_an_event_that_becomes_a_series_and_one_again(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("changes", 2))
    state = state_of(agenda.link(alice))

    agenda.put(ALICE, met("changes", 2, every=1, count=3))
    sync(state, run_jobs)
    assert begins(state) == [at(2), at(3), at(4)]
    assert len(live(state)) == 3

    agenda.put(ALICE, met("changes", 2))
    sync(state, run_jobs)
    assert begins(state) == [at(2)]
    assert len(live(state)) == 1


def test_an_endless_series_is_stored_no_further_than_the_window(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    agenda.put(ALICE, met("endless", 1, every=1))
    state = state_of(agenda.link(alice))
    assert len(live(state)) == 60

    agenda.put(ALICE, met("endless", 1, every=1, place="Touched"))
    run = sync(state, run_jobs)

    assert len(live(state)) == 60
    assert run.skipped["beyond_window"] == run.found - 60 > 0
    assert max(begins(state)) < at(61)
    assert {row.location for row in events_of(state).values()} == {"Touched"}


# Calendars


def test_calendars_are_offered_and_chosen_one_by_one(agenda: Agenda, alice: User, run_jobs: RunJobs) -> None:
    team = agenda.add_calendar(ALICE, "Team")
    agenda.put(ALICE, met("mine", 1))
    agenda.put(ALICE, met("offsite", 2), calendar=team)
    integration = agenda.link(alice)
    main, other = (SyncState.unscoped.get(integration=integration, is_primary=is_main) for is_main in (True, False))
    assert (main.is_chosen, other.is_chosen, other.name, other.external_id) == (True, False, "Team", team)
    assert (titles(main), titles(other)) == ({"mine"}, set())

    with tenancy.within(integration.company_id):
        resources.choose(integration, [main.pk, other.pk])
    run_jobs()
    assert (titles(main), titles(other)) == ({"mine"}, {"offsite"})

    with tenancy.within(integration.company_id):
        resources.choose(integration, [other.pk])
    agenda.put(ALICE, met("mine", 5))
    other.refresh_from_db()
    sync(other, run_jobs)
    assert begins(other) == [at(1), at(2)]
