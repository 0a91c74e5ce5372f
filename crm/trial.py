"""What a mapping would do to real records, before anybody publishes it. Reads from the CRM, and writes nothing."""

import math
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from crm import connection, mapping, outgoing, policy, rows, schema, three_way
from crm.catalogue import KIND_LABELS
from crm.contract import Field, Link, Record, Value, Wanted
from crm.mapping import Context, Line, Row, TransformError
from crm.models import RecordLink
from crm.shapes import Ours
from integrations.errors import IntegrationError
from integrations.models import Integration
from relationships import tenancy
from relationships.models import Company, Note, Organization, Person, Task, Touchpoint

AT_ONCE = 100
"""Records that one call of the CRM reads."""
MOST = 200
"""Records of one dry run."""
FIRST = 10
TITLES = {
    "organization": "org.name",
    "person": "person.name",
    "meeting": "meeting.title",
    "email": "email.title",
    "task": "task.title",
    "note": "note.title",
}
"""What a record of each kind is called by, in words that every colleague may read."""


@dataclass(frozen=True)
class Choice:
    """A row of ours that can be tried."""

    id: uuid.UUID
    title: str
    is_linked: bool


@dataclass(frozen=True)
class Shown:
    """One line on one record: ours and what the CRM would get, theirs and what we would get, each or why not."""

    line: Line
    ours: Ours
    sent: Value = None
    sent_error: str = ""
    theirs: Value = None
    got: Ours = None
    got_error: str = ""
    is_equal: bool = False


@dataclass(frozen=True)
class Trial:
    """A whole record. ``unread`` says why the CRM's side is not there; ``lacking`` what a new record needs."""

    title: str
    is_linked: bool
    lines: tuple[Shown, ...]
    unread: str = ""
    lacking: tuple[str, ...] = ()

    @property
    def failures(self) -> int:
        """How many values would be refused."""
        return sum(bool(line.sent_error) + bool(line.got_error) for line in self.lines)


@dataclass(frozen=True)
class Failure:
    """One value of a dry run that would be refused. ``way`` is out or in."""

    title: str
    row_id: uuid.UUID
    label: str
    way: str
    message: str


@dataclass(frozen=True)
class DryRun:
    """What publishing would do to so many records. ``calls`` are those the CRM would be asked in, about; ``comes_in``
    are records that would change here."""

    kind: str
    tried: int
    counts: Mapping[str, int]
    comes_in: int
    calls: int
    failures: tuple[Failure, ...]
    unread: str = ""


@dataclass(frozen=True)
class _Scene:
    """What a trial works with."""

    integration: Integration
    kind: str
    lines: tuple[Line, ...]
    fields: Mapping[str, Field]
    context: Context
    object: str
    links: Mapping[uuid.UUID, RecordLink] = field(default_factory=dict)


def choices(integration: Integration, kind: str, query: str = "") -> list[Choice]:
    """Rows of a kind to try, those that are linked first. ``query`` looks for names of firms and people."""
    with tenancy.within(integration.company_id):
        linked = _links(integration, kind, None)
        ids = [*_named(kind, query)] if query else [*list(linked)[:FIRST], *_named(kind, "")]
        ids = list(dict.fromkeys(ids))[:FIRST]
        values = rows.values(kind, ids)
    found = [
        Choice(pk, str(values[pk].get(TITLES[kind]) or "Without a name"), pk in linked) for pk in ids if pk in values
    ]
    return sorted(found, key=lambda each: not each.is_linked)


def on_record(integration: Integration, drafted: Sequence[Row], kind: str, row_id: uuid.UUID) -> Trial | None:
    """What every line of a mapping makes of one record, both ways; None where there is no such row."""
    with tenancy.within(integration.company_id):
        scene = _scene(integration, drafted, kind, [row_id])
        values = rows.values(kind, [row_id], policy.named(policy.of(integration))).get(row_id)
    if values is None:
        return None
    link = scene.links.get(row_id)
    records, unread = _read(scene, [link] if link else [])
    record = records.get(link.external_id) if link else None
    lines = tuple(_shown(line, values.get(line.ours.name), record, scene.context) for line in scene.lines)
    title = str(values.get(TITLES[kind]) or "Without a name")
    return Trial(title, link is not None, lines, unread, () if link else tuple(_lacking(scene, lines)))


