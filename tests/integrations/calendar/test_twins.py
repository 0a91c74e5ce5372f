"""One firm, two providers, one meeting: one touchpoint, whatever the copies say its UID is."""

import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from integrations import sync_states
from integrations.calendar import meetings, rematch
from integrations.calendar.models import CalendarEvent
from integrations.models import SyncState
from relationships.models import Note, Person, PersonAddress, Touchpoint, User
from tests.integrations.calendar.agendas import Agenda, GoogleAgenda, OutlookAgenda, Plan
from tests.integrations.calendar.scene import ALICE, BOB, LP, RunJobs, at, meetings_of, sync
from tests.integrations.calendar.test_colleagues import together
from tests.integrations.conftest import Google, Link, state_of
from tests.pretend_microsoft import Microsoft

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]

UID = "5k3q9vexample0@google.com"
WEEK = timedelta(weeks=1)


@pytest.fixture
def hers(google: Google, link: Link) -> GoogleAgenda:
    """Alice's calendar is Google's."""
    return GoogleAgenda(google, link)


@pytest.fixture
def his(microsoft: Microsoft) -> OutlookAgenda:
    """Bob's is Outlook's."""
    return OutlookAgenda(microsoft)


def her_copy(title: str, **more: object) -> Plan:
    return Plan(title, **{"start": at(1), "guests": (LP, BOB), "uid": UID, **more})  # type: ignore[arg-type]


def his_copy(title: str, **more: object) -> Plan:
    """Of a meeting that alice called for."""
    given = {"start": at(1), "guests": (LP, BOB), "organizer": ALICE, **more}
    return Plan(title, **given)  # type: ignore[arg-type]


def users(touchpoint: Touchpoint) -> set[str]:
    return set(touchpoint.users.values_list("email", flat=True))


def link_both(hers: tuple[Agenda, User], his: tuple[Agenda, User], is_she_first: bool) -> None:
    for agenda, user in [hers, his] if is_she_first else [his, hers]:
        agenda.link(user)


def the_one() -> Touchpoint:
    """The only touchpoint there is; both were there."""
    touchpoint = Touchpoint.unscoped.get()
    assert users(touchpoint) == {ALICE, BOB}
    return touchpoint


# By the UID


@pytest.mark.parametrize("is_wrapped", [True, False], ids=["wrapped", "as it is"])
@pytest.mark.parametrize("is_she_first", [True, False])
def test_an_invitation_by_google_keeps_its_uid(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, is_wrapped: bool, is_she_first: bool
) -> None:
    hers.put(ALICE, her_copy("pitch"))
    # Nothing else is alike.
    his.put(BOB, his_copy("other", uid=UID, is_wrapped=is_wrapped, start=at(1, 2), guests=(LP,), organizer=LP))
    link_both((hers, alice), (his, bob), is_she_first)
    the_one()


@pytest.mark.parametrize("is_wrapped", [True, False], ids=["wrapped", "as it is"])
def test_so_do_the_instances_of_a_series(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, run_jobs: RunJobs, is_wrapped: bool
) -> None:
    hers.put(ALICE, her_copy("weekly", every=7, count=3))
    his.put(BOB, his_copy("weekly", uid=UID, is_wrapped=is_wrapped, every=7, count=3, organizer=LP))
    hers.link(alice)
    state = state_of(his.link(bob))
    assert [users(one) for one in Touchpoint.unscoped.all()] == [{ALICE, BOB}] * 3

    # He alone learns that one was moved: it is the same one still.
    his.move_instance(BOB, "weekly", at(1) + WEEK, at(1) + WEEK + timedelta(hours=5))
    sync(state, run_jobs)
    assert [users(one) for one in Touchpoint.unscoped.all()] == [{ALICE, BOB}] * 3
    assert at(1) + WEEK + timedelta(hours=5) in Touchpoint.unscoped.values_list("occurred_at", flat=True)


