"""What is taken back leaves no values in what is kept here of the CRM, but a row that says that they were removed."""

from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from crm import conflicts, deletes, drift, erasing, jobs, taken_back
from crm.mapping import Row
from crm.models import Conflict, DriftReport, Policy, RecordLink, Twin, Write
from integrations import poked_items
from integrations.calendar import meetings
from integrations.contract import FORGET
from integrations.errors import Unusable
from integrations.models import Integration, PokedItem, SetAside, SyncState
from relationships import privacy
from relationships.models import BlockRule, Match, Note, OrganizationDomain, Person, Touchpoint, User
from tests.crm.in_scene import In
from tests.crm.out_scene import ROWS, Out, publish
from tests.crm.test_crm_privacy import TOLD, linked, meeting

pytestmark = pytest.mark.django_db
SECRET = "Falcon"


def conflict(link: RecordLink, **columns: Any) -> Conflict:
    both = {"ours": SECRET, "theirs": f"{SECRET} 2", "base": f"{SECRET} 3"}
    return Conflict.objects.create(
        company_id=link.company_id, integration_id=link.integration_id, link=link, lpxgp_field="meeting.title",
        crm_field="Subject", winner="ours", rule="Ours stays.", **{**both, **columns},
    )  # fmt: skip


def report(link: RecordLink) -> DriftReport:
    words = {
        "kind": link.kind,
        "lpxgp_field": "meeting.title",
        "crm_field": "Subject",
        "winner": "ours",
        "why": "It is.",
    }
    one = words | {"link": str(link.pk), "external_id": link.external_id, "ours": SECRET, "theirs": SECRET}
    other = words | {"link": "", "external_id": "other", "ours": "Eagle", "theirs": "Owl"}
    return DriftReport.objects.create(
        company_id=link.company_id, integration_id=link.integration_id, differences=[one, other]
    )


def kept(link: RecordLink) -> str:
    """All that is kept here of a link, as one text."""
    link.refresh_from_db()
    writes = list(Write.objects.filter(link=link).values_list("values", "held", "error"))
    losses = list(Conflict.objects.filter(link=link).values_list("ours", "theirs", "base"))
    reports = list(DriftReport.objects.filter(integration=link.integration_id).values_list("differences", flat=True))
    return str([writes, losses, reports, link.shadow, link.error])


def told(
    out: Out, kind: str = "meeting", mapped: tuple[Row, ...] = TOLD, **columns: Any
) -> tuple[Touchpoint, RecordLink]:
    """A touchpoint with Lena that the CRM was told of, with a conflict and a difference."""
    publish(out.integration, mapped)
    guests = [{"email": "lena@lena.example", "name": "Lena", "response": ""}]
    row = meeting(out, linked(out, "Lena"), kind=kind, title=SECRET, location=SECRET, guests=guests, **columns)
    out.push()
    link = RecordLink.objects.get(row_id=row.pk)
    conflict(link)
    report(link)
    assert SECRET in kept(link)
    return row, link


def test_a_meeting_that_becomes_private_leaves_no_values(out: Out) -> None:
    row, link = told(out)
    Touchpoint.objects.update(cancelled_at=timezone.now())
    meetings.forget([row.unique_key])
    taken_back.sweep(out.integration)
    assert SECRET not in kept(link)
    [write] = out.writes(link=link)
    assert (set(write.values), set(write.values.values())) == (
        {"Subject", "StartDateTime", "Location", "Description"},
        {erasing.REMOVED},
    )
    assert (write.state, write.held, write.erased_why, bool(write.erased_at)) == ("done", {}, taken_back.WITHHELD, True)
    differences = DriftReport.objects.get().differences
    assert [one["ours"] for one in differences] == [erasing.REMOVED, "Eagle"]
    assert differences[0]["why"] == f"Its values were removed. {taken_back.WITHHELD}"

    out.push()
    [event] = out.crm.living("Event")
    assert [event.values.get(name) for name in ("Subject", "Location", "Description")] == ["Meeting", None, None]
    taken_back.sweep(out.integration)
    newest = out.writes(link=link)[-1]
    assert (newest.values["Subject"], newest.erased_at) == ("Meeting", None), "that it was taken back stays to be seen"
    link.refresh_from_db()
    assert link.shadow["Subject"] == {"theirs": "Meeting", "ours": "Meeting"}


def test_the_words_of_a_refusal_are_emptied_too(out: Out) -> None:
    row, link = told(out)
    RecordLink.objects.update(error_cause="bad_value", error=f"INVALID: “{SECRET}” is no subject")
    Touchpoint.objects.filter(pk=row.pk).update(is_withheld=True)
    taken_back.sweep(out.integration)
    assert SECRET not in kept(link)
    assert (link.error_cause, link.error) == ("bad_value", erasing.REMOVED)


