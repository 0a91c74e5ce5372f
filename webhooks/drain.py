"""Works the inbox off in batches: claim, read, poke, finish, with the same few statements for one delivery or many.

A claim counts the attempt before the work, so a delivery that kills its worker runs out of tries too. The exact time a
claim's lease ends is its proof of ownership: who comes too late, after the lease was given on, changes nothing.
"""

import logging
import time
import traceback
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from django_q.tasks import async_task

from integrations import channels, poked_items, sync_states
from integrations.contract import Notice
from integrations.errors import IntegrationError, NeedsReconnect, Temporary
from integrations.models import SyncState
from webhooks import failures, inbox, retries, senders
from webhooks.failures import GivenUp
from webhooks.models import Attempt, Delivery

log = logging.getLogger(__name__)

BATCH = 200
LEASE = timedelta(seconds=60)
"""How long a worker may be silent about what it claimed before somebody else gets it."""

AFTER_TROUBLE = timedelta(seconds=1)
"""Between two tries to store what came of a claim."""

NO_RESOURCE = "It names nothing that we keep in sync."
NO_CRM = "Its company keeps no CRM in sync, so none has to be told; the briefs of its meetings were looked at."

CHANNEL_NEWS = {"renew": channels.hurry, "gone": channels.lost}
"""Notice.channel, and what to do about it."""

Status, Outcome = Delivery.Status, Attempt.Outcome


class ClaimLost(Exception):
    """The lease ran out before the work was stored: whoever has the claim now stores it."""


@dataclass
class Try:
    """One delivery in one attempt, and what came of it. ``channel``, ``items`` and ``is_our_own`` are its Notice's."""

    delivery: Delivery
    started_at: datetime
    is_replay: bool = False
    outcome: Attempt.Outcome = Outcome.RUNNING
    detail: str = ""
    error: str = ""
    traceback: str = ""
    kind: str = ""
    channel: str = ""
    items: tuple[str, ...] = ()
    is_our_own: bool = False

    def ends(self, status: Delivery.Status, outcome: Attempt.Outcome, detail: str, error: str = "") -> None:
        """Note how it ended; nothing is stored yet."""
        self.outcome, self.detail, self.error = outcome, inbox.storable(detail), inbox.storable(error)
        self.delivery.status = status
        self.delivery.error = self.error or ("" if outcome == Outcome.POKED else self.detail)


def run(limit: int = BATCH, is_suspect: bool = False) -> int:
    """Claim up to ``limit`` due deliveries and work them off; returns how many. Suspects are claimed apart."""
    now = timezone.now()
    tries = claim(now, limit, is_suspect) if _is_due(now, is_suspect) else []
    if tries:
        for one in tries:
            _read(one)
        _finish_in_time(tries, now + LEASE)
    return len(tries)


def run_suspects() -> int:
    """Work off, one by one, what was claimed by workers that died: whichever kills again takes nobody with it."""
    done = 0
    while done < BATCH and run(limit=1, is_suspect=True):
        done += 1
    return done


def claim(now: datetime, limit: int, is_suspect: bool) -> list[Try]:
    """Take due deliveries by one conditional update, and open an attempt for each."""
    with transaction.atomic():
        lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
        adapt = connection.ops.adapt_datetimefield_value
        sql, parameters = _CLAIM.format(due=_DUE, lock=lock), [adapt(now), is_suspect, limit, adapt(now + LEASE)]
        deliveries = list(Delivery.objects.raw(sql, parameters))
        return _open_attempts(deliveries, now) if deliveries else []


# Its states are literals, not parameters: only so can SQLite use the partial index.
_DUE = """
    SELECT id FROM webhooks_delivery
    WHERE status IN ('received', 'retry') AND next_attempt_at <= %s AND is_suspect = %s
    ORDER BY next_attempt_at LIMIT %s
"""
_CLAIM = """
    WITH due AS MATERIALIZED ({due} {lock})
    UPDATE webhooks_delivery SET status = 'processing', attempts = attempts + 1, lease_until = %s
    WHERE id IN (SELECT id FROM due)
    RETURNING id, company_id, provider, webhook_type, channel_id, sync_state_id, request_key, headers, body, status,
        attempts, next_attempt_at, lease_until, received_at, finished_at, error
"""


