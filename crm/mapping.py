"""The published mapping of a company's CRM, ready to be used: which fields are kept equal, and how.

Only what was published counts here; drafts.py edits. Values go through a Line: ``outgoing`` and ``incoming`` raise
TransformError with words for people, ``normal`` is the form that both sides are compared in.
"""

import uuid
from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from crm import shapes
from crm.catalogue import OURS, OurField
from crm.contract import Field, Option, Value
from crm.models import ConflictRule, Direction, FieldMapping, ObjectFields, WriteMode
from crm.shapes import Ours
from crm.transforms import TRANSFORMS, Context, Transform, TransformError
from integrations.models import Integration
from relationships.models import Company

__all__ = ["Context", "Line", "Mapping", "Row", "TransformError", "context", "known_fields", "line", "published"]

log = structlog.get_logger()

Schema = MappingType[str, MappingType[str, Field]]
"""The CRM's fields by object and name, as far as they are known."""


@dataclass(frozen=True)
class Row:
    """A line as people edit it and as FieldMapping and MappingVersion.rows store it: names alone."""

    lpxgp_field: str
    crm_object: str
    crm_field: str
    sync_direction: str = Direction.BIDIRECTIONAL.value
    conflict_rule: str = ConflictRule.CRM_WINS.value
    write_mode: str = WriteMode.ALWAYS.value
    transform: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As one object of MappingVersion.rows."""
        return asdict(self)


@dataclass(frozen=True)
class Line:
    """One field of ours and one of theirs. ``theirs`` is None where the CRM's list does not have it (any more)."""

    ours: OurField
    crm_object: str
    crm_field: str
    theirs: Field | None
    direction: str
    rule: str
    mode: str
    transform: Transform
    options: MappingType[str, Any] = field(default_factory=dict)

    @property
    def is_in(self) -> bool:
        """Whether values of the CRM come to us."""
        return self.direction != Direction.TO_CRM

    @property
    def is_out(self) -> bool:
        """Whether our values go to the CRM, on creation or later: not to a field that it lets nobody write."""
        return self.writes_new or self.writes_changed

    @property
    def writes_new(self) -> bool:
        """Whether a record that is created gets our value."""
        return self.direction != Direction.FROM_CRM and (self.theirs is None or self.theirs.is_createable)

    @property
    def writes_changed(self) -> bool:
        """Whether a record that is there gets our value. Some fields are given once and for all."""
        return self.direction != Direction.FROM_CRM and (self.theirs is None or self.theirs.is_updateable)

    def outgoing(self, value: Ours, context: Context) -> Value:
        """Our value as the CRM's field takes it; None where there is none. Raises TransformError."""
        value = self.ours.constant or value
        if value is None or value == "":
            return None
        turned = self.transform.to_crm(value, self.options, self._within(context))
        if self._is_html and turned is not None:
            turned = shapes.as_html(str(turned))
        return shapes.outgoing(turned, self.theirs)

    def incoming(self, value: Value, context: Context) -> Ours:
        """The CRM's value as our field holds it; None where there is none. Raises TransformError."""
        if value is None or value == "":
            return None
        if self.transform.from_crm is None:
            raise TransformError(f"“{self.transform.label}” has no way back: the line can only go to the CRM.")
        if self._is_html:
            value = TRANSFORMS["html_text"].from_crm(value, {}, context)  # type: ignore[misc,assignment]
        turned = self.transform.from_crm(value, self.options, self._within(context)) if value else None
        return shapes.incoming(turned, self.ours)  # type: ignore[arg-type]

    def normal(self, value: Value) -> Value:
        """A value in the CRM's form, ours or theirs, in the one way that equal ones are written. Never raises."""
        return shapes.normal(value, self.theirs)

    @cached_property
    def _is_html(self) -> bool:
        """Formatted text is always turned into plain text and back, whatever else is done to it."""
        return self.theirs is not None and self.theirs.type == "html" and self.transform.name != "html_text"

    def _within(self, context: Context) -> Context:
        return context if context.theirs is self.theirs else replace(context, theirs=self.theirs)


