"""Both sides compared as they are, and mended."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from crm import drift, erasing, jobs
from crm.contract import Link, RecordError, RecordPage, Wanted
from crm.models import DriftReport, Policy, RecordLink
from integrations import runs
from integrations.errors import Temporary, Wait
from integrations.models import Integration, PokedItem, SyncState
from relationships.models import Match, Organization, User
from tests.crm.out_scene import Out
from tests.crm.test_sync import run


def settle(out: Out) -> None:
    """As if both sides had been compared after the last change."""
    RecordLink.objects.update(looked_at=timezone.now() + timedelta(minutes=1), is_due=False)


def test_equal_sides_have_no_difference(out: Out) -> None:
    out.crm.create("Account", Name="Pension One", BillingCity="Bern")
    run(out)
    settle(out)
    report = drift.report(out.integration)
    counts = report.counts["organization"]
    assert (counts["ours"], counts["theirs"], counts["linked"], counts["compared"], counts["different"]) == (
        1,
        1,
        1,
        1,
        0,
    )
    assert report.differences == []


def test_what_differs_is_told_with_both_values_and_whose_stays_and_is_mended(out: Out, alice: User) -> None:
    """A change that the CRM's cursor does not tell, as of a formula, and one of ours that no stamp tells."""
    first = out.crm.create("Account", Name="First", BillingCity="Bern")
    second = out.crm.create("Account", Name="Second")
    run(out)
    ours = Organization.objects.get(name="Second")
    out.score(ours, 70)
    run(out)
    out.crm.rows["Account", first].values["BillingCity"] = "Zug"
    Match.objects.update(score=75)
    settle(out)
    report = drift.report(out.integration)
    told = {
        (one["external_id"], one["crm_field"]): (one["ours"], one["theirs"], one["winner"])
        for one in report.differences
    }
    assert told == {
        (first, "BillingCity"): ("Bern", "Zug", "theirs"),
        (second, "LPxGP_Match_Score__c"): (75, 70, "ours"),
    }
    assert drift.mend(report, alice) == 2
    assert PokedItem.objects.count() == 2
    run(out)
    assert Organization.objects.get(name="First").city == "Zug"
    assert out.account(second)["LPxGP_Match_Score__c"] == 75
    settle(out)
    assert drift.report(out.integration).differences == []


def test_what_is_known_already_is_no_drift(out: Out) -> None:
    _, external_id = out.linked_firm("Pension One", score=5)
    out.crm.refuse = lambda change: RecordError("rule", "No.")
    out.push()
    out.crm.put("Account", external_id, BillingCity="Bern")
    report = drift.report(out.integration)
    assert (report.counts["organization"]["waiting"], report.differences) == (1, [])


def test_where_nothing_is_written_nothing_waits(out: Out) -> None:
    """All is due once a mapping was published, and nobody writes it."""
    external_id = out.crm.create("Account", Name="Pension One", BillingCity="Bern")
    run(out)
    Policy.objects.update_or_create(integration=out.integration, company=out.company, defaults={"writes": "none"})
    out.score(Organization.objects.get(), 70)
    RecordLink.objects.update(is_due=True)
    run(out)
    out.crm.rows["Account", external_id].values["BillingCity"] = "Zug"
    report = drift.report(out.integration)
    counts = report.counts["organization"]
    assert (counts["waiting"], counts["compared"], counts["different"]) == (0, 1, 1)
    assert [(one["crm_field"], one["winner"]) for one in report.differences] == [("BillingCity", "theirs")]


