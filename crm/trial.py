"""What a mapping makes of a real record, before anybody publishes it. Reads from the CRM, and writes nothing."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.utils import formats, timezone

from crm import connection, mapping, policy, rows, schema
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
"""Records that are tried at once, at most."""
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

    @property
    def ours_told(self) -> str:
        """Our value as people read it."""
        if isinstance(self.ours, datetime):
            return formats.date_format(timezone.localtime(self.ours), "DATETIME_FORMAT")
        return "–" if self.ours in (None, "") else str(self.ours)


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
class Scene:
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
        linked = links_of(integration, kind, None)
        ids = [*_named(kind, query)] if query else [*list(linked)[:FIRST], *_named(kind, "")]
        ids = list(dict.fromkeys(ids))[:FIRST]
        values = rows.values(kind, ids)
    found = [Choice(pk, title_of(kind, values[pk]), pk in linked) for pk in ids if pk in values]
    return sorted(found, key=lambda each: not each.is_linked)


def on_record(integration: Integration, drafted: Sequence[Row], kind: str, row_id: uuid.UUID) -> Trial | None:
    """What every line of a mapping makes of one record, both ways; None where there is no such row."""
    with tenancy.within(integration.company_id):
        scene = set_scene(integration, drafted, kind, [row_id])
        values = rows.values(kind, [row_id], policy.named(policy.of(integration))).get(row_id)
    if values is None:
        return None
    link = scene.links.get(row_id)
    records, unread = read_theirs(scene, [link] if link else [])
    record = records.get(link.external_id) if link else None
    shown = (show(line, values.get(line.ours.name), record, scene.context) for line in scene.lines)
    lines = tuple(_left_out(each, scene) for each in shown)
    return Trial(title_of(kind, values), link is not None, lines, unread, () if link else tuple(lacking(scene, lines)))


def title_of(kind: str, values: Mapping[str, Ours]) -> str:
    """What a row with these values is called, for every colleague."""
    return str(values.get(TITLES[kind]) or "Without a name")


def set_scene(integration: Integration, drafted: Sequence[Row], kind: str, ids: Collection[uuid.UUID]) -> Scene:
    """What a trial of these rows works with. Needs ``tenancy.within`` their company."""
    known = mapping.known_fields(integration)
    crm_object = connection.adapter(integration).objects[kind]
    lines = mapping.resolved(drafted, known).get(kind, ())
    context = mapping.context(Company.objects.get(pk=integration.company_id))
    return Scene(
        integration, kind, lines, known.get(crm_object, {}), context, crm_object, links_of(integration, kind, ids)
    )


def links_of(integration: Integration, kind: str, ids: Collection[uuid.UUID] | None) -> dict[uuid.UUID, RecordLink]:
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


def read_theirs(scene: Scene, links: Sequence[RecordLink]) -> tuple[dict[str, Record], str]:
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


def show(line: Line, ours: Ours, record: Record | None, context: Context) -> Shown:
    """One line on one record. Without the record, the way there alone."""
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


def _left_out(shown: Shown, scene: Scene) -> Shown:
    """A line to a field that the CRM is known not to have gives and takes nothing."""
    if shown.line.theirs is not None or not scene.fields:
        return shown
    why = f"{scene.object} has no field “{shown.line.crm_field}”, or hides it from the linked account."
    sent, got = why if shown.line.is_out else "", why if shown.line.is_in else ""
    return Shown(shown.line, shown.ours, sent_error=sent, got_error=got)


def lacking(scene: Scene, shown: Sequence[Shown]) -> list[str]:
    """Labels of fields that a new record needs and would not get."""
    filled = {each.line.crm_field for each in shown if each.sent is not None or each.sent_error}
    key = connection.adapter(scene.integration).key_fields.get(scene.object)
    needed = [one for one in scene.fields.values() if one.is_required and one.name not in filled and one.name != key]
    return [one.label for one in needed if one.type != "reference" or one.is_custom]


def kinds_with_lines(drafted: Sequence[Row]) -> list[tuple[str, str]]:
    """The kinds that a mapping has lines for, with their labels."""
    found = mapping.resolved(drafted, {})
    return [(kind, label) for kind, label in KIND_LABELS.items() if kind in found]