def test_so_do_whole_days(hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User) -> None:
    day = at(2).date()
    hers.put(ALICE, her_copy("retreat", start=day, every=7, count=2))
    whole = {"start": day, "every": 7, "count": 2, "zone": "Pacific/Auckland"}
    his.put(BOB, his_copy("retreat", uid=UID, is_wrapped=True, organizer=LP, **whole))
    hers.link(alice)
    his.link(bob)
    assert [users(one) for one in Touchpoint.unscoped.all()] == [{ALICE, BOB}] * 2


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
@pytest.mark.parametrize("every", [0, 7], ids=["single", "series"])
def test_an_invitation_by_outlook_keeps_its_uid_in_either_case(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, spelling: object, every: int
) -> None:
    his.put(BOB, Plan("pitch", at(1), (LP, ALICE), every=every, count=2))
    (event,) = his.microsoft.get(f"microsoft/events?account={BOB}")["events"]
    assert event["iCalUId"].startswith("040000008200E00074C5B7101A82E008")
    uid = spelling(event["iCalUId"])  # type: ignore[operator]
    hers.put(ALICE, Plan("other", at(1), (LP,), every=every, count=2, uid=uid))
    hers.link(alice)
    his.link(bob)
    assert [users(one) for one in Touchpoint.unscoped.all()] == [{ALICE, BOB}] * (2 if every else 1)


# By organizer, start and guests


@pytest.mark.parametrize("is_she_first", [True, False])
@pytest.mark.parametrize("title", ["pitch", "AW: pitch"])
def test_without_a_common_uid_organizer_start_and_guests_tell(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, is_she_first: bool, title: str
) -> None:
    hers.put(ALICE, her_copy("pitch"))
    his.put(BOB, his_copy(title))
    link_both((hers, alice), (his, bob), is_she_first)
    the_one()


def test_instances_are_told_one_by_one(hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User) -> None:
    hers.put(ALICE, her_copy("weekly", every=7, count=3))
    his.put(BOB, his_copy("weekly", every=7, count=2))
    hers.link(alice)
    his.link(bob)
    found = Touchpoint.unscoped.order_by("occurred_at")
    assert [users(one) for one in found] == [{ALICE, BOB}, {ALICE, BOB}, {ALICE}]


def test_whole_days_too(hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User) -> None:
    hers.put(ALICE, her_copy("retreat", start=at(2).date()))
    his.put(BOB, his_copy("retreat", start=at(2).date()))
    hers.link(alice)
    his.link(bob)
    assert the_one().all_day_on == at(2).date()


@pytest.mark.parametrize(
    "different",
    [
        # Reckoned within the test, whose clock stands still at another hour than that of the machine.
        lambda: {"start": at(1, 1)},
        lambda: {"guests": (LP, BOB, "two@alder.example")},
        lambda: {"organizer": LP},
        lambda: {"start": at(1).date()},
    ],
    ids=["start", "guests", "organizer", "whole day"],
)
def test_what_differs_in_one_of_them_is_another_meeting(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, different: Callable[[], dict[str, object]]
) -> None:
    hers.put(ALICE, her_copy("pitch"))
    his.put(BOB, his_copy("pitch", **different()))
    hers.link(alice)
    his.link(bob)
    assert sorted(map(sorted, map(users, Touchpoint.unscoped.all()))) == [[ALICE], [BOB]]


def test_two_meetings_of_one_mailbox_stay_two(hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User) -> None:
    hers.put(ALICE, her_copy("deck"), her_copy("terms", uid="another@google.com"))
    his.put(BOB, his_copy("terms"), his_copy("deck"))
    hers.link(alice)
    his.link(bob)
    assert {(one.title, *sorted(users(one))) for one in Touchpoint.unscoped.all()} == {
        ("deck", ALICE, BOB),
        ("terms", ALICE, BOB),
    }


@pytest.mark.parametrize("is_she_first", [True, False])
def test_who_meets_two_of_us_apart_at_the_same_hour_has_two_meetings(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, is_she_first: bool
) -> None:
    hers.put(ALICE, her_copy("legal", guests=(LP,), organizer=LP))
    his.put(BOB, his_copy("finance", guests=(BOB,), organizer=LP))
    link_both((hers, alice), (his, bob), is_she_first)
    found = {one.title: users(one) for one in Touchpoint.unscoped.all()}
    assert found == {"legal": {ALICE}, "finance": {BOB}}


def test_a_list_of_invited_people_that_names_neither_is_told_by_its_title(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User
) -> None:
    hers.put(ALICE, her_copy("agm", guests=(LP,), organizer=LP))
    his.put(BOB, his_copy("agm", guests=(LP,), organizer=LP))
    hers.link(alice)
    his.link(bob)
    the_one()


def test_of_two_that_look_alike_neither_is_taken(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User
) -> None:
    hers.put(ALICE, her_copy("deck"), her_copy("terms", uid="another@google.com"))
    his.put(BOB, his_copy("call"))
    hers.link(alice)
    his.link(bob)
    assert Touchpoint.unscoped.count() == 3


