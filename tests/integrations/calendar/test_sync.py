"""A calendar from its first sync on: pages, deltas, series, all-day days, lost cursors, unreadable events."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from integrations import sync_states
from integrations.calendar.models import CalendarEvent
from integrations.models import SyncRun, SyncState
from relationships import tenancy
from relationships.models import Organization, Person, PersonAddress, Touchpoint, User
from tests.integrations.conftest import Google, Json, Link, state_of

pytestmark = pytest.mark.django_db
LP = "lena@alder.example"


@pytest.fixture
def lena(acme: object) -> Person:
    organization = Organization.unscoped.create(company=acme, name="Alder Pension")
    person = Person.unscoped.create(company=acme, display_name="Lena Alder", organization=organization)
    PersonAddress.unscoped.create(company=acme, person=person, email=LP, match_key=LP, is_primary=True)
    return person


def at(days: float, hours: float = 0) -> datetime:
    return (timezone.now() + timedelta(days=days, hours=hours)).replace(microsecond=0)


def meeting(event_id: str, start: datetime, *guests: str, **more: object) -> Json:
    return {
        "id": event_id,
        "summary": f"Meeting {event_id}",
        "start": {"dateTime": start.isoformat()},
        "end": {"dateTime": (start + timedelta(hours=1)).isoformat()},
        "attendees": [{"email": guest} for guest in guests],
    } | more


def sync(state: SyncState, run_jobs: Callable[[], int]) -> SyncRun:
    sync_states.poke([state.pk], trigger=SyncRun.Trigger.MANUAL)
    run_jobs()
    return SyncRun.unscoped.filter(state=state).latest("started_at")


def test_linking_reads_the_window_and_finds_the_meetings(
    google: Google, link: Link, alice: User, lena: Person, run_jobs: Callable[[], int]
) -> None:
    google.put(
        alice.email,
        meeting("past", at(-10), alice.email, LP),
        meeting("coming", at(10), alice.email, LP),
        meeting("long-ago", at(-120), alice.email, LP),
        meeting("far", at(100), alice.email, LP),
        meeting("internal", at(1), alice.email, "bob@acme.example"),
        meeting("alone", at(2)),
    )

    integration = link(alice)

    state = state_of(integration)
    run = SyncRun.unscoped.get(state=state)
    assert (run.kind, run.trigger, run.outcome, run.error) == ("first", "link", "done", "")
    assert state.cursor
    assert state.done_mark == state.dirty_mark
    with tenancy.within(alice.company_id):
        verdicts = dict(CalendarEvent.objects.values_list("external_id", "verdict"))
        assert verdicts == {
            "past": "meeting",
            "coming": "meeting",
            "internal": "internal",
            "alone": "no_guests",
        }
        touchpoints = Touchpoint.objects.order_by("occurred_at")
        assert [row.title for row in touchpoints] == ["Meeting past", "Meeting coming"]
        assert list(touchpoints[0].people.all()) == [lena]
        assert list(touchpoints[0].users.all()) == [alice]
    integration.refresh_from_db()
    assert (integration.sync_status, integration.last_sync is not None) == ("active", True)
