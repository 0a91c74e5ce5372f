"""The engine of every sync: the hold, the run's record, and what each kind of error does. Knows no kind of data.

A hold is a conditional update. Every page renews it in the transaction that stores the page, so a sync that lost its
hold can store nothing more.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, TextField, Value, When
from django.utils import timezone

from integrations import grants, sync_states
from integrations.clock import MAX_ATTEMPTS, back_off, jittered
from integrations.errors import (
    BadConfig,
    CursorExpired,
    MissingScope,
    NeedsReconnect,
    Permanent,
    ResourceGone,
    Temporary,
    TokenRefused,
    Wait,
)
from integrations.models import Integration, RoundPage, SyncRun, SyncState
from relationships import tenancy

log = structlog.get_logger()

HOLD = timedelta(seconds=120)
"""Longer than any one request to a provider may take."""

SLICE = timedelta(seconds=60)
"""A sync gives its worker back after this long and goes on in another job, so that others get their turn."""

MISSED_AFTER = timedelta(minutes=3)
"""A change older than this that a poll finds first was not announced."""


STOPPED = "It was stopped: paused, disconnected, or taken over by another worker."


class HoldLost(Exception):
    """Another worker took over, or the user stopped the sync: whatever is not stored yet is left to them."""


class OutOfTime(Exception):
    """The slice is used up; what is stored is kept, and another job goes on."""


@dataclass
class Held:
    """A sync that holds its state. ``mark`` is the dirty mark it works off."""

    state: SyncState
    run: SyncRun
    holder: uuid.UUID
    mark: int
    access: grants.Access
    ends_at: datetime = field(default_factory=lambda: timezone.now() + SLICE)
    unannounced: int = 0
    has_set_aside: bool = True

    def refresh_access(self) -> None:
        """Get a newer access token than the one the provider just refused."""
        self.access = grants.fresh(self.state.integration_id, refused=self.access)


Work = Callable[[Held], None]
"""Reads everything from the cursor on and stores it page by page through ``store_page``."""


def sync(state_id: uuid.UUID, work: Work) -> None:
    """Run ``work`` until the state is clean. Does nothing where another worker holds it, or where it may not run.

    One that is poked again and again goes on in another job after SLICE.
    """
    state = SyncState.unscoped.select_related("integration").filter(pk=state_id).first()
    if state is None:
        return
    SyncState.unscoped.filter(pk=state_id).update(queued_at=None)
    with tenancy.within(state.company_id):
        ends_at = timezone.now() + SLICE
        while _sync_once(state_id, work):
            if timezone.now() > ends_at:
                sync_states.queue([state_id])
                return


def _sync_once(state_id: uuid.UUID, work: Work) -> bool:
    """One run; True where a poke came meanwhile and the holder shall go round again."""
    holder = uuid.uuid4()
    if not _take(state_id, holder):
        return False
    state = SyncState.objects.select_related("integration").get(pk=state_id)
    run = _begin(state)
    held = Held(state, run, holder, state.dirty_mark, grants.Access("", 0))
    try:
        _check_workers(state)
        held.access = grants.fresh(state.integration_id)
        _work_through(held, work)
    except OutOfTime:
        _interrupt(held)
        return False
    except Wait as wait:
        _interrupt(held, str(wait), wait.until)
        return False
    except HoldLost:
        _release(held)
        _close(run, SyncRun.Outcome.INTERRUPTED, STOPPED)
        with transaction.atomic():
            _settle_status(state.integration_id)
        return False
    except Exception as error:  # every error ends here as a state that a person can read; none is swallowed
        _failed(held, error)
        return False
    return _finish(held)


def _work_through(held: Held, work: Work) -> None:
    """Run the work; a refused token is refreshed once, and an expired cursor becomes a full round once."""
    refreshed = restarted = False
    while True:
        try:
            work(held)
            return
        except TokenRefused:
            if refreshed:
                raise
            refreshed = True
            held.refresh_access()
        except CursorExpired as error:
            if restarted:
                raise
            restarted = True
            start_over(held, str(error))


def store_page(held: Held, cursor: str, page_cursor: str, counts: dict[str, int], skipped: dict[str, int]) -> None:
    """Move the cursor and count, in the caller's transaction. Raises HoldLost, which rolls the page back."""
    run = held.run
    run.pages += 1
    for name, number in counts.items():
        setattr(run, name, getattr(run, name) + number)
    for reason, number in skipped.items():
        run.skipped[reason] = run.skipped.get(reason, 0) + number
    rows = _held_rows(held).filter(is_chosen=True, integration__in=_working())
    if rows.update(cursor=cursor, page_cursor=page_cursor, held_until=timezone.now() + HOLD) != 1:
        raise HoldLost
    held.state.cursor, held.state.page_cursor = cursor, page_cursor
    run.save(update_fields=["pages", "found", "changed", "deleted", "set_aside", "touchpoints", "skipped"])


