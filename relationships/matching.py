"""Who the current company knows among many addresses: two queries for any number of them.

Addresses are compared by ``addresses.match_key`` against a stored, indexed column. Comparing with ``iexact`` is
thousands of times slower and is never done here.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from relationships import addresses
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
    asked: frozenset[str] = frozenset()


NOTHING = Known({}, {})


def find(match_keys: Collection[str], domains: Collection[str], earlier: Known = NOTHING) -> Known:
    """The current company's people with one of these match keys, and the organizations that own one of these domains.

    A guest of ``ir.bigpension.org`` belongs to the owner of ``bigpension.org``; the longest known domain decides.
    Free-mail domains belong to nobody. Expects keys and domains as ``relationships.addresses`` gives them.
    What ``earlier`` knows, or did not find, is not asked again. Raises NoCompany outside ``tenancy.within``.
    """
    keys, names = set(match_keys) - earlier.asked, set(domains) - earlier.asked
    return Known(
        {**earlier.people, **_people(keys)}, {**earlier.organizations, **_owners(names)}, earlier.asked | keys | names
    )


def _people(match_keys: Collection[str]) -> Mapping[str, KnownPerson]:
    if not match_keys:
        return {}
    rows = PersonAddress.objects.filter(company_id=current_company_id(), match_key__among=match_keys).values_list(
        "match_key", "person_id", "person__organization_id", "person__display_name"
    )
    return {key: KnownPerson(person_id, firm_id, name) for key, person_id, firm_id, name in rows}


def _owners(domains: Collection[str]) -> Mapping[str, uuid.UUID]:
    parents = {domain: addresses.with_parents(domain) for domain in domains if not addresses.is_free_mail(domain)}
    asked = {name for candidates in parents.values() for name in candidates}
    if not asked:
        return {}
    rows = OrganizationDomain.objects.filter(company_id=current_company_id(), domain__among=asked)
    owners = dict(rows.values_list("domain", "organization_id"))
    found = ((domain, next(filter(owners.__contains__, names), None)) for domain, names in parents.items())
    return {domain: owners[name] for domain, name in found if name is not None}
