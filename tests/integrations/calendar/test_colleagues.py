"""One real meeting, four copies of it: one touchpoint, whose people and users follow every copy."""

import contextlib
import threading

import pytest
from django.db import close_old_connections, connection

from integrations import runs, sync_states
from integrations.calendar import google as adapter
from integrations.calendar import meetings
from integrations.calendar import sync as calendar_sync
from integrations.models import SyncState
from relationships.models import Company, Organization, Person, PersonAddress, Touchpoint, User
from tests.integrations.calendar.scene import ALICE, BOB, LP, RunJobs, at, live, meeting, meetings_of, sync
from tests.integrations.conftest import Google, Link, state_of

CAROL, DAN = "carol@acme.example", "dan@acme.example"


@pytest.fixture
def firm(google: Google, acme: Company, alice: User, bob: User) -> list[User]:
    """Four colleagues with accounts."""
    more = [User.objects.create_user(email, "a-long-password", company=acme) for email in (CAROL, DAN)]
    for user in more:
        google.post("google/accounts", email=user.email, hd="acme.example")
    return [alice, bob, *more]


def users_of(touchpoint: Touchpoint) -> set[str]:
    return set(touchpoint.users.values_list("email", flat=True))


@pytest.mark.django_db
@pytest.mark.usefixtures("lena")
def test_four_copies_are_one_touchpoint_whose_users_follow(
    google: Google, link: Link, firm: list[User], run_jobs: RunJobs
) -> None:
    google.put(ALICE, meeting("pitch", at(1), ALICE, BOB, CAROL, DAN, LP))
    states = {user.email: state_of(link(user)) for user in firm}

    touchpoint = Touchpoint.unscoped.get()
    assert users_of(touchpoint) == {ALICE, BOB, CAROL, DAN}

    google.put(BOB, {"id": "pitch", "attendees": answered(BOB, "declined")})
    sync(states[BOB], run_jobs)
    assert users_of(touchpoint) == {ALICE, CAROL, DAN}

    google.put(ALICE, meeting("pitch", at(2), ALICE, CAROL, LP, summary="Moved"))
    for email in (ALICE, BOB, CAROL, DAN):
        sync(states[email], run_jobs)
    touchpoint.refresh_from_db()
    assert (touchpoint.title, touchpoint.occurred_at) == ("Moved", at(2))
    assert users_of(touchpoint) == {ALICE, CAROL}

    google.cancel(ALICE, "pitch")
    sync(states[ALICE], run_jobs)
    assert users_of(touchpoint) == {CAROL}
    sync(states[CAROL], run_jobs)
    touchpoint.refresh_from_db()
    assert touchpoint.cancelled_at is not None
    assert Touchpoint.unscoped.count() == 1


def answered(email: str, answer: str) -> list[dict[str, str]]:
    guests = [{"email": one} for one in (ALICE, BOB, CAROL, DAN, LP)]
    return [one | {"responseStatus": answer} if one["email"] == email else one for one in guests]


@pytest.mark.django_db
@pytest.mark.usefixtures("lena")
def test_the_copy_changed_last_says_time_and_title(
    google: Google, link: Link, alice: User, bob: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, meeting("pitch", at(1), ALICE, BOB, LP))
    states = {user.email: state_of(link(user)) for user in (alice, bob)}

    google.put(ALICE, {"id": "pitch", "summary": "Newer"})
    sync(states[ALICE], run_jobs)
    assert list(meetings_of(states[ALICE])) == ["Newer"]
    # Bob's calendar is read later, in its old state: what it says is older.
    sync(states[BOB], run_jobs)
    assert list(meetings_of(states[BOB])) == ["Newer"]


@pytest.mark.django_db
@pytest.mark.usefixtures("lena")
def test_another_company_with_the_same_meeting_has_its_own(
    google: Google, link: Link, alice: User, charlie: User
) -> None:
    google.post("google/accounts", email=charlie.email, hd="zenith.example")
    person = Person.unscoped.create(company=charlie.company, display_name="Lena")
    PersonAddress.build(person, LP).save()
    google.put(ALICE, meeting("pitch", at(1), ALICE, charlie.email, LP))

    link(alice)
    link(charlie)

    found = dict(Touchpoint.unscoped.values_list("company__name", "pk"))
    assert set(found) == {"Acme Partners", "Zenith Capital"}
    assert users_of(Touchpoint.unscoped.get(company=charlie.company)) == {charlie.email}


def together(*states: SyncState) -> None:
    """Run these syncs at the same time, each in a thread with a connection of its own."""
    trouble: list[BaseException] = []

    def run(state: SyncState) -> None:
        try:
            calendar_sync.run(state.pk)
        except BaseException as error:
            trouble.append(error)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=run, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert trouble == []


def contact_in(company: Company) -> None:
    organization = Organization.unscoped.create(company=company, name="Alder Pension")
    person = Person.unscoped.create(company=company, display_name="Lena Alder", organization=organization)
    PersonAddress.build(person, LP, is_primary=True).save()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("parallel")
def test_two_colleagues_calendars_at_the_same_moment_end_with_both_users(
    google: Google, link: Link, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alice.company is not None
    contact_in(alice.company)
    states = [state_of(link(user)) for user in (alice, bob)]
    google.put(ALICE, *[meeting(f"pitch{number}", at(number), ALICE, BOB, LP) for number in range(30)])
    sync_states.poke([state.pk for state in states])
    monkeypatch.setattr(adapter, "PAGE_SIZE", 7)
    meet = threading.Barrier(2, timeout=20)
    original, first = meetings.record, threading.local()

    def at_the_same_time(*args: object) -> int:
        if not getattr(first, "is_done", False):
            first.is_done = True
            meet.wait()
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(meetings, "record", at_the_same_time)
    together(*states)

    touchpoints = Touchpoint.unscoped.filter(company=alice.company)
    assert touchpoints.count() == 30
    assert all(users_of(touchpoint) == {ALICE, BOB} for touchpoint in touchpoints)
    for state in states:
        state.refresh_from_db()
        assert (state.last_error, state.is_dirty) == ("", False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("parallel")
def test_of_two_workers_on_one_calendar_one_works(
    google: Google, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alice.company is not None
    contact_in(alice.company)
    state = state_of(link(alice))
    google.put(ALICE, *[meeting(f"pitch{number}", at(number), ALICE, LP) for number in range(5)])
    for _ in range(5):
        sync_states.poke([state.pk])
        asked = google.requests_of("calendar.events.list")
        meet = threading.Barrier(4, timeout=20)
        original = runs._take

        def at_the_same_time(*args: object, meet: threading.Barrier = meet, original: object = original) -> bool:
            if not meet.broken and meet.n_waiting < 4:
                with contextlib.suppress(threading.BrokenBarrierError):
                    meet.wait(5)
            return original(*args)  # type: ignore[operator]

        with monkeypatch.context() as patch:
            patch.setattr(runs, "_take", at_the_same_time)
            together(state, state, state, state)
        assert google.requests_of("calendar.events.list") - asked == 1
    assert len(live(state)) == 5