def dry_run(integration: Integration, drafted: Sequence[Row], kind: str, limit: int) -> DryRun:
    """What publishing this mapping would do to up to ``limit`` records of one kind: those linked, then new ones."""
    limit = max(1, min(limit, MOST))
    with tenancy.within(integration.company_id):
        linked = list(_links(integration, kind, None))[:limit]
        new = [pk for pk in rows.newer(integration, kind, limit) if pk not in set(linked)]
        ids = [*linked, *new][:limit]
        scene = _scene(integration, drafted, kind, ids)
        rules = policy.of(integration)
        values, stamps = rows.values(kind, ids, policy.named(rules)), rows.stamps(kind, ids)
        is_closed = rules.writes == policy.Policy.Writes.NONE
    records, unread = _read(scene, list(scene.links.values()))
    counts: Counter[str] = Counter()
    failures: list[Failure] = []
    comes_in = 0
    for pk in [pk for pk in ids if pk in values]:
        title, link = str(values[pk].get(TITLES[kind]) or "Without a name"), scene.links.get(pk)
        record = records.get(link.external_id) if link else None
        shown = [_shown(line, values[pk].get(line.ours.name), record, scene.context) for line in scene.lines]
        wrong = _failures(title, pk, shown) + _refused_creation(scene, title, pk, link, shown)
        failures += wrong
        comes_in += any(_is_taken(each, link, stamps.get(pk), record) for each in shown)
        out = "skip" if is_closed else _outcome(scene, link, values[pk], record, stamps.get(pk))
        counts["error" if any(each.way == "out" for each in wrong) else out] += 1
    calls = _calls(integration, counts, len(scene.links))
    return DryRun(kind, counts.total(), _all(counts), comes_in, calls, tuple(failures), unread)


def _all(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in ("create", "update", "skip", "error")}


def _scene(integration: Integration, drafted: Sequence[Row], kind: str, ids: Collection[uuid.UUID]) -> _Scene:
    known = mapping.known_fields(integration)
    crm_object = connection.adapter(integration).objects[kind]
    lines = mapping.resolved(drafted, known).get(kind, ())
    context = mapping.context(Company.objects.get(pk=integration.company_id))
    return _Scene(
        integration, kind, lines, known.get(crm_object, {}), context, crm_object, _links(integration, kind, ids)
    )


def _links(integration: Integration, kind: str, ids: Collection[uuid.UUID] | None) -> dict[uuid.UUID, RecordLink]:
    """The links of these rows, or the first ones of a kind, to records that are there."""
    found = RecordLink.objects.filter(
        integration=integration, kind=kind, state=RecordLink.State.LINKED, row_id__isnull=False
    ).exclude(external_id="")
    found = found.order_by("created_at", "pk")
    return {link.row_id: link for link in (found[:MOST] if ids is None else found.filter(row_id__in=ids))}


def _named(kind: str, query: str) -> list[uuid.UUID]:
    """Rows by name; of others than firms and people the newest, since their titles may be private."""
    if kind == "organization":
        found = Organization.objects.filter(name__icontains=query).order_by("name")
    elif kind == "person":
        found = Person.objects.filter(display_name__icontains=query).order_by("display_name", "pk")
    elif kind == "task":
        found = Task.objects.order_by("-created_at")
    elif kind == "note":
        found = Note.objects.filter(sync_to_crm=True).order_by("-created_at")
    else:
        found = Touchpoint.objects.filter(kind=kind, cancelled_at=None).order_by("-occurred_at", "pk")
    return list(found.values_list("pk", flat=True)[:FIRST])


