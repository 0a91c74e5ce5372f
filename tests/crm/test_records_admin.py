"""What staff see of linked records, and the buttons they have: each page reads in a constant number of statements."""

import uuid
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import drift, echoes, policy, twins
from crm.errors import CAUSES
from crm.models import Budget, Conflict, DriftReport, Policy, RecordLink, Twin, Write
from integrations.errors import Temporary
from integrations.models import Integration, SetAside, SyncState
from relationships.models import Match, Organization, OrganizationDomain, Person, User
from tests.crm.in_scene import In
from tests.crm.out_scene import Out


def fail(out: Out, name: str, cause: str = "rule", field: str = "", **more: Any) -> RecordLink:
    firm, external_id = out.linked_firm(name)
    link = RecordLink.objects.get(row_id=firm.pk)
    values = {"error_cause": cause, "error_field": field, "error": "No.", "failed_at": timezone.now(), **more}
    for column, value in values.items():
        setattr(link, column, value)
    link.save()
    return link


def console(out: Out) -> str:
    return reverse("admin:crm_console", args=[out.integration.pk])


def records(out: Out, cause: str, field: str = "") -> str:
    return reverse("admin:crm_console_records", args=[out.integration.pk]) + f"?cause={cause}&field={field}"


def test_the_console_of_a_quiet_crm_teaches(out: Out, as_staff: Client) -> None:
    page = as_staff.get(console(out)).content.decode()
    assert "Every record was taken." in page
    assert "Nothing: all that the CRM sent was taken in." in page


def test_the_console_groups_by_cause_and_field_and_says_what_to_do(out: Out, as_staff: Client) -> None:
    for number in range(3):
        fail(out, f"Firm {number}", "required_missing", "Industry")
    fail(out, "Other", "loop", state="paused")
    SetAside.objects.create(
        company=out.company, state=SyncState.objects.get(), external_id="Contact:1", reason="It has no name."
    )
    page = as_staff.get(console(out)).content.decode()
    for words in (
        "A field that the CRM requires has no value",
        "Industry",
        "Map a field of ours to it",
        "within a few",
    ):
        assert words in page
    assert "It has no name." in page


def test_the_console_tells_the_allowance_and_what_waits(out: Out, as_staff: Client) -> None:
    Budget.objects.create(
        company=out.company, integration=out.integration, day_used=12345, day_limit=15000, day_seen_at=timezone.now(),
        our_day=timezone.now().date(), our_calls=77, waiting={"meeting": 31},
        waits_until=timezone.now() + timedelta(hours=1), waits_for="Little is left.",
    )  # fmt: skip
    page = as_staff.get(console(out)).content.decode()
    for words in ("12,345 of 15,000", "77 calls", "Little is left.", "Meetings: 31", "<strong>Waiting</strong>"):
        assert words in page
    assert "Waiting for calls" in as_staff.get(reverse("admin:crm_recordlink_changelist")).content.decode()
    Integration.objects.filter(pk=out.integration.pk).update(sync_status="paused")
    assert "<strong>Paused</strong>" in as_staff.get(console(out)).content.decode()


def test_ticked_records_are_tried_again(out: Out, as_staff: Client) -> None:
    first, second = fail(out, "First"), fail(out, "Second")
    page = as_staff.get(records(out, "rule")).content.decode()
    assert f"https://crm.example/Account/{first.external_id}" in page
    answer = as_staff.post(
        reverse("admin:crm_console_resync", args=[out.integration.pk]),
        {"cause": "rule", "field": "", "which": "ticked", "link": [str(first.pk)]},
        follow=True,
    )
    assert "Asked again for 1" in answer.content.decode()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.is_due, first.error_cause) == (True, "")
    assert (second.is_due, second.error_cause) == (False, "rule")
    assert SyncState.objects.get().dirty_mark == 2


def test_all_of_a_group_are_tried_again_and_paused_ones_resumed(out: Out, as_staff: Client) -> None:
    links = [fail(out, f"Firm {number}", "loop", state="paused") for number in range(3)]
    other = fail(out, "Other")
    address = reverse("admin:crm_console_resync", args=[out.integration.pk])
    answer = as_staff.post(address, {"cause": "loop", "field": "", "which": "all"}, follow=True)
    assert "Asked again for 3" in answer.content.decode()
    assert set(RecordLink.objects.filter(pk__in=[link.pk for link in links]).values_list("state", "is_due")) == {
        ("linked", True)
    }
    other.refresh_from_db()
    assert other.error_cause == "rule"


