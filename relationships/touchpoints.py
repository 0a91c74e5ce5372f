"""Meetings as the company's touchpoints: one row per real event, written in bulk.

Whoever calls has read every copy of a meeting it can see; what it gives is the whole truth about that meeting.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from typing import Any

from django.db import models, transaction
from django.db.models import CharField, QuerySet, Value
from django.utils import timezone

from relationships import batches
from relationships.models import Touchpoint
from relationships.tenancy import current_company_id

# What a repeated recording may change. ``origin`` is left as it was: it says which row was first.
CHANGING = (
    "title",
    "occurred_at",
    "ended_at",
    "all_day_on",
    "location",
    "join_url",
    "guests",
    "cancelled_at",
)

# Seventeen columns each, in one INSERT.
MEETINGS_AT_ONCE = 1_000

Pair = tuple[uuid.UUID, uuid.UUID]


@dataclass(frozen=True)
class Meeting:
    """A meeting with outsiders.

    ``starts_at`` and ``ends_at`` are aware; an all-day meeting has ``all_day_on``, its first day in no zone, and starts
    at midnight UTC of it. ``people``, ``organizations`` and ``users`` are complete sets of ids in the current company.
    Each guest is an outsider: ``email``, ``name``, ``response``.
    """

    unique_key: str
    title: str
    starts_at: datetime
    ends_at: datetime | None
    all_day_on: date | None
    location: str
    join_url: str
    people: frozenset[uuid.UUID]
    organizations: frozenset[uuid.UUID]
    users: frozenset[uuid.UUID]
    guests: tuple[Mapping[str, str], ...]
    origin: str


def record_meetings(meetings: Sequence[Meeting]) -> dict[str, uuid.UUID]:
    """Make the current company's touchpoints equal to ``meetings``; returns the touchpoint's id by unique key.

    Writes what changed alone, brings back what was cancelled, and takes the same number of queries for one meeting as
    for a thousand. Two workers that record the same meeting make one row; the later one's view of it stands.
    Of two meetings with one key the last counts. Raises NoCompany outside ``tenancy.within``.
    """
    whole = {meeting.unique_key: meeting for meeting in meetings}
    ids: dict[str, uuid.UUID] = {}
    # Joins the caller's transaction: a page is stored as a whole or not at all.
    with transaction.atomic(savepoint=False):
        # In the order of their keys, here and in each statement, so that two workers cannot wait for each other.
        for keys in batches.of(sorted(whole), MEETINGS_AT_ONCE):
            wanted = {key: whole[key] for key in keys}
            recorded = _upsert(wanted)
            _connect({recorded[key]: meeting for key, meeting in wanted.items()})
            ids |= recorded
    return ids


def cancel_meetings(unique_keys: Collection[str]) -> int:
    """Hide these meetings of the current company, keeping what was noted about them; returns how many were visible."""
    now = timezone.now()
    visible = Touchpoint.objects.filter(kind=Touchpoint.Kind.MEETING, cancelled_at=None)
    return sum(
        visible.filter(unique_key__in=keys).update(cancelled_at=now, updated_at=now)
        for keys in batches.of(sorted(set(unique_keys)), batches.KEYS)
    )


def _upsert(wanted: Mapping[str, Meeting]) -> dict[str, uuid.UUID]:
    """Insert or update what differs from the stored rows, which stay locked until the transaction ends."""
    stored = Touchpoint.objects.select_for_update(of=("self",)).filter(unique_key__in=wanted).order_by("unique_key")
    found = {row.unique_key: row for row in stored}
    changed = []
    for key, meeting in wanted.items():
        row = found.get(key) or Touchpoint(
            company_id=current_company_id(), kind=Touchpoint.Kind.MEETING, unique_key=key, origin=meeting.origin[:100]
        )
        if _apply(meeting, row) or key not in found:
            changed.append(row)
    if changed:
        Touchpoint.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["company", "unique_key"],
            update_fields=[*CHANGING, "updated_at"],
        )
    ids = {key: row.pk for key, row in found.items()}
    new = wanted.keys() - ids.keys()
    if new:
        # Asked again: another worker's row may have been there first, under its own id.
        ids.update(Touchpoint.objects.filter(unique_key__in=new).values_list("unique_key", "pk"))
    return ids


def _apply(meeting: Meeting, row: Touchpoint) -> bool:
    """Set ``row`` to what ``meeting`` says; whether anything changed."""
    values: dict[str, Any] = {
        "title": meeting.title[:500],
        "occurred_at": meeting.starts_at,
        # An end before the start is a sender's mistake that must not keep the meeting out.
        "ended_at": max(meeting.starts_at, meeting.ends_at) if meeting.ends_at else None,
        "all_day_on": meeting.all_day_on,
        "location": meeting.location[:500],
        # A cut address leads nowhere.
        "join_url": meeting.join_url if len(meeting.join_url) <= 1000 else "",
        "guests": [dict(guest) for guest in meeting.guests],
        "cancelled_at": None,
    }
    is_changed = any(getattr(row, name) != value for name, value in values.items())
    for name, value in values.items():
        setattr(row, name, value)
    return is_changed


def _connect(meetings: Mapping[uuid.UUID, Meeting]) -> None:
    """Make the people, organizations and users of these touchpoints exactly those of their meetings."""
    links: dict[type[models.Model], tuple[str, set[Pair]]] = {
        Touchpoint.people.through: ("person_id", _pairs((pk, meeting.people) for pk, meeting in meetings.items())),
        Touchpoint.organizations.through: (
            "organization_id",
            _pairs((pk, meeting.organizations) for pk, meeting in meetings.items()),
        ),
        Touchpoint.users.through: ("user_id", _pairs((pk, meeting.users) for pk, meeting in meetings.items())),
    }
    stored = _stored_links({through: column for through, (column, _) in links.items()}, meetings)
    for through, (column, wanted) in links.items():
        present = stored[column]
        for gone in batches.of([pk for pair, pk in present.items() if pair not in wanted], batches.KEYS):
            through._default_manager.filter(pk__in=gone).delete()
        for missing in batches.of(sorted(wanted - present.keys()), batches.KEYS):
            rows = [through(touchpoint_id=touchpoint, **{column: other}) for touchpoint, other in missing]
            through._default_manager.bulk_create(rows, ignore_conflicts=True)


def _pairs(sets: Iterable[tuple[uuid.UUID, frozenset[uuid.UUID]]]) -> set[Pair]:
    return {(touchpoint, other) for touchpoint, others in sets for other in others}


def _stored_links(
    columns: Mapping[type[models.Model], str], touchpoints: Collection[uuid.UUID]
) -> dict[str, dict[Pair, int]]:
    """What hangs on these touchpoints, by column: the pair and its row's id. One query for all tables."""
    selects: list[QuerySet[Any, Any]] = [
        through._default_manager.filter(touchpoint_id__in=touchpoints)
        .order_by()
        .values_list(Value(column, CharField()), "pk", "touchpoint_id", column)
        for through, column in columns.items()
    ]
    stored: dict[str, dict[Pair, int]] = {column: {} for column in columns.values()}
    for column, pk, touchpoint, other in reduce(lambda one, more: one.union(more, all=True), selects):
        stored[column][touchpoint, other] = pk
    return stored
