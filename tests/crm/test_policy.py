"""What a company allows, and what holds before it chose."""

import pytest

from crm import policy
from crm.models import Policy
from tests.crm.out_scene import Out


def test_before_anybody_chose_nothing_is_created_there(out: Out) -> None:
    rules = policy.of(out.integration)
    assert (rules.creates_organizations, rules.creates_people, rules.writes) == (False, False, "all")
    assert policy.listed(rules) is None
    assert not Policy.objects.exists()


@pytest.mark.parametrize("writes", ["listed", "none"])
def test_only_listed_firms_or_none(out: Out, writes: str) -> None:
    firm = out.firm("Listed")
    other = out.firm("Other")
    rules = Policy.objects.create(company=out.company, integration=out.integration, writes=writes)
    rules.organizations.add(firm)
    expected = frozenset({firm.pk} if writes == "listed" else ())
    assert policy.listed(policy.of(out.integration)) == expected
    assert other.pk not in (policy.listed(rules) or ())