def test_a_form_that_names_no_id_is_refused(out: Out, as_staff: Client) -> None:
    address = reverse("admin:crm_console_resync", args=[out.integration.pk])
    assert as_staff.post(address, {"which": "ticked", "link": "x"}).status_code == 400
    assert as_staff.get(address).status_code == 400
    assert as_staff.get(reverse("admin:crm_console", args=[uuid.uuid4()])).status_code == 404


def test_a_link_tells_its_whole_story(out: Out, as_staff: Client) -> None:
    firm, external_id = out.linked_firm("Pension One", score=82)
    out.push()
    link = RecordLink.objects.get()
    Write.objects.update(echoed_at=timezone.now(), echoes=1)
    page = as_staff.get(reverse("admin:crm_recordlink_change", args=[link.pk])).content.decode()
    assert "LPxGP_Match_Score__c = 82" in page
    assert "ignored" in page
    assert reverse("admin:relationships_organization_change", args=[firm.pk]) in page
    assert as_staff.post(reverse("admin:crm_recordlink_resync", args=[link.pk])).status_code == 302
    link.refresh_from_db()
    assert link.is_due


def test_the_ledger_says_what_came_back(out: Out, as_staff: Client) -> None:
    out.linked_firm("Pension One", score=82)
    out.push()
    [write] = out.writes()
    page = as_staff.get(reverse("admin:crm_write_changelist")).content.decode()
    assert "Taken, not back yet" in page
    assert "Pension One" in page
    assert "LPxGP_Match_Score__c = 82, LPxGP_Summary__c = Fits well." in page
    RecordLink.objects.update(kind="task")
    task = as_staff.get(reverse("admin:crm_write_changelist")).content.decode()
    assert "Taken" in task
    assert "not back yet" not in task
    Write.objects.update(echoed_at=timezone.now(), echoes=2)
    assert "Taken, back 2 times" in as_staff.get(reverse("admin:crm_write_changelist")).content.decode()
    assert f'<a href="https://crm.example/Account/{write.external_id}" rel="noopener noreferrer">Account</a>' in page


def test_the_ledger_cuts_long_values_and_the_page_of_a_write_has_them_whole(out: Out, as_staff: Client) -> None:
    firm, external_id = out.linked_firm("Pension One", score=82)
    summary = "It fits well. " * 100
    Match.objects.update(summary=summary)
    out.push()
    [write] = out.writes()
    Write.objects.update(held={"LPxGP_Match_Score__c": 81})
    assert summary[:50] not in as_staff.get(reverse("admin:crm_write_changelist")).content.decode()
    page = as_staff.get(reverse("admin:crm_write_change", args=[write.pk])).content.decode()
    assert summary.strip() in page
    assert "<td>81</td>" in page
    assert echoes.outcome(write) in page
    assert reverse("admin:crm_recordlink_change", args=[write.link_id]) in page


def test_lists_name_what_is_linked_and_find_it_by_name_address_and_title(out: Out, as_staff: Client) -> None:
    firm, external_id = out.linked_firm("Pension One", score=82)
    OrganizationDomain.objects.create(company=out.company, organization=firm, domain="pension-one.example")
    RecordLink.objects.update(shadow={"Name": {"theirs": "Pension 1 AG", "ours": "Pension One"}})
    lena = out.person("Lena Alder", "lena@alder.example")
    out.link("person", lena, "C1", LastName="Alder")
    RecordLink.objects.create(
        company=out.company, integration=out.integration, kind="person", crm_object="Contact", external_id="C2",
        state="ignored", shadow={"LastName": {"theirs": "Waiting", "ours": None}},
    )  # fmt: skip
    out.push()
    page = as_staff.get(reverse("admin:crm_recordlink_changelist")).content.decode()
    for words in ("Pension One", "Pension 1 AG", "Lena Alder", "No row of ours yet", ">Waiting</a>"):
        assert words in page

    def found(name: str, asked: str) -> int:
        answer = as_staff.get(reverse(f"admin:crm_{name}_changelist"), {"q": asked})
        return answer.context["cl"].result_count

    links = {
        "pension one": 1,
        "pension-one.example": 1,
        "Lena": 1,
        "lena@alder": 1,
        "waiting": 1,
        external_id: 1,
        "nobody": 0,
    }
    assert {asked: found("recordlink", asked) for asked in links} == links
    assert [found("write", "pension one"), found("write", external_id), found("write", "lena@alder.example")] == [
        1,
        1,
        0,
    ]


