"""A linked pretend CRM, a published mapping and rows of ours, for tests of the way out."""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from crm import connection, links, mapping, push, schema
from crm.contract import Link
from crm.mapping import Row
from crm.models import FieldMapping, MappingVersion, RecordLink, Write
from integrations import grants, runs
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import Company, Fund, Match, Organization, Person, PersonAddress
from tests.crm.pretend_crm import PretendCrm

ROWS = (
    Row("org.name", "Account", "Name"),
    Row("org.city", "Account", "BillingCity"),
    Row("org.domain", "Account", "Website", transform={"name": "domain"}),
    Row("match.score", "Account", "LPxGP_Match_Score__c", "to_crm", "ours_wins"),
    Row("match.summary", "Account", "LPxGP_Summary__c", "to_crm", "ours_wins"),
    Row("match.last_synced", "Account", "LPxGP_Last_Synced__c", "to_crm"),
    Row("person.last_name", "Contact", "LastName", transform={"name": ""}),
    Row("person.email", "Contact", "Email"),
    Row("person.title", "Contact", "Title"),
    Row("meeting.title", "Event", "Subject", "to_crm"),
    Row("meeting.starts_at", "Event", "StartDateTime", "to_crm"),
    Row("email.title", "Task", "Subject", "to_crm"),
    Row("task.title", "Task", "Subject", "to_crm"),
    Row("task.due_on", "Task", "ActivityDate", "to_crm"),
    Row("note.title", "Note", "Title", "to_crm"),
    Row("note.text", "Note", "Body", "to_crm"),
)


def link_crm(company: Company, provider: str = "salesforce") -> Integration:
    """The company's link, whose access needs no refresh."""
    integration = Integration(
        company=company,
        provider=provider,
        integration_type="crm",
        external_account_id="00D000000000001EAA",
        account_address="crm@acme.example",
        expires_at=timezone.now() + timedelta(days=1),
        resources_listed_at=timezone.now(),
        details={"instance_url": "https://acme.my.salesforce.com", "account_name": "Acme"},
    )
    integration.encrypted_tokens = grants.seal(integration, {"access_token": "a token", "refresh_token": "another"})
    integration.save()
    SyncState.unscoped.create(
        company=company,
        integration=integration,
        resource_type="crm",
        external_id="00D000000000001EAA",
        name="Acme",
        is_primary=True,
        is_chosen=True,
        dirty_mark=1,
    )
    return integration


def publish(integration: Integration, rows: tuple[Row, ...] = ROWS, version: int = 1) -> None:
    """What is mapped from now on."""
    of_crm = {"company": integration.company, "crm_provider": integration.provider}
    FieldMapping.unscoped.filter(**of_crm).delete()
    MappingVersion.unscoped.filter(**of_crm, number=version).delete()
    MappingVersion.unscoped.create(
        company=integration.company,
        crm_provider=integration.provider,
        state=MappingVersion.State.PUBLISHED,
        number=version,
        rows=[row.as_json() for row in rows],
        published_at=timezone.now(),
    )
    FieldMapping.unscoped.bulk_create(
        FieldMapping(company=integration.company, crm_provider=integration.provider, version=version, **row.as_json())
        for row in rows
    )


@dataclass
class Out:
    """Acme, its CRM, and what pushes from one to the other."""

    company: Company
    integration: Integration
    crm: PretendCrm

    def firm(self, name: str, city: str = "", score: float | None = None) -> Organization:
        organization = Organization.objects.create(company=self.company, name=name, city=city)
        if score is not None:
            self.score(organization, score)
        return organization

    def score(self, organization: Organization, score: float, summary: str = "Fits well.") -> None:
        fund, _ = Fund.objects.get_or_create(company=self.company, name="Fund I")
        Match.objects.update_or_create(
            company=self.company,
            organization=organization,
            fund=fund,
            defaults={"score": score, "summary": summary, "scored_at": timezone.now()},
        )

    def person(self, name: str, email: str = "", firm: Organization | None = None) -> Person:
        person = Person.objects.create(company=self.company, display_name=name, organization=firm)
        if email:
            PersonAddress.build(person, email, is_primary=True).save()
        return person

    def link(self, kind: str, row: Any, external_id: str, **shadow: Any) -> RecordLink:
        """Say that a row and a record are the same; ``shadow`` is what both held, by field of the CRM."""
        return RecordLink.objects.create(
            company=self.company,
            integration=self.integration,
            kind=kind,
            row_id=row.pk,
            crm_object=self.crm.objects[kind],
            external_id=external_id,
            shadow={name: {"theirs": value, "ours": value} for name, value in shadow.items()},
        )

    def linked_firm(self, name: str, score: float | None = None, **values: Any) -> tuple[Organization, str]:
        """A firm that is on both sides, equal but for its score."""
        firm = self.firm(name, score=score)
        external_id = self.crm.create("Account", Name=name, **values)
        self.link("organization", firm, external_id, Name=name, BillingCity=None, Website=None)
        return firm, external_id

    def held(self) -> runs.Held:
        """A sync that holds the CRM's state."""
        state = SyncState.objects.select_related("integration").get(integration=self.integration)
        holder = uuid.uuid4()
        SyncState.objects.filter(pk=state.pk).update(held_by=holder, held_until=timezone.now() + runs.HOLD)
        run = SyncRun.objects.create(company=self.company, state=state, kind="changes", trigger="manual")
        return runs.Held(state, run, holder, state.dirty_mark, grants.Access("a token", 1))

    def push(self) -> SyncRun:
        """Push once."""
        held = self.held()
        with connection.open(self.integration, held.access) as link:
            push.push(held, link, mapping.published(self.integration))
        return held.run

    def account(self, external_id: str) -> dict[str, Any]:
        """What the CRM holds of a firm."""
        return self.crm.rows["Account", external_id].values

    def links(self, kind: str) -> list[RecordLink]:
        return list(RecordLink.objects.filter(kind=kind).order_by("created_at"))

    def writes(self, **by: Any) -> list[Write]:
        return list(Write.objects.filter(**by).order_by("planned_at", "pk"))


@pytest.fixture
def out(in_acme: Company, monkeypatch: pytest.MonkeyPatch) -> Out:
    crm = PretendCrm()
    integration = link_crm(in_acme)

    @contextlib.contextmanager
    def opened(integration: Integration, access: grants.Access) -> Iterator[Link]:
        yield Link(requests.Session(), integration.external_account_id, {})

    # Tests take less time than a row may be late.
    monkeypatch.setattr(links, "SLACK", timedelta(0))
    monkeypatch.setattr(connection, "adapter", lambda integration: crm)
    monkeypatch.setattr(connection, "open", opened)
    for crm_object, fields in crm.fields_of.items():
        schema.store(integration, crm_object, fields)
    publish(integration)
    return Out(in_acme, integration, crm)
