"""Stops a record that is written again and again: something in the CRM changes back what we write."""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Count, F, Q

from crm.models import RecordLink, Write

MOST_WRITES = 5
WITHIN = timedelta(minutes=10)
REASON = "It was written more than 5 times within 10 minutes, so we stopped."
CODE = "loop_guard"
"""RecordLink.error_code of a link that was paused, also after it was resumed: then ``failed_at`` is when it was."""


def caught(link_ids: Collection[uuid.UUID], now: datetime) -> set[uuid.UUID]:
    """Which of these links were written so often lately that one more write is too many.

    Writes before the last pause do not count: whoever resumed it had a reason.
    """
    counts = ~Q(link__error_code=CODE) | Q(planned_at__gt=F("link__failed_at"))
    recent = Write.objects.filter(counts, planned_at__gt=now - WITHIN, link__among=link_ids)
    rows = recent.filter(state=Write.State.DONE).order_by().values("link")
    often = rows.annotate(times=Count("pk")).filter(times__gte=MOST_WRITES)
    return set(often.values_list("link", flat=True))


def pause(link_ids: Collection[uuid.UUID], now: datetime) -> None:
    """Write these no more until somebody says so."""
    if link_ids:
        RecordLink.objects.filter(pk__among=link_ids).update(
            state=RecordLink.State.PAUSED,
            reason=REASON,
            error_cause="loop",
            error_code=CODE,
            error_field="",
            error=REASON,
            failed_at=now,
            failures=F("failures") + 1,
            next_attempt_at=None,
            is_due=False,
        )
