"""The demo's calendars: what a fundraising firm's four months look like, told as Google events about seeded people.

The same cast, seed and day give the same events. Times are local to the firm.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from relationships.models import Company, Person

Event = dict[str, Any]
SEED = 2
DAYS_BACK, DAYS_AHEAD = 85, 45
SINGLES = 118
SUBJECTS = (
    ("Introduction", "Introduction to {fund}", "First call", "Coffee"),
    ("{fund}: first questions", "Team and strategy", "Track record deep dive", "Portfolio walk-through"),
    ("Data room questions", "Reference call", "{fund}: terms", "ESG questionnaire", "Site visit"),
    ("Investment committee preparation", "{fund}: side letter", "Subscription documents", "Closing call"),
)
PLACES = ("Your office", "Bahnhofstrasse 12, Zurich", "Video call", "Video call", "Phone", "Baur au Lac, lobby")


@dataclass(frozen=True)
class Colleague:
    """A user of the firm, whose own calendar this is about."""

    email: str
    name: str


@dataclass(frozen=True)
class Contact:
    """A guest. ``email`` is one of the person's addresses, not always the first."""

    email: str
    name: str
    firm: str
    is_assistant: bool = False


@dataclass(frozen=True)
class Cast:
    """Who plays: the first colleague is the one the demo logs in as. All of them use Google, but for the third."""

    colleagues: tuple[Colleague, ...]
    contacts: tuple[Contact, ...]
    fund: str
    time_zone: str

    @property
    def outlook_user(self) -> Colleague:
        return self.colleagues[2]


def cast_of(company: Company, first_email: str, fund: str) -> Cast:
    """The seeded people of a company. Runs within that company."""
    users = sorted(company.users.all(), key=lambda user: (user.email != first_email, user.email))
    people = Person.objects.select_related("organization").prefetch_related("addresses").order_by("display_name", "pk")
    contacts = [
        Contact(address.email, person.display_name, person.organization.name, person.assistant_of_id is not None)
        for person in people
        if person.organization is not None
        for address in sorted(person.addresses.all(), key=lambda address: address.email)
    ]
    return Cast(tuple(Colleague(user.email, user.name) for user in users), tuple(contacts), fund, company.time_zone)


