"""Which of our rows a record is, and what happens where that is not clear."""

import pytest
from django.utils import timezone

from crm import deletes, link_errors, rows, twins
from crm.contract import Related
from crm.intake import DOUBLE, WAITS
from crm.models import RecordLink, Twin
from integrations.errors import Unusable
from relationships.models import BlockRule, Organization, Person, User
from tests.crm.in_scene import In


def test_people_are_known_by_any_address(coming: In) -> None:
    lena = coming.person("Lena Alder", "lena@alder.example", "l.alder@gmail.com")
    contact = coming.crm.create("Contact", FirstName="Lena", LastName="Alder", Email="LAlder@googlemail.com")
    other = coming.crm.create("Contact", LastName="Muster", Email="x@muster.example", addresses=["m@muster.example"])
    muster = coming.person("Max Muster", "m@muster.example")
    coming.pull()
    assert (coming.row(contact), coming.row(other)) == (lena, muster)
    assert Person.objects.count() == 2
    assert set(muster.addresses.values_list("email", flat=True)) == {"m@muster.example", "x@muster.example"}


def test_firms_are_known_by_domain_and_then_by_name(coming: In) -> None:
    alder, birch = coming.firm("Alder Pension", "alder.example"), coming.firm("Birch CAPITAL")
    by_domain = coming.crm.create("Account", Name="The Alder Fund", Website="www.alder.example")
    by_name = coming.crm.create("Account", Name="birch Capital")
    coming.pull()
    assert (coming.row(by_domain), coming.row(by_name)) == (alder, birch)
    assert [name for name, *_ in coming.conflicts()] == ["org.name", "org.name"]


def test_what_a_first_link_overwrites_is_told(coming: In) -> None:
    coming.person("Lena Alder", "lena@alder.example", title="Clerk", phone="044 1")
    coming.crm.create("Contact", FirstName="Lena", LastName="Alder", Email="lena@alder.example", Title="CIO")
    coming.pull()
    lena = Person.objects.get()
    assert (lena.title, lena.phone) == ("CIO", "044 1")
    assert coming.conflicts() == [("person.title", "Clerk", "CIO", "theirs")]
    assert RecordLink.objects.get().is_due, "our phone is to go out"


def test_new_rows_are_made_only_where_the_company_takes_them(coming: In) -> None:
    coming.allow(takes_organizations=False, takes_people=False)
    coming.crm.create("Account", Name="Alder")
    coming.crm.create("Contact", LastName="Alder", Email="a@alder.example")
    run = coming.pull()
    assert (Organization.objects.count(), Person.objects.count()) == (0, 0)
    assert run.skipped["not_taken"] == 4, "once in the listing, once among the changes"


def test_colleagues_and_who_is_never_taken_are_no_contacts(coming: In) -> None:
    BlockRule.objects.create(company=coming.company, kind="domain", value="secret.example", strength="never")
    coming.crm.create("Contact", LastName="Ash", Email="alice@acme.example")
    coming.crm.create("Contact", LastName="Who", Email="who@secret.example")
    run = coming.pull()
    assert Person.objects.count() == 0
    assert (run.skipped["colleague"], run.skipped["blocked"]) == (2, 2)


def test_a_second_record_of_one_person_waits_for_staff(coming: In, staff: User) -> None:
    first = coming.crm.create("Contact", LastName="Alder", Email="lena@alder.example")
    second = coming.crm.create("Contact", LastName="Alder", Email="lena@alder.example", Title="CIO")
    coming.pull()
    assert Person.objects.get().title == ""
    link = coming.link_of(second)
    assert (link.state, link.row_id) == (RecordLink.State.IGNORED, None)
    assert "look like one" in link.reason
    (twin,) = coming.twins()
    assert (twin.theirs, twin.ours) == ([first, second], [])
    with pytest.raises(Unusable, match="merged there"):
        twins.merge(twin, staff)
    twins.dismiss(twin, staff)
    coming.pull()
    assert Person.objects.count() == 2
    assert coming.row(second).addresses.count() == 0, "the address stays with whom it belonged to"
    coming.pull()
    assert [one.state for one in coming.twins()] == [Twin.State.DISMISSED]


