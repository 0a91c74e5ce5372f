"""What records of the CRM are called, and what tells two of them apart, as staff read it."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from crm import connection, mapping, schema
from crm.catalogue import OURS
from crm.contract import Link, ReadBatch, Value, Wanted
from crm.models import FieldMapping, RecordLink
from integrations.models import Integration
from relationships.models import Organization, OrganizationDomain, Person, PersonAddress, Task, Touchpoint

NAMED_BY: dict[str, tuple[tuple[str, ...], ...]] = {
    "organization": (("org.name",), ("org.domain",)),
    "person": (("person.name",), ("person.first_name", "person.last_name"), ("person.email",)),
    "meeting": (("meeting.title",),),
    "email": (("email.title",),),
    "task": (("task.title",),),
    "note": (("note.title",), ("note.text",)),
}
"""The fields of ours that name a row of each kind: the first of these that hold anything."""
LONGEST_NAME = 80
MOST_READ = 100
"""How many records are read at once: what adapters promise."""

Book = Mapping[tuple[uuid.UUID, str], Mapping[str, str]]
"""For each company and provider: which field of the CRM our fields are mapped to."""


@dataclass(frozen=True)
class Known:
    """What is known of one record: its fields by our names for them, when it changed there, and its firms' ids."""

    values: Mapping[str, object]
    modified_at: datetime | None = None
    firms: tuple[str, ...] = ()
    is_deleted: bool = False

    def name(self, kind: str) -> str:
        """What it is called; empty where that is not known."""
        return name_of(kind, self.values)


def book(found: Iterable[RecordLink]) -> Book:
    """The published mappings of these links' companies. One query."""
    lines = FieldMapping.unscoped.filter(company__in={link.company_id for link in found})
    pages: dict[tuple[uuid.UUID, str], dict[str, str]] = {}
    for company, provider, ours, theirs in lines.values_list("company", "crm_provider", "lpxgp_field", "crm_field"):
        pages.setdefault((company, provider), {})[ours] = theirs
    return pages


def remembered(link: RecordLink, pages: Book) -> Known:
    """What the record held when it was last seen. Needs ``select_related("integration")``."""
    fields = pages.get((link.company_id, link.integration.provider), {})
    values = {
        ours: link.shadow[theirs].get("theirs")
        for ours, theirs in fields.items()
        if theirs in link.shadow and ours in OURS and OURS[ours].kind == link.kind
    }
    firms = tuple(name for kind, name in link.related if kind == "organization")
    return Known(values, link.external_stamp, firms, link.deleted_at is not None)


def name_of(kind: str, values: Mapping[str, object]) -> str:
    """What a row or record with these values is called, in one short line; empty where nothing says."""
    for names in NAMED_BY.get(kind, ()):
        if parts := [str(values[name]) for name in names if values.get(name) not in {None, ""}]:
            return one_line(" ".join(parts))
    return ""


def one_line(text: str, most: int = LONGEST_NAME) -> str:
    """As much of a text as a list has room for."""
    told = " ".join(text.split())
    return told if len(told) <= most else told[: most - 1] + "…"


def matching(term: str) -> Q:
    """The links whose row of ours is called so, or known by such an address or domain, or whose record is, where it has
    no row of ours yet. By a title that is private nothing is found. To filter RecordLink by.
    """
    domains = OrganizationDomain.objects.filter(domain__icontains=term).order_by().values("organization")
    addresses = PersonAddress.objects.filter(email__icontains=term).order_by().values("person")
    firms = Organization.objects.filter(Q(name__icontains=term) | Q(pk__in=domains))
    people = Person.objects.filter(Q(display_name__icontains=term) | Q(pk__in=addresses))
    open_ones = Touchpoint.objects.filter(is_private=False, is_withheld=False)
    open_ones = open_ones.exclude(kind=Touchpoint.Kind.EMAIL, cancelled_at__isnull=False)
    touchpoints, tasks = open_ones.filter(title__icontains=term), Task.objects.filter(title__icontains=term)
    return (
        Q(kind="organization", row_id__in=firms.order_by().values("pk"))
        | Q(kind="person", row_id__in=people.order_by().values("pk"))
        | Q(kind__in=["meeting", "email"], row_id__in=touchpoints.order_by().values("pk"))
        | Q(kind="task", row_id__in=tasks.order_by().values("pk"))
        | Q(row_id=None, shadow__icontains=term)
    )


def read(integration: Integration, kind: str, external_ids: Collection[str]) -> dict[str, Known]:
    """These records as the CRM holds them now, by their ids: one call. Raises what the CRM's errors mean."""
    adapter = connection.adapter(integration)
    lines = mapping.published(integration).lines(kind)
    wanted = Wanted(adapter.objects[kind], tuple(dict.fromkeys(line.crm_field for line in lines)))

    def ask(link: Link) -> ReadBatch:
        return adapter.read(link, wanted, list(external_ids)[:MOST_READ])

    batch, context = schema.ask(integration, ask), mapping.context(integration.company)
    return {
        name: Known(
            {line.ours.name: _as_ours(line, record.values.get(line.crm_field), context) for line in lines},
            record.modified_at,
            tuple(other.external_id for other in record.related if other.kind == "organization"),
            record.is_deleted or bool(record.merged_into),
        )
        for record in batch.records
        for name in {record.external_id, *record.aliases} & set(external_ids)
    }


def _as_ours(line: mapping.Line, value: Value, context: mapping.Context) -> object:
    """The CRM's value as we would hold it; as it is, where it does not fit."""
    try:
        return line.incoming(value, context)
    except mapping.TransformError:
        return value
