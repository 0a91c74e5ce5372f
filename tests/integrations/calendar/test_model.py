"""Any edits, any faults, any order: in the end our meetings are those an oracle reads off the provider's calendars."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from integrations import sync_states
from integrations.calendar import google as adapter
from integrations.calendar.models import CalendarEvent
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import Company, Note, Touchpoint, User
from tests.integrations.calendar.scene import ALICE, BOB, LP, RunJobs, at, events_of, live, meeting
from tests.integrations.conftest import Google, Link, state_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena")]

IDS = [f"event{number}" for number in range(6)]
FAULTS = ["error_500", "error_503", "half_page", "malformed_json", "html_200", "rate_limit_429", "gone_410"]

EDIT = st.one_of(
    st.tuples(
        st.just("put"),
        st.sampled_from(IDS),
        st.integers(-80, 58),
        st.sets(st.sampled_from([BOB, LP, "who@nobody.example"])),
    ),
    st.tuples(st.just("far"), st.sampled_from(IDS)),
    st.tuples(st.just("cancel"), st.sampled_from(IDS)),
    st.tuples(st.just("decline"), st.sampled_from(IDS)),
    st.tuples(st.just("private"), st.sampled_from(IDS)),
    st.tuples(st.just("series"), st.sampled_from(["weekly", "daily"]), st.integers(1, 20), st.integers(2, 5)),
    st.tuples(st.just("end series"), st.sampled_from(["weekly", "daily"])),
    st.tuples(st.just("sync")),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS), st.integers(0, 2)),
    st.tuples(st.just("expire")),
    st.tuples(st.just("note")),
)


class Story:
    """Edits at the provider, syncs of ours, and what must be true after a sync that went well."""

    def __init__(self, google: Google, alice: User, state: SyncState, run_jobs: RunJobs) -> None:
        self.google, self.alice, self.state, self.run_jobs = google, alice, state, run_jobs
        self.bodies: dict[str, dict[str, Any]] = {}
        self.notes = 0

    def tell(self, step: tuple[Any, ...]) -> None:
        """Do one step; what makes no sense at this moment is left out."""
        name, *rest = step
        action: Callable[..., None] = getattr(self, name.replace(" ", "_"))
        action(*rest)

    def put(self, event_id: str, day: int, guests: set[str]) -> None:
        self._write(meeting(event_id, at(day), ALICE, *sorted(guests), visibility="default"))

    def far(self, event_id: str) -> None:
        self._write(meeting(event_id, at(90), ALICE, LP, visibility="default"))

    def decline(self, event_id: str) -> None:
        if event_id in self.bodies:
            guests = [one | {"responseStatus": "declined"} if one["email"] == ALICE else one
                      for one in self.bodies[event_id]["attendees"]]  # fmt: skip
            self._write(self.bodies[event_id] | {"attendees": guests})

    def private(self, event_id: str) -> None:
        if event_id in self.bodies:
            self._write(self.bodies[event_id] | {"visibility": "private"})

    def series(self, event_id: str, day: int, count: int) -> None:
        step = "WEEKLY" if event_id == "weekly" else "DAILY"
        body = meeting(event_id, at(day), ALICE, LP, recurrence=[f"RRULE:FREQ={step};COUNT={count}"])
        for edge in ("start", "end"):
            body[edge] = body[edge] | {"timeZone": "UTC"}
        self._write(body)

    def cancel(self, event_id: str) -> None:
        if self.bodies.pop(event_id, None):
            self.google.cancel(ALICE, event_id)

    end_series = cancel

    def _write(self, body: dict[str, Any]) -> None:
        # Said in full: an answer that is left out stays what it was.
        guests = [{"responseStatus": "needsAction"} | one for one in body["attendees"]]
        body = body | {"attendees": guests}
        self.google.put(ALICE, {"status": "confirmed"} | body)
        self.bodies[body["id"]] = body

    def fault(self, kind: str, after: int) -> None:
        self.google.fault("calendar.events.list", kind, after=after)
        self.sync()

    def expire(self) -> None:
        self.google.post("google/expire_sync_tokens")

    def note(self) -> None:
        touchpoint = Touchpoint.unscoped.filter(cancelled_at=None).order_by("occurred_at", "pk").first()
        if touchpoint:
            Note.unscoped.create(company=self.alice.company, touchpoint=touchpoint, author=self.alice, text="Said")
            self.notes += 1

    def sync(self) -> None:
        sync_states.poke([self.state.pk], trigger=SyncRun.Trigger.MANUAL)
        self.run_jobs()

    def check(self) -> None:
        """After a sync without faults everything agrees."""
        self.google.http.delete(f"{self.google.url}/control/faults", timeout=5)
        self.google.fault("push", "lost", times=None)
        self.sync()
        self.state.refresh_from_db()
        assert (self.state.last_error, self.state.is_dirty, self.state.page_cursor) == ("", False, "")
        expected = self.expected_meetings()
        found = Touchpoint.unscoped.filter(cancelled_at=None).values_list("title", "occurred_at")
        assert sorted(found) == sorted(expected)
        near = {event_id for event_id, body in self.bodies.items() if not is_series(body) and not is_far(body)}
        stored = {name for name in live(self.state) if "_" not in name}
        # What moved beyond the window is followed, what is new there is not.
        assert near <= stored <= self.bodies.keys()
        assert Note.unscoped.count() == Note.unscoped.filter(touchpoint__isnull=False).count() == self.notes
        for row in events_of(self.state).values():
            assert (row.verdict == CalendarEvent.Verdict.CANCELLED) == row.is_cancelled

    def expected_meetings(self) -> list[tuple[str, datetime]]:
        """The oracle: by the rules a member reads, from what was put into the calendar."""
        expected = []
        followed = live(self.state)
        for event_id, body in self.bodies.items():
            guests = {one["email"]: one.get("responseStatus") for one in body["attendees"]}
            if LP not in guests or guests.get(ALICE) == "declined" or body.get("visibility") == "private":
                continue
            if is_far(body) and event_id not in followed:
                continue
            start = datetime.fromisoformat(body["start"]["dateTime"])
            expected += [(f"Meeting {event_id}", start + step) for step in steps(body)]
        return expected


def is_series(body: dict[str, Any]) -> bool:
    return "recurrence" in body


def is_far(body: dict[str, Any]) -> bool:
    return datetime.fromisoformat(body["start"]["dateTime"]) > at(60)


def steps(body: dict[str, Any]) -> list[timedelta]:
    """How far each occurrence is from the first."""
    if not is_series(body):
        return [timedelta()]
    rule = dict(part.split("=") for part in body["recurrence"][0].removeprefix("RRULE:").split(";"))
    unit = timedelta(weeks=1) if rule["FREQ"] == "WEEKLY" else timedelta(days=1)
    return [number * unit for number in range(int(rule["COUNT"]))]


@given(steps=st.lists(EDIT, min_size=3, max_size=14))
@example(
    steps=[
        ("series", "daily", 7, 5),
        ("series", "daily", 13, 3),
        ("fault", "malformed_json", 1),
        ("series", "daily", 8, 3),
    ]
)
@example(
    steps=[
        ("far", "event0"),
        ("decline", "event0"),
        ("put", "event0", 41, {LP, BOB}),
    ]
)
@settings(
    deadline=None,
    max_examples=8,
    # Each example is a world of its own: making a failing one smaller would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happens_our_meetings_are_the_providers(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, acme: Company, steps: list[tuple[Any, ...]]
) -> None:
    begin_anew(google, acme)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "PAGE_SIZE", 3)
        story = Story(google, alice, state_of(link(alice)), run_jobs)
        for step in steps:
            story.tell(step)
        story.check()


def begin_anew(google: Google, company: Company) -> None:
    """Each example has an empty provider and an empty product."""
    google.post("reset")
    for email in (ALICE, BOB):
        google.post("google/accounts", email=email, hd="acme.example")
    google.fault("push", "lost", times=None)
    Integration.unscoped.filter(company=company).delete()
    Touchpoint.unscoped.filter(company=company).delete()
    Note.unscoped.filter(company=company).delete()
