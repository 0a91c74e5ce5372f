"""What both CRM adapters promise, held by one set of cases against both pretend CRMs over real HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from django.test import override_settings

from crm.contract import NewField, Related, Value, Wanted
from crm.hubspot import defaults as hubspot_defaults
from crm.models import KINDS
from crm.salesforce import defaults as salesforce_defaults
from integrations.errors import CursorExpired
from tests.crm.worlds import World, opened


@pytest.fixture(params=["salesforce", "hubspot"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with opened(request.param) as world:
        yield world


@pytest.fixture
def keyed(world: World) -> World:
    """The same with the fields of ours."""
    made = world.adapter.create_fields(world.link, new_fields(world))
    assert [one.error for one in made if not one.is_created] == []
    return world


def new_fields(world: World) -> list[NewField]:
    return list({"salesforce": salesforce_defaults, "hubspot": hubspot_defaults}[world.slug].NEW_FIELDS)


def nothing_comes_twice(world: World, wanted: Wanted) -> bool:
    """Whether what the overlap brings once more has passed after one round."""
    world.advance(3600)
    _, cursor = world.everything(wanted)
    world.advance(3600)
    return world.everything(replace(wanted, cursor=cursor))[0] == []


def test_each_kind_has_an_object_with_fields(world: World) -> None:
    for kind in KINDS:
        fields = {one.name: one for one in world.adapter.fields(world.link, world.adapter.objects[kind])}
        assert len(fields) > 3
        assert any(one.is_updateable for one in fields.values())
        assert all(one.label and one.type for one in fields.values())


def test_field_lists_say_what_may_be_written(world: World) -> None:
    people = {one.name: one for one in world.adapter.fields(world.link, world.adapter.objects["person"])}
    assert people[world.fields["email"]].type == "email"
    assert people[world.fields["email"]].is_updateable
    stamps = {"SystemModstamp", "lastmodifieddate"} & people.keys()
    assert not any(people[name].is_updateable for name in stamps)


def test_a_first_load_brings_everything_once_and_then_changes_come_alone(world: World) -> None:
    ids = {world.create("person", last=f"Person {number}", email=f"p{number}@lp.example") for number in range(230)}
    wanted = world.wanted("person", "last", "email")
    found, cursor = world.everything(wanted, is_first=True)
    assert {one.external_id for one in found} == ids
    assert len(found) == len(ids)
    world.advance(3600)
    chosen = sorted(ids)[0]
    world.update("person", chosen, last="Renamed")
    changed, later = world.everything(replace(wanted, cursor=cursor))
    assert [one.values[world.fields["last"]] for one in changed if one.external_id == chosen] == ["Renamed"]
    assert nothing_comes_twice(world, replace(wanted, cursor=later))


def test_what_is_deleted_comes_as_deleted(world: World) -> None:
    record_id = world.create("person", last="Gone", email="gone@lp.example")
    wanted = world.wanted("person", "last")
    _, cursor = world.everything(wanted, is_first=True)
    world.advance(7200)
    world.delete("person", record_id)
    world.advance(7200)
    changed, _ = world.everything(replace(wanted, cursor=cursor))
    assert [(one.external_id, one.is_deleted) for one in changed] == [(record_id, True)]


def test_of_merged_records_the_survivor_is_known_by_all_names(world: World) -> None:
    winner = world.create("person", last="Winner", email="winner@lp.example")
    loser = world.create("person", last="Loser", email="loser@lp.example")
    wanted = world.wanted("person", "last")
    _, cursor = world.everything(wanted, is_first=True)
    world.advance(7200)
    world.merge("person", winner, loser)
    world.advance(7200)
    changed, _ = world.everything(replace(wanted, cursor=cursor))
    survivors = [one for one in changed if not one.is_deleted]
    assert len(survivors) == 1
    names = {survivors[0].external_id, *survivors[0].aliases}
    names |= {one.external_id for one in changed if one.merged_into == survivors[0].external_id}
    assert {winner, loser} <= names
    asked = world.adapter.read(world.link, wanted, [loser])
    assert asked.missing == ()


def test_reading_by_id_tells_what_is_there_deleted_and_missing(world: World) -> None:
    there = world.create("person", last="There")
    deleted = world.create("person", last="Deleted")
    world.delete("person", deleted)
    unknown = {"salesforce": "003000000000999AAA", "hubspot": "999999999"}[world.slug]
    batch = world.adapter.read(world.link, world.wanted("person", "last"), [there, deleted, unknown])
    assert {one.external_id: one.is_deleted for one in batch.records} == {there: False, deleted: True}
    assert batch.missing == (unknown,)


def test_a_person_says_which_firm_it_belongs_to(world: World) -> None:
    firm = world.create("organization", name="LP One")
    person = world.create("person", parent=firm, last="Lee")
    wanted = world.wanted("person", "last")
    found, _ = world.everything(wanted, is_first=True)
    assert found[0].related == (Related("organization", firm),)
    assert world.adapter.read(world.link, wanted, [person]).records[0].related == (Related("organization", firm),)


def test_our_fields_can_be_created_and_twice_does_no_harm(world: World) -> None:
    for _ in range(2):
        made = world.adapter.create_fields(world.link, new_fields(world))
        assert [one.error for one in made if not one.is_created] == []
    for kind, object in world.adapter.objects.items():
        names = {one.name: one for one in world.adapter.fields(world.link, object)}
        if key := world.adapter.key_fields.get(object):
            assert names[key].is_external_key, kind
            assert names[key].is_updateable, kind


def test_writing_changes_what_is_named_and_nothing_else(world: World) -> None:
    ids = [world.create("person", last=f"Lee {number}", first="Lena") for number in range(3)]
    changes = [replace(world.change("person", title=f"CIO {one}"), external_id=one) for one in ids]
    written = world.adapter.write(world.link, changes)
    assert [one.error for one in written] == [None] * 3
    assert {one.key: one.external_id for one in written} == {one.key: one.external_id for one in changes}
    for record_id in ids:
        held = world.held("person", record_id)
        assert (held[world.fields["title"]], held[world.fields["first"]]) == (f"CIO {record_id}", "Lena")
    cleared = world.adapter.write(world.link, [replace(world.change("person", title=None), external_id=ids[0])])
    assert cleared[0].error is None
    assert not world.held("person", ids[0]).get(world.fields["title"])


def test_one_bad_record_stops_no_other(world: World) -> None:
    ids = [world.create("person", last=f"Lee {number}") for number in range(7)]
    bad = {"salesforce": {"title": "x" * 500}, "hubspot": {"email": "no address"}}[world.slug]
    values = [{"title": "CIO"}] * 3 + [bad] + [{"title": "CIO"}] * 3
    changes = [
        replace(world.change("person", **one), external_id=record_id)
        for one, record_id in zip(values, ids, strict=True)
    ]
    written = {one.key: one for one in world.adapter.write(world.link, changes)}
    assert [written[one.key].error is None for one in changes] == [True] * 3 + [False] + [True] * 3
    error = written[changes[3].key].error
    assert error is not None
    assert error.cause in {"too_long", "bad_value"}
    assert error.message
    assert not error.is_temporary


def test_a_creation_sent_twice_makes_one_record(keyed: World) -> None:
    world = keyed
    firm = world.create("organization", name="LP One")
    wanted = replace(
        world.change("person", last="Lee", email="lee@lp.example"), related=(Related("organization", firm),)
    )
    first = world.adapter.write(world.link, [wanted])[0]
    assert first.error is None
    assert first.is_created
    second = world.adapter.write(world.link, [wanted])[0]
    assert (second.external_id, second.is_created, second.error) == (first.external_id, False, None)
    assert world.count("person") == 1
    batch = world.adapter.read(world.link, world.wanted("person", "last"), [first.external_id])
    assert batch.records[0].related == (Related("organization", firm),)


@pytest.mark.parametrize("kind", ["organization", "person", "task", "note"])
def test_a_creation_whose_reply_was_lost_is_found(keyed: World, kind: str) -> None:
    world = keyed
    firm = world.create("organization", name="LP One")
    person = world.create("person", parent=firm, last="Lee")
    values = {"organization": {"name": "LP Two"}, "person": {"last": "Moe"}, "task": {"subject": "Call"}}
    related = () if kind in {"organization"} else (Related("person", person),) if kind != "person" else ()
    made = replace(world.change(kind, **values.get(kind, {"text": "Hello\nthere"})), related=related)
    made = replace(made, values={**made.values, **needed(world, kind)})
    lost = replace(made, key=str(uuid4()))
    written = world.adapter.write(world.link, [made])[0]
    assert written.error is None
    found = world.adapter.recover(world.link, made.object, [made, lost])
    assert [(one.key, one.external_id) for one in found] == [(made.key, written.external_id)]


def needed(world: World, kind: str) -> dict[str, Value]:
    """What a new record must have beside what the tests speak of."""
    if world.slug == "hubspot" and kind in {"task", "note"}:
        return {"hs_timestamp": "2026-11-20T10:00:00Z"}
    return {"Title": "Hello"} if world.slug == "salesforce" and kind == "note" else {}


def test_our_mark_is_no_part_of_the_text(world: World) -> None:
    firm = world.create("organization", name="LP One")
    made = replace(world.change("note", text="Keep in touch"), related=(Related("organization", firm),))
    made = replace(made, values={**made.values, **needed(world, "note")})
    written = world.adapter.write(world.link, [made])[0]
    assert written.error is None
    read = world.adapter.read(world.link, world.wanted("note", "text"), [written.external_id]).records[0]
    assert read.values[world.fields["text"]] == "Keep in touch"
    assert read.related == (Related("organization", firm),)


def test_a_creation_without_our_key_says_so(world: World) -> None:
    written = world.adapter.write(world.link, [world.change("person", last="Lee"), world.change("person", last="Moe")])
    assert [one.error.cause if one.error else "" for one in written] == ["missing_key_field"] * 2
    assert world.count("person") == 0


def test_a_write_to_what_was_deleted_says_so(world: World) -> None:
    record_id = world.create("person", last="Lee")
    world.delete("person", record_id)
    written = world.adapter.write(world.link, [replace(world.change("person", title="CIO"), external_id=record_id)])
    assert written[0].error is not None
    assert written[0].error.cause == "gone"


def test_many_changes_go_in_few_calls(keyed: World) -> None:
    world = keyed
    ids = [world.create("person", last=f"Lee {number}") for number in range(250)]
    changes = [replace(world.change("person", title="CIO"), external_id=one) for one in ids]
    world.forget_calls()
    written = world.adapter.write_many(world.link, changes)
    assert {one.key for one in written if not one.error} == {one.key for one in changes}
    assert sum(world.calls().values()) <= 8
    assert world.held("person", ids[-1])[world.fields["title"]] == "CIO"


def test_a_cursor_that_is_not_ours_asks_for_a_full_round(world: World) -> None:
    with pytest.raises(CursorExpired):
        world.adapter.changes(world.link, world.wanted("person", "last", cursor="2026-01-01"))


def test_answers_tell_what_was_used(world: World) -> None:
    seen = []
    world.link.http.hooks["response"].append(lambda response, **_: seen.append(world.adapter.usage(response)))
    world.adapter.fields(world.link, world.adapter.objects["person"])
    assert seen[0][0].used >= 1
    assert seen[0][0].limit > 1


def test_a_record_has_a_page_in_the_crm(world: World) -> None:
    address = world.adapter.record_url(world.link.details, world.link.account_id, world.adapter.objects["person"], "7")
    assert address.startswith("https://")
    assert address.endswith("7")


@pytest.mark.parametrize("generation", ["2026-09", "v3"])
def test_both_generations_of_addresses_work(generation: str) -> None:
    with override_settings(HUBSPOT_API_GENERATION=generation), opened("hubspot") as world:
        firm = world.create("organization", name="LP One")
        world.create("person", parent=firm, last="Lee")
        found, cursor = world.everything(world.wanted("person", "last"), is_first=True)
        assert found[0].related == (Related("organization", firm),)
        assert nothing_comes_twice(world, world.wanted("person", "last", cursor=cursor))
