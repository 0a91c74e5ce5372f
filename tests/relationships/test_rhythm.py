"""How fast people answer each other: of how much mail it is worked out, and how much of it is held at once."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relationships import rhythm, touchpoints, workdays
from relationships.models import Company, Person, PersonAddress, Touchpoint, User
from relationships.rhythm import OURS, THEIRS, Pair
from tests.relationships.letters import address_of, counted, letter

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ZONE = ZoneInfo("UTC")


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


def questions(
    user: User, person: Person, hours: Sequence[int], *, last: datetime = MONDAY, name: str = ""
) -> list[touchpoints.Mail]:
    """One question on each of the Mondays up to ``last``, and its answer by the person after so many hours."""
    mails = []
    for number, each in enumerate(hours):
        at = last - (len(hours) - 1 - number) * 7 * DAY
        thread = f"{person.display_name}{name}{number}"
        mails += [letter(thread, at, of=[user], to=[person])]
        mails += [letter(thread, at + each * HOUR, of=[user], by=person, asked=[])]
    return mails


def usual(*pairs: Pair) -> dict[Pair, Decimal]:
    return rhythm.usual(pairs, {user: ZONE for _, user, _ in pairs})


def test_the_newest_mails_decide(alice: User, jane: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    touchpoints.record_mails(questions(alice, jane, [96] * 12 + [24] * 5))
    pair = (THEIRS, alice.pk, jane.pk)
    assert usual(pair) == {pair: Decimal("4.0")}
    monkeypatch.setattr(rhythm, "MAILS_EACH", 10)
    assert usual(pair) == {pair: Decimal("1.0")}


def test_what_is_older_than_a_year_does_not_count(alice: User, jane: Person) -> None:
    last_year = MONDAY - 53 * 7 * DAY
    touchpoints.record_mails(questions(alice, jane, [24] * 5, last=last_year, name="old"))
    assert usual((THEIRS, alice.pk, jane.pk)) == {}


def test_of_much_mail_with_one_contact_little_is_read(
    alice: User, jane: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rhythm, "MAILS_EACH", 10)
    read, pair = counted(monkeypatch), (THEIRS, alice.pk, jane.pk)
    touchpoints.record_mails(questions(alice, jane, [24] * 5))
    with CaptureQueriesContext(connection) as few:
        assert usual(pair) == {pair: Decimal("1.0")}
    touchpoints.record_mails(questions(alice, jane, [48] * 40, last=MONDAY - 40 * DAY, name="more"))
    with CaptureQueriesContext(connection) as many:
        assert usual(pair) == {pair: Decimal("1.0")}
    assert read == [10, 10]
    assert len(few) == len(many) <= 6


def test_of_mail_with_many_contacts_little_is_held_at_once(
    alice: User, in_acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [contact(in_acme, f"Partner{number}") for number in range(12)]
    for number, person in enumerate(people):
        touchpoints.record_mails(questions(alice, person, [24 * (1 + number % 4)] * 4))
    pairs: list[Pair] = [(THEIRS, alice.pk, person.pk) for person in people]
    at_once = usual(*pairs)
    assert [at_once[pair] for pair in pairs] == [1 + number % 4 for number in range(12)]
    monkeypatch.setattr(rhythm, "LETTERS_AT_ONCE", 20)
    read = counted(monkeypatch)
    assert usual(*pairs) == at_once
    assert read == [16] * 6


def test_who_wrote_too_little_is_not_read_at_all(alice: User, jane: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    read = counted(monkeypatch)
    touchpoints.record_mails(questions(alice, jane, [24] * 2))
    with CaptureQueriesContext(connection) as queries:
        assert usual((THEIRS, alice.pk, jane.pk)) == {}
    assert (read, len(queries)) == ([], 1)


def test_only_the_contacts_own_mail_is_looked_through(alice: User, jane: Person) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by size; on a small table it reads the table.")
    with CaptureQueriesContext(connection) as queries:
        usual((THEIRS, alice.pk, jane.pk))
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        looks = [row[3] for row in cursor.fetchall() if "relationships_" in row[3]]
    people, *others = looks
    assert "relationships_touchpoint_people_person_id" in people, looks
    assert all("(id=?)" in look or "(touchpoint_id=?" in look for look in others), looks


def test_nobody_is_asked_for_without_a_query(in_acme: Company) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert usual() == {}
    assert len(queries) == 0


MAILS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.booleans(),
        st.sampled_from(["alice", "bob", "both"]),
        st.sampled_from(["jane", "john", "jane, john in copy"]),
        st.integers(1, 40),
    ),
    min_size=6,
    max_size=40,
)
"""The conversation, whether a colleague wrote it, the users and the contacts in it, hours since the last one."""


@given(MAILS, st.integers(6, 12), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mail_in_groups_of_any_size_gives_what_a_plain_look_at_each_pair_gives(
    alice: User,
    bob: User,
    in_acme: Company,
    jane: Person,
    john: Person,
    steps: list[tuple[int, bool, str, str, int]],
    size: int,
    chance: random.Random,
) -> None:
    Touchpoint.objects.all().delete()
    users = {"alice": [alice], "bob": [bob], "both": [alice, bob]}
    people = {"jane": [jane], "john": [john], "jane, john in copy": [jane, john]}
    mails, at = [], NOW - 300 * DAY
    for thread, is_outgoing, who, whom, hours in steps:
        at += hours * HOUR
        first, *copied = people[whom]
        to, by = ([first], None) if is_outgoing else ([], first)
        mails.append(letter(f"t{thread}", at, of=users[who], to=to, by=by, cc=copied))
    touchpoints.record_mails(chance.sample(mails, len(mails)))
    pairs = [(side, user.pk, person.pk) for side in (OURS, THEIRS) for user in (alice, bob) for person in (jane, john)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rhythm, "MAILS_EACH", size)
        patched.setattr(rhythm, "LETTERS_AT_ONCE", size)
        expected = {pair: days for pair in pairs if (days := plainly(mails, pair, size)) is not None}
        assert usual(*pairs) == expected
        patched.setattr(rhythm, "LETTERS_AT_ONCE", 2_000)
        assert usual(*pairs) == expected
        assert {pair: days for each in pairs for pair, days in usual(each).items()} == expected


def plainly(mails: Sequence[touchpoints.Mail], pair: Pair, newest: int) -> Decimal | None:
    """The yardstick of one pair as the documentation tells it."""
    side, user, person = pair
    address = address_of(Person.objects.get(pk=person))
    between = [mail for mail in mails if user in mail.users and person in mail.people][-newest:]
    threads: dict[str, list[touchpoints.Mail]] = defaultdict(list)
    for mail in between:
        threads[mail.thread_key].append(mail)
    taken = []
    for thread in threads.values():
        asked: touchpoints.Mail | None = None
        for mail in thread:
            is_with_person = mail.guests[0]["email"] == address
            if mail.is_outgoing == (side == OURS):
                if asked and (side == OURS or is_with_person):
                    taken.append(workdays.between(asked.sent_at, mail.sent_at, ZONE))
                asked = None
            elif is_with_person:
                asked = mail
    return Decimal(f"{median(taken):.1f}") if len(taken) >= rhythm.ANSWERS_NEEDED else None
