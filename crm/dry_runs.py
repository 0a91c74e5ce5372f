"""What publishing a mapping would do to many records: in counts, and field by field. Writes nothing on either side."""

import math
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crm import connection, outgoing, policy, rows, three_way, trial
from crm.contract import Record, Value
from crm.mapping import Context, Row, TransformError
from crm.models import RecordLink
from crm.shapes import Ours
from crm.trial import AT_ONCE, MOST, Scene, Shown
from integrations.models import Integration
from relationships import tenancy

CREATE, UPDATE, SKIP, ERROR, CHANGE_HERE = "create", "update", "skip", "error", "change here"
"""What may come of a record. The last comes on top of one of the others."""


@dataclass(frozen=True)
class Failure:
    """One value of a dry run that would be refused. ``way`` is out or in."""

    title: str
    row_id: uuid.UUID
    label: str
    way: str
    message: str


@dataclass(frozen=True)
class Told:
    """What would happen to one field of one record, and why; of a record that is left alone, no field."""

    title: str
    external_id: str
    action: str
    reason: str
    label: str = ""
    crm_field: str = ""
    ours: Ours = None
    theirs: Value = None


@dataclass(frozen=True)
class DryRun:
    """What publishing would do to so many records. ``calls`` estimates in how many the CRM would be asked; ``comes_in``
    are records that would change here; ``told`` is all of it field by field.
    """

    kind: str
    tried: int
    counts: Mapping[str, int]
    comes_in: int
    calls: int
    failures: tuple[Failure, ...]
    told: tuple[Told, ...]
    unread: str = ""


@dataclass(frozen=True)
class _Tried:
    """One record: each line on it, and what would come of it."""

    title: str
    link: RecordLink | None
    record: Record | None
    shown: Sequence[Shown]
    failures: Sequence[Failure]
    taken: Sequence[Shown]
    action: str
    why: str
    item: outgoing.Outgoing


def run(integration: Integration, drafted: Sequence[Row], kind: str, limit: int) -> DryRun:
    """What publishing this mapping would do to up to ``limit`` records of one kind: those linked, then new ones."""
    limit = max(1, min(limit, MOST))
    with tenancy.within(integration.company_id):
        linked = list(trial.links_of(integration, kind, None))[:limit]
        new = [pk for pk in rows.newer(integration, kind, limit) if pk not in set(linked)]
        ids = [*linked, *new][:limit]
        scene = trial.set_scene(integration, drafted, kind, ids)
        rules = policy.of(integration)
        values, stamps = rows.values(kind, ids, policy.named(rules)), rows.stamps(kind, ids)
    is_closed = rules.writes == policy.Policy.Writes.NONE
    records, unread = trial.read_theirs(scene, list(scene.links.values()))
    tried = [_try(scene, pk, values[pk], records, stamps.get(pk), is_closed) for pk in ids if pk in values]
    counts = Counter(each.action for each in tried)
    return DryRun(
        kind=kind,
        tried=len(tried),
        counts={name: counts[name] for name in (CREATE, UPDATE, SKIP, ERROR)},
        comes_in=sum(bool(each.taken) for each in tried),
        calls=_calls(integration, counts, len(scene.links)),
        failures=tuple(failure for each in tried for failure in each.failures),
        told=tuple(told for each in tried for told in _told(each)),
        unread=unread,
    )


def _try(
    scene: Scene,
    pk: uuid.UUID,
    values: Mapping[str, Ours],
    records: Mapping[str, Record],
    stamp: datetime | None,
    is_closed: bool,
) -> _Tried:
    title, link = trial.title_of(scene.kind, values), scene.links.get(pk)
    record = records.get(link.external_id) if link else None
    shown = [trial.show(line, values.get(line.ours.name), record, scene.context) for line in scene.lines]
    failures = _failures(title, pk, shown) + _refused_creation(scene, title, pk, link, shown)
    taken = [each for each in shown if _is_taken(each, link, stamp, record)]
    action, why, item = _outcome(scene, link, values, record, stamp)
    if is_closed:
        action, why = SKIP, "The company's settings allow no writing."
    if any(each.way == "out" for each in failures):
        action = ERROR
    return _Tried(title, link, record, shown, failures, taken, action, why, item)