def test_a_conflict_is_put_back_by_a_button(out: Out, as_staff: Client, staff: User) -> None:
    firm, external_id = out.linked_firm("Pension One")
    conflict = Conflict.objects.create(
        company=out.company, integration=out.integration, link=RecordLink.objects.get(), lpxgp_field="org.city",
        crm_field="BillingCity", ours="Zug", theirs="Bern", winner="theirs", rule="The mapping says so.",
    )  # fmt: skip
    address = reverse("admin:crm_conflict_change", args=[conflict.pk])
    assert "The mapping says so." in as_staff.get(address).content.decode()
    answer = as_staff.post(reverse("admin:crm_conflict_restore", args=[conflict.pk]), follow=True)
    assert "put back" in answer.content.decode()
    firm.refresh_from_db()
    conflict.refresh_from_db()
    assert (firm.city, conflict.restored_by) == ("Zug", staff)
    again = as_staff.post(reverse("admin:crm_conflict_restore", args=[conflict.pk]), follow=True)
    assert "put back already" in again.content.decode()


@pytest.mark.parametrize(("decision", "state", "left"), [("merge", "merged", 1), ("dismiss", "dismissed", 2)])
def test_twins_are_decided_by_a_person(out: Out, as_staff: Client, decision: str, state: str, left: int) -> None:
    first, second = out.person("Lena Alder", "lena@a.example"), out.person("L. Alder", "lena@b.example")
    twin = Twin.objects.create(
        company=out.company, integration=out.integration, kind="person", digest="d" * 64,
        ours=[str(first.pk), str(second.pk)], reason="Both have one telephone.",
    )  # fmt: skip
    page = as_staff.get(reverse("admin:crm_twin_change", args=[twin.pk])).content.decode()
    assert "lena@a.example" in page
    assert "L. Alder" in page
    as_staff.post(reverse("admin:crm_twin_decide", args=[twin.pk]), {"decision": decision})
    twin.refresh_from_db()
    assert (twin.state, Person.objects.count()) == (state, left)


def test_that_twins_are_not_the_same_can_be_taken_back(out: Out, as_staff: Client) -> None:
    first, second = out.person("Lena Alder", "lena@a.example"), out.person("L. Alder", "lena@b.example")
    twin = Twin.objects.create(
        company=out.company, integration=out.integration, kind="person", digest="d" * 64,
        ours=[str(first.pk), str(second.pk)], reason="lena@a.example is both.",
    )  # fmt: skip
    address, decide = (reverse(f"admin:crm_twin_{name}", args=[twin.pk]) for name in ("change", "decide"))
    assert "Only what was said" in as_staff.post(decide, {"decision": "reopen"}, follow=True).content.decode()
    assert 'value="reopen"' not in as_staff.get(address).content.decode()
    as_staff.post(decide, {"decision": "dismiss"})
    assert 'value="reopen"' in as_staff.get(address).content.decode()
    page = as_staff.post(decide, {"decision": "reopen"}, follow=True).content.decode()
    assert "It is to be decided again." in page
    twin.refresh_from_db()
    assert (twin.state, twin.decided_at, twin.decided_by) == ("open", None, None)
    as_staff.post(decide, {"decision": "merge"})
    assert Person.objects.get() == first
    told = LogEntry.objects.filter(object_id=str(twin.pk))
    assert (told.count(), told.filter(object_repr__contains="lena").count()) == (3, 0)


def test_twins_of_two_notes_can_be_merged_by_no_form(out: Out, as_staff: Client) -> None:
    twin = Twin.objects.create(
        company=out.company, integration=out.integration, kind="note", digest="d" * 64, theirs=["1", "2"], reason="x",
    )  # fmt: skip
    decide = reverse("admin:crm_twin_decide", args=[twin.pk])
    page = as_staff.post(decide, {"decision": "merge"}, follow=True).content.decode()
    assert "merged there, not here" in page


