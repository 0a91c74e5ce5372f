"""The job queue's cluster as the worker runs it: django-q2 that shows signs of life, and does not mend itself.

django-q2 replaces a worker that died, and goes on with a queue whose lock the dead one may still hold: nothing moves
any more, for good (https://github.com/django-q2/django-q2/issues/23). Here the whole cluster leaves instead, and the
supervisor (worker.py) starts a fresh one.
"""

import gc
import logging
import os
import signal
import time
from typing import Any

from django.core.management import call_command
from django.db import Error as DatabaseTrouble
from django_q import cluster
from django_q.signals import post_execute_in_worker

from integrations import heartbeat
from lpxgp import schedules

log = logging.getLogger(__name__)

NAME = "cluster"
BEAT_EVERY = 5.0
RECORDED_WITHIN = 2.0
"""Seconds in which the cluster's monitor stores that a job ran into its time limit."""


class Sentinel(cluster.Sentinel):
    """Ends the whole cluster where django-q2 would replace one process of it."""

    def reincarnate(self, process: Any) -> None:
        """``process`` died or ran into a job's time limit: every process of this group is killed, this one too."""
        timer = getattr(process, "timer", None)
        if timer is not None and timer.value == 0:  # its job took too long: let that be recorded, or it would run again
            time.sleep(RECORDED_WITHIN)
        log.critical("Process %d of the job queue died: the cluster leaves", process.pid)
        os.killpg(0, signal.SIGKILL)


class JobBeats:
    """Beats after a job, at most every five seconds in each process."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, **signal_arguments: Any) -> None:
        if time.monotonic() - self._last < BEAT_EVERY:
            return
        self._last = time.monotonic()
        try:
            beat()
        except DatabaseTrouble as error:  # the job is done; its worker must not die of this
            log.warning("No sign of life written: %s", error)


def beat() -> None:
    """Show that jobs are done; also the job that is queued when there is no other."""
    heartbeat.beat(NAME)


def run() -> None:
    """Make the schedules right, then run django-q2 until SIGTERM. Needs a process group of its own."""
    schedules.ensure()
    post_execute_in_worker.connect(JobBeats(), weak=False)
    cluster.Sentinel = Sentinel
    # What is loaded by now stays: looking through it for garbage takes a quarter of what storing a page of events does.
    gc.freeze()
    call_command("qcluster")
