"""What gave way is in the journal, and can be put back."""

import pytest

from crm import conflicts
from crm.contract import Related
from crm.models import Conflict, RecordLink
from integrations.errors import Unusable
from relationships.models import Organization, Person, User
from tests.crm.in_scene import In


def test_a_value_that_both_changed_is_told_and_put_back(coming: In, alice: User) -> None:
    contact = coming.crm.create("Contact", LastName="Lena", Phone="1")
    coming.pull()
    Person.objects.update(phone="2")
    coming.crm.put("Contact", contact, Phone="3")
    coming.pull()
    assert Person.objects.get().phone == "3"
    assert coming.conflicts() == [("person.phone", "2", "3", "theirs")]
    conflict = Conflict.objects.get()
    assert (conflict.base, conflict.crm_field) == ("1", "Phone")
    conflicts.restore(conflict, alice)
    assert (Person.objects.get().phone, conflict.restored_by) == ("2", alice)
    assert RecordLink.objects.get().is_due, "it goes out with the next push"
    coming.pull()
    assert Person.objects.get().phone == "2"
    assert Conflict.objects.count() == 1
    with pytest.raises(Unusable, match="already"):
        conflicts.restore(conflict, alice)


def test_what_is_put_back_where_the_crm_alone_decides_stays_until_it_changes_there(coming: In, alice: User) -> None:
    contact = coming.crm.create("Contact", LastName="Lena", Title="CIO")
    coming.pull()
    person = Person.objects.get()
    person.title = "Chief"
    person.save()
    coming.pull()
    assert Person.objects.get().title == "CIO"
    assert coming.crm.calls["read"] == 1, "the record was read again because of our edit"
    assert coming.conflicts() == [("person.title", "Chief", "CIO", "theirs")]
    conflicts.restore(Conflict.objects.get(), alice)
    coming.pull()
    coming.pull()
    assert Person.objects.get().title == "Chief"
    coming.crm.put("Contact", contact, Title="Partner")
    coming.pull()
    assert Person.objects.get().title == "Partner"


def test_a_name_is_taken_as_a_whole(coming: In) -> None:
    contact = coming.crm.create("Contact", FirstName="Lena", LastName="Alder", Email="lena@alder.example")
    coming.pull()
    person = Person.objects.get()
    person.display_name = "Lena Ash"
    person.save()
    coming.crm.put("Contact", contact, FirstName="Helena")
    coming.pull()
    assert Person.objects.get().display_name == "Helena Alder"
    assert ("person.last_name", "Ash", "Alder", "theirs") in coming.conflicts()


def test_a_firm_we_alone_knew_of_is_told_when_it_gives_way(coming: In, alice: User) -> None:
    here = coming.firm("Here")
    coming.person("Lena", "lena@alder.example", organization=here)
    account = coming.crm.create("Account", Name="There")
    from_there = [coming.crm.create("Contact", LastName="Lena", Email="lena@alder.example")]
    coming.crm.relate("Contact", from_there[0], *_belongs(account))
    coming.pull()
    assert str(Person.objects.get().organization) == "There"
    conflict = Conflict.objects.get(lpxgp_field="person.organization")
    conflicts.restore(conflict, alice)
    assert Person.objects.get().organization == here
    coming.pull()
    assert Person.objects.get().organization == here


def _belongs(account: str) -> list[Related]:
    return [Related("organization", account)]


def test_a_choice_the_table_does_not_know_is_set_aside(coming: In) -> None:
    account = coming.crm.create("Account", Name="Alder", Type="Endowment", BillingCity="Bern")
    coming.pull()
    assert (Organization.objects.get().kind, Organization.objects.get().city) == ("lp", "Bern")
    assert "Endowment" in coming.aside()[f"Account:{account}"]
    coming.crm.put("Account", account, Type="Manager")
    coming.pull()
    assert (Organization.objects.get().kind, coming.aside()) == ("gp", {})


def test_what_is_gone_here_gets_nothing_back(coming: In, alice: User) -> None:
    here = coming.firm("Here")
    coming.person("Lena", "lena@alder.example", organization=here)
    account = coming.crm.create("Account", Name="There")
    coming.crm.create("Contact", LastName="Lena", Email="lena@alder.example", related=_belongs(account))
    coming.pull()
    conflict = Conflict.objects.get(lpxgp_field="person.organization")
    here.delete()
    with pytest.raises(Unusable, match="That firm was deleted here"):
        conflicts.restore(conflict, alice)
    Person.objects.all().delete()
    with pytest.raises(Unusable, match="Its row was deleted here"):
        conflicts.restore(conflict, alice)
    assert Conflict.objects.get(pk=conflict.pk).restored_at is None