@pytest.mark.parametrize("rule", ["crm_wins", "ours_wins"])
@pytest.mark.parametrize("mode", ["append", "if_empty"])
def test_what_the_crm_keeps_is_not_remembered_again(out: Out, mode: str, rule: str) -> None:
    title = Row("meeting.title", "Event", "Subject", "to_crm", rule, mode)
    others = tuple(line for line in TOLD if line.lpxgp_field != title.lpxgp_field)
    row, link = told(out, mapped=(*others, title))
    withheld = {"is_withheld": True, "cancelled_at": timezone.now()}
    Touchpoint.objects.filter(pk=row.pk).update(**withheld, updated_at=timezone.now())
    taken_back.sweep(out.integration)
    for _ in range(2):
        out.push()
        drift.report(out.integration)
        assert SECRET not in kept(link)
        RecordLink.objects.update(is_due=True)
    [event] = out.crm.living("Event")
    assert event.values["Subject"] == SECRET, "what only fills or adds takes nothing back there"

    out.crm.rows["Event", link.external_id].values["Subject"] = None
    out.push()
    assert out.crm.living("Event")[0].values["Subject"] == "Meeting"


def test_what_was_removed_cannot_be_put_back(out: Out, alice: User) -> None:
    row, link = told(out)
    Touchpoint.objects.filter(pk=row.pk).update(is_withheld=True)
    taken_back.sweep(out.integration)
    with pytest.raises(Unusable, match="removed"):
        conflicts.restore(Conflict.objects.get(), alice)


@pytest.mark.parametrize("kind", ["meeting", "email"])
def test_what_a_rule_hides_is_taken_back(out: Out, kind: str) -> None:
    row, link = told(out, kind)
    Touchpoint.objects.filter(pk=row.pk).update(
        cancelled_at=timezone.now(), is_withheld=True, updated_at=timezone.now()
    )
    taken_back.sweep(out.integration)
    out.push()
    assert SECRET not in kept(link)
    [record] = out.crm.living("Event" if kind == "meeting" else "Task")
    assert record.values["Subject"] == (privacy.HIDDEN if kind == "email" else "Meeting")
    assert (record.values.get("Location"), record.values["Description"]) == (None, None)

    Touchpoint.objects.filter(pk=row.pk).update(cancelled_at=None, is_withheld=False, updated_at=timezone.now())
    taken_back.sweep(out.integration)
    out.push()
    [record] = out.crm.living("Event" if kind == "meeting" else "Task")
    assert (record.values["Subject"], record.values["Description"]) == (SECRET, "With Lena")
    Touchpoint.objects.filter(pk=row.pk).update(cancelled_at=timezone.now(), is_withheld=True)
    taken_back.sweep(out.integration)
    assert SECRET not in kept(link), "and a second time"


def test_a_withheld_meeting_gets_no_more_relations(out: Out) -> None:
    row, _ = told(out)
    row.people.add(linked(out, "Ulf"))
    Touchpoint.objects.filter(pk=row.pk).update(
        cancelled_at=timezone.now(), is_withheld=True, updated_at=timezone.now()
    )
    out.push()
    assert out.crm.writes[-1].related == ()


def test_what_is_withheld_between_the_sweep_and_the_push_keeps_its_taking_back(out: Out) -> None:
    row, link = told(out)
    taken_back.sweep(out.integration)
    Touchpoint.objects.filter(pk=row.pk).update(
        cancelled_at=timezone.now(), is_withheld=True, updated_at=timezone.now()
    )
    out.push()
    assert SECRET not in kept(link)
    taken_back.sweep(out.integration)
    out.push()
    first, last = out.writes(link=link)
    assert (first.erased_why, last.erased_at) == (taken_back.WITHHELD, None)
    assert last.values["Subject"] == "Meeting"


def test_a_subject_that_is_private_again_leaves_no_values(out: Out, alice: User) -> None:
    alice.shares_mail_subjects = True
    alice.save()
    row, link = told(out, "email")
    row.users.add(alice)
    assert privacy.share_subjects(alice, False) == 1
    taken_back.sweep(out.integration)
    assert SECRET not in kept(link)
    out.push()
    assert [task.values["Subject"] for task in out.crm.living("Task")] == ["Mail"]


