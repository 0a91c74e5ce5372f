"""Two rows of ours become one when staff say so, with all that hung on either."""

import uuid
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from crm import conflicts, deletes, merging, sending, taken_back, twins
from crm.models import Conflict, Policy, RecordLink, Twin
from crm.twins import Proposal
from integrations import runs
from integrations.errors import Temporary, Unusable
from relationships.models import FollowUp, Fund, Match, Note, Organization, Person, Task, Touchpoint, User
from tests.crm.in_scene import In
from tests.crm.out_scene import Out
from tests.crm.test_crm_privacy import linked
from tests.crm.test_taken_back import SECRET, conflict, kept


def proposed(coming: In, kind: str, *rows: uuid.UUID) -> Twin:
    twins.propose(coming.integration, [Proposal(kind, "They look alike.", ours=rows)])
    return Twin.objects.get()


def test_all_that_hung_on_a_person_hangs_on_the_older_one(coming: In, alice: User, staff: User) -> None:
    old, new = coming.person("Lena", "lena@alder.example"), coming.person("L.", "l@alder.example", title="CIO")
    assistant = coming.person("Tom", assistant_of=new)
    shared, own = (
        Touchpoint.objects.create(
            company=coming.company, kind="email", unique_key=str(number), occurred_at=timezone.now()
        )
        for number in range(2)
    )
    shared.people.set([old, new])
    own.people.set([new])
    note = Note.objects.create(company=coming.company, text="x")
    note.people.set([new])
    task = Task.objects.create(company=coming.company, title="Call", person=new)
    follow_up = FollowUp.objects.create(
        company=coming.company, user=alice, person=new, touchpoint=own, side="ours",
        since_at=timezone.now(), due_at=timezone.now(),
    )  # fmt: skip
    twins.merge(proposed(coming, "person", old.pk, new.pk), staff)
    for row in (task, follow_up):
        row.refresh_from_db()
        assert row.person == old
    assistant.refresh_from_db()
    old.refresh_from_db()
    assert (assistant.assistant_of, old.title, Person.objects.count()) == (old, "CIO", 2)
    assert (old.touchpoints.count(), old.notes.count(), old.addresses.count()) == (2, 1, 2)
    assert old.addresses.get(is_primary=True).email == "lena@alder.example"


def test_firms_are_united_with_their_people_and_scores(coming: In, staff: User) -> None:
    old, new = coming.firm("Alder", "alder.example"), coming.firm("Alder Pension", "alder-pension.example", city="Bern")
    person = coming.person("Lena", organization=new)
    one, two = (Fund.objects.create(company=coming.company, name=name) for name in ("Fund I", "Fund II"))
    for firm, fund, score in ((old, one, 40), (new, one, 82), (new, two, 60)):
        Match.objects.create(company=coming.company, organization=firm, fund=fund, score=score)
    coming.allow(writes="listed")
    coming.integration.crm_policy.organizations.set([new])
    account = coming.crm.create("Account", Name="Alder Pension")
    coming.pull()
    assert coming.row(account) == new
    twins.merge(proposed(coming, "organization", new.pk, old.pk), staff)
    person.refresh_from_db()
    old.refresh_from_db()
    assert (person.organization, old.city, Organization.objects.count()) == (old, "Bern", 1)
    assert sorted(match.score for match in old.matches.all()) == [40, 60]
    assert old.domains.count() == 2
    assert list(coming.integration.crm_policy.organizations.all()) == [old]
    link = coming.link_of(account)
    assert (link.row_id, link.is_due) == (old.pk, True)
    assert ("org.name", "Alder Pension", "Alder", "kept") in coming.conflicts()
    coming.pull()
    assert Organization.objects.get().name == "Alder", "our name is to go out, as its only change"


def test_two_linked_rows_leave_two_records_to_staff(coming: In, staff: User) -> None:
    contacts = [coming.crm.create("Contact", LastName=name, Email=f"{name}@alder.example") for name in ("a", "b")]
    coming.pull()
    old, new = (coming.row(contact) for contact in contacts)
    twins.merge(proposed(coming, "person", old.pk, new.pk), staff)
    assert Twin.objects.get(state=Twin.State.OPEN).theirs == sorted(contacts)
    assert RecordLink.objects.get(external_id=contacts[1]).state == RecordLink.State.IGNORED
    coming.pull()
    assert Person.objects.count() == 1


def test_a_value_of_theirs_that_gave_way_can_be_taken_after_all(coming: In, alice: User) -> None:
    contact = coming.crm.create("Contact", LastName="Lena", Phone="1")
    coming.pull()
    link = coming.link_of(contact)
    conflicts.journal(
        coming.integration,
        [conflicts.Loss(link, "person.phone", "Phone", "1", "+41 44", None, "ours", "Ours stays.")],
    )
    conflicts.restore(Conflict.objects.get(), alice)
    assert coming.row(contact).phone == "+41 44"
    assert RecordLink.objects.get().is_due


