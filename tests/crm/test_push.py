"""What changed here reaches the CRM: only that, once, and in few calls."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm import link_errors, mapping, push, schema, sending
from crm.contract import Change, RecordError, Related
from crm.mapping import Row
from crm.models import Conflict, Policy, RecordLink, Write
from integrations.errors import Temporary, Wait
from integrations.models import PokedItem
from relationships.models import Company, Match, Note, Organization, Task, Touchpoint
from tests.crm.out_scene import ROWS, Out, publish
from tests.crm.pretend_crm import FIELDS, KEY


def allow_creations(out: Out, **more: Any) -> Policy:
    policy = Policy(company=out.company, integration=out.integration, creates_organizations=True, creates_people=True)
    for name, value in more.items():
        setattr(policy, name, value)
    policy.save()
    return policy


def meeting(out: Out, title: str, *people: Any) -> Touchpoint:
    touchpoint = Touchpoint.objects.create(
        company=out.company, kind="meeting", unique_key=uuid.uuid4().hex, title=title, occurred_at=timezone.now()
    )
    touchpoint.people.set(people)
    return touchpoint


def touch_all(out: Out) -> None:
    """As if every row had been saved this minute."""
    RecordLink.objects.update(is_due=True, next_attempt_at=None)


def test_a_score_reaches_the_linked_record(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=82)
    run = out.push()
    held = out.account(external_id)
    assert (held["LPxGP_Match_Score__c"], held["LPxGP_Summary__c"]) == (82, "Fits well.")
    assert held["LPxGP_Last_Synced__c"]
    [change] = out.crm.writes
    assert set(change.values) == {"LPxGP_Match_Score__c", "LPxGP_Summary__c", "LPxGP_Last_Synced__c"}
    run.refresh_from_db()
    assert run.changed == 1


def test_a_second_push_sends_nothing(out: Out) -> None:
    out.linked_firm("Pension One", score=82)
    out.push()
    before = out.crm.calls.copy()
    out.push()
    assert out.crm.calls == before
    [write] = out.writes()
    assert write.state == "done"


def test_only_the_changed_field_goes_out_with_what_goes_along(out: Out) -> None:
    firm, _ = out.linked_firm("Pension One", score=82)
    out.push()
    out.score(firm, 91)
    RecordLink.objects.update(looked_at=timezone.now() - timedelta(hours=1))
    out.push()
    assert set(out.crm.writes[-1].values) == {"LPxGP_Match_Score__c", "LPxGP_Last_Synced__c"}


def test_many_go_in_as_few_calls_as_batches(out: Out) -> None:
    out.crm.batch = 50
    for number in range(120):
        out.linked_firm(f"Pension {number}", score=number % 100)
    out.push()
    assert out.crm.calls == {"write": 3}
    assert {row.values["LPxGP_Match_Score__c"] for row in out.crm.living("Account")} == set(range(100))


def test_more_than_two_thousand_go_by_the_bulk_way(out: Out) -> None:
    out.crm.bulk_from = 21
    for number in range(30):
        out.linked_firm(f"Pension {number}", score=5)
    out.crm.batch = 10
    out.push()
    assert out.crm.calls == {"write_many": 1}
    assert not RecordLink.objects.exclude(error_cause="").exists()


def test_queries_grow_with_batches_not_with_rows(out: Out) -> None:
    def statements(count: int) -> int:
        for number in range(count):
            out.linked_firm(f"Firm {count}-{number}", score=5)
        with CaptureQueriesContext(database) as seen:
            out.push()
        return len(seen)

    few = statements(3)
    assert statements(60) <= few + 2


def test_a_row_is_created_once_with_our_key_and_what_it_belongs_to(out: Out) -> None:
    allow_creations(out)
    firm = out.firm("Pension One", city="Bern", score=70)
    person = out.person("Lena von Alder", "lena@pension.example", firm)
    out.push()
    out.push()
    [account] = out.crm.living("Account")
    [contact] = out.crm.living("Contact")
    assert (account.values["Name"], account.values["BillingCity"], account.key) == ("Pension One", "Bern", str(firm.pk))
    assert account.values[KEY] == str(firm.pk)
    assert contact.related == (Related("organization", account.id),)
    link = RecordLink.objects.get(row_id=person.pk)
    assert (link.state, link.external_id, link.related) == ("linked", contact.id, [["organization", account.id]])
    assert link.shadow["Email"] == {"theirs": "lena@pension.example", "ours": "lena@pension.example"}


def test_nothing_is_created_unless_the_company_says_so(out: Out) -> None:
    firm = out.firm("Pension One", score=70)
    out.person("Lena von Alder", "lena@pension.example", firm)
    out.push()
    assert out.crm.writes == []
    assert not RecordLink.objects.exists()


def test_activities_go_out_with_their_people_after_them(out: Out) -> None:
    allow_creations(out)
    lena, otto = out.person("Lena Alder", "lena@pension.example"), out.person("Otto Ott", "otto@pension.example")
    meeting(out, "Quarterly call", lena, otto)
    task = Task.objects.create(company=out.company, title="Send the deck", person=lena, due_on="2026-12-01")
    note = Note.objects.create(company=out.company, text="Wants a call.\nSoon.", sync_to_crm=True)
    note.people.add(lena)
    Note.objects.create(company=out.company, text="Private thoughts.").people.add(lena)
    out.push()
    out.push()
    [event], [todo], [written] = out.crm.living("Event"), out.crm.living("Task"), out.crm.living("Note")
    assert {one.external_id for one in event.related} == {row.id for row in out.crm.living("Contact")}
    assert (todo.values["Subject"], todo.values["ActivityDate"], todo.key) == (
        "Send the deck",
        "2026-12-01",
        str(task.pk),
    )
    assert "Wants a call." in str(written.values["Body"])
    assert [change.object for change in out.crm.writes] == ["Contact", "Contact", "Event", "Task", "Note"]


def test_who_is_linked_later_is_added_to_the_meeting(out: Out) -> None:
    lena, otto = out.person("Lena Alder", "lena@pension.example"), out.person("Otto Ott", "otto@pension.example")
    first = out.crm.create("Contact", LastName="Alder", Email="lena@pension.example")
    out.link("person", lena, first, LastName="Alder", Email="lena@pension.example", Title=None)
    meeting(out, "Quarterly call", lena, otto)
    out.push()
    [event] = out.crm.living("Event")
    assert event.related == (Related("person", first),)
    second = out.crm.create("Contact", LastName="Ott", Email="otto@pension.example")
    state = out.held().state
    type(state).objects.filter(pk=state.pk).update(last_success_at=timezone.now())
    out.link("person", otto, second, LastName="Ott", Email="otto@pension.example", Title=None)
    out.push()
    assert {one.external_id for one in out.crm.living("Event")[0].related} == {first, second}


def test_a_cleared_value_is_cleared_there_and_an_unknown_one_is_not(out: Out) -> None:
    firm, external_id = out.linked_firm("Pension One", score=82, BillingCity="Bern")
    RecordLink.objects.update(shadow={"Name": {"theirs": "Pension One", "ours": "Pension One"}})
    out.push()
    assert out.account(external_id)["BillingCity"] == "Bern"
    Match.objects.update(summary="")
    touch_all(out)
    out.push()
    assert out.account(external_id)["LPxGP_Summary__c"] is None


def test_if_empty_writes_only_where_nothing_is(out: Out) -> None:
    rows = tuple(row for row in ROWS if row.lpxgp_field != "org.city")
    publish(out.integration, (*rows, Row("org.city", "Account", "BillingCity", "to_crm", write_mode="if_empty")))
    full, full_id = out.linked_firm("Full", BillingCity="Bern")
    bare, bare_id = out.linked_firm("Bare")
    Organization.objects.update(city="Zug")
    RecordLink.objects.update(shadow={"Name": {"theirs": "Full", "ours": "Full"}}, is_due=True)
    RecordLink.objects.filter(row_id=bare.pk).update(shadow={"Name": {"theirs": "Bare", "ours": "Bare"}})
    out.push()
    assert (out.account(full_id)["BillingCity"], out.account(bare_id)["BillingCity"]) == ("Bern", "Zug")
    assert out.crm.calls["read"] == 1


def test_append_adds_once(out: Out) -> None:
    rows = tuple(row for row in ROWS if row.lpxgp_field != "match.summary")
    line = Row("match.summary", "Account", "LPxGP_Summary__c", "to_crm", "ours_wins", "append")
    publish(out.integration, (*rows, line))
    _, external_id = out.linked_firm("Pension One", score=82, LPxGP_Summary__c="Their own words.")
    out.push()
    touch_all(out)
    out.push()
    assert out.account(external_id)["LPxGP_Summary__c"] == "Their own words.\n\nFits well."


def test_what_changed_there_meanwhile_is_not_overwritten(out: Out) -> None:
    """The last reading is older: between it and the write somebody in the CRM typed another city."""
    firm, external_id = out.linked_firm("Pension One")
    firm.city = "Zug"
    firm.save()
    out.crm.put("Account", external_id, BillingCity="Bern")
    out.push()
    assert out.account(external_id)["BillingCity"] == "Bern"
    assert PokedItem.objects.get().name == f"Account:{external_id}"
    assert out.crm.calls == {"read": 1}


def test_where_ours_wins_the_other_value_is_journaled(out: Out) -> None:
    rows = tuple(row for row in ROWS if row.lpxgp_field != "org.city")
    publish(out.integration, (*rows, Row("org.city", "Account", "BillingCity", conflict_rule="ours_wins")))
    firm, external_id = out.linked_firm("Pension One")
    firm.city = "Zug"
    firm.save()
    out.crm.put("Account", external_id, BillingCity="Bern")
    out.push()
    assert out.account(external_id)["BillingCity"] == "Zug"
    conflict = Conflict.objects.get()
    assert (conflict.ours, conflict.theirs, conflict.winner) == ("Zug", "Bern", "ours")


def test_a_loss_is_journaled_once_however_often_its_write_is_refused(out: Out) -> None:
    rows = tuple(row for row in ROWS if row.lpxgp_field != "org.city")
    publish(out.integration, (*rows, Row("org.city", "Account", "BillingCity", conflict_rule="ours_wins")))
    firm, external_id = out.linked_firm("Pension One")

    def both(ours: str, theirs: str) -> None:
        Organization.objects.update(city=ours, updated_at=timezone.now())
        out.crm.put("Account", external_id, BillingCity=theirs)

    def push() -> list[tuple[str, str]]:
        RecordLink.objects.update(next_attempt_at=None)
        out.push()
        return [(one.ours, one.theirs) for one in Conflict.objects.order_by("found_at")]

    both("Zug", "Bern")
    out.crm.refuse = lambda change: RecordError("busy", "Locked.", "UNABLE_TO_LOCK_ROW", is_temporary=True)
    assert push() == push() == [("Zug", "Bern")]
    both("Zug", "Basel")
    assert push() == push() == [("Zug", "Bern"), ("Zug", "Basel")], "what else would be lost is told too"
    out.crm.refuse = None
    assert len(push()) == 2
    assert out.account(external_id)["BillingCity"] == "Zug"
    both("Genf", "Rom")
    assert len(push()) == 3
    both("Zug", "Basel")
    assert len(push()) == 4, "the same may happen again after it was written"


def test_one_bad_record_stops_no_other(out: Out) -> None:
    _, bad = out.linked_firm("Bad", score=10)
    _, good = out.linked_firm("Good", score=20)
    refusal = RecordError("rule", "Scores of this firm are set by hand.", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    out.crm.refuse = lambda change: refusal if change.external_id == bad else None
    run = out.push()
    assert out.account(good)["LPxGP_Match_Score__c"] == 20
    link = RecordLink.objects.get(external_id=bad)
    assert (link.error_cause, link.failures, link.next_attempt_at) == ("rule", 1, None)
    assert "set by hand" in link.error
    run.refresh_from_db()
    assert (run.changed, run.skipped) == (1, {"rule": 1})
    calls = out.crm.calls.copy()
    out.push()
    assert out.crm.calls == calls, "what is permanent waits for somebody"
    out.crm.refuse = None
    link_errors.resync(RecordLink.objects.filter(pk=link.pk))
    out.push()
    link.refresh_from_db()
    assert (link.error_cause, out.account(bad)["LPxGP_Match_Score__c"]) == ("", 10)


def test_a_busy_record_is_tried_again_later_and_later(out: Out) -> None:
    _, external_id = out.linked_firm("Busy", score=10)
    out.crm.refuse = lambda change: RecordError(
        "busy", "unable to obtain exclusive access", "UNABLE_TO_LOCK_ROW", is_temporary=True
    )
    waits = []
    for _ in range(3):
        now = timezone.now()
        out.push()
        link = RecordLink.objects.get()
        assert link.next_attempt_at is not None
        waits.append((link.next_attempt_at - now).total_seconds())
        RecordLink.objects.update(next_attempt_at=now)
    assert waits[0] < waits[1] < waits[2]
    out.crm.refuse = None
    out.push()
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 10
    assert RecordLink.objects.get().failures == 0


def test_a_value_that_cannot_be_turned_keeps_only_itself_back(out: Out) -> None:
    """The score does not fit into a field of one digit's text; the summary goes all the same."""
    short = tuple(f for f in FIELDS["Account"] if f.name != "LPxGP_Match_Score__c")
    field = next(f for f in FIELDS["Account"] if f.name == "BillingCity")
    schema.store(out.integration, "Account", (*short, type(field)("LPxGP_Match_Score__c", "Score", "boolean")))
    _, external_id = out.linked_firm("Pension One", score=82)
    out.push()
    assert out.account(external_id)["LPxGP_Summary__c"] == "Fits well."
    link = RecordLink.objects.get()
    assert (link.error_cause, link.error_field) == ("cannot_transform", "LPxGP_Match_Score__c")


