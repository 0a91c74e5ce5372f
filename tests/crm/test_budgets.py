"""The CRM's allowance: taken before a call, shared by processes, corrected by what the CRM says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import requests
import time_machine
from django.utils import timezone

from crm import budgets, connection
from crm.contract import Pace, Usage
from crm.models import Budget, Policy
from crm.salesforce import adapter as by_the_day
from integrations import grants, outbound
from integrations.errors import Wait
from relationships.models import Note, Task
from tests.crm.out_scene import Out
from tests.crm.pretend_crm import PretendCrm

SEARCH = requests.Request("POST", "https://crm.example/search").prepare()
CALL = requests.Request("GET", "https://crm.example/records").prepare()


@dataclass
class Paced(PretendCrm):
    """A CRM that lets nobody ask faster than this, and says how much of the day is used."""

    limits: tuple[Pace, ...] = (Pace("burst", 100, 10.0), Pace("search", 4, 1.0))
    told: list[Usage] = field(default_factory=list)

    @property
    def paces(self) -> tuple[Pace, ...]:
        return self.limits

    def pace_of(self, request: requests.PreparedRequest) -> str:
        return "search" if (request.url or "").endswith("/search") else "burst"

    def usage(self, response: requests.Response) -> tuple[Usage, ...]:
        return tuple(self.told)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    """A clock that stands, and moves on where the product sleeps; it may sleep no longer than a breath."""
    with time_machine.travel(timezone.now().replace(microsecond=0), tick=False) as traveller:

        def sleep(seconds: float) -> None:
            assert 0 < seconds <= budgets.BREATH
            traveller.shift(timedelta(seconds=seconds))

        monkeypatch.setattr(budgets.time, "sleep", sleep)
        yield traveller


def meter(out: Out, adapter: PretendCrm | None = None) -> budgets.Meter:
    return budgets.Meter(out.integration, adapter or Paced())


def test_a_hundred_calls_go_at_once_and_the_next_one_waits(out: Out, clock: time_machine.Traveller) -> None:
    one = meter(out)
    for _ in range(100):
        one.before(CALL)
    with pytest.raises(Wait) as waits:
        one.before(CALL)
    seconds = (waits.value.until - timezone.now()).total_seconds()
    assert 9 <= seconds <= 11
    clock.shift(timedelta(seconds=seconds))
    one.before(CALL)
    assert (one.calls, Budget.objects.get().our_calls) == (101, 101)


def test_no_stretch_of_ten_seconds_holds_more_than_its_limit(out: Out, clock: time_machine.Traveller) -> None:
    one, at = meter(out), []
    for _ in range(400):
        try:
            one.before(CALL)
        except Wait as wait:
            clock.shift(wait.until - timezone.now())
            continue
        at.append(timezone.now().timestamp())
        clock.shift(timedelta(milliseconds=70))
    assert max(sum(start <= other < start + 10 for other in at) for start in at) <= 100


def test_searches_have_a_pace_of_their_own_and_wait_a_breath(out: Out, clock: time_machine.Traveller) -> None:
    one, begun = meter(out), timezone.now()
    for _ in range(8):
        one.before(SEARCH)
    assert timedelta(seconds=1) <= timezone.now() - begun <= timedelta(seconds=2.2)
    for _ in range(100):
        one.before(CALL)


def test_two_processes_share_one_allowance(out: Out, clock: time_machine.Traveller) -> None:
    one, other = meter(out), meter(out)
    for _ in range(50):
        one.before(CALL)
        other.before(CALL)
    for each in (one, other):
        with pytest.raises(Wait):
            each.before(CALL)
    assert Budget.objects.get().our_calls == 100


def test_the_day_is_left_to_others_from_our_share_on(out: Out, clock: time_machine.Traveller) -> None:
    Policy.objects.create(company=out.company, integration=out.integration, daily_share=50)
    crm = Paced(limits=(), told=[Usage("day", 5_001, 10_000)])
    one = meter(out, crm)
    one.before(CALL)
    one.after(requests.Response())
    with pytest.raises(Wait, match="50 per cent"):
        one.before(CALL)
    row = Budget.objects.get()
    assert (row.day_used, row.day_limit, row.waits_for != "") == (5_001, 10_000, True)
    clock.shift(timedelta(minutes=61))
    one.before(CALL)


def test_what_matters_least_waits_first(out: Out) -> None:
    """Of 10,000 calls we take 80 per cent; from 64 on only tasks are written."""
    crm, person = out.crm, out.person("Lena Alder", "lena@pension.example")
    out.link("person", person, crm.create("Contact", LastName="Alder", Email="lena@pension.example"))
    _, external_id = out.linked_firm("Pension One", score=82)
    Task.objects.create(company=out.company, title="Send the deck", person=person)
    note = Note.objects.create(company=out.company, text="Wants a call.", sync_to_crm=True)
    note.people.add(person)
    row = budgets.of(out.integration)
    Budget.objects.filter(pk=row.pk).update(day_used=6_500, day_limit=10_000, day_seen_at=timezone.now())
    out.push()
    assert [change.object for change in crm.writes] == ["Task"]
    row.refresh_from_db()
    assert row.waiting == {"organization": 1, "person": 1, "note": 1}
    assert row.waits_for
    Budget.objects.update(day_used=100)
    out.push()
    assert {change.object for change in crm.writes} == {"Task", "Account", "Note"}
    row.refresh_from_db()
    assert (row.waiting, row.waits_until) == ({}, None)


def test_each_call_of_a_connection_is_counted(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the transport that every real adapter speaks by."""
    monkeypatch.undo()
    answer = requests.Response()
    answer.status_code = 200
    answer.headers["Sforce-Limit-Info"] = "api-usage=18/15000"
    monkeypatch.setattr(outbound.ProviderTransport, "send", lambda *arguments, **options: answer)
    with connection.open(out.integration, grants.Access("a token", 1)) as link:
        assert connection.adapter(out.integration) is by_the_day
        for _ in range(3):
            link.http.get("https://acme.my.salesforce.com/services/data")
        assert connection.calls(link) == 3
    row = Budget.objects.get()
    assert (row.our_calls, row.day_used, row.day_limit) == (3, 18, 15_000)
