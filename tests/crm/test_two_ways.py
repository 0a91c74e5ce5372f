"""The whole way in and out, through the real adapters over HTTP, against both pretend CRMs."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from crm import catalogue, drift, recovery, rows, schema, sending, sync
from crm.models import Conflict, RecordLink, Write
from integrations import runs
from integrations.models import SetAside, SyncState
from relationships.models import Note, Organization, Person, Task, Touchpoint, User
from tests.crm.two_ways import NEW_FIELDS, SCORE, Firm, linked


@pytest.mark.parametrize("slug", ["salesforce", "hubspot"])
def test_a_crm_without_our_fields_is_read_all_the_same(slug: str, transactional_db: None) -> None:
    with linked(slug, has_our_fields=False) as firm:
        account = firm.world.create("organization", name="Alpha Pension")
        firm.world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
        firm.firm("Alpha Pension", score=82)
        firm.sync()
        assert Person.objects.get().title == "CIO"
        firm.later()
        firm.world.adapter.create_fields(firm.world.link, list(NEW_FIELDS[slug]))
        schema.refresh(firm.integration)
        firm.sync()
        assert float(firm.world.held("organization", account)[SCORE[slug]]) == 82


def test_contacts_come_in_and_scores_go_out_once(firm: Firm) -> None:
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    known = firm.firm("alpha pension", score=82)
    run = firm.sync()
    lena = Person.objects.get(display_name="Lena Lee")
    assert (lena.title, lena.organization_id) == ("CIO", known.pk)
    assert run.changed >= 2
    assert float(world.held("organization", account)[SCORE[world.slug]]) == 82
    before = firm.writes()
    firm.later()
    firm.sync()
    assert Write.objects.filter(echoed_at__isnull=False).count() == before
    firm.later()
    quiet = firm.sync()
    assert (firm.writes(), quiet.changed) == (before, 0)


def test_a_sync_with_nothing_new_costs_a_call_for_each_kind(firm: Firm) -> None:
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example")
    firm.firm("Alpha Pension", score=82)
    firm.sync()
    for _ in range(2):
        firm.later()
        firm.sync()
    for seconds in (400, 4000):  # The second time HubSpot's hourly look at what was archived is due.
        firm.later(seconds)
        world.forget_calls()
        firm.sync()
        assert sum(world.calls().values()) <= {"salesforce": 3, "hubspot": 5}[world.slug], world.calls()


def test_both_sides_changed_the_crm_wins_and_ours_is_kept(firm: Firm) -> None:
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    contact = world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.sync()
    firm.later()
    lena = Person.objects.get(display_name="Lena Lee")
    lena.title = "Ours"
    lena.save()
    world.update("person", contact, title="Theirs")
    firm.later(5)
    firm.sync()
    lena.refresh_from_db()
    assert lena.title == "Theirs"
    assert world.held("person", contact)[world.fields["title"]] == "Theirs"
    conflict = Conflict.objects.get()
    assert (conflict.ours, conflict.theirs, conflict.winner) == ("Ours", "Theirs", "theirs")


def test_our_change_goes_out_and_only_that(firm: Firm) -> None:
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    contact = world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.sync()
    firm.later()
    Person.objects.get(display_name="Lena Lee")
    for person in Person.objects.all():
        person.title = "Partner"
        person.save()
    firm.sync()
    assert world.held("person", contact)[world.fields["title"]] == "Partner"
    assert list(Write.objects.filter(external_id=contact).latest("planned_at").values) == [world.fields["title"]]


def test_a_person_who_moves_here_moves_there_whatever_else_changes(firm: Firm) -> None:
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    other = world.create("organization", name="Beta Pension")
    contact = world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.sync()
    firm.later()
    lena = Person.objects.get()
    lena.organization = Organization.objects.get(name="Beta Pension")
    lena.save()
    world.update("person", contact, title="Partner")
    firm.later(5)
    firm.sync()
    lena.refresh_from_db()
    record = world.adapter.read(world.link, world.wanted("person", "title"), [contact]).records[0]
    assert (str(lena.organization), lena.title) == ("Beta Pension", "Partner")
    assert ("organization", other) in {(one.kind, one.external_id) for one in record.related}
    before = firm.writes()
    firm.later()
    firm.sync()
    assert (str(Person.objects.get().organization), firm.writes()) == ("Beta Pension", before)


def test_what_happened_goes_out_with_the_right_people(firm: Firm) -> None:
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    contact = world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example")
    firm.sync()
    lena = Person.objects.get(display_name="Lena Lee")
    user = User.objects.create_user("anna@acme.example", company=firm.company, name="Anna")
    meeting = Touchpoint.objects.create(
        company=firm.company,
        kind="meeting",
        unique_key="m1",
        title="Fund II: terms",
        occurred_at=timezone.now() - timedelta(days=2),
        ended_at=timezone.now() - timedelta(days=2) + timedelta(hours=1),
    )
    meeting.people.add(lena)
    meeting.users.add(user)
    task = Task.objects.create(
        company=firm.company, title="Send the data room", person=lena, due_on=timezone.now().date(), assignee=user
    )
    note = Note.objects.create(company=firm.company, author=user, text="Wants ESG data\nsoon", sync_to_crm=True)
    note.people.add(lena)
    secret = Note.objects.create(company=firm.company, author=user, text="Keep this here")
    secret.people.add(lena)
    firm.sync()
    errors = list(RecordLink.objects.exclude(error_cause="").values_list("kind", "error_cause", "error"))
    assert errors == []
    assert {world.count(kind) for kind in ("meeting", "note")} == {1}
    wanted = world.wanted("note", "text")
    record = world.adapter.read(world.link, wanted, [firm.external_id(note)]).records[0]
    assert "ESG data" in str(record.values[world.fields["text"]])
    assert ("person", contact) in {(one.kind, one.external_id) for one in record.related}
    task_record = world.adapter.read(world.link, world.wanted("task", "subject"), [firm.external_id(task)]).records[0]
    assert task_record.values[world.fields["subject"]] == "Send the data room"
    for kind, row in {"meeting": meeting, "task": task, "note": note, "person": lena}.items():
        ours = {field.name for field in catalogue.of_kind(kind) if field.is_outgoing and not field.constant}
        assert ours - rows.values(kind, [row.pk])[row.pk].keys() == set()
    before = firm.writes()
    firm.later()
    firm.sync()
    assert firm.writes() == before


def test_an_object_that_is_closed_to_us_stops_no_other(transactional_db: None) -> None:
    """Between two looks at the field lists somebody may take a whole object away. HubSpot's permissions are others."""
    with linked("salesforce") as firm:
        firm.sync()
        firm.later()
        firm.world.create("person", first="Lena", last="Lee", email="lena@alpha.example")
        firm.world.desk.order("access", hide_objects=["Note"])
        firm.sync()
        assert Person.objects.get().display_name == "Lena Lee"
        assert SetAside.objects.get().external_id == "Note"
        firm.world.desk.order("access", hide_objects=[])
        firm.later()
        firm.sync()
        assert not SetAside.objects.exists()


