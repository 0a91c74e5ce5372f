"""Meetings and mail as the company's touchpoints: one row per real event, written in bulk.

Whoever calls has read every copy of an event it can see; what it gives is the whole truth about that event.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from typing import Any, ClassVar, Protocol

from django.db import models, transaction
from django.db.models import CharField, QuerySet, Value
from django.utils import timezone

from relationships import bulk
from relationships.models import Touchpoint
from relationships.tenancy import current_company_id

Pair = tuple[uuid.UUID, uuid.UUID]


class Event(Protocol):
    """A real event that can be recorded. ``columns`` are what a repeated recording may change."""

    kind: ClassVar[Touchpoint.Kind]

    @property
    def unique_key(self) -> str: ...
    @property
    def people(self) -> frozenset[uuid.UUID]: ...
    @property
    def organizations(self) -> frozenset[uuid.UUID]: ...
    @property
    def users(self) -> frozenset[uuid.UUID]: ...
    @property
    def origin(self) -> str: ...
    def columns(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Meeting:
    """A meeting with outsiders.

    ``starts_at`` and ``ends_at`` are aware; an all-day meeting has ``all_day_on``, its first day in no zone, and starts
    at midnight UTC of it. ``people``, ``organizations`` and ``users`` are complete sets of ids in the current company.
    Each guest is an outsider: ``email``, ``name``, ``response``.
    """

    kind: ClassVar[Touchpoint.Kind] = Touchpoint.Kind.MEETING

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

    def columns(self) -> dict[str, Any]:
        """The touchpoint's columns that this meeting says."""
        return {
            "title": self.title[:500],
            "occurred_at": self.starts_at,
            # An end before the start is a sender's mistake that must not keep the meeting out.
            "ended_at": max(self.starts_at, self.ends_at) if self.ends_at else None,
            "all_day_on": self.all_day_on,
            "location": self.location[:500],
            # A cut address leads nowhere.
            "join_url": self.join_url if len(self.join_url) <= 1000 else "",
            "guests": [dict(guest) for guest in self.guests],
            "cancelled_at": None,
            "is_withheld": False,
            "is_orphaned": False,
        }


@dataclass(frozen=True)
class Mail:
    """A mail between colleagues and outsiders, out of every copy of it that counts.

    ``unique_key`` is of its Message-ID and ``thread_key`` of its conversation. ``sent_at`` is aware. ``users`` own the
    copies, ``people`` are the contacts in it, ``organizations`` their firms: complete sets of ids in the current
    company. ``is_private`` unless every one of the users shares subjects. ``answerers`` are the users whom its answer
    concerns: those a mail from outside was written to, not in copy, or the one who wrote to the outside and waits.
    Each guest is an outsider: ``email``, ``name``, ``role`` (from, to, cc, bcc).
    """

    kind: ClassVar[Touchpoint.Kind] = Touchpoint.Kind.EMAIL

    unique_key: str
    thread_key: str
    subject: str
    sent_at: datetime
    is_outgoing: bool
    is_private: bool
    people: frozenset[uuid.UUID]
    organizations: frozenset[uuid.UUID]
    users: frozenset[uuid.UUID]
    answerers: frozenset[uuid.UUID]
    guests: tuple[Mapping[str, str], ...]
    origin: str

    def columns(self) -> dict[str, Any]:
        """The touchpoint's columns that this mail says."""
        return {
            "title": self.subject[:500],
            "occurred_at": self.sent_at,
            "thread_key": self.thread_key,
            "is_outgoing": self.is_outgoing,
            "is_private": self.is_private,
            "answerers": sorted(str(user) for user in self.answerers),
            "guests": [dict(guest) for guest in self.guests],
            "cancelled_at": None,
            "is_withheld": False,
        }


def record_meetings(
    meetings: Sequence[Meeting], gone: Collection[str] = (), withheld: Collection[str] = ()
) -> dict[str, uuid.UUID]:
    """Make the current company's touchpoints equal to ``meetings``; returns the touchpoint's id by unique key.

    Those whose keys are in ``gone`` are hidden, and keep what was noted about them; those of them that are ``withheld``
    are hidden by a block rule. Writes what changed alone, brings back what was cancelled, and takes the same number of
    queries for one meeting as for a thousand. Two workers that record the same meeting make one row; the later one's
    view of it stands. Of two meetings with one key the last counts. Raises NoCompany outside ``tenancy.within``.
    """
    return _record(meetings, gone, withheld)


def record_mails(
    mails: Sequence[Mail], gone: Collection[str] = (), withheld: Collection[str] = ()
) -> dict[str, uuid.UUID]:
    """Make the current company's touchpoints equal to ``mails``, as ``record_meetings`` does.

    Who owes an answer is not looked at here: ``follow_ups.review`` does so, with the thread keys of what was recorded
    and of what went. Raises NoCompany outside ``tenancy.within``.
    """
    return _record(mails, gone, withheld)