def test_a_field_that_is_gone_keeps_only_itself_back(out: Out) -> None:
    schema.store(out.integration, "Account", tuple(f for f in FIELDS["Account"] if f.name != "LPxGP_Summary__c"))
    _, external_id = out.linked_firm("Pension One", score=82)
    out.push()
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 82
    assert out.crm.calls == {"write": 1}


def test_without_a_field_for_our_key_creations_wait(out: Out) -> None:
    allow_creations(out)
    schema.store(out.integration, "Account", tuple(f for f in FIELDS["Account"] if f.name != KEY))
    out.firm("Pension One")
    out.push()
    out.push()
    assert out.crm.writes == []
    link = RecordLink.objects.get()
    assert (link.state, link.error_cause, link.failures) == ("new", "missing_key_field", 1)
    schema.store(out.integration, "Account", FIELDS["Account"])
    out.push()
    link.refresh_from_db()
    assert (link.state, link.error_cause) == ("linked", "")


def test_a_key_field_that_vanished_is_asked_for_once(out: Out) -> None:
    allow_creations(out)
    out.crm.batch = 1
    error = RecordError("missing_key_field", "No such column", "INVALID_FIELD", KEY)
    out.crm.refuse = lambda change: None if change.external_id else error
    for number in range(4):
        out.firm(f"Pension {number}")
    out.push()
    assert out.crm.calls == {"write": 1}
    assert RecordLink.objects.filter(error_cause="missing_key_field").count() == 4


