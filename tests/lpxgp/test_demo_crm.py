"""What the demo's companies have in their CRMs: told by the seeded rows, and taken by both pretend CRMs."""

import base64
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from crm.models import RecordLink
from integrations.models import Integration
from lpxgp import demo_crm, demo_crm_links, demo_stage
from lpxgp.demo_crm import TAG
from lpxgp.demo_crm_links import CrmLink
from lpxgp.demo_crm_worlds import ORG, PORTAL
from lpxgp.demo_stage import Stage, Stuck
from lpxgp.environment import origins
from relationships import demo as seed
from relationships import tenancy
from relationships.models import Company, Organization, OrganizationDomain, Person, PersonAddress, User
from sandbox.server import Sandbox


@pytest.fixture(autouse=True)
def seeded(db: None, settings: Settings) -> None:
    settings.ALLOW_PROVIDER_ORIGINS = True
    call_command("seed_demo", stdout=StringIO())
    call_command("seed_demo", company=seed.SECOND_COMPANY, small=True, stdout=StringIO())


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage of which only the sandbox runs."""
    with Sandbox() as sandbox:
        monkeypatch.setenv(demo_stage.FOLDER, str(tmp_path))
        monkeypatch.setenv(demo_stage.SANDBOX, sandbox.url)
        monkeypatch.setenv("PUBLIC_URL", "http://127.0.0.1:9")
        for name, value in (("CLIENT_ID", "demo"), ("CLIENT_SECRET", "demo-secret"), ("APP_ID", "4711")):
            monkeypatch.setenv(f"HUBSPOT_{name}", value)
        yield Stage()


def shown(stage: Stage, path: str) -> list[dict[str, Any]]:
    answer = demo_stage.local().get(f"{stage.sandbox}/control/{path}", timeout=30)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


def accounts(stage: Stage, name: str) -> list[dict[str, Any]]:
    return shown(stage, f"salesforce/records?org={ORG}&object={name}")


def companies(stage: Stage, kind: str) -> list[dict[str, Any]]:
    return shown(stage, f"hubspot/records?portal={PORTAL}&type={kind}")


def put_link(link: CrmLink, status: str) -> None:
    fields = {"company": link.company, "provider": link.provider, "integration_type": "crm"}
    details = {"instance_url": f"https://{ORG}"}
    Integration.unscoped.create(**fields, external_account_id="1", details=details, sync_status=status)


@pytest.mark.parametrize("name", [seed.COMPANY, seed.SECOND_COMPANY])
def test_it_is_told_by_the_rows_and_always_the_same(name: str) -> None:
    company = Company.objects.get(name=name)
    with tenancy.within(company.pk):
        story = demo_crm.story()
        assert demo_crm.story() == story
        domains = set(OrganizationDomain.objects.values_list("domain", flat=True))
        emails = set(PersonAddress.objects.values_list("email", flat=True))
        primary = set(PersonAddress.objects.filter(is_primary=True).values_list("email", flat=True))
        firms, people = Organization.objects.count(), Person.objects.count()
        cities = set(Organization.objects.values_list("city", flat=True))
        phones = set(Person.objects.values_list("phone", flat=True))
    shared = [firm for firm in story.firms if firm.domain in domains]
    assert firms * 0.8 < len({firm.domain for firm in shared}) < firms
    assert len(shared) == len({firm.domain for firm in shared}) + 1, "one firm stands there twice"
    assert {firm.domain for firm in story.firms} - domains == {domain for _, domain, *_ in demo_crm.ONLY_THERE}
    known = [person for person in story.people if person.email in emails]
    assert people * 0.75 < len(known) < people
    assert {person.email for person in known} - primary, "of somebody the CRM has the second address"
    assert {person.phone for person in known} - phones
    assert {firm.city for firm in shared} - cities
    assert len({person.email for person in story.people}) == len(story.people)
    assert len({note.email for note in story.notes}) == len(story.notes)
    assert any(TAG in note.text for note in story.notes)
    assert not all(TAG in note.text for note in story.notes)


def test_both_pretend_crms_take_it_and_once_only(stage: Stage) -> None:
    northlight, harbourview = demo_crm_links.load(stage)
    counts = {name: len(accounts(stage, name)) for name in ("Account", "Contact", "Note")}
    numbers = {kind: len(companies(stage, kind)) for kind in ("companies", "contacts", "notes")}
    for link in (northlight, harbourview):
        with tenancy.within(link.company.pk):
            story = demo_crm.story()
        held = counts if link is northlight else numbers
        # Two contacts were merged.
        assert list(held.values()) == [len(story.firms), len(story.people) - 1, len(story.notes)]
    demo_crm_links.load(stage)
    assert counts == {name: len(accounts(stage, name)) for name in counts}
    assert numbers == {kind: len(companies(stage, kind)) for kind in numbers}


def test_it_goes_on_with_rows_that_people_have_worked_with(stage: Stage) -> None:
    """Our rows tell the story only where a CRM is empty: later on people lack an address, a firm or the other twin."""
    links = demo_crm_links.load(stage)
    counts = {name: len(accounts(stage, name)) for name in ("Account", "Contact", "Note")}
    for link in links:
        with tenancy.within(link.company.pk):
            PersonAddress.objects.all().delete()
            OrganizationDomain.objects.all().delete()
            User.objects.filter(company=link.company).update(is_company_admin=True)
    assert demo_crm_links.load(stage)[0].admin in User.objects.filter(company__name=seed.COMPANY)
    assert counts == {name: len(accounts(stage, name)) for name in counts}


def test_a_company_without_an_admin_is_told_what_to_do(stage: Stage) -> None:
    User.objects.filter(company__name=seed.SECOND_COMPANY).update(is_company_admin=False)
    with pytest.raises(Stuck, match="Harbourview Partners has no admin any more"):
        demo_crm_links.load(stage)


@pytest.mark.parametrize(
    ("status", "works"), [("active", True), ("error", True), ("paused", False), ("revoked", False)]
)
def test_only_a_crm_that_is_linked_still_is_waited_for(stage: Stage, status: str, works: bool) -> None:
    link, _ = demo_crm_links.load(stage)
    assert not link.works, "it is not linked yet"
    put_link(link, status)
    assert link.works == works


def test_the_tour_names_no_person_where_nobody_is_linked_any_more(stage: Stage) -> None:
    links = demo_crm_links.load(stage)
    for link in links:
        put_link(link, "revoked")
    person = Person.unscoped.filter(company=links[0].company).order_by("pk")[0]
    assert "another title" not in demo_crm_links.tour(stage, links)
    RecordLink.unscoped.create(
        company=links[0].company, integration=links[0].integration, kind="person", row_id=person.pk,
        crm_object="Contact", external_id="003000000000001AAA", state="linked",
    )  # fmt: skip
    assert f"Give {person.display_name} another title" in demo_crm_links.tour(stage, links)


def test_contacts_hang_on_their_firms_and_notes_on_contacts(stage: Stage) -> None:
    demo_crm_links.load(stage)
    firms = {one["Id"]: one["Website"] for one in accounts(stage, "Account")}
    people = {one["Id"]: one for one in accounts(stage, "Contact")}
    employed = [one for one in people.values() if one["AccountId"]]
    assert len(employed) > len(people) * 0.9
    ferro = next(one for one in employed if one["LastName"] == "Ferro")
    assert firms[ferro["AccountId"]] == "https://www.cedarbrook.example"
    assert {one["ParentId"] for one in accounts(stage, "Note")} <= people.keys()
    merged = next(one for one in companies(stage, "contacts") if one["properties"]["lastname"] == "Ferro")
    assert merged["properties"]["hs_additional_emails"] == "ferro@cedarbrook.example"
    assert merged["associations"]["companies"]["results"]
    assert all(one["associations"]["contacts"]["results"] for one in companies(stage, "notes"))


def test_one_record_of_salesforce_cannot_be_saved_and_one_field_of_ours_is_missing(stage: Stage) -> None:
    demo_crm_links.load(stage)
    refused = []
    for one in accounts(stage, "Account"):
        order = {"org": ORG, "id": one["Id"], "fields": {"LPxGP_Match_Score__c": 50}, "silent": True}
        answer = demo_stage.local().post(f"{stage.sandbox}/control/salesforce/records/update", json=order, timeout=30)
        refused += [one["Name"]] if answer.status_code != 200 else []
    assert refused == ["Maison Beaurivage"]
    assert "LPxGP_Summary__c" in accounts(stage, "Account")[0]
    assert "LPxGP_Last_Synced__c" not in accounts(stage, "Account")[0]


def test_the_stage_names_what_the_product_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: dict[str, str] = {}
    monkeypatch.setattr(demo_stage.os, "execve", lambda path, arguments, environment: told.update(environment))
    demo_stage.enter("demo", tmp_path, 1, 2)
    assert origins(told["PROVIDER_ORIGINS"])["https://*.my.salesforce.com"] == "http://127.0.0.1:2/salesforce/{host}"
    assert len(base64.b64decode(told["ENTITY_WEBHOOK_SECRET"].removeprefix("whsec_"), validate=True)) >= 24
    assert told["HUBSPOT_APP_ID"].isdigit()