def test_whom_a_record_cannot_name_is_not_told_again_and_again(firm: Firm) -> None:
    """Salesforce has one field for all whom a note is about, and one for the people of a task."""
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    for name in ("Lee", "Moe"):
        world.create("person", parent=account, first="Lena", last=name, email=f"{name}@alpha.example".lower())
    firm.sync()
    user = User.objects.create_user("anna@acme.example", company=firm.company, name="Anna")
    note = Note.objects.create(company=firm.company, author=user, text="Wants ESG data", sync_to_crm=True)
    note.people.add(*Person.objects.all())
    call = Touchpoint.objects.create(
        company=firm.company, kind="meeting", unique_key="m1", title="Terms", occurred_at=timezone.now()
    )
    call.people.add(*Person.objects.all())
    call.users.add(user)
    firm.sync()
    before = firm.writes()
    for _ in range(2):
        firm.later()
        RecordLink.objects.update(is_due=True)
        firm.sync()
    assert firm.writes() == before


def test_a_deletion_there_deletes_nothing_here(firm: Firm) -> None:
    world = firm.world
    contact = world.create("person", first="Lena", last="Lee", email="lena@alpha.example")
    firm.sync()
    firm.later(7200)
    world.delete("person", contact)
    firm.later(7200)
    firm.sync()
    assert Person.objects.filter(display_name="Lena Lee").exists()
    assert RecordLink.objects.get(kind="person").state == "deleted"