def start_over(held: Held, why: str) -> None:
    """Drop the cursor: the next pages are a full round that also finds deletions."""
    with transaction.atomic():
        change_state(held, cursor="", page_cursor="", round_id=None)
        RoundPage.objects.filter(state=held.state).delete()
        held.state.cursor, held.state.page_cursor, held.state.round_id = "", "", None
        SyncRun.objects.filter(pk=held.run.pk).update(kind=SyncRun.Kind.FULL, why_full=why)
    held.run.kind, held.run.why_full = SyncRun.Kind.FULL, why


def change_state(held: Held, **columns: Any) -> None:
    """Change columns of the state that is held. Raises HoldLost where it no longer is."""
    if _held_rows(held).update(**columns) != 1:
        raise HoldLost


def check_time(held: Held) -> None:
    """Raises OutOfTime once the slice is used up. To be asked after a page was stored."""
    if timezone.now() > held.ends_at:
        raise OutOfTime


def _take(state_id: uuid.UUID, holder: uuid.UUID) -> bool:
    """Take the hold, where the state is due and may run. A job that comes twice finds nothing due.

    The conditions on the row itself must stand in the UPDATE, not in a subquery of it: of two workers that come at the
    same moment PostgreSQL checks only the former again for the second one.
    """
    now = timezone.now()
    rows = SyncState.objects.filter(
        Q(held_until__isnull=True) | Q(held_until__lte=now),
        Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now),
        Q(dirty_mark__gt=F("done_mark")) | Q(next_poll_at__lte=now) | Q(next_attempt_at__lte=now),
        pk=state_id,
        is_chosen=True,
        integration__in=_working(),
    )
    return rows.update(held_by=holder, held_until=now + HOLD) == 1


def _working() -> QuerySet[Integration]:
    return Integration.objects.filter(sync_status__in=["active", "syncing", "error"])


def _held_rows(held: Held) -> QuerySet[SyncState]:
    return SyncState.objects.filter(pk=held.state.pk, held_by=held.holder)


def _release(held: Held) -> None:
    _held_rows(held).update(held_by=None, held_until=None)


def free_holds() -> int:
    """End every hold, since the processes that had them are dead; returns how many there were.

    A holder that lives after all can store nothing more: its work is done again, and nothing is doubled.
    """
    return SyncState.unscoped.filter(held_by__isnull=False).update(held_by=None, held_until=None)


def _check_workers(state: SyncState) -> None:
    """Raises Permanent where this sync killed its worker again and again: others shall get their turn."""
    if state.failures >= MAX_ATTEMPTS:
        raise Permanent(f"Reading it stopped its worker, or failed, {state.failures} times in a row.")


def _begin(state: SyncState) -> SyncRun:
    """Open the run's record; one that a killed worker left open is closed as interrupted, and counts as a failure."""
    abandoned = SyncRun.objects.filter(state=state, outcome=SyncRun.Outcome.RUNNING).update(
        outcome=SyncRun.Outcome.INTERRUPTED, finished_at=timezone.now(), error="Its worker stopped."
    )
    if abandoned:
        state.failures += 1
        SyncState.objects.filter(pk=state.pk).update(failures=state.failures)
    Integration.objects.filter(pk=state.integration_id, sync_status__in=["active", "error"]).update(
        sync_status=Integration.Status.SYNCING
    )
    kind = SyncRun.Kind.CHANGES if state.cursor else SyncRun.Kind.FULL if state.last_success_at else SyncRun.Kind.FIRST
    trigger = state.trigger or SyncRun.Trigger.POLL
    if state.failures:
        trigger = SyncRun.Trigger.RETRY
    return SyncRun.objects.create(company_id=state.company_id, state=state, kind=kind, trigger=trigger)


