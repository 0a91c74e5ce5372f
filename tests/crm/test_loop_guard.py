"""A record that is written again and again is paused, shown, and goes on when somebody says so."""

from datetime import timedelta

import time_machine
from django.utils import timezone

from crm import link_errors, loop_guard
from crm.models import RecordLink, Write
from tests.crm.out_scene import Out
from tests.crm.test_push import touch_all


def test_the_sixth_write_within_ten_minutes_is_not_sent(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=1)
    quiet, quiet_id = out.linked_firm("Quiet", score=1)
    for score in range(2, 9):
        out.push()
        out.score(firm, score)
        touch_all(out)
    out.push()
    link = RecordLink.objects.get(external_id=external_id)
    assert (link.state, link.error_cause) == ("paused", "loop")
    assert Write.objects.filter(link=link).count() == loop_guard.MOST_WRITES
    assert RecordLink.objects.get(external_id=quiet_id).state == "linked"
    out.push()
    assert Write.objects.filter(link=link).count() == loop_guard.MOST_WRITES


def test_resync_resumes_it_with_a_fresh_count(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=1)
    for score in range(2, 9):
        out.push()
        out.score(firm, score)
        touch_all(out)
    link_errors.resync(RecordLink.objects.all())
    out.push()
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 8
    out.score(firm, 20)
    touch_all(out)
    out.push()
    link = RecordLink.objects.get()
    assert (link.state, link.error_cause) == ("linked", "")
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 20


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
