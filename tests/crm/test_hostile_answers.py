"""What a CRM may answer that nobody means well with: whatever it is, it costs its own record alone."""

import pytest

from crm.contract import Record, Related, Value
from integrations.models import PokedItem
from relationships.models import Organization, Person
from tests.crm.in_scene import In

ODD: dict[str, Value] = {
    "replaced": "Alder \ufffd",
    "long": "x" * 10_000_000,
    "number": 10**400,
    "float": float("inf"),
    "nan": float("nan"),
    "wide": 2**70,
    "true": True,
    "html": "<script>alert(1)</script>",
    "direction": "\u202egpj.exe",
    "old": "0001-01-01T00:00:00+14:00",
    "new": "9999-12-31T23:59:59-14:00",
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("field", ["Name", "Website", "Type", "BillingCity"])
def test_an_odd_value_of_a_firm_stops_nobody_else(coming: In, field: str, value: Value) -> None:
    known = coming.crm.create("Account", Name="Known")
    coming.pull()
    coming.crm.put("Account", known, **{field: value})
    coming.crm.put("Account", coming.crm.create("Account", Name="Odd"), **{field: value})
    coming.crm.create("Account", Name="Birch")
    coming.pull()
    assert Organization.objects.filter(name="Birch").exists()
    coming.pull()


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("field", ["FirstName", "LastName", "Email", "Phone", "Title"])
def test_an_odd_value_of_a_person_stops_nobody_else(coming: In, field: str, value: Value) -> None:
    known = coming.crm.create("Contact", LastName="Known", Email="k@alder.example")
    coming.pull()
    coming.crm.put("Contact", known, **{field: value})
    coming.crm.put("Contact", coming.crm.create("Contact", LastName="Odd"), **{field: value})
    coming.crm.create("Contact", LastName="Birch", Email="b@birch.example")
    coming.pull()
    assert Person.objects.filter(display_name__contains="Birch").exists()
    coming.pull()


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("field", ["Title", "Body"])
def test_an_odd_value_of_a_note_stops_nobody_else(coming: In, field: str, value: Value) -> None:
    alder = coming.crm.create("Account", Name="Alder")
    note = coming.crm.create("Note", [Related("organization", alder)], Title="#lpxgp", Body="#lpxgp")
    coming.crm.put("Note", note, **{field: value})
    coming.crm.create("Account", Name="Birch")
    coming.pull()
    assert Organization.objects.filter(name="Birch").exists()
    coming.pull()


@pytest.mark.parametrize("value", ["\ufffd@x.example", "x" * 1_000_000, "", "@", "a" * 300 + "@x.example"])
def test_odd_further_addresses_stop_nobody_else(coming: In, value: str) -> None:
    coming.crm.create("Contact", addresses=[value], LastName="Odd", Email="o@odd.example")
    coming.crm.create("Contact", LastName="Birch", Email="b@birch.example")
    coming.pull()
    assert Person.objects.filter(display_name__contains="Birch").exists()


@pytest.mark.parametrize("name", ["\ufffd", "../../Account", "x" * 100_000, "a;drop", ""])
def test_an_odd_id_stops_nobody_else(coming: In, name: str) -> None:
    alder = coming.crm.create("Account", Name="Alder")
    row = coming.crm.rows["Account", alder]
    coming.crm.create("Contact", [Related("organization", name)], LastName="Odd", Email="o@odd.example")
    row.aliases = (name, alder)
    coming.crm.create("Account", Name="Birch")
    coming.pull()
    assert Organization.objects.filter(name="Birch").exists()
    coming.pull()


def test_merges_in_a_circle_come_to_an_end(coming: In) -> None:
    one = coming.crm.create("Account", Name="Alder")
    other = coming.crm.create("Account", Name="Birch")
    coming.pull()
    for name in (one, other):
        coming.crm.delete("Account", name)
    told = coming.crm._told
    circle = {one: other, other: one}
    coming.crm._told = lambda row, wanted: (  # type: ignore[method-assign]
        Record(row.object, row.id, {}, row.modified_at, is_deleted=True, merged_into=circle[row.id])
        if row.id in circle
        else told(row, wanted)
    )
    coming.poke("Account", one)
    coming.poke("Account", other)
    coming.pull()
    coming.poke("Account", other)
    coming.poke("Account", one)
    coming.pull()
    assert Organization.objects.count() == 2
    assert not PokedItem.objects.exists()


def test_a_record_that_is_merged_into_itself(coming: In) -> None:
    one = coming.crm.create("Contact", LastName="Alder", Email="a@alder.example")
    coming.pull()
    row = coming.crm.rows["Contact", one]
    row.aliases = (one,)
    coming.crm.put("Contact", one, Title="CIO")
    coming.pull()
    assert Person.objects.get().title == "CIO"