@pytest.mark.parametrize("is_she_first", [True, False])
def test_once_found_it_stays_one_wherever_it_moves(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, run_jobs: RunJobs, is_she_first: bool
) -> None:
    hers.put(ALICE, her_copy("pitch"))
    his.put(BOB, his_copy("pitch"))
    states = [state_of(hers.link(alice)), state_of(his.link(bob))]
    touchpoint = the_one()
    Note.unscoped.create(company_id=alice.company_id, touchpoint=touchpoint, author=bob, text="Wants the deck")

    hers.put(ALICE, her_copy("pitch", start=at(3)))
    his.put(BOB, his_copy("pitch", start=at(3)))
    for state in states if is_she_first else reversed(states):
        sync(state, run_jobs)
        assert the_one().cancelled_at is None
    assert the_one().occurred_at == at(3)

    hers.cancel(ALICE, "pitch")
    sync(states[0], run_jobs)
    left = Touchpoint.unscoped.get(cancelled_at=None)
    assert (left.pk, users(left)) == (touchpoint.pk, {BOB})


def test_a_full_round_leaves_it_as_it_is(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, run_jobs: RunJobs
) -> None:
    hers.put(ALICE, her_copy("pitch"))
    his.put(BOB, his_copy("pitch"))
    hers.link(alice)
    state = state_of(his.link(bob))
    his.forget(BOB)
    CalendarEvent.unscoped.filter(state=state).update(etag="")

    run = sync(state, run_jobs)

    assert (run.kind, run.changed) == ("full", 1)
    the_one()


def test_a_contact_who_comes_later_brings_one_meeting(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User
) -> None:
    new = "new@oak.example"
    hers.put(ALICE, her_copy("pitch", guests=(new, BOB)))
    his.put(BOB, his_copy("pitch", guests=(new, BOB)))
    hers.link(alice)
    his.link(bob)
    assert not Touchpoint.unscoped.exists()

    assert alice.company_id is not None
    person = Person.unscoped.create(company_id=alice.company_id, display_name="Newton")
    PersonAddress.build(person, new).save()
    rematch.rematch(alice.company_id)

    the_one()


def test_what_has_a_touchpoint_of_its_own_keeps_it(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, run_jobs: RunJobs
) -> None:
    """Something may be noted there."""
    hers.put(ALICE, her_copy("pitch"))
    his.put(BOB, his_copy("pitch", start=at(5)))
    hers.link(alice)
    state = state_of(his.link(bob))
    assert Touchpoint.unscoped.count() == 2

    his.put(BOB, his_copy("pitch"))
    sync(state, run_jobs)

    assert len(Touchpoint.unscoped.filter(cancelled_at=None)) == 2


def test_another_company_has_its_own(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, charlie: User, microsoft: Microsoft
) -> None:
    microsoft.post("microsoft/accounts", upn=charlie.email)
    person = Person.unscoped.create(company=charlie.company, display_name="Lena")
    PersonAddress.build(person, LP).save()
    hers.put(ALICE, her_copy("pitch", guests=(LP, charlie.email)))
    his.put(charlie.email, his_copy("pitch", guests=(LP, charlie.email)))
    hers.link(alice)
    state: SyncState = state_of(his.link(charlie))

    assert Touchpoint.unscoped.count() == 2
    assert users(meetings_of(state)["pitch"]) == {charlie.email}


# At the same moment


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("parallel")
@pytest.mark.parametrize("repetition", range(3))
def test_two_who_read_it_at_the_same_moment_find_one(
    hers: GoogleAgenda, his: OutlookAgenda, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, repetition: int
) -> None:
    states = [state_of(hers.link(alice)), state_of(his.link(bob))]
    hers.put(ALICE, *[her_copy(f"pitch{number}", start=at(number), uid=f"{number}@google.com") for number in range(9)])
    his.put(BOB, *[his_copy(f"pitch{number}", start=at(number)) for number in range(9)])
    sync_states.poke([state.pk for state in states])
    meet = threading.Barrier(2, timeout=20)
    original = meetings.record

    def at_the_same_time(*args: object) -> int:
        with contextlib.suppress(threading.BrokenBarrierError):
            meet.wait(5)
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(meetings, "record", at_the_same_time)
    together(*states)

    touchpoints = Touchpoint.unscoped.filter(cancelled_at=None)
    assert [users(one) for one in touchpoints] == [{ALICE, BOB}] * 9
