"""Ends deliveries that wait for a sync: done when the change has arrived, failed when the sync was given up.

One statement finds whether there is anything to do; the rest is set-based and runs only for what was found.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.db import transaction
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, Value
from django.utils import timezone

from integrations import sync_states
from integrations.models import SyncRun, SyncState
from webhooks import failures
from webhooks.failures import GivenUp
from webhooks.models import Attempt, Delivery

MOST_AT_ONCE = 500

NO_LONGER_SYNCED = "What it speaks of is no longer synced."
REPLAY_BROUGHT = "A replay brought it."
SYNC_BROUGHT = "A later sync brought it."
NEEDS_RECONNECT = "The account needs to be connected again; it goes on by itself then."

Status, Outcome = Delivery.Status, Attempt.Outcome

# A delivery is held only while its account needs reconnecting, whatever the marks say: the sync that runs after the
# reconnect decides. Its states are literals, not parameters: only so can SQLite use the partial index.
_VERDICTS = """
    SELECT id, sync_state_id, verdict FROM (
        SELECT d.id, d.sync_state_id, CASE
            WHEN s.id IS NULL OR s.is_gone OR NOT s.is_chosen OR i.sync_status = 'revoked' THEN 'gone'
            WHEN s.done_mark >= d.awaits_mark THEN 'done'
            WHEN i.sync_status = 'stale' THEN CASE WHEN d.status = 'waiting' THEN 'held' END
            WHEN s.gave_up_mark >= d.awaits_mark THEN 'failed'
            WHEN d.status = 'held' THEN 'resumed'
        END AS verdict
        FROM webhooks_delivery d
        LEFT JOIN integrations_syncstate s ON s.id = d.sync_state_id
        LEFT JOIN user_integrations i ON i.id = s.integration_id
        WHERE d.status IN ('waiting', 'held')
    ) verdicts WHERE verdict IS NOT NULL LIMIT %s
"""


def settle() -> int:
    """Move every waiting or held delivery on that can be; returns how many were."""
    found: dict[str, list[Delivery]] = {}
    for delivery in Delivery.objects.raw(_VERDICTS, [MOST_AT_ONCE]):
        found.setdefault(delivery.verdict, []).append(delivery)  # type: ignore[attr-defined]
    if not found:
        return 0
    states = SyncState.unscoped.in_bulk({one.sync_state_id for group in found.values() for one in group} - {None})
    with transaction.atomic():
        _done(found.get("done", ()), states)
        _failed(found.get("failed", ()), states)
        _gone(found.get("gone", ()))
        _held(found.get("held", ()))
        _resumed(found.get("resumed", ()))
    return sum(map(len, found.values()))


def resolve_brought() -> int:
    """End failed deliveries whose change came with a later sync, such as the next poll; returns how many were.

    One that was read waits for a mark, which was reached. For one that never was, any run that began after it counts.
    """
    later = SyncRun.unscoped.filter(
        state=OuterRef("sync_state"), outcome=SyncRun.Outcome.DONE, started_at__gt=OuterRef("received_at")
    )
    brought = Q(sync_state__done_mark__gte=F("awaits_mark")) | Q(Exists(later), awaits_mark=None)
    failed = Delivery.objects.filter(brought, status=Status.FAILED, failures__resolved=False).order_by()
    total = 0
    while found := list(failed[:MOST_AT_ONCE]):
        with transaction.atomic():
            # Not those that somebody asked for again meanwhile: their replay says how they end.
            rows = Delivery.objects.filter(pk__in=[one.pk for one in found], status=Status.FAILED)
            mine = list(rows.order_by("pk").select_for_update())
            failures.resolve(mine, SYNC_BROUGHT)
            total += rows.filter(pk__in=[one.pk for one in mine]).update(
                status=Status.DONE, finished_at=timezone.now(), error=""
            )
    return total


def _pending(deliveries: Iterable[Delivery]) -> Q:
    """Those of them that nobody has moved on meanwhile."""
    return Q(pk__in=[one.pk for one in deliveries], status__in=[Status.WAITING, Status.HELD])


def _close_attempts(deliveries: Iterable[Delivery], outcome: str, detail: str, error: str = "") -> None:
    """End the open attempt of each: its duration is the whole way from the claim to the change being here."""
    Attempt.objects.filter(delivery__in=[one.pk for one in deliveries], outcome=Outcome.POKED).update(
        outcome=outcome,
        detail=detail,
        error=error,
        duration=ExpressionWrapper(Value(timezone.now()) - F("started_at"), output_field=DurationField()),
    )


def _by_words(deliveries: Iterable[Delivery], words: Mapping[uuid.UUID, str]) -> Iterator[tuple[str, list[Delivery]]]:
    """The deliveries together with what is to be said of their sync state: one statement for all that say the same."""
    groups: dict[str, list[Delivery]] = {}
    for one in deliveries:
        if one.sync_state_id and one.sync_state_id in words:
            groups.setdefault(words[one.sync_state_id], []).append(one)
    yield from groups.items()


def _done(deliveries: Sequence[Delivery], states: Mapping[uuid.UUID, SyncState]) -> None:
    if not deliveries:
        return
    now = timezone.now()
    Delivery.objects.filter(_pending(deliveries)).update(status=Status.DONE, finished_at=now, error="")
    words = {
        pk: f"Arrived with the sync at {state.last_success_at or now:%H:%M:%S} UTC." for pk, state in states.items()
    }
    for detail, group in _by_words(deliveries, words):
        _close_attempts(group, Outcome.DONE, detail)
    failures.resolve(deliveries, REPLAY_BROUGHT)


def _failed(deliveries: Sequence[Delivery], states: Mapping[uuid.UUID, SyncState]) -> None:
    if not deliveries:
        return
    words = {pk: state.last_error or "The sync was given up." for pk, state in states.items()}
    for error, group in _by_words(deliveries, words):
        Delivery.objects.filter(_pending(group)).update(status=Status.FAILED, finished_at=timezone.now(), error=error)
        _close_attempts(group, Outcome.FAILED, "Its sync was given up.", error)
    whole = Delivery.objects.filter(pk__in=[one.pk for one in deliveries], status=Status.FAILED)
    failures.record(GivenUp(one, failures.SYNC, one.error) for one in whole)


def _gone(deliveries: Sequence[Delivery]) -> None:
    if not deliveries:
        return
    Delivery.objects.filter(_pending(deliveries)).update(
        status=Status.IGNORED, finished_at=timezone.now(), error=NO_LONGER_SYNCED
    )
    _close_attempts(deliveries, Outcome.IGNORED, NO_LONGER_SYNCED)
    failures.resolve(deliveries, NO_LONGER_SYNCED)


def _held(deliveries: Sequence[Delivery]) -> None:
    if deliveries:
        Delivery.objects.filter(_pending(deliveries)).update(status=Status.HELD, error=NEEDS_RECONNECT)


def _resumed(deliveries: Sequence[Delivery]) -> None:
    """The account is connected again: wait on for the sync, or be read at last where that had failed for the grant."""
    if not deliveries:
        return
    rows = Delivery.objects.filter(_pending(deliveries))
    rows.filter(awaits_mark=None).update(status=Status.RECEIVED, attempts=0, next_attempt_at=timezone.now(), error="")
    rows.update(status=Status.WAITING, error="")
    sync_states.queue({one.sync_state_id for one in deliveries if one.sync_state_id})
