"""Every button of the CRM's admin leaves who pressed it, and acts on nothing that its page did not name."""

import uuid
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm import admin_records
from crm.models import Conflict, DriftReport, RecordLink, Twin
from integrations.models import Integration
from relationships.models import Company, User
from tests.crm.out_scene import Out, link_crm
from tests.crm.test_records_admin import fail, records

pytestmark = pytest.mark.django_db


def noted() -> list[tuple[Any, Any, str]]:
    entries = LogEntry.objects.order_by("pk").select_related("user")
    return [(entry.user, entry.object_id, entry.change_message) for entry in entries]


def press(client: Client, name: str, pk: uuid.UUID | None, **data: Any) -> Any:
    return client.post(reverse(f"admin:{name}", args=[pk] if pk else []), data, follow=True)


def test_who_had_records_compared_again_is_kept(out: Out, as_staff: Client, staff: User) -> None:
    first, second = fail(out, "First", field="Name"), fail(out, "Second", field="Name")
    press(as_staff, "crm_recordlink_resync", first.pk)
    fail_again = {"error_cause": "rule", "error_field": "Name", "failed_at": timezone.now()}
    RecordLink.objects.filter(pk=first.pk).update(**fail_again)
    press(
        as_staff, "crm_console_resync", out.integration.pk, cause="rule", field="Name", which="ticked", link=[second.pk]
    )
    press(as_staff, "crm_console_resync", out.integration.pk, cause="rule", field="Name", which="all")
    title = "A rule of the CRM refused the record"
    assert noted() == [
        (staff, str(first.pk), "Had it compared again."),
        (staff, str(second.pk), "Had it compared again."),
        (staff, str(out.integration.pk), f"Had 1 of those that failed compared again: {title}, field Name."),
        (staff, str(out.integration.pk), f"Had all 1 that failed compared again: {title}, field Name."),
    ]
    page = as_staff.get(reverse("admin:crm_recordlink_change", args=[first.pk])).content.decode()
    assert f"{staff}: Had it compared again." in page
    page = as_staff.get(reverse("admin:crm_console", args=[out.integration.pk])).content.decode()
    assert "Had all 1 that failed compared again" in page


def test_who_decided_restored_mended_and_compared_is_kept(
    out: Out, as_staff: Client, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm, _ = out.linked_firm("Alder")
    link, of = RecordLink.objects.get(), {"company": out.company, "integration": out.integration}
    twin = Twin.objects.create(**of, kind="organization", digest="x", ours=[str(firm.pk)], theirs=["1"], reason="Same")
    report = DriftReport.objects.create(**of, finished_at=timezone.now())
    conflict = Conflict.objects.create(
        **of, link=link, lpxgp_field="org.city", crm_field="BillingCity", ours="Bern", theirs="Basel", winner="theirs"
    )
    queue = Mock()
    monkeypatch.setattr(admin_records, "async_task", queue)
    press(as_staff, "crm_conflict_restore", conflict.pk)
    press(as_staff, "crm_twin_decide", twin.pk, decision="dismiss")
    press(as_staff, "crm_drift_mend", report.pk)
    press(as_staff, "crm_drift_compare", None, integration=out.integration.pk)
    assert [(user, pk) for user, pk, _words in noted()] == [
        (staff, str(row.pk)) for row in (conflict, twin, report, out.integration)
    ]
    queue.assert_called_once_with("crm.jobs.compare", str(out.integration.pk))


def test_what_was_refused_is_not_kept_as_done(out: Out, as_staff: Client) -> None:
    twin = Twin.objects.create(
        company=out.company, integration=out.integration, kind="organization", digest="x", theirs=["1", "2"]
    )
    assert press(as_staff, "crm_twin_decide", twin.pk).status_code == 400
    assert press(as_staff, "crm_twin_decide", twin.pk, decision="perhaps").status_code == 400
    twin.refresh_from_db()
    assert twin.state == Twin.State.OPEN
    assert "no two rows here" in press(as_staff, "crm_twin_decide", twin.pk, decision="merge").content.decode()
    assert noted() == []


def test_a_console_acts_on_its_own_crm_alone(out: Out, as_staff: Client) -> None:
    other: Integration = link_crm(Company.objects.create(name="Another firm"))
    link = fail(out, "First")
    answer = press(as_staff, "crm_console_resync", other.pk, cause="rule", field="", which="ticked", link=[link.pk])
    assert "Nothing was chosen" in answer.content.decode()
    link.refresh_from_db()
    assert (link.is_due, link.error_cause) == (False, "rule")
    assert noted() == []


def test_the_next_page_of_failures_is_of_the_same_field(out: Out, as_staff: Client) -> None:
    firm, _ = out.linked_firm("Alder")
    link = RecordLink.objects.get(row_id=firm.pk)
    RecordLink.objects.bulk_create(
        RecordLink(
            company=out.company, integration=out.integration, kind="organization", crm_object="Account",
            external_id=f"00{number}", error_cause="rule", error_field="Name & title", failed_at=timezone.now(),
        )
        for number in range(60)
    )  # fmt: skip
    page = as_staff.get(records(out, "rule", "Name+%26+title")).content.decode()
    assert 'href="?cause=rule&amp;field=Name+%26+title&amp;page=2"' in page
    answer = as_staff.get(records(out, "rule", "Name+%26+title") + "&page=2")
    assert len(answer.context["records"]) == 10
    assert link.pk not in {one.link.pk for one in answer.context["records"]}


@pytest.mark.parametrize(
    ("name", "query", "count"),
    [
        ("recordlink", "kind=organization", 2),
        ("recordlink", "kind=person", 0),
        ("recordlink", "cause=any", 1),
        ("recordlink", "cause=rule", 1),
        ("conflict", "put_back=no", 1),
        ("conflict", "put_back=yes", 0),
        ("write", "came_back=no", 0),
    ],
)
def test_lists_are_filtered_in_plain_words(out: Out, as_staff: Client, name: str, query: str, count: int) -> None:
    link = fail(out, "First")
    out.linked_firm("Second")
    Conflict.objects.create(
        company=out.company, integration=out.integration, link=link, lpxgp_field="org.city", winner="theirs"
    )
    answer = as_staff.get(reverse(f"admin:crm_{name}_changelist") + f"?{query}")
    assert answer.context["cl"].result_count == count
    for code in ("echoed at", "restored at", "planned at", ">organization<"):
        assert code not in answer.content.decode()


@pytest.mark.parametrize("name", ["write", "conflict", "twin"])
def test_a_search_that_finds_nothing_does_not_say_that_there_is_nothing(out: Out, as_staff: Client, name: str) -> None:
    address = reverse(f"admin:crm_{name}_changelist")
    assert "Nothing fits" not in as_staff.get(address).content.decode()
    assert "Nothing fits" in as_staff.get(f"{address}?q=zzz").content.decode()
