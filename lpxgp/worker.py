"""The background worker: runs the job queue's cluster and the inbox's drain loop, and replaces what died or got stuck.

Any process of the cluster that vanishes costs the whole cluster its place (cluster.py says why), and heartbeats in the
database show what looks alive but does nothing.

One worker per database: the heartbeats have no host in their name. Waits are measured by the monotonic clock.
"""

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from integrations import heartbeat, runs
from integrations.models import Heartbeat
from lpxgp import cluster
from lpxgp.processes import Group
from webhooks import sweeping

log = logging.getLogger(__name__)

TICK = 0.5
OWN_BEAT_EVERY = 5.0
PROBE_AFTER = 10.0
"""Seconds without a finished job after which a job that only beats is queued."""
CLUSTER_LIMIT = settings.Q_CLUSTER["timeout"] + 30.0
"""Seconds without a finished job after which the cluster stands still: every job is ended before."""
DRAIN_LIMIT = 20.0
HEALTHY_AFTER = 10.0
"""A child that lived this many seconds does not count as failing to start."""
LONGEST_PAUSE = 30.0
PAUSE_OF_ONE_THAT_WORKED = 2.0
"""Seconds at most before a child starts again that had shown signs of life: something killed it, it can start."""
KEEP_CLAIMS_AFTER = 8
"""Deaths in a row after which nothing claimed is given back: it may be what kills."""
SIZE_EVERY = 10.0
GRACE_TO_HEAL = 3.0
GRACE_TO_STOP = 20.0
GRACE_TO_SHRINK = 60.0


@dataclass(frozen=True)
class Charge:
    """A child to run: its manage.py arguments, the seconds it may go without a heartbeat, and what frees before each
    start what a dead one had claimed."""

    name: str
    arguments: list[str]
    beat_limit: float
    give_back: Callable[[], None]
    is_queue: bool = False


def give_back_jobs() -> None:
    """Free the jobs and syncs that a dead cluster had claimed, also one whose supervisor died with it.

    Waiting an hour for a job, or minutes for a sync, helps nobody: jobs may run twice, and of two syncs of one resource
    only the one with the hold can store anything.
    Those claimed longer ago than a job may run stay claimed: one of them may be what the cluster died of.
    """
    now, claim_lasts = timezone.now(), timedelta(seconds=settings.Q_CLUSTER["retry"])
    lately = now + claim_lasts - timedelta(seconds=settings.Q_CLUSTER["timeout"])
    try:
        freed = OrmQ.objects.filter(key=settings.Q_CLUSTER["name"], lock__gt=lately).update(lock=now)
        syncs = runs.free_holds()
    except DatabaseTrouble as error:  # they come back by themselves when their claim ends
        log.warning("What the dead cluster claimed stays claimed: %s", error)
    else:
        log.info("%d jobs and %d syncs of a dead cluster are free again", freed, syncs)


def give_back_deliveries() -> None:
    """Free the deliveries that a dead drain loop had claimed, also one whose supervisor died with it.

    The count of their tries stands: what kills each loop is given up.
    """
    try:
        freed = sweeping.free_all()
    except DatabaseTrouble as error:  # they come back by themselves when their lease ends
        log.warning("What the dead drain loop claimed stays claimed: %s", error)
    else:
        log.info("%d deliveries of a dead drain loop are free again", freed)


CHARGES = (
    Charge(cluster.NAME, ["worker", "--only-cluster"], CLUSTER_LIMIT, give_back_jobs, is_queue=True),
    Charge("drain", ["drain"], DRAIN_LIMIT, give_back_deliveries),
)