def test_a_record_that_waited_takes_the_place_of_one_that_is_gone(coming: In) -> None:
    first = coming.crm.create("Contact", LastName="Alder", Email="lena@alder.example")
    second = coming.crm.create("Contact", LastName="Alder", Email="lena@alder.example")
    coming.pull()
    person = coming.row(first)
    coming.crm.delete("Contact", first)
    coming.crm.put("Contact", second, Title="CIO")
    coming.pull()
    coming.pull()
    person.refresh_from_db()
    assert (coming.row(second), person.title) == (person, "CIO")
    assert RecordLink.objects.count() == 1


def test_what_waits_goes_on_waiting_where_staff_have_it_compared_again(coming: In) -> None:
    first = coming.crm.create("Contact", LastName="Alder", Email="lena@alder.example")
    second = coming.crm.create("Contact", LastName="Alder", Email="lena@alder.example")
    account = coming.crm.create("Account", Name="Alder Pension")
    max_ = coming.crm.create("Contact", LastName="Max", related=[Related("organization", account)])
    coming.allow(takes_organizations=False)
    coming.pull()
    person = coming.row(first)
    assert [coming.link_of(name).reason for name in (second, max_)] == [DOUBLE, WAITS]
    link_errors.resync(RecordLink.objects.all())
    coming.firm("Alder Pension")
    coming.crm.delete("Contact", first)
    coming.crm.put("Contact", second, Title="CIO")
    coming.crm.put("Account", account, BillingCity="Zug")
    coming.pull()
    coming.pull()
    assert coming.row(second) == person
    assert coming.row(max_).organization == coming.row(account)


def test_who_was_deleted_for_privacy_stays_so_where_staff_have_it_compared_again(coming: In) -> None:
    lena = coming.crm.create("Contact", LastName="Lena")
    coming.pull()
    RecordLink.objects.update(state=RecordLink.State.DELETED, reason=deletes.FORGOTTEN, shadow={})
    link_errors.resync(RecordLink.objects.all())
    coming.crm.put("Contact", lena, Title="CIO")
    coming.pull()
    link = coming.link_of(lena)
    assert (link.state, link.shadow) == (RecordLink.State.DELETED, {})


def test_an_address_is_taken_from_nobody(coming: In) -> None:
    lena, max_ = coming.person("Lena", "lena@alder.example"), coming.person("Max", "max@alder.example")
    contact = coming.crm.create("Contact", LastName="Lena", Email="lena@alder.example")
    coming.pull()
    coming.crm.put("Contact", contact, Email="max@alder.example", Title="CIO")
    coming.pull()
    lena.refresh_from_db()
    assert (lena.addresses.get().email, max_.addresses.get().email) == ("lena@alder.example", "max@alder.example")
    assert lena.title == "CIO", "what fits is taken"
    assert [set(twin.ours) for twin in coming.twins()] == [{str(lena.pk), str(max_.pk)}]
    assert "belongs to somebody else" in coming.aside()[f"Contact:{contact}"]
    coming.crm.put("Contact", contact, Email="lena@alder.example")
    coming.pull()
    assert coming.aside() == {}


def test_two_of_ours_that_one_record_fits_are_proposed_and_merged(coming: In, staff: User) -> None:
    old = coming.person("Lena Alder", "lena@alder.example", title="CIO")
    new = coming.person("L. Alder", "l@alder.example", title="Chief", phone="044 1")
    coming.crm.create("Contact", LastName="Alder", Email="l@alder.example", addresses=["lena@alder.example"])
    coming.pull()
    (twin,) = coming.twins()
    assert set(twin.ours) == {str(old.pk), str(new.pk)}
    twins.merge(twin, staff)
    person = Person.objects.get()
    assert (person.pk, person.phone, person.addresses.count()) == (old.pk, "044 1", 2)
    assert RecordLink.objects.get().row_id == old.pk
    assert ("person.title", "Chief", "CIO", "kept") in coming.conflicts()
    with pytest.raises(Unusable, match="decided already"):
        twins.merge(twin, staff)


def test_a_person_joins_the_firm_though_it_comes_later(coming: In) -> None:
    account = coming.crm.create("Account", Name="Alder")
    coming.crm.unreadable[account] = "not now"
    coming.crm.create("Contact", LastName="Lena", related=[Related("organization", account)])
    coming.pull()
    assert Person.objects.get().organization is None
    coming.crm.unreadable.clear()
    coming.crm.put("Account", account, BillingCity="Bern")
    coming.pull()
    assert str(Person.objects.get().organization) == "Alder"
    assert RecordLink.objects.get(kind="person").reason == ""


