"""Empties for good what is kept here of values that nobody may see any more.

That something was written, gave way or differed stays, with when, in which fields, and why its values were removed.
"""

import uuid
from collections.abc import Collection, Sequence
from typing import Any

from django.utils import timezone

from crm import ledger
from crm.models import Conflict, DriftReport, RecordLink, Write
from integrations.models import Integration
from relationships import bulk

REMOVED = "(removed)"
"""What stands in the place of each value."""
REMOVED_HALVES = {"theirs": REMOVED, "ours": REMOVED}
"""What a shadow holds of a field whose values were removed."""
MEANWHILE = "What differs is not kept: values of some records were taken back while they were compared."
BATCH = 500


def history(integration: Integration, link_ids: Collection[uuid.UUID], why: str) -> None:
    """Empty what was written of these links, what gave way and what differed, and the CRM's words of why it refused
    something, in which values stand. In the caller's transaction.

    A write whose fate is not known keeps its values until it is: by them it is found again.
    """
    ids = list(link_ids)
    for start in range(0, len(ids), BATCH):
        some, now = ids[start : start + BATCH], timezone.now()
        writes = Write.objects.filter(link__among=some, erased_at=None).exclude(state__in=ledger.UNSURE)
        for batch in _batches(list(writes.order_by().values_list("pk", "values"))):
            bulk.update(
                Write,
                [
                    {"id": pk, "values": dict.fromkeys(values, REMOVED), "held": {}, "error": "",
                     "idempotency_key": f"erased {pk}", "erased_at": now, "erased_why": why}
                    for pk, values in batch
                ],
            )  # fmt: skip
        RecordLink.objects.filter(pk__among=some).exclude(error="").update(error=REMOVED)
        Conflict.objects.filter(link__among=some, erased_at=None).update(
            ours=REMOVED, theirs=REMOVED, base=REMOVED, erased_at=now, erased_why=why
        )
    if ids:
        _drift(integration, {str(pk) for pk in ids}, why)


def shadows(links: Collection[RecordLink]) -> None:
    """Empty what both sides held when they last agreed: whatever our rows say now is news, also that it is nothing."""
    for link in links:
        link.shadow = dict.fromkeys(link.shadow, REMOVED_HALVES)
    for batch in _batches(list(links)):
        bulk.update(RecordLink, [{"id": link.pk, "shadow": link.shadow} for link in batch])


def _drift(integration: Integration, links: Collection[str], why: str) -> None:
    """Reports are few and short, but their lines stand in no table. Those that are still made are told first."""
    DriftReport.objects.filter(integration=integration, finished_at=None).update(error=MEANWHILE)
    for report in DriftReport.objects.filter(integration=integration).exclude(differences=[]).iterator():
        if any(one["link"] in links for one in report.differences):
            removed = {"ours": REMOVED, "theirs": REMOVED, "why": f"Its values were removed. {why}"}
            report.differences = [one | removed if one["link"] in links else one for one in report.differences]
            report.save(update_fields=["differences"])


def _batches(items: Sequence[Any]) -> Sequence[Sequence[Any]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