def test_a_duplicate_of_the_same_address_is_linked(out: Out) -> None:
    allow_creations(out)
    out.crm.unique_emails = True
    there = out.crm.create("Contact", LastName="Alder", Email="lena@pension.example")
    other = out.crm.create("Contact", LastName="Ott", Email="otto@elsewhere.example", addresses=["o@pension.example"])
    lena = out.person("Lena Alder", "lena@pension.example")
    out.push()
    link = RecordLink.objects.get(row_id=lena.pk)
    assert (link.external_id, link.state, link.is_due, link.error_cause) == (there, "linked", True, "")
    taken = out.person("Lena Again", "otto@elsewhere.example")
    out.link("person", out.person("Otto Ott"), other)
    out.push()
    assert RecordLink.objects.get(row_id=taken.pk).error_cause == "duplicate", "that record is somebody else's"


def test_a_lost_reply_doubles_nothing(out: Out) -> None:
    allow_creations(out)
    firm = out.firm("Pension One", score=70)
    lena = out.person("Lena Alder", "lena@pension.example", firm)
    note = Note.objects.create(company=out.company, text="Wants a call.", sync_to_crm=True)
    note.people.add(lena)
    for _ in range(3):
        out.crm.lost_replies = 1
        with pytest.raises(Temporary):
            out.push()
        assert Write.objects.filter(state="sent").count() == 1
    out.push()
    assert {kind: len(out.crm.living(kind)) for kind in ("Account", "Contact", "Note")} == {
        "Account": 1,
        "Contact": 1,
        "Note": 1,
    }
    assert not Write.objects.exclude(state="done").exists()
    out.score(firm, 88)
    touch_all(out)
    out.crm.lost_replies = 1
    with pytest.raises(Temporary):
        out.push()
    sent = len(out.crm.writes)
    out.push()
    assert len(out.crm.writes) == sent, "it was there, so it is not sent again"
    assert RecordLink.objects.get(row_id=firm.pk).shadow["LPxGP_Match_Score__c"]["theirs"] == 88


