"""The whole sync under its hold, the sweep that starts it, and what a disconnect leaves."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from django_q.models import OrmQ

from crm import imported, jobs, push, schema, sync
from crm.models import Budget, Conflict, DriftReport, RecordLink, Write
from integrations import jobs as integration_jobs
from integrations import kinds
from integrations.errors import Temporary, Wait
from integrations.models import SyncRun, SyncState
from relationships.models import Organization
from tests.crm.out_scene import Out


def run(out: Out) -> SyncRun:
    """One sync, whatever is due."""
    SyncState.objects.update(dirty_mark=F("dirty_mark") + 1, next_attempt_at=None, queued_at=None)
    sync.run(SyncState.objects.get().pk)
    return SyncRun.objects.latest("started_at")


def test_the_engine_knows_this_kind(out: Out) -> None:
    assert integration_jobs.SYNCS["crm"] is sync.run
    assert kinds.KINDS["crm"].counts is imported.counts
    assert kinds.KINDS["crm"].skipped["loop"] == "It was written too often within a few minutes"


def test_what_came_in_is_not_sent_back_and_what_changed_here_is_sent(out: Out) -> None:
    account = out.crm.create("Account", Name="Pension One", BillingCity="Bern", Website="https://pension.example")
    out.crm.create("Contact", LastName="Alder", Email="lena@pension.example")
    first = run(out)
    assert (first.outcome, first.error) == ("done", "")
    assert out.crm.writes == []
    firm = Organization.objects.get()
    assert firm.city == "Bern"
    out.score(firm, 82)
    run(out)
    assert out.account(account)["LPxGP_Match_Score__c"] == 82
    writes, calls = len(out.crm.writes), out.crm.calls.copy()
    run(out)
    run(out)
    assert len(out.crm.writes) == writes
    assert not Conflict.objects.exists()
    assert out.crm.calls - calls == {"changes": 4}, "a quiet sync asks for changes of firms and people, and for no more"
    assert Write.objects.get().echoes > 0


def test_a_sync_that_dies_after_sending_is_mended_by_the_next(out: Out) -> None:
    account = out.crm.create("Account", Name="Pension One")
    run(out)
    out.score(Organization.objects.get(), 82)
    out.crm.lost_replies = 1
    failed = run(out)
    assert (failed.outcome, failed.error) == ("failed", "The answer was lost.")
    assert run(out).outcome == "done"
    assert out.account(account)["LPxGP_Match_Score__c"] == 82
    assert len(out.crm.writes) == 1


def test_where_the_allowance_ends_it_waits_and_goes_on_by_itself(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    until = timezone.now() + timedelta(minutes=30)

    def short(*arguments: Any) -> None:
        raise Wait("The day's calls are used.", until)

    with monkeypatch.context() as patch:
        patch.setattr(out.crm, "listing", short)
        waiting = run(out)
    assert (waiting.outcome, waiting.error) == ("interrupted", "The day's calls are used.")
    assert SyncState.objects.get().next_attempt_at == until
    assert run(out).outcome == "done"


def test_a_slice_that_is_over_gives_its_worker_back(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        out.linked_firm(f"Pension {number}", score=number)
    run(out)
    for firm in Organization.objects.all():
        out.score(firm, 50)
    out.crm.batch = 2
    RecordLink.objects.update(is_due=True)
    monkeypatch.setattr("integrations.runs.SLICE", timedelta(seconds=-1))
    runs_needed = 0
    while run(out).outcome == "interrupted":
        runs_needed += 1
        assert runs_needed < 20
    assert {row.values["LPxGP_Match_Score__c"] for row in out.crm.living("Account")} == {50}
    assert len(out.crm.writes) == len(
        {(one.external_id, str(one.values["LPxGP_Match_Score__c"])) for one in out.crm.writes}
    )


def test_the_sweep_starts_a_sync_where_there_is_news_and_only_there(out: Out) -> None:
    out.crm.create("Account", Name="Pension One")
    run(out)
    SyncRun.objects.update(started_at=timezone.now() - timedelta(hours=1))
    Organization.objects.update(updated_at=timezone.now() - timedelta(hours=2))
    jobs.sweep()
    assert not SyncState.objects.get().is_dirty
    out.score(Organization.objects.get(), 82)
    jobs.sweep()
    assert SyncState.objects.get().is_dirty
    assert OrmQ.objects.count() == 1


def test_the_sweep_leaves_alone_what_waits_for_allowance(out: Out) -> None:
    out.crm.create("Account", Name="Pension One")
    run(out)
    out.score(Organization.objects.get(), 82)
    budget = Budget.objects.get()
    soon = timezone.now() + timedelta(hours=1)
    for waiting in ({}, {"organization": 1}):
        Budget.objects.filter(pk=budget.pk).update(waits_until=soon, waiting=waiting)
        jobs.sweep()
        assert not SyncState.objects.get().is_dirty
    Budget.objects.filter(pk=budget.pk).update(waits_until=timezone.now(), waiting={})
    jobs.sweep()
    assert SyncState.objects.get().is_dirty


def test_one_company_that_fails_costs_the_others_nothing(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    run(out)

    def broken(state: Any) -> bool:
        raise RuntimeError("odd data")

    monkeypatch.setattr(jobs.news, "is_there", broken)
    jobs.sweep()
    assert not SyncState.objects.get().is_dirty


def test_field_lists_are_read_when_they_are_a_day_old(out: Out) -> None:
    run(out)
    assert out.crm.calls["fields"] == 0
    schema.ObjectFields.unscoped.update(fetched_at=timezone.now() - timedelta(days=2))
    run(out)
    assert out.crm.calls["fields"] == len(set(out.crm.objects.values()))


def test_a_disconnect_can_delete_what_connects_the_two_sides(out: Out) -> None:
    out.linked_firm("Pension One", score=82)
    out.push()
    assert imported.counts([SyncState.objects.get().pk])[SyncState.objects.get().pk]["organizations"] == 1
    DriftReport.objects.create(company=out.company, integration=out.integration, differences=[{"theirs": "x"}])
    Budget.objects.update_or_create(
        integration=out.integration,
        defaults={"company": out.company, "waits_until": timezone.now() + timedelta(hours=9)},
    )
    while imported.delete_batch(out.integration):
        pass
    assert not RecordLink.objects.exists()
    assert not Write.objects.exists()
    assert not DriftReport.objects.exists(), "it holds values of both sides"
    assert not Budget.objects.exists(), "the next account has an allowance of its own"
    assert Organization.objects.count() == 1


def test_old_records_are_forgotten(out: Out) -> None:
    out.linked_firm("Pension One", score=82)
    out.push()
    jobs.purge()
    assert Write.objects.count() == 1
    Write.objects.update(done_at=timezone.now() - timedelta(days=200))
    jobs.purge()
    assert not Write.objects.exists()


def test_an_error_of_the_whole_call_is_the_runs(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*arguments: Any) -> None:
        raise Temporary("It is down.")

    monkeypatch.setattr(out.crm, "listing", down)
    assert run(out).outcome == "failed"
    assert push.PAGE >= 2_000
