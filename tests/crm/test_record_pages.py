"""The way from a contact of ours to its record in the CRM."""

import pytest
from django.test import Client
from pytest_django import Settings

from crm import record_pages
from crm.models import RecordLink
from integrations.models import Integration
from relationships.models import Organization, Person, User
from tests.crm.out_scene import link_crm

pytestmark = pytest.mark.django_db


@pytest.fixture
def contact(alice: User) -> Person:
    firm = Organization.unscoped.create(company=alice.company, name="Pension One")
    return Person.unscoped.create(company=alice.company, display_name="Beatriz Serrano", organization=firm)


def linked(member: User, contact: Person) -> Integration:
    """The member's company keeps a CRM, which knows the contact."""
    assert member.company
    integration = link_crm(member.company)
    of_crm = {"company": member.company, "integration": integration, "state": "linked"}
    kept = [("person", contact.pk, "Contact", "003A"), ("organization", contact.organization_id, "Account", "001A")]
    RecordLink.unscoped.bulk_create(
        RecordLink(**of_crm, kind=kind, row_id=row_id, crm_object=name, external_id=external_id)
        for kind, row_id, name, external_id in kept
    )
    return integration


def page(client: Client, contact: Person) -> str:
    return client.get(f"/people/{contact.pk}/").content.decode()


def test_a_contact_leads_to_its_record_and_that_of_its_firm(as_alice: Client, alice: User, contact: Person) -> None:
    linked(alice, contact)

    shown = page(as_alice, contact)
    assert (
        '<a href="https://acme.my.salesforce.com/003A" rel="noopener noreferrer">Beatriz Serrano in Salesforce<'
        in shown
    )
    assert '<a href="https://acme.my.salesforce.com/001A" rel="noopener noreferrer">Pension One in Salesforce<' in shown


def test_a_sandbox_is_where_its_records_are(as_alice: Client, alice: User, contact: Person, settings: Settings) -> None:
    settings.PROVIDER_ORIGINS = {"https://*.my.salesforce.com": "http://127.0.0.1:9400/salesforce/{host}"}
    linked(alice, contact)

    assert "http://127.0.0.1:9400/salesforce/acme.my.salesforce.com/003A" in page(as_alice, contact)


@pytest.mark.parametrize(
    "said",
    ["evil.example", "app.hubspot.com.evil.example", "evil.example/.hubspot.com", "app.hubspot.com@evil.example", ""],
)
def test_no_answer_of_hubspot_leads_elsewhere(alice: User, said: str) -> None:
    assert alice.company
    integration = link_crm(alice.company, "hubspot")
    integration.details = {"ui_domain": said}
    assert record_pages.record_url(integration, "contacts", "51").startswith("https://app.hubspot.com/contacts/")

    integration.details = {"ui_domain": "app-eu1.hubspot.com"}
    assert record_pages.record_url(integration, "contacts", "51").startswith("https://app-eu1.hubspot.com/contacts/")


@pytest.mark.parametrize("change", [{"deleted_at": "2026-01-01T00:00Z"}, {"state": "deleted"}, {"external_id": ""}])
def test_what_is_not_there_is_not_linked(
    as_alice: Client, alice: User, contact: Person, change: dict[str, str]
) -> None:
    linked(alice, contact)
    RecordLink.unscoped.update(**change)

    assert "Salesforce" not in page(as_alice, contact)


def test_a_crm_that_was_disconnected_is_not_named(as_alice: Client, alice: User, contact: Person) -> None:
    integration = linked(alice, contact)
    Integration.unscoped.filter(pk=integration.pk).update(sync_status=Integration.Status.REVOKED)

    assert "Salesforce" not in page(as_alice, contact)


def test_links_of_another_company_are_not_followed(as_alice: Client, charlie: User, contact: Person) -> None:
    linked(charlie, contact)

    assert "Salesforce" not in page(as_alice, contact)