def test_a_subject_that_was_open_between_two_syncs_alone_leaves_no_values(out: Out, alice: User) -> None:
    publish(out.integration, TOLD)
    mail = meeting(out, linked(out, "Lena"), kind="email", title=SECRET, is_private=True)
    mail.users.add(alice)
    out.push()
    privacy.share_subjects(alice, True)
    out.push()
    link = RecordLink.objects.get(row_id=mail.pk)
    assert SECRET in kept(link)
    privacy.share_subjects(alice, False)
    taken_back.sweep(out.integration)
    assert SECRET not in kept(link)


def test_mail_that_was_always_private_keeps_its_writes(out: Out) -> None:
    publish(out.integration, TOLD)
    meeting(out, linked(out, "Lena"), kind="email", title=SECRET, is_private=True)
    out.push()
    taken_back.sweep(out.integration)
    [write] = out.writes()
    assert (write.values["Subject"], write.erased_at) == ("Mail", None)


def test_a_write_whose_fate_is_unknown_is_emptied_once_it_is_settled(out: Out) -> None:
    row, link = told(out)
    Write.objects.update(state="sent")
    Touchpoint.objects.filter(pk=row.pk).update(is_withheld=True)
    taken_back.sweep(out.integration)
    assert out.writes()[0].values["Subject"] == SECRET
    Write.objects.update(state="done")
    taken_back.sweep(out.integration)
    assert SECRET not in kept(link)


def test_what_was_deleted_here_leaves_no_values_and_nothing_of_others_is_touched(out: Out) -> None:
    row, link = told(out)
    _, account = out.linked_firm(SECRET)
    note = Note.objects.create(company=out.company, text=SECRET, sync_to_crm=True)
    note.people.set(row.people.all())
    out.push()
    noted = RecordLink.objects.get(kind="note")
    noted.error = SECRET
    note.delete()
    deletes.let_go(out.integration)
    taken_back.sweep(out.integration)
    noted.refresh_from_db()
    [write] = out.writes(link=noted)
    assert (noted.shadow, set(write.values.values()), write.erased_why) == ({}, {erasing.REMOVED}, deletes.GONE)
    assert SECRET in kept(link)
    assert RecordLink.objects.get(external_id=account).shadow["Name"]["ours"] == SECRET
    assert out.crm.living("Note")[0].values["Body"] == SECRET, "nothing is deleted in a CRM"


def test_why_a_record_could_not_be_read_is_forgotten_with_its_row(out: Out) -> None:
    link = RecordLink.objects.get(row_id=linked(out, "Lena").pk)
    of = {"company": out.company, "state": SyncState.objects.get(), "reason": f"“{SECRET}” is no phone number."}
    SetAside.objects.create(**of, external_id=f"Contact:{link.external_id}")
    other = SetAside.objects.create(**of, external_id="Contact:other")
    Person.objects.all().delete()
    deletes.let_go(out.integration)
    taken_back.sweep(out.integration)
    assert SetAside.objects.get() == other


def test_a_deleted_person_is_named_in_no_activity_of_the_ledger(out: Out) -> None:
    row, link = told(out)
    assert "With Lena" in kept(link)
    Twin.objects.create(
        company=out.company, integration=out.integration, kind="person", digest="1", reason="lena@x.example is both",
        theirs=sorted(RecordLink.objects.filter(kind="person").values_list("external_id", flat=True)),
    )  # fmt: skip
    Person.objects.all().delete()
    deletes.let_go(out.integration)
    taken_back.sweep(out.integration)
    assert [write.erased_why for write in out.writes(link=link)] == [taken_back.NAMED]
    assert RecordLink.objects.get(kind="person").shadow == {}
    assert "lena" not in Twin.objects.get().reason
    assert "Lena" not in kept(link)
    drift.report(out.integration)
    assert "Lena" not in kept(link), "nor is it noted again how both sides differ now"
    out.push()
    assert out.crm.living("Event")[0].values["Description"] is None
    link.refresh_from_db()
    assert link.shadow["Description"] == {"theirs": None, "ours": None}


def test_a_row_that_is_deleted_after_its_record_was_merged_away_leaves_no_values(out: Out) -> None:
    lena = linked(out, "Lena")
    link = RecordLink.objects.get(row_id=lena.pk)
    conflict(link)
    away = {"state": "ignored", "deleted_at": timezone.now(), "shadow": {"Title": {"theirs": SECRET, "ours": SECRET}}}
    RecordLink.objects.filter(pk=link.pk).update(**away, reason="Its record was merged into 2 in the CRM.")
    lena.delete()
    deletes.let_go(out.integration)
    taken_back.sweep(out.integration)
    assert SECRET not in kept(link)
    assert (link.state, link.row_id, link.reason) == ("ignored", None, deletes.GONE)


