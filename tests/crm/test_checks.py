"""Every way a mapping can be wrong is said in plain words, with its fix, and nothing else is."""

from dataclasses import replace
from typing import Any

import pytest

from crm import checks
from crm.checks import Crm, Problem
from crm.contract import Field, NewField, Option
from crm.mapping import Row

HOT = (Option("Hot", "Hot"), Option("Cold", "Cold"), Option("Old", "Old", is_active=False))
ACCOUNT = {
    field.name: field
    for field in (
        Field("Name", "Account Name", "text", max_length=255, is_required=True),
        Field("City", "City", "text", max_length=40),
        Field("Tiny", "Tiny", "text", max_length=10),
        Field("Site", "Site", "url", max_length=255),
        Field("Score", "Score", "number"),
        Field("Band", "Band", "integer"),
        Field("On", "On", "date"),
        Field("Rating", "Rating", "choice", options=HOT, is_restricted=True),
        Field("Loose", "Loose", "choice", options=HOT),
        Field("Formula", "Formula", "text", is_createable=False, is_updateable=False),
        Field("Once", "Once", "text", is_updateable=False),
        Field("Later", "Later", "text", is_createable=False),
        Field("Owner", "Owner", "reference", is_required=True),
        Field("Notes", "Notes", "html"),
        Field("Key", "Key", "text", is_external_key=True),
    )
}
CRM = Crm({"Account": ACCOUNT}, {"organization": "Account", "person": "Contact"}, {"Account": "Key"})
NAME = Row("org.name", "Account", "Name")


def row(ours: str, theirs: str, direction: str = "to_crm", **more: Any) -> Row:
    return Row(ours, "Account", theirs, direction, **more)


def table(*pairs: list[str], **options: Any) -> dict[str, Any]:
    return {"name": "choice_table", "options": {"pairs": list(pairs), **options}}


def of(*rows: Row, crm: Crm = CRM) -> list[Problem]:
    return checks.problems(rows, crm)


def test_a_sound_mapping_has_no_problem() -> None:
    assert of(NAME, row("match.score", "Score"), row("org.city", "City", "from_crm")) == []


ERRORS = [
    (row("org.nothing", "City"), "lpxgp_field", "We have no field"),
    (row("org.city", "City", "sideways"), "sync_direction", "none of the choices"),
    (row("org.city", "", "from_crm"), "crm_field", "No field of the CRM is chosen"),
    (row("org.city", "Nowhere"), "crm_field", "has no field “Nowhere”"),
    (Row("org.city", "Contact", "City"), "crm_field", "are kept in Account"),
    (row("match.score", "Score", "bidirectional"), "sync_direction", "cannot be changed from the CRM"),
    (row("org.name", "Formula"), "crm_field", "read-only"),
    (row("org.name", "Owner"), "crm_field", "link to a record"),
    (row("org.name", "Key"), "crm_field", "our own key"),
    (row("match.score", "Band"), "transform", "Our number does not fit Band"),
    (row("match.last_synced", "On"), "transform", "date and time does not fit"),
    (row("org.name", "Score"), "crm_field", "Our text does not fit Score"),
    (row("org.domain", "Site"), "transform", "does not fit Site"),
    (row("org.kind", "Rating"), "transform", "takes certain choices only"),
    (row("org.name", "Rating"), "transform", "any other text of ours is refused"),
    (row("org.kind", "Loose", "from_crm"), "transform", "the CRM holds other values"),
    (row("org.kind", "Rating", transform=table(["lp", "Warm"])), "transform", "no choice “Warm”"),
    (row("org.kind", "Rating", transform=table(["lp", "Old"])), "transform", "no choice “Old”"),
    (row("org.kind", "Rating", transform=table(["llp", "Hot"])), "transform", "no value of Kind of firm"),
    (row("org.kind", "Rating", transform=table(["lp", ""])), "transform", "half filled"),
    (
        row("org.kind", "Rating", "from_crm", transform=table(["lp", "Hot"], otherwise_ours="x")),
        "transform",
        "no value",
    ),
    (row("org.name", "City", transform={"name": "nothing"}), "transform", "no transform"),
    (row("org.name", "City", "bidirectional", transform={"name": "split_name"}), "sync_direction", "no way back"),
    (row("match.score", "Score", transform={"name": "phone_e164"}), "transform", "is not for a number"),
    (row("org.name", "City", "bidirectional", write_mode="append"), "write_mode", "round in circles"),
    (row("match.score", "Score", write_mode="append"), "write_mode", "Only text can be added"),
]


