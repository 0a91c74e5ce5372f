"""HubSpot's adapter writing: what is refused, in which words, and what is found again, over real HTTP."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings

from crm.contract import Change, Related, Value, Written
from crm.hubspot import defaults, writing
from integrations import outbound, providers
from integrations.errors import Temporary, TokenRefused
from tests.crm.worlds import World, opened
from tests.sandbox.hubspot_app import SCOPES

DUE: Mapping[str, Value] = {"hs_timestamp": "2026-11-20T10:00:00Z"}


@pytest.fixture(params=["2026-09"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with override_settings(HUBSPOT_API_GENERATION=request.param), opened("hubspot") as world:
        world.desk.control("limits", max=100_000, search=100_000)
        made = world.adapter.create_fields(world.link, defaults.NEW_FIELDS)
        assert all(one.is_created for one in made)
        yield world


both = pytest.mark.parametrize("world", ["2026-09", "v3"], indirect=True)


@pytest.fixture
def without_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if HubSpot knew no traces: one bad record refuses a batch."""
    traced = writing._input

    def bare(change: Change, verb: str) -> dict[str, Any]:
        return {name: value for name, value in traced(change, verb).items() if name != "objectWriteTraceId"}

    monkeypatch.setattr(writing, "_input", bare)


def people(world: World, count: int, **values: str) -> list[str]:
    """Contacts that somebody made; their ids."""
    rows = [{"properties": {"lastname": f"Person {number}"} | values} for number in range(count)]
    ids: list[str] = world.desk.control("records", type="contacts", records=rows, silent=True)["ids"]
    return ids


def note(world: World, *related: Related, text: str = "Hello") -> Change:
    """A new note."""
    made = world.change("note", text=text)
    return replace(made, values={**made.values, **DUE}, related=related)


def write(world: World, *changes: Change) -> list[Written]:
    """What came of each, in the order of the changes."""
    written = {one.key: one for one in world.adapter.write(world.link, changes)}
    assert len(written) == len(changes)
    return [written[one.key] for one in changes]


# --- batches


@both
def test_answers_belong_to_their_changes_in_whatever_order_they_come(world: World) -> None:
    made = [world.change("person", last=f"Lee {number}") for number in range(5)]
    created = write(world, *made)
    changed = [world.change("person", one.external_id, title=f"Of {one.external_id}") for one in created]
    assert [one.external_id for one in write(world, *changed)] == [one.external_id for one in created]
    for change, one in zip(made, created, strict=True):
        held = world.held("person", one.external_id)
        assert (held["lastname"], held["jobtitle"]) == (change.values["lastname"], f"Of {one.external_id}")
        assert (one.is_created, one.error, one.held["lastname"]) == (True, None, held["lastname"])


@both
def test_one_bad_record_of_many_is_told_by_itself(world: World) -> None:
    ids = people(world, 5)
    values = [{"title": "CIO"}] * 2 + [{"email": "no address"}] + [{"title": "CIO"}] * 2
    changes = [world.change("person", one, **some) for one, some in zip(ids, values, strict=True)]
    world.forget_calls()
    errors = [one.error for one in write(world, *changes)]
    assert [one and (one.cause, one.field, one.code) for one in errors] == [
        None, None, ("bad_value", "email", "INVALID_EMAIL"), None, None
    ]  # fmt: skip
    assert world.calls() == {"contacts.batch.update": 1}


@pytest.mark.usefixtures("without_traces")
@pytest.mark.parametrize("place", [0, 41, 99])
def test_the_bad_one_of_a_hundred_is_found_by_halving(world: World, place: int) -> None:
    ids = people(world, 100)
    changes = [world.change("person", one, title="CIO") for one in ids]
    changes[place] = world.change("person", ids[place], email="no address")
    world.forget_calls()
    written = write(world, *changes)
    assert [number for number, one in enumerate(written) if one.error] == [place]
    assert sum(world.calls().values()) <= 1 + 2 * math.ceil(math.log2(100))
    assert world.held("person", ids[(place + 1) % 100])["jobtitle"] == "CIO"


