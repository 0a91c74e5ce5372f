"""The contact whom the meetings of these tests are with, and an hour that does not end in the middle of a test."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection

from relationships.models import Company, Organization, Person, PersonAddress
from tests.integrations.calendar.agendas import Agenda, opened
from tests.integrations.calendar.scene import LP


@pytest.fixture
def lena(acme: Company) -> Person:
    organization = Organization.unscoped.create(company=acme, name="Alder Pension")
    person = Person.unscoped.create(company=acme, display_name="Lena Alder", organization=organization)
    PersonAddress.unscoped.create(company=acme, person=person, email=LP, match_key=LP, is_primary=True)
    return person


@pytest.fixture(autouse=True)
def noon() -> Iterator[time_machine.Traveller]:
    """Every test begins at ten past noon of today; its clock ticks."""
    with time_machine.travel(
        datetime.now(UTC).replace(hour=12, minute=10, second=0, microsecond=0), tick=True
    ) as clock:
        yield clock


@pytest.fixture(params=["google", "microsoft"])
def agenda(request: pytest.FixtureRequest) -> Agenda:
    """The calendars of alice and bob at a provider, empty: each case that asks for it is one for every provider."""
    return opened(request, request.param)


@pytest.fixture
def small_pages(agenda: Agenda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agenda.adapter, "PAGE_SIZE", 2)


@pytest.fixture
def parallel() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time")
