"""The staff's mapping editor, page by page: what it shows, what it refuses, what it writes down."""

import json
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from crm import drafts, mapping
from crm.mapping import Row
from crm.models import FieldMapping, MappingVersion, ObjectFields, RecordLink
from integrations.errors import Temporary
from integrations.models import SyncState
from relationships.models import Company, User
from tests.crm.mapping_scene import SCORE, Scene, scene
from tests.crm.out_scene import link_crm

__all__ = ["scene"]

LINE = {
    "crm_field": SCORE,
    "sync_direction": "to_crm",
    "conflict_rule": "ours_wins",
    "write_mode": "always",
    "transform": "",
    "do": "save",
}


def post(client: Client, scene: Scene, rest: str, **data: Any) -> Any:
    return client.post(scene.address(rest), {"seen": scene.draft.changed_at.isoformat(), **data}, follow=True)


def messages(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_the_list_names_every_company_with_a_crm(as_staff: Client, scene: Scene) -> None:
    answer = as_staff.get("/admin/crm/fieldmapping/")
    assert b"Acme Partners and Salesforce" in answer.content
    assert b"Version 1" in answer.content


def test_the_list_is_searched_and_costs_the_same_for_one_company_and_for_ten(
    as_staff: Client, scene: Scene, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        drafts.ensure(link_crm(Company.objects.create(name=f"Firm {number}")))
    scene.save(*scene.rows[1:])
    with django_assert_max_num_queries(14):
        page = as_staff.get("/admin/crm/fieldmapping/").content.decode()
    assert page.count('class="card"') == 11
    assert "The draft has 1 change that is not published" in page
    page = as_staff.get("/admin/crm/fieldmapping/", {"q": "firm 3"}).content.decode()
    assert page.count('class="card"') == 1
    assert b"is called like that" in as_staff.get("/admin/crm/fieldmapping/", {"q": "nobody", "p": "x"}).content


def test_without_a_crm_the_list_says_how_one_comes(as_staff: Client) -> None:
    assert b"No company has linked a CRM yet" in as_staff.get("/admin/crm/fieldmapping/").content


def test_the_page_shows_lines_fields_and_what_is_missing(as_staff: Client, scene: Scene) -> None:
    page = as_staff.get(scene.address("change/")).content.decode()
    for words in ("Match score", SCORE, "up to 40 characters", "Not mapped", "LPxGP_Tier__c", "Refresh fields"):
        assert words in page
    assert "there is nothing to publish" in page


def test_lists_that_were_never_read_are_read_when_the_page_opens(as_staff: Client, scene: Scene) -> None:
    ObjectFields.unscoped.all().delete()
    page = as_staff.get(scene.address("change/")).content.decode()
    assert "Billing" in page
    assert scene.crm.calls["fields"] == 5


def test_a_crm_that_does_not_answer_does_not_close_the_page(
    as_staff: Client, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: Any) -> Any:
        raise Temporary("It is down.")

    ObjectFields.unscoped.all().delete()
    monkeypatch.setattr(scene.crm, "fields", fails)
    answer = as_staff.get(scene.address("change/"))
    assert answer.status_code == 200
    assert "It is down." in messages(answer)


def test_a_line_is_saved_into_the_draft_and_written_down(as_staff: Client, scene: Scene) -> None:
    answer = post(
        as_staff, scene, "line/org.kind/", **{**LINE, "crm_field": "Kind__c", "transform": "choice_table"},
        **{"pair-ours": ["lp", "gp", "other", ""], "pair-theirs": ["LP", "GP", "Other", ""]},
    )  # fmt: skip
    assert answer.redirect_chain[0][0].endswith("#org-kind")
    row = next(row for row in scene.rows if row.lpxgp_field == "org.kind")
    assert row.transform == {
        "name": "choice_table",
        "options": {"pairs": [["lp", "LP"], ["gp", "GP"], ["other", "Other"]]},
    }
    assert row.crm_object == "Account"
    assert "Kind of firm" in LogEntry.objects.get().change_message
    assert not FieldMapping.unscoped.filter(lpxgp_field="org.kind").exists()


def test_a_line_with_an_error_is_kept_and_keeps_the_draft_from_being_published(as_staff: Client, scene: Scene) -> None:
    answer = post(as_staff, scene, "line/match.score/", **{**LINE, "crm_field": "Formula__c"})
    assert "has to be corrected" in messages(answer)
    assert b"read-only" in answer.content
    answer = post(as_staff, scene, "publish/", note="Try")
    assert "Not published" in messages(answer)
    assert drafts.latest(scene.company, "salesforce").number == 1  # type: ignore[union-attr]


def test_a_line_is_checked_while_it_is_typed_and_nothing_is_saved(as_staff: Client, scene: Scene) -> None:
    before = scene.draft.rows
    data = {**LINE, "crm_field": "Score_Band__c", "sample": "82.5", "options-for": ""}
    fragment = as_staff.post(scene.address("line/match.score/check/"), {**data, "seen": "x"}).content.decode()
    assert "no whole number" in fragment
    assert "Choose the transform “Round”" in fragment
    fragment = as_staff.post(
        scene.address("line/match.score/check/"), {**data, "transform": "round", "options-for": ""}
    ).content.decode()
    assert "<samp>83</samp>" in fragment
    assert "Digits after the point" in fragment
    assert scene.draft.rows == before


def test_a_new_line_is_blamed_for_having_no_field_once_it_was_saved_so(as_staff: Client, scene: Scene) -> None:
    line, blame = scene.address("line/org.kind/"), "No field of the CRM is chosen"
    opened = as_staff.get(line).content.decode()
    assert "Kind of firm" in opened
    assert blame not in opened
    data = {**LINE, "crm_field": "", "options-for": ""}
    assert blame not in as_staff.post(f"{line}check/", {**data, "seen": "x"}).content.decode()
    assert blame in post(as_staff, scene, "line/org.kind/", **data).content.decode()
    assert blame in as_staff.get(line).content.decode()


def test_a_line_that_only_comes_in_tries_a_value_of_the_crm(as_staff: Client, scene: Scene) -> None:
    data = {**LINE, "crm_field": "Website", "sync_direction": "from_crm", "transform": "domain", "options-for": ""}
    check = scene.address("line/org.domain/check/")
    fragment = as_staff.post(check, {**data, "sample": "https://www.pension.example/x"}).content.decode()
    assert "We get <samp>pension.example</samp>" in fragment
    assert "A value of the CRM" in fragment
    assert "It cannot come here" in as_staff.post(check, {**data, "sample": "n/a"}).content.decode()


def test_fields_are_searched_by_label_and_name(as_staff: Client, scene: Scene) -> None:
    page = as_staff.get(
        scene.address("line/org.name/fields/"), {"find": "billing", "crm_field": "Name"}
    ).content.decode()
    assert "BillingCity" in page
    assert 'value="Name" checked' in page
    assert "Formula__c" not in page


def test_a_form_without_scripts_searches_too(as_staff: Client, scene: Scene) -> None:
    answer = post(as_staff, scene, "line/org.name/", **{**LINE, "crm_field": "Name", "do": "find", "find": "band"})
    assert b"Score_Band__c" in answer.content
    assert LogEntry.objects.count() == 0


def test_a_line_that_is_saved_as_it_was_begins_no_draft(as_staff: Client, scene: Scene) -> None:
    line = {**LINE, "conflict_rule": "ours_wins"}
    assert "nothing was saved" in messages(post(as_staff, scene, "line/match.score/", **line))
    assert not MappingVersion.unscoped.filter(state="draft").exists()
    assert not LogEntry.objects.exists()


def test_two_people_cannot_overwrite_each_other(as_staff: Client, scene: Scene) -> None:
    seen = scene.draft.changed_at.isoformat()
    post(as_staff, scene, "line/match.score/", **{**LINE, "crm_field": "Score_Band__c", "transform": "round"})
    late = as_staff.post(scene.address("line/match.score/"), {**LINE, "seen": seen})
    assert late.status_code == 409
    assert "Nothing was saved" in late.content.decode()
    assert "Score_Band__c" in late.content.decode()
    assert next(row for row in scene.rows if row.lpxgp_field == "match.score").crm_field == "Score_Band__c"
    for rest in ("line/match.score/remove/", "suggestions/", "publish/", "versions/1/restore/"):
        answer = as_staff.post(scene.address(rest), {"seen": seen, "note": "Late", "do": "draft"}, follow=True)
        assert "Nothing was saved" in messages(answer), rest


def test_publishing_makes_a_version_and_compares_every_record_again(
    as_staff: Client, scene: Scene, staff: User
) -> None:
    post(as_staff, scene, "line/match.score/", **{**LINE, "crm_field": "Score_Band__c", "transform": "round"})
    mark = SyncState.unscoped.get(integration=scene.integration).dirty_mark
    page = as_staff.get(scene.address("change/")).content.decode()
    assert "Publish version 2" in page
    answer = post(as_staff, scene, "publish/", note="Bands instead of scores")
    assert "Version 2 is published" in messages(answer)
    made = drafts.latest(scene.company, "salesforce")
    assert made is not None
    assert (made.number, made.note, made.author) == (2, "Bands instead of scores", staff)
    assert {row.version for row in FieldMapping.unscoped.all()} == {2}
    assert FieldMapping.unscoped.get(lpxgp_field="match.score").crm_field == "Score_Band__c"
    assert set(RecordLink.unscoped.values_list("is_due", flat=True)) == {True}
    assert SyncState.unscoped.get(integration=scene.integration).dirty_mark == mark + 1
    assert mapping.published(scene.integration).version == 2


def test_publishing_needs_a_note(as_staff: Client, scene: Scene) -> None:
    scene.save(*scene.rows[:2])
    assert "Say in a few words" in messages(post(as_staff, scene, "publish/", note=" "))
    assert MappingVersion.unscoped.filter(state="published").count() == 1


def test_publishing_checks_against_the_fields_of_this_moment(as_staff: Client, scene: Scene) -> None:
    scene.save(*scene.rows, Row("org.country", "Account", "BillingCountry", "from_crm"))
    scene.crm.fields_of["Account"] = tuple(
        field for field in scene.crm.fields_of["Account"] if field.name != "BillingCountry"
    )
    assert "Not published" in messages(post(as_staff, scene, "publish/", note="Countries"))


def test_versions_are_listed_compared_and_brought_back(as_staff: Client, scene: Scene) -> None:
    post(as_staff, scene, "line/org.city/remove/")
    post(as_staff, scene, "publish/", note="Cities are ours")
    page = as_staff.get(scene.address("versions/")).content.decode()
    assert "Cities are ours" in page
    assert "Removed City from the draft" in page
    page = as_staff.get(scene.address("versions/1/"), {"against": "published"}).content.decode()
    assert "<strong>Added:</strong> City" in page
    post(as_staff, scene, "versions/1/restore/", do="draft")
    assert "org.city" in {row.lpxgp_field for row in scene.rows}
    assert not FieldMapping.unscoped.filter(lpxgp_field="org.city").exists()
    post(as_staff, scene, "versions/1/restore/", do="publish", note="Back again")
    assert FieldMapping.unscoped.filter(lpxgp_field="org.city", version=3).exists()


def test_suggestions_are_taken_with_one_click(as_staff: Client, scene: Scene) -> None:
    page = as_staff.get(scene.address("change/")).content.decode()
    assert "Country ↔ Account.BillingCountry" in page
    post(as_staff, scene, "suggestions/", field="org.country")
    assert [row.lpxgp_field for row in scene.rows].count("org.country") == 1
    post(as_staff, scene, "suggestions/")
    assert {"person.phone", "org.kind", "org.domain"} <= {row.lpxgp_field for row in scene.rows}
    assert "Publish version 2" in as_staff.get(scene.address("change/")).content.decode()


def test_a_mapping_goes_out_as_a_file_and_comes_in_again(as_staff: Client, scene: Scene) -> None:
    answer = as_staff.get(scene.address("export/"))
    assert answer["Content-Disposition"] == 'attachment; filename="mapping-salesforce-draft.json"'
    told = json.loads(answer.content)
    assert [line["lpxgp_field"] for line in told["lines"]] == [row.lpxgp_field for row in scene.rows]
    told["lines"] = told["lines"][:2]
    file = SimpleUploadedFile("mapping.json", json.dumps(told).encode())
    assert "The draft has the file" in messages(post(as_staff, scene, "import/", file=file))
    assert len(scene.rows) == 2
    assert b"Version" not in as_staff.get(scene.address("export/"), {"version": "1"}).content[:20]


def test_a_file_that_cannot_be_used_changes_nothing(as_staff: Client, scene: Scene) -> None:
    before = scene.draft.rows
    file = SimpleUploadedFile("mapping.json", b'{"format": "lpxgp-field-mapping", "schema": 9}')
    answer = post(as_staff, scene, "import/", file=file)
    assert answer.status_code == 400
    assert "schema version 9" in answer.content.decode()
    assert scene.draft.rows == before
    assert post(as_staff, scene, "import/").status_code == 400


def test_a_record_is_tried_both_ways(as_staff: Client, scene: Scene) -> None:
    scene.save(*scene.rows, Row("match.summary", "Account", "Short__c", "to_crm"))
    page = as_staff.get(scene.address("try/"), {"kind": "organization"}).content.decode()
    assert "Pension One" in page
    assert "Zürich" in page
    assert "Every value would be taken" in page
    scene.save(*scene.rows[:2], Row("org.city", "Account", "Rating"))
    page = as_staff.get(scene.address("try/"), {"kind": "organization", "record": str(scene.firm.pk)}).content.decode()
    assert "does not take “Bern”" in page
    assert "1 value would be refused" in page
    assert scene.crm.writes == []


def test_a_dry_run_counts_and_writes_nothing(as_staff: Client, scene: Scene) -> None:
    page = post(as_staff, scene, "dry-run/", kind="organization", limit="20").content.decode()
    assert "1 tried, nothing written" in page
    assert scene.crm.writes == []
    assert as_staff.get(scene.address("dry-run/")).status_code == 400
    assert post(as_staff, scene, "dry-run/", kind="organization", limit="9999").status_code == 400


def test_missing_fields_are_created_and_found_again(as_staff: Client, scene: Scene) -> None:
    scene.crm.fields_of["Contact"] = scene.crm.fields_of["Contact"][:-1]
    post(as_staff, scene, "refresh/")
    page = as_staff.get(scene.address("create-fields/")).content.decode()
    assert "It needs a right." in page
    assert "LPxGP_Sync_Id__c" in page
    page = post(as_staff, scene, "create-fields/").content.decode()
    assert "Account.LPxGP_Tier__c is there" in page
    assert "Nothing is missing" in page
    assert "LPxGP_Tier__c" in LogEntry.objects.latest("pk").change_message


def test_looking_begins_no_draft(as_staff: Client, scene: Scene) -> None:
    for rest in PAGES:
        assert as_staff.get(scene.address(rest)).status_code == 200
    post(as_staff, scene, "line/org.name/check/", **LINE)
    post(as_staff, scene, "line/org.name/", **{**LINE, "do": "find"})
    post(as_staff, scene, "refresh/")
    post(as_staff, scene, "dry-run/", kind="organization", limit="20")
    assert "as version 1, which counts already" in messages(post(as_staff, scene, "publish/", note="Nothing"))
    assert not MappingVersion.unscoped.filter(state="draft").exists()


PAGES = ("change/", "line/org.name/", "line/org.name/fields/", "versions/", "versions/1/", "export/", "import/", "try/",
         "create-fields/")  # fmt: skip
CHANGES = ("line/org.name/", "line/org.name/check/", "line/org.name/remove/", "suggestions/", "publish/", "refresh/",
           "versions/1/restore/", "import/", "create-fields/")  # fmt: skip


@pytest.fixture
def reader(db: None) -> Client:
    """Staff who may look and not change."""
    user = User.objects.create_user("reader@lpxgp.example", "a-long-password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_fieldmapping"))
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.parametrize("rest", PAGES)
def test_who_may_view_sees_every_page_and_no_button(reader: Client, scene: Scene, rest: str) -> None:
    answer = reader.get(scene.address(rest))
    assert answer.status_code == 200
    if rest == "change/":
        assert b"Remove" not in answer.content
        assert b"Refresh fields</button>" not in answer.content


@pytest.mark.parametrize("rest", CHANGES)
def test_who_may_only_view_changes_nothing(reader: Client, scene: Scene, rest: str) -> None:
    assert post(reader, scene, rest, **LINE).status_code == 403


@pytest.mark.parametrize("rest", ["", "change/", "publish/"])
def test_the_editor_is_for_staff_with_the_permission(as_alice: Client, scene: Scene, rest: str, db: None) -> None:
    assert as_alice.get(scene.address(rest)).status_code == 404
    user = User.objects.create_user("nobody@lpxgp.example", "a-long-password", is_staff=True)
    as_alice.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert as_alice.get(scene.address("change/")).status_code == 403
    assert as_alice.get("/admin/crm/fieldmapping/").status_code == 403


@pytest.mark.parametrize(
    "rest", [rest for rest in CHANGES if rest not in {"line/org.name/", "import/", "create-fields/"}]
)
def test_changes_are_posted(as_staff: Client, scene: Scene, rest: str) -> None:
    assert as_staff.get(scene.address(rest)).status_code == 400


def test_what_is_not_there_is_404(as_staff: Client, scene: Scene) -> None:
    for rest in ("line/org.nothing/", "versions/99/", f"versions/{2**40}/", "line/x/check/"):
        assert as_staff.get(scene.address(rest)).status_code in {400, 404}
    assert as_staff.get(f"/admin/crm/fieldmapping/{uuid.uuid4()}/change/").status_code == 404
    assert as_staff.get("/admin/crm/fieldmapping/x/change/").status_code == 404
