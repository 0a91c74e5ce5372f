"""What can be read through a grant: calendars, of which the user chooses, or a mailbox, which is read at once."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from integrations import grants, kinds, sync_states
from integrations.contract import ResourceInfo
from integrations.errors import IntegrationError, NeedsReconnect
from integrations.models import Channel, Integration, RoundPage, SyncRun, SyncState
from relationships import bulk, tenancy

log = structlog.get_logger()

LIST_EVERY = timedelta(hours=6)
TRY_EVERY = timedelta(minutes=5)


def refresh(integration: Integration) -> Sequence[uuid.UUID]:
    """List the account's resources again; returns the chosen ones. The first time, the primary one is chosen.

    Trouble is kept as the card's reason and tried again by the sweep.
    """
    Integration.unscoped.filter(pk=integration.pk).update(resources_tried_at=timezone.now())
    kind = kinds.of(integration)
    try:
        found = _listed(integration)
    except NeedsReconnect:
        return []
    except IntegrationError as error:
        grants.set_reason(integration.pk, Integration.Status.ERROR, f"{kind.not_listed} {error}")
        return []
    mended = Integration.unscoped.filter(pk=integration.pk, sync_status="error", reason__startswith=kind.not_listed)
    mended.update(sync_status=Integration.Status.ACTIVE, reason="", status_changed_at=timezone.now())
    with tenancy.within(integration.company_id), transaction.atomic():
        _store(integration, found)
        Integration.objects.filter(pk=integration.pk).update(resources_listed_at=timezone.now())
        states = SyncState.objects.filter(integration=integration)
        if not kind.is_choice:
            states.filter(is_gone=False).update(is_chosen=True)
        elif not states.filter(is_chosen=True).exists() and integration.resources_listed_at is None:
            states.filter(is_primary=True, is_gone=False).update(is_chosen=True)
        return list(states.filter(is_chosen=True).values_list("pk", flat=True))


def _listed(integration: Integration) -> list[ResourceInfo]:
    list_all = kinds.of(integration).list_all
    return grants.ask(integration, lambda http: list_all(integration, http))


def _store(integration: Integration, found: Collection[ResourceInfo]) -> None:
    """Make the rows equal to the list. What is no longer offered is kept, unread, and said to be gone.

    What comes back after it went while it was chosen is read again: see ``_returning``.
    """
    rows = [
        {
            "company": integration.company_id,
            "integration": integration.pk,
            "resource_type": kinds.name_of(integration),
            "external_id": one.external_id,
            "name": one.name,
            "is_primary": one.is_primary,
            "access_role": one.access_role,
            "time_zone": one.time_zone,
            "is_gone": False,
        }
        for one in found
    ]
    offered = [one.external_id for one in found]
    back = _returning(integration, offered)
    bulk.upsert(SyncState, rows, unique=["integration", "resource_type", "external_id"])
    _read_again(back)
    states = SyncState.objects.filter(integration=integration, is_gone=False).exclude(external_id__in=offered)
    gone = list(states.values_list("pk", flat=True))
    if gone:
        states.filter(pk__in=gone, is_chosen=True).update(is_chosen=False, next_poll_at=timezone.now())
        states.filter(pk__in=gone).update(is_gone=True)
        _stop_pushes(gone)


def _returning(integration: Integration, offered: Collection[str]) -> list[uuid.UUID]:
    """Those that went while they were chosen, and are offered again.

    These have a next poll, which unticking and disconnecting clear; nobody unticks what is gone.
    """
    gone = SyncState.objects.filter(integration=integration, is_gone=True, external_id__in=offered)
    return list(gone.filter(next_poll_at__isnull=False).values_list("pk", flat=True))


def _read_again(state_ids: Collection[uuid.UUID]) -> None:
    """Choose these once more and ask for a full round, which also finds what was deleted meanwhile."""
    if not state_ids:
        return
    RoundPage.objects.filter(state__in=state_ids).delete()
    SyncState.objects.filter(pk__in=state_ids).update(
        is_chosen=True, cursor="", page_cursor="", round_id=None, failures=0, last_error="", next_attempt_at=None
    )
    sync_states.poke(state_ids, trigger=SyncRun.Trigger.LINK)


def choose(integration: Integration, state_ids: Collection[uuid.UUID]) -> None:
    """Read exactly these from now on. What was read of the others stays, and is no longer followed."""
    states = SyncState.objects.filter(integration=integration, is_gone=False)
    with transaction.atomic():
        added = list(states.filter(pk__in=state_ids, is_chosen=False).values_list("pk", flat=True))
        dropped = list(states.filter(is_chosen=True).exclude(pk__in=state_ids).values_list("pk", flat=True))
        states.filter(pk__in=added).update(is_chosen=True)
        # Their holds end too: a sync under way stores nothing more, and plans no next poll.
        unread = {"next_poll_at": None, "next_attempt_at": None, "held_by": None, "held_until": None}
        states.filter(pk__in=dropped).update(is_chosen=False, **unread)
        _stop_pushes(dropped)
        sync_states.poke(added, trigger=SyncRun.Trigger.MANUAL)


def _stop_pushes(state_ids: Collection[uuid.UUID]) -> None:
    live = [Channel.State.OPENING, Channel.State.LIVE]
    Channel.objects.filter(sync_state__in=state_ids, state__in=live).update(state=Channel.State.STOPPING)


def count_imported(integration: Integration) -> Counter[str]:
    """How much was imported through this grant, by what it is: events, messages."""
    state_ids = list(SyncState.objects.filter(integration=integration).values_list("pk", flat=True))
    return sum(kinds.of(integration).counts(state_ids).values(), Counter())


def delete_imported(integration_id: uuid.UUID) -> None:
    """Delete what a disconnected grant brought and the touchpoints that hang on it alone, in batches.

    One with notes or tasks stays, hidden: these are the company's. Stops where the account is no longer disconnected.
    May be killed anywhere and run again: the sweep does so while ``is_deletion_due``.
    """
    integration = Integration.unscoped.filter(pk=integration_id).first()
    if integration is None:
        return
    delete_batch = kinds.of(integration).delete_batch
    with tenancy.within(integration.company_id):
        while _is_revoked(integration_id) and delete_batch(integration):
            bulk.give_way()
        # While channels are still to be stopped their rows must last: the sweep comes back until they are.
        ready = Integration.objects.filter(pk=integration_id, sync_status="revoked", is_revocation_due=False)
        with transaction.atomic():
            SyncState.objects.filter(integration__in=ready).delete()
            done = ready.update(is_deletion_due=False, resources_listed_at=None, last_sync=None)
    if not done:
        return
    log.info("imported.deleted", integration=str(integration_id))


def _is_revoked(integration_id: uuid.UUID) -> bool:
    return Integration.objects.filter(pk=integration_id, sync_status=Integration.Status.REVOKED).exists()