def _read(scene: _Scene, links: Sequence[RecordLink]) -> tuple[dict[str, Record], str]:
    """What the CRM holds now, by id, and why it could not be asked."""
    names = tuple(sorted({line.crm_field for line in scene.lines if line.theirs is not None}))
    if not links or not names:
        return {}, ""
    ids = [link.external_id for link in links]
    wanted, adapter = Wanted(scene.object, names), connection.adapter(scene.integration)

    def read(link: Link) -> dict[str, Record]:
        batches = [adapter.read(link, wanted, ids[at : at + AT_ONCE]) for at in range(0, len(ids), AT_ONCE)]
        return {one.external_id: one for batch in batches for one in batch.records if not one.is_deleted}

    try:
        return schema.ask(scene.integration, read), ""
    except IntegrationError as error:
        return {}, str(error)


def _shown(line: Line, ours: Ours, record: Record | None, context: Context) -> Shown:
    shown = Shown(line, line.ours.constant or ours)
    if line.is_out:
        try:
            shown = replace(shown, sent=line.outgoing(ours, context))
        except TransformError as error:
            shown = replace(shown, sent_error=str(error))
    if record is None:
        return shown
    theirs = record.values.get(line.crm_field)
    shown = replace(shown, theirs=theirs)
    if line.is_in:
        try:
            shown = replace(shown, got=line.incoming(theirs, context))
        except TransformError as error:
            return replace(shown, got_error=str(error))
    is_known = line.is_out and not shown.sent_error
    return replace(shown, is_equal=is_known and line.normal(shown.sent) == line.normal(theirs))


def _failures(title: str, pk: uuid.UUID, shown: Sequence[Shown]) -> list[Failure]:
    out = [Failure(title, pk, each.line.ours.label, "out", each.sent_error) for each in shown if each.sent_error]
    return out + [Failure(title, pk, each.line.ours.label, "in", each.got_error) for each in shown if each.got_error]


def _refused_creation(
    scene: _Scene, title: str, pk: uuid.UUID, link: RecordLink | None, shown: Sequence[Shown]
) -> list[Failure]:
    if link is not None:
        return []
    return [
        Failure(title, pk, label, "out", f"The CRM requires {label} of a new record, and it has no value.")
        for label in _lacking(scene, shown)
    ]


def _lacking(scene: _Scene, shown: Sequence[Shown]) -> list[str]:
    """Labels of fields that a new record needs and would not get."""
    filled = {each.line.crm_field for each in shown if each.sent is not None or each.sent_error}
    key = connection.adapter(scene.integration).key_fields.get(scene.object)
    needed = [one for one in scene.fields.values() if one.is_required and one.name not in filled and one.name != key]
    return [one.label for one in needed if one.type != "reference" or one.is_custom]


def _outcome(
    scene: _Scene, link: RecordLink | None, values: Mapping[str, Ours], record: Record | None, stamp: datetime | None
) -> str:
    """create, update or skip: what the push itself would decide."""
    lines = [line for line in scene.lines if line.theirs and (line.writes_changed if link else line.writes_new)]
    held = link or RecordLink(integration=scene.integration, kind=scene.kind, crm_object=scene.object)
    item = outgoing.of(held, values, lines, (), scene.context)
    if item.is_creation:
        return "create"
    if record is None:
        return "update" if item.wishes else "skip"
    return "update" if outgoing.compared(item, record, stamp).item.wishes else "skip"


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


def _calls(integration: Integration, counts: Counter[str], linked: int) -> int:
    """About how many calls it takes: reading what is linked, and writing in batches."""
    batch = connection.adapter(integration).batch
    return math.ceil(linked / AT_ONCE) + math.ceil(counts["create"] / batch) + math.ceil(counts["update"] / batch)


def kinds_with_lines(drafted: Sequence[Row]) -> list[tuple[str, str]]:
    """The kinds that a mapping has lines for, with their labels."""
    found = mapping.resolved(drafted, {})
    return [(kind, label) for kind, label in KIND_LABELS.items() if kind in found]
