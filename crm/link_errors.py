"""Why a record is not equal with the CRM, kept on its link until a write succeeds or somebody acts."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from crm import ledger
from crm.contract import RecordError
from crm.errors import CAUSES
from crm.models import RecordLink
from integrations import sync_states
from integrations.clock import jittered
from integrations.models import SyncRun, SyncState

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=6)
LONGEST_NAME = 200
"""Characters of what should be a field's name or a code that are kept: records are grouped and filtered by them."""
WAITS_FOR_PARENT = "parent_missing"
NONE: dict[str, Any] = {
    "error_cause": "",
    "error_field": "",
    "error": "",
    "failures": 0,
    "next_attempt_at": None,
}
"""The columns of a link that is fine. Its last code and time stay: loop_guard.py counts from there."""


def is_temporary(error: RecordError) -> bool:
    """Whether another try may end otherwise though nobody acts."""
    return error.is_temporary or CAUSES[cause(error)].is_temporary


def cause(error: RecordError) -> str:
    """One of CAUSES."""
    return error.cause if error.cause in CAUSES else "unknown"


def columns(link: RecordLink, error: RecordError, now: datetime) -> dict[str, Any]:
    """The link's columns once this happened. What is temporary is tried again later and later."""
    failures = link.failures + 1
    wait = min(SHORTEST * 2 ** min(failures - 1, 10), LONGEST)
    again_at = now + timedelta(seconds=jittered(wait.total_seconds())) if is_temporary(error) else None
    return {
        "error_cause": cause(error),
        "error_field": ledger.cut(error.field, LONGEST_NAME),
        "error_code": ledger.cut(error.code, LONGEST_NAME),
        "error": ledger.words(error),
        "failures": failures,
        "failed_at": now,
        "next_attempt_at": again_at,
    }


def resync(links: QuerySet[RecordLink]) -> int:
    """Compare and write these again now, whatever kept them back; returns how many they are.

    Those that were paused are written again from now on. What others wait for, or why they ended, stays.
    """
    now = timezone.now()
    ids = list(links.values_list("pk", flat=True))
    rows = RecordLink.unscoped.filter(pk__among=ids)
    integrations = set(rows.values_list("integration", flat=True))
    paused = rows.filter(state=RecordLink.State.PAUSED)
    paused.filter(external_id="").update(state=RecordLink.State.NEW, reason="")
    paused.update(state=RecordLink.State.LINKED, reason="")
    rows.update(**NONE, is_due=True, failed_at=now)
    poke(integrations)
    return len(ids)


def poke(integration_ids: Collection[Any]) -> None:
    """Sync these CRMs now."""
    states = SyncState.unscoped.filter(integration__in=integration_ids, resource_type="crm", is_chosen=True)
    sync_states.poke(states.values_list("pk", flat=True), trigger=SyncRun.Trigger.MANUAL)