def _is_due(now: datetime, is_suspect: bool) -> bool:
    """Whether a claim would find anything: a look takes no lock, and the inbox is empty most of the time."""
    parameters = [connection.ops.adapt_datetimefield_value(now), is_suspect, 1]
    return any(True for _ in Delivery.objects.raw(_DUE, parameters))


def _open_attempts(deliveries: Sequence[Delivery], now: datetime) -> list[Try]:
    """An attempt for each: the one a replay prepared, or the next number."""
    tries = [Try(one, now) for one in deliveries]
    replays = set(_attempts(tries).filter(is_replay=True).order_by().values_list("delivery", flat=True))
    for one in tries:
        one.is_replay = one.delivery.pk in replays
    new = Delivery.objects.filter(pk__among=[one.delivery.pk for one in tries if not one.is_replay]).order_by()
    ids, parameters = new.values("pk").query.sql_with_params()
    sql = _OPEN.format(new_id=inbox.NEW_ID[connection.vendor], ids=ids)
    with connection.cursor() as cursor:
        cursor.execute(sql, [connection.ops.adapt_datetimefield_value(now), *parameters])
    return tries


# By the database alone: rows that all begin alike cost most on their way through here.
_OPEN = """
    INSERT INTO webhooks_attempt
        (id, delivery_id, number, is_replay, reason, started_at, outcome, detail, error, traceback)
    SELECT {new_id}, d.id, 1 + (SELECT COALESCE(MAX(number), 0) FROM webhooks_attempt WHERE delivery_id = d.id),
        FALSE, '', %s, 'running', '', '', ''
    FROM webhooks_delivery d WHERE d.id IN ({ids})
"""


def _attempts(tries: Iterable[Try]) -> QuerySet[Attempt]:
    """What these have open."""
    return Attempt.objects.filter(delivery__among=[one.delivery.pk for one in tries], outcome=Outcome.RUNNING)


def _read(one: Try) -> None:
    """Ask its sender's module what the delivery says, and decide. Never raises: one must not hold up the others."""
    delivery = one.delivery
    try:
        notice = senders.get(delivery.provider).read(delivery.webhook_type, delivery.headers, inbox.body_of(delivery))
        _decide(one, notice)
    except Temporary as error:
        _retry(one, error, error.retry_after)
    except NeedsReconnect as error:
        one.ends(Status.HELD, Outcome.HELD, "It goes on when the account is reconnected.", str(error))
    except IntegrationError as error:
        one.kind = type(error).__name__
        one.ends(Status.FAILED, Outcome.FAILED, "Another try would end the same way.", str(error))
    except Exception as error:
        # A bug of ours: recorded with its traceback, shown as such, and tried again, since a release may mend it.
        log.exception("A delivery could not be read.", extra={"delivery": str(delivery.pk)})
        one.traceback = inbox.storable(traceback.format_exc())
        _retry(one, error, None)


def _decide(one: Try, notice: Notice) -> None:
    one.channel, one.items, one.is_our_own = notice.channel, notice.items, notice.is_our_own
    if not notice.is_change:
        one.ends(Status.IGNORED, Outcome.IGNORED, notice.detail)
    elif one.delivery.sync_state_id is None:
        one.ends(Status.IGNORED, Outcome.IGNORED, NO_CRM if notice.is_our_own else NO_RESOURCE)
    else:
        one.ends(Status.WAITING, Outcome.POKED, notice.detail)


def _retry(one: Try, error: Exception, retry_after: float | None) -> None:
    delivery, words = (
        one.delivery,
        str(error) if isinstance(error, IntegrationError) else f"{type(error).__name__}: {error}",
    )
    one.kind = type(error).__name__
    if retries.is_used_up(delivery.attempts):
        one.ends(Status.FAILED, Outcome.FAILED, f"Given up after {delivery.attempts} tries.", words)
        return
    delivery.next_attempt_at = retries.next_attempt_at(delivery.attempts, timezone.now(), retry_after)
    one.ends(Status.RETRY, Outcome.RETRY, f"Try {delivery.attempts + 1} of {retries.MAX_ATTEMPTS} follows.", words)


def _finish_in_time(tries: Sequence[Try], ends_at: datetime) -> None:
    """Store how the batch ended; a database that restarts is waited for as long as the claim lasts.

    Nobody else could finish it sooner, and it would look as if its worker had died.
    """
    while True:
        try:
            return _finish(tries)
        except (InterfaceError, OperationalError):
            if connection.in_atomic_block or timezone.now() + AFTER_TROUBLE > ends_at:
                raise
            log.warning("A claim of %d deliveries could not be stored; trying again.", len(tries), exc_info=True)
            connection.close()
            time.sleep(AFTER_TROUBLE.total_seconds())


