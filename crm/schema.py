"""The CRM's own field lists, kept for a day: what may be mapped, and what values its fields take."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import Min
from django.utils import timezone

from crm import connection, mapping
from crm.contract import Field, Link
from crm.models import FieldMapping, ObjectFields, RecordLink
from integrations import grants
from integrations.errors import MissingScope, TokenRefused
from integrations.models import Integration
from relationships import tenancy

T = TypeVar("T")

FRESH_FOR = timedelta(days=1)


@dataclass(frozen=True)
class Reading:
    """What came of reading the lists: the objects that the linked account may not see, with the CRM's words."""

    hidden: dict[str, str]


def fields(integration: Integration, crm_object: str, is_fresh: bool = False) -> dict[str, Field]:
    """One object's fields by name, read from the CRM where the list is absent or older than a day.

    ``is_fresh`` reads them in any case. Raises what the CRM's errors mean (integrations.errors).
    """
    kept = ObjectFields.unscoped.filter(integration=integration, crm_object=crm_object).first()
    if kept is None or is_fresh or timezone.now() - kept.fetched_at > FRESH_FOR:
        _read(integration, [crm_object])
    return mapping.known_fields(integration).get(crm_object, {})


def refresh(integration: Integration) -> Reading:
    """Read all lists anew. Raises what the CRM's errors mean; lists that were read before then are kept."""
    return _read(integration, sorted(set(connection.adapter(integration).objects.values())))


def read_at(integration: Integration) -> datetime | None:
    """When the oldest of the lists was read; None where one was never."""
    lists = ObjectFields.unscoped.filter(integration=integration)
    wanted = set(connection.adapter(integration).objects.values())
    if wanted - set(lists.values_list("crm_object", flat=True)):
        return None
    return lists.filter(crm_object__in=wanted).aggregate(at=Min("fetched_at"))["at"]


def is_stale(integration: Integration) -> bool:
    """Whether a list is absent or older than a day."""
    at = read_at(integration)
    return at is None or timezone.now() - at > FRESH_FOR


def store(integration: Integration, crm_object: str, found: tuple[Field, ...]) -> None:
    """Keep a list as it was read now. What is mapped to a field that is new goes out with the next sync."""
    before = ObjectFields.unscoped.filter(integration=integration, crm_object=crm_object).first()
    if before is not None:
        known = {field.name for field in map(mapping.as_field, before.fields) if _is_writable(field)}
        _compare_again(integration, crm_object, {field.name for field in found if _is_writable(field)} - known)
    ObjectFields.unscoped.update_or_create(
        integration=integration,
        crm_object=crm_object,
        defaults={
            "company_id": integration.company_id,
            "fields": [asdict(field) for field in found],
            "fetched_at": timezone.now(),
        },
    )


def _is_writable(field: Field) -> bool:
    return field.is_createable or field.is_updateable


def _compare_again(integration: Integration, crm_object: str, added: set[str]) -> None:
    mapped = FieldMapping.unscoped.filter(
        company_id=integration.company_id,
        crm_provider=integration.provider,
        crm_object=crm_object,
        crm_field__in=added,
    )
    if added and mapped.exists():
        RecordLink.unscoped.filter(integration=integration, crm_object=crm_object).update(is_due=True)


def ask(integration: Integration, question: Callable[[Link], T]) -> T:
    """What the CRM answers to ``question``; with a newer token once more where the first one is refused.

    Raises what the CRM's errors mean.
    """
    with tenancy.within(integration.company_id):
        access = grants.fresh(integration.pk)
        try:
            with connection.open(integration, access) as link:
                return question(link)
        except TokenRefused:
            access = grants.fresh(integration.pk, refused=access)
        with connection.open(integration, access) as link:
            return question(link)


def _read(integration: Integration, objects: list[str]) -> Reading:
    adapter = connection.adapter(integration)

    def read(link: Link) -> Reading:
        hidden = {}
        for crm_object in objects:
            try:
                found = tuple(adapter.fields(link, crm_object))
            except MissingScope as error:
                found, hidden[crm_object] = (), str(error)
            store(integration, crm_object, found)
        return Reading(hidden)

    return ask(integration, read)
