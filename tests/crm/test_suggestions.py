"""What is suggested, and why; and that no suggestion spoils a mapping."""

from hypothesis import given
from hypothesis import strategies as st

from crm import checks, suggestions
from crm.catalogue import OURS
from crm.checks import Crm
from crm.contract import Field, Option
from crm.mapping import Row
from tests.crm.pretend_crm import FIELDS, OBJECTS

SCHEMA = {name: {field.name: field for field in fields} for name, fields in FIELDS.items()}
CRM = Crm(SCHEMA, OBJECTS, {})


def by_name(rows: list[Row], crm: Crm = CRM) -> dict[str, suggestions.Suggestion]:
    return {each.ours.name: each for each in suggestions.missing(rows, crm)}


def test_fields_are_found_by_what_crms_call_them() -> None:
    found = by_name([])
    assert found["org.city"].row.crm_field == "BillingCity"
    assert found["person.title"].row.crm_field == "Title"
    assert "called “BillingCity”" in found["org.city"].reason


def test_what_is_mapped_or_used_is_not_suggested() -> None:
    rows = [Row("org.city", "Account", "BillingCity"), Row("note.text", "Note", "Title")]
    found = by_name(rows)
    assert "org.city" not in found
    assert "note.title" not in found


def test_the_standard_mapping_comes_first() -> None:
    standard = [Row("org.name", "Account", "Website", transform={"name": "affix"})]
    found = suggestions.missing([], CRM, [Row("org.city", "Account", "BillingCountry"), *standard])
    city = next(each for each in found if each.ours.name == "org.city")
    assert city.row.crm_field == "BillingCountry"
    assert "standard mapping" in city.reason


def test_types_are_bridged() -> None:
    found = by_name([])
    assert found["org.domain"].row.transform == {"name": "domain", "options": {"form": "address"}}
    assert found["email.sent_at"].row.transform["name"] == "date_in_zone"
    assert found["task.priority"].row.transform["options"]["pairs"] == [
        ["high", "High"],
        ["normal", "Normal"],
        ["low", "Low"],
    ]
    assert found["meeting.description"].row.transform["name"] == "shorten"


def test_an_incomplete_table_says_so() -> None:
    assert "to be completed" in by_name([])["org.kind"].reason


def test_a_read_only_field_is_only_read() -> None:
    schema = {"Account": {"City": Field("City", "City", "text", is_createable=False, is_updateable=False)}}
    assert by_name([], Crm(schema, OBJECTS, {}))["org.city"].row.sync_direction == "from_crm"


def test_a_name_and_its_parts_are_not_suggested_together() -> None:
    rows = [Row("person.first_name", "Contact", "FirstName"), Row("person.last_name", "Contact", "LastName")]
    schema = {"Contact": {**SCHEMA["Contact"], "Name": Field("Name", "Full Name", "text")}}
    assert "person.name" not in by_name(rows, Crm(schema, OBJECTS, {}))


def test_names_are_compared_as_words() -> None:
    for name in ("BillingCity", "billing_city__c", "Billing City", "hs_billing_city"):
        assert suggestions.plain(name) == "billing city"


@given(st.lists(st.sampled_from(sorted(OURS)), unique=True, max_size=8), st.data())
def test_no_suggestion_adds_an_error(names: list[str], data: st.DataObject) -> None:
    rows = []
    for name in names:
        crm_object = OBJECTS[OURS[name].kind]
        rows.append(Row(name, crm_object, data.draw(st.sampled_from(sorted(SCHEMA[crm_object]))), "to_crm"))
    before = len(checks.errors(checks.problems(rows, CRM)))
    added = [*rows, *(each.row for each in suggestions.missing(rows, CRM))]
    assert len(checks.errors(checks.problems(added, CRM))) <= before
    assert suggestions.table(OURS["org.kind"], Field("X", "X", "choice", options=(Option("1", "LP"),))) == [["lp", "1"]]
