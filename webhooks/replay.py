"""Once more on purpose: the plan first, then new attempts on the same deliveries, through the same code.

A replay can double nothing: the delivery stays one row, and its effect is a sync from the cursor.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db import transaction
from django.db.models import Count, Field, Max, Min, Q, QuerySet
from django.utils import timezone

from relationships.models import User
from webhooks import sweeping
from webhooks.models import Attempt, BulkReplay, Delivery

MOST_AT_ONCE = 500
MOST_GROUPS = 50

Status = Delivery.Status
ENDED = (Status.FAILED, Status.DONE, Status.IGNORED)
PUT_BACK = ("status", "attempts", "awaits_mark", "finished_at", "error")
"""What a replay changes of a delivery, and what its end before the beginning puts back."""

STAGES = {
    "not_begun": (Status.RECEIVED,),
    "under_way": (Status.PROCESSING, Status.WAITING, Status.RETRY, Status.HELD),
    "done": (Status.DONE, Status.IGNORED),
    "failed": (Status.FAILED,),
}


@dataclass(frozen=True)
class Group:
    """Deliveries of one provider and type that ended with the same words."""

    provider: str
    webhook_type: str
    cause: str
    count: int


@dataclass(frozen=True)
class Plan:
    """What a replay of these deliveries would do, before it does anything."""

    total: int
    to_replay: int
    already_done: int
    under_way: int
    disconnected: int
    users: int
    companies: int
    oldest_at: datetime | None
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Result:
    """How many were asked for again, and how many were not: done, under way, disconnected, or asked for just before."""

    bulk: BulkReplay
    replayed: int
    left_alone: int


@dataclass(frozen=True)
class Progress:
    """Where the deliveries of a replay of many stand now."""

    not_begun: int
    under_way: int
    done: int
    failed: int
    taken_back: int

    @property
    def asked(self) -> int:
        return self.not_begun + self.under_way + self.done + self.failed + self.taken_back


def plan(deliveries: QuerySet[Delivery], include_done: bool = False) -> Plan:
    """Count what would happen. ``include_done`` also replays what has succeeded: a sync that changes nothing."""
    ready, done = _ready(include_done), _done(include_done)
    rows = Delivery.objects.filter(pk__in=deliveries.order_by().values("pk"))
    counts = rows.order_by().aggregate(
        total=Count("pk"),
        to_replay=Count("pk", filter=ready),
        already_done=Count("pk", filter=done),
        under_way=Count("pk", filter=~Q(status__in=ENDED)),
        users=Count("sync_state__integration__user", filter=ready, distinct=True),
        companies=Count("company", filter=ready, distinct=True),
        oldest_at=Min("received_at", filter=ready),
    )
    counts["disconnected"] = counts["total"] - counts["to_replay"] - counts["already_done"] - counts["under_way"]
    by_cause = (
        rows.filter(ready).order_by().values_list("provider", "webhook_type", "error").annotate(count=Count("pk"))
    )
    groups = tuple(Group(*row) for row in by_cause.order_by("-count", "provider", "error")[:MOST_GROUPS])
    return Plan(groups=groups, **counts)


def replay(delivery: Delivery, asked_by: User | None, reason: str) -> bool:
    """Try this delivery again now. False if it is under way already, perhaps because somebody else just asked."""
    return _start([delivery.pk], Q(), asked_by, reason) == 1


def run(deliveries: QuerySet[Delivery], asked_by: User | None, reason: str, include_done: bool = False) -> Result:
    """Do what ``plan`` says, in pieces, until it is through or stopped."""
    pks = list(deliveries.order_by("received_at").values_list("pk", flat=True))
    bulk = BulkReplay.objects.create(asked_by=asked_by, reason=reason)
    replayed = sum(
        _start(pks[start : start + MOST_AT_ONCE], _ready(include_done), asked_by, reason, bulk)
        for start in range(0, len(pks), MOST_AT_ONCE)
    )
    BulkReplay.objects.filter(pk=bulk.pk).update(left_alone=len(pks) - replayed)
    return Result(bulk, replayed=replayed, left_alone=len(pks) - replayed)


def stop(bulk: BulkReplay, stopped_by: User | None) -> int:
    """Take back what the worker has not begun; what it has begun goes on. Returns how many were taken back."""
    running = BulkReplay.objects.filter(pk=bulk.pk, stopped_at=None)
    running.update(stopped_at=timezone.now(), stopped_by=stopped_by)
    who = f"Stopped by {stopped_by}." if stopped_by else "Stopped."
    total = 0
    while piece := _take_back(bulk, who):
        total += piece
    return total


def progress(bulk: BulkReplay) -> Progress:
    """Where its deliveries stand, in one query."""
    taken_back = Q(outcome=Attempt.Outcome.STOPPED)
    standing = {name: Count("pk", filter=~taken_back & Q(delivery__status__in=which)) for name, which in STAGES.items()}
    counts = Attempt.objects.filter(bulk=bulk).order_by()
    return Progress(**counts.aggregate(taken_back=Count("pk", filter=taken_back), **standing))


def _done(include_done: bool) -> Q:
    """What needs no replay: it succeeded. With ``include_done``: only that whose content is forgotten."""
    done = Q(status__in=[Status.DONE, Status.IGNORED])
    return done & Q(received_at__lt=timezone.now() - sweeping.KEEP_BODIES) if include_done else done


def _ready(include_done: bool) -> Q:
    """What has ended and would get somewhere: its account is connected and its resource chosen, or it needs neither."""
    connected = Q(sync_state__is_chosen=True, sync_state__is_gone=False) & ~Q(
        sync_state__integration__sync_status__in=["revoked", "stale"]
    )
    needs_none = Q(sync_state=None, channel_id="")
    return Q(status__in=ENDED) & ~_done(include_done) & (connected | needs_none)


def _start(
    pks: Sequence[uuid.UUID], which: Q, asked_by: User | None, reason: str, bulk: BulkReplay | None = None
) -> int:
    """Put these back into the inbox, each with the attempt that says who asked and why; returns how many.

    Whoever comes second finds them under way. SQLite knows no row locks: there the transaction holds the whole file.
    """
    with transaction.atomic():
        if bulk and BulkReplay.objects.select_for_update().get(pk=bulk.pk).stopped_at:
            return 0
        ended = Delivery.objects.filter(which, pk__in=pks, status__in=ENDED).order_by("pk").values_list("pk", flat=True)
        locked = Delivery.objects.filter(pk__in=list(ended), status__in=ENDED).order_by("pk").select_for_update()
        mine = {row["pk"]: row for row in locked.values("pk", *PUT_BACK)}
        Delivery.objects.filter(pk__in=mine).update(
            status=Status.RECEIVED,
            attempts=0,
            is_suspect=False,
            next_attempt_at=timezone.now(),
            lease_until=None,
            awaits_mark=None,
            finished_at=None,
            error="",
        )
        last = dict(
            Attempt.objects.filter(delivery__in=mine).order_by().values_list("delivery").annotate(Max("number"))
        )
        Attempt.objects.bulk_create(
            Attempt(
                delivery_id=pk,
                number=last.get(pk, 0) + 1,
                is_replay=True,
                asked_by=asked_by,
                reason=reason,
                bulk=bulk,
                before={name: row[name] for name in PUT_BACK} if bulk else None,
            )
            for pk, row in mine.items()
        )
    return len(mine)


def _take_back(bulk: BulkReplay, who: str) -> int:
    """Make some deliveries that nobody has begun again what they were before; 0 where none is left."""
    waiting = Attempt.objects.filter(bulk=bulk, outcome=Attempt.Outcome.RUNNING, delivery__status=Status.RECEIVED)
    with transaction.atomic():
        # The same order as above: first the replay, then its deliveries.
        BulkReplay.objects.select_for_update().get(pk=bulk.pk)
        found = {one.delivery_id: one for one in waiting.order_by("delivery")[:MOST_AT_ONCE]}
        rows = Delivery.objects.filter(pk__in=found, status=Status.RECEIVED).order_by("pk").select_for_update()
        deliveries = list(rows)
        for delivery in deliveries:
            for name, value in (found[delivery.pk].before or {}).items():
                field = cast("Field[Any, Any]", Delivery._meta.get_field(name))
                setattr(delivery, name, field.to_python(value))
        Delivery.objects.bulk_update(deliveries, PUT_BACK)
        tries = Attempt.objects.filter(pk__in=[found[one.pk].pk for one in deliveries])
        tries.update(outcome=Attempt.Outcome.STOPPED, detail=who)
    return len(deliveries)
