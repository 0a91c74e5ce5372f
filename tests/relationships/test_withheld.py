"""A meeting that a block rule hides is named nowhere but on its owner's own page of events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from relationships import briefs, privacy
from relationships.models import Brief, BriefFailure, Company, Note, Person, Touchpoint, User

SECRET, PLACE = "Project Falcon", "Rooftop 9"
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def lena(in_acme: Company) -> Person:
    return Person.objects.create(company=in_acme, display_name="Lena Alder")


@pytest.fixture
def hidden(in_acme: Company, alice: User, lena: Person) -> Touchpoint:
    """Alice's meeting with Lena, on which there is a note: hidden after a brief of it was made, and one of a later
    meeting that names it."""
    one = meeting(in_acme, alice, lena, AT, title=SECRET, location=PLACE)
    one.guests = [{"email": "ulf@hush.example", "name": "Ulf", "response": ""}]
    one.save()
    Note.objects.create(company=in_acme, touchpoint=one, author=alice, text="Went well.").people.add(lena)
    later = meeting(in_acme, alice, lena, AT + timedelta(days=1), title="Lunch")
    for each in (one, later):
        assert SECRET in str(briefs.make(each.pk).facts)  # type: ignore[union-attr]
    Touchpoint.objects.filter(pk=one.pk).update(cancelled_at=timezone.now(), is_withheld=True)
    one.refresh_from_db()
    return one


def meeting(company: Company, user: User, person: Person, at: datetime, **columns: Any) -> Touchpoint:
    made = Touchpoint.objects.create(
        company=company, kind="meeting", unique_key=at.isoformat(), occurred_at=at, ended_at=at, **columns
    )
    made.users.add(user)
    made.people.add(person)
    return made


def test_it_has_no_title_before_anybody(hidden: Touchpoint, alice: User, bob: User) -> None:
    assert privacy.title_for(hidden, alice) == privacy.title_for(hidden, bob) == str(hidden) == "Meeting"
    call = Touchpoint(kind="call", title=SECRET, is_withheld=True)
    assert privacy.title_for(call, alice) == "Call"


def test_its_page_keeps_what_was_noted_and_says_no_more(as_alice: Client, hidden: Touchpoint) -> None:
    shown = as_alice.get(reverse("relationships:meeting", args=[hidden.pk])).content.decode()
    assert "Went well." in shown
    assert "hidden by a block rule" in shown
    for word in (SECRET, PLACE, "hush.example", "Cancelled", 'id="brief"'):
        assert word not in shown


def test_no_page_of_a_contact_or_of_another_meeting_names_it(
    as_alice: Client, hidden: Touchpoint, lena: Person
) -> None:
    later = Touchpoint.objects.get(title="Lunch")
    brief = as_alice.get(reverse("relationships:meeting", args=[later.pk])).content.decode()
    assert str(hidden.pk) in brief, "the brief was made before it was hidden"
    person = reverse("relationships:person", args=[lena.pk])
    pages = [as_alice.get(person, {"show": what}).content.decode() for what in ("timeline", "notes", "tasks")]
    assert "Went well." in pages[1]
    for page in (brief, *pages, as_alice.get("/").content.decode()):
        assert SECRET not in page


@pytest.mark.parametrize("model", [Brief, BriefFailure])
def test_staff_find_no_brief_by_it(as_staff: Client, hidden: Touchpoint, model: type[Model]) -> None:
    for each in Touchpoint.objects.all():
        BriefFailure.objects.create(company_id=each.company_id, touchpoint=each, reason="Out of luck")
    list_url = reverse(f"admin:relationships_{model._meta.model_name}_changelist")
    row_url = f"admin:relationships_{model._meta.model_name}_change"
    of_hidden, of_later = (model._default_manager.get(touchpoint__title=title) for title in (SECRET, "Lunch"))
    assert str(of_hidden.pk) not in as_staff.get(list_url, {"q": "Falcon"}).content.decode()
    assert str(of_later.pk) in as_staff.get(list_url, {"q": "Lunch"}).content.decode()
    for row in (of_hidden, of_later):
        assert SECRET not in as_staff.get(reverse(row_url, args=[row.pk])).content.decode()
    assert as_staff.get(list_url, {"touchpoint__title__startswith": "Pro"}).status_code == 400
