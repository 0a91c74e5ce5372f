"""Links between our rows and the CRM's records: looked up and stored in bulk. Needs ``tenancy.within`` one company."""

import uuid
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q

from crm.contract import Record
from crm.models import RecordLink
from integrations.models import Integration
from relationships import bulk
from relationships.models import Organization, Person

COLUMNS = (
    "row_id",
    "external_id",
    "state",
    "reason",
    "shadow",
    "related",
    "external_stamp",
    "looked_at",
    "is_due",
    "deleted_at",
    "created_at",
)
"""What reading the CRM may change of a link. What writing to it found out stays as it is."""
_FIXED = ("company", "integration", "kind", "crm_object")

SLACK = timedelta(seconds=5)
"""How long a row that was saved may take to be seen: so much of the past is looked at again."""

Pair = list[str]
"""What a record belongs to, as RecordLink.related keeps it: our word for its kind, and its id."""


def of_records(integration: Integration, crm_object: str, external_ids: Collection[str]) -> dict[str, RecordLink]:
    """The links of these records, by their ids. One query, which keeps them locked until the transaction ends."""
    if not external_ids:
        return {}
    rows = RecordLink.objects.select_for_update(of=("self",)).filter(
        integration=integration, crm_object=crm_object, external_id__among=external_ids
    )
    return {link.external_id: link for link in rows.order_by("pk")}


def of_rows(integration: Integration, kind: str, row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, RecordLink]:
    """The links of these rows of ours. One query."""
    if not row_ids:
        return {}
    rows = RecordLink.objects.filter(integration=integration, kind=kind, row_id__among=row_ids)
    return {link.row_id: link for link in rows.order_by() if link.row_id}


def rows_of(
    integration: Integration, objects: Collection[str], external_ids: Collection[str]
) -> dict[tuple[str, str], uuid.UUID]:
    """Our rows behind these records, by kind and id, as far as they are known and still there. One query."""
    if not external_ids:
        return {}
    rows = RecordLink.objects.filter(
        Q(Exists(Organization.objects.filter(pk=OuterRef("row_id"))), kind="organization")
        | Q(Exists(Person.objects.filter(pk=OuterRef("row_id"))), kind="person"),
        integration=integration, crm_object__in=objects, external_id__among=external_ids,
    ).exclude(state=RecordLink.State.IGNORED)  # fmt: skip
    return {(kind, name): pk for kind, name, pk in rows.order_by().values_list("kind", "external_id", "row_id")}


def new(integration: Integration, kind: str, crm_object: str, external_id: str, row_id: uuid.UUID | None) -> RecordLink:
    """An unsaved link."""
    return RecordLink(
        company_id=integration.company_id,
        integration=integration,
        kind=kind,
        crm_object=crm_object,
        external_id=external_id,
        row_id=row_id,
    )


def store(links: Iterable[RecordLink]) -> None:
    """Write these links as they are now: one statement. Those whose ids moved must be freed before (``free``)."""
    rows = [_row(link) for link in links]
    bulk.upsert(RecordLink, rows, unique=["id"], once=_FIXED)


def free(links: Iterable[RecordLink]) -> None:
    """Let go of these links' record ids in the database, so that they may change places."""
    ids = [link.pk for link in links]
    if ids:
        RecordLink.objects.filter(pk__among=ids).update(external_id="")


def related_of(record: Record) -> list[Pair]:
    """What a record belongs to, in one order."""
    return sorted([other.kind, other.external_id] for other in record.related)


def _row(link: RecordLink) -> dict[str, Any]:
    fixed = {
        "id": link.pk,
        "company": link.company_id,
        "integration": link.integration_id,
        "kind": link.kind,
        "crm_object": link.crm_object,
    }
    return fixed | {name: getattr(link, name) for name in COLUMNS}
