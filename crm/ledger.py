"""The ledger of what we wrote to a CRM: noted before it is sent, so that a lost reply or a killed worker loses nothing.

A write that is planned or sent may be there or not: whoever goes on finds out first (recovery.py). One that is done
comes back from the CRM as a change, and is known for its echo.
"""

import hashlib
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from crm.contract import Change, RecordError, Value, Written
from crm.models import RecordLink, Write
from integrations.models import Integration
from relationships import bulk

UNSURE = (Write.State.PLANNED, Write.State.SENT)
LONGEST_WORDS = 1_000
"""Characters of a CRM's words that are kept: with some errors come whole pages."""


@dataclass(frozen=True)
class Noted:
    """A write that stands in the ledger and is not settled."""

    id: uuid.UUID
    link_id: uuid.UUID
    is_creation: bool


def plan(items: Sequence[tuple[RecordLink, Change]]) -> list[Noted]:
    """Note what is about to be sent, in the caller's transaction: it must be committed before anything is."""
    rows = [_planned(link, change) for link, change in items]
    bulk.upsert(Write, rows, unique=["integration", "idempotency_key"])
    return [Noted(row["id"], row["link"], row["is_creation"]) for row in rows]


def noted(write: Write) -> Noted:
    """A write that an earlier run left unsettled."""
    return Noted(write.pk, write.link_id, write.is_creation)


def sent(writes: Collection[Noted]) -> None:
    """Their reply was lost: nobody knows whether they were taken."""
    Write.objects.filter(pk__among=[write.id for write in writes]).update(state=Write.State.SENT)


def withdraw(writes: Collection[Noted]) -> None:
    """They were never sent: forget them."""
    Write.objects.filter(pk__among=[write.id for write in writes]).delete()


def settle(answers: Sequence[tuple[Noted, Written]]) -> None:
    """Keep what came of each: taken with what the CRM holds now, or refused with its words. Two statements at most."""
    now = timezone.now()
    plain = [noted.id for noted, written in answers if _is_plain(noted, written)]
    if plain:
        Write.objects.filter(pk__among=plain).update(state=Write.State.DONE, done_at=now)
    told = [(noted, written) for noted, written in answers if not _is_plain(noted, written)]
    bulk.update(Write, [_settled(noted, written, now) for noted, written in told])


def _is_plain(noted: Noted, written: Written) -> bool:
    """An update of which there is nothing to say but that it was taken."""
    return not (noted.is_creation or written.error or written.held)


def _settled(noted: Noted, written: Written, now: datetime) -> dict[str, Any]:
    return {
        "id": noted.id,
        "state": Write.State.REFUSED if written.error else Write.State.DONE,
        "external_id": written.external_id,
        "held": dict(written.held),
        "error": words(written.error) if written.error else "",
        "done_at": now,
    }


def unsure(integration: Integration) -> QuerySet[Write]:
    """What may be there or not, the oldest first."""
    rows = Write.objects.filter(integration=integration, state__in=UNSURE)
    return rows.select_related("link").order_by("planned_at")


def forget(before: datetime) -> int:
    """Delete what was settled before then; returns how many writes that were."""
    return Write.unscoped.filter(done_at__lt=before).delete()[0]


def words(error: RecordError) -> str:
    """The CRM's own words, with its code; the beginning of very many."""
    return cut(f"{error.code}: {error.message}" if error.code else error.message, LONGEST_WORDS)


def cut(text: str, most: int) -> str:
    """A text of the CRM's, which may send anything of any length, with “…” where its end is left out."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _planned(link: RecordLink, change: Change) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "company": link.company_id,
        "integration": link.integration_id,
        "link": link.pk,
        "idempotency_key": _key(link, change.values),
        "crm_object": change.object,
        "external_id": change.external_id,
        "values": dict(change.values),
        "is_creation": not change.external_id,
        "planned_at": change.planned_at or timezone.now(),
    }


def _key(link: RecordLink, values: Mapping[str, Value]) -> str:
    """The same write after the same look is the same row; the next look may find the same values to be news again."""
    document = json.dumps([str(link.pk), values, str(link.looked_at)], sort_keys=True, default=str)
    return hashlib.sha256(document.encode()).hexdigest()
