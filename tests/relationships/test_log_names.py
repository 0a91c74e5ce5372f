"""The admin's log after what it speaks of was deleted, or may not be named any more."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from relationships import jobs
from relationships.models import Company, Person, PersonAddress, Touchpoint

pytestmark = pytest.mark.django_db
PERSON = "admin:relationships_person"


@pytest.fixture
def lena(in_acme: Company) -> Person:
    person = Person.objects.create(company=in_acme, display_name="Lena Alder")
    PersonAddress.objects.create(company=in_acme, person=person, email="lena@alder.example")
    return person


def told() -> list[tuple[str, str]]:
    return list(LogEntry.objects.order_by("pk").values_list("object_repr", "change_message"))


def form_of(person: Person, **changes: str) -> dict[str, str]:
    [address] = person.addresses.all()
    rows = {"TOTAL_FORMS": "1", "INITIAL_FORMS": "1", "MIN_NUM_FORMS": "0", "MAX_NUM_FORMS": "1000",
            "0-id": str(address.pk), "0-person": str(person.pk), "0-email": address.email}  # fmt: skip
    return {"display_name": person.display_name} | {f"addresses-{name}": text for name, text in rows.items()} | changes


def test_whom_staff_deleted_is_named_in_it_no_more(as_staff: Client, lena: Person) -> None:
    other = Person.objects.create(company=lena.company, display_name="Ulf Birch")
    PersonAddress.objects.create(company=lena.company, person=other, email="ulf@birch.example")
    for person in (lena, other):
        changed = form_of(person, **{"addresses-0-email": f"new.{person.addresses.get().email}"})
        assert as_staff.post(reverse(f"{PERSON}_change", args=[person.pk]), changed).status_code == 302
    as_staff.post(reverse(f"{PERSON}_delete", args=[lena.pk]), {"post": "yes"})
    assert not Person.objects.filter(pk=lena.pk).exists()
    assert "Lena Alder" in str(told())
    assert "lena@alder.example" in str(told())

    assert jobs.forget_names() == 2
    kept = told()
    assert kept[0] == kept[2] == ("(removed)", "")
    assert kept[1][0] == "Ulf Birch"
    assert "ulf@birch.example" in kept[1][1]
    assert [entry.object_id for entry in LogEntry.objects.filter(object_repr="(removed)")] == [str(lena.pk)] * 2
    assert jobs.forget_names() == 0
    assert as_staff.get(reverse("admin:index")).status_code == 200


def test_a_meeting_that_is_withheld_is_named_in_it_no_more(as_staff: Client, in_acme: Company) -> None:
    meeting = Touchpoint.objects.create(
        company=in_acme, kind="meeting", title="Falcon", unique_key="1", occurred_at=timezone.now()
    )
    form = {"kind": "meeting", "title": "Falcon 2", "occurred_at_0": "2026-03-02", "occurred_at_1": "09:00:00"}
    assert as_staff.post(reverse("admin:relationships_touchpoint_change", args=[meeting.pk]), form).status_code == 302
    assert jobs.forget_names() == 0
    Touchpoint.objects.update(is_withheld=True)
    assert jobs.forget_names() == 1
    assert told() == [("(removed)", "")]
