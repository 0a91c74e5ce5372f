"""Our side as the catalogue's fields, and what of it may go out."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from crm import rows
from crm.models import RecordLink
from relationships import privacy
from relationships.models import (
    BlockRule,
    Company,
    Fund,
    Match,
    Note,
    Organization,
    OrganizationDomain,
    Person,
    Task,
    Touchpoint,
    User,
)
from tests.crm.in_scene import In


@pytest.fixture
def alder(coming: In) -> Organization:
    return coming.firm("Alder Pension", "alder.example", city="Bern")


@pytest.fixture
def lena(coming: In, alder: Organization) -> Person:
    return coming.person("Lena von Alder", "lena@alder.example", organization=alder, title="CIO")


def linked(coming: In, kind: str, row: Any, **columns: Any) -> RecordLink:
    return RecordLink.objects.create(
        company=coming.company, integration=coming.integration, kind=kind, row_id=row.pk,
        crm_object=coming.crm.objects[kind], external_id=str(row.pk), **columns,
    )  # fmt: skip


def touchpoint(coming: In, kind: str, *people: Person, users: tuple[User, ...] = (), **columns: Any) -> Touchpoint:
    found = Touchpoint.objects.create(
        company=coming.company, kind=kind, unique_key=str(uuid.uuid4()), occurred_at=timezone.now(), **columns
    )
    found.people.set(people)
    found.users.set(users)
    found.organizations.set({person.organization for person in people if person.organization})
    return found


def newer(coming: In, kind: str) -> list[uuid.UUID]:
    return rows.newer(coming.integration, kind, 100)


def test_a_firm_and_its_best_match(coming: In, alder: Organization) -> None:
    OrganizationDomain.objects.create(company=coming.company, organization=alder, domain="a.example", is_primary=True)
    for name, score in (("Fund I", 40), ("Fund II", 82)):
        fund = Fund.objects.create(company=coming.company, name=name)
        Match.objects.create(company=coming.company, organization=alder, fund=fund, score=score, summary=f"{score}!")
    told = rows.values("organization", [alder.pk])[alder.pk]
    assert (told["org.domain"], told["match.score"], told["match.summary"]) == ("a.example", 82, "82!")
    assert rows.values("organization", [uuid.uuid4()]) == {}


def test_a_person_in_parts(lena: Person) -> None:
    told = rows.values("person", [lena.pk])[lena.pk]
    assert (told["person.first_name"], told["person.last_name"]) == ("Lena", "von Alder")
    assert told["person.email"] == "lena@alder.example"
    assert rows.related("person", [lena.pk]) == {lena.pk: (("organization", lena.organization_id),)}
    assert rows.related("person", [lena.pk], frozenset()) == {lena.pk: ()}


def test_columns_are_checked_as_in_the_admin(coming: In, alder: Organization) -> None:
    coming.firm("Birch", "birch.example")
    problems = rows.apply(
        "organization",
        {alder.pk: {"org.name": "Birch", "org.city": "x" * 101, "org.country": "CH", "org.domain": "gmail.com"}},
    )
    assert {problem.field for problem in problems[alder.pk]} == {"org.name", "org.city", "org.domain"}
    alder.refresh_from_db()
    assert (alder.name, alder.city, alder.country) == ("Alder Pension", "Bern", "CH")
    taken = rows.apply("organization", {alder.pk: {"org.domain": "birch.example"}})
    assert taken[alder.pk][0].other == Organization.objects.get(name="Birch").pk


def test_a_new_address_becomes_the_main_one_and_none_is_lost(lena: Person) -> None:
    assert rows.apply("person", {lena.pk: {"person.email": "l@new.example"}}) == {}
    assert rows.values("person", [lena.pk])[lena.pk]["person.email"] == "l@new.example"
    assert lena.addresses.count() == 2
    assert rows.apply("person", {lena.pk: {"person.email": "lena@alder.example"}}) == {}
    assert rows.values("person", [lena.pk])[lena.pk]["person.email"] == "lena@alder.example"


def test_a_new_main_address_is_news_for_another_crm(coming: In, lena: Person) -> None:
    linked(coming, "person", lena, looked_at=timezone.now())
    assert newer(coming, "person") == []
    rows.apply("person", {lena.pk: {rows.ADDRESSES: ("l@alder.example",)}})
    assert newer(coming, "person") == [], "only the main one goes out"
    rows.apply("person", {lena.pk: {"person.email": "lva@alder.example"}})
    assert newer(coming, "person") == [lena.pk]


def test_of_a_private_meeting_nothing_but_that_it_was(coming: In, lena: Person, alice: User) -> None:
    meeting = touchpoint(coming, "meeting", lena, users=(alice,), title="Secret", location="Here", is_private=True)
    told = rows.values("meeting", [meeting.pk])[meeting.pk]
    assert told["meeting.title"] == "Meeting"
    assert not told["meeting.location"]
    assert not told["meeting.description"]


def test_a_meeting_that_lasts_all_day_is_on_the_same_day_there(coming: In) -> None:
    Company.objects.filter(pk=coming.company.pk).update(time_zone="America/New_York")
    fair = Touchpoint.objects.create(
        company=coming.company, kind="meeting", title="Fair", unique_key="fair", all_day_on=date(2026, 5, 6),
        occurred_at=datetime(2026, 5, 6, tzinfo=UTC), ended_at=datetime(2026, 5, 8, tzinfo=UTC),
    )  # fmt: skip
    told = rows.values("meeting", [fair.pk])[fair.pk]
    here = ZoneInfo("America/New_York")
    assert told["meeting.starts_at"] == told["meeting.filed_at"] == datetime(2026, 5, 6, tzinfo=here)
    assert told["meeting.ends_at"] == datetime(2026, 5, 8, tzinfo=here)


def test_a_meeting_says_who_was_there_and_that_it_was_cancelled(coming: In, lena: Person, alice: User) -> None:
    meeting = touchpoint(coming, "meeting", lena, users=(alice,), title="Lunch")
    Note.objects.create(company=coming.company, touchpoint=meeting, text="Went well.", sync_to_crm=True)
    Note.objects.create(company=coming.company, touchpoint=meeting, text="Between us.")
    told = rows.values("meeting", [meeting.pk])[meeting.pk]
    assert told["meeting.description"] == "With Lena von Alder\nFor us: Alice Ash\n\nWent well."
    Touchpoint.objects.update(cancelled_at=timezone.now())
    assert rows.values("meeting", [meeting.pk])[meeting.pk]["meeting.title"] == "Cancelled: Lunch"


def test_a_subject_goes_out_only_where_its_owner_shares_it(coming: In, lena: Person, alice: User) -> None:
    linked(coming, "person", lena)
    mail = touchpoint(coming, "email", lena, users=(alice,), title="Terms", is_private=True, is_outgoing=True)
    told = rows.values("email", [mail.pk])[mail.pk]
    assert (told["email.title"], told["email.direction"]) == ("Mail", "out")
    assert "Terms" not in str(told)
    privacy.share_subjects(alice, True)
    assert rows.values("email", [mail.pk])[mail.pk]["email.title"] == "Terms"
    linked(coming, "email", mail, looked_at=timezone.now())
    privacy.share_subjects(alice, False)
    assert newer(coming, "email") == [mail.pk], "what was shared is taken back there too"
    assert rows.values("email", [mail.pk])[mail.pk]["email.title"] == "Mail"


def test_hidden_mail_and_cancelled_meetings_never_begin(coming: In, lena: Person) -> None:
    linked(coming, "person", lena)
    gone = timezone.now()
    touchpoint(coming, "email", lena, cancelled_at=gone)
    touchpoint(coming, "meeting", lena, cancelled_at=gone)
    known = touchpoint(coming, "meeting", lena, cancelled_at=gone)
    linked(coming, "meeting", known)
    assert newer(coming, "email") == []
    assert newer(coming, "meeting") == [known.pk], "but one that was sent is told of"


def test_only_what_concerns_somebody_the_crm_knows(coming: In, lena: Person) -> None:
    meeting = touchpoint(coming, "meeting", lena)
    touchpoint(coming, "meeting")
    assert newer(coming, "meeting") == []
    linked(coming, "person", lena)
    assert newer(coming, "meeting") == [meeting.pk]


def test_notes_only_where_their_author_says_so(coming: In, lena: Person) -> None:
    linked(coming, "person", lena)
    for marked in (True, False):
        note = Note.objects.create(company=coming.company, text=f"{marked}", sync_to_crm=marked)
        note.people.set([lena])
    assert [Note.objects.get(pk=pk).text for pk in newer(coming, "note")] == ["True"]


def test_what_changed_is_newer_and_what_was_looked_at_is_not(coming: In, alder: Organization, lena: Person) -> None:
    assert newer(coming, "organization") == [], "firms the CRM does not have are made only where that is allowed"
    link = linked(coming, "organization", alder, looked_at=timezone.now())
    assert newer(coming, "organization") == []
    alder.save()
    assert newer(coming, "organization") == [alder.pk]
    link.looked_at = timezone.now()
    link.save()
    fund = Fund.objects.create(company=coming.company, name="Fund I")
    Match.objects.create(company=coming.company, organization=alder, fund=fund, score=82)
    assert newer(coming, "organization") == [alder.pk], "a score is a change of its firm"
    for state in ("paused", "deleted", "ignored"):
        RecordLink.objects.update(state=state, is_due=True)
        assert newer(coming, "organization") == []
    RecordLink.objects.update(state="linked", next_attempt_at=timezone.now() + timedelta(hours=1))
    assert newer(coming, "organization") == []
    coming.allow(creates_people=True)
    assert newer(coming, "person") == [lena.pk]


def test_a_task_that_becomes_late_is_news(coming: In, lena: Person) -> None:
    today = timezone.now()
    task = Task.objects.create(
        company=coming.company, title="Call", person=lena, due_on=(today - timedelta(days=1)).date()
    )
    linked(coming, "person", lena)
    assert newer(coming, "task") == [task.pk]
    link = linked(coming, "task", task, looked_at=today - timedelta(days=2))
    Task.objects.update(updated_at=today - timedelta(days=3))
    assert newer(coming, "task") == [task.pk]
    assert rows.values("task", [task.pk])[task.pk]["task.priority"] == "high"
    link.looked_at = today
    link.save()
    assert newer(coming, "task") == []


@pytest.mark.parametrize(
    ("zone", "late_from"), [("Pacific/Auckland", datetime(2026, 3, 4, 11, tzinfo=UTC)),
                            ("America/Los_Angeles", datetime(2026, 3, 5, 8, tzinfo=UTC))],
)  # fmt: skip
def test_a_task_is_late_once_its_day_is_over_where_the_firm_is(
    coming: In, lena: Person, zone: str, late_from: datetime
) -> None:
    Company.objects.filter(pk=coming.company.pk).update(time_zone=zone)
    task = Task.objects.create(company=coming.company, title="Call", person=lena, due_on=date(2026, 3, 4))
    Task.objects.update(updated_at=late_from - timedelta(days=9))
    link = linked(coming, "task", task, looked_at=late_from - timedelta(hours=2))
    hour = timedelta(hours=1)
    for at, priority, is_news in [(late_from - hour, "normal", False), (late_from + hour, "high", True)]:
        with time_machine.travel(at, tick=False):
            assert rows.values("task", [task.pk])[task.pk]["task.priority"] == priority
            assert newer(coming, "task") == ([task.pk] if is_news else [])
    RecordLink.objects.filter(pk=link.pk).update(looked_at=late_from + hour)
    with time_machine.travel(late_from + 2 * hour, tick=False):
        assert newer(coming, "task") == [], "once"


def test_a_company_may_write_nothing_or_some_firms_alone(coming: In, alder: Organization, lena: Person) -> None:
    other = coming.firm("Birch")
    max_ = coming.person("Max", organization=other)
    for kind, row in (("organization", alder), ("organization", other), ("person", lena), ("person", max_)):
        linked(coming, kind, row)
    mixed, foreign = touchpoint(coming, "meeting", lena, max_), touchpoint(coming, "meeting", max_)
    note = Note.objects.create(company=coming.company, text="x", sync_to_crm=True, touchpoint=foreign)
    task = Task.objects.create(company=coming.company, title="x", person=lena)
    coming.allow(writes="none")
    assert [newer(coming, kind) for kind in ("organization", "person", "meeting")] == [[], [], []]
    coming.allow(writes="listed")
    coming.integration.crm_policy.organizations.set([alder])
    assert newer(coming, "organization") == [alder.pk]
    assert newer(coming, "person") == [lena.pk]
    assert newer(coming, "meeting") == [mixed.pk]
    assert newer(coming, "task") == [task.pk]
    assert newer(coming, "note") == []
    only = frozenset({alder.pk})
    assert rows.related("meeting", [mixed.pk], only) == {mixed.pk: (("organization", alder.pk), ("person", lena.pk))}
    assert rows.related("note", [note.pk]) == {note.pk: (("organization", other.pk),)}


def test_whom_the_firm_keeps_out_is_not_made_there(coming: In, lena: Person) -> None:
    coming.allow(creates_people=True)
    BlockRule.objects.create(company=coming.company, kind="domain", value="alder.example", strength="hide")
    assert newer(coming, "person") == []
