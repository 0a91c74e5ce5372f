"""The contact whom the meetings of these tests are with."""

import pytest

from relationships.models import Company, Organization, Person, PersonAddress
from tests.integrations.calendar.scene import LP


@pytest.fixture
def lena(acme: Company) -> Person:
    organization = Organization.unscoped.create(company=acme, name="Alder Pension")
    person = Person.unscoped.create(company=acme, display_name="Lena Alder", organization=organization)
    PersonAddress.unscoped.create(company=acme, person=person, email=LP, match_key=LP, is_primary=True)
    return person
