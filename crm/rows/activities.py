"""What goes out of meetings, mail and follow-up tasks: no more than every colleague may see.

Of a private meeting that there was one, and when; of mail the subject and the hour where all of its owners share it,
else its day, and never what it says. What is withheld since it was told is taken back: that there was something, and
when, is all that stays.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from crm.rows.words import IS_WITHHELD, PARTS, Values
from integrations.calendar.models import CalendarEvent
from relationships import blocking, privacy
from relationships.models import Company, Note, Person, Task, Touchpoint
from relationships.tenancy import current_company_id

Relations = dict[uuid.UUID, tuple[tuple[str, uuid.UUID], ...]]
Pairs = Iterable[tuple[uuid.UUID, uuid.UUID]]
PRIVATE = {Touchpoint.Kind.MEETING: "Meeting", Touchpoint.Kind.EMAIL: privacy.HIDDEN}
CANCELLED = "Cancelled: "


def meetings(row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None = None) -> dict[uuid.UUID, Values]:
    """Five queries, and one more each where the firm keeps somebody out, one lasts all day, or one is off the pages."""
    rows = list(_touchpoints(row_ids, Touchpoint.Kind.MEETING))
    zone = firm_zone() if any(row.all_day_on for row in rows) else UTC
    said, off = _descriptions(rows, listed), _called_off(rows)
    notes: dict[uuid.UUID, list[str]] = defaultdict(list)
    marked = Note.objects.filter(touchpoint__among=row_ids, sync_to_crm=True).order_by("created_at", "pk")
    for pk, text in marked.values_list("touchpoint", "text"):
        notes[pk].append(text)
    return {
        row.pk: _meeting(row, "\n\n".join([*said[row.pk], *notes[row.pk]]), zone, row.pk in off)
        | {PARTS: len(notes[row.pk])}
        for row in rows
    }


def _called_off(rows: Collection[Touchpoint]) -> set[uuid.UUID]:
    """Those that will not take place with whom they were told to. Where nobody of them is known here any more, such as
    a contact who was deleted, the meeting is off our pages alone, and nothing is said of it."""
    gone = {row.unique_key: row.pk for row in rows if row.cancelled_at and not (row.is_withheld or row.is_orphaned)}
    if not gone:
        return set()
    standing = CalendarEvent.objects.filter(
        meeting_key__among=gone, verdict=CalendarEvent.Verdict.UNKNOWN_GUESTS, company_id=current_company_id()
    )
    return {*gone.values()} - {gone[key] for key in standing.order_by().values_list("meeting_key", flat=True)}


def _meeting(row: Touchpoint, description: str, zone: tzinfo, is_called_off: bool) -> Values:
    title = _title(row)
    starts_at, ends_at = _moment(row, row.occurred_at, zone), _moment(row, row.ended_at or row.occurred_at, zone)
    return {
        "meeting.title": f"{CANCELLED}{title}" if is_called_off else title,
        "meeting.starts_at": starts_at,
        "meeting.ends_at": ends_at,
        "meeting.filed_at": starts_at,
        "meeting.location": None if row.is_private or row.is_withheld else row.location or None,
        "meeting.description": None if row.is_private else description or None,
        IS_WITHHELD: row.is_private or row.is_withheld,
    }


def _moment(row: Touchpoint, at: datetime, zone: tzinfo) -> datetime:
    """An all-day meeting's days have no zone, and are kept as midnights in UTC: a CRM is told those of the firm."""
    return at.astimezone(UTC).replace(tzinfo=zone) if row.all_day_on else at


def firm_zone() -> tzinfo:
    """The firm's time zone. One query."""
    return ZoneInfo(Company.objects.values_list("time_zone", flat=True).get(pk=current_company_id()))


def emails(row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None = None) -> dict[uuid.UUID, Values]:
    """Four queries, and one more where the firm keeps somebody out, or one is not for every colleague."""
    rows = list(_touchpoints(row_ids, Touchpoint.Kind.EMAIL))
    zone = firm_zone() if any(_is_day_only(row) for row in rows) else UTC
    said = _descriptions(rows, listed)
    return {
        row.pk: {
            "email.title": _title(row),
            "email.sent_at": _noon(row.occurred_at, zone) if _is_day_only(row) else row.occurred_at,
            "email.description": "\n\n".join(said[row.pk]) or None,
            "email.direction": {True: "out", False: "in", None: None}[row.is_outgoing],
            IS_WITHHELD: row.is_private or row.is_withheld,
        }
        for row in rows
    }


def _is_day_only(row: Touchpoint) -> bool:
    """Whether colleagues see of a mail on which day it was, and no hour."""
    return row.is_private or row.is_withheld