class Calendars:
    """Writes the events, calendar by calendar. ``now`` is aware."""

    def __init__(self, cast: Cast, now: datetime) -> None:
        self._cast = cast
        self._zone = ZoneInfo(cast.time_zone)
        self._now = now.astimezone(self._zone)
        self._random = random.Random(SEED)  # noqa: S311 a story, not a secret
        self.me, *self._others = cast.colleagues

    def events(self) -> Iterator[tuple[str, Event]]:
        """Every event with the address of the calendar it belongs on: its organizer's."""
        yield from self._series()
        yield from self._singles()
        yield from self._special()
        yield from self._not_meetings()

    def next_one(self) -> Event:
        """On the first colleague's calendar, 20 to 35 minutes from now: its brief is due at once."""
        start = (self._now + timedelta(minutes=35)).replace(second=0, microsecond=0)
        start -= timedelta(minutes=start.minute % 15)
        guests = self._firm_of(self._contacts()[0])[:3]
        event = self._timed(f"next {start:%Y%m%d%H}", f"{self._cast.fund}: decision call", start, 45, self.me, guests)
        return event | {"location": "Video call"}

    def _series(self) -> Iterator[tuple[str, Event]]:
        """The LP update each week, one instance of which moved and one was called off; the partners' own hour."""
        first = self._at(self._workday(-56, weekday=1), 10)
        guests = [contact for firm in self._firms()[1:3] for contact in firm[:2]]
        update = self._timed("weekly update", "Weekly LP update", first, 30, self.me, guests, [*self._others[:1]])
        series = update | {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=20"]}
        yield self.me.email, series
        moved, cancelled = (first + timedelta(weeks=week) for week in (9, 10))
        yield self.me.email, self._instance(series, moved) | self._span(moved.replace(hour=15) + timedelta(days=1), 30)
        yield self.me.email, self._instance(series, cancelled) | {"status": "cancelled"}
        monday = self._at(self._workday(-84, weekday=0), 9)
        internal = self._timed("partners", "Partners' meeting", monday, 60, self.me, [], self._others)
        yield self.me.email, internal | {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=18"]}

    def _singles(self) -> Iterator[tuple[str, Event]]:
        """Meetings as talks with a firm go on: from the introduction to the documents."""
        firms = self._firms()[:40]
        stage = dict.fromkeys(range(len(firms)), 0)
        for number, offset in enumerate(self._spread(SINGLES)):
            chosen = min(self._random.randrange(len(firms)), self._random.randrange(len(firms)))
            subject = self._random.choice(SUBJECTS[min(stage[chosen], len(SUBJECTS) - 1)]).format(fund=self._cast.fund)
            stage[chosen] += 1
            guests = self._random.sample(firms[chosen], min(len(firms[chosen]), self._random.choice((1, 1, 2, 3))))
            host = self._random.choice((self.me, self.me, self.me, *self._others))
            with_me = self._random.sample(self._others, 1) if self._random.random() < 0.3 and self._others else []
            colleagues = [one for one in (*with_me, *(() if host == self.me else (self.me,))) if one != host]
            start = self._at(self._workday(offset), self._random.choice((9, 10, 11, 14, 15, 16)), number % 2 * 30)
            title = f"{subject} ({guests[0].firm})"
            event = self._timed(
                f"single {number}", title, start, self._random.choice((30, 45, 60)), host, guests, colleagues
            )
            yield host.email, event | {"location": self._random.choice(PLACES)}

    def _special(self) -> Iterator[tuple[str, Event]]:
        """One of each kind that a rule decides on."""
        known = self._contacts()
        mail_at_home = next((contact for contact in known if contact.email.endswith("@gmail.com")), None)
        assistants = [contact for contact in known if contact.is_assistant][:2]
        stranger = Contact(f"new.hire@{known[0].email.split('@')[1]}", "Noor Newhire", known[0].firm)
        outsider = Contact("sam@nobody-we-know.example", "Sam Stranger", "")
        conference = self._all_day("conference", "LP conference, Zurich", 20, 2, self.me, known[3:6])
        yield self.me.email, conference | {"location": "Kongresshaus, Zurich"}
        yield self.me.email, self._all_day("lpac", "LP advisory committee", -30, 1, self.me, known[6:10], self._others)
        if mail_at_home:
            local, domain = mail_at_home.email.split("@")
            dotted = Contact(".".join(local.replace(".", "")) + f"@{domain}", mail_at_home.name, mail_at_home.firm)
            yield self.me.email, self._planned("dots", "Catch-up over lunch", -3, 12, [dotted])
        if assistants:
            yield self.me.email, self._planned("assistants", "Scheduling the annual meeting", 4, 11, assistants)
        yield self.me.email, self._planned("stranger", "Meet the new analyst", 2, 10, [stranger])
        yield self.me.email, self._planned("outsider", "Office lease", 5, 9, [outsider])
        yield self.me.email, self._planned("private", "Doctor", 1, 8, [known[0]]) | {"visibility": "private"}
        yield self.me.email, self._planned("cancelled", "Dinner", 6, 19, known[1:2]) | {"status": "cancelled"}
        if self._others:
            host = self._others[0]
            declined = self._planned("declined", "Panel rehearsal", 3, 17, known[2:4], host, [self.me])
            yield host.email, self._answered(declined, "declined")
            tentative = self._planned(
                "tentative", "Breakfast with the family office", 8, 8, known[4:6], host, [self.me]
            )
            yield host.email, self._answered(tentative, "tentative")

    def _not_meetings(self) -> Iterator[tuple[str, Event]]:
        for number, offset in enumerate((-8, -1, 6, 13)):
            focus = self._planned(f"focus {number}", "Focus time", offset, 13, [])
            yield self.me.email, focus | {"eventType": "focusTime"}
        away = self._span(self._at(self._workday(30), 0), 3 * 24 * 60)
        yield self.me.email, {"id": self._id("away"), "summary": "Out of office", "eventType": "outOfOffice"} | away
        yield self.me.email, self._planned("gym", "Gym", 1, 18, [])

    # Building blocks

    def _contacts(self) -> list[Contact]:
        return list(self._cast.contacts)

    def _firms(self) -> list[list[Contact]]:
        """Contacts by firm, the firms in the order of their first contact."""
        firms: dict[str, list[Contact]] = {}
        for contact in self._cast.contacts:
            if not contact.is_assistant:
                firms.setdefault(contact.firm, []).append(contact)
        return list(firms.values())

    def _firm_of(self, contact: Contact) -> list[Contact]:
        return [one for one in self._cast.contacts if one.firm == contact.firm]

    def _spread(self, count: int) -> list[int]:
        """Day offsets, three in four of them in the past."""
        past = [-self._random.randint(1, DAYS_BACK) for _ in range(count * 3 // 4)]
        return sorted(past) + sorted(self._random.randint(1, DAYS_AHEAD) for _ in range(count - len(past)))

    def _workday(self, offset: int, weekday: int | None = None) -> date:
        """The day ``offset`` days from today, moved on to the next working day, or to ``weekday`` (Monday is 0)."""
        day = self._now.date() + timedelta(days=offset)
        while day.weekday() > 4 if weekday is None else day.weekday() != weekday:
            day += timedelta(days=1)
        return day

    def _at(self, day: date, hour: int, minute: int = 0) -> datetime:
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)

    def _planned(
        self,
        name: str,
        title: str,
        offset: int,
        hour: int,
        guests: list[Contact],
        host: Colleague | None = None,
        colleagues: list[Colleague] | None = None,
    ) -> Event:
        start = self._at(self._workday(offset), hour)
        return self._timed(name, title, start, 45, host or self.me, guests, colleagues)

    def _timed(
        self,
        name: str,
        title: str,
        start: datetime,
        minutes: int,
        host: Colleague,
        guests: list[Contact],
        colleagues: list[Colleague] | None = None,
    ) -> Event:
        return self._event(name, title, host, guests, colleagues or []) | self._span(start, minutes)

    def _all_day(
        self,
        name: str,
        title: str,
        offset: int,
        days: int,
        host: Colleague,
        guests: list[Contact],
        colleagues: list[Colleague] | None = None,
    ) -> Event:
        first = self._workday(offset)
        times = {"start": {"date": str(first)}, "end": {"date": str(first + timedelta(days=days))}}
        return self._event(name, title, host, guests, colleagues or []) | times

    def _event(
        self, name: str, title: str, host: Colleague, guests: list[Contact], colleagues: list[Colleague]
    ) -> Event:
        event: Event = {"id": self._id(name), "summary": title, "organizer": {"email": host.email}}
        invited = [{"email": one.email, "displayName": one.name, "responseStatus": "accepted"} for one in colleagues]
        for guest in guests:
            answer = self._random.choice(("accepted", "accepted", "accepted", "tentative", "needsAction"))
            invited.append({"email": guest.email, "displayName": guest.name, "responseStatus": answer})
        if invited:
            own = {"email": host.email, "displayName": host.name, "responseStatus": "accepted", "organizer": True}
            event["attendees"] = [own, *invited]
        return event

    def _instance(self, series: Event, slot: datetime) -> Event:
        """What names the instance of ``series`` that was to start at ``slot``."""
        return {"recurringEventId": series["id"], "originalStartTime": self._instant(slot)}

    def _answered(self, event: Event, answer: str) -> Event:
        mine = self.me.email
        guests = [one | {"responseStatus": answer} if one["email"] == mine else one for one in event["attendees"]]
        return event | {"attendees": guests}

    def _span(self, start: datetime, minutes: int) -> Event:
        end = (start.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(self._zone)
        return {"start": self._instant(start), "end": self._instant(end)}

    def _instant(self, moment: datetime) -> Event:
        return {"dateTime": moment.isoformat(timespec="seconds"), "timeZone": self._cast.time_zone}

    def _id(self, name: str) -> str:
        """Letters and digits that Google allows in an event's id."""
        return "demo" + hashlib.sha256(name.encode()).hexdigest()[:20]


def next_one(cast: Cast, now: datetime) -> Event:
    """The meeting that starts within the hour, for the first colleague's calendar."""
    return Calendars(cast, now).next_one()


def by_calendar(cast: Cast, now: datetime) -> dict[str, list[Event]]:
    """All events of the demo by the calendar they are put on, each in the order it must be put there."""
    calendars: dict[str, list[Event]] = {colleague.email: [] for colleague in cast.colleagues}
    for calendar, event in Calendars(cast, now).events():
        calendars[calendar].append(event)
    return calendars
