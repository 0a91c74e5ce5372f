"""What is known before a meeting, from the company's own rows: eleven queries at most, however many guests come.

The facts are plain values, for JSON; ids are strings, ``*_at`` are ISO 8601 in UTC, ``*_on`` are ISO dates, and what is
unknown is "" or null::

    {"meeting": {"title", "starts_at", "ends_at", "all_day_on", "location", "join_url"},
     "colleagues": [name, ...],
     "guests": [{"email", "name", "response", "is_new", "person_id", "title", "assistant_of", "organization_id",
                 "organization",
                 "last_contact": {"touchpoint_id", "kind", "title", "is_outgoing", "on"},    of any kind; or null
                 "last_meetings": [{"touchpoint_id", "kind", "title", "occurred_at"}, ...],     the newest three
                 "open_tasks": [{"task_id", "title", "due_on", "assignee"}, ...],
                 "notes": [{"note_id", "text", "outcome", "author", "created_at"}, ...]}, ...],   the newest three
     "organizations": [{"organization_id", "name", "kind", "city", "country",
                        "matches": [{"fund_id", "fund", "score", "summary", "scored_at"}, ...]}, ...],   best first
     "open_tasks": [{"task_id", "title", "due_on", "assignee"}, ...]}   of this meeting, with nobody above

Of mail ``title`` is "": everybody in the firm reads a brief, and who may read a subject can change. ``on`` is the day
in the company's zone; ``is_outgoing`` says whether a colleague wrote, null of what is no mail. ``is_new`` marks a
guest who is no contact yet; ``score`` is a number from 0 to 100; ``outcome`` is in words.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from relationships import addresses, matching
from relationships.models import Match, Note, Organization, Person, Task, Touchpoint

NEWEST = 3

Facts = dict[str, Any]
ByPerson = Mapping[uuid.UUID, list[Facts]]


@dataclass(frozen=True)
class Guest:
    """An outsider of the meeting, with what the address alone tells."""

    email: str
    name: str
    response: str
    person_id: uuid.UUID | None
    organization_id: uuid.UUID | None


def gather(touchpoint: Touchpoint) -> Facts:
    """Everything about the guests of this meeting, as the module describes. Needs ``tenancy.within`` its company."""
    guests = _guests(touchpoint)
    people = _people(touchpoint, guests)
    firms = {guest.organization_id for guest in guests} | {person.organization_id for person in people.values()}
    organizations = _organizations(touchpoint, firms - {None})
    tasks = _open_tasks(touchpoint, people)
    last = _last_contacts(touchpoint, people)
    history = {
        "last_meetings": _last_meetings(touchpoint, people),
        "open_tasks": _by_person([*tasks, *_shared_tasks(touchpoint, people)], "with_person", _task),
        "notes": _latest_notes(people),
    }
    return {
        "meeting": _meeting(touchpoint),
        "colleagues": sorted(str(user) for user in touchpoint.users.all()),
        "guests": [_guest(guest, people, organizations, last, history) for guest in _everybody(guests, people)],
        "organizations": _firms(organizations),
        "open_tasks": [_task(task) for task in tasks if task.with_person not in people],
    }


def _guests(touchpoint: Touchpoint) -> list[Guest]:
    keys = {guest.get("email", ""): _key(guest.get("email", "")) for guest in touchpoint.guests}
    known = matching.find(set(keys.values()), {_domain(key) for key in keys.values()})
    guests = []
    for guest in touchpoint.guests:
        email = guest.get("email", "")
        person = known.people.get(keys[email])
        owner = known.organizations.get(_domain(keys[email]))
        firm = (person.organization_id if person else None) or owner
        guests.append(
            Guest(email, guest.get("name", ""), guest.get("response", ""), person.id if person else None, firm)
        )
    return guests


def _key(email: str) -> str:
    """The address as contacts are compared by; as it stands where it is none, which matches nobody."""
    try:
        return addresses.match_key(email)
    except ValueError:
        return email


def _domain(key: str) -> str:
    return key.rpartition("@")[2]


def _people(touchpoint: Touchpoint, guests: Collection[Guest]) -> dict[uuid.UUID, Person]:
    """The contacts among the guests, and those whom the touchpoint names though no guest's address is theirs."""
    known = {guest.person_id for guest in guests if guest.person_id}
    rows = Person.objects.filter(Q(pk__in=known) | Q(touchpoints=touchpoint)).distinct()
    return {person.pk: person for person in rows.select_related("assistant_of").order_by("display_name", "pk")}


