"""How fast people answer each other: the yardstick of who owes an answer."""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, Case, F, Q, QuerySet, When, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from relationships import correspondence, workdays
from relationships.correspondence import Letter
from relationships.models import FollowUp, Touchpoint
from relationships.tenancy import current_company_id

LOOKED_BACK = timedelta(days=365)
ANSWERS_NEEDED = 3

MAILS_EACH = 200
"""So many mails between a user and a person are looked at: the newest ones. Older ones say little about today."""

LETTERS_AT_ONCE = 2_000
"""So many letters are held in memory at most, a few kilobytes each. Never less than MAILS_EACH."""

Pair = tuple[str, uuid.UUID, uuid.UUID]
"""The side that answers (FollowUp.Side), the user, the person."""

Two = tuple[uuid.UUID, uuid.UUID]
"""The user and the person."""

OURS, THEIRS = FollowUp.Side.OURS.value, FollowUp.Side.THEIRS.value


def usual(pairs: Collection[Pair], zones: Mapping[uuid.UUID, ZoneInfo]) -> dict[Pair, Decimal]:
    """Business days, in the user's zone, that the side of each pair usually takes to answer the other one.

    The median of what it took in the last year, among the newest MAILS_EACH mails between the two, to one digit; pairs
    with fewer than ANSWERS_NEEDED answers are left out. What is found for a pair does not depend on the others.

    However much mail there is, LETTERS_AT_ONCE letters are held at most. One query, and a few more for every
    LETTERS_AT_ONCE letters: for one pair the same number however often the two write. Needs ``tenancy.within``.
    """
    if not pairs:
        return {}
    found = {}
    for group in _groups({pair[1:] for pair in pairs}):
        for pair, days in _taken(group, zones):
            if pair in pairs and len(days) >= ANSWERS_NEEDED:
                found[pair] = Decimal(f"{median(days):.1f}")
    return found


def _groups(wanted: Collection[Two]) -> Iterator[dict[Two, list[uuid.UUID]]]:
    """The ids of the newest mails between these two at a time, in groups that are small enough to be read at once."""
    group: dict[Two, list[uuid.UUID]] = {}
    size = 0
    for two, rows in groupby(_newest(wanted), key=lambda row: row[:2]):
        ids = [pk for *_, pk in rows]
        # Each answer takes two mails.
        if two not in wanted or len(ids) < 2 * ANSWERS_NEEDED:
            continue
        if group and size + len(ids) > LETTERS_AT_ONCE:
            yield group
            group, size = {}, 0
        group[two] = ids
        size += len(ids)
    if group:
        yield group


def _newest(wanted: Collection[Two]) -> Iterable[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]:
    """User, person and mail: the newest mails of these users with these people, whoever of them has mail together.

    In the order of users and people. The database counts, and the rows are fetched a few at a time.
    """
    counts = Q(
        touchpoint__company=current_company_id(),
        touchpoint__kind=Touchpoint.Kind.EMAIL,
        touchpoint__cancelled_at=None,
        touchpoint__occurred_at__gt=timezone.now() - LOOKED_BACK,
        touchpoint__users__pk__among={user for user, _ in wanted},
    )
    people = {person for _, person in wanted}
    links: QuerySet[Any, Any] = Touchpoint.people.through._default_manager.filter(person__among=people)
    # In a CASE, which no index serves: without statistics, which SQLite never has, a database would rather begin with
    # all mail of the company or of the user. That takes ten times as long and more.
    links = links.filter(Case(When(counts, then=True), default=False, output_field=BooleanField()))
    place = Window(
        RowNumber(),
        partition_by=[F("touchpoint__users"), F("person")],
        order_by=["-touchpoint__occurred_at", "touchpoint"],
    )
    newest = links.annotate(place=place).filter(place__lte=MAILS_EACH).order_by("touchpoint__users", "person")
    return newest.values_list("touchpoint__users", "person", "touchpoint").iterator()


def _taken(
    group: Mapping[Two, Collection[uuid.UUID]], zones: Mapping[uuid.UUID, ZoneInfo]
) -> Iterator[tuple[Pair, list[float]]]:
    """What both sides of each two took for each of their answers, in business days."""
    ids = {pk for pks in group.values() for pk in pks}
    letters = {letter.pk: letter for letter in correspondence.read(Touchpoint.objects.filter(pk__among=ids))}
    for (user, person), pks in group.items():
        days: dict[str, list[float]] = {OURS: [], THEIRS: []}
        mails = [letters[pk] for pk in pks if pk in letters]
        mails.sort(key=lambda letter: (letter.thread_key, letter.at, letter.pk))
        for _, thread in groupby(mails, key=lambda letter: letter.thread_key):
            for side, asked, answer in _answers(thread, user, person):
                days[side].append(workdays.between(asked.at, answer.at, zones[user]))
        yield from (((side, user, person), taken) for side, taken in days.items())


def _answers(thread: Iterable[Letter], user: uuid.UUID, person: uuid.UUID) -> Iterator[tuple[str, Letter, Letter]]:
    """Which side's answer took from which letter to which other one; the letters of one conversation that both the user
    and the person have, the earliest first.

    As with what is still owed, the clock runs from the latest letter that asked.
    """
    asked: dict[str, Letter] = {}
    for letter in thread:
        # By its addresses the person may not be in it any more.
        if user not in letter.holders or person not in letter.people:
            continue
        side, other = (OURS, THEIRS) if letter.is_outgoing else (THEIRS, OURS)
        earlier = asked.pop(side, None)
        # Where somebody else answered in their place, nothing was learnt about them.
        if earlier and (user in letter.users if letter.is_outgoing else person == letter.person):
            yield side, earlier, letter
        if user in letter.users and person == letter.person:
            asked[other] = letter