def test_what_else_was_proposed_of_a_row_follows_it(coming: In, staff: User) -> None:
    one, two, three = (coming.person(name) for name in ("One", "Two", "Three"))
    pair = proposed(coming, "person", one.pk, two.pk)
    twins.propose(coming.integration, [Proposal("person", "These too.", ours=(two.pk, three.pk))])
    chain = Twin.objects.exclude(pk=pair.pk).get()
    twins.merge(pair, staff)
    left = Twin.objects.get(state="open")
    assert (left, set(left.ours)) == (chain, {str(one.pk), str(three.pk)})
    twins.propose(coming.integration, [Proposal("person", "Again.", ours=(three.pk, one.pk))])
    assert Twin.objects.get(state="open") == left, "it is the same pair"
    twins.merge(left, staff)
    assert Person.objects.get() == one


def test_rows_whose_record_may_just_be_made_are_merged_once_that_is_known(out: Out, staff: User) -> None:
    Policy.objects.create(company=out.company, integration=out.integration, creates_people=True)
    old = out.person("Lena", "lena@alder.example")
    out.push()
    new = out.person("L.", "l@alder.example")
    out.crm.lost_replies = 1
    with pytest.raises(Temporary):
        out.push()
    twins.propose(out.integration, [Proposal("person", "They look alike.", ours=(old.pk, new.pk))])
    with pytest.raises(Unusable, match="has not answered yet"):
        twins.merge(Twin.objects.get(), staff)
    out.push()
    twins.merge(Twin.objects.get(state="open"), staff)
    assert Person.objects.count() == 1
    told = Twin.objects.get(state="open")
    assert set(told.theirs) == {row.id for row in out.crm.living("Contact")}, "staff know of both"


def test_a_row_that_became_another_one_while_it_was_sent_stops_no_sync(out: Out) -> None:
    Policy.objects.create(company=out.company, integration=out.integration, creates_people=True)
    lena = out.person("Lena", "lena@alder.example")
    out.crm.lost_replies = 1
    with pytest.raises(Temporary):
        out.push()
    lena.delete()
    RecordLink.objects.update(row_id=None, state=RecordLink.State.IGNORED)
    out.push()
    [write] = out.writes()
    assert (write.state, "merged" in write.error) == ("refused", True)


def test_a_row_that_becomes_another_one_before_it_is_sent_is_not_sent(
    out: Out, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    Policy.objects.create(company=out.company, integration=out.integration, creates_people=True)
    old = out.person("Lena", "lena@alder.example")
    out.push()
    first, new = out.person("Tom"), out.person("L.", "l@alder.example")
    waiting = out.link("person", new, "")
    RecordLink.objects.filter(pk=waiting.pk).update(state=RecordLink.State.NEW)
    out.crm.batch = 1
    twins.propose(out.integration, [Proposal("person", "They look alike.", ours=(old.pk, new.pk))])
    write = out.crm.write

    def merging(*arguments: Any) -> Any:
        twins.merge(Twin.objects.get(), staff)
        return write(*arguments)

    monkeypatch.setattr(out.crm, "write", merging)
    with pytest.raises(runs.OutOfTime):
        out.push()
    assert [change.key for change in out.crm.writes] == [str(old.pk), str(first.pk)]


@pytest.mark.parametrize("is_merged", [True, False])
def test_a_row_that_goes_before_its_first_link_is_stored_makes_no_record(
    out: Out, staff: User, monkeypatch: pytest.MonkeyPatch, is_merged: bool
) -> None:
    Policy.objects.create(company=out.company, integration=out.integration, creates_people=True)
    old = out.person("Lena", "lena@alder.example")
    out.push()
    new = out.person("L.", "l@alder.example")
    twins.propose(out.integration, [Proposal("person", "They look alike.", ours=(old.pk, new.pk))])
    note = sending._note

    def going(*arguments: Any) -> Any:
        if is_merged and Person.objects.filter(pk=new.pk).exists():
            twins.merge(Twin.objects.get(), staff)
        Person.objects.filter(pk=new.pk).delete()
        return note(*arguments)

    monkeypatch.setattr(sending, "_note", going)
    with pytest.raises(runs.OutOfTime):
        out.push()
    monkeypatch.setattr(sending, "_note", note)
    out.push()
    assert [row.key for row in out.crm.living("Contact")] == [str(old.pk)]
    assert RecordLink.objects.get().row_id == old.pk


def test_what_was_merged_into_a_row_here_leaves_no_values_once_that_is_deleted(out: Out) -> None:
    first, second, third = (linked(out, name) for name in ("Lena", "Lene", "Leni"))
    lost = RecordLink.objects.get(row_id=third.pk)
    conflict(lost)
    RecordLink.objects.filter(pk=lost.pk).update(shadow={"Title": {"theirs": SECRET, "ours": SECRET}})
    with transaction.atomic():
        merging.unite("person", [second.pk, third.pk])
        merging.unite("person", [first.pk, second.pk])
    deletes.let_go(out.integration)
    taken_back.sweep(out.integration)
    assert SECRET in kept(lost), "whoever it is of is still here"
    first.delete()
    deletes.let_go(out.integration)
    taken_back.sweep(out.integration)
    assert SECRET not in kept(lost)
    assert (lost.state, lost.row_id, lost.kept_row_id, lost.reason) == ("ignored", None, None, deletes.GONE)
