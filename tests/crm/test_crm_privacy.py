"""What must not reach a CRM, whatever is linked, mapped and allowed."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from crm import deletes, drift, rows, taken_back
from crm.mapping import Row
from crm.models import Policy, RecordLink
from integrations.calendar import meetings, rematch
from integrations.calendar.models import CalendarEvent, EventGuest
from integrations.models import Integration, SyncState
from relationships.models import BlockRule, Company, Person, Task, Touchpoint, User
from tests.crm.out_scene import ROWS, Out, publish

pytestmark = pytest.mark.django_db
TOLD = (
    *ROWS,
    Row("meeting.location", "Event", "Location", "to_crm"),
    Row("meeting.description", "Event", "Description", "to_crm"),
    Row("email.description", "Task", "Description", "to_crm"),
)


def meeting(out: Out, *people: Person, kind: str = "meeting", **columns: Any) -> Touchpoint:
    key = f"{kind} {Touchpoint.objects.count()}"
    made = Touchpoint.objects.create(
        company=out.company, kind=kind, unique_key=key, occurred_at=timezone.now(), **columns
    )
    made.people.set(people)
    return made


def linked(out: Out, name: str, **columns: Any) -> Person:
    person = out.person(name, f"{name.lower()}@{name.lower()}.example", **columns)
    out.link("person", person, out.crm.create("Contact", LastName=name, Email=f"{name.lower()}@{name.lower()}.example"))
    return person


def test_nobody_of_a_firm_that_is_not_listed_is_named(out: Out) -> None:
    publish(out.integration, TOLD)
    rules = Policy.objects.create(company=out.company, integration=out.integration, writes="listed")
    alder, birch = out.linked_firm("Alder")[0], out.linked_firm("Birch")[0]
    rules.organizations.add(alder)
    lena, ulf, nora = linked(out, "Lena", firm=alder), linked(out, "Ulf", firm=birch), linked(out, "Nora")
    for kind in ("meeting", "email"):
        meeting(out, lena, ulf, nora, kind=kind, title="Terms")
    out.push()
    told = {write.object: write.values["Description"] for write in out.crm.writes if write.object in {"Event", "Task"}}
    assert told == {"Event": "With Lena", "Task": "With Lena"}
    differences = drift.report(out.integration).differences
    assert [one for one in differences if one["crm_field"] == "Description"] == []


def test_whom_the_firm_keeps_out_is_not_named(out: Out) -> None:
    publish(out.integration, TOLD)
    lena, harry = linked(out, "Lena"), out.person("Harry", "harry@hidden.example")
    BlockRule.objects.create(company=out.company, kind="domain", value="hidden.example", strength="hide")
    both = meeting(out, lena, harry, title="Dinner")
    out.push()
    assert [write.values["Description"] for write in out.crm.writes if write.object == "Event"] == ["With Lena"]
    BlockRule.objects.all().delete()
    assert rows.values("meeting", [both.pk])[both.pk]["meeting.description"] == "With Harry, Lena"


@pytest.mark.parametrize("strength", ["hide", "never"])
def test_what_happened_does_not_hang_on_whom_the_firm_keeps_out(out: Out, strength: str) -> None:
    lena, harry = linked(out, "Lena"), linked(out, "Harry", firm=out.linked_firm("Birch")[0])
    BlockRule.objects.create(company=out.company, kind="domain", value="harry.example", strength=strength)
    both = meeting(out, lena, harry, title="Dinner")
    assert rows.related("meeting", [both.pk])[both.pk] == (("person", lena.pk),)
    call = Task.objects.create(company=out.company, title="Call", person=harry)
    assert rows.related("task", [call.pk])[call.pk] == ()


def test_the_hour_of_mail_that_is_not_shared_stays_here(out: Out) -> None:
    Company.objects.update(time_zone="Pacific/Auckland")
    sent_at = datetime(2026, 11, 2, 20, 17, tzinfo=UTC)
    shared, private, withheld = (
        meeting(out, kind="email", title="Terms", **columns)
        for columns in ({}, {"is_private": True}, {"is_withheld": True, "cancelled_at": sent_at})
    )
    Touchpoint.objects.update(occurred_at=sent_at)
    values = rows.values("email", [shared.pk, private.pk, withheld.pk])
    noon = datetime(2026, 11, 3, 12, 0, tzinfo=ZoneInfo("Pacific/Auckland"))
    told = [values[row.pk]["email.sent_at"] for row in (shared, private, withheld)]
    assert told == [sent_at, noon, noon]


@pytest.mark.parametrize("writes", ["all", "listed"])
def test_a_meeting_that_becomes_private_is_taken_back_there(out: Out, writes: str) -> None:
    publish(out.integration, TOLD)
    rules = Policy.objects.create(company=out.company, integration=out.integration, writes=writes)
    alder = out.linked_firm("Alder")[0]
    rules.organizations.add(alder)
    lena = linked(out, "Lena", firm=alder)
    guests = [{"email": "lena@lena.example", "name": "Lena", "response": ""}]
    told, untold = (meeting(out, lena, title=name, location="Clinic", guests=guests) for name in ("Falcon", "Later"))
    Touchpoint.objects.filter(pk=untold.pk).update(cancelled_at=timezone.now())
    out.push()
    [event] = out.crm.living("Event")
    assert (event.values["Subject"], event.values["Description"]) == ("Falcon", "With Lena")

    Touchpoint.objects.update(cancelled_at=timezone.now())
    meetings.forget([told.unique_key, untold.unique_key])
    assert list(Touchpoint.objects.values_list("pk", "title", "location")) == [(told.pk, "", "")]
    out.push()
    [event] = out.crm.living("Event")
    assert (event.values["Subject"], event.values["Location"], event.values["Description"]) == ("Meeting", None, None)


def test_mail_with_whom_a_rule_keeps_out_later_is_taken_back_there(out: Out) -> None:
    publish(out.integration, TOLD)
    mail = meeting(out, linked(out, "Lena"), kind="email", title="Falcon", guests=[{"email": "lena@lena.example"}])
    out.push()
    Touchpoint.objects.update(cancelled_at=timezone.now(), updated_at=timezone.now())
    out.push()
    [task] = out.crm.living("Task")
    assert task.values["Subject"] == "Falcon", "mail that was only deleted in its mailbox stays there"
    Touchpoint.objects.filter(pk=mail.pk).update(title="", guests=[], is_withheld=True, updated_at=timezone.now())
    out.push()
    [task] = out.crm.living("Task")
    assert (task.values["Subject"], task.values["Description"]) == ("Mail", None)


def test_a_meeting_of_a_contact_who_was_deleted_here_is_not_said_to_be_cancelled(out: Out, alice: User) -> None:
    publish(out.integration, TOLD)
    row = meeting(out, linked(out, "Lena"), title="Falcon", location="Zug", guests=[{"email": "lena@lena.example"}])
    out.push()
    grant = Integration.objects.create(company=out.company, user=alice, provider="google", integration_type="calendar")
    state = SyncState.objects.create(
        company=out.company, integration=grant, resource_type="calendar", external_id="c", name="Alice's"
    )
    event = CalendarEvent.objects.create(
        company=out.company, state=state, external_id="1", ical_uid="1", verdict="meeting", title="Falcon",
        starts_at=row.occurred_at, ends_at=row.occurred_at, location="Falcon",
        meeting_key=row.unique_key,
    )  # fmt: skip
    EventGuest.objects.create(
        company=out.company, event=event, email="lena@lena.example", match_key="lena@lena.example",
        domain="lena.example",
    )  # fmt: skip
    Person.objects.get().delete()
    rematch.reconsider(out.company.pk, [event.pk])
    row.refresh_from_db()
    event.refresh_from_db()
    assert (event.verdict, row.cancelled_at is None) == ("unknown_guests", False)
    for _ in range(2):
        deletes.let_go(out.integration)
        taken_back.sweep(out.integration)
        out.push()
    [record] = out.crm.living("Event")
    assert (record.values["Subject"], record.values.get("Description")) == ("Falcon", None)
    event.verdict = "cancelled"
    event.save()
    RecordLink.objects.filter(row_id=row.pk).update(is_due=True)
    out.push()
    assert record.values["Subject"] == "Cancelled: Falcon", "what the calendar calls off is"