def _finish(tries: Sequence[Try]) -> None:
    """Store how the batch ended, in one transaction; nothing of it if the claim was lost meanwhile."""
    poked = [one for one in tries if one.delivery.status == Status.WAITING]
    others = [one for one in tries if one.delivery.status != Status.WAITING]
    ours = Delivery.objects.filter(status=Status.PROCESSING, lease_until=tries[0].delivery.lease_until)
    try:
        with transaction.atomic():
            stored = _store_others(ours, others) if others else 0
            if poked:
                _poke(poked)
                stored += _store_poked(ours, poked)
            _mend_channels(tries)
            _look_at_briefs(tries)
            if stored != len(tries):
                raise ClaimLost
            failures.record(
                GivenUp(one.delivery, one.kind, one.error) for one in others if one.delivery.status == Status.FAILED
            )
    except ClaimLost:
        log.warning("A claim of %d deliveries took longer than its lease and was given on.", len(tries))


def _poke(poked: Sequence[Try]) -> None:
    """One poke for the whole batch, however many of its deliveries speak of the same calendar, and what they name."""
    for is_replay in (False, True):
        states = {one.delivery.sync_state_id for one in poked if one.is_replay == is_replay} - {None}
        if states:
            sync_states.poke([pk for pk in states if pk], is_replay=is_replay)
    named: dict[uuid.UUID, set[str]] = {}
    for one in poked:
        if one.items and one.delivery.sync_state_id:
            named.setdefault(one.delivery.sync_state_id, set()).update(one.items)
    if named:
        poked_items.add(named)


def _look_at_briefs(tries: Sequence[Try]) -> None:
    """What a brief says may be out of date at once; without this the next sweep would see it, within a minute."""
    for company_id in sorted({one.delivery.company_id for one in tries if one.is_our_own and one.delivery.company_id}):
        async_task("relationships.jobs.make_briefs", str(company_id))


def _mend_channels(tries: Sequence[Try]) -> None:
    """Renew or reopen the channels that their provider says it is about to end, or has ended."""
    for word, mend in CHANNEL_NEWS.items():
        told: dict[str, set[str]] = {}
        for one in tries:
            if one.channel == word and one.delivery.channel_id:
                told.setdefault(one.delivery.provider, set()).add(one.delivery.channel_id)
        for provider, channel_ids in told.items():
            mend(provider, channel_ids)


def _store_poked(ours: QuerySet[Delivery], poked: Sequence[Try]) -> int:
    """The mark to wait for is the state's mark now: ours, or a later one that covers ours."""
    mark = SyncState.unscoped.filter(pk=OuterRef("sync_state_id")).order_by().values("dirty_mark")
    for detail in {one.detail for one in poked}:
        mine = _attempts(one for one in poked if one.detail == detail)
        mine.update(outcome=Outcome.POKED, detail=detail, started_at=poked[0].started_at)
    return ours.filter(pk__among=[one.delivery.pk for one in poked]).update(
        status=Status.WAITING, lease_until=None, is_suspect=False, error="", awaits_mark=Subquery(mark)
    )


def _store_others(ours: QuerySet[Delivery], others: Sequence[Try]) -> int:
    now = timezone.now()
    for one in others:
        one.delivery.finished_at = now if one.delivery.status in {Status.IGNORED, Status.FAILED} else None
        one.delivery.lease_until, one.delivery.is_suspect = None, False
    by_delivery = {one.delivery.pk: one for one in others}
    attempts = list(_attempts(others))
    for attempt in attempts:
        one = by_delivery[attempt.delivery_id]
        attempt.outcome, attempt.detail, attempt.error = one.outcome, one.detail, one.error
        attempt.traceback, attempt.started_at, attempt.duration = one.traceback, one.started_at, now - one.started_at
    Attempt.objects.bulk_update(attempts, ["outcome", "detail", "error", "traceback", "duration", "started_at"])
    return ours.bulk_update(
        [one.delivery for one in others],
        ["status", "error", "next_attempt_at", "finished_at", "lease_until", "is_suspect"],
    )