@pytest.mark.usefixtures("without_traces")
@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"nonsense": "x"}, "unknown_field"),
        ({"lifecyclestage": "nonsense"}, "bad_choice"),
        ({"hs_object_id": "1"}, "no_permission"),
    ],
)
def test_what_is_wrong_with_all_costs_few_calls(world: World, values: Mapping[str, Value], cause: str) -> None:
    ids = people(world, 100)
    bad = [replace(world.change("person", one), values=values) for one in ids[:70]]
    fine = [world.change("person", one, title="CIO") for one in ids[70:]]
    world.forget_calls()
    written = write(world, *bad, *fine)
    assert {one.error.cause for one in written[:70] if one.error} == {cause}
    assert [one.error for one in written][70:] == [None] * 30
    assert sum(world.calls().values()) == 2


@pytest.mark.usefixtures("without_traces")
def test_records_that_are_gone_stop_no_other(world: World) -> None:
    kept, gone = people(world, 2)
    world.delete("person", gone)
    written = write(world, *(world.change("person", one, title="CIO") for one in (gone, kept)))
    assert [one.error and one.error.cause for one in written] == ["gone", None]


# --- words

REFUSALS: dict[str, tuple[Mapping[str, Value], str, str, str]] = {
    "property": ({"nonsense": "x"}, "unknown_field", "nonsense", "does not exist"),
    "option": ({"lifecyclestage": "Boss"}, "bad_choice", "lifecyclestage", "Boss was not one of"),
    "fixed": ({"hs_object_id": "1"}, "no_permission", "hs_object_id", "read only"),
    "owner": ({"hubspot_owner_id": "1"}, "bad_choice", "hubspot_owner_id", 'Owner "1"'),
    "email": ({"email": "no address"}, "bad_value", "email", "no address is invalid"),
    "length": ({"jobtitle": "x" * 70_000}, "too_long", "jobtitle", "longer"),
}


@pytest.mark.parametrize("is_traced", [True, False])
@pytest.mark.parametrize("case", REFUSALS)
def test_each_refusal_has_its_cause_its_field_and_its_words(
    world: World, case: str, is_traced: bool, request: pytest.FixtureRequest
) -> None:
    if not is_traced:
        request.getfixturevalue("without_traces")
    values, cause, field, words = REFUSALS[case]
    error = write(world, replace(world.change("person", people(world, 1)[0]), values=values))[0].error
    assert error
    assert (error.cause, error.field, error.is_temporary) == (cause, field, False)
    assert words in error.message
    assert "{" not in error.message


@pytest.mark.parametrize("is_traced", [True, False])
def test_an_address_that_is_taken_names_its_holder(
    world: World, is_traced: bool, request: pytest.FixtureRequest
) -> None:
    if not is_traced:
        request.getfixturevalue("without_traces")
    held, other = people(world, 1, email="lee@lp.example") + people(world, 1)
    made = write(world, world.change("person", last="Lee", email="LEE@lp.example"))
    changed = write(world, world.change("person", other, email="lee@lp.example"))
    for written in (*made, *changed):
        assert written.error
        assert (written.error.cause, written.error.existing_id) == ("duplicate", held)


@pytest.mark.parametrize("without", ["contacts", "companies"])
def test_a_permission_to_write_that_was_not_granted_is_told_of_each(world: World, without: str) -> None:
    scope = f"crm.objects.{without}.write"
    token = world.desk.link(*(one for one in SCOPES if one != scope))["access_token"]
    link = replace(world.link, http=outbound.session(providers.get("hubspot"), token))
    kind = "person" if without == "contacts" else "organization"
    changes = [world.change(kind) for _ in range(3)]
    errors = [one.error for one in world.adapter.write(link, changes)]
    assert [one and one.cause for one in errors] == ["no_permission"] * 3
    assert all(one and scope in one.message for one in errors)


@pytest.mark.parametrize("is_traced", [True, False])
def test_without_the_key_property_nothing_is_created(
    world: World, is_traced: bool, request: pytest.FixtureRequest
) -> None:
    if not is_traced:
        request.getfixturevalue("without_traces")
    world.desk.control("properties/remove", name=writing.KEY)
    changes = [world.change("person", last=f"Lee {number}") for number in range(50)]
    world.forget_calls()
    assert {one.error.cause for one in write(world, *changes) if one.error} == {"missing_key_field"}
    assert sum(world.calls().values()) == 1
    assert (world.count("person"), world.adapter.recover(world.link, "contacts", changes)) == (0, ())


