"""Our fields, and the standard mappings: every name in them exists, and each CRM's is sound against its own fields."""

from typing import get_args

import pytest

from crm import checks, defaults, mapping, suggestions
from crm.catalogue import KIND_LABELS, OURS, of_kind
from crm.checks import Crm
from crm.contract import Field, FieldType
from crm.mapping import Row
from crm.models import KINDS
from integrations import providers

CRMS = [slug for slug in providers.slugs() if any(each.type == "crm" for each in providers.get(slug).services)]


def test_every_field_belongs_to_a_kind_and_has_words() -> None:
    assert list(KIND_LABELS) == KINDS
    for name, field in OURS.items():
        assert field.name == name
        assert field.kind in KINDS
        assert field.type in get_args(FieldType)
        assert field.label
        assert field.meaning.endswith(".")
    assert {field.name for kind in KINDS for field in of_kind(kind)} == set(OURS)


def test_every_field_can_be_suggested() -> None:
    assert set(suggestions.NAMES) == set(OURS)


@pytest.mark.parametrize("slug", CRMS)
def test_the_standard_mapping_names_what_there_is(slug: str) -> None:
    standard = defaults.of(slug)
    objects = providers.push_adapter(slug, "crm").objects  # type: ignore[attr-defined]
    assert len({row.lpxgp_field for row in standard.rows}) == len(standard.rows)
    for row in standard.rows:
        assert row.crm_object == objects[OURS[row.lpxgp_field].kind], row
        assert mapping.line(row, {}) is not None
    schema: dict[str, dict[str, Field]] = {crm_object: {} for crm_object in objects.values()}
    for row in standard.rows:
        schema[row.crm_object][row.crm_field] = plausible(row)
    found = checks.problems(standard.rows, Crm(schema, objects, {}, standard.new_fields))
    assert checks.errors(found) == []


@pytest.mark.parametrize("slug", CRMS)
def test_the_keys_of_a_crm_are_among_the_fields_it_is_asked_to_create(slug: str) -> None:
    keys = {(new.object, new.name) for new in defaults.of(slug).new_fields if new.is_key}
    assert keys == set(providers.push_adapter(slug, "crm").key_fields.items())  # type: ignore[attr-defined]
    assert "administrator" in defaults.of(slug).creating_needs or "admin" in defaults.of(slug).creating_needs


def plausible(row: Row) -> Field:
    """A field of the type that the line makes for."""
    line = mapping.line(row, {})
    assert line is not None
    made = line.transform.gives if line.transform.name not in {"", "shorten"} else line.ours.type
    return Field(row.crm_field, row.crm_field, made)
