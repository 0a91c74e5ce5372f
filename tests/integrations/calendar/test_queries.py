"""A page costs a constant number of queries, whatever its size and however much of it changed."""

import re
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.calendar import google as adapter
from integrations.calendar import sync as calendar_sync
from integrations.calendar.models import CalendarEvent
from integrations.models import SyncState
from relationships.models import User
from tests.integrations.calendar.scene import ALICE, LP, RunJobs, at, last_run, meeting, sync
from tests.integrations.conftest import Google, Link, state_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]

MOST_PER_PAGE = {"first": 14, "all changed": 13, "a third changed": 13, "cancelled": 9}
"""One for each table read or written: what we hold of the page, contacts and firms, events, guests, the company's lock,
all copies of the meetings, touchpoints twice, their links, the round's list, cursor and counts."""


class Page:
    """The statements of every page stored, by what they do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[Counter[str]] = []
        original = calendar_sync._store

        def counted(*args: object) -> None:
            with CaptureQueriesContext(connection) as captured:
                original(*args)  # type: ignore[arg-type]
            counts = Counter(kind(query["sql"]) for query in captured.captured_queries)
            # The page's own transaction is a savepoint of the test's.
            self.statements.append(
                Counter({name: n for name, n in counts.items() if name not in {"SAVEPOINT", "RELEASE"}})
            )

        monkeypatch.setattr(calendar_sync, "_store", counted)

    def take(self) -> list[Counter[str]]:
        """What was counted since the last call."""
        taken, self.statements = self.statements, []
        return taken


def kind(sql: str) -> str:
    """ "INSERT calendar_calendarevent" for a statement's text."""
    table = re.search(r'(?:FROM|INTO|UPDATE) "(\w+)"', sql)
    return f"{sql.split()[0]} {table[1] if table else ''}".strip()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(monkeypatch)


def many(count: int, title: str = "Meeting", every: int = 1) -> list[dict[str, object]]:
    return [
        meeting(f"event{number:04}", at(1 + number % 50), ALICE, LP, f"g{number}@oak.example", summary=title)
        for number in range(0, count, every)
    ]


@pytest.mark.parametrize("what", ["first", "all changed", "a third changed", "cancelled"])
def test_the_number_does_not_depend_on_the_pages_size(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, page: Page, what: str
) -> None:
    google.put(ALICE, *many(10))
    state = state_of(link(alice))
    first_small = page.take()
    small = measured(google, state, run_jobs, page, 10, what)
    google.put(ALICE, *many(500)[10:])
    sync(state, run_jobs)
    first_big = page.take()
    big = measured(google, state, run_jobs, page, 500, what)

    if what == "first":
        small, big = first_small, first_big
        small[0].pop("INSERT integrations_roundpage")
    assert len(small) == len(big) == 1
    assert small[0].total() >= big[0].total() - 1
    assert big[0].total() <= MOST_PER_PAGE[what], big


def measured(
    google: Google, state: SyncState, run_jobs: RunJobs, page: Page, count: int, what: str
) -> list[Counter[str]]:
    page.take()
    if what == "all changed":
        google.put(ALICE, *many(count, "Changed"))
    elif what == "a third changed":
        google.put(ALICE, *many(count, "Changed", every=3))
    elif what == "cancelled":
        google.cancel(ALICE, *[str(event["id"]) for event in many(count)])
    sync(state, run_jobs)
    return page.take()


def test_an_unchanged_full_round_writes_no_event(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, *many(40))
    state = state_of(link(alice))
    before = list(CalendarEvent.unscoped.order_by("pk").values_list("pk", "updated_at", "etag"))
    google.post("google/expire_sync_tokens")
    monkeypatch.setattr(adapter, "PAGE_SIZE", 10)
    page.take()

    run = sync(state, run_jobs)

    assert (run.kind, run.found, run.changed, run.deleted) == ("full", 40, 0, 0)
    assert list(CalendarEvent.unscoped.order_by("pk").values_list("pk", "updated_at", "etag")) == before
    counted = page.take()
    assert len(counted) == 4
    for statements in counted:
        assert not {name for name in statements if "touchpoint" in name or "eventguest" in name}, statements
        assert statements.total() == 4
    assert last_run(state).pages == 4