@dataclass(frozen=True)
class Mapping:
    """A whole mapping. ``version`` is the number it was published with, 0 where none ever was.

    ``missing`` are lines to fields that the CRM is known not to have: asking for one would cost the whole record.
    """

    version: int
    by_kind: MappingType[str, tuple[Line, ...]]
    missing: tuple[Line, ...] = ()

    def lines(self, kind: str) -> tuple[Line, ...]:
        """The lines of one kind of row; empty where nothing of it is mapped."""
        return self.by_kind.get(kind, ())

    def fields(self, kind: str) -> tuple[str, ...]:
        """The names of the CRM's fields to read for one kind."""
        return tuple(dict.fromkeys(each.crm_field for each in self.lines(kind)))


def published(integration: Integration) -> Mapping:
    """What keeps this integration's company and CRM equal. Two queries; asks the CRM nothing."""
    rows = FieldMapping.unscoped.filter(company_id=integration.company_id, crm_provider=integration.provider)
    stored = list(rows)
    schema = known_fields(integration)
    lines = resolved((as_row(each) for each in stored), schema)
    missing = tuple(each for of_kind in lines.values() for each in of_kind if _is_missing(each, schema))
    usable = {kind: tuple(each for each in of_kind if each not in missing) for kind, of_kind in lines.items()}
    return Mapping(max((each.version for each in stored), default=0), usable, missing)


def _is_missing(line: Line, schema: Schema) -> bool:
    return line.theirs is None and line.crm_object in schema


def resolved(rows: Iterable[Row], schema: Schema) -> dict[str, tuple[Line, ...]]:
    """The lines of these rows by kind. A row that names what this product does not know is left out, and logged."""
    found: dict[str, list[Line]] = {}
    for row in rows:
        made = line(row, schema)
        if made is None:
            log.warning("mapping.line_unknown", lpxgp_field=row.lpxgp_field, transform=row.transform.get("name"))
        else:
            found.setdefault(made.ours.kind, []).append(made)
    return {kind: tuple(lines) for kind, lines in found.items()}


def line(row: Row, schema: Schema) -> Line | None:
    """A row with what its names mean; None where our field or the transform is unknown."""
    ours = OURS.get(row.lpxgp_field)
    transform = TRANSFORMS.get(row.transform.get("name", ""))
    if ours is None or transform is None:
        return None
    theirs = schema.get(row.crm_object, {}).get(row.crm_field)
    options = row.transform.get("options") or {}
    return Line(
        ours, row.crm_object, row.crm_field, theirs, row.sync_direction, row.conflict_rule, row.write_mode, transform,
        options,
    )  # fmt: skip


def as_row(stored: FieldMapping) -> Row:
    """A published line as a row."""
    return Row(
        stored.lpxgp_field, stored.crm_object, stored.crm_field, stored.sync_direction, stored.conflict_rule,
        stored.write_mode, stored.transform,
    )  # fmt: skip


def known_fields(integration: Integration) -> dict[str, dict[str, Field]]:
    """The CRM's field lists as they were last fetched, by object and field name. One query."""
    return known_fields_of([integration]).get(integration.pk, {})


def known_fields_of(integrations: Iterable[Integration]) -> dict[uuid.UUID, dict[str, dict[str, Field]]]:
    """The same of several links, by their keys. One query."""
    found: dict[uuid.UUID, dict[str, dict[str, Field]]] = {}
    for each in ObjectFields.unscoped.filter(integration__in=integrations):
        fields = {field.name: field for field in map(as_field, each.fields)}
        found.setdefault(each.integration_id, {})[each.crm_object] = fields
    return found


def as_field(stored: MappingType[str, Any]) -> Field:
    """A field as ObjectFields keeps it in JSON. Parts this version does not know are dropped."""
    known = {name: value for name, value in stored.items() if name in Field.__dataclass_fields__}
    known["options"] = tuple(Option(**option) for option in stored.get("options", ()))
    known["refers_to"] = tuple(stored.get("refers_to", ()))
    return Field(**known)


def context(company: Company) -> Context:
    """What transforms may know of this company."""
    return Context(time_zone=ZoneInfo(company.time_zone))