def test_merged_contacts_stay_one_person(firm: Firm) -> None:
    world = firm.world
    one = world.create("person", first="Lena", last="Lee", email="lena@alpha.example")
    other = world.create("person", first="Lena", last="Lee-Old", email="lee@alpha.example")
    firm.sync()
    assert Person.objects.count() == 2
    firm.later(7200)
    world.merge("person", one, other)
    firm.later(7200)
    firm.sync()
    firm.later()
    firm.sync()
    assert RecordLink.objects.filter(kind="person", state="linked").count() == 1
    assert Person.objects.count() == 2


def test_a_lost_reply_makes_no_second_record(firm: Firm) -> None:
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example")
    firm.sync()
    lena = Person.objects.get(display_name="Lena Lee")
    user = User.objects.create_user("anna@acme.example", company=firm.company, name="Anna")
    note = Note.objects.create(company=firm.company, author=user, text="Wants ESG data", sync_to_crm=True)
    note.people.add(lena)
    operation = {"salesforce": "salesforce.collections.create", "hubspot": "hubspot.notes.batch.create"}
    world.scene.post("faults", operation=operation[world.slug], kind="half_page", times=1)
    SyncState.unscoped.filter(pk=firm.state.pk).update(dirty_mark=F("dirty_mark") + 1)
    sync.run(firm.state.pk)
    assert world.count("note") == 1
    firm.later()
    firm.sync()
    assert world.count("note") == 1
    assert firm.external_id(note)


@pytest.mark.parametrize("slug", ["salesforce", "hubspot"])
def test_a_worker_that_dies_before_it_notes_the_answer_makes_no_second_record(
    slug: str, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes of a person with a firm, and mail, whose text we may not read at HubSpot."""
    monkeypatch.setattr(recovery, "SETTLES_WITHIN", timedelta(0))
    with linked(slug) as firm:
        account = firm.world.create("organization", name="Alpha Pension")
        firm.world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example")
        firm.sync()
        lena = Person.objects.get()
        note = Note.objects.create(company=firm.company, text="Wants ESG data", sync_to_crm=True)
        mail = Touchpoint.objects.create(
            company=firm.company, kind="email", unique_key="e1", title="Terms", occurred_at=timezone.now()
        )
        note.people.add(lena)
        mail.people.add(lena)
        with monkeypatch.context() as patch:
            patch.setattr(sending, "settle", _dies)
            for _ in range(2):
                with pytest.raises(KeyboardInterrupt):
                    firm.sync()
                runs.free_holds()
        firm.later()
        firm.sync()
        assert {kind: firm.world.count(kind) for kind in ("email", "note")} == {"email": 1, "note": 1}
        assert firm.external_id(note)
        assert firm.external_id(mail)
        firm.later()
        firm.sync()
        RecordLink.objects.update(looked_at=timezone.now() + timedelta(minutes=1))
        report = drift.report(firm.integration)
        assert (report.error, report.differences, report.counts["email"]["compared"]) == ("", [], 1)


def _dies(*given: Any) -> None:
    raise KeyboardInterrupt
