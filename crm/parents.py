"""What a row hangs on in the CRM: firms and people that are linked already."""

import uuid
from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from crm import link_errors, rows
from crm.contract import Related
from crm.models import RecordLink
from integrations.models import Integration
from relationships.models import Touchpoint

PARENT_KINDS = ("organization", "person")
CHILD_KINDS = frozenset({"meeting", "email", "task", "note"})
"""What the CRM shows only with the firm or person it belongs to."""
MOST_RELEASED = 10_000


def of(
    integration: Integration, kind: str, row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None
) -> dict[uuid.UUID, tuple[Related, ...]]:
    """What each row belongs to there, as far as it is linked. Firms come first."""
    related = rows.related(kind, row_ids, listed)
    wanted = {pk for pairs in related.values() for _, pk in pairs}
    if not wanted:
        return {}
    linked = RecordLink.objects.filter(
        integration=integration, kind__in=PARENT_KINDS, row_id__among=wanted, state=RecordLink.State.LINKED
    ).exclude(external_id="")
    ids = {(kind, pk): external_id for kind, pk, external_id in linked.values_list("kind", "row_id", "external_id")}
    return {
        row_id: tuple(Related(pair[0], ids[pair]) for pair in pairs if pair in ids) for row_id, pairs in related.items()
    }


def release(integration: Integration, since: datetime | None, listed: frozenset[uuid.UUID] | None) -> None:
    """Let go what waited for a firm or person that is linked since then, and tell the CRM who else took part."""
    if since is None:
        # A first sync has told nobody anything yet.
        _release_waiting(integration, listed)
        return
    linked = RecordLink.objects.filter(integration=integration, kind__in=PARENT_KINDS, state=RecordLink.State.LINKED)
    new = linked.filter(created_at__gt=since).order_by()
    if not new.exists():
        return
    _release_waiting(integration, listed)
    keys = new.values("row_id")
    of_new = Touchpoint.objects.filter(Q(people__in=keys) | Q(organizations__in=keys)).order_by().values("pk")
    told = RecordLink.objects.filter(integration=integration, kind__in=["meeting", "email"], row_id__in=of_new)
    told.filter(state=RecordLink.State.LINKED, error_cause="").update(is_due=True)


def _release_waiting(integration: Integration, listed: frozenset[uuid.UUID] | None) -> None:
    waiting = RecordLink.objects.filter(integration=integration, error_cause=link_errors.WAITS_FOR_PARENT)
    by_kind: dict[str, list[uuid.UUID]] = {}
    for kind, row_id in waiting.values_list("kind", "row_id")[:MOST_RELEASED]:
        by_kind.setdefault(kind, []).append(row_id)
    for kind, row_ids in by_kind.items():
        ready = [row_id for row_id, found in of(integration, kind, row_ids, listed).items() if found]
        waiting.filter(kind=kind, row_id__among=ready).update(is_due=True, next_attempt_at=None)
