"""Salesforce's adapter writing: what is refused, in which words, and what is found again, over real HTTP."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from crm.contract import Link, NewField, Related, Value, Written
from crm.salesforce import bulk, defaults, writing
from integrations import outbound, providers
from integrations.errors import Temporary
from tests.crm.worlds import World, opened
from tests.sandbox.salesforce import BEN, recorded

ODD = 'Ash, "Anna"; ü\ttab'
TEXT = 'One, two\r\nthree "four"\n\nfive'


@pytest.fixture
def world() -> Iterator[World]:
    with opened("salesforce") as world:
        yield world


@pytest.fixture
def keyed(world: World) -> World:
    """The same with the fields that hold our key."""
    world.desk.add_key("Account", "Contact", "Activity")
    return world


def people(world: World, count: int, **values: str) -> list[str]:
    """Contacts that somebody made; their ids."""
    rows = [{"LastName": f"Person {number}", **values} for number in range(count)]
    ids: list[str] = world.desk.create("Contact", *rows, silent=True)
    return ids


# --- writing


def test_a_locked_row_is_tried_again_and_stops_no_other(world: World) -> None:
    ids = people(world, 3)
    world.desk.order("lock_rows", times=1, ids=[ids[1]])
    changes = [world.change("person", one, title="CIO") for one in ids]
    errors = {one.external_id: one.error for one in world.adapter.write(world.link, changes)}
    error = errors[ids[1]]
    assert (errors[ids[0]], errors[ids[2]]) == (None, None)
    assert error
    assert (error.cause, error.code, error.is_temporary) == ("busy", "UNABLE_TO_LOCK_ROW", True)


def test_a_duplicate_names_the_record_in_the_way(keyed: World) -> None:
    keyed.desk.order("duplicate_rules", rules=[{"object": "Contact", "fields": ["Email"], "message": "Gibt es schon."}])
    held = people(keyed, 1, Email="lee@lp.example")[0]
    changes = [keyed.change("person", last="Lee", email=f"{name}@lp.example") for name in ("moe", "lee", "joe")]
    written = {one.key: one for one in keyed.adapter.write(keyed.link, changes)}
    assert [written[one.key].error is None for one in changes] == [True, False, True]
    error = written[changes[1].key].error
    assert error
    assert (error.cause, error.existing_id, error.message) == ("duplicate", held, "Gibt es schon.")
    assert keyed.count("person") == 3


def test_duplicates_are_asked_for_one_by_one_only_so_often(keyed: World) -> None:
    keyed.desk.order("duplicate_rules", rules=[{"object": "Contact", "fields": ["Email"]}])
    people(keyed, 1, Email="lee@lp.example")
    changes = [keyed.change("person", last=f"Lee {number}", email="lee@lp.example") for number in range(30)]
    keyed.forget_calls()
    written = keyed.adapter.write(keyed.link, changes)
    assert {one.error.cause for one in written if one.error} == {"duplicate"}
    assert len(written) == 30
    assert sum(keyed.calls().values()) == 1 + writing.ALONE


@pytest.mark.parametrize("spelling", ["duplicateResut", "duplicateResult"])
def test_a_recorded_duplicate_is_understood_in_either_spelling(spelling: str) -> None:
    body = recorded("error_duplicates_detected.json")[0]
    told = {"statusCode": body["errorCode"], "message": body["message"], spelling: body["duplicateResut"]}
    error = writing.error_of([told])
    assert (error.cause, error.existing_id) == ("duplicate", "0038M0000016Wv8QAE")
    told[spelling] = {"matchResults": [{"matchRecords": [{"record": None}, {}]}, {}]}
    assert writing.error_of([told]).existing_id == ""


def test_a_value_that_must_be_unique_names_its_holder(world: World) -> None:
    metadata = {"label": "Code", "type": "Text", "length": 20, "unique": True, "externalId": True}
    world.desk.order("fields", field="Contact.Code__c", metadata=metadata)
    held, other = people(world, 2)
    world.desk.order("records/update", id=held, fields={"Code__c": "A-1"}, silent=True)
    wanted = replace(world.change("person", other), values={"Code__c": "a-1"})
    error = world.adapter.write(world.link, [wanted])[0].error
    assert error
    assert (error.cause, error.existing_id) == ("duplicate", held)


def test_two_creations_of_one_key_at_once_are_tried_again() -> None:
    words = f"duplicate value found: {writing.KEY} duplicates value on record with id: 0038M0000016Wv8"
    error = writing.error_of([{"statusCode": "DUPLICATE_VALUE", "message": words, "fields": []}])
    assert (error.cause, error.is_temporary) == ("busy", True)


@pytest.mark.parametrize("way", ["one", "batch", "bulk"])
def test_a_key_that_several_records_carry_is_said_in_words(world: World, way: str) -> None:
    # An administrator made the field, and not unique: whoever clones a record clones our key.
    metadata = {"label": "Key", "type": "Text", "length": 64, "externalId": True}
    world.desk.order("fields", field=f"Contact.{writing.KEY}", metadata=metadata)
    change, fine = world.change("person", last="Lee"), world.change("person", last="Moe")
    people(world, 2, **{writing.KEY: change.key})
    ways = {"one": lambda link, some: [writing._alone(link, one) for one in some], "batch": writing.write}
    written = {one.key: one for one in (ways | {"bulk": bulk.write})[way](world.link, [change, fine])}
    error = written[change.key].error
    assert written[fine.key].error is None
    assert error
    assert (error.cause, error.code, error.existing_id) == ("duplicate", "DUPLICATE_EXTERNAL_ID", "")
    assert error.message
    assert world.count("person") == 3


@pytest.mark.parametrize("write", [writing.write, bulk.write])
def test_half_a_character_costs_its_own_record(keyed: World, write: Callable[..., Sequence[Written]]) -> None:
    ids = people(keyed, 3, Title="Old")
    texts_of = dict(zip(ids, ["New 😀", "New \ud83d", "New"], strict=True))
    changes = [keyed.change("person", one, title=text) for one, text in texts_of.items()]
    errors = {one.external_id: one.error for one in write(keyed.link, changes)}
    error = errors[ids[1]]
    assert (errors[ids[0]], errors[ids[2]], len(errors)) == (None, None, 3)
    assert error
    assert (error.cause, error.field, error.is_temporary) == ("bad_value", "Title", False)
    assert [keyed.held("person", one)["Title"] for one in ids] == ["New 😀", "Old", "New"]


REFUSALS = {
    "rule": ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "rule", "Title", "Kein Titel „Boss“, bitte."),
    "choice": ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad_choice", "Salutation", "Boss"),
    "length": ("STRING_TOO_LONG", "too_long", "Title", "Title"),
    "fixed": ("INVALID_FIELD_FOR_INSERT_UPDATE", "no_permission", "Title", "security settings"),
    "hidden": ("INVALID_FIELD", "unknown_field", "Title", "No such column 'Title'"),
    "row": ("INSUFFICIENT_ACCESS_OR_READONLY", "no_permission", "", "insufficient access"),
    "missing": ("REQUIRED_FIELD_MISSING", "required_missing", "LastName", "Required fields"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_each_refusal_has_its_cause_its_field_and_its_words(world: World, case: str) -> None:
    code, cause, field, words = REFUSALS[case]
    person, other = people(world, 2)
    rule = {"object": "Contact", "when": "Title = 'Boss'", "message": "Kein Titel „Boss“, bitte.", "field": "Title"}
    world.desk.order("validation_rules", rules=[rule] if case == "rule" else [])
    world.desk.order("fields", field="Contact.Salutation", picklist=["Mr.", "Ms."], restricted=True)
    access = {"fixed": {"readonly_fields": ["Contact.Title"]}, "hidden": {"hide_fields": ["Contact.Title"]}}
    world.desk.order("access", **access.get(case, {"readonly_ids": [person]} if case == "row" else {}))
    values: dict[str, dict[str, Value]] = {
        "choice": {"Salutation": "Boss"},
        "length": {"Title": "x" * 500},
        "missing": {"LastName": None},
    }
    change = replace(world.change("person", person), values=values.get(case, {"Title": "Boss"}))
    fine = replace(world.change("person", other), values={"Phone": "1"})
    refused, taken = world.adapter.write(world.link, [change, fine])
    assert taken.error is None
    assert refused.error
    assert (refused.error.code, refused.error.cause, refused.error.field) == (code, cause, field)
    assert words in refused.error.message
    assert (refused.error.is_temporary, refused.external_id) == (False, person)


@pytest.mark.parametrize("kind", ["organization", "person", "task"])
def test_without_the_key_field_nothing_is_created(world: World, kind: str) -> None:
    changes = [world.change(kind) for _ in range(3)]
    errors = [one.error for one in world.adapter.write(world.link, changes)]
    assert [(one.cause, one.field) for one in errors if one] == [("missing_key_field", writing.KEY)] * 3
    assert world.adapter.recover(world.link, changes[0].object, changes) == ()
    assert {one.error.cause for one in bulk.write(world.link, changes) if one.error} == {"missing_key_field"}


def test_a_parent_that_is_gone_is_no_record_that_is_gone(keyed: World) -> None:
    firm = keyed.create("organization", name="LP One")
    keyed.delete("organization", firm)
    changes = [
        replace(keyed.change("person", last="Lee"), related=(Related("organization", one),))
        for one in (firm, "001000000000999AAA")
    ]
    errors = [one.error for one in keyed.adapter.write(keyed.link, changes)]
    assert [one.cause for one in errors if one] == ["parent_missing"] * 2


def test_answers_belong_to_their_changes_though_they_are_sorted(keyed: World) -> None:
    firms = [keyed.create("organization", name=f"LP {number}") for number in range(3)]
    changes = [
        replace(keyed.change("person", last=f"Of {firm}"), related=(Related("organization", firm),))
        for firm in reversed(firms)
    ]
    written = {one.key: one.external_id for one in keyed.adapter.write(keyed.link, changes)}
    for change in changes:
        held = keyed.held("person", written[change.key])
        assert (held["LastName"], held["AccountId"]) == (change.values["LastName"], change.related[0].external_id)


def test_an_activity_hangs_on_the_person_and_the_firm(keyed: World) -> None:
    firm, person = keyed.create("organization", name="LP One"), people(keyed, 1)[0]
    related = (Related("organization", firm), Related("person", person))
    written = keyed.adapter.write(keyed.link, [replace(keyed.change("task", subject="Call"), related=related)])[0]
    held = keyed.desk.shown("Task", written.external_id)[0]
    assert (held["WhoId"], held["WhatId"]) == (person, firm)
    read = keyed.adapter.read(keyed.link, keyed.wanted("task", "subject"), [written.external_id]).records[0]
    assert set(read.related) == set(related)


# --- writing much


def test_a_bulk_job_tells_of_each_record_what_became_of_it(keyed: World) -> None:
    ids = people(keyed, 4, FirstName="Lena", Title="Old")
    values: list[dict[str, Value]] = [
        {"Title": ODD, "Description": TEXT},
        {"Title": "x" * 500},
        {"Title": None},
        {"FirstName": "Nora"},
    ]
    changes = [replace(keyed.change("person", one), values=some) for one, some in zip(ids, values, strict=True)]
    written = {one.external_id: one for one in bulk.write(keyed.link, changes)}
    error = written[ids[1]].error
    assert [written[one].error is None for one in ids] == [True, False, True, True]
    assert error
    assert (error.cause, error.code, error.field) == ("too_long", "STRING_TOO_LONG", "Title")
    held = [keyed.held("person", one) for one in ids]
    assert (held[0]["Title"], held[0]["Description"], held[0]["FirstName"]) == (ODD, TEXT, "Lena")
    assert (held[1]["Title"], held[2]["Title"], held[2]["FirstName"]) == ("Old", None, "Lena")
    assert (held[3]["Title"], held[3]["FirstName"]) == ("Old", "Nora")


def test_a_bulk_job_creates_by_our_key_once(keyed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LARGEST", 300)
    monkeypatch.setattr(bulk, "LOOKS", (0.0,) * 5)
    keyed.desk.order("jobs", polls=2)
    changes = [keyed.change("person", last=f"Lee {number}") for number in range(8)]
    for is_created in (True, False):
        written = bulk.write(keyed.link, changes)
        assert {one.key for one in written if one.is_created is is_created and not one.error} == {
            one.key for one in changes
        }
    assert keyed.count("person") == 8


def test_a_bulk_job_that_fails_says_why_of_each_record(keyed: World) -> None:
    ids = people(keyed, 2)
    keyed.desk.order("access", hide_fields=["Contact.Title"])
    errors = [one.error for one in bulk.write(keyed.link, [keyed.change("person", one, title="CIO") for one in ids])]
    assert [(one.cause, one.field) for one in errors if one] == [("unknown_field", "Title")] * 2
    assert errors[0]
    assert "Field name not found" in errors[0].message


def test_a_bulk_job_without_end_is_looked_for_later(keyed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LOOKS", (0.0,) * 3)
    keyed.desk.order("jobs", polls=9)
    changes = [keyed.change("person", last="Lee")]
    with pytest.raises(Temporary, match="longer"):
        bulk.write(keyed.link, changes)
    assert [one.key for one in keyed.adapter.recover(keyed.link, "Contact", changes)] == [changes[0].key]


@pytest.mark.parametrize("kind", ["html_200", "malformed_json", "half_page"])
def test_a_write_whose_answer_is_none_is_found_again(keyed: World, kind: str) -> None:
    changes = [keyed.change("person", last=f"Lee {number}") for number in range(3)]
    keyed.spoil("collections.upsert", kind, after=0)
    with pytest.raises(Temporary):
        keyed.adapter.write(keyed.link, changes)
    found = {one.key for one in keyed.adapter.recover(keyed.link, "Contact", changes)}
    assert len(found) == keyed.count("person")
    keyed.adapter.write(keyed.link, changes)
    assert keyed.count("person") == 3


# --- our fields


def test_who_may_not_create_fields_is_told_what_it_needs(world: World) -> None:
    http = outbound.session(providers.get("salesforce"), world.desk.token(BEN)["access_token"])
    made = world.adapter.create_fields(Link(http, world.link.account_id, world.link.details), defaults.NEW_FIELDS)
    assert not any(one.is_created for one in made)
    assert all("Customize Application" in one.error for one in made)


def test_a_field_that_nobody_may_see_yet_comes_with_what_is_left_to_do(world: World) -> None:
    nobody = Link(world.link.http, world.link.account_id, {**world.link.details, "user_id": "005000000000999AAA"})
    wanted = NewField("Account", "LPxGP_Summary__c", "Summary", "long_text", "Why.")
    made = world.adapter.create_fields(nobody, [wanted])
    assert made[0].is_created
    assert "Field-Level Security" in made[0].caveat
    assert wanted.name not in {one.name for one in world.adapter.fields(world.link, "Account")}
    assert world.adapter.create_fields(world.link, [wanted])[0].is_created
    assert wanted.name in {one.name for one in world.adapter.fields(world.link, "Account")}