@pytest.mark.parametrize(("wrong", "part", "words"), ERRORS, ids=[f"{each[2][:24]}" for each in ERRORS])
def test_an_error_stands_beside_its_part_with_its_fix(wrong: Row, part: str, words: str) -> None:
    found = [each for each in checks.errors(of(wrong)) if words in each.message]
    assert found, of(wrong)
    assert found[0].field == part
    assert found[0].line == 0
    assert found[0].fix


WARNINGS = [
    (row("match.summary", "Tiny"), "may be longer than the 10 characters"),
    (row("org.name", "Once"), "never changed after"),
    (row("org.name", "Later"), "cannot be written when a record is created"),
    (row("org.kind", "Rating", transform=table(["lp", "Hot"])), "Our values “gp”, “other” stand in no row"),
    (row("org.kind", "Rating", transform=table(["lp", "Hot"], ["gp", "Hot"])), "Our value “other” stands in no row"),
    (row("org.kind", "Loose", transform=table(["lp", "Warm"], otherwise="Hot")), "no choice “Warm”"),
]


@pytest.mark.parametrize(("odd", "words"), WARNINGS, ids=[each[1][:24] for each in WARNINGS])
def test_what_only_some_records_run_into_is_a_note(odd: Row, words: str) -> None:
    found = of(odd)
    assert any(words in each.message and not each.is_error for each in found), found
    assert checks.errors(found) == []


@pytest.mark.parametrize(
    "good",
    [
        row("match.score", "Band", transform={"name": "round", "options": {"digits": "0"}}),
        row("match.last_synced", "On", transform={"name": "date_in_zone"}),
        row("org.domain", "Site", "bidirectional", transform={"name": "domain", "options": {"form": "address"}}),
        row("org.kind", "Rating", "bidirectional", transform=table(["lp", "Hot"], ["gp", "Cold"], ["other", "Cold"])),
        row("match.summary", "Tiny", transform={"name": "shorten"}),
        row("match.summary", "Notes", write_mode="append"),
        row("org.name", "City", "from_crm", write_mode="if_empty"),
    ],
)
def test_what_fits_is_let_through(good: Row) -> None:
    found = [each for each in of(good) if each.line == 0]
    assert found == []


def test_one_field_is_not_used_twice() -> None:
    ours = checks.errors(of(NAME, row("org.city", "City"), row("org.city", "Tiny")))
    assert [(each.line, each.field) for each in ours] == [(1, "lpxgp_field"), (2, "lpxgp_field")]
    theirs = checks.errors(of(NAME, row("org.city", "City"), row("org.country", "City", "from_crm")))
    assert [(each.line, each.field) for each in theirs] == [(1, "crm_field"), (2, "crm_field")]


def test_what_the_crm_requires_and_nobody_fills_is_noted() -> None:
    found = of(row("org.city", "City"))
    assert [(each.line, each.is_error) for each in found] == [(None, False)]
    assert "requires Account Name" in found[0].message
    assert of(row("org.city", "City", "from_crm"), NAME) == []


def test_what_we_require_and_the_crm_does_not_bring_is_noted() -> None:
    found = of(row("org.city", "City", "from_crm"))
    assert "no line brings Name of the firm" in found[0].message


def test_a_full_name_and_its_parts_do_not_come_in_together() -> None:
    crm = replace(CRM, schema={"Contact": {name: Field(name, name, "text") for name in ("A", "B")}})
    rows = (Row("person.name", "Contact", "A"), Row("person.last_name", "Contact", "B"))
    assert any("would change each other" in each.message for each in checks.errors(of(*rows, crm=crm)))
    only_first = (Row("person.first_name", "Contact", "A"),)
    assert any("no line brings a name" in each.message for each in of(*only_first, crm=crm))


def test_a_list_that_was_not_read_is_noted_and_no_error() -> None:
    found = of(NAME, crm=replace(CRM, schema={}))
    assert [each.is_error for each in found] == [False]
    assert found[0].fix == "Press “Refresh fields”."


def test_a_field_of_ours_that_is_missing_there_can_be_created() -> None:
    crm = replace(CRM, new_fields=(NewField("Account", "Match__c", "Match", "number", ""),))
    found = of(NAME, row("match.score", "Match__c"), crm=crm)
    assert "Create the missing fields" in checks.errors(found)[0].fix


def test_a_missing_key_field_is_noted() -> None:
    crm = replace(CRM, key_fields={"Account": "Sync_Id__c"})
    assert any("holds our key" in each.message for each in of(NAME, crm=crm))
