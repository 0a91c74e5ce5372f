"""A company and its CRM as one pretend CRM shows it over HTTP: what tests of the whole way in and out begin with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from crm import sync
from crm.hubspot import defaults as hubspot_defaults
from crm.models import RecordLink, Write
from crm.salesforce import defaults as salesforce_defaults
from integrations import grants
from integrations.models import Integration, SyncRun, SyncState
from relationships import tenancy
from relationships.models import Company, Fund, Match, Organization, OrganizationDomain, Person, PersonAddress
from tests.crm.worlds import World, opened

NEW_FIELDS = {"salesforce": salesforce_defaults.NEW_FIELDS, "hubspot": hubspot_defaults.NEW_FIELDS}
SCORE = {"salesforce": "LPxGP_Match_Score__c", "hubspot": "lpxgp_match_score"}


@dataclass
class Firm:
    """A company and its CRM."""

    company: Company
    world: World
    integration: Integration
    state: SyncState

    def sync(self) -> SyncRun:
        """One run, with whatever is due; it has to end well."""
        SyncState.unscoped.filter(pk=self.state.pk).update(
            dirty_mark=F("dirty_mark") + 1, next_attempt_at=None, queued_at=None
        )
        sync.run(self.state.pk)
        run = SyncRun.unscoped.filter(state=self.state).latest("started_at")
        assert (run.outcome, run.error) == ("done", "")
        return run

    def later(self, seconds: float = 400) -> None:
        """Time passes in the CRM, and with it the overlap of two reads."""
        self.world.advance(seconds)
        token = str(self.world.link.http.headers["Authorization"]).removeprefix("Bearer ")
        self.integration.encrypted_tokens = grants.seal(
            self.integration, {"access_token": token, "refresh_token": "none"}
        )
        self.integration.save(update_fields=["encrypted_tokens"])

    def firm(self, name: str, domain: str = "", score: float | None = None) -> Organization:
        organization = Organization.objects.create(company=self.company, name=name)
        if domain:
            OrganizationDomain.objects.create(company=self.company, organization=organization, domain=domain)
        if score is not None:
            fund, _ = Fund.objects.get_or_create(company=self.company, name="Fund I")
            Match.objects.create(
                company=self.company, organization=organization, fund=fund, score=score, summary="Fits."
            )
        return organization

    def person(self, name: str, email: str, organization: Organization) -> Person:
        person = Person.objects.create(company=self.company, display_name=name, organization=organization)
        PersonAddress.build(person, email, is_primary=True).save()
        return person

    def external_id(self, row: Any) -> str:
        return str(RecordLink.objects.get(row_id=row.pk).external_id)

    def writes(self) -> int:
        return Write.objects.count()


@contextmanager
def linked(slug: str, has_our_fields: bool = True) -> Iterator[Firm]:
    """Acme, whose CRM is linked and empty."""
    company = Company.objects.create(name="Acme")
    with opened(slug) as world, tenancy.within(company.pk):
        if has_our_fields:
            made = world.adapter.create_fields(world.link, list(NEW_FIELDS[slug]))
            assert [one.error for one in made if not one.is_created] == []
        integration = Integration(
            company=company,
            provider=slug,
            integration_type="crm",
            external_account_id=world.link.account_id,
            account_address="Acme",
            expires_at=timezone.now() + timedelta(days=1),
            resources_listed_at=timezone.now(),
            details=dict(world.link.details),
        )
        token = str(world.link.http.headers["Authorization"]).removeprefix("Bearer ")
        integration.encrypted_tokens = grants.seal(integration, {"access_token": token, "refresh_token": "none"})
        integration.save()
        state = SyncState.objects.create(
            company=company,
            integration=integration,
            resource_type="crm",
            external_id=world.link.account_id,
            name="Acme",
            is_primary=True,
            is_chosen=True,
        )
        yield Firm(company, world, integration, state)


@pytest.fixture(params=["salesforce", "hubspot"])
def firm(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Firm]:
    with linked(request.param) as firm:
        yield firm
