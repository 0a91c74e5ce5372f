"""Whom the company, or one of its users, keeps out."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from relationships import addresses
from relationships.models import BlockRule
from relationships.tenancy import current_company_id


@dataclass(frozen=True)
class Blocked:
    """Block rules, each with the user it holds for; None is the whole firm. Addresses are match keys."""

    addresses: frozenset[tuple[uuid.UUID | None, str]]
    domains: frozenset[tuple[uuid.UUID | None, str]]

    def blocks(self, email: str, user_id: uuid.UUID | None) -> bool:
        """Whether a rule of the firm or of this user covers the address. What is no address is covered by none."""
        if not (self.addresses or self.domains):
            return False
        try:
            key, domain = addresses.match_key(email), addresses.domain_of(email)
        except ValueError:
            return False
        whose = {None, user_id}
        return any((user, key) in self.addresses for user in whose) or any(
            (user, name) in self.domains for user in whose for name in addresses.with_parents(domain)
        )


def find_rules(user_ids: Collection[uuid.UUID]) -> Blocked:
    """The current company's rules for the whole firm and for these users: one query.

    Hidden contacts make no touchpoints either, so both strengths count. Raises NoCompany outside ``tenancy.within``.
    """
    rows = BlockRule.objects.filter(Q(user__in=user_ids) | Q(user=None), company_id=current_company_id()).values_list(
        "user_id", "kind", "value"
    )
    keys, domains = set(), set()
    for user_id, kind, value in rows:
        if kind == BlockRule.Kind.DOMAIN:
            domains.add((user_id, value))
        else:
            keys.add((user_id, _key(value)))
    return Blocked(frozenset(keys), frozenset(domains))


def _key(value: str) -> str:
    """The rule's address as addresses are compared; a value from before it was checked covers itself alone."""
    try:
        return addresses.match_key(value)
    except ValueError:
        return value