@pytest.mark.parametrize(("status", "least"), [(423, 2), (477, 600), (502, 0), (524, 0)])
def test_trouble_in_a_write_is_waited_out(world: World, status: int, least: float) -> None:
    change = world.change("person", last="Lee")
    world.desk.control("troubles", operation="hubspot.contacts.batch.upsert", status=status)
    with pytest.raises(Temporary) as caught:
        world.adapter.write(world.link, [change])
    assert (caught.value.retry_after or 0) >= least
    assert write(world, change)[0].is_created
    world.desk.control("expire_access_tokens")
    with pytest.raises(TokenRefused):
        world.adapter.write(world.link, [change])


# --- relations


@both
def test_a_relation_that_fails_keeps_what_was_written(world: World) -> None:
    firm = world.create("organization", name="LP One")
    changes = [
        replace(world.change("person", last=f"Lee {one}"), related=(Related("organization", one),))
        for one in (firm, "999999999", firm)
    ]
    written = write(world, *changes)
    assert [one.error and (one.error.cause, one.error.is_temporary) for one in written] == [
        None, ("parent_missing", True), None
    ]  # fmt: skip
    assert all(one.external_id and one.is_created for one in written)
    batch = world.adapter.read(world.link, world.wanted("person"), [one.external_id for one in written])
    related = {one.external_id: one.related for one in batch.records}
    assert [len(related[one.external_id]) for one in written] == [1, 0, 1]


