"""The pretend calendars of all providers, written to in the same words: what every calendar adapter is tried with.

An event is known by its title, which is its own on its calendar; a series' instances are known by when they were
meant to begin. ``account`` is an address, and stands for its main calendar.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any, ClassVar, Protocol

import pytest
import time_machine
from django.utils import timezone

from integrations import sync_states
from integrations.calendar import google as google_adapter
from integrations.calendar import outlook as outlook_adapter
from integrations.calendar.outlook import events as outlook_events
from integrations.contract import EventPage, PageRequest
from integrations.models import Integration, SyncState
from relationships.models import Touchpoint, User
from tests.integrations.calendar.scene import LP, RunJobs, at, events_of, slot
from tests.integrations.conftest import Google, Link
from tests.pretend_microsoft import Microsoft

Json = dict[str, Any]
When = datetime | date
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Plan:
    """An event as a person plans it: an hour, or whole days. ``answer`` is the owner's own.

    ``every`` (days) and ``count`` make a series; without ``count`` it is endless. ``uid`` is another calendar's, which
    may come wrapped (``is_wrapped``) where that is usual.
    """

    title: str
    start: When
    guests: tuple[str, ...] = ()
    days: int = 1
    every: int = 0
    count: int = 0
    answer: str = ""
    place: str = ""
    is_private: bool = False
    organizer: str = ""
    uid: str = ""
    is_wrapped: bool = False
    zone: str = "UTC"


class Agenda(Protocol):
    """The calendars of one provider's accounts. Nothing is pushed."""

    slug: ClassVar[str]
    pages: ClassVar[str]
    """The operation that faults are ordered for."""
    adapter: ClassVar[ModuleType]

    def put(self, account: str, *plans: Plan, calendar: str = "") -> None:
        """Write events; of one with a known title what is planned now."""

    def cancel(self, account: str, *titles: str) -> None:
        """Delete events, or whole series."""

    def move_instance(self, account: str, title: str, meant_for: datetime, start: datetime) -> None: ...

    def cancel_instance(self, account: str, title: str, meant_for: datetime) -> None: ...

    def add_calendar(self, account: str, name: str) -> str:
        """One more calendar; its id."""

    def forget(self, account: str) -> None:
        """Cursors given so far are no good any more."""

    def odd(self, account: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The next round begins with an empty page (``empty_first``), or says things twice (``repeat``)."""

    def spoil(self, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The event of this title comes in a form that nobody knows."""

    def fault(self, kind: str, **more: Any) -> None:
        """Spoil a page."""

    def calm(self) -> None:
        """No faults any more."""

    def asked(self) -> int:
        """How many pages were asked for."""

    def expire_access(self) -> None:
        """Access tokens run out now."""

    def revoke(self, account: str) -> None:
        """The grant is dead at once."""

    def link(self, user: User) -> Integration: ...


@dataclass
class GoogleAgenda:
    """The pretend Google's. Titles are ids there."""

    slug: ClassVar[str] = "google"
    pages: ClassVar[str] = "calendar.events.list"
    adapter: ClassVar[ModuleType] = google_adapter
    google: Google
    linked: Link

    def put(self, account: str, *plans: Plan, calendar: str = "") -> None:
        # Whoever is invited by another calendar has a copy of it: of that one the account is no guest.
        self.google.put(calendar or account, *[self._body("" if calendar else account, plan) for plan in plans])

    def _body(self, account: str, plan: Plan) -> Json:
        guests: list[Json] = [{"email": guest} for guest in plan.guests]
        own = {"responseStatus": plan.answer or "accepted"}
        body: Json = {
            "id": plan.title,
            "summary": plan.title,
            "location": plan.place,
            "visibility": "private" if plan.is_private else "default",
            "attendees": [*guests, *([{"email": account} | own] if guests and account else [])],
            "recurrence": [self._rule(plan)] if plan.every else None,
        }
        if plan.uid:
            body["iCalUID"] = plan.uid
        if plan.organizer:
            body["organizer"] = {"email": plan.organizer}
        return body | _google_times(plan)

    def _rule(self, plan: Plan) -> str:
        return f"RRULE:FREQ=DAILY;INTERVAL={plan.every}" + (f";COUNT={plan.count}" if plan.count else "")

    def cancel(self, account: str, *titles: str) -> None:
        self.google.cancel(account, *titles)

    def move_instance(self, account: str, title: str, meant_for: datetime, start: datetime) -> None:
        times = _google_times(Plan(title, start))
        self.google.put(account, {"id": slot(title, meant_for)} | times)

    def cancel_instance(self, account: str, title: str, meant_for: datetime) -> None:
        self.google.cancel(account, slot(title, meant_for))

    def add_calendar(self, account: str, name: str) -> str:
        self.google.post("google/calendars", account=account, id=name.lower(), summary=name)
        return name.lower()

    def forget(self, account: str) -> None:
        self.google.post("google/expire_sync_tokens")

    def odd(self, account: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Google was not seen to do either: the adapter is made to say it did."""
        original = google_adapter.GoogleCalendar.page
        last: list[EventPage] = []

        def odd(adapter: google_adapter.GoogleCalendar, http: Any, wanted: PageRequest) -> EventPage:
            if kind == "empty_first" and not wanted.page:
                return EventPage((), next_page="begin")
            page = original(adapter, http, replace(wanted, page="") if wanted.page == "begin" else wanted)
            before = last[-1].events if kind == "repeat" and last else ()
            last.append(page)
            return replace(page, events=(*before, *page.events))

        monkeypatch.setattr(google_adapter.GoogleCalendar, "page", odd)

    def spoil(self, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
        original = google_adapter._event

        def odd(item: Json) -> object:
            return original(item | {"start": {"dateTime": "tomorrow"}} if item.get("summary") == title else item)

        monkeypatch.setattr(google_adapter, "_event", odd)

    def fault(self, kind: str, **more: Any) -> None:
        self.google.fault(self.pages, kind, **more)

    def calm(self) -> None:
        _calm(self.google)

    def asked(self) -> int:
        return self.google.requests_of(self.pages)

    def expire_access(self) -> None:
        self.google.post("google/expire_access_tokens")

    def revoke(self, account: str) -> None:
        self.google.post("google/revoke", account=account)
        self.expire_access()

    def link(self, user: User) -> Integration:
        return self.linked(user)


def _google_times(plan: Plan) -> Json:
    if isinstance(plan.start, datetime):
        zone = {"timeZone": plan.zone}
        edges = {"start": plan.start.astimezone(UTC), "end": plan.start.astimezone(UTC) + HOUR}
        return {name: {"dateTime": moment.isoformat()} | zone for name, moment in edges.items()}
    last = plan.start + timedelta(days=plan.days)
    return {"start": {"date": plan.start.isoformat()}, "end": {"date": last.isoformat()}}


@dataclass
class OutlookAgenda:
    """The pretend Microsoft's, where ids are given and kept here by title."""

    slug: ClassVar[str] = "microsoft"
    pages: ClassVar[str] = "graph.calendarView.delta"
    adapter: ClassVar[ModuleType] = outlook_adapter
    ANSWERS: ClassVar[Mapping[str, str]] = {"tentative": "tentativelyAccepted", "needsAction": "notResponded"}
    microsoft: Microsoft
    ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def put(self, account: str, *plans: Plan, calendar: str = "") -> None:
        for plan in plans:
            known = self.ids.get((account, plan.title))
            if known:
                changes = self._body(account, plan)
                self.microsoft.post("microsoft/events/change", account=account, id=known, changes=changes, silent=True)
        new = [plan for plan in plans if (account, plan.title) not in self.ids]
        if new:
            where = {"calendar": calendar} if calendar else {}
            bodies = [{k: v for k, v in self._body(account, plan).items() if v is not None} for plan in new]
            made = self.microsoft.post("microsoft/events", account=account, events=bodies, silent=True, **where)["ids"]
            self.ids |= {(account, plan.title): one for plan, one in zip(new, made, strict=True)}

    def _body(self, account: str, plan: Plan) -> Json:
        guests = [self._guest(guest) for guest in plan.guests if guest != account or plan.organizer]
        body: Json = {
            "subject": plan.title,
            "location": {"displayName": plan.place},
            "sensitivity": "private" if plan.is_private else "normal",
            "attendees": guests,
            "recurrence": self._recurrence(plan),
        }
        if plan.answer:
            body["organizer"] = {"emailAddress": {"address": plan.guests[0]}}
            own = {"response": self.ANSWERS.get(plan.answer, plan.answer)}
            body["attendees"] = [*guests[1:], self._guest(account) | {"status": own}]
        if plan.organizer:
            body["organizer"] = {"emailAddress": {"address": plan.organizer}}
        if plan.uid:
            body["uid" if plan.is_wrapped else "iCalUId"] = plan.uid
        return body | _outlook_times(plan)

    def _guest(self, email: str) -> Json:
        return {"emailAddress": {"address": email}}

    def _recurrence(self, plan: Plan) -> Json | None:
        if not plan.every:
            return None
        limit = {"type": "numbered", "numberOfOccurrences": plan.count} if plan.count else {"type": "noEnd"}
        return {"pattern": {"type": "daily", "interval": plan.every}, "range": limit}

    def cancel(self, account: str, *titles: str) -> None:
        gone = [self.ids.pop((account, title)) for title in titles]
        self.microsoft.post("microsoft/events/delete", account=account, ids=gone, silent=True)

    def move_instance(self, account: str, title: str, meant_for: datetime, start: datetime) -> None:
        times = _outlook_times(Plan(title, start))
        del times["isAllDay"]
        self._instance("move_instance", account, title, meant_for, **times)

    def cancel_instance(self, account: str, title: str, meant_for: datetime) -> None:
        self._instance("cancel_instance", account, title, meant_for)

    def _instance(self, order: str, account: str, title: str, meant_for: datetime, **more: Any) -> None:
        which = {"series": self.ids[account, title], "on": f"{meant_for.astimezone(UTC):%Y-%m-%d}"}
        self.microsoft.post(f"microsoft/events/{order}", account=account, silent=True, **which, **more)

    def add_calendar(self, account: str, name: str) -> str:
        return str(self.microsoft.post("microsoft/calendars", account=account, name=name)["id"])

    def forget(self, account: str) -> None:
        self.microsoft.post("microsoft/cursors/expire", account=account)

    def odd(self, account: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.microsoft.post("microsoft/pages/quirk", account=account, kind=kind)

    def spoil(self, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
        original = outlook_events._event

        def odd(item: Json, owner: str) -> object:
            return original(item | {"start": {"dateTime": "tomorrow"}} if item.get("subject") == title else item, owner)

        monkeypatch.setattr(outlook_events, "_event", odd)

    def fault(self, kind: str, **more: Any) -> None:
        self.microsoft.fault(self.pages, kind, **more)

    def calm(self) -> None:
        _calm(self.microsoft)

    def asked(self) -> int:
        return self.microsoft.requests_of(self.pages)

    def expire_access(self) -> None:
        self.microsoft.post("microsoft/expire_access_tokens")

    def revoke(self, account: str) -> None:
        self.microsoft.post("microsoft/revoke", account=account)
        self.expire_access()

    def link(self, user: User) -> Integration:
        return self.microsoft.link(user, "calendar")


def _outlook_times(plan: Plan) -> Json:
    if isinstance(plan.start, datetime):
        edges = {"start": plan.start.astimezone(UTC), "end": plan.start.astimezone(UTC) + HOUR}
        times: Json = {name: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"} for name, at in edges.items()}
        return times | {"isAllDay": False}
    days = {"start": plan.start, "end": plan.start + timedelta(days=plan.days)}
    return {name: {"dateTime": f"{day}T00:00:00", "timeZone": plan.zone} for name, day in days.items()} | {
        "isAllDay": True
    }


def _calm(provider: Google | Microsoft) -> None:
    provider.http.delete(f"{provider.url}/control/faults", timeout=5)
    provider.fault("push", "lost", times=None)


def opened(request: pytest.FixtureRequest, slug: str) -> Agenda:
    """The calendars of alice and bob at a provider, empty."""
    if slug == "google":
        return GoogleAgenda(request.getfixturevalue("google"), request.getfixturevalue("link"))
    return OutlookAgenda(request.getfixturevalue("microsoft"))


def met(title: str, days: float, **more: Any) -> Plan:
    """An hour with Lena."""
    return Plan(title, at(days), (LP,), **more)


def many(count: int, days: float = 0) -> list[Plan]:
    """One each day."""
    return [met(f"event{number}", number + days) for number in range(count)]


def titles(state: SyncState) -> set[str]:
    """Of what is stored and not cancelled."""
    return {row.title for row in events_of(state).values() if not row.is_cancelled}


def verdicts(state: SyncState) -> dict[str, str]:
    """Of all that is stored, by title."""
    return {row.title: row.verdict for row in events_of(state).values()}


def begins(state: SyncState) -> list[datetime]:
    """When the company's visible meetings begin, in order."""
    rows = Touchpoint.unscoped.filter(company_id=state.company_id, cancelled_at=None)
    return sorted(rows.values_list("occurred_at", flat=True))


def later(run_jobs: RunJobs, **delta: float) -> None:
    """Let time go by and do what is due then, as the sweep does."""
    with time_machine.travel(timezone.now() + timedelta(**delta), tick=True):
        sync_states.queue_due()
        run_jobs()