def test_twins_of_two_records_tell_all_that_is_known_of_both(
    out: Out, as_staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm, first = out.linked_firm("Pension One", BillingCity="Zug")
    second = out.crm.create("Account", Name="Pension 1", BillingCity="Bern")
    twin = Twin.objects.create(
        company=out.company, integration=out.integration, kind="organization", digest="d" * 64,
        theirs=[first, second], reason="Two records look like one.",
    )  # fmt: skip
    address = reverse("admin:crm_twin_change", args=[twin.pk])
    page = as_staff.get(address).content.decode()
    for words in ("Pension One", "Pension 1", "Zug", "Bern", f"https://crm.example/Account/{second}"):
        assert words in page
    assert reverse("admin:relationships_organization_change", args=[firm.pk]) in page
    monkeypatch.setattr(out.crm, "read", Mock(side_effect=Temporary("Salesforce does not answer.")))
    page = as_staff.get(address).content.decode()
    assert "Salesforce does not answer." in page
    assert "Pension One" in page
    assert "Bern" not in page


def test_the_list_of_twins_names_both_sides(coming: In, as_staff: Client) -> None:
    first = coming.crm.create("Contact", FirstName="Lena", LastName="Alder", Email="lena@alder.example")
    second = coming.crm.create("Contact", FirstName="Magdalena", LastName="Alder", Email="lena@alder.example")
    coming.pull()
    assert Twin.objects.get().theirs == [first, second]
    page = as_staff.get(reverse("admin:crm_twin_changelist")).content.decode()
    assert "Lena Alder · Magdalena Alder" in page


def test_drift_is_shown_and_mended(out: Out, as_staff: Client) -> None:
    firm, external_id = out.linked_firm("Pension One")
    RecordLink.objects.update(looked_at=timezone.now() + timedelta(minutes=1))
    out.crm.put("Account", external_id, BillingCity="Bern")
    report = drift.report(out.integration)
    page = as_staff.get(reverse("admin:crm_driftreport_change", args=[report.pk])).content.decode()
    for words in ("1 difference", "Bern", "It changed in the CRM.", "Pension One"):
        assert words in page
    answer = as_staff.post(reverse("admin:crm_drift_mend", args=[report.pk]), follow=True)
    assert "1 record is compared and written again now." in answer.content.decode()
    report.refresh_from_db()
    assert report.mended_at is not None
    assert RecordLink.objects.get().is_due


def test_a_comparison_that_was_killed_does_not_go_on_for_ever(out: Out, as_staff: Client) -> None:
    report = DriftReport.objects.create(company=out.company, integration=out.integration)
    addresses = [reverse("admin:crm_driftreport_changelist"), reverse("admin:crm_driftreport_change", args=[report.pk])]
    for page in (as_staff.get(address).content.decode().lower() for address in addresses):
        assert "still comparing" in page
        assert "interrupted" not in page
    DriftReport.objects.update(made_at=timezone.now() - timedelta(minutes=11))
    for page in (as_staff.get(address).content.decode().lower() for address in addresses):
        assert "still comparing" not in page
        assert "interrupted" in page


def test_a_policy_can_be_opened_from_its_crm_and_a_change_starts_a_sync(out: Out, as_staff: Client) -> None:
    policy.keep(out.integration)
    answer = as_staff.get(reverse("admin:crm_policy_of", args=[out.integration.pk]), follow=True)
    row = Policy.objects.get()
    assert answer.status_code == 200
    data = {"writes": "all", "creates_people": "on", "daily_share": "70", "takes_people": "on", "on_delete": "ignore"}
    assert as_staff.post(reverse("admin:crm_policy_change", args=[row.pk]), data).status_code == 302
    row.refresh_from_db()
    assert (row.creates_people, row.daily_share) == (True, 70)
    assert SyncState.objects.get().dirty_mark == 2


def test_every_crm_that_was_read_has_its_policy_in_the_list(out: Out, as_staff: Client) -> None:
    """Looking makes nothing: the first sync does."""
    early = as_staff.get(reverse("admin:crm_policy_of", args=[out.integration.pk]), follow=True).content.decode()
    assert "as soon as it was read for the first time" in early
    assert not Policy.objects.exists()
    for _ in range(2):
        policy.keep(out.integration)
    page = as_staff.get(reverse("admin:crm_policy_changelist")).content.decode()
    assert "Acme Partners and Salesforce" in page
    assert "1 CRM policy" in page
    assert Policy.objects.get().writes == Policy.Writes.ALL


def test_the_pages_of_firms_and_people_say_which_record_they_are_kept_equal_with(out: Out, as_staff: Client) -> None:
    firm = Organization.objects.get(pk=fail(out, "Pension One").row_id)
    link = RecordLink.objects.get()
    lena = out.person("Lena Alder", "lena@alder.example")
    page = as_staff.get(reverse("admin:relationships_organization_change", args=[firm.pk])).content.decode()
    for words in (
        f'Salesforce record <a href="https://crm.example/Account/{link.external_id}"',
        "not compared yet",
        CAUSES["rule"].title,
        reverse("admin:crm_recordlink_change", args=[link.pk]),
    ):
        assert words in page
    page = as_staff.get(reverse("admin:relationships_person_change", args=[lena.pk])).content.decode()
    assert "No record of a CRM" in page
    for name in ("organization", "person"):
        assert "In step with" not in as_staff.get(reverse(f"admin:relationships_{name}_add")).content.decode()
        assert as_staff.get(reverse(f"admin:relationships_{name}_changelist")).status_code == 200


def addresses(out: Out) -> list[str]:
    """Every page that lists rows."""
    lists = [
        f"admin:crm_{name}_changelist" for name in ("recordlink", "write", "conflict", "twin", "driftreport", "policy")
    ]
    return [console(out), records(out, "rule"), *(reverse(name) for name in lists)]


def test_pages_cost_the_same_however_much_there_is(out: Out, as_staff: Client) -> None:
    def fill(count: int) -> None:
        for number in range(count):
            link = fail(out, f"Firm {count}-{number}")
            Write.objects.create(
                company=out.company, integration=out.integration, link=link, idempotency_key=uuid.uuid4().hex,
                crm_object="Account", state="done",
            )  # fmt: skip
            Conflict.objects.create(
                company=out.company, integration=out.integration, link=link, lpxgp_field="org.city", winner="ours"
            )
            Twin.objects.create(
                company=out.company, integration=out.integration, kind="person", digest=uuid.uuid4().hex, reason="Same"
            )
            DriftReport.objects.create(company=out.company, integration=out.integration, finished_at=timezone.now())

    def cost() -> list[int]:
        found = []
        for address in addresses(out):
            with CaptureQueriesContext(database) as seen:
                assert as_staff.get(address).status_code == 200, address
            found.append(len(seen))
        return found

    fill(2)
    cost()
    few = cost()
    fill(20)
    assert cost() == few


def test_members_have_no_business_here(out: Out, as_alice: Client) -> None:
    for address in addresses(out):
        assert as_alice.get(address).status_code in {302, 403, 404}


def test_what_a_merge_left_is_told_as_what_it_was(out: Out, as_staff: Client, staff: User) -> None:
    old, new = out.firm("Old Pension"), out.firm("New Pension")
    kept, other = out.person("Lena Alder", "lena@a.example"), out.person("L. Alder", "lena@b.example")
    Person.objects.filter(pk=kept.pk).update(organization=old)
    Person.objects.filter(pk=other.pk).update(organization=new)
    RecordLink.objects.create(
        company=out.company, integration=out.integration, kind="person", row_id=kept.pk, crm_object="Contact",
        external_id=out.crm.create("Contact", LastName="Alder"),
    )  # fmt: skip
    twin = Twin.objects.create(
        company=out.company, integration=out.integration, kind="person", digest="d" * 64,
        ours=[str(kept.pk), str(other.pk)], reason="Both have one telephone.",
    )  # fmt: skip
    twins.merge(twin, staff)

    listed = as_staff.get(reverse("admin:crm_conflict_changelist")).content.decode()
    assert "New Pension / Old Pension" in listed
    assert "The older row&#x27;s value" in listed
    conflict = Conflict.objects.get(lpxgp_field="person.organization")
    page = as_staff.get(reverse("admin:crm_conflict_change", args=[conflict.pk])).content.decode()
    assert "Restore “New Pension”" in page
    assert str(new.pk) not in page
    Organization.objects.filter(pk=new.pk).delete()
    assert "A firm that was deleted here" in as_staff.get(reverse("admin:crm_conflict_changelist")).content.decode()
