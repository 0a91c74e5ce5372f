"""Stops a record that is written again and again: something in the CRM changes back what we write.

A score that is news each time is no loop, however often it comes: only values that were sent before count as one.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from crm.contract import Value
from crm.models import RecordLink, Write

MOST_WRITES = 5
MOST_AT_ALL = 60
"""So often nobody changes a record by honest work, whatever is written."""
WITHIN = timedelta(minutes=10)
REASON = "The same was written to it more than 5 times within 10 minutes, so we stopped."
CODE = "loop_guard"
"""RecordLink.error_code of a link that was paused, also after it was resumed: then ``failed_at`` is when it was."""


def caught(planned: Mapping[uuid.UUID, Mapping[str, Value]], now: datetime) -> set[uuid.UUID]:
    """Which of these links were written so often lately that one more write is too many. ``planned`` are its values.

    Writes before the last pause do not count: whoever resumed it had a reason. One query, two where many were written.
    """
    counts = ~Q(link__error_code=CODE) | Q(planned_at__gt=F("link__failed_at"))
    recent = Write.objects.filter(counts, planned_at__gt=now - WITHIN, link__among=planned.keys())
    recent = recent.filter(state=Write.State.DONE, erased_at=None).order_by()
    often = recent.values("link").annotate(times=Count("pk")).filter(times__gte=MOST_WRITES)
    times = dict(often.values_list("link", "times"))
    told = _told(recent, times.keys()) if times else {}
    return {pk for pk, count in times.items() if count >= MOST_AT_ALL or _is_repeated(told[pk], planned[pk])}


def _told(recent: QuerySet[Write], link_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
    told: dict[uuid.UUID, list[dict[str, Any]]] = defaultdict(list)
    for pk, values in recent.filter(link__among=link_ids).values_list("link", "values"):
        told[pk].append(values)
    return told


def _is_repeated(written: Collection[Mapping[str, Any]], planned: Mapping[str, Value]) -> bool:
    """Whether at least every second value of a field was there before."""
    for name, value in planned.items():
        values = [json.dumps(each, default=str) for each in (value, *(one[name] for one in written if name in one))]
        if len(values) > MOST_WRITES and len(set(values)) <= len(values) // 2:
            return True
    return False


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
