"""The page that answers why a meeting is here, or not: the member's own events with their verdicts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from relationships.models import Person, User
from tests.integrations.calendar.scene import ALICE, BOB, LP, all_day, at, meeting
from tests.integrations.conftest import Google, Link

pytestmark = pytest.mark.django_db
PAGE = "/settings/integrations/events/"


@pytest.fixture
def read(google: Google, link: Link, alice: User, bob: User, lena: Person) -> None:
    today = datetime.now(UTC).date()
    google.put(
        ALICE,
        meeting("early", at(-3), ALICE, LP),
        all_day("days", today - timedelta(days=2), 1, ALICE, LP),
        meeting("late", at(-1), ALICE, "who@nobody.example"),
    )
    google.put(BOB, meeting("bobs", at(1), BOB, LP))
    link(alice)
    link(bob)


@pytest.mark.usefixtures("read")
def test_own_events_stand_newest_first_all_day_ones_among_them(as_alice: Client) -> None:
    answer = as_alice.get(PAGE)

    assert [event.external_id for event, _ in answer.context["rows"]] == ["late", "days", "early"]
    assert [touchpoint is not None for _, touchpoint in answer.context["rows"]] == [False, True, True]


@pytest.mark.usefixtures("read")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?verdict=meeting", ["days", "early"]),
        ("?q=nobody", ["late"]),
        ("?q=EARLY", ["early"]),
        ("?verdict=nonsense", ["late", "days", "early"]),
    ],
)
def test_events_are_found_by_words_and_verdict(as_alice: Client, query: str, expected: list[str]) -> None:
    answer = as_alice.get(PAGE + query)

    assert answer.status_code == 200
    assert [event.external_id for event, _ in answer.context["rows"]] == expected