def _everybody(guests: Collection[Guest], people: Mapping[uuid.UUID, Person]) -> list[Guest]:
    """Each contact once, though invited at two addresses; then the contacts without an address among the guests."""
    once = {guest.person_id or guest.email: guest for guest in reversed(list(guests))}
    silent = [Guest("", "", "", person.pk, person.organization_id) for pk, person in people.items() if pk not in once]
    return [*reversed(once.values()), *silent]


def _organizations(touchpoint: Touchpoint, ids: Collection[uuid.UUID | None]) -> dict[uuid.UUID, Organization]:
    rows = Organization.objects.filter(Q(pk__in=ids) | Q(touchpoints=touchpoint)).distinct().order_by("name", "pk")
    return {row.pk: row for row in rows}


def _firms(organizations: Mapping[uuid.UUID, Organization]) -> list[Facts]:
    matches: dict[uuid.UUID, list[Facts]] = defaultdict(list)
    rows = Match.objects.filter(organization__in=organizations).select_related("fund")
    for match in rows.order_by("-score", "fund__name"):
        matches[match.organization_id].append(
            {
                "fund_id": str(match.fund_id),
                "fund": match.fund.name,
                "score": float(match.score),
                "summary": match.summary,
                "scored_at": _moment(match.scored_at),
            }
        )
    return [
        {
            "organization_id": str(pk),
            "name": row.name,
            "kind": row.get_kind_display(),
            "city": row.city,
            "country": row.country,
            "matches": matches[pk],
        }
        for pk, row in organizations.items()
    ]


def _last_meetings(touchpoint: Touchpoint, people: Collection[uuid.UUID]) -> ByPerson:
    links = Touchpoint.people.through._default_manager.filter(
        person_id__in=people,
        touchpoint__cancelled_at=None,
        touchpoint__kind__in=[Touchpoint.Kind.MEETING, Touchpoint.Kind.CALL],
        touchpoint__occurred_at__lt=touchpoint.occurred_at,
    )
    newest = _newest_of_each(links, "touchpoint__occurred_at", "touchpoint_id").select_related("touchpoint")
    return _by_person(newest, "person_id", lambda link: _past(link.touchpoint))


def _last_contacts(touchpoint: Touchpoint, people: Collection[uuid.UUID]) -> ByPerson:
    """The newest touchpoint of any kind with each, before this meeting and before now."""
    links = Touchpoint.people.through._default_manager.filter(
        person_id__in=people,
        touchpoint__cancelled_at=None,
        touchpoint__occurred_at__lt=min(touchpoint.occurred_at, timezone.now()),
    )
    newest = _newest_of_each(links, "touchpoint__occurred_at", "touchpoint_id", most=1).select_related("touchpoint")
    zone = ZoneInfo(touchpoint.company.time_zone)
    return _by_person(newest, "person_id", lambda link: _contact(link.touchpoint, zone))


def _latest_notes(people: Collection[uuid.UUID]) -> ByPerson:
    links = Note.people.through._default_manager.filter(person_id__in=people)
    newest = _newest_of_each(links, "note__created_at", "note_id").select_related("note__author")
    return _by_person(newest, "person_id", lambda link: _note(link.note))


def _newest_of_each(links: QuerySet[Any], time: str, tie: str, most: int = NEWEST) -> QuerySet[Any]:
    """The latest links of every person, the latest first, by one window."""
    order = [F(time).desc(), F(tie).asc()]
    place = Window(RowNumber(), partition_by=F("person_id"), order_by=order)
    return links.annotate(place=place).filter(place__lte=most).order_by("person_id", "place")


