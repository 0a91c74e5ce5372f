"""Acme with a linked pretend CRM, its field lists, and a few firms and people: what the mapping editor is tested on."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from django.utils import timezone

from crm import connection, defaults, drafts, schema
from crm.admin_mapping_desk import crm_of
from crm.checks import Crm
from crm.contract import Field, Link, NewField, Option
from crm.defaults import Defaults
from crm.mapping import Row
from crm.models import MappingVersion, RecordLink
from integrations import grants
from integrations.models import Integration
from relationships import tenancy
from relationships.models import Company, Fund, Match, Organization, Person, PersonAddress
from tests.crm.out_scene import link_crm
from tests.crm.pretend_crm import KEY, PretendCrm, text

SCORE = "LPxGP_Match_Score__c"
STANDARD = (
    Row("org.name", "Account", "Name"),
    Row("org.city", "Account", "BillingCity", "from_crm"),
    Row("match.score", "Account", SCORE, "to_crm", "ours_wins"),
    Row("person.first_name", "Contact", "FirstName"),
    Row("person.last_name", "Contact", "LastName"),
    Row("person.email", "Contact", "Email"),
    Row("task.title", "Task", "Subject", "to_crm", "ours_wins", transform={"name": "shorten", "options": {}}),
)
NEW_FIELDS = (
    NewField("Account", "LPxGP_Tier__c", "LPxGP tier", "text", "A field of ours that is not there.", 40),
    NewField("Contact", KEY, "LPxGP sync id", "text", "Our key.", 64, is_key=True),
)
MORE_FIELDS = (
    text("Rating", "Rating", type="choice", is_restricted=True, max_length=40,
         options=(Option("Hot", "Hot"), Option("Cold", "Cold"))),
    text("Kind__c", "Kind", type="choice", is_restricted=True, is_custom=True, max_length=255,
         options=(Option("LP", "LP"), Option("GP", "GP"), Option("Other", "Other"))),
    text("Score_Band__c", "Score band", type="integer", max_length=None, is_custom=True),
    text("Short__c", "Short text", max_length=10, is_custom=True),
    text("Reviewed__c", "Reviewed on", type="date", max_length=None, is_custom=True),
    text("Formula__c", "Formula", is_createable=False, is_updateable=False, is_custom=True),
    text("OwnerId", "Owner", type="reference", max_length=None),
)  # fmt: skip


@dataclass
class Scene:
    """Acme's link, its CRM, and a firm and a person on both sides."""

    company: Company
    integration: Integration
    crm: PretendCrm
    firm: Organization
    person: Person

    @property
    def draft(self) -> MappingVersion:
        return drafts.draft(self.company, self.integration.provider)

    @property
    def rows(self) -> list[Row]:
        return drafts.rows_of(self.draft)

    @property
    def checked(self) -> Crm:
        return crm_of(self.integration)

    def save(self, *rows: Row) -> MappingVersion:
        """Make these the lines of the draft."""
        draft = self.draft
        return drafts.save(draft, draft.changed_at, rows, None)

    def address(self, rest: str = "") -> str:
        return f"/admin/crm/fieldmapping/{self.integration.pk}/{rest}"


def known(fields: tuple[Field, ...], *more: Field) -> tuple[Field, ...]:
    """An object's fields with these instead of, or beside, those of the same name."""
    return (*(field for field in fields if field.name not in {one.name for one in more}), *more)


@pytest.fixture
def scene(acme: Company, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Everything needs no network: the CRM is in memory."""
    crm = PretendCrm()
    crm.fields_of["Account"] = known(crm.fields_of["Account"], *MORE_FIELDS)
    integration = link_crm(acme)

    @contextlib.contextmanager
    def opened(integration: Integration, access: grants.Access) -> Iterator[Link]:
        yield Link(requests.Session(), integration.external_account_id, {})

    monkeypatch.setattr(connection, "adapter", lambda integration: crm)
    monkeypatch.setattr(connection, "open", opened)
    monkeypatch.setattr(defaults, "of", lambda provider: Defaults(STANDARD, NEW_FIELDS, "It needs a right."))
    for crm_object, fields in crm.fields_of.items():
        schema.store(integration, crm_object, fields)
    drafts.ensure(integration)
    with tenancy.within(acme.pk):
        firm, person = _both_sides(acme, integration, crm)
    return Scene(acme, integration, crm, firm, person)


def _both_sides(acme: Company, integration: Integration, crm: PretendCrm) -> tuple[Organization, Person]:
    firm = Organization.objects.create(company=acme, name="Pension One", city="Bern")
    fund = Fund.objects.create(company=acme, name="Fund I")
    Match.objects.create(
        company=acme, organization=firm, fund=fund, score=82.5, summary="Fits.", scored_at=timezone.now()
    )
    person = Person.objects.create(
        company=acme, display_name="Lena von Alder", organization=firm, phone="044 123 45 67"
    )
    PersonAddress.build(person, "lena@pension.example", is_primary=True).save()
    account = crm.create("Account", Name="Pension One", BillingCity="Zürich")
    contact = crm.create("Contact", FirstName="Lena", LastName="von Alder", Email="Lena@Pension.example")
    for kind, row, crm_object, external_id in (
        ("organization", firm, "Account", account),
        ("person", person, "Contact", contact),
    ):
        RecordLink.objects.create(
            company=acme,
            integration=integration,
            kind=kind,
            row_id=row.pk,
            crm_object=crm_object,
            external_id=external_id,
        )
    return firm, person
