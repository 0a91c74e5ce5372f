"""What comes from the CRM: linked to what is known, made where it is not, and followed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from crm.contract import Related
from integrations import runs
from integrations.models import SyncState
from relationships.models import Organization, Person
from tests.crm.in_scene import In


def test_a_first_load_makes_firms_and_people(coming: In) -> None:
    alder = coming.crm.create("Account", Name="Alder Pension", Website="https://www.alder.example", Type="Investor")
    coming.crm.create(
        "Contact",
        related=[Related("organization", alder)],
        FirstName="Lena",
        LastName="von Alder",
        Email="Lena@Alder.example",
        Phone="+41 44 123 45 67",
        Title="CIO",
    )
    run = coming.pull()
    firm = Organization.objects.get()
    assert (firm.name, firm.kind, firm.domains.get().domain) == ("Alder Pension", "lp", "alder.example")
    person = Person.objects.get()
    assert (str(person), person.organization, person.title) == ("Lena von Alder", firm, "CIO")
    assert person.addresses.get().email == "lena@alder.example"
    assert (run.found, run.changed, coming.conflicts(), coming.aside()) == (4, 2, [], {})


def test_a_second_pull_changes_nothing(coming: In) -> None:
    account = coming.crm.create("Account", Name="Alder Pension", BillingCity="Bern", Type="Manager")
    coming.crm.create("Contact", related=[Related("organization", account)], LastName="Alder", Email="l@alder.example")
    coming.pull()
    before = list(Organization.objects.values()), list(Person.objects.values())
    run = coming.pull()
    assert (list(Organization.objects.values()), list(Person.objects.values())) == before
    assert (run.changed, coming.conflicts()) == (0, [])


def test_a_change_there_comes_here(coming: In) -> None:
    contact = coming.crm.create("Contact", FirstName="Anna", LastName="Maria Muster", Email="a@muster.example")
    coming.pull()
    coming.crm.put("Contact", contact, LastName="Maria Meier", Title="Partner")
    coming.pull()
    person = Person.objects.get()
    assert (str(person), person.title) == ("Anna Maria Meier", "Partner")
    coming.crm.put("Contact", contact, Title=None, Phone="044 1")
    coming.pull()
    person.refresh_from_db()
    assert (person.title, person.phone) == ("", "044 1")


def test_an_older_copy_never_overwrites_what_is_newer(coming: In) -> None:
    contact = coming.crm.create("Contact", LastName="Alder", Title="CIO")
    coming.pull()
    link = coming.link_of(contact)
    link.external_stamp = datetime(2026, 11, 3, tzinfo=UTC)
    link.save()
    coming.crm.rows["Contact", contact].values["Title"] = "Clerk"
    run = coming.pull()
    assert Person.objects.get().title == "CIO"
    assert run.skipped == {"stale": 1}


def test_nothing_is_missed_where_nothing_was_ever_pushed(coming: In, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MISSED_AFTER", timedelta(days=-36500))
    account = coming.crm.create("Account", Name="Pension One")
    coming.pull()

    def unannounced(city: str) -> int:
        coming.crm.put("Account", account, BillingCity=city)
        held = coming.held()
        coming.pull_with(held)
        return held.unannounced

    assert unannounced("Bern") == 0
    SyncState.objects.update(last_push_at=timezone.now())
    assert unannounced("Zug") == 1
