"""The standard mapping against each pretend CRM's own fields, over real HTTP: sound as soon as ours are created."""

from collections.abc import Iterator

import pytest

from crm import checks, defaults, suggestions
from crm.checks import Crm
from tests.crm.worlds import World, opened


@pytest.fixture(params=["salesforce", "hubspot"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with opened(request.param) as world:
        yield world


def crm_of(world: World) -> Crm:
    adapter = world.adapter
    objects = sorted(set(adapter.objects.values()))
    schema = {one: {field.name: field for field in adapter.fields(world.link, one)} for one in objects}
    return Crm(schema, adapter.objects, adapter.key_fields, defaults.of(world.slug).new_fields)


def test_the_standard_mapping_has_no_problem_once_our_fields_are_there(world: World) -> None:
    standard = defaults.of(world.slug)
    before = checks.errors(checks.problems(standard.rows, crm_of(world)))
    assert {each.field for each in before} <= {"crm_field"}
    assert all("Create the missing fields" in each.fix for each in before), before
    assert len(before) == 3
    world.adapter.create_fields(world.link, standard.new_fields)
    found = checks.problems(standard.rows, crm_of(world))
    assert checks.errors(found) == []
    assert [each.message for each in found if "never changed after" not in each.message] == []


def test_most_of_it_is_suggested_by_name_alone(world: World) -> None:
    standard = {row.lpxgp_field: row for row in defaults.of(world.slug).rows}
    found = {each.ours.name: each.row for each in suggestions.missing([], crm_of(world))}
    same = [name for name in standard if name in found and found[name].crm_field == standard[name].crm_field]
    assert len(same) >= len(standard) * 0.6, sorted(set(standard) - set(same))
