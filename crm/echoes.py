"""Our own writes that come back from the CRM as changes: known by their values, counted, and otherwise ignored."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from crm.contract import Record, Value
from crm.mapping import Line
from crm.models import Write

AGAIN_WITHIN = timedelta(minutes=15)
"""What came back is not counted again after this long: then it is the record as it is, read once more."""


READ_BACK = frozenset({"organization", "person", "note"})
"""Kinds that are read from the CRM. What is written of others does not come back."""


def is_echo(write: Write, record: Record, lines: Mapping[str, Line]) -> bool:
    """Whether the record holds all that this write sent, or what the CRM said it made of it."""
    sent = [name for name in write.values if name in lines and name in record.values]
    return bool(sent) and all(_is_held(write, record, lines[name]) for name in sent)


def note(links: Mapping[uuid.UUID, Record], lines: Sequence[Line]) -> int:
    """Stamp the newest write of each of these links that its record is the echo of; returns how many records that were.

    A write whose reply was lost is known to be taken by it. Two statements; one where none comes back.
    """
    if not links:
        return 0
    now = timezone.now()
    writes = _awaited(links, now)
    by_field = {line.crm_field: line for line in lines}
    found = [write for write in writes.values() if is_echo(write, links[write.link_id], by_field)]
    if found:
        rows = Write.objects.filter(pk__among=[write.pk for write in found])
        rows.update(echoes=F("echoes") + 1)
        rows.filter(echoed_at=None).update(echoed_at=now)
    return len(found)


def _awaited(links: Mapping[uuid.UUID, Record], now: datetime) -> dict[uuid.UUID, Write]:
    """The newest write of each link that may come back."""
    rows = Write.objects.filter(
        Q(echoed_at=None) | Q(planned_at__gt=now - AGAIN_WITHIN),
        link__among=links,
        state__in=[Write.State.DONE, Write.State.SENT],
    )
    return {write.link_id: write for write in rows.order_by("planned_at")}


def _is_held(write: Write, record: Record, line: Line) -> bool:
    name = line.crm_field
    wrote = {line.normal(write.values[name]), line.normal(write.held.get(name, write.values[name]))}
    return line.normal(record.values[name]) in wrote


def in_order(write: Write) -> list[tuple[str, Value]]:
    """The values of a write, the shortest first, so that most are seen. Databases keep an order of their own."""
    return sorted(write.values.items(), key=lambda pair: (len(str(pair[1])), pair[0]))


def words(write: Write) -> str:
    """What became of a write, for whoever watches: “we wrote 82 at 10:01, it came back at 10:01, ignored”."""
    values = ", ".join(f"{name} = {value}" for name, value in in_order(write))
    return f"We wrote {values} at {_clock(write.done_at or write.planned_at)}{_return(write)}"


def outcome(write: Write) -> str:
    """The same without the values."""
    if write.state != Write.State.DONE:
        return f"{write.get_state_display()}: {write.error}" if write.error else write.get_state_display()
    return f"Taken at {_clock(write.done_at or write.planned_at)}{_return(write)}"


def in_short(write: Write) -> str:
    """The same in a few words, for lists."""
    if write.state != Write.State.DONE:
        return outcome(write)
    if write.echoed_at is None:
        return "Taken, not back yet" if write.link.kind in READ_BACK else "Taken"
    return f"Taken, back {write.echoes} times" if write.echoes > 1 else "Taken, and back"


def _return(write: Write) -> str:
    if write.echoed_at is None:
        return "; it did not come back yet." if write.link.kind in READ_BACK else "; records like it are not read back."
    times = f" {write.echoes} times" if write.echoes > 1 else ""
    return f", it came back{times} at {_clock(write.echoed_at)}, ignored."


def _clock(at: datetime) -> str:
    return f"{timezone.localtime(at):%H:%M}"
