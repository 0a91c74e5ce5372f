"""Runs the inbox's drain loop until it is told to stop."""

import logging
import signal
import time
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection

from integrations import heartbeat, sync_states
from webhooks import drain, settling, sweeping

log = logging.getLogger(__name__)

POLL = 0.1
IDLE_POLL = 0.2
"""Seconds between two looks at an inbox that has been empty for a while."""
BEAT = 1.0
SWEEP = 30.0
AFTER_TROUBLE = 1.0


class Command(BaseCommand):
    """One process: claims and works off deliveries, ends those whose sync has run, and frees what died half-way."""

    help = "Work the webhook inbox off, until SIGTERM."
    requires_system_checks = []
    is_stopping = False

    def handle(self, *args: Any, **options: Any) -> None:
        """Loop. A database that restarts is waited for; whatever else goes wrong is logged, and the loop goes on."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self.beat_at = self.sweep_at = time.monotonic()
        pause = POLL
        while not self.is_stopping:
            try:
                pause = POLL if self.turn() else min(pause * 1.05, IDLE_POLL)
            except DatabaseTrouble:
                log.exception("The database does not answer; trying again.")
                connection.close()
                pause = AFTER_TROUBLE
            except Exception:
                # A bug must not stop the inbox: what it hit is claimed, counted, and tried alone once its lease ends.
                log.exception("The drain loop hit a bug.")
                pause = AFTER_TROUBLE
            if not self.is_stopping:
                time.sleep(pause)

    def turn(self) -> int:
        """One round; returns how much there was to do. A full batch is followed by the next one at once."""
        done = 0
        while (claimed := drain.run()) and not self.is_stopping:
            done += claimed
            self._tick()
            if claimed < drain.BATCH:
                break
        done += settling.settle()
        self._tick()
        return done

    def _tick(self) -> None:
        """What is due by the clock, however busy the inbox is."""
        now = time.monotonic()
        if now >= self.beat_at:
            self.beat_at = now + BEAT
            close_old_connections()
            heartbeat.beat("drain")
            drain.run_suspects()
            # The scheduler looks once a minute; a retry due in four seconds should not wait for it.
            sync_states.queue_due()
        if now >= self.sweep_at:
            self.sweep_at = now + SWEEP
            sweeping.free_expired()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.is_stopping = True
