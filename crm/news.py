"""Whether a company has something for its CRM that no sync knows of yet: asked each minute, so it must cost little."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm import mapping, rows
from crm.models import KINDS, Budget, RecordLink
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import Match, Note, Organization, Person, Task, Touchpoint

LATE = timedelta(seconds=30)
"""So long after its stamp a row may be seen first."""
STAMPS: dict[str, tuple[tuple[type[models.Model], str], ...]] = {
    "organization": ((Organization, "updated_at"), (Match, "scored_at"), (Match, "updated_at")),
    "person": ((Person, "updated_at"),),
    "meeting": ((Touchpoint, "updated_at"), (Note, "updated_at")),
    "email": ((Touchpoint, "updated_at"), (Note, "updated_at")),
    "task": ((Task, "updated_at"),),
    "note": ((Note, "updated_at"),),
}
"""The columns that say when rows of each kind had news."""


def is_there(state: SyncState) -> bool:
    """Whether a row changed since the last sync began, or a link is due, that may be written now.

    First the stamps of all tables are asked; only where one is new, which rows may go out.
    """
    integration, now = state.integration, timezone.now()
    waiting = Budget.objects.filter(integration=integration, waits_until__gt=now).first()
    if waiting and not waiting.waiting:
        return False
    begun = SyncRun.objects.filter(state=state).order_by("-started_at").values_list("started_at", flat=True).first()
    published = mapping.published(integration)
    kinds = [kind for kind in KINDS if any(line.is_out for line in published.lines(kind))]
    return any(
        _is_touched(integration, kind, (begun or now) - LATE) and rows.newer(integration, kind, 1)
        for kind in kinds
        if not (waiting and kind in waiting.waiting)
    )


def _is_touched(integration: Integration, kind: str, since: datetime) -> bool:
    now = timezone.now()
    links = RecordLink.objects.filter(integration=integration, kind=kind, is_due=True)
    if links.filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)).exists():
        return True
    return any(model._default_manager.filter(**{f"{name}__gt": since}).exists() for model, name in STAMPS[kind])