def unknown_firm(coming: In) -> tuple[str, str]:
    """A firm there that cannot be read yet, and Lena, who belongs to it and waits."""
    account = coming.crm.create("Account", Name="Alder")
    coming.crm.unreadable[account] = "not now"
    lena = coming.crm.create("Contact", LastName="Lena", related=[Related("organization", account)])
    coming.pull()
    assert coming.link_of(lena).reason == WAITS
    return account, lena


def comes(coming: In, account: str) -> None:
    """The firm can be read."""
    coming.crm.unreadable.clear()
    coming.crm.put("Account", account, BillingCity="Bern")
    coming.pull()


def test_a_person_whose_write_was_refused_before_joins_the_firm_too(coming: In) -> None:
    account, lena = unknown_firm(coming)
    RecordLink.objects.filter(external_id=lena).update(error_cause="rule", error="No.")
    Person.objects.update(phone="044 1", updated_at=timezone.now())
    coming.push()
    assert coming.link_of(lena).error_cause == ""
    comes(coming, account)
    assert str(Person.objects.get().organization) == "Alder"


@pytest.mark.parametrize("is_told_at_once", [True, False])
def test_a_person_whose_record_was_merged_joins_the_firm_too(coming: In, is_told_at_once: bool) -> None:
    account, lena = unknown_firm(coming)
    firm = Related("organization", account)
    winner = coming.crm.create("Contact", LastName="Lena", related=[firm] if is_told_at_once else [])
    coming.crm.merge("Contact", winner, lena)
    coming.pull()
    coming.crm.relate("Contact", winner, firm)
    coming.pull()
    comes(coming, account)
    assert str(Person.objects.get().organization) == "Alder"


def test_a_firm_there_that_is_not_known_here_yet_is_not_overwritten(coming: In) -> None:
    account, lena = unknown_firm(coming)
    birch = coming.crm.create("Account", Name="Birch")
    coming.pull()
    Person.objects.update(organization=coming.row(birch), updated_at=timezone.now())
    coming.push()
    assert [one.external_id for one in coming.crm.rows["Contact", lena].related] == [account]
    comes(coming, account)
    coming.pull()
    assert str(Person.objects.get().organization) == "Alder"
    [(field, _, _, winner)] = coming.conflicts()
    assert (field, winner) == (rows.ORGANIZATION, "theirs")
    coming.push()
    assert [one.external_id for one in coming.crm.rows["Contact", lena].related] == [account]


def test_a_person_changes_firms_there(coming: In) -> None:
    one, two = coming.crm.create("Account", Name="One"), coming.crm.create("Account", Name="Two")
    contact = coming.crm.create("Contact", LastName="Lena", related=[Related("organization", one)])
    coming.pull()
    coming.crm.relate("Contact", contact, Related("organization", two))
    coming.pull()
    assert (str(coming.row(contact).organization), coming.conflicts()) == ("Two", [])
    coming.crm.relate("Contact", contact)
    coming.pull()
    assert coming.row(contact).organization is None


def test_what_was_deleted_here_is_not_made_again(coming: In) -> None:
    contact = coming.crm.create("Contact", LastName="Lena", Email="lena@alder.example")
    coming.pull()
    Person.objects.all().delete()
    coming.crm.put("Contact", contact, Title="CIO")
    coming.pull()
    assert Person.objects.count() == 0
    assert coming.link_of(contact).reason == "Its row was deleted here."


def test_what_does_not_fit_is_set_aside_and_the_page_goes_on(coming: In) -> None:
    bad = coming.crm.create("Account", Name="x" * 201, BillingCity="Bern")
    coming.crm.create("Account", Name="Alder", Website="not a domain")
    coming.crm.create("Contact", Title="Nobody")
    coming.crm.create("Contact", LastName="Good", Email="nonsense")
    coming.crm.unreadable[coming.crm.create("Contact", LastName="Odd")] = "Its reply was cut."
    coming.pull()
    assert [firm.name for firm in Organization.objects.all()] == ["Alder"]
    assert [person.display_name for person in Person.objects.all()] == ["Good"]
    aside = coming.aside()
    assert len(aside) == 5
    assert "201 characters" in aside[f"Account:{bad}"]
    assert "Its reply was cut." in aside.values()
