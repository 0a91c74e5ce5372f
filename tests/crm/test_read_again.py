"""What is read again, though nothing changed in the CRM: after an interruption, and where more is taken than before."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm.contract import Related, Wanted
from crm.models import Policy
from integrations.errors import Temporary
from integrations.models import RoundPage, SyncState
from relationships.models import Note, Person
from tests.crm.in_scene import ROWS, In
from tests.crm.out_scene import publish

WITHOUT_TITLE = tuple(row for row in ROWS if (row.crm_object, row.crm_field) != ("Contact", "Title"))


def test_a_round_that_is_interrupted_at_its_end_still_finds_what_was_deleted(
    coming: In, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [coming.crm.create("Account", Name=f"Firm {number}") for number in range(120)]
    coming.pull()
    SyncState.objects.update(cursor="")
    for account in accounts:
        del coming.crm.rows["Account", account]
    read, times = coming.crm.read, iter(range(2))

    def once(*arguments: Any) -> Any:
        if next(times):
            raise Temporary("The connection broke.")
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(coming.crm, "read", once)
        with pytest.raises(Temporary):
            coming.pull()
    calls = coming.crm.calls.copy()
    coming.pull()
    assert {coming.link_of(account).state for account in accounts} == {"deleted"}
    assert coming.crm.calls["read"] == calls["read"] + 1, "it goes on, and does not begin again"
    assert not RoundPage.objects.exists()


def settled(coming: In) -> None:
    """Time passes, and with it the overlap of two reads."""
    coming.crm.now += timedelta(hours=1)
    coming.crm.create("Contact", LastName="Later", Title="CEO")
    coming.pull()


def test_a_field_that_is_mapped_later_comes_in_for_all(coming: In) -> None:
    publish(coming.integration, WITHOUT_TITLE)
    lena = coming.crm.create("Contact", LastName="Lena", Title="CIO")
    coming.pull()
    settled(coming)
    assert coming.row(lena).title == ""
    publish(coming.integration, ROWS, version=2)
    calls = coming.crm.calls.copy()
    coming.pull()
    assert coming.row(lena).title == "CIO"
    assert coming.crm.calls["listing"] == calls["listing"] + 1, "firms and notes are as they were"
    coming.pull()
    assert coming.crm.calls["listing"] == calls["listing"] + 1


def test_a_load_that_was_interrupted_begins_again_where_more_is_mapped(coming: In) -> None:
    publish(coming.integration, WITHOUT_TITLE)
    coming.crm.page_size = 2
    people = [coming.crm.create("Contact", LastName=f"Lena {number}", Title="CIO") for number in range(4)]
    held = coming.held()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coming.crm, "listing", failing_at_page(2, coming.crm.listing, "Contact"))
        with pytest.raises(Temporary):
            coming.pull_with(held)
    publish(coming.integration, ROWS, version=2)
    coming.pull()
    assert {coming.row(each).title for each in people} == {"CIO"}


def failing_at_page(number: int, ask: Any, crm_object: str) -> Any:
    pages = iter(range(1, 100))

    def answer(link: Any, wanted: Wanted) -> Any:
        if wanted.object == crm_object and next(pages) == number:
            raise Temporary("The connection broke.")
        return ask(link, wanted)

    return answer


def test_people_come_once_the_company_takes_them(coming: In) -> None:
    coming.allow(takes_people=False)
    coming.crm.create("Contact", LastName="Lena")
    coming.pull()
    settled(coming)
    assert not Person.objects.exists()
    Policy.objects.update(takes_people=True)
    coming.pull()
    assert Person.objects.count() == 2


def test_a_note_finds_its_person_who_comes_after_it(coming: In) -> None:
    lena = coming.crm.create("Contact", LastName="Lena")
    coming.crm.unreadable[lena] = "It is odd."
    coming.crm.create("Note", [Related("person", lena)], Title="Met #lpxgp", Body="At noon.")
    coming.pull()
    done()
    coming.crm.unreadable.clear()
    coming.crm.put("Contact", lena, Title="CIO")
    coming.pull()
    assert [person.pk for person in Note.objects.get().people.all()] == [coming.row(lena).pk]


def test_a_firm_that_came_in_an_interrupted_run_gets_its_people(coming: In, monkeypatch: pytest.MonkeyPatch) -> None:
    account = coming.crm.create("Account", Name="Pension One")
    coming.crm.unreadable[account] = "It is odd."
    lena = coming.crm.create("Contact", [Related("organization", account)], LastName="Lena")
    coming.pull()
    done()
    coming.crm.unreadable.clear()
    coming.crm.put("Account", account, BillingCity="Rome")
    with monkeypatch.context() as patch:
        patch.setattr(coming.crm, "changes", failing_at_page(1, coming.crm.changes, "Contact"))
        with pytest.raises(Temporary):
            coming.pull()
    coming.pull()
    assert coming.row(lena).organization_id == coming.row(account).pk


def done() -> None:
    """The last run ended well."""
    SyncState.objects.update(last_success_at=timezone.now())