def test_a_record_that_vanished_is_told(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One")
    settle(out)
    del out.crm.rows["Account", external_id]
    [one] = drift.report(out.integration).differences
    assert one["why"] == "The record is not in the CRM any more."


def test_where_there_is_more_than_the_limit_the_number_is_not_known(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    out.crm.page_size = 2
    for number in range(7):
        out.crm.create("Account", Name=f"Pension {number}")
    with monkeypatch.context() as patch:
        patch.setattr(drift, "MOST_PAGES", 2)
        counts = drift.report(out.integration).counts["organization"]
    assert counts["theirs"] is None
    assert counts["limit"] == "Only the first 4 of their records were read. There are more than one comparison reads."
    counts = drift.report(out.integration).counts["organization"]
    assert (counts["theirs"], counts["limit"]) == (7, "")


def test_all_that_is_listed_is_compared_at_once_whatever_its_number(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    listing = out.crm.listing

    def noted(link: Link, wanted: Wanted) -> RecordPage:
        asked.append(wanted.is_prompt)
        return listing(link, wanted)

    monkeypatch.setattr(out.crm, "listing", noted)
    out.linked_firm("Pension One")
    drift.report(out.integration)
    assert set(asked) == {True}


def test_a_comparison_that_takes_too_long_ends_with_words(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    out.crm.page_size = 2
    for number in range(7):
        out.linked_firm(f"Pension {number}")
    monkeypatch.setattr(drift, "LONGEST", timedelta(0))
    counts = drift.report(out.integration).counts["organization"]
    assert counts["limit"] == f"Only the first 2 of their records were read. {drift.TOOK_TOO_LONG}"


def test_of_what_is_written_there_the_newest_are_compared_and_that_is_said(
    out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        out.linked_firm(f"Pension {number}")
    monkeypatch.setattr(drift, "LISTED_KINDS", ())
    monkeypatch.setattr(drift, "MOST_READ", 2)
    assert drift.report(out.integration).counts["organization"]["limit"] == (
        "Only the newest 2 that are linked were read."
    )


def test_more_than_can_be_named_is_mended_by_reading_everything(out: Out, alice: User) -> None:
    out.linked_firm("Pension One")
    run(out)
    settle(out)
    assert SyncState.objects.get().cursor
    report = DriftReport.objects.create(
        company=out.company, integration=out.integration, counts={"organization": {"different": 5_000}}
    )
    drift.mend(report, alice)
    assert SyncState.objects.get().cursor == ""
    assert RecordLink.objects.get().is_due


def test_a_sync_that_is_under_way_does_not_undo_the_mending(out: Out, alice: User) -> None:
    out.linked_firm("Pension One")
    run(out)
    settle(out)
    held = out.held()
    report = DriftReport.objects.create(
        company=out.company, integration=out.integration, counts={"organization": {"different": 5_000}}
    )
    drift.mend(report, alice)
    with pytest.raises(runs.HoldLost):
        runs.store_page(held, held.state.cursor, "", {}, {})
    assert SyncState.objects.get().cursor == ""


def test_a_list_that_takes_its_time_is_not_waited_for(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    out.linked_firm("Pension One")
    settle(out)

    def later(*arguments: Any) -> None:
        raise Wait("The list is being made.", timezone.now() + timedelta(seconds=5))

    monkeypatch.setattr(out.crm, "listing", later)
    report = drift.report(out.integration)
    counts = report.counts["organization"]
    assert (report.error, counts["compared"], counts["theirs"]) == ("", 1, None)


def test_what_is_taken_back_while_it_is_compared_is_not_kept(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    firm, external_id = out.linked_firm("Falcon Pension")
    settle(out)
    out.crm.put("Account", external_id, Name="Falcon Fund")
    compared = drift._compared

    def erased_meanwhile(integration: Integration) -> Any:
        found = list(compared(integration))
        erasing.history(integration, [RecordLink.objects.get(external_id=external_id).pk], "A test.")
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(drift, "_compared", erased_meanwhile)
        made = drift.report(out.integration)
    made.refresh_from_db()
    assert "Falcon" not in str([made.differences, made.counts])
    assert (made.counts["organization"]["different"], made.error, bool(made.finished_at)) == (
        1,
        erasing.MEANWHILE,
        True,
    )
    assert "Falcon" in str(drift.report(out.integration).differences)


def test_what_stopped_it_is_part_of_the_report(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*arguments: Any) -> None:
        raise Temporary("It is down.")

    monkeypatch.setattr(out.crm, "listing", down)
    report = drift.report(out.integration)
    assert (report.error, report.finished_at is not None) == ("It is down.", True)


def test_each_night_every_crm_gets_a_job(out: Out) -> None:
    jobs.report_drift()
    assert OrmQ.objects.count() == 1
    jobs.compare(str(out.integration.pk))
    assert DriftReport.objects.count() == 1
