"""Marks what is out of date and queues the sync that mends it: the one way work on a linked resource begins."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django_q.tasks import async_task

from integrations.models import SyncRun, SyncState

QUEUED_FOR = timedelta(minutes=2)
"""After this long a queued job is thought lost, and another one is queued."""


def poke(state_ids: Iterable[uuid.UUID], trigger: str = SyncRun.Trigger.PUSH, is_replay: bool = False) -> None:
    """Mark these states dirty and queue their syncs.

    A thousand pokes of one state queue one sync. What a person asked for (a replay, sync now) also ends a back-off.
    """
    ids = sorted(set(state_ids))
    rows = SyncState.unscoped.filter(pk__in=ids)
    changes: dict[str, Any] = {"dirty_mark": F("dirty_mark") + 1, "trigger": trigger}
    if trigger == SyncRun.Trigger.PUSH and not is_replay:
        changes |= {"last_push_at": timezone.now(), "missed_pushes": 0}
    if is_replay or trigger == SyncRun.Trigger.MANUAL:
        changes |= {"next_attempt_at": None, "failures": 0}
    with transaction.atomic():
        if len(ids) > 1:
            # In one order, so that two pokes of several states cannot wait for each other.
            list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        rows.update(**changes)
        queue(ids)


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


def queue_due() -> int:
    """Queue every state whose poll or retry is due, or whose job was lost; returns how many were. One query if none."""
    now = timezone.now()
    is_waiting = Q(dirty_mark__gt=F("done_mark")) & Q(dirty_mark__gt=F("gave_up_mark"))
    due = SyncState.unscoped.filter(is_waiting | Q(next_poll_at__lte=now) | Q(next_attempt_at__lte=now), is_chosen=True)
    return queue(list(due.values_list("pk", flat=True)))
