"""Which contacts, domains and block rules came, changed or went since a company's meetings, or mail, were last judged.

A look is a row per company (``ContactsLook``, ``MailLook``) that says when that was, and how many rows of each kind
there were: fewer than there should be mean that some were removed.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from integrations import outsiders
from integrations.models import SyncState
from relationships import addresses
from relationships.models import BlockRule, OrganizationDomain, Person, PersonAddress
from relationships.tenancy import TenantModel

OVERLAP = timedelta(minutes=5)
"""A row may be committed a while after the time it carries; looking twice at it changes nothing."""

NEWS: Mapping[type[TenantModel], str] = {
    PersonAddress: "created_at",
    Person: "updated_at",
    OrganizationDomain: "created_at",
    BlockRule: "created_at",
}
"""What verdicts and people follow from, with the column that says when a row came or changed."""


@dataclass
class Look:
    """A look under way: what came ``since``, and the kinds of rows of which some went.

    A sync that began before a block rule went may still store what follows from that. ``waits_for`` are the holds of
    these, by their states; ``released`` are the states whose such sync is over: what they hold is to be judged once
    more.
    """

    row: Any
    since: datetime
    gone: frozenset[type[TenantModel]]
    released: frozenset[uuid.UUID]
    waits_for: dict[str, str]
    began_at: datetime
    counted: dict[str, int]

    def wait(self, holds: Mapping[uuid.UUID, uuid.UUID | None]) -> None:
        """Wait for these syncs too, by their states."""
        self.waits_for |= {str(state_id): str(hold) for state_id, hold in holds.items()}

    def close(self) -> None:
        """Everything that was new has been followed."""
        self.row.looked_at, self.row.rows, self.row.waits_for = self.began_at, self.counted, self.waits_for
        self.row.save()


def companies(looks: type[TenantModel]) -> list[uuid.UUID]:
    """Companies where something came, changed or went since their last look, or whose look waits for a sync. A query
    for each kind of row."""
    rows = {look.company_id: look for look in looks.unscoped.all()}
    found = {company_id for company_id, look in rows.items() if look.waits_for}
    for model, column in NEWS.items():
        counted = model.unscoped.order_by().values("company_id").annotate(newest=Max(column), rows=Count("pk"))
        now = {row["company_id"]: row for row in counted}
        for company_id in now.keys() | rows.keys():
            look, row = rows.get(company_id), now.get(company_id, {"newest": None, "rows": 0})
            is_new = look is None or bool(row["newest"] and row["newest"] > look.looked_at - OVERLAP)
            if is_new or look is None or row["rows"] != look.rows.get(model.__name__, 0):
                found.add(company_id)
    return sorted(found)


def look(looks: type[TenantModel], company_id: uuid.UUID, resource_type: str) -> Look:
    """Begin a look at the current company's news, for what is read of this type."""
    # Two looks may begin at once.
    row, _ = looks.objects.get_or_create(company_id=company_id, defaults={"looked_at": datetime.fromtimestamp(0, UTC)})
    began_at, counted = timezone.now(), {model.__name__: model.objects.count() for model in NEWS}
    gone = frozenset(model for model, column in NEWS.items() if _is_less(model, column, row, counted))
    held = SyncState.objects.filter(resource_type=resource_type, held_until__gt=began_at)
    under_way = {str(pk): str(hold) for pk, hold in held.values_list("pk", "held_by")}
    waits_for = {pk: hold for pk, hold in row.waits_for.items() if under_way.get(pk) == hold}
    released = frozenset(uuid.UUID(pk) for pk in row.waits_for.keys() - waits_for.keys())
    if BlockRule in gone:
        waits_for = under_way
    return Look(row, row.looked_at - OVERLAP, gone, released, waits_for, began_at, counted)


def _is_less(model: type[TenantModel], column: str, row: Any, counted: Mapping[str, int]) -> bool:
    """Whether rows of this kind were removed: there are fewer than those of the last look and the new ones."""
    before = row.rows.get(model.__name__, 0)
    if counted[model.__name__] < before:
        return True
    created = "created_at" if column == "updated_at" else column
    new = model.objects.filter(**{f"{created}__gt": row.looked_at}).count()
    return counted[model.__name__] < before + new and bool(before)


def concerns(since: datetime, known: QuerySet[Any, Any]) -> Q:
    """Whom of these guests or parties the news concern: a new address, of a changed person, of a new or newly blocked
    domain or one below it, or newly blocked. ``known`` are the rows that may be concerned."""
    new = Q(created_at__gt=since) | Q(person__updated_at__gt=since)
    return (
        Q(match_key__in=PersonAddress.objects.filter(new).values("match_key"))
        | Q(match_key__in=_blocked_keys(since))
        | Q(domain__in=_domains_below(_domains(since), known))
    )


def _blocked_keys(since: datetime) -> set[str]:
    rules = BlockRule.objects.filter(created_at__gt=since, kind=BlockRule.Kind.ADDRESS)
    return {outsiders.key_of(value) for value in rules.values_list("value", flat=True)}


def _domains(since: datetime) -> set[str]:
    rules = BlockRule.objects.filter(created_at__gt=since, kind=BlockRule.Kind.DOMAIN)
    owned = OrganizationDomain.objects.filter(created_at__gt=since)
    return {*rules.values_list("value", flat=True), *owned.values_list("domain", flat=True)}


def _domains_below(domains: set[str], known: QuerySet[Any, Any]) -> Sequence[str]:
    """Those in ``known`` that are one of these or lie below one."""
    if not domains:
        return []
    seen = known.order_by().values_list("domain", flat=True).distinct()
    return [domain for domain in seen if domain and not domains.isdisjoint(addresses.with_parents(domain))]
