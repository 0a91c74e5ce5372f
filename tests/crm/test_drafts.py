"""Drafts and versions: nothing counts before it is published, nothing is overwritten unseen, nothing is lost."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm import checks, drafts, portable
from crm.catalogue import OURS
from crm.mapping import Row
from crm.models import ConflictRule, Direction, FieldMapping, MappingVersion, WriteMode
from crm.portable import ImportRefused
from relationships.models import User
from tests.crm.mapping_scene import STANDARD, Scene, scene

__all__ = ["scene"]

WHEN = datetime(2026, 11, 23, tzinfo=UTC)


def test_a_new_link_has_a_published_mapping_and_gets_it_once(scene: Scene) -> None:
    drafts.ensure(scene.integration)
    [version] = MappingVersion.unscoped.filter(state="published")
    assert (version.number, version.note, version.author) == (1, drafts.STANDARD, None)
    assert drafts.rows_of(version) == list(STANDARD)
    assert FieldMapping.unscoped.count() == len(STANDARD)


def test_a_draft_begins_as_what_is_published_with_the_first_change(scene: Scene) -> None:
    assert scene.rows == list(STANDARD)
    assert drafts.find_draft(scene.company, "salesforce") is None
    begun = scene.save(*STANDARD[:2])
    assert scene.draft.pk == begun.pk
    assert scene.rows == list(STANDARD[:2])
    MappingVersion.unscoped.all().delete()
    assert scene.rows == list(STANDARD)
    assert scene.save(*STANDARD[:1]).rows == [STANDARD[0].as_json()]


def test_of_two_who_begin_the_draft_the_second_is_told(scene: Scene, staff: User) -> None:
    mine, other = scene.draft, scene.draft
    seen = mine.changed_at
    drafts.save(other, seen, STANDARD[:1], staff)
    with pytest.raises(drafts.Stale, match="Sam Staff changed this draft"):
        drafts.save(mine, seen, STANDARD[:2], None)
    assert scene.rows == list(STANDARD[:1])
    assert MappingVersion.unscoped.filter(state="draft").count() == 1


def test_who_begins_the_draft_after_another_version_was_published_is_told(scene: Scene, staff: User) -> None:
    seen = scene.draft.changed_at
    draft = scene.save(*STANDARD[:2])
    drafts.publish(scene.integration, draft.changed_at, "Two", staff, scene.checked)
    MappingVersion.unscoped.filter(state="draft").delete()
    with pytest.raises(drafts.Stale, match="Somebody changed"):
        drafts.save(scene.draft, seen, STANDARD[:1], staff)
    assert scene.rows == list(STANDARD[:2])


def test_what_counts_already_is_not_published_again(scene: Scene, staff: User) -> None:
    with pytest.raises(drafts.Unchanged, match="as version 1"):
        drafts.publish(scene.integration, scene.draft.changed_at, "Nothing", staff, scene.checked)
    draft = scene.save(*STANDARD[:2])
    drafts.publish(scene.integration, draft.changed_at, "Two", staff, scene.checked)
    with pytest.raises(drafts.Unchanged, match="as version 2"):
        drafts.publish(scene.integration, draft.changed_at, "Pressed twice", staff, scene.checked)
    assert MappingVersion.unscoped.filter(state="published").count() == 2


def test_lines_are_added_changed_and_removed(scene: Scene, staff: User) -> None:
    draft = scene.draft
    added = Row("org.country", "Account", "BillingCountry")
    drafts.save_line(draft, draft.changed_at, None, added, staff)
    drafts.save_line(draft, draft.changed_at, 0, Row("org.name", "Account", "Short__c"), staff)
    drafts.save_line(draft, draft.changed_at, 1, None, staff)
    assert [row.lpxgp_field for row in scene.rows] == [
        "org.name",
        *[row.lpxgp_field for row in STANDARD[2:]],
        "org.country",
    ]
    assert scene.rows[0].crm_field == "Short__c"
    assert scene.draft.author == staff
    with pytest.raises(IndexError):
        drafts.save_line(draft, draft.changed_at, 99, None, staff)


def test_the_second_of_two_savers_is_told_who_was_quicker(scene: Scene, staff: User) -> None:
    mine, other = scene.draft, scene.draft
    drafts.save(other, other.changed_at, STANDARD[:1], staff)
    with pytest.raises(drafts.Stale, match="Sam Staff changed this draft") as caught:
        drafts.save(mine, mine.changed_at, STANDARD[:2], None)
    assert drafts.rows_of(caught.value.draft) == list(STANDARD[:1])
    with pytest.raises(drafts.Stale):
        drafts.publish(scene.integration, mine.changed_at, "", staff, scene.checked)


def test_publishing_replaces_every_line_and_keeps_the_age_of_those_that_stay(scene: Scene, staff: User) -> None:
    begun = FieldMapping.unscoped.get(lpxgp_field="org.name").created_at
    draft = scene.save(*STANDARD[:2], Row("org.country", "Account", "BillingCountry", "from_crm"))
    made = drafts.publish(scene.integration, draft.changed_at, "Countries", staff, scene.checked)
    lines = {line.lpxgp_field: line for line in FieldMapping.unscoped.all()}
    assert set(lines) == {"org.name", "org.city", "org.country"}
    assert {line.version for line in lines.values()} == {made.number} == {2}
    assert lines["org.name"].created_at == begun
    assert lines["org.country"].created_at > begun


def test_errors_keep_a_draft_from_being_published(scene: Scene, staff: User) -> None:
    draft = scene.save(Row("org.name", "Account", "Formula__c"))
    with pytest.raises(drafts.Blocked, match="1 error must") as caught:
        drafts.publish(scene.integration, draft.changed_at, "", staff, scene.checked)
    assert caught.value.errors == checks.errors(checks.problems(scene.rows, scene.checked))
    assert FieldMapping.unscoped.count() == len(STANDARD)


def test_an_old_version_comes_back_into_the_draft_alone(scene: Scene, staff: User) -> None:
    draft = scene.save(STANDARD[0])
    drafts.publish(scene.integration, draft.changed_at, "One", staff, scene.checked)
    first = drafts.versions_of(scene.company.pk, "salesforce").get(number=1)
    drafts.restore(first, scene.draft, scene.draft.changed_at, staff)
    assert scene.rows == list(STANDARD)
    assert FieldMapping.unscoped.count() == 1


def test_versions_of_another_company_are_its_own(scene: Scene, zenith: Any) -> None:
    assert drafts.latest(zenith, "salesforce") is None
    assert drafts.latest(scene.company, "hubspot") is None


def test_a_difference_tells_what_changed_in_words() -> None:
    pairs = {"name": "choice_table", "options": {"pairs": [["lp", "Hot"]], "otherwise": "Cold"}}
    before = [Row("org.name", "Account", "Name"), Row("org.city", "Account", "City")]
    after = [Row("org.name", "Account", "Name", "to_crm", transform=pairs), Row("org.kind", "Account", "Rating")]
    name, kind, city = drafts.differences(before, after)
    assert list(name.parts) == [
        ("Direction", "Both ways", "From us to the CRM"),
        ("Transform", "None", "Table of choices (lp = Hot; Any other value of ours becomes: Cold)"),
    ]
    assert (kind.before, city.after) == (None, None)
    assert drafts.differences(before, before) == []


ROWS = st.builds(
    Row,
    lpxgp_field=st.sampled_from(sorted(OURS)),
    crm_object=st.text(st.characters(categories=["L", "N", "Zs"]), max_size=20),
    crm_field=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    sync_direction=st.sampled_from(Direction.values),
    conflict_rule=st.sampled_from(ConflictRule.values),
    write_mode=st.sampled_from(WriteMode.values),
    transform=st.sampled_from(
        [{}, {"name": "shorten", "options": {}}, {"name": "round", "options": {"digits": "2"}},
         {"name": "choice_table", "options": {"pairs": [["lp", "“Ä” & <b>"]], "otherwise": "x"}}]
    ),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(ROWS, max_size=12, unique_by=lambda row: row.lpxgp_field))
def test_what_goes_out_comes_in_as_it_was(rows: list[Row]) -> None:
    text = portable.export_json("salesforce", rows, "Acme", WHEN)
    assert portable.import_json(text.encode(), "salesforce") == rows


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_file_is_refused_with_reasons(content: bytes) -> None:
    with pytest.raises(ImportRefused) as caught:
        portable.import_json(content, "salesforce")
    assert caught.value.reasons


@given(JSON, st.sampled_from(["lines", "provider", "schema", "line", "transform", "crm_field", "options"]))
def test_a_damaged_file_is_refused_or_means_the_same(value: Any, place: str) -> None:
    told = json.loads(portable.export_json("salesforce", STANDARD, "Acme", WHEN))
    if place in told:
        told[place] = value
    elif place == "line":
        told["lines"][0] = value
    elif place == "options":
        told["lines"][0]["transform"] = {"name": "choice_table", "options": value}
    else:
        told["lines"][0][place] = value
    try:
        rows = portable.import_json(json.dumps(told).encode(), "salesforce")
    except ImportRefused as error:
        assert error.reasons  # noqa: PT017
    else:
        assert portable.import_json(portable.export_json("salesforce", rows, "", WHEN).encode(), "salesforce") == rows


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"provider": "hubspot"}, "for another CRM: “hubspot”"),
        ({"schema": 2}, "schema version 2"),
        ({"schema": True}, "schema version True"),
        ({"format": "other"}, "no field mapping exported from here"),
        ({"lines": {}}, "no list of lines"),
        ({"lines": [{}] * 201}, "more than 200 lines"),
        ({"lines": [1]}, "Line 1: it is no object"),
        ({"lines": [STANDARD[0].as_json() | {"extra": 1}]}, "“extra” is not known"),
        ({"lines": [STANDARD[0].as_json() | {"crm_field": "a\0b"}]}, "crm_field is no short text"),
        ({"lines": [STANDARD[0].as_json() | {"crm_field": "\ud800"}]}, "crm_field is no short text"),
        ({"lines": [STANDARD[0].as_json() | {"sync_direction": "up"}]}, "sync_direction: “up” is not known"),
        ({"lines": [STANDARD[0].as_json() | {"lpxgp_field": "org.x"}]}, "we have no field “org.x”"),
        ({"lines": [STANDARD[0].as_json() | {"transform": {"name": "magic"}}]}, "no transform “magic”"),
        ({"lines": [STANDARD[0].as_json()] * 2}, "maps org.name more than once"),
        ({"provider": "\ud800"}, "for another CRM: “\\?”"),
        ({"lines": [STANDARD[0].as_json() | {"\ud800": 1}]}, "“\\?” is not known"),
        ({"lines": [STANDARD[0].as_json() | {"transform": {"name": "\ud800"}}]}, "no transform “\\?”"),
    ],
)
def test_a_file_says_what_is_wrong_with_it(change: dict[str, Any], words: str) -> None:
    told = json.loads(portable.export_json("salesforce", STANDARD, "Acme", WHEN)) | change
    with pytest.raises(ImportRefused, match=words):
        portable.import_json(json.dumps(told).encode(), "salesforce")


def test_a_file_that_is_too_large_is_not_read() -> None:
    with pytest.raises(ImportRefused, match="larger than 256 kB"):
        portable.import_json(b" " * (portable.MOST_BYTES + 1), "salesforce")
