"""What pushes named, until the sync they poked has read it again: hints, of which losing one loses no change."""

import uuid
from collections.abc import Collection, Mapping

from django.db.models import Count
from django.utils import timezone

from integrations.models import PokedItem, SyncState

MOST = 1_000
"""Of one state. Whoever names more changes in bulk: that is found by the cursor, for fewer calls."""

BATCH = 500


def add(named: Mapping[uuid.UUID, Collection[str]]) -> None:
    """Keep these names, by state; all of a state are dropped once there are more than MOST.

    Called in the transaction that pokes these states, and after the poke: so none of them can be deleted meanwhile.
    """
    companies = dict(SyncState.unscoped.filter(pk__in=named).values_list("pk", "company_id"))
    now = timezone.now()
    few = {pk: names for pk, names in named.items() if len(set(names)) <= MOST}
    # In one order, so that two batches that name the same cannot wait for each other.
    pairs = sorted((pk, name) for pk in few.keys() & companies.keys() for name in set(few[pk]))
    PokedItem.unscoped.bulk_create(
        [PokedItem(company_id=companies[pk], state_id=pk, name=name, at=now) for pk, name in pairs],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["state", "name"],
        update_fields=["at"],
    )
    counted = PokedItem.unscoped.filter(state__in=named).order_by().values_list("state").annotate(count=Count("pk"))
    flooded = {pk for pk, count in counted if count > MOST} | (named.keys() - few.keys())
    if flooded:
        PokedItem.unscoped.filter(state__in=flooded).delete()