class Watch:
    """Keeps one child running. ``tick`` is called twice a second and never waits."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._group: Group | None = None
        self._start_at = 0.0
        self._started_at = 0.0
        self._kill_at: float | None = None
        self._failures = 0
        self._beat: object = None
        self._has_beaten = False
        self._beat_seen_at = 0.0
        self._asked_at = 0.0
        self._size_at = 0.0

    def tick(self, now: float, beats: dict[str, object] | None) -> None:
        """Start, look after or finish replacing the child. ``beats`` is None while the database is out of reach."""
        if self._group is None:
            if now >= self._start_at:
                self._start(now)
        elif self._kill_at is not None:
            self._finish(self._group, now, self._kill_at)
        else:
            self._note_beat(now, beats)
            self._look(self._group, now)

    def stop(self, grace: float) -> None:
        """Ask the child to stop; it is killed after ``grace`` seconds."""
        if self._group is not None:
            self._group.ask_to_stop()
            self._kill_at = time.monotonic() + grace

    def is_stopped(self) -> bool:
        """Whether nothing of the child is left; kills it when its grace is over."""
        if self._group is not None and self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._group.kill()
        return self._group is None or self._group.is_gone()

    def _start(self, now: float) -> None:
        if self._failures < KEEP_CLAIMS_AFTER:
            self._charge.give_back()
        self._group = Group(self._charge.arguments)
        self._kill_at = None
        self._started_at = self._beat_seen_at = self._size_at = now
        self._asked_at = 0.0
        self._has_beaten = False
        log.info("%s started as process %d", self._charge.name, self._group.pid)

    def _note_beat(self, now: float, beats: dict[str, object] | None) -> None:
        if beats is None:  # nobody can beat now: the wait begins anew when the database is back
            self._beat_seen_at = now
        elif beats.get(self._charge.name) != self._beat:
            self._beat = beats.get(self._charge.name)
            self._beat_seen_at = now
            self._has_beaten = True
            self._asked_at = 0.0
        elif self._charge.is_queue and not self._asked_at and now - self._beat_seen_at > PROBE_AFTER:
            self._ask_for_beat(now)

    def _ask_for_beat(self, now: float) -> None:
        try:
            async_task("lpxgp.cluster.beat")
            self._asked_at = now
        except DatabaseTrouble as error:  # asked again at the next tick
            log.warning("The cluster could not be asked for a sign of life: %s", error)

    def _look(self, group: Group, now: float) -> None:
        reason, grace = self._trouble(group, now)
        if reason:
            log.error("%s (process %d) is replaced: %s", self._charge.name, group.pid, reason)
            group.ask_to_stop()
            self._kill_at = now + grace

    def _trouble(self, group: Group, now: float) -> tuple[str, float]:
        """Why the child must be replaced, and the seconds it gets to end by itself; an empty reason when it is well."""
        if group.exit_code is not None:
            return f"it ended with {group.exit_code}", 0.0
        if lost := group.lost():
            return f"its process {lost[0]} vanished", GRACE_TO_HEAL
        if (silent := now - self._beat_seen_at) > self._charge.beat_limit:
            return f"it gave no sign of life for {silent:.0f} s", 0.0
        if now - self._size_at > SIZE_EVERY:
            self._size_at = now
            if (size := group.largest() // 2**20) > settings.WORKER_MAX_MB:
                return f"one of its processes grew to {size} MB", GRACE_TO_SHRINK
        return "", 0.0

    def _finish(self, group: Group, now: float, kill_at: float) -> None:
        if now >= kill_at or group.exit_code is not None:
            group.kill()
        if not group.is_gone():
            return
        self._failures = self._failures + 1 if now - self._started_at < HEALTHY_AFTER else 1
        longest = PAUSE_OF_ONE_THAT_WORKED if self._has_beaten else LONGEST_PAUSE
        pause = 0.0 if self._failures == 1 else min(longest, 0.25 * 2**self._failures)
        self._start_at = now + pause
        if pause:
            log.warning(
                "%s starts again in %.0f s: it failed %d times in a row", self._charge.name, pause, self._failures
            )
        self._group = None


class Worker:
    """The supervisor: ticks over its watches until SIGTERM or SIGINT, then stops them."""

    def __init__(self, charges: tuple[Charge, ...] = CHARGES) -> None:
        self._watches = [Watch(charge) for charge in charges]
        self._is_stopping = False
        self._grace = GRACE_TO_STOP
        self._beat_at = 0.0

    def run(self) -> None:
        """Blocks until a signal asks to stop and every child is gone."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        while not self._is_stopping:
            now = time.monotonic()
            beats = self._exchange_beats(now)
            for watch in self._watches:
                watch.tick(now, beats)
            time.sleep(TICK)
        self._stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_stopping:
            self._grace = 0.0
        self._is_stopping = True

    def _stop(self) -> None:
        log.info("The worker stops")
        asked_with = None
        while asked_with is None or self._is_any_left():
            if asked_with != self._grace:  # at first, and at a second signal
                asked_with = self._grace
                for watch in self._watches:
                    watch.stop(asked_with)
            time.sleep(0.1)

    def _is_any_left(self) -> bool:
        stopped = [watch.is_stopped() for watch in self._watches]  # each is asked: the question also kills in time
        return not all(stopped)

    def _exchange_beats(self, now: float) -> dict[str, object] | None:
        """Write our own beat and read the children's; None when the database does not answer."""
        try:
            close_old_connections()
            if now - self._beat_at > OWN_BEAT_EVERY:
                heartbeat.beat("worker")
                self._beat_at = now
            return dict(Heartbeat.objects.values_list("name", "beat_at"))
        except DatabaseTrouble as error:  # it may come back; until then the processes alone are watched
            log.error("The worker cannot reach the database: %s", error)
            return None
