"""Whom the company, or one of its users, keeps out."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Q

from relationships import addresses
from relationships.models import BlockRule
from relationships.tenancy import current_company_id

STRONGEST_FIRST = (BlockRule.Strength.NEVER.value, BlockRule.Strength.HIDE.value)


@dataclass(frozen=True)
class Blocked:
    """Block rules, each with the user it holds for; None is the whole firm. Addresses are match keys.

    The values are strengths: ``never`` keeps mail and events out, ``hide`` keeps them out of sight.
    """

    addresses: Mapping[tuple[uuid.UUID | None, str], str]
    domains: Mapping[tuple[uuid.UUID | None, str], str]

    def blocks(self, email: str, user_id: uuid.UUID | None) -> bool:
        """Whether a rule of the firm or of this user covers the address. What is no address is covered by none."""
        return self.strength(email, user_id) != ""

    def strength(self, email: str, user_id: uuid.UUID | None) -> str:
        """``never`` or ``hide``, the stronger one where several rules cover the address, or "" where none does."""
        if not (self.addresses or self.domains):
            return ""
        try:
            key, domain = addresses.match_key(email), addresses.domain_of(email)
        except ValueError:
            return ""
        names = addresses.with_parents(domain)
        found = {self.addresses.get((user, key)) for user in (None, user_id)}
        found |= {self.domains.get((user, name)) for user in (None, user_id) for name in names}
        return next((each for each in STRONGEST_FIRST if each in found), "")


def find_rules(user_ids: Collection[uuid.UUID]) -> Blocked:
    """The current company's rules for the whole firm and for these users: one query.

    Raises NoCompany outside ``tenancy.within``.
    """
    rows = BlockRule.objects.filter(Q(user__in=user_ids) | Q(user=None), company_id=current_company_id()).values_list(
        "user_id", "kind", "value", "strength"
    )
    keys, domains = {}, {}
    # In this order "never" overwrites "hide", where two spellings of one mailbox have a rule each.
    for user_id, kind, value, strength in rows.order_by("strength"):
        if kind == BlockRule.Kind.DOMAIN:
            domains[user_id, value] = strength
        else:
            keys[user_id, _key(value)] = strength
    return Blocked(keys, domains)


def _key(value: str) -> str:
    """The rule's address as addresses are compared; a value from before it was checked covers itself alone."""
    try:
        return addresses.match_key(value)
    except ValueError:
        return value
