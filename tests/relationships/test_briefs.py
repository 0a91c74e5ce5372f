import json
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from relationships import briefs, facts, jobs, notes, tenancy
from relationships.models import (
    Brief,
    BriefFailure,
    Company,
    Fund,
    Match,
    Note,
    Organization,
    OrganizationDomain,
    Person,
    PersonAddress,
    Task,
    Touchpoint,
    User,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

MakeMeeting = Callable[..., Touchpoint]


@pytest.fixture(autouse=True)
def one_hour_before(settings: Settings) -> None:
    settings.BRIEF_LEAD_MINUTES = 60


@pytest.fixture
def make_meeting(acme: Company) -> MakeMeeting:
    def make(starts_at: datetime = NOW + 30 * MINUTE, company: Company = acme, **fields: Any) -> Touchpoint:
        whole = {"kind": "meeting", "title": "Talk", "ended_at": starts_at + 60 * MINUTE, **fields}
        return Touchpoint.unscoped.create(company=company, unique_key=uuid.uuid4().hex, occurred_at=starts_at, **whole)

    return make


def guest(email: str, name: str = "") -> dict[str, str]:
    return {"email": email, "name": name, "response": "accepted"}


@pytest.fixture
def jane(acme: Company) -> Person:
    """Jane of Alder Pension, which fits a fund, with an address of her own at Gmail."""
    alder = Organization.unscoped.create(company=acme, name="Alder Pension", city="Bern", country="Switzerland")
    OrganizationDomain.unscoped.create(company=acme, organization=alder, domain="alder.example")
    for name, score in (("Fund I", 61), ("Fund II", 87.5)):
        fund = Fund.unscoped.create(company=acme, name=name)
        Match.unscoped.create(company=acme, organization=alder, fund=fund, score=score, summary=f"Fits {name}")
    person = Person.unscoped.create(company=acme, display_name="Jane Doe", organization=alder, title="CIO")
    PersonAddress.build(person, "jane.doe@gmail.com").save()
    PersonAddress.build(person, "jane@alder.example", is_primary=True).save()
    return person


@pytest.mark.parametrize(
    ("minutes", "is_due"), [(-6, False), (-4, True), (0, True), (59, True), (60, True), (61, False)]
)
def test_a_brief_is_due_from_the_lead_until_shortly_after_the_start(
    make_meeting: MakeMeeting, minutes: int, is_due: bool
) -> None:
    meeting = make_meeting(NOW + minutes * MINUTE)
    assert briefs.due(NOW) == ([(meeting.company_id, meeting.pk)] if is_due else [])


def test_each_company_has_its_own_lead(acme: Company, zenith: Company, make_meeting: MakeMeeting) -> None:
    Company.objects.filter(pk=zenith.pk).update(brief_lead_minutes=180)
    make_meeting(NOW + 120 * MINUTE)
    late, early = make_meeting(NOW + 170 * MINUTE, zenith), make_meeting(NOW + 20 * MINUTE)
    assert [pk for _, pk in briefs.due(NOW)] == [early.pk, late.pk]
    zenith.refresh_from_db()
    assert briefs.due_at(Touchpoint.unscoped.get(pk=late.pk)) == NOW - 10 * MINUTE
    assert briefs.due_at(early) == NOW - 40 * MINUTE


def test_cancelled_meetings_and_mails_get_no_brief(in_acme: Company, make_meeting: MakeMeeting) -> None:
    rows = [make_meeting(cancelled_at=NOW), make_meeting(kind="email")]
    assert briefs.due(NOW) == []
    assert [briefs.make(row.pk) for row in rows] == [None, None]
    assert briefs.make(uuid.uuid4()) is None


def test_facts_of_a_known_guest(in_acme: Company, alice: User, jane: Person, make_meeting: MakeMeeting) -> None:
    for days in (1, 2, 3, 4):
        past = make_meeting(NOW - timedelta(days=days), title=f"{days} days ago")
        past.people.add(jane)
    cancelled = make_meeting(NOW - timedelta(hours=2), cancelled_at=NOW)
    cancelled.people.add(jane)
    notes.write(Touchpoint.objects.get(title="2 days ago"), alice, "Wants the deck", "interested", follow_up="Send it")
    Task.objects.create(company=in_acme, title="Done", person=jane, done_at=NOW)
    meeting = make_meeting(guests=[guest("JaneDoe@googlemail.com", "J."), guest("new@ir.alder.example", "New Person")])
    meeting.people.add(jane)
    meeting.users.add(alice)
    told = facts.gather(meeting)
    assert told["meeting"]["starts_at"] == "2026-03-02T09:30:00+00:00"
    assert told["colleagues"] == ["Alice Ash"]
    first, second = told["guests"]
    assert (first["name"], first["is_new"], first["title"], first["organization"]) == (
        "Jane Doe", False, "CIO", "Alder Pension"
    )  # fmt: skip
    assert [past["title"] for past in first["last_meetings"]] == ["1 days ago", "2 days ago", "3 days ago"]
    assert [task["title"] for task in first["open_tasks"]] == ["Send it"]
    assert [(note["text"], note["outcome"], note["author"]) for note in first["notes"]] == [
        ("Wants the deck", "Interested", "Alice Ash")
    ]
    assert (second["name"], second["is_new"], second["organization"]) == ("New Person", True, "Alder Pension")
    (firm,) = told["organizations"]
    assert [(match["fund"], match["score"]) for match in firm["matches"]] == [("Fund II", 87.5), ("Fund I", 61.0)]
    assert json.loads(json.dumps(told)) == told


def test_a_guest_at_two_addresses_is_listed_once_and_a_contact_without_one_too(
    in_acme: Company, jane: Person, make_meeting: MakeMeeting
) -> None:
    silent = Person.objects.create(company=in_acme, display_name="Silent Sam")
    meeting = make_meeting(guests=[guest("jane@alder.example"), guest("janedoe@gmail.com"), guest("odd address")])
    meeting.people.add(silent)
    assert [told["name"] or told["email"] for told in facts.gather(meeting)["guests"]] == [
        "Jane Doe",
        "odd address",
        "Silent Sam",
    ]


def test_tasks_promised_to_a_group_show_for_everyone_who_was_there(
    in_acme: Company, alice: User, jane: Person, make_meeting: MakeMeeting
) -> None:
    other = Person.objects.create(company=in_acme, display_name="Other")
    past, meeting = make_meeting(NOW - timedelta(days=1)), make_meeting(guests=[guest("jane@alder.example")])
    past.people.set([jane, other])
    notes.write(past, alice, "Talked", follow_up="Send the report", due_on=date(2026, 3, 9))
    Task.objects.create(company=in_acme, title="Book a room", touchpoint=meeting)
    told = facts.gather(meeting)
    assert [(task["title"], task["due_on"]) for task in told["guests"][0]["open_tasks"]] == [
        ("Send the report", "2026-03-09")
    ]
    assert [task["title"] for task in told["open_tasks"]] == ["Book a room"]


def test_the_same_queries_for_any_number_of_guests(in_acme: Company, alice: User, make_meeting: MakeMeeting) -> None:
    def count(size: int) -> int:
        meeting = make_meeting(guests=[guest(f"p{number}-{size}@firm{number}.example") for number in range(size)])
        firm = Organization.objects.create(company=in_acme, name=f"Firm {size}")
        people = Person.objects.bulk_create(
            Person(company=in_acme, display_name=f"P{number}", organization=firm) for number in range(size)
        )
        PersonAddress.objects.bulk_create(
            PersonAddress.build(person, invited["email"])
            for person, invited in zip(people, meeting.guests, strict=True)
        )
        for past in (make_meeting(NOW - timedelta(days=days)) for days in (1, 2)):
            past.people.set(people)
            notes.write(past, alice, "Talked", follow_up="Promise")
        meeting.people.set(people)
        with CaptureQueriesContext(connection) as queries:
            assert len(facts.gather(meeting)["guests"]) == size
        return len(queries)

    assert count(2) == count(60) == 11


def test_a_new_version_only_when_the_facts_changed(in_acme: Company, jane: Person, make_meeting: MakeMeeting) -> None:
    meeting = make_meeting(guests=[guest("jane@alder.example")])
    first = briefs.make(meeting.pk)
    assert first is not None
    assert first.version == 1
    assert briefs.make(meeting.pk) is None
    Touchpoint.objects.filter(pk=meeting.pk).update(occurred_at=NOW + 40 * MINUTE)
    assert briefs.make(meeting.pk)
    Touchpoint.objects.filter(pk=meeting.pk).update(guests=[guest("jane@alder.example"), guest("x@new.example")])
    assert briefs.make(meeting.pk)
    Task.objects.create(company=in_acme, title="Call her", person=jane)
    last = briefs.make(meeting.pk)
    assert last is not None
    assert last.version == 4


def test_two_workers_make_one_version(
    in_acme: Company, make_meeting: MakeMeeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = make_meeting()
    gather = facts.gather

    def beaten(touchpoint: Touchpoint) -> facts.Facts:
        """While this worker gathers, the other one writes."""
        monkeypatch.setattr(facts, "gather", gather)
        assert briefs.make(touchpoint.pk)
        return gather(touchpoint)

    monkeypatch.setattr(facts, "gather", beaten)
    assert briefs.make(meeting.pk) is None
    assert Brief.objects.count() == 1


@time_machine.travel(NOW, tick=False)
def test_a_failing_brief_stops_no_other_and_is_tried_again(
    make_meeting: MakeMeeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = make_meeting(NOW + 10 * MINUTE), make_meeting(NOW + 20 * MINUTE)
    gather = facts.gather

    def fail_for_bad(touchpoint: Touchpoint) -> facts.Facts:
        if touchpoint.pk == bad.pk:
            raise KeyError("broken row")
        return gather(touchpoint)

    with monkeypatch.context() as patched:
        patched.setattr(facts, "gather", fail_for_bad)
        assert [jobs.make_briefs(), jobs.make_briefs()] == [1, 0]
    assert Brief.unscoped.get().touchpoint == good
    failure = BriefFailure.unscoped.get()
    assert (failure.touchpoint, failure.reason, failure.tries) == (bad, "KeyError: 'broken row'", 2)
    assert jobs.make_briefs() == 1
    assert not BriefFailure.unscoped.exists()


@time_machine.travel(NOW, tick=False)
def test_the_sweep_serves_every_company_within_its_own_rows(
    acme: Company, zenith: Company, jane: Person, make_meeting: MakeMeeting
) -> None:
    for company in (acme, zenith):
        make_meeting(company=company, guests=[guest("jane@alder.example")])
    assert jobs.make_briefs() == 2
    told = {brief.company_id: brief.facts["guests"][0]["is_new"] for brief in Brief.unscoped.all()}
    assert told == {acme.pk: False, zenith.pk: True}


def test_meetings_that_wait_for_a_note(in_acme: Company, alice: User, bob: User, make_meeting: MakeMeeting) -> None:
    def at(**ago: int) -> Touchpoint:
        meeting = make_meeting(NOW - timedelta(**ago))
        meeting.users.add(alice)
        return meeting

    older, latest = at(days=6), at(hours=2)
    at(days=8)
    at(minutes=30)
    noted = at(days=2)
    notes.write(noted, bob, "Bob wrote it down")
    cancelled = at(days=3)
    Touchpoint.objects.filter(pk=cancelled.pk).update(cancelled_at=NOW)
    assert list(notes.waiting_for_note(alice, NOW)) == [latest, older]
    assert list(notes.waiting_for_note(bob, NOW)) == []


def test_a_note_is_kept_with_everybody_and_its_follow_up(
    in_acme: Company, alice: User, jane: Person, make_meeting: MakeMeeting
) -> None:
    meeting = make_meeting()
    meeting.people.add(jane)
    note = notes.write(
        meeting, alice, "Likes it", "follow_up", sync_to_crm=True, follow_up="Send deck", due_on=date(2026, 3, 9)
    )
    assert (note.outcome, note.sync_to_crm, list(note.people.all())) == ("follow_up", True, [jane])
    task = Task.objects.get()
    assert (task.title, task.person, task.touchpoint, task.assignee, task.due_on) == (
        "Send deck", jane, meeting, alice, date(2026, 3, 9)
    )  # fmt: skip


def test_a_note_without_follow_up_makes_no_task(in_acme: Company, alice: User, make_meeting: MakeMeeting) -> None:
    notes.write(make_meeting(), alice, "Nothing new")
    assert Note.objects.count() == 1
    assert not Task.objects.exists()


def test_making_a_brief_needs_a_company(make_meeting: MakeMeeting) -> None:
    with pytest.raises(tenancy.NoCompany):
        briefs.make(make_meeting().pk)
