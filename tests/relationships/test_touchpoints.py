import dataclasses
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from relationships import blocking, tenancy, touchpoints
from relationships.models import BlockRule, Company, Note, Organization, Person, Touchpoint, User

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOTHING: frozenset[uuid.UUID] = frozenset()


def meeting(key: str, **changes: Any) -> touchpoints.Meeting:
    whole = touchpoints.Meeting(
        unique_key=key,
        title=f"Meeting {key}",
        starts_at=START,
        ends_at=START + timedelta(hours=1),
        all_day_on=None,
        location="Room 1",
        join_url="https://meet.example/abc",
        people=NOTHING,
        organizations=NOTHING,
        users=NOTHING,
        guests=({"email": "jane@alder.example", "name": "Jane", "response": "accepted"},),
        origin="event:1",
    )
    return dataclasses.replace(whole, **changes)


@pytest.fixture
def crowd(in_acme: Company) -> list[Person]:
    return Person.objects.bulk_create(Person(company=in_acme, display_name=f"P{number}") for number in range(6))


def test_a_meeting_becomes_one_touchpoint_with_everybody(in_acme: Company, alice: User, crowd: list[Person]) -> None:
    alder = Organization.objects.create(company=in_acme, name="Alder")
    given = meeting(
        "a",
        people=frozenset({crowd[0].pk, crowd[1].pk}),
        organizations=frozenset({alder.pk}),
        users=frozenset({alice.pk}),
        all_day_on=date(2026, 3, 2),
    )
    ids = touchpoints.record_meetings([given])
    row = Touchpoint.objects.get()
    assert ids == {"a": row.pk}
    assert (row.title, row.kind, row.occurred_at, row.all_day_on) == ("Meeting a", "meeting", START, date(2026, 3, 2))
    assert row.guests == [{"email": "jane@alder.example", "name": "Jane", "response": "accepted"}]
    assert set(row.people.all()) == {crowd[0], crowd[1]}
    assert list(row.organizations.all()) == [alder]
    assert list(row.users.all()) == [alice]


def test_recording_again_makes_row_and_sets_equal_to_the_new_view(in_acme: Company, crowd: list[Person]) -> None:
    first = touchpoints.record_meetings([meeting("a", people=frozenset({crowd[0].pk, crowd[1].pk}))])
    moved = meeting(
        "a", people=frozenset({crowd[1].pk, crowd[2].pk}), starts_at=START + timedelta(days=1), ends_at=None
    )
    assert touchpoints.record_meetings([moved]) == first
    row = Touchpoint.objects.get()
    assert (row.occurred_at, row.ended_at) == (START + timedelta(days=1), None)
    assert set(row.people.all()) == {crowd[1], crowd[2]}


def test_what_did_not_change_is_not_written(in_acme: Company, crowd: list[Person]) -> None:
    given = [meeting(str(number), people=frozenset({crowd[0].pk})) for number in range(5)]
    touchpoints.record_meetings(given)
    with CaptureQueriesContext(connection) as queries:
        touchpoints.record_meetings(given)
    assert len(queries) == 2
    assert all(query["sql"].lstrip("(").startswith("SELECT") for query in queries)


def test_somebody_more_is_news_of_a_meeting(in_acme: Company, crowd: list[Person]) -> None:
    touchpoints.record_meetings([meeting("a", people=frozenset({crowd[0].pk})), meeting("b")])
    past = START - timedelta(days=1)
    Touchpoint.objects.update(updated_at=past)
    touchpoints.record_meetings([meeting("a", people=frozenset({crowd[0].pk, crowd[1].pk})), meeting("b")])
    stamps = dict(Touchpoint.objects.values_list("unique_key", "updated_at"))
    assert stamps["a"] > past
    assert stamps["b"] == past


def test_the_same_number_of_queries_for_any_number_of_meetings(in_acme: Company, crowd: list[Person]) -> None:
    def count(size: int, step: int) -> int:
        everybody = frozenset(person.pk for person in crowd[step : step + 3])
        given = [meeting(f"{size}-{number}", people=everybody, title=f"Step {step}") for number in range(size)]
        with CaptureQueriesContext(connection) as queries:
            touchpoints.record_meetings(given)
        return len(queries)

    assert count(2, 0) == count(300, 0) == 3
    assert count(2, 1) == count(300, 1) == 6


def test_recording_nothing_asks_nothing(in_acme: Company) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert touchpoints.record_meetings([]) == {}
    assert [query["sql"] for query in queries if "relationships" in query["sql"]] == []


def test_a_cancelled_meeting_keeps_its_notes_and_comes_back(in_acme: Company, alice: User) -> None:
    ids = touchpoints.record_meetings([meeting("a"), meeting("b")])
    Note.objects.create(company=in_acme, touchpoint_id=ids["a"], author=alice, text="Went well")
    assert touchpoints.record_meetings([], gone=["a", "unknown"]) == {}
    row = Touchpoint.objects.get(pk=ids["a"])
    assert row.cancelled_at is not None
    touchpoints.record_meetings([], gone=["a"])
    assert Touchpoint.objects.get(pk=ids["a"]).cancelled_at == row.cancelled_at
    assert Touchpoint.objects.get(pk=ids["b"]).cancelled_at is None
    assert row.notes.count() == 1
    touchpoints.record_meetings([meeting("a")])
    row.refresh_from_db()
    assert row.cancelled_at is None


