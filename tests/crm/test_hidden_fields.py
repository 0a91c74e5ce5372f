"""A field that a CRM's administrator hides or removes: the rest goes on, and what we know by it stays."""

import pytest

from relationships.models import Organization
from tests.crm.test_two_ways import linked


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize("slug", ["salesforce", "hubspot"])
def test_a_field_that_is_hidden_from_now_on_empties_nothing_here(slug: str) -> None:
    with linked(slug) as firm:
        held = firm.world.create("organization", name="LP One", city="Bern")
        firm.sync()
        firm.later(3700)
        if slug == "salesforce":
            firm.world.desk.order("access", hide_fields=["Account.BillingCity"])
        else:
            firm.world.desk.control("properties/remove", type="companies", name="city")
        firm.world.update("organization", held, name="LP Uno")
        firm.later()
        firm.sync()
        row = Organization.objects.get()
        assert (row.name, row.city) == ("LP Uno", "Bern")
