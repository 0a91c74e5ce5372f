"""A calendar from its first sync on: pages, deltas, series, all-day days, lost cursors, unreadable events."""

import pytest

from integrations.calendar.models import CalendarEvent
from integrations.models import SyncRun
from relationships import tenancy
from relationships.models import Person, Touchpoint, User
from tests.integrations.calendar.scene import LP, at, meeting
from tests.integrations.conftest import Google, Link, state_of

pytestmark = pytest.mark.django_db


def test_linking_reads_the_window_and_finds_the_meetings(google: Google, link: Link, alice: User, lena: Person) -> None:
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
    with tenancy.within(state.company_id):
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