def test_relations_that_are_refused_as_a_whole_are_halved(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    firm = world.create("organization", name="LP One")
    ids = people(world, 20)
    changes = [replace(world.change("person", one), related=(Related("organization", firm),)) for one in ids]
    right, bad = writing._association, changes[7]
    kinds = iter(
        [right("contacts", one.related[0]) | ({"associationTypeId": 77} if one is bad else {}) for one in changes]
    )
    monkeypatch.setattr(writing, "_association", lambda object, related: next(kinds))
    written = write(world, *changes)
    assert [number for number, one in enumerate(written) if one.error] == [7]


def test_a_contact_has_one_primary_company_and_it_comes_first(world: World) -> None:
    first, second = (world.create("organization", name=name) for name in ("LP One", "LP Two"))
    made = write(world, replace(world.change("person", last="Lee"), related=(Related("organization", first),)))[0]
    write(world, replace(world.change("person", made.external_id), related=(Related("organization", second),)))
    read = world.adapter.read(world.link, world.wanted("person"), [made.external_id]).records[0]
    assert [one.external_id for one in read.related] == [second, first]
    listed, _ = world.everything(world.wanted("person"), is_first=True)
    assert listed[0].related == read.related


# --- lost replies


@pytest.mark.parametrize("kind", ["html_200", "malformed_json", "half_page"])
def test_a_write_whose_answer_is_none_is_found_again(world: World, kind: str) -> None:
    changes = [world.change("person", last=f"Lee {number}") for number in range(3)]
    world.spoil("contacts.batch.upsert", kind)
    with pytest.raises(Temporary):
        world.adapter.write(world.link, changes)
    found = {one.key: one.external_id for one in world.adapter.recover(world.link, "contacts", changes)}
    assert len(found) == world.count("person")
    assert [found.get(one.key, one.key) for one in changes] == [
        one.external_id if change.key in found else change.key
        for change, one in zip(changes, write(world, *changes), strict=True)
    ]
    assert world.count("person") == 3


@both
def test_lost_notes_are_found_among_hundreds_by_few_calls(world: World) -> None:
    person, other = people(world, 2)
    rows = [{"properties": {**DUE, "hs_note_body": f"Note {number}"}, "contacts": [person]} for number in range(450)]
    world.desk.control("records", type="notes", records=rows, silent=True)
    made = [note(world, Related("person", one), text=f"Ours {one}") for one in (person, other, person)]
    ids = [one.external_id for one in write(world, *made)]
    world.forget_calls()
    found = {one.key: one.external_id for one in world.adapter.recover(world.link, "notes", made)}
    assert [found[one.key] for one in made] == ids
    assert sum(world.calls().values()) == 2
    lost = note(world, Related("person", person))
    world.forget_calls()
    assert len(world.adapter.recover(world.link, "notes", [*made, lost])) == 3
    assert sum(world.calls().values()) <= 1 + 5 + 3


def test_lost_notes_of_many_people_cost_no_call_each(world: World) -> None:
    made = [note(world, Related("person", one)) for one in people(world, 60)]
    write(world, *made)
    world.forget_calls()
    assert len(world.adapter.recover(world.link, "notes", made)) == 60
    assert sum(world.calls().values()) == 2


def mail(world: World, *related: Related, at: str = "2026-11-20T10:00:00Z", subject: str = "Terms") -> Change:
    """A new mail, planned now. Its text, and our mark in it, is not shown to us."""
    values = {"hs_timestamp": at, "hs_email_subject": subject, "hs_email_direction": "EMAIL"}
    return replace(world.change("email"), values=values, related=related)


def found_mails(world: World, *changes: Change) -> dict[str, str]:
    return {one.key: one.external_id for one in world.adapter.recover(world.link, "emails", changes)}


def test_lost_mails_of_one_time_and_subject_are_told_apart_by_whom_they_belong_to(world: World) -> None:
    one, other = (Related("person", each) for each in people(world, 2))
    made = [mail(world, one), mail(world, other), mail(world, one, other), mail(world, one, subject="Others")]
    ids = [each.external_id for each in write(world, *made)]
    lost = mail(world, other)
    found = found_mails(world, *reversed(made), lost)
    assert lost.key not in found
    assert (found[made[1].key], found[made[3].key]) == (ids[1], ids[3])
    # The two that begin with the same person are alike in all that we may see: each is one of them, none is lost.
    assert {found[made[0].key], found[made[2].key]} == {ids[0], ids[2]}


def test_lost_mails_that_are_alike_in_everything_are_each_found_once(world: World) -> None:
    person = Related("person", people(world, 1)[0])
    made = [mail(world, person) for _ in range(3)]
    ids = {each.external_id for each in write(world, *made[:2])}
    found = found_mails(world, *made)
    assert set(found.values()) == ids
    assert len(found) == 2


def test_a_mail_that_somebody_else_logged_is_not_taken_for_ours(world: World) -> None:
    person = people(world, 1)[0]
    row = {"hs_timestamp": "2026-11-20T10:00:00Z", "hs_email_subject": "Terms", "hs_email_direction": "EMAIL"}
    world.desk.control("records", type="emails", records=[{"properties": row, "contacts": [person]}], silent=True)
    assert found_mails(world, mail(world, Related("person", person))) == {}


def test_a_mail_of_an_earlier_link_is_found_however_old_it_is(world: World) -> None:
    made = mail(world, Related("person", people(world, 1)[0]))
    written = write(world, made)[0]
    world.advance(90 * 86_400)
    again = replace(made, key=mail(world).key, planned_at=None)
    assert found_mails(world, again) == {again.key: written.external_id}


def test_where_our_app_is_not_known_a_lost_mail_is_one_made_just_now(world: World) -> None:
    made = mail(world, Related("person", people(world, 1)[0]))
    written = write(world, made)[0]
    nameless = replace(world.link, details={})
    assert [one.external_id for one in world.adapter.recover(nameless, "emails", [made])] == [written.external_id]
    for planned_at in (datetime.now(UTC) + timedelta(hours=1), None):
        change = replace(made, planned_at=planned_at)
        assert world.adapter.recover(nameless, "emails", [change]) == ()


def test_what_belongs_to_nothing_is_found_by_search(world: World) -> None:
    task = world.change("task", subject="Call", body="Soon")
    made = replace(task, values={**task.values, **DUE})
    lost = replace(made, key=note(world).key)
    written = write(world, made)[0]
    found = world.adapter.recover(world.link, "tasks", [made, lost])
    assert [(one.key, one.external_id) for one in found] == [(made.key, written.external_id)]