@pytest.mark.parametrize("is_merged", [True, False])
def test_why_two_rows_looked_alike_is_forgotten_with_them(out: Out, is_merged: bool) -> None:
    lena, ulf = linked(out, "Lena"), linked(out, "Ulf")
    twin = Twin.objects.create(
        company=out.company, integration=out.integration, kind="person", digest="1", reason=f"{SECRET} is somebody's",
        ours=[str(lena.pk), str(ulf.pk)], state="merged" if is_merged else "open",
    )  # fmt: skip
    lena.delete()
    deletes.let_go(out.integration)
    taken_back.sweep(out.integration)
    twin.refresh_from_db()
    assert (twin.reason == taken_back.TWIN) is not is_merged, "of a merger the one that stays may be told"
    ulf.delete()
    taken_back.sweep(out.integration)
    twin.refresh_from_db()
    assert twin.reason == taken_back.TWIN


def test_an_activity_whose_write_was_not_settled_names_a_deleted_person_no_longer_than_that(out: Out) -> None:
    row, link = told(out)
    Write.objects.filter(link=link).update(state="sent")
    Person.objects.all().delete()
    deletes.let_go(out.integration)
    taken_back.sweep(out.integration)
    assert "With Lena" in kept(link)
    Write.objects.update(state="done")
    taken_back.sweep(out.integration)
    assert "Lena" not in kept(link)


@pytest.mark.parametrize("kind", ["domain", "address"])
@pytest.mark.parametrize("strength", ["hide", "never"])
def test_whom_the_firm_keeps_out_leaves_no_values(out: Out, kind: str, strength: str) -> None:
    publish(out.integration, TOLD)
    lena, ulf = linked(out, "Lena"), linked(out, "Ulf")
    Person.objects.filter(pk__in=[lena.pk, ulf.pk]).update(title="CIO", updated_at=timezone.now())
    out.push()
    firm, account = out.linked_firm("Lena Capital", score=82)
    OrganizationDomain.objects.create(company=out.company, organization=firm, domain="lena.example")
    out.push()
    value = "lena.example" if kind == "domain" else "lena@lena.example"
    BlockRule.objects.create(company=out.company, kind=kind, value=value, strength=strength)
    taken_back.sweep(out.integration, timezone.now())
    assert Write.objects.exclude(erased_at=None).count() == 0, "only new rules are asked after in each sync"
    taken_back.sweep(out.integration)
    erased = set(Write.objects.exclude(erased_at=None).values_list("link__row_id", flat=True))
    assert erased == ({lena.pk, firm.pk} if kind == "domain" else {lena.pk})
    assert RecordLink.objects.get(row_id=lena.pk).shadow["Title"]["ours"] == "CIO", "what both hold is still known"


def test_a_note_that_is_not_sent_any_more_leaves_no_values(out: Out) -> None:
    publish(out.integration, TOLD)
    lena = linked(out, "Lena")
    note = Note.objects.create(company=out.company, text=SECRET, sync_to_crm=True)
    note.people.add(lena)
    out.push()
    link = RecordLink.objects.get(kind="note")
    taken_back.sweep(out.integration)
    assert SECRET in kept(link)
    Note.objects.update(sync_to_crm=False)
    taken_back.sweep(out.integration)
    [write] = out.writes(link=link)
    assert (set(write.values.values()), write.erased_why) == ({erasing.REMOVED}, taken_back.UNMARKED)


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_note_that_is_told_no_more_leaves_the_meeting_it_was_told_with(out: Out, is_deleted: bool) -> None:
    row, link = told(out)
    note = Note.objects.create(company=out.company, text="Secret terms", touchpoint=row, sync_to_crm=True)
    out.push()
    assert out.crm.living("Event")[0].values["Description"] == "With Lena\n\nSecret terms"
    if is_deleted:
        note.delete()
    else:
        Note.objects.update(sync_to_crm=False)
    out.push()
    assert out.crm.living("Event")[0].values["Description"] == "With Lena"
    assert "Secret terms" not in kept(link)
    count = len(out.crm.writes)
    out.push()
    assert len(out.crm.writes) == count


def test_a_deleted_match_is_cleared_by_the_next_push(out: Out) -> None:
    firm, account = out.linked_firm("Alder", score=82)
    out.push()
    assert out.account(account)["LPxGP_Match_Score__c"] == 82
    Match.objects.all().delete()
    out.push()
    held = out.account(account)
    assert (held["LPxGP_Match_Score__c"], held["LPxGP_Summary__c"]) == (None, None)
    newest = out.writes()[-1]
    assert (newest.values["LPxGP_Match_Score__c"], newest.values["LPxGP_Summary__c"]) == (None, None)
    count = len(out.crm.writes)
    out.push()
    assert len(out.crm.writes) == count


