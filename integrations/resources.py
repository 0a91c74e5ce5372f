"""What can be read through a grant: which calendars there are, and which the user chose."""

import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from integrations import grants, providers, sync_states
from integrations.calendar import meetings
from integrations.calendar.models import CalendarEvent
from integrations.contract import ResourceInfo
from integrations.errors import IntegrationError, MissingScope, NeedsReconnect, TokenRefused
from integrations.models import Channel, Integration, RoundPage, SyncRun, SyncState
from relationships import bulk, tenancy
from relationships.models import Touchpoint

log = structlog.get_logger()

LIST_EVERY = timedelta(hours=6)
TRY_EVERY = timedelta(minutes=5)
DELETE_BATCH = 500
NOT_LISTED = "Your calendars could not be listed:"


def refresh(integration: Integration) -> Sequence[uuid.UUID]:
    """List the account's calendars again; returns the chosen ones. The first time, the primary one is chosen.

    Where listing was not granted, the primary calendar alone is offered. Trouble is kept as the card's reason and
    tried again by the sweep.
    """
    Integration.unscoped.filter(pk=integration.pk).update(resources_tried_at=timezone.now())
    try:
        calendars = _listed(integration)
    except NeedsReconnect:
        return []
    except IntegrationError as error:
        grants.set_reason(integration.pk, Integration.Status.ERROR, f"{NOT_LISTED} {error}")
        return []
    mended = Integration.unscoped.filter(pk=integration.pk, sync_status="error", reason__startswith=NOT_LISTED)
    mended.update(sync_status=Integration.Status.ACTIVE, reason="", status_changed_at=timezone.now())
    with tenancy.within(integration.company_id), transaction.atomic():
        _store(integration, calendars)
        Integration.objects.filter(pk=integration.pk).update(resources_listed_at=timezone.now())
        states = SyncState.objects.filter(integration=integration)
        if not states.filter(is_chosen=True).exists() and integration.resources_listed_at is None:
            states.filter(is_primary=True, is_gone=False).update(is_chosen=True)
        return list(states.filter(is_chosen=True).values_list("pk", flat=True))


def _listed(integration: Integration) -> list[ResourceInfo]:
    adapter = providers.calendar_adapter(integration.provider)
    access = grants.fresh(integration.pk)
    for is_last in (False, True):
        try:
            with grants.session(integration, access) as http:
                return list(adapter.calendars(http))
        except TokenRefused:
            if is_last:
                raise
            access = grants.fresh(integration.pk, refused=access)
        except MissingScope:
            address = integration.account_address
            return [ResourceInfo(address, address, "", is_primary=True, access_role="")]
    raise AssertionError("the loop returns or raises")


def _store(integration: Integration, calendars: Collection[ResourceInfo]) -> None:
    """Make the rows equal to the list. A calendar that is no longer offered is kept, unread, and said to be gone.

    One that comes back after it went while it was chosen is read again: see ``_returning``.
    """
    rows = [
        {
            "company": integration.company_id,
            "integration": integration.pk,
            "resource_type": "calendar",
            "external_id": calendar.external_id,
            "name": calendar.name,
            "is_primary": calendar.is_primary,
            "access_role": calendar.access_role,
            "time_zone": calendar.time_zone,
            "is_gone": False,
        }
        for calendar in calendars
    ]
    offered = [calendar.external_id for calendar in calendars]
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
    """Calendars that went while they were chosen, and are offered again.

    These have a next poll, which unticking and disconnecting clear; nobody unticks a calendar that is gone.
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
    """Read exactly these calendars from now on. What was read of the others stays, and is no longer followed."""
    states = SyncState.objects.filter(integration=integration, is_gone=False)
    with transaction.atomic():
        added = list(states.filter(pk__in=state_ids, is_chosen=False).values_list("pk", flat=True))
        dropped = list(states.filter(is_chosen=True).exclude(pk__in=state_ids).values_list("pk", flat=True))
        states.filter(pk__in=added).update(is_chosen=True)
        states.filter(pk__in=dropped).update(is_chosen=False, next_poll_at=None, next_attempt_at=None)
        _stop_pushes(dropped)
        sync_states.poke(added, trigger=SyncRun.Trigger.MANUAL)


def _stop_pushes(state_ids: Collection[uuid.UUID]) -> None:
    live = [Channel.State.OPENING, Channel.State.LIVE]
    Channel.objects.filter(sync_state__in=state_ids, state__in=live).update(state=Channel.State.STOPPING)


def count_imported(integration: Integration) -> int:
    """How many events were imported through this grant."""
    return CalendarEvent.objects.filter(state__integration=integration).count()


def delete_imported(integration_id: uuid.UUID) -> None:
    """Delete the events of a disconnected grant and the meetings that hang on them alone, in batches.

    A meeting with notes or tasks stays, hidden: these are the company's. Stops where the account is no longer
    disconnected. May be killed anywhere and run again: the sweep does so while ``is_deletion_due``.
    """
    integration = Integration.unscoped.filter(pk=integration_id).first()
    if integration is None:
        return
    with tenancy.within(integration.company_id):
        rules = meetings.rules_for(integration.company_id, None)
        while _is_revoked(integration_id) and _delete_batch(integration, rules):
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


def _delete_batch(integration: Integration, rules: meetings.Rules) -> bool:
    """Delete some events with their meetings; False where none is left."""
    events = CalendarEvent.objects.filter(state__integration=integration)
    with transaction.atomic():
        batch = dict(events.values_list("pk", "meeting_key")[:DELETE_BATCH])
        CalendarEvent.objects.filter(pk__in=batch).delete()
        keys = set(batch.values())
        meetings.record(integration.company_id, keys, rules)
        # A colleague's copy that declined, or is kept out, is no reason to keep what only this one told.
        hidden = Touchpoint.objects.filter(unique_key__in=keys, cancelled_at__isnull=False)
        hidden.filter(notes__isnull=True, tasks__isnull=True).delete()
    return bool(batch)
