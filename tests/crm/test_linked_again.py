"""A CRM that is disconnected and linked again: nothing may be doubled by it, here or there."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from crm.models import RecordLink
from integrations import linking
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import Note, Organization, Person, Task, Touchpoint, User
from tests.crm.test_two_ways_trouble import attempt, let_in, renew
from tests.crm.two_ways import Firm, linked
from tests.pretend_crm import Crm
from tests.sandbox.salesforce import ANNA


@pytest.mark.parametrize("is_data_deleted", [False, True])
def test_what_is_linked_again_is_doubled_on_no_side(
    firm: Firm, settings: Settings, run_jobs: Callable[[], int], is_data_deleted: bool
) -> None:
    world = firm.world
    whole_life(firm)
    firm.sync()
    # Salesforce keeps mails among its tasks.
    mails = {"email": 2, "task": 1} if world.slug == "hubspot" else {"task": 3}
    before = counts(firm)
    assert before["there"] == {"organization": 1, "person": 1, "meeting": 1, "note": 2} | mails
    admin = User.objects.create_user("admin@acme.example", company=firm.company, name="Ann", is_company_admin=True)
    Integration.objects.filter(pk=firm.integration.pk).update(
        linked_by=admin, created_at=timezone.now() - timedelta(days=30)
    )
    let_in(firm, settings)
    renew(firm)
    linking.disconnect(Integration.objects.get(), is_data_deleted)
    run_jobs()
    gone = Integration.objects.get()
    assert (gone.sync_status, bytes(gone.encrypted_tokens)) == ("revoked", b"")
    assert RecordLink.objects.exists() is not is_data_deleted
    crm = Crm(world.slug, world.scene.url, world.scene.http, run_jobs)
    again = crm.link(admin, ANNA if world.slug == "salesforce" else str(world.desk.portal))
    assert again.pk == firm.integration.pk
    firm.state = SyncState.objects.get(integration=again)
    for _ in range(2):
        world.scene.post("clock", advance_seconds=60)
        attempt(firm)
        run = SyncRun.objects.latest("started_at")
        assert (run.outcome, run.error) == ("done", "")
    assert counts(firm) == before
    assert list(RecordLink.objects.exclude(error_cause="").values_list("kind", "error_cause", "error")) == []


def whole_life(firm: Firm) -> None:
    """A firm and a person of the CRM's, and what we sent to them; a note of each side's."""
    world = firm.world
    account = world.create("organization", name="Alpha Pension")
    contact = world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example")
    if world.slug == "salesforce":
        world.desk.create("Note", {"ParentId": contact, "Title": "Call #lpxgp", "Body": "Likes ESG"}, silent=True)
    else:
        note = world.desk.put("notes", hs_note_body="Likes ESG #lpxgp", hs_timestamp="2026-01-05T10:00:00Z")
        world.desk.control("records/associate", type="notes", id=note, to_type="contacts", to_id=contact)
    firm.sync()
    lena = Person.objects.get()
    user = User.objects.create_user("anna@acme.example", company=firm.company, name="Anna")
    meeting = Touchpoint.objects.create(
        company=firm.company, kind="meeting", unique_key="m1", title="Terms", occurred_at=timezone.now()
    )
    meeting.people.add(lena)
    meeting.users.add(user)
    for number in range(2):
        mail = Touchpoint.objects.create(
            company=firm.company, kind="email", unique_key=f"e{number}", title="Terms", occurred_at=meeting.occurred_at
        )
        mail.people.add(lena)
        mail.users.add(user)
    today = timezone.now().date()
    Task.objects.create(company=firm.company, title="Send it", person=lena, assignee=user, due_on=today)
    note = Note.objects.create(company=firm.company, author=user, text="Wants a call", sync_to_crm=True)
    note.people.add(lena)


def counts(firm: Firm) -> dict[str, dict[str, int]]:
    """How many rows and records there are of each kind."""
    tables = {"organization": Organization, "person": Person, "meeting": Touchpoint, "task": Task, "note": Note}
    kinds = [*tables, "email"] if firm.world.slug == "hubspot" else tables
    return {
        "here": {kind: table.objects.count() for kind, table in tables.items()},
        "there": {kind: firm.world.count(kind) for kind in kinds},
    }


def test_a_note_that_was_edited_meanwhile_is_the_same_note(
    settings: Settings, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By when it was written and about whom; another one of the same moment is another note."""
    with linked("hubspot") as firm:
        whole_life(firm)
        firm.sync()
        desk, lena = firm.world.desk, firm.external_id(Person.objects.get())
        note = Note.objects.get(author=None)
        record_id = RecordLink.objects.get(kind="note", row_id=note.pk).external_id
        RecordLink.objects.filter(kind="note").delete()
        desk.change(record_id, "notes", hs_note_body="Likes ESG, and solar #lpxgp")
        other = desk.put("notes", hs_note_body="Moved to Zug #lpxgp", hs_timestamp="2026-01-06T10:00:00Z")
        desk.control("records/associate", type="notes", id=other, to_type="contacts", to_id=lena)
        firm.later()
        firm.sync()
        texts = dict(Note.objects.filter(author=None).values_list("pk", "text"))
        assert len(texts) == 2
        assert texts[note.pk] == "Likes ESG, and solar #lpxgp"