def _noon(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone).replace(hour=12, minute=0, second=0, microsecond=0)


def tasks(row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Values]:
    """Two queries. A task is late once its day is over where the firm is."""
    today = timezone.localdate(timezone=firm_zone())
    rows = Task.objects.filter(pk__among=row_ids).order_by()
    return {row.pk: _task(row, is_late=bool(row.due_on and row.due_on < today and not row.done_at)) for row in rows}


def _task(row: Task, is_late: bool) -> Values:
    return {
        "task.title": row.title,
        "task.description": row.description or None,
        "task.due_on": row.due_on,
        "task.priority": "high" if is_late else "normal",
        "task.status": "done" if row.done_at else "open",
    }


def related(row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None) -> Relations:
    """The firms and people of touchpoints; none of one that is withheld. Four queries; with block rules five."""
    told = {"touchpoint_id__among": row_ids, "touchpoint__is_withheld": False}
    firms = Touchpoint.organizations.through._default_manager.filter(**told).order_by("pk")
    people = Touchpoint.people.through._default_manager.filter(**told).order_by("pk")
    return _relations(
        row_ids,
        firms.values_list("touchpoint_id", "organization_id"),
        list(people.values_list("touchpoint_id", "person_id")),
        listed,
    )


def related_of_tasks(row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None) -> Relations:
    """Whom the task is about; where nobody is named, who was at what it came of. Six queries; with rules eight."""
    rows = list(Task.objects.filter(pk__among=row_ids).order_by().values_list("pk", "person_id", "touchpoint_id"))
    people = [(pk, person) for pk, person, _ in rows if person]
    touchpoints = {pk: touchpoint for pk, person, touchpoint in rows if touchpoint and not person}
    behind = related(set(touchpoints.values()), None) if touchpoints else {}
    others = [(pk, *other) for pk, touchpoint in touchpoints.items() for other in behind[touchpoint]]
    people += [(pk, other) for pk, kind, other in others if kind == "person"]
    return _relations(row_ids, [(pk, other) for pk, kind, other in others if kind == "organization"], people, listed)


def _relations(
    row_ids: Collection[uuid.UUID], firms: Pairs, people: Collection[tuple[uuid.UUID, uuid.UUID]],
    listed: frozenset[uuid.UUID] | None,
) -> Relations:  # fmt: skip
    """Firms first, also those of the people; only listed ones and their people where there is a list. Nobody whom the
    whole firm keeps out."""
    kept_out = blocking.kept_out({person for _, person in people})
    people = [(pk, person) for pk, person in people if person not in kept_out]
    firm_of = dict(Person.objects.filter(pk__among={person for _, person in people}).values_list("pk", "organization"))
    found: dict[uuid.UUID, dict[tuple[str, uuid.UUID], None]] = {pk: {} for pk in row_ids}
    for pk, firm in [*firms, *((pk, firm_of.get(person)) for pk, person in people)]:
        if firm and (listed is None or firm in listed):
            found[pk]["organization", firm] = None
    for pk, person in people:
        if listed is None or firm_of.get(person) in listed:
            found[pk]["person", person] = None
    return {pk: tuple(others) for pk, others in found.items()}


def _touchpoints(row_ids: Collection[uuid.UUID], kind: str) -> Any:
    return Touchpoint.objects.filter(pk__among=row_ids, kind=kind).order_by().prefetch_related("users", "people")


def _title(row: Touchpoint) -> str:
    """Readable for everybody in the firm, and so for everybody in its CRM."""
    kind = Touchpoint.Kind(row.kind)
    if row.is_out_of_sight or row.is_private:
        return PRIVATE[kind]
    return row.title or privacy.UNTITLED[kind]


def _descriptions(rows: Collection[Touchpoint], listed: frozenset[uuid.UUID] | None) -> Mapping[uuid.UUID, list[str]]:
    """Who took part: contacts and colleagues, by name. Nobody of a firm that may not be written, nor whom the whole
    firm keeps out."""
    kept_out = blocking.kept_out({person.pk for row in rows for person in row.people.all()})
    said: dict[uuid.UUID, list[str]] = {}
    for row in rows:
        if row.is_withheld:
            said[row.pk] = []
            continue
        known = [person for person in row.people.all() if listed is None or person.organization_id in listed]
        guests = ", ".join(sorted(str(person) for person in known if person.pk not in kept_out))
        colleagues = ", ".join(sorted(str(user) for user in row.users.all()))
        lines = [f"With {guests}"] if guests else []
        if colleagues:
            lines.append(f"{'By' if row.is_outgoing else 'For us'}: {colleagues}")
        said[row.pk] = ["\n".join(lines)] if lines else []
    return said
