"""Who owes whom, as members see it and what they do about it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from relationships import owed, touchpoints
from relationships.models import Company, FollowUp, Person, PersonAddress, Task, Touchpoint, User
from tests.relationships.letters import arrive, letter

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)  # a Friday
MONDAY = datetime(2026, 3, 16, 9, tzinfo=UTC)
DAY = timedelta(days=1)
PAGE = "/follow-ups/"


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def jane(in_acme: Company) -> Person:
    person = Person.objects.create(company=in_acme, display_name="Jane Alder")
    PersonAddress.objects.create(company=in_acme, person=person, email="jane@alder.example", is_primary=True)
    return person


@pytest.fixture
def debt(alice: User, jane: Person) -> FollowUp:
    """Jane wrote to Alice on Monday."""
    arrive(alice, letter("t", MONDAY, of=[alice], by=jane, subject="Terms"))
    return FollowUp.objects.get()


def act(client: Client, row: FollowUp, do: str, **data: str) -> str:
    address = reverse("relationships:follow_up", args=[row.pk])
    return client.post(address, {"do": do, **data}, follow=True).content.decode()


def words(client: Client, address: str = PAGE) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_it_teaches_where_nobody_waits(as_alice: Client) -> None:
    assert "Nobody waits for an answer" in words(as_alice)
    assert "See what is linked" in words(as_alice)


def test_reason_and_yardstick_are_in_words(as_alice: Client, alice: User, jane: Person) -> None:
    mails = []
    for week in range(1, 4):
        asked_at = MONDAY - week * 7 * DAY
        mails += [letter(f"h{week}", asked_at, of=[alice], to=[jane])]
        mails += [letter(f"h{week}", asked_at + timedelta(hours=38.4), of=[alice], by=jane, asked=[])]
    touchpoints.record_mails(mails)
    arrive(alice, letter("t", datetime(2026, 3, 13, 12, tzinfo=UTC), of=[alice], to=[jane], subject="Terms"))
    shown = words(as_alice)
    assert "Jane Alder usually answers in 1.6 business days; it is 5." in shown
    assert "You wrote to Jane Alder on 13 March." in shown
    assert "Terms" in shown
    assert "Jane Alder owes you an answer" in words(as_alice, "/")
    assert "Jane Alder owes you an answer" in words(as_alice, reverse("relationships:person", args=[jane.pk]))


def test_without_a_rhythm_the_days_alone_are_told(as_alice: Client, debt: FollowUp) -> None:
    shown = words(as_alice)
    assert "Jane Alder wrote to you on 16 March." in shown
    assert "It has been 4.1 business days." in shown


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0.04, "0 business days"),
        (1, "1 business day"),
        (1.04, "1 business day"),
        (1.6, "1.6 business days"),
        (5.4, "5 business days"),
    ],
)
def test_days_in_words(days: float, said: str) -> None:
    assert owed.in_words(days) == said


def test_the_longest_comes_first_and_what_is_not_due_is_apart(as_alice: Client, alice: User, jane: Person) -> None:
    arrive(
        alice,
        letter("new", NOW - timedelta(hours=1), of=[alice], by=jane, subject="Just now"),
        letter("mid", MONDAY + DAY, of=[alice], by=jane, subject="Middle"),
        letter("old", MONDAY, of=[alice], by=jane, subject="Oldest"),
    )
    response = as_alice.get(PAGE)
    assert [debt.title for debt in response.context["ours"]] == ["Oldest", "Middle"]
    assert [debt.title for debt in response.context["later"]] == ["Just now"]


def test_they_are_the_members_own(client: Client, bob: User, debt: FollowUp, alice: User) -> None:
    client.force_login(bob, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert "Jane Alder" not in words(client)
    assert client.post(reverse("relationships:follow_up", args=[debt.pk]), {"do": "dismiss"}).status_code == 404
    debt.refresh_from_db()
    assert debt.outcome == "open"


def test_hidden_mail_is_not_owed(as_alice: Client, debt: FollowUp) -> None:
    Touchpoint.objects.update(cancelled_at=NOW)
    assert "Nobody waits for an answer" in words(as_alice)


@pytest.mark.parametrize(
    ("do", "data", "until"),
    [
        ("tomorrow", {}, date(2026, 3, 21)),
        ("next_week", {}, date(2026, 3, 23)),
        ("snooze_until", {"on": "2026-04-02"}, date(2026, 4, 2)),
    ],
)
def test_it_rests_until_that_day(
    as_alice: Client, alice: User, debt: FollowUp, do: str, data: dict[str, str], until: date
) -> None:
    assert "Nobody waits for an answer" in act(as_alice, debt, do, **data)
    debt.refresh_from_db()
    assert debt.snoozed_until == datetime.combine(until, datetime.min.time(), UTC)
    with time_machine.travel(debt.snoozed_until):
        assert len(owed.due(alice, debt.snoozed_until)) == 1
    assert "It has been" in act(as_alice, debt, "wake")


@pytest.mark.parametrize("on", ["", "soon", "2026-03-20", "2020-01-01", "2199-01-01"])
@pytest.mark.parametrize("do", ["snooze_until", "task_until"])
def test_a_day_that_cannot_be_meant_is_refused_beside_its_field(
    as_alice: Client, debt: FollowUp, do: str, on: str
) -> None:
    response = as_alice.post(reverse("relationships:follow_up", args=[debt.pk]), {"do": do, "on": on})
    assert response.status_code == 400
    assert "Choose a day" in response.content.decode()
    debt.refresh_from_db()
    assert (debt.snoozed_until, debt.task) == (None, None)


def test_dismissed_and_taken_back(as_alice: Client, debt: FollowUp) -> None:
    shown = act(as_alice, debt, "dismiss")
    assert "Nobody waits for an answer" in shown
    assert "Take that back" in shown
    assert "It has been" in act(as_alice, debt, "reopen")


@pytest.mark.parametrize(
    ("do", "data", "due_on"), [("task", {}, date(2026, 3, 23)), ("task_until", {"on": "2026-04-02"}, date(2026, 4, 2))]
)
def test_a_task_takes_its_place(
    as_alice: Client, alice: User, jane: Person, debt: FollowUp, do: str, data: dict[str, str], due_on: date
) -> None:
    shown = act(as_alice, debt, do, **data)
    assert "Nobody waits for an answer" in shown
    assert f"Task due {due_on:%A} {due_on.day} {due_on:%B}." in shown
    task = Task.objects.get()
    assert (task.title, task.assignee, task.person, task.due_on) == ("Answer Jane Alder", alice, jane, due_on)
    act(as_alice, debt, do, **data)
    assert Task.objects.count() == 1


@pytest.mark.parametrize("do", ["", "explode"])
def test_an_unknown_wish_is_refused(as_alice: Client, debt: FollowUp, do: str) -> None:
    assert as_alice.post(reverse("relationships:follow_up", args=[debt.pk]), {"do": do}).status_code == 400


def test_a_long_list_costs_what_a_short_one_does(as_alice: Client, alice: User, jane: Person) -> None:
    def count(size: int, page: str) -> int:
        mails = [letter(f"{size}-{n}", MONDAY, of=[alice], by=jane) for n in range(size)]
        arrive(alice, *mails)
        with CaptureQueriesContext(connection) as queries:
            words(as_alice, page)
        return len(queries)

    person = reverse("relationships:person", args=[jane.pk])
    for page in (PAGE, "/", person):
        words(as_alice, page)
        assert count(2, page) == count(30, page), page
