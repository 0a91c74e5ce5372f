"""What we wrote comes back, is known for it, counted and ignored."""

import pytest

from crm.echoes import words
from crm.models import Conflict, Write
from integrations.errors import Temporary
from relationships.models import Organization, Person
from tests.crm.in_scene import In


def test_what_we_wrote_comes_back_once(coming: In) -> None:
    account = coming.crm.create("Account", Name="Alder")
    coming.pull()
    firm = Organization.objects.get()
    firm.name = "Alder Pension"
    firm.save()
    coming.push()
    assert coming.crm.rows["Account", account].values["Name"] == "Alder Pension"
    run = coming.pull()
    write = Write.objects.get()
    assert (run.skipped, run.changed, write.echoes) == ({"echo": 1}, 0, 1)
    assert words(write).startswith("We wrote Name = Alder Pension at ")
    assert words(write).endswith(", ignored.")
    coming.poke("Account", account)
    assert coming.pull().skipped["echo"] == 2, "once named by a push, once among the changes"
    assert Write.objects.get().echoes == 3


def test_somebody_elses_change_is_no_echo(coming: In) -> None:
    account = coming.crm.create("Account", Name="Alder")
    coming.pull()
    firm = Organization.objects.get()
    firm.name = "Alder Pension"
    firm.save()
    coming.push()
    coming.crm.put("Account", account, Name="Alder Trust")
    run = coming.pull()
    assert (run.skipped, Organization.objects.get().name) == ({}, "Alder Trust")
    assert Write.objects.get().echoed_at is None
    assert Conflict.objects.count() == 0


def test_a_write_whose_reply_was_lost_is_known_when_it_comes_back(coming: In) -> None:
    coming.allow(creates_people=True)
    person = coming.person("Lena Alder", phone="1")
    coming.crm.lost_replies = 1
    with pytest.raises(Temporary):
        coming.push()
    run = coming.pull()
    assert Person.objects.get() == person
    assert coming.row(coming.crm.living("Contact")[0].id) == person, "known by our key"
    assert run.skipped["echo"] >= 1
    coming.push()
    assert len(coming.crm.living("Contact")) == 1