def _finish(held: Held) -> bool:
    """Close a run that went well; True where the state got dirty again meanwhile."""
    now = timezone.now()
    state = held.state
    missed = bool(held.unannounced) and held.run.trigger == SyncRun.Trigger.POLL
    with transaction.atomic():
        rows = _held_rows(held).update(
            done_mark=held.mark,
            held_by=None,
            held_until=None,
            failures=0,
            next_attempt_at=None,
            last_error="",
            last_success_at=now,
            trigger=Case(
                When(dirty_mark__gt=held.mark, then=F("trigger")), default=Value(""), output_field=TextField()
            ),
            missed_pushes=F("missed_pushes") + 1 if missed else F("missed_pushes"),
            next_poll_at=now + timedelta(seconds=jittered(settings.POLL_MINUTES * 60)),
        )
        if rows != 1:
            _close(held.run, SyncRun.Outcome.INTERRUPTED, STOPPED)
            _settle_status(state.integration_id)
            return False
        _close(held.run, SyncRun.Outcome.DONE, "")
        Integration.objects.filter(pk=state.integration_id).update(last_sync=now)
        _settle_status(state.integration_id)
    return SyncState.objects.filter(pk=state.pk, dirty_mark__gt=held.mark, is_chosen=True).exists()


def _settle_status(integration_id: uuid.UUID) -> None:
    """Active again, unless another of its resources is still being read or needs attention.

    The lock makes two that end at the same moment take turns: the later one sees that nobody is left.
    """
    Integration.unscoped.select_for_update(no_key=True).filter(pk=integration_id).values_list("pk").first()
    others = SyncState.unscoped.filter(integration=OuterRef("pk"), is_chosen=True)
    busy = Q(Exists(others.filter(held_until__gt=timezone.now())))
    broken = Q(Exists(others.exclude(last_error="").filter(next_attempt_at__isnull=True)))
    rows = Integration.unscoped.filter(pk=integration_id, sync_status__in=["syncing", "error"]).exclude(busy)
    rows.exclude(broken).update(sync_status=Integration.Status.ACTIVE, reason="", status_changed_at=timezone.now())
    rows.filter(broken).update(sync_status=Integration.Status.ERROR)


def _interrupt(held: Held, why: str = "", until: datetime | None = None) -> None:
    """Give the worker back; another job goes on where it stopped, not before ``until``.

    What made the state due still does.
    """
    # A run that used up its time, or waits, went well so far.
    changes: dict[str, Any] = {"held_by": None, "held_until": None, "failures": 0, "last_error": ""}
    changes |= {"next_attempt_at": until} if until else {}
    with transaction.atomic():
        _close(held.run, SyncRun.Outcome.INTERRUPTED, why)
        _held_rows(held).update(**changes)
        sync_states.queue([held.state.pk])


def _failed(held: Held, error: Exception) -> None:
    """Write down what happened and what follows from it. Nothing stored so far is lost."""
    state, now = held.state, timezone.now()
    failures = state.failures + 1
    gives_up = isinstance(error, Permanent) or failures >= MAX_ATTEMPTS
    wait = back_off(failures, error.retry_after if isinstance(error, Temporary) else None)
    message = _words(error)
    changes: dict[str, Any] = {"held_by": None, "held_until": None, "failures": failures, "last_error": message}
    if isinstance(error, NeedsReconnect):
        changes |= {"failures": 0, "last_error": ""}
    elif gives_up:
        # Not for ever: the next poll tries again. Until then whoever waits for this mark is told that it failed.
        poll_at = now + timedelta(seconds=jittered(settings.POLL_MINUTES * 60))
        changes |= {"gave_up_mark": held.mark, "next_attempt_at": None, "next_poll_at": poll_at, "failures": 0}
    else:
        changes |= {"next_attempt_at": now + timedelta(seconds=wait)}
    if isinstance(error, ResourceGone):
        changes |= {"is_gone": True, "is_chosen": False}
    with transaction.atomic():
        if _held_rows(held).update(**changes) != 1:
            _close(held.run, SyncRun.Outcome.INTERRUPTED, STOPPED)
            _settle_status(state.integration_id)
            return
        _close(held.run, SyncRun.Outcome.FAILED, message)
        if gives_up and not isinstance(error, NeedsReconnect):
            grants.set_reason(state.integration_id, Integration.Status.ERROR, message)
        else:
            _settle_status(state.integration_id)
    if not isinstance(error, Temporary | Permanent | CursorExpired):
        log.exception("sync.bug", state=str(state.pk), kind=type(error).__name__)


def _words(error: Exception) -> str:
    if isinstance(error, BadConfig):
        return f"{error} The operator of this installation must act."
    if isinstance(error, MissingScope | Permanent | Temporary | CursorExpired):
        return str(error)
    return f"A fault of our own ({type(error).__name__}) stopped the sync. It is tried again, and was logged."


def _close(run: SyncRun, outcome: str, error: str) -> None:
    SyncRun.objects.filter(pk=run.pk).update(outcome=outcome, finished_at=timezone.now(), error=error)
