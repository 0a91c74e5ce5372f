"""Who among the people of an event or a mail is a colleague, who is known, and who is kept out: the same for all."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from integrations.email.models import OwnAddress
from integrations.models import Integration
from relationships import addresses, blocking, matching
from relationships.models import CompanyDomain, User


@dataclass(frozen=True)
class Rules:
    """What the verdicts on one user's calendar or mailbox depend on. ``colleagues`` are user ids by match key.

    ``is_mixed``: the company has linked accounts of more than one provider.
    """

    user_id: uuid.UUID | None
    colleagues: Mapping[str, frozenset[uuid.UUID]]
    own_domains: frozenset[str]
    blocked: blocking.Blocked
    is_mixed: bool = False
    seen: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def is_colleague(self, email: str) -> bool:
        """Whether the address is one of the company's own. Each is looked at once."""
        found = self.seen.get(email)
        if found is None:
            domains = _with_parents(domain_of(email))
            found = key_of(email) in self.colleagues or not self.own_domains.isdisjoint(domains)
            self.seen[email] = found
        return found

    def users_at(self, email: str) -> frozenset[uuid.UUID]:
        """The colleagues whose own address this is, by sign-in, linked account or alias."""
        return self.colleagues.get(key_of(email), frozenset())


def rules_for(company_id: uuid.UUID, user_id: uuid.UUID | None) -> Rules:
    """Read the rules once per run: who is a colleague, and who is blocked. Five queries."""
    users = list(User.objects.filter(company_id=company_id).values_list("email", "pk"))
    # Whoever linked an account under another address, or writes by an alias, is there known by that one.
    linked = list(Integration.objects.exclude(account_address="").values_list("account_address", "user_id", "provider"))
    aliases = OwnAddress.objects.order_by().values_list("email", "state__integration__user_id")
    colleagues: dict[str, set[uuid.UUID]] = defaultdict(set)
    for email, user in [*users, *((email, user) for email, user, _ in linked), *aliases]:
        colleagues[key_of(email)] |= {user} - {None}
    domains = set(CompanyDomain.objects.values_list("domain", flat=True))
    domains |= {domain for email, _ in users if not addresses.is_free_mail(domain := domain_of(email))}
    return Rules(
        user_id=user_id,
        colleagues={key: frozenset(ids) for key, ids in colleagues.items()},
        own_domains=frozenset(domains),
        blocked=blocking.find_rules([user_id] if user_id else []),
        is_mixed=len({provider for _, _, provider in linked}) > 1,
    )


@lru_cache(maxsize=4096)
def key_of(email: str) -> str:
    """What the address is matched by; an address in no known form is matched as it stands."""
    try:
        return addresses.match_key(email)
    except ValueError:
        return email.lower()


@lru_cache(maxsize=4096)
def domain_of(email: str) -> str:
    """The address's domain, or nothing where it has none."""
    try:
        return addresses.domain_of(email)
    except ValueError:
        return ""


@lru_cache(maxsize=4096)
def _with_parents(domain: str) -> Sequence[str]:
    return addresses.with_parents(domain) if domain else ()


def find_known(outsiders: Collection[str], earlier: matching.Known = matching.NOTHING) -> matching.Known:
    """Which of these addresses the company knows: two queries for any number of them, less what ``earlier`` tells."""
    keys = {key_of(email) for email in outsiders}
    return matching.find(keys, {domain_of(email) for email in outsiders} - {""}, earlier=earlier)


def is_known(email: str, known: matching.Known) -> bool:
    """Whether an outsider is a contact, or writes from the domain of a known firm."""
    return key_of(email) in known.people or domain_of(email) in known.organizations
