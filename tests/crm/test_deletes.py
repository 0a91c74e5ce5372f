"""What is deleted, merged or restored in the CRM is followed, and costs nothing here."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm import deletes, incoming, links, mapping, policy, pull
from crm.contract import Record, Related
from crm.models import RecordLink, Twin, Write
from integrations import runs
from relationships.models import Note, Organization, Person
from tests.crm.in_scene import In


def contact(coming: In, name: str) -> str:
    return coming.crm.create("Contact", LastName=name, Email=f"{name.lower()}@alder.example")


def take(coming: In, *records: Record) -> None:
    """Take these in as one page."""
    incoming.take(pull._intake(coming.held(), mapping.published(coming.integration)), "person", records)


def test_a_deletion_deletes_nothing_here(coming: In) -> None:
    lena = contact(coming, "Lena")
    coming.pull()
    coming.crm.delete("Contact", lena)
    run = coming.pull()
    link = coming.link_of(lena)
    assert (Person.objects.count(), link.state, run.deleted) == (1, "deleted", 1)
    assert "Nothing was deleted here" in link.reason
    assert coming.pull().deleted == 0, "it is counted once"


def test_what_is_restored_is_linked_again(coming: In) -> None:
    lena = contact(coming, "Lena")
    coming.pull()
    coming.crm.delete("Contact", lena)
    coming.pull()
    coming.crm.undelete("Contact", lena)
    coming.crm.put("Contact", lena, Title="CIO")
    coming.pull()
    link = coming.link_of(lena)
    assert (link.state, link.reason, link.deleted_at) == ("linked", "", None)
    assert Person.objects.get().title == "CIO"


def test_a_deleted_record_whose_link_is_to_be_forgotten_is_forgotten(coming: In) -> None:
    coming.allow(on_delete="unlink")
    lena = contact(coming, "Lena")
    coming.pull()
    coming.crm.delete("Contact", lena)
    coming.pull()
    link = RecordLink.objects.get()
    assert (link.state, link.external_id, link.shadow) == ("ignored", "", {})
    again = contact(coming, "Lena")
    coming.pull()
    assert (Person.objects.count(), coming.link_of(again).state) == (1, "linked")


def test_another_record_of_a_deleted_one_is_linked_instead(coming: In) -> None:
    lena = contact(coming, "Lena")
    coming.pull()
    coming.crm.delete("Contact", lena)
    coming.pull()
    again = contact(coming, "Lena")
    coming.pull()
    assert (Person.objects.count(), coming.link_of(again).state, coming.twins()) == (1, "linked", [])


def test_a_merge_with_a_stranger_moves_the_link(coming: In) -> None:
    lena = contact(coming, "Lena")
    coming.pull()
    other = coming.crm.create("Contact", LastName="Alder", Title="CIO")
    coming.crm.merge("Contact", other, lena)
    coming.pull()
    link = coming.link_of(other)
    assert (link.state, Person.objects.count(), Person.objects.get().title) == ("linked", 1, "CIO")
    assert "merged" in link.reason


@pytest.mark.parametrize("is_new", [False, True])
def test_two_of_ours_become_twins_when_theirs_are_merged(coming: In, is_new: bool) -> None:
    coming.crm.merges_to_new = is_new
    first, second = contact(coming, "Lena"), contact(coming, "Max")
    coming.pull()
    old, new = coming.row(first), coming.row(second)
    winner = coming.crm.merge("Contact", second, first)
    for _ in range(3):
        coming.pull()
    assert coming.link_of(winner).row_id == old.pk, "the older link is the winner's"
    (twin,) = coming.twins()
    assert set(twin.ours) == {str(old.pk), str(new.pk)}
    assert RecordLink.objects.get(row_id=new.pk).state == RecordLink.State.IGNORED
    assert Person.objects.count() == 2


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_a_merge_of_what_was_merged_before_ends_at_the_last(coming: In, is_newest_first: bool) -> None:
    first, second, third = (contact(coming, name) for name in ("Lena", "Max", "Tom"))
    coming.pull()
    at = timezone.now()
    told = [
        Record("Contact", first, modified_at=at, is_deleted=True, merged_into=second),
        Record("Contact", second, modified_at=at, is_deleted=True, merged_into=third),
    ]
    book = deletes.Book(links.of_records(coming.integration, "Contact", {first, second, third}))
    for record in reversed(told) if is_newest_first else told:
        deletes.follow(book, "person", record, policy.of(coming.integration), at)
    book.store(coming.integration)
    linked = RecordLink.objects.filter(state=RecordLink.State.LINKED)
    assert [link.external_id for link in linked] == [third]
    assert len(book.proposals) == 2, "the three people here are put to staff"


def test_records_that_looked_like_one_are_settled_by_their_merge(coming: In) -> None:
    first = contact(coming, "Lena")
    second = contact(coming, "Lena")
    coming.pull()
    coming.crm.merge("Contact", second, first)
    coming.pull()
    assert (coming.link_of(second).state, Person.objects.count()) == ("linked", 1)
    assert [twin.state for twin in coming.twins()] == [Twin.State.MERGED]


def test_people_follow_their_firms_merge(coming: In) -> None:
    one, two = coming.crm.create("Account", Name="One"), coming.crm.create("Account", Name="Two")
    lena = coming.crm.create("Contact", LastName="Lena", related=[Related("organization", one)])
    coming.pull()
    firm = coming.row(one)
    coming.crm.merge("Account", two, one)
    coming.pull()
    coming.crm.put("Contact", lena, Title="CIO")
    coming.pull()
    assert coming.link_of(two).row_id == firm.pk
    assert coming.row(lena).organization == firm


def test_a_full_round_finds_what_was_deleted_meanwhile(coming: In) -> None:
    lena, max_, tom = contact(coming, "Lena"), contact(coming, "Max"), contact(coming, "Tom")
    coming.pull()
    coming.crm.delete("Contact", lena)
    del coming.crm.rows["Contact", max_]
    held = coming.held()
    runs.start_over(held, "The cursor was lost.")
    coming.pull()
    states = [coming.link_of(name).state for name in (lena, max_, tom)]
    assert states == ["deleted", "deleted", "linked"]


def test_a_record_a_push_named_that_is_gone_for_good(coming: In) -> None:
    lena = contact(coming, "Lena")
    coming.pull()
    del coming.crm.rows["Contact", lena]
    coming.poke("Contact", lena)
    coming.pull()
    assert coming.link_of(lena).state == "deleted"


def test_what_was_deleted_here_is_let_go_and_stops_nothing(coming: In) -> None:
    account = coming.crm.create("Account", Name="Alder")
    lena = coming.crm.create("Contact", LastName="Lena", related=[Related("organization", account)])
    coming.pull()
    coming.row(account).delete()
    coming.row(lena).delete()
    max_ = coming.crm.create("Contact", LastName="Max", related=[Related("organization", account)])
    coming.crm.create("Note", Title="Call #lpxgp", related=[Related("person", lena), Related("person", max_)])
    coming.pull()
    link = coming.link_of(account)
    assert (link.state, link.row_id, link.reason) == ("ignored", None, "Its row was deleted here.")
    assert coming.link_of(lena).state == "ignored"
    assert [str(person) for person in Note.objects.get().people.all()] == ["Max"]
    coming.crm.put("Account", account, BillingCity="Bern")
    coming.crm.put("Contact", lena, Title="CIO")
    coming.pull()
    assert (Organization.objects.count(), Person.objects.get().organization) == (0, None)
    assert coming.crm.rows["Account", account].values["BillingCity"] == "Bern"


def test_a_row_that_vanishes_during_a_pull_is_no_parent(coming: In, monkeypatch: pytest.MonkeyPatch) -> None:
    account = coming.crm.create("Account", Name="Alder")
    coming.pull()
    coming.row(account).delete()
    monkeypatch.setattr(deletes, "let_go", lambda integration: None)
    coming.crm.create("Contact", LastName="Max", related=[Related("organization", account)])
    coming.pull()
    assert Person.objects.get().organization is None


def test_an_error_of_a_row_that_was_deleted_is_not_shown_for_ever(coming: In) -> None:
    firm = coming.firm("Alder")
    stuck = RecordLink.objects.create(
        company=coming.company, integration=coming.integration, kind="organization", crm_object="Account",
        row_id=firm.pk, state="new", error_cause="required_missing", error="REQUIRED_FIELD_MISSING",
    )  # fmt: skip
    unsure = Write.objects.create(
        company=coming.company, integration=coming.integration, link=stuck, idempotency_key="1", is_creation=True
    )
    firm.delete()
    coming.pull()
    stuck.refresh_from_db()
    assert stuck.state == "new", "whether it is there is to be found out first"
    unsure.delete()
    coming.pull()
    stuck.refresh_from_db()
    assert (stuck.state, stuck.error_cause) == ("ignored", "")


@pytest.mark.parametrize("is_last_known", [True, False])
@pytest.mark.parametrize("is_newest_first", [False, True])
def test_a_chain_of_merges_told_in_two_pages_ends_at_the_last(
    coming: In, is_newest_first: bool, is_last_known: bool
) -> None:
    """The middle record is dead by then, and is not told again by itself."""
    first, middle = contact(coming, "Lena"), contact(coming, "Max")
    last = contact(coming, "Tom") if is_last_known else ""
    coming.pull()
    last = last or coming.crm.create("Contact", LastName="Tom")
    coming.crm.merge("Contact", middle, first)
    coming.crm.merge("Contact", last, middle)
    at = timezone.now()
    told = [
        Record("Contact", first, modified_at=at, is_deleted=True, merged_into=middle),
        Record("Contact", middle, modified_at=at, is_deleted=True, merged_into=last),
    ]
    for record in reversed(told) if is_newest_first else told:
        take(coming, record)
    coming.crm.rows["Contact", last].modified_at -= timedelta(days=1)
    for id in (first, middle):
        coming.crm.rows["Contact", id].modified_at -= timedelta(days=1)
    coming.pull()
    linked = RecordLink.objects.filter(state=RecordLink.State.LINKED)
    assert [link.external_id for link in linked] == [last]
    ours = {pk for twin in coming.twins() for pk in twin.ours}
    assert ours == {str(pk) for pk in Person.objects.values_list("pk", flat=True)}, "all are put to staff"
