"""The words calendar tests set their scene with: events as Google takes them, a sync as the worker runs it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone

from integrations import sync_states
from integrations.calendar.models import CalendarEvent
from integrations.models import SyncRun, SyncState
from relationships import tenancy
from relationships.models import Touchpoint
from tests.integrations.conftest import Google, Json

LP = "lena@alder.example"
ALICE = "alice@acme.example"
BOB = "bob@acme.example"
RunJobs = Callable[[], int]


def at(days: float, hours: float = 0) -> datetime:
    """A moment relative to the hour it is."""
    return timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=days, hours=hours)


def meeting(event_id: str, start: datetime, *guests: str, **more: object) -> Json:
    """An hour's event with these guests, the calendar's owner among them if named."""
    return {
        "id": event_id,
        "summary": f"Meeting {event_id}",
        "start": {"dateTime": start.isoformat()},
        "end": {"dateTime": (start + timedelta(hours=1)).isoformat()},
        "attendees": [{"email": guest} for guest in guests],
    } | more


def series(event_id: str, start: datetime, rule: str, *guests: str) -> Json:
    """A recurring meeting on UTC's wall clock."""
    body = meeting(event_id, start.astimezone(UTC), *guests, recurrence=[f"RRULE:{rule}"])
    for edge in ("start", "end"):
        body[edge] = body[edge] | {"timeZone": "UTC"}
    return body


def all_day(event_id: str, first: date, days: int, *guests: str) -> Json:
    """An all-day event; its end is exclusive, as everywhere."""
    return {
        "id": event_id,
        "summary": f"Days {event_id}",
        "start": {"date": first.isoformat()},
        "end": {"date": (first + timedelta(days=days)).isoformat()},
        "attendees": [{"email": guest} for guest in guests],
    }


def slot(event_id: str, start: datetime) -> str:
    """The id of a series' instance."""
    return f"{event_id}_{start.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def sync(state: SyncState, run_jobs: RunJobs) -> SyncRun:
    """Ask for a sync as the user does and run it; the last run's record."""
    sync_states.poke([state.pk], trigger=SyncRun.Trigger.MANUAL)
    run_jobs()
    return last_run(state)


def last_run(state: SyncState) -> SyncRun:
    return SyncRun.unscoped.filter(state=state).latest("started_at")


def events_of(state: SyncState) -> dict[str, CalendarEvent]:
    """What is stored of a calendar, by the provider's id."""
    return {row.external_id: row for row in CalendarEvent.unscoped.filter(state=state)}


def live(state: SyncState) -> set[str]:
    """Ids of the stored events that are not cancelled."""
    return {name for name, row in events_of(state).items() if not row.is_cancelled}


def meetings_of(state: SyncState) -> dict[str, Touchpoint]:
    """The company's visible meetings, by title."""
    with tenancy.within(state.company_id):
        return {row.title: row for row in Touchpoint.objects.filter(cancelled_at=None)}


def listed(google: Google, calendar: str) -> dict[str, str]:
    """Ids and etags of the single events the provider's calendar holds, without the cancelled."""
    bodies = google.get(f"google/events?calendar={calendar}")["events"]
    return {body["id"]: body["etag"] for body in bodies if body["status"] != "cancelled" and "recurrence" not in body}
