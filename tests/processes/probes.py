"""Jobs by which a test sees from outside that the real worker works."""

import os
import time

from django.utils import timezone

from integrations.models import Heartbeat

HOLD = "hold"
BUSY = "busy"


def mark(name: str) -> None:
    """Leave a row called ``name``."""
    Heartbeat.objects.create(name=name, pid=os.getpid(), beat_at=timezone.now())


def hold(seconds: str) -> None:
    """Say which process is busy, and keep it so while the row ``hold`` stands, at most for ``seconds``."""
    Heartbeat.objects.update_or_create(name=BUSY, defaults={"pid": os.getpid(), "beat_at": timezone.now()})
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end and Heartbeat.objects.filter(name=HOLD).exists():
        time.sleep(0.1)