def test_of_several_matches_the_best_that_is_left_is_told(out: Out) -> None:
    firm, account = out.linked_firm("Alder", score=82)
    fund = firm.matches.get().fund
    other = type(fund).objects.create(company=out.company, name="Fund II")
    Match.objects.create(company=out.company, organization=firm, fund=other, score=40, summary="So so.")
    out.push()
    assert out.account(account)["LPxGP_Match_Score__c"] == 82
    Match.objects.filter(fund=fund).delete()
    out.push()
    assert out.account(account)["LPxGP_Match_Score__c"] == 40


def test_a_link_that_is_not_synced_is_swept_by_night(out: Out) -> None:
    row, link = told(out)
    Integration.objects.update(sync_status="stale")
    Touchpoint.objects.filter(pk=row.pk).update(is_withheld=True)
    jobs.empty(str(out.integration.pk))
    assert SECRET in kept(link), "a sync that is under way sees to it itself"
    SyncState.objects.update(held_until=None)
    jobs.purge()
    assert OrmQ.objects.get().task["func"] == "crm.jobs.empty"
    jobs.empty(str(out.integration.pk))
    assert SECRET not in kept(link)


def test_nothing_is_asked_of_the_crm_for_it(out: Out) -> None:
    row, _ = told(out)
    Touchpoint.objects.filter(pk=row.pk).update(is_withheld=True)
    calls = dict(out.crm.calls)
    taken_back.sweep(out.integration)
    assert dict(out.crm.calls) == calls


@pytest.fixture
def lena(coming: In) -> RecordLink:
    """A contact of the CRM's, here too, whose title gave way to another one."""
    external_id = coming.crm.create("Contact", LastName=SECRET, Title=SECRET)
    coming.pull()
    link = coming.link_of(external_id)
    conflict(link)
    report(link)
    return link


def forget(coming: In, external_id: str) -> None:
    """The CRM says that a contact was deleted for privacy."""
    state = SyncState.objects.get(integration=coming.integration)
    poked_items.add({state.pk: [f"{FORGET}Contact:{external_id}"]})


@pytest.mark.parametrize("is_listed", [True, False])
def test_what_the_crm_deleted_for_privacy_leaves_no_values(coming: In, lena: RecordLink, is_listed: bool) -> None:
    state = SyncState.objects.get(integration=coming.integration)
    if not is_listed:
        coming.crm.delete("Contact", lena.external_id)
        coming.crm.rows.pop(("Contact", lena.external_id))
    SetAside.objects.create(
        company=coming.company, state=state, external_id=f"Contact:{lena.external_id}", reason=SECRET
    )
    forget(coming, lena.external_id)
    coming.poke("Contact", lena.external_id)
    run = coming.pull()
    assert SECRET not in kept(lena)
    assert (lena.state, lena.reason, bool(lena.deleted_at)) == ("deleted", deletes.FORGOTTEN, True)
    assert (run.deleted, PokedItem.objects.count(), SetAside.objects.count()) == (1, 0, 0)
    assert Person.objects.get().display_name == SECRET, "nothing is deleted here"
    coming.poke("Contact", lena.external_id)
    coming.pull()
    coming.allow(creates_people=True)
    Person.objects.update(updated_at=timezone.now())
    coming.push()
    assert SECRET not in kept(lena), "however long the CRM lists it"
    assert coming.crm.writes == []


def test_that_counts_also_where_the_link_was_forgotten_before_and_people_are_not_read(
    coming: In, lena: RecordLink
) -> None:
    external_id = lena.external_id
    coming.allow(on_delete=Policy.OnDelete.UNLINK)
    Write.objects.create(
        company=coming.company, integration=coming.integration, link=lena, idempotency_key="1", crm_object="Contact",
        external_id=external_id, values={"Title": SECRET}, state="done",
    )  # fmt: skip
    coming.crm.delete("Contact", external_id)
    coming.poke("Contact", external_id)
    coming.pull()
    lena.refresh_from_db()
    assert (lena.state, lena.external_id) == ("ignored", "")
    publish(coming.integration, (ROWS[0],), version=2)
    forget(coming, external_id)
    coming.pull()
    assert SECRET not in kept(lena)
    assert (lena.state, PokedItem.objects.count()) == ("ignored", 0)
