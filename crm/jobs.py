"""Background jobs of the CRM, started by dotted path and a primary key. Each may run twice, and be killed anywhere."""

import uuid
from datetime import timedelta

import structlog
from django.db.models import F, Q
from django.utils import timezone
from django_q.tasks import async_task

from crm import deletes, drift, ledger, news, taken_back
from crm.models import Conflict, DriftReport
from integrations import sync_states
from integrations.models import Integration, SyncRun, SyncState
from relationships import tenancy

log = structlog.get_logger()

KEEP = timedelta(days=180)
"""How long the journal of conflicts, the ledger of writes and drift reports are kept."""


def sweep() -> None:
    """Sync the CRMs whose company has something new for them, unless they are synced already or wait for allowance."""
    now = timezone.now()
    idle = SyncState.unscoped.filter(
        Q(held_until__isnull=True) | Q(held_until__lte=now),
        Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now),
        resource_type="crm",
        is_chosen=True,
        dirty_mark=F("done_mark"),
        last_success_at__isnull=False,
        integration__sync_status__in=["active", "syncing", "error"],
    )
    for state in idle.select_related("integration"):
        try:
            with tenancy.within(state.company_id):
                if news.is_there(state):
                    sync_states.poke([state.pk], trigger=SyncRun.Trigger.POLL)
        # One company's odd data must not cost the others their minute: logged, and tried again in the next one.
        except Exception:
            log.exception("crm.sweep_failed", state=str(state.pk))


def report_drift() -> None:
    """Compare both sides of every CRM, each in a job of its own."""
    linked = Integration.unscoped.filter(integration_type="crm", sync_status__in=["active", "syncing", "error"])
    for pk in linked.values_list("pk", flat=True):
        async_task("crm.jobs.compare", str(pk))


def compare(integration_id: str) -> None:
    """Compare both sides of one CRM, and write down where they differ."""
    integration = Integration.unscoped.select_related("company").get(pk=uuid.UUID(integration_id))
    with tenancy.within(integration.company_id):
        drift.report(integration)


def purge() -> None:
    """Delete old records of what was written, what gave way, and how both sides compared; empty what was taken back
    meanwhile, in a job for each CRM, also of one that is not synced any more."""
    for pk in Integration.unscoped.filter(integration_type="crm").values_list("pk", flat=True):
        async_task("crm.jobs.empty", str(pk))
    before = timezone.now() - KEEP
    ledger.forget(before)
    Conflict.unscoped.filter(found_at__lt=before).delete()
    DriftReport.unscoped.filter(made_at__lt=before).delete()


def empty(integration_id: str) -> None:
    """Empty what is kept of one CRM's values that were taken back. While it is being synced, that sees to it itself."""
    integration = Integration.unscoped.get(pk=uuid.UUID(integration_id))
    if SyncState.unscoped.filter(integration=integration, held_until__gt=timezone.now()).exists():
        return
    with tenancy.within(integration.company_id):
        deletes.let_go(integration)
        taken_back.sweep(integration)
