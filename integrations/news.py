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

    ``is_early``: a sync is under way, which may still store what follows from block rules that went.
    """

    row: Any
    since: datetime
    gone: frozenset[type[TenantModel]]
    is_early: bool
    began_at: datetime
    counted: dict[str, int]

    def keep_open(self, model: type[TenantModel]) -> None:
        """What went of this kind could not be followed now: the next look shall see it too, as one that is missing."""
        self.counted[model.__name__] += 1

    def close(self) -> None:
        """Everything that was new has been followed."""
        self.row.looked_at, self.row.rows = self.began_at, self.counted
        self.row.save()


def companies(looks: type[TenantModel]) -> list[uuid.UUID]:
    """Companies where something came, changed or went since their last look. A query for each kind of row."""
    rows = {look.company_id: look for look in looks.unscoped.all()}
    found: set[uuid.UUID] = set()
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
    under_way = SyncState.objects.filter(resource_type=resource_type, held_until__gt=began_at)
    is_early = BlockRule in gone and under_way.exists()
    return Look(row, row.looked_at - OVERLAP, gone, is_early, began_at, counted)


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
