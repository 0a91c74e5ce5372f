"""Recognises one meeting in the copies of two mailboxes that give it different UIDs: by organizer, start and guests.

Calendars keep the UID that an invitation brought, but not all of them do so always.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations import outsiders
from integrations.calendar.models import CalendarEvent, EventGuest
from relationships.models import Touchpoint

MEETING = CalendarEvent.Verdict.MEETING


@dataclass
class Seen:
    """A meeting as the copies under one key show it. ``guests`` are the outsiders' match keys; ``owners`` are those
    whose mailboxes hold it, and ``colleagues`` those who stand on it, all by the ids of users."""

    key: str
    organizer: str
    start: datetime | date
    title: str
    mailboxes: set[uuid.UUID] = field(default_factory=set)
    events: set[uuid.UUID] = field(default_factory=set)
    guests: set[str] = field(default_factory=set)
    owners: set[uuid.UUID | None] = field(default_factory=set)
    colleagues: set[uuid.UUID | None] = field(default_factory=set)

    @property
    def look(self) -> tuple[str, datetime | date, frozenset[str]]:
        """What two copies of one meeting have in common."""
        return self.organizer, self.start, frozenset(self.guests)

    def may_be(self, other: "Seen") -> bool:
        """Whether what looks alike may be one meeting: each knows of whoever has the other, or both are called alike.

        Who meets two of us apart at the same hour calls for both by one address too.
        """
        know_each_other = (
            self.owners <= other.owners | other.colleagues and other.owners <= self.owners | self.colleagues
        )
        return know_each_other or self.title == other.title


def adopt(company_id: uuid.UUID, keys: Collection[str], rules: outsiders.Rules) -> set[str]:
    """Give copies of these meetings the key of a twin in another mailbox; returns the keys that were given.

    What has a touchpoint keeps its key, since something may be noted there. To be called under the company's lock, by
    whoever wrote the copies in the same transaction.
    """
    rows = EventGuest.unscoped.filter(
        event__company_id=company_id, event__verdict=MEETING, event__guests_omitted=False
    ).exclude(event__organizer="")
    recorded = Touchpoint.objects.filter(unique_key=OuterRef("event__meeting_key"))
    own = _seen(rows.filter(~Exists(recorded), event__meeting_key__among=keys), rules)
    if not own:
        return set()
    given = _twins(own, _seen(_at_the_same_time(rows, own).exclude(event__meeting_key__among=keys), rules))
    renamed = [CalendarEvent(pk=pk, meeting_key=given[one.key]) for one in own if one.key in given for pk in one.events]
    CalendarEvent.objects.bulk_update(renamed, ["meeting_key"])
    return set(given.values())


def _at_the_same_time(rows: QuerySet[EventGuest], own: Sequence[Seen]) -> QuerySet[EventGuest]:
    times = [one.start for one in own if isinstance(one.start, datetime)]
    days = [one.start for one in own if not isinstance(one.start, datetime)]
    is_then = Q(event__starts_at__among=times) | Q(event__starts_at__isnull=True, event__starts_on__among=days)
    return rows.filter(is_then, event__organizer__among={one.organizer for one in own})


def _seen(rows: QuerySet[EventGuest], rules: outsiders.Rules) -> list[Seen]:
    """What these guests' events look like, key by key."""
    found: dict[str, Seen] = {}
    columns = ("meeting_key", "organizer", "starts_at", "starts_on", "title", "state__integration_id")
    names = [f"event__{name}" for name in (*columns, "state__integration__user_id")]
    for pk, email, match_key, key, organizer, starts_at, starts_on, title, mailbox, owner in rows.order_by(
        "event_id"
    ).values_list("event_id", "email", "match_key", *names):
        one = found.setdefault(key, Seen(key, organizer, starts_at or starts_on, title))
        one.mailboxes.add(mailbox)
        one.owners.add(owner)
        one.events.add(pk)
        one.colleagues |= rules.users_at(email) | rules.users_at(organizer)
        one.guests |= set() if rules.is_colleague(email) else {match_key}
    return list(found.values())


def _twins(own: Sequence[Seen], others: Sequence[Seen]) -> dict[str, str]:
    """The key that each of our own is given, where it has a twin; of two of our own one keeps its key."""
    by_look = defaultdict(list)
    for one in [*others, *own]:
        by_look[one.look].append(one)
    given: dict[str, str] = {}
    kept: set[str] = set()
    for one in own:
        if one.key in kept:
            continue
        others_look = [two for two in by_look[one.look] if two.key not in given and one.may_be(two)]
        alike = [two for two in others_look if one.mailboxes.isdisjoint(two.mailboxes)]
        if _is_unclear(alike):
            alike = [two for two in alike if two.title == one.title]
        if alike and not _is_unclear(alike):
            given[one.key] = alike[0].key
            kept.add(alike[0].key)
            alike[0].mailboxes |= one.mailboxes
            alike[0].owners |= one.owners
            alike[0].colleagues |= one.colleagues
    return given


def _is_unclear(alike: Sequence[Seen]) -> bool:
    """Whether some mailbox has several of them: these are not one meeting."""
    return sum(len(one.mailboxes) for one in alike) > len({mailbox for one in alike for mailbox in one.mailboxes})
