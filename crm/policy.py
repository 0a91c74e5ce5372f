"""What a company allows its CRM link to do, beyond the mapping."""

import uuid
from collections.abc import Collection

from crm.models import Policy
from integrations.models import Integration
from relationships.models import Organization


def of(integration: Integration) -> Policy:
    """The company's choice; where nobody chose yet, the careful defaults, unsaved."""
    policy = Policy.objects.filter(integration=integration).first()
    return policy or Policy(company_id=integration.company_id, integration=integration)


def keep(integration: Integration) -> None:
    """Store the careful defaults, for staff to see and change, where nobody chose yet."""
    Policy.objects.get_or_create(integration=integration, defaults={"company_id": integration.company_id})


def listed(policy: Policy) -> frozenset[uuid.UUID] | None:
    """The firms that may be written; None where that is every firm."""
    if policy.writes == Policy.Writes.ALL:
        return None
    if policy.writes == Policy.Writes.NONE or policy._state.adding:
        return frozenset()
    rows = Organization.objects.filter(
        pk__in=policy.organizations.through._default_manager.filter(policy=policy).values("organization")
    )
    return frozenset(rows.values_list("pk", flat=True))


def named(policy: Policy) -> frozenset[uuid.UUID] | None:
    """The firms whose people may be named in what is written; None where that is every firm, or nothing is written."""
    return listed(policy) if policy.writes == Policy.Writes.LISTED else None


def allows(listed_firms: frozenset[uuid.UUID] | None, firms: Collection[uuid.UUID]) -> bool:
    """Whether a row that belongs to these firms may be written: to one of them it must be allowed."""
    return listed_firms is None or not listed_firms.isdisjoint(firms)
