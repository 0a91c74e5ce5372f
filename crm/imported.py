"""What a CRM link brought: how much of it is in step, and its deletion once the link has ended."""

import uuid
from collections import Counter
from collections.abc import Collection

from django.db import transaction
from django.db.models import Count

from crm.models import Budget, DriftReport, ObjectFields, RecordLink, Twin
from integrations.models import Integration, SyncState

DELETE_BATCH = 500
COUNTED = {"organization": "organizations", "person": "people"}


def counts(state_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Counter[str]]:
    """For each CRM: the firms and people that are linked with a record, and all records."""
    states = dict(SyncState.objects.filter(pk__in=state_ids).values_list("integration", "pk"))
    links = RecordLink.objects.filter(integration__in=states, state=RecordLink.State.LINKED).order_by()
    found: dict[uuid.UUID, Counter[str]] = {pk: Counter() for pk in states.values()}
    for integration, kind, number in links.values_list("integration", "kind").annotate(Count("pk")):
        counter = found[states[integration]]
        counter["records"] += number
        if kind in COUNTED:
            counter[COUNTED[kind]] += number
    return found


def delete_batch(integration: Integration) -> bool:
    """Delete some links with what is known of both sides' values; False where none is left.

    Firms, people and notes stay: they are the company's.
    """
    with transaction.atomic():
        links = RecordLink.objects.filter(integration=integration)
        batch = list(links.values_list("pk", flat=True)[:DELETE_BATCH])
        links.filter(pk__in=batch).delete()
        if not batch:
            Twin.objects.filter(integration=integration).delete()
            ObjectFields.objects.filter(integration=integration).delete()
            DriftReport.objects.filter(integration=integration).delete()
            # What is linked next may be another account, which has an allowance of its own.
            Budget.objects.filter(integration=integration).delete()
    return bool(batch)
