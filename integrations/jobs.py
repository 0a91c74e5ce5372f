"""Background jobs, started by dotted path and a primary key. Each may run twice, and be killed anywhere."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils import timezone
from django_q.tasks import async_task

from integrations import administrators, channels, grants, linking, resources, sync_states
from integrations.calendar import rematch as calendar_rematch
from integrations.calendar import sync as calendar_sync
from integrations.email import rematch as email_rematch
from integrations.email import sync as email_sync
from integrations.email.models import MailSearch
from integrations.models import Integration, LinkAttempt, SyncRun, SyncState

log = structlog.get_logger()

SYNCS = {"calendar": calendar_sync.run, "mailbox": email_sync.run}
"""Which sync keeps which kind of resource."""

KEEP_RUNS = timedelta(days=30)


def sync(state_id: str) -> None:
    """Bring one resource up to date."""
    kind = SyncState.unscoped.filter(pk=state_id).values_list("resource_type", flat=True).first()
    if kind is not None:
        SYNCS[kind](uuid.UUID(state_id))


def after_link(integration_id: str) -> None:
    """List what can be read, choose what is chosen by default, read all of it, ask for pushes."""
    _begin_reading(resources.refresh(Integration.unscoped.get(pk=integration_id)))


def open_channel(state_id: str) -> None:
    """Ask for pushes of one resource, unless it has a channel."""
    channels.ensure(uuid.UUID(state_id))


def renew_channels() -> None:
    """Renew, heal and stop channels that are due."""
    channels.renew_due()


def tell_stale() -> None:
    """Mail users whose grant died, and those who can connect now."""
    grants.tell_stale()
    administrators.tell_allowed()


def tell_allowed() -> None:
    """Mail members whose administrator said yes."""
    administrators.tell_allowed()


def sweep() -> None:
    """Queue what is due: polls, retries, pokes whose job was lost; finish disconnects, and begin those of leavers."""
    sync_states.queue_due()
    linking.end_of_inactive()
    for integration in Integration.unscoped.filter(Q(is_revocation_due=True) | Q(is_deletion_due=True)):
        linking.queue_ends(integration)
    unlisted = Integration.unscoped.filter(
        Q(resources_listed_at__isnull=True) | Q(resources_listed_at__lt=timezone.now() - resources.LIST_EVERY),
        sync_status__in=["active", "syncing", "error"],
    ).exclude(resources_tried_at__gt=timezone.now() - resources.TRY_EVERY)
    for pk in unlisted.values_list("pk", flat=True):
        async_task("integrations.jobs.list_resources", str(pk))


def list_resources(integration_id: str) -> None:
    """Look again what the account has to be read. Where that failed right after linking, reading begins now."""
    chosen = resources.refresh(Integration.unscoped.get(pk=integration_id))
    never_read = SyncState.unscoped.filter(pk__in=chosen, dirty_mark=0, last_success_at__isnull=True)
    _begin_reading(list(never_read.values_list("pk", flat=True)))


def _begin_reading(state_ids: Sequence[uuid.UUID]) -> None:
    """Read these for the first time, and ask for their pushes.

    Where a channel is a row of ours alone it is there before the first reading begins: what is pushed meanwhile is not
    lost, however long that takes and however busy the workers are.
    """
    states = SyncState.unscoped.filter(pk__in=state_ids).select_related("integration")
    at_once = {state.pk for state in states if channels.is_opened_here(state.integration)}
    for state_id in at_once:
        channels.ensure(state_id)
    sync_states.poke(state_ids, trigger=SyncRun.Trigger.LINK)
    for state_id in set(state_ids) - at_once:
        async_task("integrations.jobs.open_channel", str(state_id))


def rematch() -> None:
    """Give contacts that were added their past meetings and mail."""
    for past in (calendar_rematch, email_rematch):
        for company_id in past.companies_with_news():
            try:
                past.rematch(company_id)
            # One company's odd data must not cost the others their past: logged, and tried again each minute.
            except Exception:
                log.exception("rematch.failed", company_id=str(company_id))


def end_grant(integration_id: str) -> None:
    """Finish a disconnect at the provider."""
    linking.end_grant(uuid.UUID(integration_id))


def delete_imported(integration_id: str) -> None:
    """Delete what was imported through a disconnected grant."""
    resources.delete_imported(uuid.UUID(integration_id))


def purge() -> None:
    """Delete old records of runs, channels and searches, consents that were never finished, and ended sessions."""
    now = timezone.now()
    channels.forget_ended()
    administrators.forget_old()
    SyncRun.unscoped.filter(started_at__lt=now - KEEP_RUNS).delete()
    # Those of the first sync tell whom it asked for: nobody is searched for twice.
    old = MailSearch.unscoped.filter(read_at__lt=now - KEEP_RUNS)
    old.exclude(purpose=MailSearch.Purpose.FIRST).delete()
    LinkAttempt.unscoped.filter(expires_at__lt=now).delete()
    Session.objects.filter(expire_date__lt=now).delete()
