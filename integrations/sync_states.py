"""Marks what is out of date and queues the sync that mends it: the one way work on a linked resource begins."""

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django_q.tasks import async_task

from integrations.models import SyncState

QUEUED_FOR = timedelta(minutes=2)
"""After this long a queued job is thought lost, and another one is queued."""


def poke(state_ids: Iterable[uuid.UUID], is_replay: bool = False) -> dict[uuid.UUID, int]:
    """Mark these states dirty and queue their syncs; returns the mark each has to reach.

    A thousand pokes of one state queue one sync. A replay also ends a back-off, since somebody asked for it.
    """
    ids = sorted(set(state_ids))
    with transaction.atomic():
        SyncState.unscoped.filter(pk__in=ids).update(dirty_mark=F("dirty_mark") + 1)
        if is_replay:
            SyncState.unscoped.filter(pk__in=ids).update(next_attempt_at=None, failures=0)
        marks = dict(SyncState.unscoped.filter(pk__in=ids).values_list("pk", "dirty_mark"))
        queue(ids)
    return marks


def queue(state_ids: Iterable[uuid.UUID]) -> int:
    """Queue a sync for each of these states that may run now and has none queued; returns how many were."""
    now = timezone.now()
    queued = 0
    runnable = SyncState.unscoped.filter(
        Q(queued_at__isnull=True) | Q(queued_at__lt=now - QUEUED_FOR),
        Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now),
        Q(held_until__isnull=True) | Q(held_until__lte=now),
        pk__in=list(state_ids),
        is_chosen=True,
        integration__sync_status__in=["active", "syncing", "error"],
    )
    for pk in runnable.values_list("pk", flat=True):
        with transaction.atomic():
            claimed = SyncState.unscoped.filter(
                Q(queued_at__isnull=True) | Q(queued_at__lt=now - QUEUED_FOR), pk=pk
            ).update(queued_at=now)
            if claimed:
                async_task("integrations.jobs.sync", str(pk))
                queued += 1
    return queued