def _open_tasks(touchpoint: Touchpoint, people: Collection[uuid.UUID]) -> list[Any]:
    """Those with one of these people, and those that hang on this meeting."""
    rows = Task.objects.filter(Q(person__in=people) | Q(touchpoint=touchpoint), done_at=None)
    return list(_soonest_first(rows.annotate(with_person=F("person"))))


def _shared_tasks(touchpoint: Touchpoint, people: Collection[uuid.UUID]) -> list[Any]:
    """Those promised in other meetings to nobody alone: one row for each of these people who was there."""
    rows = Task.objects.filter(person=None, touchpoint__people__in=people, done_at=None).exclude(touchpoint=touchpoint)
    return list(_soonest_first(rows.annotate(with_person=F("touchpoint__people"))))


def _soonest_first(tasks: QuerySet[Task]) -> QuerySet[Task]:
    return tasks.select_related("assignee").order_by(F("due_on").asc(nulls_last=True), "created_at", "pk")


def _by_person(rows: Iterable[Any], column: str, told: Any) -> ByPerson:
    found: dict[uuid.UUID, list[Facts]] = defaultdict(list)
    for row in rows:
        found[getattr(row, column)].append(told(row))
    return found


def _guest(
    guest: Guest,
    people: Mapping[uuid.UUID, Person],
    organizations: Mapping[uuid.UUID, Organization],
    last: ByPerson,
    history: Mapping[str, ByPerson],
) -> Facts:
    person = people.get(guest.person_id) if guest.person_id else None
    firm = organizations.get(guest.organization_id) if guest.organization_id else None
    return {
        "email": guest.email,
        "name": person.display_name if person else guest.name,
        "response": guest.response,
        "is_new": person is None,
        "person_id": str(person.pk) if person else None,
        "title": person.title if person else "",
        "assistant_of": str(person.assistant_of) if person and person.assistant_of else "",
        "organization_id": str(firm.pk) if firm else None,
        "organization": firm.name if firm else "",
        "last_contact": next(iter(last.get(person.pk, [])), None) if person else None,
        **{what: rows.get(person.pk, []) if person else [] for what, rows in history.items()},
    }


def _meeting(touchpoint: Touchpoint) -> Facts:
    return {
        "title": touchpoint.title,
        "starts_at": _moment(touchpoint.occurred_at),
        "ends_at": _moment(touchpoint.ended_at),
        "all_day_on": touchpoint.all_day_on.isoformat() if touchpoint.all_day_on else None,
        "location": touchpoint.location,
        "join_url": touchpoint.join_url,
    }


def _contact(touchpoint: Touchpoint, zone: ZoneInfo) -> Facts:
    day = touchpoint.all_day_on or touchpoint.occurred_at.astimezone(zone).date()
    return {
        "touchpoint_id": str(touchpoint.pk),
        "kind": touchpoint.kind,
        "title": "" if touchpoint.kind == Touchpoint.Kind.EMAIL else touchpoint.title,
        "is_outgoing": touchpoint.is_outgoing,
        "on": day.isoformat(),
    }


def _past(touchpoint: Touchpoint) -> Facts:
    return {
        "touchpoint_id": str(touchpoint.pk),
        "kind": touchpoint.kind,
        "title": touchpoint.title,
        "occurred_at": _moment(touchpoint.occurred_at),
    }


def _task(task: Task) -> Facts:
    return {
        "task_id": str(task.pk),
        "title": task.title,
        "due_on": task.due_on.isoformat() if task.due_on else None,
        "assignee": str(task.assignee) if task.assignee else "",
    }


def _note(note: Note) -> Facts:
    return {
        "note_id": str(note.pk),
        "text": note.text,
        "outcome": note.get_outcome_display() if note.outcome else "",
        "author": str(note.author) if note.author else "",
        "created_at": _moment(note.created_at),
    }


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
