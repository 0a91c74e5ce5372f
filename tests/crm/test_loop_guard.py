"""A record that is written again and again is paused, shown, and goes on when somebody says so."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from crm import link_errors, loop_guard
from crm.models import RecordLink, Write
from relationships.models import Organization
from tests.crm.out_scene import Out
from tests.crm.test_push import touch_all


def to_and_fro(out: Out, firm: Organization) -> None:
    """Seven writes of two scores."""
    for number in range(7):
        out.push()
        out.score(firm, 2 + number % 2)
        touch_all(out)


def test_the_sixth_write_of_the_same_within_ten_minutes_is_not_sent(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=1)
    quiet, quiet_id = out.linked_firm("Quiet", score=1)
    to_and_fro(out, firm)
    out.push()
    link = RecordLink.objects.get(external_id=external_id)
    assert (link.state, link.error_cause) == ("paused", "loop")
    assert Write.objects.filter(link=link).count() == loop_guard.MOST_WRITES
    assert RecordLink.objects.get(external_id=quiet_id).state == "linked"
    out.push()
    assert Write.objects.filter(link=link).count() == loop_guard.MOST_WRITES


def test_resync_resumes_it_with_a_fresh_count(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=1)
    to_and_fro(out, firm)
    assert RecordLink.objects.get().state == "paused"
    out.score(firm, 8)
    link_errors.resync(RecordLink.objects.all())
    out.push()
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 8
    out.score(firm, 20)
    touch_all(out)
    out.push()
    link = RecordLink.objects.get()
    assert (link.state, link.error_cause) == ("linked", "")
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 20


def test_scores_that_are_news_each_time_are_no_loop(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=1)
    for score in range(20, 32):
        out.score(firm, score)
        touch_all(out)
        out.push()
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 31
    assert RecordLink.objects.get().state == "linked"


def test_no_record_is_written_without_end(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_guard, "MOST_AT_ALL", 7)
    firm, _ = out.linked_firm("Pension One", score=1)
    for score in range(20, 32):
        out.score(firm, score)
        touch_all(out)
        out.push()
    assert (RecordLink.objects.get().state, Write.objects.count()) == ("paused", 7)


def test_writes_that_are_spread_out_are_no_loop(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=1)
    start = timezone.now()
    for number in range(12):
        with time_machine.travel(start + timedelta(minutes=3 * number), tick=True):
            out.score(firm, number + 2)
            touch_all(out)
            out.push()
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 13
    assert RecordLink.objects.get().state == "linked"
