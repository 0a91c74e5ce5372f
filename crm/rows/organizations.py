"""Firms: their columns, their main mail domain, and how well they match."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from crm.rows.words import PARTS, Created, New, Problem, Values, checked
from relationships import bulk
from relationships.models import CompanyDomain, Match, Organization, OrganizationDomain, firm_domain
from relationships.tenancy import current_company_id

COLUMNS = {"org.name": "name", "org.kind": "kind", "org.city": "city", "org.country": "country"}
DOMAIN = "org.domain"


def values(row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Values]:
    """Three queries."""
    now = timezone.now()
    rows = Organization.objects.filter(pk__among=row_ids).order_by().values("pk", *COLUMNS.values())
    found: dict[uuid.UUID, Values] = {
        row["pk"]: {name: row[column] for name, column in COLUMNS.items()}
        | {DOMAIN: None, "match.score": None, "match.summary": None, "match.last_synced": now, PARTS: 0}
        for row in rows
    }
    for pk, domain in _domains(row_ids):
        found[pk][DOMAIN] = found[pk][DOMAIN] or domain
    matches = Match.objects.filter(organization__among=row_ids).order_by("score", "scored_at", "pk")
    # The best comes last.
    for pk, score, summary in matches.values_list("organization", "score", "summary"):
        found[pk] |= {"match.score": score, "match.summary": summary, PARTS: found[pk][PARTS] + 1}
    return found


def related(
    row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None
) -> dict[uuid.UUID, tuple[tuple[str, uuid.UUID], ...]]:
    """A firm belongs to nothing."""
    return dict.fromkeys(row_ids, ())


def apply(changes: Mapping[uuid.UUID, Values]) -> dict[uuid.UUID, list[Problem]]:
    """Five queries, six with domains."""
    rows = Organization.objects.select_for_update().filter(pk__among=changes).order_by("pk")
    before = {row["pk"]: row for row in rows.values("pk", *COLUMNS.values())}
    wanted = {pk: changes[pk] for pk in before}
    problems, written = _checked(wanted, before, _taken_names(wanted.values()))
    moved = _write_domains(wanted, problems)
    changed = [pk for pk, columns in written.items() if pk in moved or columns.items() - before[pk].items()]
    _write([{"id": pk, **written[pk]} for pk in changed])
    return {pk: found for pk, found in problems.items() if found}


def create(wanted: Sequence[New]) -> list[Created]:
    """Four queries, with domains five. A firm without a name of its own is not made."""
    given = {uuid.uuid4(): dict(new.values) for new in wanted}
    blank: dict[str, Any] = {"name": "", "kind": Organization.Kind.LP.value, "city": "", "country": ""}
    before = dict.fromkeys(given, blank)
    problems, written = _checked(given, before, _taken_names(given.values()))
    made = {pk: columns for pk, columns in written.items() if columns["name"]}
    for pk in given.keys() - made.keys():
        problems[pk] = problems[pk] or [Problem("org.name", "It has no name.")]
    _write([{"id": pk, **columns} for pk, columns in made.items()])
    _write_domains({pk: given[pk] for pk in made}, problems)
    return [Created(pk if pk in made else None, problems[pk]) for pk in given]


def _checked(
    wanted: Mapping[uuid.UUID, Values], before: Mapping[uuid.UUID, Mapping[str, Any]], taken: dict[str, uuid.UUID]
) -> tuple[dict[uuid.UUID, list[Problem]], dict[uuid.UUID, dict[str, Any]]]:
    """What does not fit, and the columns of each row as they are to be."""
    problems: dict[uuid.UUID, list[Problem]] = {pk: [] for pk in wanted}
    written: dict[uuid.UUID, dict[str, Any]] = {}
    for pk, values in wanted.items():
        columns = {column: before[pk][column] for column in COLUMNS.values()}
        for name, column in COLUMNS.items():
            # Every firm is of some kind: none is said where there is no word for it.
            if name not in values or (column == "kind" and not values[name]):
                continue
            value, found = checked(Organization, column, values[name], name)
            if not found and column == "name" and (owner := taken.get(value)) not in {None, pk}:
                found = [Problem(name, f"Another firm here is called {value} already.", owner)]
            problems[pk] += found
            if not found:
                columns[column] = value
                if column == "name":
                    taken[value] = pk
        written[pk] = columns
    return problems, written


def _taken_names(wanted: Collection[Values]) -> dict[str, uuid.UUID]:
    names = {str(values["org.name"]) for values in wanted if values.get("org.name")}
    if not names:
        return {}
    return dict(Organization.objects.filter(name__among=names).order_by().values_list("name", "pk"))


def _write(rows: Sequence[dict[str, Any]]) -> None:
    company, now = current_company_id(), timezone.now()
    rows = [{"company": company, "updated_at": now, **row} for row in rows]
    bulk.upsert(Organization, rows, unique=["id"], once=["company"])


def _domains(row_ids: Collection[uuid.UUID]) -> list[tuple[uuid.UUID, str]]:
    """The domains of these firms, the main one first."""
    rows = OrganizationDomain.objects.filter(organization__among=row_ids)
    return list(rows.order_by("-is_primary", "created_at", "pk").values_list("organization", "domain"))


def _write_domains(wanted: Mapping[uuid.UUID, Values], problems: Mapping[uuid.UUID, list[Problem]]) -> set[uuid.UUID]:
    """Make the given domain the main one; those a firm had before stay its own. An emptied one changes nothing.

    Returns the firms whose main domain is another one now.
    """
    asked = {pk: values[DOMAIN] for pk, values in wanted.items() if values.get(DOMAIN)}
    if not asked:
        return set()
    good: dict[uuid.UUID, str] = {}
    for pk, given in asked.items():
        try:
            good[pk] = firm_domain(str(given))
        except ValidationError as error:
            problems[pk].append(Problem(DOMAIN, " ".join(error.messages)))
    owners = dict(OrganizationDomain.objects.filter(domain__among=good.values()).values_list("domain", "organization"))
    own = set(CompanyDomain.objects.values_list("domain", flat=True))
    rows: dict[uuid.UUID, dict[str, Any]] = {}
    for pk, domain in good.items():
        owner = owners.setdefault(domain, pk)
        if domain in own:
            problems[pk].append(Problem(DOMAIN, f"{domain} is the company's own domain."))
        elif owner != pk:
            problems[pk].append(Problem(DOMAIN, f"{domain} already belongs to another firm here.", owner))
        else:
            rows[pk] = {"company": current_company_id(), "organization": pk, "domain": domain, "is_primary": True}
    OrganizationDomain.objects.filter(organization__among=rows, is_primary=True).update(is_primary=False)
    bulk.upsert(OrganizationDomain, list(rows.values()), unique=["company", "domain"], once=["organization"])
    return set(rows)
