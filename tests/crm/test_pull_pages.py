"""How pages are read: from where it stopped, by what pushes named, at a constant cost, and never twice in effect."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.contract import Link, RecordPage, Related, Wanted
from crm.models import RecordLink
from integrations import runs
from integrations.errors import CursorExpired, Temporary
from integrations.models import PokedItem, SyncState
from relationships.models import Note, Organization, Person, User
from tests.crm.in_scene import In


def fill(coming: In, number: int) -> None:
    accounts = [coming.crm.create("Account", Name=f"Firm {n}", Website=f"firm{n}.example") for n in range(number)]
    for n, account in enumerate(accounts):
        coming.crm.create(
            "Contact",
            related=[Related("organization", account)],
            FirstName="P.",
            LastName=f"Person{n}",
            Email=f"p@firm{n}.example",
        )


def test_an_interrupted_load_goes_on_where_it_stopped(coming: In) -> None:
    coming.crm.page_size = 4
    fill(coming, 10)
    jobs = 0
    while True:
        held = coming.held()
        held.ends_at = timezone.now() - timedelta(seconds=1)
        jobs += 1
        try:
            coming.pull_with(held)
            break
        except runs.OutOfTime:
            assert jobs < 20
    assert (Organization.objects.count(), Person.objects.count()) == (10, 10)
    assert coming.crm.calls["listing"] == 7, "every page of the three objects once"
    assert all(person.organization for person in Person.objects.all())


@pytest.mark.parametrize("length", [1, 2, 3])
def test_pages_that_lead_round_in_a_circle_end_with_words(
    coming: In, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    fill(coming, 6)
    coming.crm.page_size, listing, asked = 1, coming.crm.listing, []

    def lost(link: Link, wanted: Wanted) -> RecordPage:
        asked.append(wanted.page)
        page = listing(link, wanted)
        offset, _, cursor = page.next_page.partition("|")
        return replace(page, next_page=f"{int(offset) % length + 1}|{cursor}")

    monkeypatch.setattr(coming.crm, "listing", lost)
    with pytest.raises(Temporary, match="pages of Account lead round in a circle"):
        coming.pull()
    assert len(asked) <= 3 * length + 4


def test_a_worker_that_lost_its_hold_stores_nothing(coming: In) -> None:
    fill(coming, 1)
    held = coming.held()
    SyncState.objects.update(held_by=None)
    with pytest.raises(runs.HoldLost):
        coming.pull_with(held)
    assert (Organization.objects.count(), RecordLink.objects.count()) == (0, 0)


def test_a_page_costs_the_same_whatever_its_size(coming: In) -> None:
    costs = []
    for number in (10, 100):
        fill(coming, number)
        coming.pull()
        for row in list(coming.crm.rows.values()):
            coming.crm.put(row.object, row.id, BillingCity=f"Bern {number}", Phone=str(number), Title=f"T{number}")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            coming.pull()
        costs.append(len(queries))
        Person.objects.all().delete()
        Organization.objects.all().delete()
        RecordLink.objects.all().delete()
        coming.crm.rows.clear()
    assert costs[0] == costs[1]


def test_what_a_push_named_is_read_though_the_crm_lists_it_late(coming: In) -> None:
    contact = coming.crm.create("Contact", LastName="Lena")
    coming.pull()
    coming.crm.lag = timedelta(minutes=5)
    coming.crm.put("Contact", contact, Title="CIO")
    coming.pull()
    assert Person.objects.get().title == ""
    coming.poke("Contact", contact)
    coming.poke("Deal", "1")
    coming.pull()
    assert (Person.objects.get().title, PokedItem.objects.count()) == ("CIO", 0)


def test_nothing_new_costs_three_calls(coming: In) -> None:
    fill(coming, 3)
    coming.pull()
    coming.crm.calls.clear()
    coming.pull()
    assert dict(coming.crm.calls) == {"changes": 3}


def test_an_expired_cursor_is_the_engines_to_mend(coming: In) -> None:
    fill(coming, 1)
    coming.pull()
    coming.crm.expired = True
    with pytest.raises(CursorExpired):
        coming.pull()


def test_marked_notes_come_and_are_followed(coming: In, alice: User) -> None:
    account = coming.crm.create("Account", Name="Alder")
    belongs = [Related("organization", account)]
    lena = coming.crm.create("Contact", LastName="Lena", related=belongs)
    coming.crm.create("Contact", LastName="Max", related=belongs)
    one = coming.crm.create("Note", Title="Call", Body="Good. #LPxGP", related=[Related("person", lena)])
    coming.crm.create("Note", Title="Fund", Body="#lpxgp All.", related=belongs)
    coming.crm.create("Note", Title="Secret", Body="Not for you", related=belongs)
    coming.pull()
    call, fund = Note.objects.order_by("text")[1], Note.objects.order_by("text")[0]
    assert (call.text, fund.text) == ("Fund\n#lpxgp All.", "Call\nGood. #LPxGP")
    assert {note.author for note in Note.objects.all()} == {None}
    assert not Note.objects.filter(sync_to_crm=True).exists()
    assert sorted(note.people.count() for note in Note.objects.all()) == [1, 2]
    coming.crm.put("Note", one, Body="Better.")
    coming.pull()
    assert Note.objects.filter(text="Call\nBetter.").exists()
    assert Note.objects.count() == 2