def test_a_write_that_never_arrived_is_sent_again(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    _, external_id = out.linked_firm("Pension One", score=70)

    def unreachable(link: Any, changes: Any) -> None:
        raise Temporary("The connection broke.")

    with monkeypatch.context() as patch:
        patch.setattr(out.crm, "write", unreachable)
        with pytest.raises(Temporary):
            out.push()
    out.push()
    assert out.account(external_id)["LPxGP_Match_Score__c"] == 70
    assert [write.state for write in out.writes()] == ["refused", "done"]


def test_a_note_that_may_still_appear_is_left_alone_for_a_minute(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where our key has no field, what was just created may be missing from the CRM's lists."""
    lena = out.person("Lena Alder", "lena@pension.example")
    out.link("person", lena, out.crm.create("Contact", LastName="Alder", Email="lena@pension.example"))
    note = Note.objects.create(company=out.company, text="Wants a call.", sync_to_crm=True)
    note.people.add(lena)
    RecordLink.objects.filter(kind="person").update(looked_at=timezone.now() + timedelta(minutes=1))
    out.crm.lost_replies = 1
    with pytest.raises(Temporary):
        out.push()
    with monkeypatch.context() as patch:
        patch.setattr(out.crm, "recover", lambda link, object, changes: ())
        with pytest.raises(Wait):
            out.push()
    assert len(out.crm.living("Note")) == 1
    out.push()
    assert len(out.crm.living("Note")) == 1
    assert RecordLink.objects.get(kind="note").state == "linked"


def test_firms_that_are_not_listed_are_not_written(out: Out) -> None:
    policy = allow_creations(out, writes="listed")
    listed, there = out.linked_firm("Listed", score=10)
    _, other = out.linked_firm("Other", score=10)
    policy.organizations.add(listed)
    out.push()
    assert out.account(there)["LPxGP_Match_Score__c"] == 10
    assert "LPxGP_Match_Score__c" not in out.account(other)
    policy.writes = "none"
    policy.save()
    touch_all(out)
    writes = len(out.crm.writes)
    out.push()
    assert len(out.crm.writes) == writes


def test_another_company_is_never_written(out: Out, zenith: Company) -> None:
    stranger = Organization.unscoped.create(company=zenith, name="Stranger")
    allow_creations(out)
    out.push()
    assert out.crm.writes == []
    assert not RecordLink.unscoped.filter(row_id=stranger.pk).exists()


def test_a_mapping_that_is_published_meanwhile_wins(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    out.linked_firm("Pension One", score=10)
    old = mapping.published(out.integration)
    publish(out.integration, version=2)
    monkeypatch.setattr(mapping, "published", lambda integration: old)
    with pytest.raises(push.runs.OutOfTime):
        out.push()
    assert (out.crm.writes, Write.objects.count()) == ([], 0)
    link = RecordLink.objects.get()
    assert link.looked_at is None


def test_the_key_of_a_change_never_changes(out: Out) -> None:
    allow_creations(out)
    firm = out.firm("Pension One", score=1)
    out.push()
    out.score(firm, 2)
    touch_all(out)
    out.push()
    keys = {change.key for change in out.crm.writes}
    assert keys == {str(firm.pk)}
    assert isinstance(out.crm.writes[0], Change)
    assert sending.READ_BATCH == 100
