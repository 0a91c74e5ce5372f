"""What pushes named, until the sync they poked has read it again: hints, of which losing one loses no change.

But for what was deleted for privacy (FORGET): of that there is no other word, so it is never dropped.
"""

import uuid
from collections.abc import Collection, Mapping

from django.db.models import Count
from django.utils import timezone

from integrations.contract import FORGET
from integrations.models import PokedItem, SyncState

MOST = 1_000
"""Hints of one state. Whoever names more changes in bulk: that is found by the cursor, for fewer calls."""

BATCH = 500


def add(named: Mapping[uuid.UUID, Collection[str]]) -> None:
    """Keep these names, by state; all hints of a state are dropped once there are more than MOST.

    Called in the transaction that pokes these states, and after the poke: so none of them can be deleted meanwhile.
    """
    companies = dict(SyncState.unscoped.filter(pk__in=named).values_list("pk", "company_id"))
    now = timezone.now()
    hints = {pk: {name for name in names if not name.startswith(FORGET)} for pk, names in named.items()}
    kept = {pk: set(names) if len(hints[pk]) <= MOST else set(names) - hints[pk] for pk, names in named.items()}
    # In one order, so that two batches that name the same cannot wait for each other.
    pairs = sorted((pk, name) for pk in kept.keys() & companies.keys() for name in kept[pk])
    PokedItem.unscoped.bulk_create(
        [PokedItem(company_id=companies[pk], state_id=pk, name=name, at=now) for pk, name in pairs],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["state", "name"],
        update_fields=["at"],
    )
    stored = PokedItem.unscoped.exclude(name__startswith=FORGET)
    counted = stored.filter(state__in=named).order_by().values_list("state").annotate(count=Count("pk"))
    flooded = {pk for pk, count in counted if count > MOST} | {pk for pk in hints if len(hints[pk]) > MOST}
    if flooded:
        stored.filter(state__in=flooded).delete()
