"""Who owes whom an answer: opened and closed by what arrives."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relationships import follow_ups, tenancy, touchpoints
from relationships.models import Company, FollowUp, Organization, Person, PersonAddress, Task, Touchpoint, User
from tests.relationships.letters import arrive, counted, letter

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def contact(company: Company, name: str) -> Person:
    person = Person.objects.create(company=company, display_name=name)
    PersonAddress.objects.create(company=company, person=person, email=f"{name.lower()}@alder.example")
    return person


@pytest.fixture
def jane(in_acme: Company) -> Person:
    return contact(in_acme, "Jane")


@pytest.fixture
def john(in_acme: Company) -> Person:
    return contact(in_acme, "John")


def outcomes() -> list[tuple[str, str]]:
    return list(FollowUp.objects.order_by("since_at", "user__email").values_list("side", "outcome"))


class TestWhatArrives:
    def test_a_mail_to_a_contact_waits_for_the_contact(self, alice: User, jane: Person) -> None:
        [row] = arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        owed = FollowUp.objects.get()
        assert (owed.user, owed.person, owed.touchpoint, owed.side) == (alice, jane, row, "theirs")
        assert (owed.since_at, owed.due_at, owed.usual_days) == (MONDAY, MONDAY + 2 * DAY, None)

    def test_a_mail_from_a_contact_waits_for_each_user_it_was_written_to(
        self, alice: User, bob: User, jane: Person
    ) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice, bob], by=jane, asked=[bob]))
        owed = FollowUp.objects.get()
        assert (owed.user, owed.person, owed.side, owed.due_at) == (bob, jane, "ours", MONDAY + DAY)

    def test_the_answer_closes_it_and_opens_the_other_side(self, alice: User, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        arrive(alice, letter("t", MONDAY + HOUR, of=[alice], by=jane))
        first, second = FollowUp.objects.order_by("since_at")
        assert (first.outcome, first.closed_at) == ("answered", MONDAY + HOUR)
        assert (second.side, second.outcome, second.since_at) == ("ours", "open", MONDAY + HOUR)

    def test_it_makes_no_difference_in_which_order_mail_is_read(self, alice: User, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY + HOUR, of=[alice], by=jane))
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        assert outcomes() == [("ours", "open")]

    def test_a_second_mail_of_the_same_side_takes_the_place_of_the_first(self, alice: User, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        arrive(alice, letter("t", MONDAY + DAY, of=[alice], to=[jane]))
        assert outcomes() == [("theirs", "void"), ("theirs", "open")]

    def test_a_colleagues_answer_is_the_firms(self, alice: User, bob: User, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], by=jane))
        arrive(alice, letter("t", MONDAY + HOUR, of=[bob], to=[jane]))
        assert outcomes() == [("ours", "answered"), ("theirs", "open")]
        assert FollowUp.objects.get(outcome="open").user == bob

    def test_mail_to_one_colleague_does_not_free_the_other(self, alice: User, bob: User, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], by=jane))
        arrive(alice, letter("t", MONDAY + HOUR, of=[bob], by=jane))
        assert outcomes() == [("ours", "open"), ("ours", "open")]

    def test_whoever_got_a_copy_neither_owes_nor_waits(
        self, alice: User, bob: User, jane: Person, john: Person
    ) -> None:
        arrive(
            alice,
            letter("in", MONDAY, of=[alice, bob], by=jane, asked=[]),
            letter("out", MONDAY, of=[alice, bob], to=[jane], cc=[john], asked=[alice]),
            letter("copied", MONDAY, of=[alice], cc=[john]),
        )
        owed = FollowUp.objects.get()
        assert (owed.user, owed.person) == (alice, jane)

    def test_somebody_of_a_known_firm_is_owed_an_answer_too_and_a_stranger_is_not(
        self, alice: User, in_acme: Company, jane: Person
    ) -> None:
        alder = Organization.objects.create(company=in_acme, name="Alder")
        alder.domains.create(company=in_acme, domain="alder.example")
        known, strange = letter("a", MONDAY, of=[alice], by=jane), letter("b", MONDAY, of=[alice], by=jane)
        PersonAddress.objects.all().delete()
        strange = touchpoints.Mail(
            **{**vars(strange), "guests": ({"email": "x@lawyer.example", "name": "X", "role": "from"},)}
        )
        arrive(alice, known, strange)
        owed = FollowUp.objects.get()
        assert (owed.person, owed.touchpoint.thread_key) == (None, "a")
        PersonAddress.objects.create(company=in_acme, person=jane, email="jane@alder.example")
        assert follow_ups.review(in_acme.pk, ["a"]) == 0
        assert FollowUp.objects.get().person == jane, "the contact came later"

    def test_what_has_waited_for_long_is_not_dug_up(self, alice: User, jane: Person) -> None:
        arrive(alice, letter("t", NOW - follow_ups.OLDEST - DAY, of=[alice], by=jane))
        assert outcomes() == []

    def test_of_a_long_conversation_only_what_may_still_matter_is_read(
        self, alice: User, jane: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = counted(monkeypatch)
        long_ago = [letter("t", MONDAY - (100 + number) * DAY, of=[alice], to=[jane]) for number in range(40)]
        arrive(alice, *long_ago, letter("t", MONDAY, of=[alice], to=[jane]))
        assert outcomes() == [("theirs", "open")]
        assert read[0] == 1, "the conversation; the yardstick is read after it"

    def test_an_answer_ends_what_has_grown_too_old_meanwhile(self, alice: User, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        with time_machine.travel(NOW + 60 * DAY, tick=False):
            arrive(alice, letter("t", MONDAY + DAY, of=[alice], by=jane))
        assert outcomes() == [("theirs", "answered")], "what it was: that answer is too old to wait for one itself"

    def test_who_left_owes_nothing(self, alice: User, bob: User, jane: Person) -> None:
        User.objects.filter(pk=bob.pk).update(is_active=False)
        arrive(alice, letter("t", MONDAY, of=[bob], by=jane))
        assert outcomes() == []

    def test_another_companys_conversation_of_the_same_key_is_another(
        self, alice: User, charlie: User, jane: Person
    ) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        assert charlie.company_id is not None
        with tenancy.within(charlie.company_id):
            stranger = contact(charlie.company, "Jane")  # type: ignore[arg-type]
            arrive(charlie, letter("t", MONDAY + HOUR, of=[charlie], by=stranger))
        assert outcomes() == [("theirs", "open")]


class TestNeverTwice:
    def test_reviewing_again_writes_nothing(self, alice: User, in_acme: Company, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        with CaptureQueriesContext(connection) as queries:
            assert follow_ups.review(in_acme.pk, ["t"]) == 0
        written = [each["sql"] for each in queries if each["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
        assert written == []

    @pytest.mark.parametrize("outcome", ["answered", "dismissed", "void"])
    def test_what_is_closed_stays_closed(self, alice: User, in_acme: Company, jane: Person, outcome: str) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        FollowUp.objects.update(outcome=outcome, closed_at=NOW)
        assert follow_ups.review(in_acme.pk, ["t"]) == 0
        assert outcomes() == [("theirs", outcome)]

    def test_an_answer_that_was_deleted_brings_nothing_back(self, alice: User, in_acme: Company, jane: Person) -> None:
        answer = letter("t", MONDAY + HOUR, of=[alice], by=jane)
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        arrive(alice, answer)
        touchpoints.record_mails([], gone=[answer.unique_key])
        follow_ups.review(in_acme.pk, ["t"])
        assert outcomes() == [("theirs", "answered"), ("ours", "open")]
        assert list(FollowUp.objects.filter(touchpoint__cancelled_at=None, outcome="open")) == []

    def test_hidden_mail_keeps_its_row_for_when_it_comes_back(
        self, alice: User, in_acme: Company, jane: Person
    ) -> None:
        mail = letter("t", MONDAY, of=[alice], to=[jane])
        arrive(alice, mail)
        FollowUp.objects.update(snoozed_until=NOW + DAY)
        touchpoints.record_mails([], gone=[mail.unique_key])
        follow_ups.review(in_acme.pk, ["t"])
        arrive(alice, mail)
        row = FollowUp.objects.get()
        assert (row.outcome, row.snoozed_until) == ("open", NOW + DAY)


class TestRhythm:
    def history(self, alice: User, jane: Person, hours: list[int]) -> None:
        """Conversations since February in which Jane answered after so many hours of a Monday."""
        mails = []
        for number, each in enumerate(hours):
            asked_at = datetime(2026, 2, 2, 1, tzinfo=UTC) + number * 7 * DAY
            mails += [letter(f"h{number}", asked_at, of=[alice], to=[jane])]
            mails += [letter(f"h{number}", asked_at + each * HOUR, of=[alice], by=jane, asked=[])]
        touchpoints.record_mails(mails)

    def test_three_answers_make_a_yardstick(self, alice: User, jane: Person) -> None:
        self.history(alice, jane, [36, 60, 72])
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        owed = FollowUp.objects.get()
        assert (owed.usual_days, owed.due_at) == (Decimal("2.5"), MONDAY + 7 * DAY), "five business days"

    def test_two_answers_make_none(self, alice: User, jane: Person) -> None:
        self.history(alice, jane, [36, 60])
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        owed = FollowUp.objects.get()
        assert (owed.usual_days, owed.due_at) == (None, MONDAY + 2 * DAY)

    def test_who_answers_at_once_still_gets_two_days(self, alice: User, jane: Person) -> None:
        self.history(alice, jane, [1, 2, 3])
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        owed = FollowUp.objects.get()
        assert (owed.usual_days, owed.due_at) == (Decimal("0.1"), MONDAY + 2 * DAY)

    def test_our_own_rhythm_with_this_contact(self, alice: User, jane: Person, john: Person) -> None:
        mails = []
        for number in range(3):
            at = datetime(2026, 2, 2, 1, tzinfo=UTC) + number * 7 * DAY
            mails += [
                letter(f"h{number}", at, of=[alice], by=jane),
                letter(f"h{number}", at + 2 * DAY, of=[alice], to=[jane]),
            ]
        touchpoints.record_mails(mails)
        arrive(alice, letter("a", MONDAY, of=[alice], by=jane), letter("b", MONDAY, of=[alice], by=john))
        with_jane, with_john = FollowUp.objects.order_by("person__display_name")
        assert (with_jane.usual_days, with_jane.due_at) == (Decimal("2.0"), MONDAY + 2 * DAY)
        assert (with_john.usual_days, with_john.due_at) == (None, MONDAY + DAY)

    def test_another_persons_answer_says_nothing_about_this_one(self, alice: User, jane: Person, john: Person) -> None:
        for number in range(3):
            at = datetime(2026, 2, 2, 1, tzinfo=UTC) + number * 7 * DAY
            touchpoints.record_mails(
                [
                    letter(f"h{number}", at, of=[alice], to=[jane], cc=[john]),
                    letter(f"h{number}", at + HOUR, of=[alice], by=john, cc=[jane], asked=[]),
                    letter(f"h{number}", at + 2 * HOUR, of=[alice], by=jane, asked=[]),
                ]
            )
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        assert FollowUp.objects.get(touchpoint__thread_key="t").usual_days is None

    def test_days_are_those_of_the_users_zone(self, alice: User, jane: Person) -> None:
        User.objects.filter(pk=alice.pk).update(time_zone="Asia/Tokyo")
        friday_evening_there = datetime(2026, 3, 6, 9, tzinfo=UTC)
        saturday_morning_there = datetime(2026, 3, 6, 22, tzinfo=UTC)
        arrive(
            alice,
            letter("a", friday_evening_there, of=[alice], to=[jane]),
            letter("b", saturday_morning_there, of=[alice], to=[jane]),
        )
        first, second = FollowUp.objects.order_by("since_at")
        assert first.due_at == datetime(2026, 3, 10, 9, tzinfo=UTC)
        assert second.due_at == datetime(2026, 3, 11, tzinfo=ZoneInfo("Asia/Tokyo"))


def test_the_same_number_of_queries_for_any_number_of_conversations(
    alice: User, bob: User, in_acme: Company, jane: Person, john: Person
) -> None:
    def count(size: int) -> int:
        mails = []
        for number in range(size):
            thread = f"{size}-{number}"
            mails += [
                letter(thread, MONDAY, of=[alice, bob], by=jane),
                letter(thread, MONDAY + HOUR, of=[bob], to=[john]),
            ]
            mails += [letter(thread + "x", MONDAY + HOUR, of=[alice], by=john)]
        touchpoints.record_mails(mails)
        with CaptureQueriesContext(connection) as queries:
            assert follow_ups.review(in_acme.pk, {mail.thread_key for mail in mails}) == 2 * size
        return len(queries)

    # With one mail each there is no yardstick to look for yet.
    assert count(1) <= count(10) == count(200) <= 14


class TestSweep:
    def test_what_grows_too_old_no_longer_applies(self, alice: User, in_acme: Company, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        follow_ups.sweep()
        assert outcomes() == [("theirs", "open")]
        with time_machine.travel(MONDAY + follow_ups.OLDEST + HOUR):
            follow_ups.sweep()
        assert outcomes() == [("theirs", "void")]

    def test_it_looks_at_every_company_by_itself(
        self, alice: User, charlie: User, in_acme: Company, jane: Person
    ) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], to=[jane]))
        User.objects.filter(pk=alice.pk).update(is_active=False)
        assert charlie.company_id is not None
        with tenancy.within(charlie.company_id):
            stranger = contact(charlie.company, "Jane")  # type: ignore[arg-type]
            arrive(charlie, letter("t", MONDAY, of=[charlie], to=[stranger]))
        follow_ups.sweep()
        assert FollowUp.unscoped.get(user=charlie).outcome == "open"
        assert FollowUp.unscoped.get(user=alice).outcome == "void"


class TestWhatTheUserDoes:
    @pytest.fixture
    def owed(self, alice: User, jane: Person) -> FollowUp:
        arrive(alice, letter("t", MONDAY, of=[alice], by=jane))
        return FollowUp.objects.select_related("user", "person").get()

    def test_a_snooze_ends_when_that_day_begins_there(self, owed: FollowUp) -> None:
        User.objects.filter(pk=owed.user_id).update(time_zone="America/New_York")
        owed = FollowUp.objects.select_related("user").get()
        follow_ups.snooze(owed, date(2026, 3, 9))
        owed.refresh_from_db()
        assert owed.snoozed_until == datetime(2026, 3, 9, 4, tzinfo=UTC)
        follow_ups.wake(owed)
        owed.refresh_from_db()
        assert owed.snoozed_until is None

    def test_dismissed_is_for_ever_unless_taken_back(self, owed: FollowUp, in_acme: Company) -> None:
        follow_ups.dismiss(owed)
        follow_ups.review(in_acme.pk, ["t"])
        assert outcomes() == [("ours", "dismissed")]
        follow_ups.reopen(owed)
        owed.refresh_from_db()
        assert (owed.outcome, owed.closed_at) == ("open", None)

    def test_what_was_answered_cannot_be_dismissed_or_taken_back(self, owed: FollowUp) -> None:
        FollowUp.objects.update(outcome="answered", closed_at=NOW)
        follow_ups.dismiss(owed)
        follow_ups.reopen(owed)
        assert outcomes() == [("ours", "answered")]

    def test_a_task_is_made_once_tells_no_subject_and_is_done_by_the_answer(
        self, owed: FollowUp, alice: User, jane: Person
    ) -> None:
        task = follow_ups.make_task(owed, date(2026, 3, 24))
        assert follow_ups.make_task(owed, date(2026, 3, 25)) == task
        row = Task.objects.get()
        assert (row.title, row.person, row.assignee, row.due_on) == ("Answer Jane", jane, alice, date(2026, 3, 24))
        assert "Fund III" not in f"{row.title} {row.description}"
        owed.refresh_from_db()
        assert owed.task == row
        arrive(alice, letter("t", MONDAY + DAY, of=[alice], to=[jane]))
        row.refresh_from_db()
        assert row.done_at == NOW


class TestDeletion:
    def test_rows_go_with_contact_user_and_company(
        self, alice: User, bob: User, in_acme: Company, jane: Person
    ) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice, bob], by=jane))
        bob.delete()
        assert FollowUp.objects.get().user == alice
        jane.delete()
        assert FollowUp.objects.count() == 0
        follow_ups.review(in_acme.pk, ["t"])
        assert FollowUp.objects.count() == 0, "nobody known is left in it"
        in_acme.delete()
        assert Touchpoint.unscoped.count() == FollowUp.unscoped.count() == 0

    def test_a_task_may_go(self, alice: User, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], by=jane))
        follow_ups.make_task(FollowUp.objects.select_related("person").get(), date(2026, 3, 24)).delete()
        assert FollowUp.objects.get().task is None


STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(1, 3 * 24)), min_size=1, max_size=8)
"""Who writes (a colleague or a contact), which of the colleagues it concerns, hours since the last one."""


@given(STEPS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_conversation_in_any_order_of_reading_ends_alike(
    alice: User, bob: User, in_acme: Company, jane: Person, steps: list[tuple[bool, int, int]], chance: random.Random
) -> None:
    FollowUp.objects.all().delete()
    Touchpoint.objects.all().delete()
    at, mails = NOW - 29 * DAY, []
    for is_outgoing, whose, hours in steps:
        at += hours * HOUR
        users = [[alice], [bob], [alice, bob]][whose]
        mails.append(letter("t", at, of=users, to=[jane]) if is_outgoing else letter("t", at, of=users, by=jane))
    shuffled = list(mails)
    chance.shuffle(shuffled)
    for mail in shuffled:
        arrive(alice, mail)
    still_open = FollowUp.objects.filter(outcome="open")
    newest = mails[-1]
    assert {row.side for row in still_open} == {"theirs" if newest.is_outgoing else "ours"}
    assert {row.user_id for row in still_open} >= newest.users
    for user in (alice, bob):
        assert still_open.filter(user=user).count() <= 1
    for row in FollowUp.objects.filter(outcome="answered"):
        assert row.closed_at > row.since_at
    before = list(FollowUp.objects.order_by("pk").values())
    follow_ups.review(in_acme.pk, ["t"])
    assert list(FollowUp.objects.order_by("pk").values()) == before
