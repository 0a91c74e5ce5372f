"""The demo's calendars: believable, dated around today, and accepted by the pretend provider."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests

from lpxgp import demo_world
from lpxgp.demo_world import Cast, Colleague, Contact, Event
from sandbox.server import Sandbox

NOW = datetime(2026, 3, 27, 15, 7, tzinfo=UTC)  # a Friday; Zurich changes its clocks two days later
COLLEAGUES = tuple(Colleague(f"{name}@gp.example", name.title()) for name in ("anna", "ben", "cleo", "dan"))
CONTACTS = tuple(
    Contact(f"p{number}@firm{number // 3}.example", f"Person {number}", f"Firm {number // 3}", number % 7 == 6)
    for number in range(120)
)
HOME = Contact("pat.home@gmail.com", "Pat Home", "Firm 1")
CAST = Cast(COLLEAGUES, (*CONTACTS, HOME), "Alpine Fund III", "Europe/Zurich")


@pytest.fixture
def calendars() -> dict[str, list[Event]]:
    return demo_world.by_calendar(CAST, NOW)


@pytest.fixture
def events(calendars: dict[str, list[Event]]) -> list[Event]:
    return [event for calendar in calendars.values() for event in calendar]


def start_of(event: Event) -> datetime:
    start = event["start"]
    if "date" in start:
        return datetime.fromisoformat(start["date"]).replace(tzinfo=ZoneInfo(CAST.time_zone))
    return datetime.fromisoformat(start["dateTime"])


def test_the_same_day_gives_the_same_world(calendars: dict[str, list[Event]]) -> None:
    assert demo_world.by_calendar(CAST, NOW) == calendars


def test_there_is_something_to_see(events: list[Event]) -> None:
    assert 120 <= len(events) <= 180


def test_ids_are_unique_and_such_as_google_allows(events: list[Event]) -> None:
    ids = [event["id"] for event in events if "id" in event]
    assert len(set(ids)) == len(ids)
    assert all(set(event_id) <= set("0123456789abcdefghijklmnopqrstuv") for event_id in ids)


@pytest.mark.parametrize("minute", range(0, 60, 7))
def test_one_meeting_starts_within_the_hour(minute: int) -> None:
    now = NOW.replace(minute=minute)
    event = demo_world.next_one(CAST, now)
    assert timedelta(minutes=15) < start_of(event) - now < timedelta(hours=1)
    assert len(event["attendees"]) > 1


def test_they_lie_around_today(events: list[Event]) -> None:
    starts = [start_of(event) for event in events if "start" in event]
    assert min(starts) > NOW - timedelta(days=90)
    assert max(starts) < NOW + timedelta(days=60)
    assert sum(start < NOW for start in starts) > len(starts) / 2


@pytest.mark.parametrize("key", ["recurrence", "recurringEventId", "visibility", "eventType", "location"])
def test_every_kind_is_there(events: list[Event], key: str) -> None:
    assert any(key in event for event in events)


def test_kinds_that_rules_decide_on_are_there(events: list[Event]) -> None:
    answers = [(guest["email"], guest["responseStatus"]) for event in events for guest in event.get("attendees", [])]
    assert ("anna@gp.example", "declined") in answers
    assert any(email == "p.a.t.h.o.m.e@gmail.com" for email, _ in answers)
    assert any("date" in event.get("start", {}) for event in events)
    assert any(event.get("status") == "cancelled" for event in events)
    assert sum(sum(guest["email"].endswith("@gp.example") for guest in e.get("attendees", [])) > 1 for e in events) > 20


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_the_sandbox_takes_it(sandbox: Sandbox, calendars: dict[str, list[Event]]) -> None:
    with requests.Session() as http:
        for colleague in COLLEAGUES:
            account = {"email": colleague.email, "name": colleague.name, "timeZone": CAST.time_zone}
            assert http.post(f"{sandbox.url}/control/google/accounts", json=account).status_code == 200
        for calendar, events in calendars.items():
            order = {"calendar": calendar, "events": events, "silent": True}
            answer = http.post(f"{sandbox.url}/control/google/events", json=order)
            assert answer.status_code == 200, answer.text
