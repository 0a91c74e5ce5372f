"""The published mapping as the sync uses it: what it reads, what it leaves out, and when it writes."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from crm import mapping, schema
from crm.contract import Field, Option
from crm.mapping import Row
from crm.models import FieldMapping, RecordLink
from integrations.models import Integration
from relationships.models import Company
from tests.crm.mapping_scene import known
from tests.crm.out_scene import Out, link_crm, publish
from tests.crm.pretend_crm import FIELDS, text
from tests.crm.test_push import allow_creations

ONCE = text("Source__c", is_updateable=False)
LATER = text("Later__c", is_createable=False)


@pytest.fixture
def integration(acme: Company) -> Integration:
    found = link_crm(acme)
    schema.store(found, "Account", FIELDS["Account"])
    return found


def test_lines_come_by_kind_with_their_fields(integration: Integration) -> None:
    publish(integration, (Row("org.name", "Account", "Name"), Row("person.email", "Contact", "Email")), version=7)
    with CaptureQueriesContext(
        database,
    ) as queries:
        found = mapping.published(integration)
    assert len(queries) == 2
    assert found.version == 7
    assert [line.theirs for line in found.lines("organization")] == [FIELDS["Account"][0]]
    assert found.fields("person") == ("Email",)
    assert not found.lines("task")
    assert not found.fields("task")


def test_a_line_to_a_field_that_is_gone_costs_itself_alone(integration: Integration) -> None:
    publish(integration, (Row("org.name", "Account", "Name"), Row("org.city", "Account", "Gone__c")))
    found = mapping.published(integration)
    assert found.fields("organization") == ("Name",)
    assert [line.crm_field for line in found.missing] == ["Gone__c"]


def test_before_a_list_was_read_its_lines_are_used_as_they_are(integration: Integration) -> None:
    publish(integration, (Row("person.email", "Contact", "Email"),))
    [line] = mapping.published(integration).lines("person")
    assert line.theirs is None
    assert line.outgoing("lena@pension.example", mapping.Context()) == "lena@pension.example"


def test_what_this_version_does_not_know_is_left_out(integration: Integration) -> None:
    rows = (Row("org.name", "Account", "Name"), Row("org.moon", "Account", "Website"))
    publish(integration, (*rows, Row("org.city", "Account", "BillingCity", transform={"name": "magic"})))
    assert mapping.published(integration).fields("organization") == ("Name",)


def test_another_company_has_its_own(integration: Integration, zenith: Company) -> None:
    publish(integration, (Row("org.name", "Account", "Name"),))
    assert mapping.published(link_crm(zenith)).by_kind == {}
    assert FieldMapping.unscoped.count() == 1


def test_a_field_list_survives_its_storing(integration: Integration) -> None:
    field = Field("X", "X", "choice", is_restricted=True, options=(Option("a", "A", False),), refers_to=("User",))
    schema.store(integration, "Task", (field,))
    assert mapping.known_fields(integration)["Task"] == {"X": field}
    assert mapping.as_field({"name": "X", "label": "X", "type": "text", "of_later": 1}) == Field("X", "X", "text")


@pytest.mark.parametrize(
    ("theirs", "direction", "flags"),
    [
        (text("X"), "to_crm", (True, True, True)),
        (text("X"), "from_crm", (False, False, False)),
        (ONCE, "bidirectional", (True, True, False)),
        (LATER, "to_crm", (True, False, True)),
        (text("X", is_createable=False, is_updateable=False), "to_crm", (False, False, False)),
    ],
)
def test_a_line_says_when_it_may_be_written(theirs: Field, direction: str, flags: tuple[bool, ...]) -> None:
    line = mapping.line(Row("org.city", "Account", theirs.name, direction), {"Account": {theirs.name: theirs}})
    assert line is not None
    assert (line.is_out, line.writes_new, line.writes_changed) == flags


def test_what_can_be_written_at_one_time_only_is_written_then(out: Out) -> None:
    out.crm.fields_of["Account"] = known(out.crm.fields_of["Account"], ONCE, LATER)
    schema.store(out.integration, "Account", out.crm.fields_of["Account"])
    rows = (
        Row("org.name", "Account", "Name", "to_crm"),
        Row("org.city", "Account", "Source__c", "to_crm"),
        Row("org.country", "Account", "Later__c", "to_crm"),
    )
    publish(out.integration, rows)
    allow_creations(out)
    firm = out.firm("Pension One", city="Bern")
    type(firm).objects.filter(pk=firm.pk).update(country="Switzerland")
    out.push()
    [link] = out.links("organization")
    assert (link.error, link.state) == ("", RecordLink.State.LINKED)
    assert out.account(link.external_id)["Source__c"] == "Bern"
    firm.refresh_from_db()
    firm.city, firm.name = "Basel", "Pension Two"
    firm.save()
    out.push()
    link.refresh_from_db()
    held = out.account(link.external_id)
    assert (held["Name"], held["Source__c"], held["Later__c"]) == ("Pension Two", "Bern", "Switzerland")
    assert link.error == ""
