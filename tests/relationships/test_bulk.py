"""One statement for any number of rows, on both databases, with any text."""

import uuid
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from integrations.calendar.models import CalendarEvent
from integrations.models import Integration, RoundPage, SetAside, SyncState
from relationships import bulk
from relationships.models import Company, Touchpoint, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def state(acme: Company) -> SyncState:
    return made_state(acme)


def made_state(company: Company) -> SyncState:
    integration = Integration.unscoped.create(
        company=company, provider="google", integration_type="calendar", encrypted_tokens=b"", external_account_id="1"
    )
    return SyncState.unscoped.create(
        company=company, integration=integration, resource_type="calendar", external_id="a"
    )


def row(state: SyncState, external_id: str, **more: Any) -> dict[str, Any]:
    fields = {"company": state.company_id, "state": state.pk, "external_id": external_id, "etag": "1", "title": "T"}
    return fields | {"starts_at": datetime(2027, 1, 1, 9, 30, tzinfo=UTC), "starts_on": None} | more


def write(rows: list[dict[str, Any]], **more: Any) -> list[tuple[Any, ...]]:
    return bulk.upsert(CalendarEvent, rows, unique=["state", "external_id"], returning=["id", "external_id"], **more)


def test_every_kind_of_column_comes_back_as_it_was(state: SyncState) -> None:
    when, day = datetime(2027, 3, 28, 1, 59, 59, tzinfo=UTC), date(2028, 2, 29)
    write(
        [
            row(state, "timed", starts_at=when, is_cancelled=True, remote_updated_at=None, location="ß – 東京"),
            row(state, "day", starts_at=None, starts_on=day, is_cancelled=False, remote_updated_at=when, location=""),
        ]
    )

    timed, all_day = (CalendarEvent.unscoped.get(external_id=name) for name in ("timed", "day"))
    assert (timed.starts_at, timed.starts_on, timed.is_cancelled, timed.location) == (when, None, True, "ß – 東京")
    assert (all_day.starts_at, all_day.starts_on, all_day.remote_updated_at) == (None, day, when)
    assert isinstance(timed.pk, uuid.UUID)
    # What no row names has its default.
    assert (timed.verdict, timed.visibility) == ("pending", "default")


def test_an_existing_row_keeps_its_id_and_what_is_not_named(state: SyncState) -> None:
    [(pk, _)] = write([row(state, "one")])
    CalendarEvent.unscoped.filter(pk=pk).update(location="Harbour")

    [(again, name)] = write([row(state, "one", title="New")])

    event = CalendarEvent.unscoped.get(pk=pk)
    assert (again, name) == (pk, "one")
    assert (event.title, event.location) == ("New", "Harbour")


def test_what_is_written_once_stays_as_it_was_first(state: SyncState) -> None:
    [(pk, _)] = write([row(state, "one", location="Harbour")])

    write([row(state, "one", title="New", location="Hill")], once=["location"])

    event = CalendarEvent.unscoped.get(pk=pk)
    assert (event.title, event.location) == ("New", "Harbour")


def test_rows_that_are_only_their_key_are_made_once(acme: Company, alice: User) -> None:
    touchpoint = Touchpoint.unscoped.create(
        company=acme, kind="meeting", unique_key="a", occurred_at=datetime(2027, 1, 1, tzinfo=UTC)
    )
    links = [{"touchpoint": touchpoint.pk, "user": alice.pk}]
    for _ in range(2):
        bulk.upsert(Touchpoint.users.through, links, unique=["touchpoint", "user"])
    assert list(touchpoint.users.all()) == [alice]


def test_a_list_of_any_length_is_one_parameter(state: SyncState) -> None:
    names = [f"event{number} '\"é" for number in range(2500)]
    ids = [pk for pk, _ in write([row(state, name) for name in names])]
    for field, values in (("external_id", names), ("id", ids), ("state", [state.pk])):
        with CaptureQueriesContext(connection) as captured:
            rows = CalendarEvent.unscoped.filter(**{f"{field}__among": values})
            assert rows.count() == 2500
        assert len(captured) == 1
    assert not CalendarEvent.unscoped.filter(pk__among=[]).exists()


def test_of_two_rows_with_one_key_the_last_counts(state: SyncState) -> None:
    assert len(write([row(state, "one", title="first"), row(state, "one", title="last")])) == 1
    assert CalendarEvent.unscoped.get().title == "last"


@pytest.mark.parametrize("count", [1, 7, 2500])
def test_any_number_of_rows_is_one_statement(state: SyncState, count: int) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert len(write([row(state, f"event{number}") for number in range(count)])) == count
    assert len(captured) == 1
    assert write([]) == []


def test_lists_of_ids_say_what_is_missing(acme: Company, state: SyncState) -> None:
    write([row(state, name) for name in ("a", "b", "c", "d'\"\\", "é")])
    round_id, other = uuid.uuid4(), uuid.uuid4()
    for ids, belongs_to in ((["a", "d'\"\\"], round_id), (["é"], round_id), (["b"], other), ([], round_id)):
        RoundPage.unscoped.create(company=acme, state=state, round_id=belongs_to, external_ids=ids)
    pages = RoundPage.unscoped.filter(state=state, round_id=round_id)

    missing = bulk.not_listed(CalendarEvent.unscoped.all(), "external_id", pages, "external_ids")

    assert set(missing.values_list("external_id", flat=True)) == {"b", "c"}
    nothing = RoundPage.unscoped.filter(round_id=uuid.uuid4())
    assert bulk.not_listed(CalendarEvent.unscoped.all(), "external_id", nothing, "external_ids").count() == 5


# What every database can store: the adapters take out NUL and lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)


class AnyText(TestCase):
    @given(texts=st.lists(TEXT, min_size=1, max_size=8))
    @settings(deadline=None, max_examples=60)
    def test_any_text_comes_back_as_it_was(self, texts: list[str]) -> None:
        state = made_state(Company.objects.create(name="Acme"))
        rows = [
            {"company": state.company_id, "state": state.pk, "external_id": f"{number}", "reason": text}
            for number, text in enumerate(texts)
        ]

        bulk.upsert(SetAside, rows, unique=["state", "external_id"])

        assert dict(SetAside.unscoped.values_list("external_id", "reason")) == {
            f"{number}": text for number, text in enumerate(texts)
        }


def test_within_a_sync_no_statement_keeps_an_old_plan(db: None) -> None:
    def names() -> list[str]:
        with connection.cursor() as cursor:
            for _ in range(5):
                cursor.execute("SELECT %s::text", ["planned"])
            cursor.execute("SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::text%'")
            return [name for (name,) in cursor.fetchall()]

    if connection.vendor == "postgresql":
        with bulk.planned_anew():
            assert names() == []
        assert len(names()) == 1
    else:
        with bulk.planned_anew():
            assert Company.objects.count() == 0
