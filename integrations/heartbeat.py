"""Signs of life of the background processes."""

import os

from django.utils import timezone

from integrations.models import Heartbeat


def beat(name: str) -> None:
    """Note that the process of this name lives, now; one statement."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, pid=os.getpid(), beat_at=timezone.now())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["pid", "beat_at"],
    )
