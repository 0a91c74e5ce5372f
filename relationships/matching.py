"""Who the current company knows among many addresses: two queries for up to 10,000 of them.

Addresses are compared by ``addresses.match_key`` against a stored, indexed column. Comparing with ``iexact`` is
thousands of times slower and is never done here.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from relationships import addresses, batches
from relationships.models import OrganizationDomain, PersonAddress
from relationships.tenancy import current_company_id


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A contact of the company, with the firm they belong to (if any)."""

    id: uuid.UUID
    organization_id: uuid.UUID | None
    name: str


@dataclass(frozen=True, slots=True)
class Known:
    """What was found: people by match key, owners by the domain that was asked for."""

    people: Mapping[str, KnownPerson]
    organizations: Mapping[str, uuid.UUID]


def find(match_keys: Collection[str], domains: Collection[str]) -> Known:
    """The current company's people with one of these match keys, and the organizations that own one of these domains.

    A guest of ``ir.bigpension.org`` belongs to the owner of ``bigpension.org``; the longest known domain decides.
    Free-mail domains belong to nobody. Expects keys and domains as ``relationships.addresses`` gives them.
    Raises NoCompany outside ``tenancy.within``.
    """
    return Known(_people(match_keys), _owners(domains))


def _people(match_keys: Collection[str]) -> Mapping[str, KnownPerson]:
    people: dict[str, KnownPerson] = {}
    for keys in batches.of(sorted(set(match_keys)), batches.KEYS):
        rows = PersonAddress.objects.filter(company_id=current_company_id(), match_key__in=keys).values_list(
            "match_key", "person_id", "person__organization_id", "person__display_name"
        )
        people.update((key, KnownPerson(person_id, firm_id, name)) for key, person_id, firm_id, name in rows)
    return people


def _owners(domains: Collection[str]) -> Mapping[str, uuid.UUID]:
    parents = {domain: addresses.with_parents(domain) for domain in domains if not addresses.is_free_mail(domain)}
    owners: dict[str, uuid.UUID] = {}
    asked = sorted({name for candidates in parents.values() for name in candidates})
    for names in batches.of(asked, batches.KEYS):
        owners.update(
            OrganizationDomain.objects.filter(company_id=current_company_id(), domain__in=names).values_list(
                "domain", "organization_id"
            )
        )
    found = ((domain, next(filter(owners.__contains__, names), None)) for domain, names in parents.items())
    return {domain: owners[name] for domain, name in found if name is not None}