def _failures(title: str, pk: uuid.UUID, shown: Sequence[Shown]) -> list[Failure]:
    out = [Failure(title, pk, each.line.ours.label, "out", each.sent_error) for each in shown if each.sent_error]
    return out + [Failure(title, pk, each.line.ours.label, "in", each.got_error) for each in shown if each.got_error]


def _refused_creation(
    scene: Scene, title: str, pk: uuid.UUID, link: RecordLink | None, shown: Sequence[Shown]
) -> list[Failure]:
    if link is not None:
        return []
    return [
        Failure(title, pk, label, "out", f"The CRM requires {label} of a new record, and it has no value.")
        for label in trial.lacking(scene, shown)
    ]


def _outcome(
    scene: Scene, link: RecordLink | None, values: Mapping[str, Ours], record: Record | None, stamp: datetime | None
) -> tuple[str, str, outgoing.Outgoing]:
    """create, update or skip, and why: what the push itself would decide. And all that it would send."""
    lines = [line for line in scene.lines if line.theirs and (line.writes_changed if link else line.writes_new)]
    held = link or RecordLink(integration=scene.integration, kind=scene.kind, crm_object=scene.object)
    item = outgoing.of(held, values, lines, (), scene.context)
    if item.is_creation:
        return CREATE, "The CRM does not have it.", outgoing.without_empty(item)
    if record is None:
        unread = "It could not be read, so what it holds is not compared."
        return (UPDATE, unread, item) if item.wishes else (SKIP, "Nothing of ours changed.", item)
    compared = outgoing.compared(item, record, stamp)
    if compared.item.wishes:
        return UPDATE, "Our value is newer, or was never sent.", compared.item
    return SKIP, "The CRM's value counts." if compared.is_left else "The CRM holds it already.", compared.item


def _is_taken(shown: Shown, link: RecordLink | None, stamp: datetime | None, record: Record | None) -> bool:
    """Whether the CRM's value of this line would be written here."""
    line = shown.line
    if link is None or record is None or not line.is_in or shown.got_error:
        return False
    theirs = line.normal(shown.theirs)
    halves = three_way.halves(link.shadow, line.crm_field)
    ours = shown.sent if line.is_out else _as_theirs(shown)
    decision = three_way.decide(line, line.normal(ours), theirs, *halves, stamp, record.modified_at)
    return decision.action == "take_theirs"


def _as_theirs(shown: Shown) -> Value:
    """Our value in the CRM's form, for a line that never sends it."""
    try:
        return shown.line.outgoing(shown.ours, Context(theirs=shown.line.theirs))
    except TransformError:
        return None if shown.ours is None else str(shown.ours)


def _calls(integration: Integration, counts: Mapping[str, int], linked: int) -> int:
    """About how many calls it takes: reading what is linked, and writing in batches."""
    batch = connection.adapter(integration).batch
    return math.ceil(linked / AT_ONCE) + math.ceil(counts[CREATE] / batch) + math.ceil(counts[UPDATE] / batch)


def _told(tried: _Tried) -> list[Told]:
    """One record, field by field. Of one that would be refused, what is wrong with it alone goes out."""
    title, external_id = tried.title, tried.link.external_id if tried.link else ""
    by_label = {each.line.ours.label: each for each in tried.shown}
    found = []
    for failure in tried.failures:
        at = by_label.get(failure.label)
        about = (at.line.crm_field, at.ours, at.theirs) if at else ("", None, None)
        found.append(Told(title, external_id, ERROR, failure.message, failure.label, *about))
    if tried.action in {CREATE, UPDATE}:
        held = tried.record.values if tried.record else {}
        why = {lost.line.crm_field: lost.why for lost in tried.item.lost}
        for wish in tried.item.sent():
            name, reason = wish.line.crm_field, why.get(wish.line.crm_field, tried.why)
            reason = "It goes along with the others." if wish in tried.item.along else reason
            found.append(
                Told(title, external_id, tried.action, reason, wish.line.ours.label, name, wish.value, held.get(name))
            )
    for each in tried.taken:
        line, why_in = each.line, "The CRM's value counts."
        found.append(
            Told(title, external_id, CHANGE_HERE, why_in, line.ours.label, line.crm_field, each.ours, each.theirs)
        )
    if tried.action == SKIP:
        found.append(Told(title, external_id, SKIP, tried.why))
    return found
