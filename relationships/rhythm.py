"""How fast people answer each other: the yardstick of who owes an answer."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from statistics import median
from zoneinfo import ZoneInfo

from django.utils import timezone

from relationships import correspondence, workdays
from relationships.correspondence import Letter
from relationships.models import FollowUp, Touchpoint

LOOKED_BACK = timedelta(days=365)
ANSWERS_NEEDED = 3

Pair = tuple[str, uuid.UUID, uuid.UUID]
"""The side that answers (FollowUp.Side), the user, the person."""

OURS, THEIRS = FollowUp.Side.OURS.value, FollowUp.Side.THEIRS.value


def usual(pairs: Collection[Pair], zones: Mapping[uuid.UUID, ZoneInfo]) -> dict[Pair, Decimal]:
    """Business days, in the user's zone, that the side of each pair usually takes to answer the other one.

    The median of what it took in the last year, to one digit; pairs with fewer than ANSWERS_NEEDED answers are left
    out. Five queries for any number of pairs. Needs ``tenancy.within``.
    """
    if not pairs:
        return {}
    with_people = Touchpoint.people.through._default_manager.filter(person_id__among={pair[2] for pair in pairs})
    with_users = Touchpoint.users.through._default_manager.filter(user_id__among={pair[1] for pair in pairs})
    rows = Touchpoint.objects.filter(
        pk__in=with_people.filter(touchpoint__in=with_users.values("touchpoint")).values("touchpoint"),
        occurred_at__gt=timezone.now() - LOOKED_BACK,
    )
    taken: dict[Pair, list[float]] = defaultdict(list)
    letters = sorted(correspondence.read(rows), key=lambda letter: letter.thread_key)
    for _, thread in groupby(letters, key=lambda letter: letter.thread_key):
        for pair, asked, answer in _answers(thread):
            if pair in pairs:
                taken[pair].append(workdays.between(asked.at, answer.at, zones[pair[1]]))
    return {pair: Decimal(f"{median(days):.1f}") for pair, days in taken.items() if len(days) >= ANSWERS_NEEDED}


def _answers(thread: Iterable[Letter]) -> Iterable[tuple[Pair, Letter, Letter]]:
    """Whose answer took from which letter to which other one; the letters of one conversation, the earliest first.

    As with what is still owed, the clock runs from the latest letter that asked.
    """
    asked: dict[Pair, Letter] = {}
    for letter in thread:
        is_ours = letter.is_outgoing
        for pair in [pair for pair in asked if pair[0] == (OURS if is_ours else THEIRS)]:
            _, user, person = pair
            # Letters without either of the two are not among those that were read: they may not matter.
            if user not in letter.holders or person not in letter.people:
                continue
            earlier = asked.pop(pair)
            # Where somebody else answered in their place, nothing was learnt about them.
            if user in letter.users if is_ours else person == letter.person:
                yield pair, earlier, letter
        awaited = THEIRS if is_ours else OURS
        asked |= {(awaited, user, letter.person): letter for user in letter.users if letter.person}
