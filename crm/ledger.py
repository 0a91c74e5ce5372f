"""The ledger of what we wrote to a CRM: noted before it is sent, so that a lost reply or a killed worker loses nothing.

A write that is planned or sent may be there or not: whoever goes on finds out first (recovery.py). One that is done
comes back from the CRM as a change, and is known for its echo.
"""

import hashlib
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max, QuerySet
from django.utils import timezone

from crm.contract import Change, RecordError, Value, Written
from crm.models import RecordLink, Write
from integrations.models import Integration
from relationships import bulk

UNSURE = (Write.State.PLANNED, Write.State.SENT)


def plan(items: Sequence[tuple[RecordLink, Change]]) -> list[Write]:
    """Note what is about to be sent, in the caller's transaction: it must be committed before anything is."""
    last = _last_settled([link.pk for link, _ in items])
    writes = [_planned(link, change, last.get(link.pk)) for link, change in items]
    names = ("id", "company", "integration", "link", *_WRITTEN_ONCE, "state")
    bulk.upsert(Write, [_row(write, names) for write in writes], unique=["integration", "idempotency_key"])
    return writes


def sent(writes: Collection[Write]) -> None:
    """Their reply was lost: nobody knows whether they were taken."""
    Write.objects.filter(pk__among=[write.pk for write in writes]).update(state=Write.State.SENT)


def withdraw(writes: Collection[Write]) -> None:
    """They were never sent: forget them."""
    Write.objects.filter(pk__among=[write.pk for write in writes]).delete()


def settle(answers: Sequence[tuple[Write, Written]]) -> None:
    """Keep what came of each, with one statement: taken with what the CRM holds now, or refused with its words."""
    now = timezone.now()
    for write, written in answers:
        if written.error is None:
            write.state, write.external_id, write.held = Write.State.DONE, written.external_id, dict(written.held)
        else:
            write.state, write.error = Write.State.REFUSED, words(written.error)
        write.done_at = now
    names = ("id", "company", "integration", "link", *_WRITTEN_ONCE, "state", "held", "error", "done_at")
    rows = [_row(write, names) for write, _ in answers]
    bulk.upsert(Write, rows, unique=["integration", "idempotency_key"], once=["id", *_NEVER_CHANGED])


def unsure(integration: Integration) -> QuerySet[Write]:
    """What may be there or not, the oldest first."""
    rows = Write.objects.filter(integration=integration, state__in=UNSURE)
    return rows.select_related("link").order_by("planned_at")


def forget(before: datetime) -> int:
    """Delete what was settled before then; returns how many writes that were."""
    return Write.unscoped.filter(done_at__lt=before).delete()[0]


def words(error: RecordError) -> str:
    """The CRM's own words, with its code."""
    return f"{error.code}: {error.message}" if error.code else error.message


_NEVER_CHANGED = ("company", "link", "crm_object", "values", "is_creation", "planned_at")
_WRITTEN_ONCE = ("idempotency_key", "crm_object", "external_id", "values", "is_creation", "planned_at")


def _planned(link: RecordLink, change: Change, last: datetime | None) -> Write:
    return Write(
        company_id=link.company_id,
        integration_id=link.integration_id,
        link=link,
        idempotency_key=_key(link.pk, change.values, last),
        crm_object=change.object,
        external_id=change.external_id,
        values=dict(change.values),
        is_creation=not change.external_id,
        planned_at=change.planned_at or timezone.now(),
    )


def _key(link_id: uuid.UUID, values: Mapping[str, Value], last: datetime | None) -> str:
    """The same write after the same history is the same row."""
    document = json.dumps([str(link_id), values, last and last.isoformat()], sort_keys=True, default=str)
    return hashlib.sha256(document.encode()).hexdigest()


def _last_settled(link_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    rows = Write.objects.filter(link__among=link_ids).exclude(state__in=UNSURE).order_by().values_list("link")
    return dict(rows.annotate(last=Max("planned_at")))


def _row(write: Write, names: Sequence[str]) -> dict[str, Any]:
    ids = {"company": write.company_id, "integration": write.integration_id, "link": write.link_id}
    return {name: ids[name] if name in ids else getattr(write, name) for name in names}
