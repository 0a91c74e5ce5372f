"""A CRM with so many records that it gives up what it is asked, over real HTTP."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from crm.salesforce import calls, reading
from integrations import outbound
from integrations.errors import MissingScope, Temporary
from tests.crm.worlds import World, opened


@pytest.fixture
def salesforce() -> Iterator[World]:
    with opened("salesforce") as world:
        yield world


def crowd(world: World, *counts: int) -> set[str]:
    """So many people, the last of them saved now, those before six hours ago, and so on."""
    for place, count in enumerate(reversed(counts)):
        world.desk.order("bulk_records", object="Contact", count=count, per_second=1, seconds_ago=place * 21_600)
    return {one["Id"] for one in world.desk.shown("Contact")}


def cursor_of(**ago: float) -> str:
    """Where reading stopped so long ago."""
    now = datetime.now(UTC)
    return str(reading.Cursor(now - timedelta(**ago), now))


@pytest.mark.parametrize("at_once", [False, True])
def test_changes_of_too_long_a_time_come_in_shorter_ones(salesforce: World, at_once: bool) -> None:
    people = crowd(salesforce, *[30] * 10)
    salesforce.desk.order("queries", scanned=100, at_once=at_once)
    salesforce.forget_calls()
    wanted, cursor = salesforce.wanted("person", "last"), cursor_of(days=3)
    found, later = salesforce.everything(replace(wanted, cursor=cursor))
    assert sorted(one.external_id for one in found) == sorted(people)
    assert salesforce.calls()["queryAll"] < 30
    assert reading.Cursor.parse(later).since > datetime.now(UTC) - timedelta(minutes=6)
    assert salesforce.everything(replace(wanted, cursor=later))[1]


def test_a_first_load_comes_in_smaller_pages_where_large_ones_take_too_long(salesforce: World) -> None:
    people = crowd(salesforce, 300)
    salesforce.desk.order("queries", scanned=100)
    wanted = replace(salesforce.wanted("person", "last"), is_prompt=True)
    salesforce.forget_calls()
    found, cursor = salesforce.everything(wanted, is_first=True)
    assert [one.external_id for one in found] == sorted(people)
    assert reading.Cursor.parse(cursor)
    assert salesforce.calls()["query"] < 20


def test_what_cannot_even_be_counted_is_loaded_by_a_bulk_job(salesforce: World) -> None:
    people = crowd(salesforce, 300)
    salesforce.desk.order("queries", scanned=100)
    salesforce.forget_calls()
    found, _ = salesforce.everything(salesforce.wanted("person", "last"), is_first=True)
    assert {one.external_id for one in found} == people
    assert salesforce.calls()["jobs.create"] == 1


@pytest.mark.parametrize(
    ("at_once", "error", "words"),
    [(False, Temporary, "takes this Salesforce organization too long"), (True, MissingScope, "“View All Data”")],
)
def test_what_is_too_much_in_five_minutes_says_so(
    salesforce: World, at_once: bool, error: type[Exception], words: str
) -> None:
    wanted, cursor = salesforce.wanted("person", "last"), cursor_of(hours=1)
    crowd(salesforce, 50)
    salesforce.desk.order("queries", scanned=10, at_once=at_once)
    with pytest.raises(error, match=words):
        salesforce.everything(replace(wanted, cursor=cursor))


def test_what_is_too_large_to_look_for_is_not_taken_for_missing(
    salesforce: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    salesforce.desk.add_key("Activity")
    task = salesforce.change("task", subject="Call")
    monkeypatch.setattr(calls, "raw", Mock(side_effect=calls.TooLarge("too large")))
    with pytest.raises(Temporary, match="too large"):
        salesforce.adapter.recover(salesforce.link, "Task", [task])


def test_who_answers_too_late_is_asked_about_less(salesforce: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "READ_SECONDS", 0.2)
    salesforce.spoil("queryAll", "slow", seconds=1)
    page = reading.changes(salesforce.link, salesforce.wanted("person", cursor=cursor_of(days=1)))
    assert (page.records, page.next_cursor) == ((), "")
    assert json.loads(page.next_page)["seconds"] == 86_400 // 4