def test_a_sender_who_ends_a_meeting_before_it_starts_or_writes_novels_does_not_stop_the_page(in_acme: Company) -> None:
    odd = meeting("a", ends_at=START - timedelta(hours=1), title="t" * 900, location="l" * 900, join_url="h" * 2000)
    touchpoints.record_meetings([odd, meeting("b")])
    row = Touchpoint.objects.get(unique_key="a")
    assert (row.ended_at, len(row.title), len(row.location), row.join_url) == (START, 500, 500, "")


def test_one_key_twice_makes_one_row(in_acme: Company) -> None:
    touchpoints.record_meetings([meeting("a"), meeting("a", title="Later")])
    assert Touchpoint.objects.get().title == "Later"


def test_one_event_in_two_companies_is_two_touchpoints(acme: Company, zenith: Company) -> None:
    for company in (acme, zenith):
        with tenancy.within(company.pk):
            touchpoints.record_meetings([meeting("a")])
    with tenancy.within(zenith.pk):
        touchpoints.record_meetings([], gone=["a"])
    assert Touchpoint.unscoped.filter(cancelled_at=None).get().company == acme


def test_another_workers_row_that_came_first_is_the_one_returned(
    in_acme: Company, crowd: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker's insert falls between our reading and our writing."""
    theirs = Touchpoint.objects.create(
        company=in_acme, kind="meeting", unique_key="a", title="Old", occurred_at=START, origin="theirs"
    )
    theirs.people.add(crowd[0])
    monkeypatch.setattr(touchpoints, "_stored", lambda keys, names: {})
    assert touchpoints.record_meetings([meeting("a", people=frozenset({crowd[1].pk}))]) == {"a": theirs.pk}
    row = Touchpoint.objects.get()
    assert (row.title, row.origin, list(row.people.all())) == ("Meeting a", "theirs", [crowd[1]])


@pytest.mark.parametrize(
    ("email", "blocked_for_alice", "blocked_for_bob"),
    [
        ("Jane.Doe+x@gmail.com", True, True),
        ("anyone@secret.example", True, False),
        ("anyone@ir.secret.example", True, False),
        ("anyone@notsecret.example", False, False),
        ("no address", False, False),
    ],
)
def test_block_rules(
    in_acme: Company, alice: User, bob: User, email: str, blocked_for_alice: bool, blocked_for_bob: bool
) -> None:
    BlockRule.objects.create(company=in_acme, kind="address", value="janedoe@gmail.com")
    BlockRule.objects.create(company=in_acme, user=alice, kind="domain", value="secret.example")
    with CaptureQueriesContext(connection) as queries:
        rules = blocking.find_rules([alice.pk, bob.pk])
    assert len(queries) == 1
    assert rules.blocks(email, alice.pk) is blocked_for_alice
    assert rules.blocks(email, bob.pk) is blocked_for_bob


def test_the_stronger_of_several_block_rules_counts(in_acme: Company, alice: User, bob: User) -> None:
    BlockRule.objects.create(company=in_acme, kind="domain", value="alder.example", strength="hide")
    BlockRule.objects.create(company=in_acme, user=alice, kind="address", value="jane@ir.alder.example")
    rules = blocking.find_rules([alice.pk, bob.pk])
    assert rules.strength("jane@ir.alder.example", alice.pk) == "never"
    assert rules.strength("jane@ir.alder.example", bob.pk) == "hide"
    assert rules.strength("john@alder.example", alice.pk) == "hide"
    assert rules.strength("john@birch.example", alice.pk) == ""


def test_another_companys_block_rules_do_not_count(in_acme: Company, alice: User, zenith: Company) -> None:
    BlockRule.unscoped.create(company=zenith, kind="domain", value="alder.example")
    assert not blocking.find_rules([alice.pk]).blocks("jane@alder.example", alice.pk)


@pytest.mark.django_db(transaction=True)
def test_workers_that_record_the_same_meetings_at_once_make_each_once() -> None:
    """Both see the whole page, in different order, with the barrier between their first reads."""
    company = Company.objects.create(name="Acme")
    people = Person.unscoped.bulk_create(Person(company=company, display_name=f"P{number}") for number in range(3))
    everybody = frozenset(person.pk for person in people)
    given = [meeting(str(number), people=everybody) for number in range(40)]
    barrier = threading.Barrier(4)

    def work(order: int) -> dict[str, uuid.UUID]:
        try:
            barrier.wait(timeout=20)
            with tenancy.within(company.pk):
                return touchpoints.record_meetings(given[::order])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        told = list(workers.map(work, (1, -1, 1, -1)))
    assert told[0] == told[1] == told[2] == told[3]
    assert Touchpoint.unscoped.count() == 40
    assert Touchpoint.people.through._default_manager.count() == 120