def _record(events: Sequence[Event], gone: Collection[str], withheld: Collection[str]) -> dict[str, uuid.UUID]:
    """All of one kind."""
    whole = {event.unique_key: event for event in events}
    gone = set(gone) - whole.keys()
    if not whole and not gone:
        return {}
    names = list(events[0].columns()) if events else ["cancelled_at", "is_withheld"]
    # Joins the caller's transaction: a page is stored as a whole or not at all.
    with transaction.atomic(savepoint=False):
        stored = _stored(whole.keys() | gone, names)
        _hide([row["id"] for key, row in stored.items() if key in gone and row["cancelled_at"] is None])
        hidden = gone.intersection(withheld)
        _withhold([row["id"] for key, row in stored.items() if key in hidden and not row["is_withheld"]])
        # In the order of their keys, here and in each statement, so that two workers cannot wait for each other.
        ids, new = _write({key: whole[key] for key in sorted(whole)}, stored)
        _connect({ids[key]: event for key, event in whole.items()}, new)
    return ids


def _stored(unique_keys: Collection[str], names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """The rows as they are, which stay locked until the transaction ends."""
    rows = Touchpoint.objects.select_for_update(of=("self",)).filter(unique_key__among=unique_keys)
    return {row["unique_key"]: row for row in rows.order_by("unique_key").values("id", "unique_key", *names)}


def _hide(ids: Collection[uuid.UUID]) -> None:
    if ids:
        now = timezone.now()
        rows = Touchpoint.objects.filter(pk__among=ids)
        rows.update(cancelled_at=now, updated_at=now)


def _withhold(ids: Collection[uuid.UUID]) -> None:
    if ids:
        Touchpoint.objects.filter(pk__among=ids).update(is_withheld=True, updated_at=timezone.now())


def _write(
    wanted: Mapping[str, Event], stored: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, uuid.UUID], set[uuid.UUID]]:
    """Insert or update what differs from the stored rows; returns the ids by key, and those of the rows that are new.

    Another worker's row may have come meanwhile, under its own id: then that one is updated.
    """
    now, company_id = timezone.now(), current_company_id()
    ids = {key: row["id"] for key, row in stored.items() if key in wanted}
    rows: list[dict[str, Any]] = []
    for key, event in wanted.items():
        values = event.columns()
        if key in ids and all(stored[key][name] == value for name, value in values.items()):
            continue
        row = {"id": ids.get(key) or uuid.uuid4(), "company": company_id, "unique_key": key, "updated_at": now}
        rows.append(row | values | {"kind": event.kind.value, "origin": event.origin[:100]})
    written = bulk.upsert(
        Touchpoint,
        rows,
        unique=["company", "unique_key"],
        returning=["unique_key", "id"],
        once=["id", "kind", "origin"],
    )
    made: set[uuid.UUID] = {row["id"] for row in rows if row["unique_key"] not in ids}
    return ids | dict(written), made & {pk for _, pk in written}


def _connect(events: Mapping[uuid.UUID, Event], new: Collection[uuid.UUID]) -> None:
    """Make the people, organizations and users of these touchpoints exactly those of their events.

    One that is known and gains or loses somebody is news, which its CRM is told.
    """
    links: dict[type[models.Model], tuple[str, set[Pair]]] = {
        Touchpoint.people.through: ("person", _pairs((pk, event.people) for pk, event in events.items())),
        Touchpoint.organizations.through: (
            "organization",
            _pairs((pk, event.organizations) for pk, event in events.items()),
        ),
        Touchpoint.users.through: ("user", _pairs((pk, event.users) for pk, event in events.items())),
    }
    stored = _stored_links({through: name for through, (name, _) in links.items()}, events.keys() - set(new))
    changed: set[uuid.UUID] = set()
    for through, (name, wanted) in links.items():
        present = stored[name]
        changed |= {touchpoint for touchpoint, _ in wanted ^ present.keys()} - set(new)
        gone = [pk for pair, pk in present.items() if pair not in wanted]
        if gone:
            through._default_manager.filter(pk__among=gone).delete()
        rows = [{"touchpoint": touchpoint, name: other} for touchpoint, other in sorted(wanted - present.keys())]
        bulk.upsert(through, rows, unique=["touchpoint", name])
    if changed:
        Touchpoint.objects.filter(pk__among=changed).update(updated_at=timezone.now())


def _pairs(sets: Iterable[tuple[uuid.UUID, frozenset[uuid.UUID]]]) -> set[Pair]:
    return {(touchpoint, other) for touchpoint, others in sets for other in others}


def _stored_links(
    names: Mapping[type[models.Model], str], touchpoints: Collection[uuid.UUID]
) -> dict[str, dict[Pair, int]]:
    """What hangs on these touchpoints, by name: the pair and its row's id. One query for all tables."""
    stored: dict[str, dict[Pair, int]] = {name: {} for name in names.values()}
    if not touchpoints:
        return stored
    selects: list[QuerySet[Any, Any]] = [
        through._default_manager.filter(touchpoint_id__among=touchpoints)
        .order_by()
        .values_list(Value(name, CharField()), "pk", "touchpoint_id", f"{name}_id")
        for through, name in names.items()
    ]
    for name, pk, touchpoint, other in reduce(lambda one, more: one.union(more, all=True), selects):
        stored[name][touchpoint, other] = pk
    return stored
