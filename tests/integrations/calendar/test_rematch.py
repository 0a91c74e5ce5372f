"""Contacts, domains and block rules that come, change or go take their past meetings with them."""

import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import jobs, sync_states
from integrations.calendar import rematch
from integrations.calendar.models import CalendarEvent, ContactsLook
from integrations.models import SyncRun, SyncState
from relationships import blocking, tenancy
from relationships.models import (
    BlockRule,
    Company,
    Organization,
    OrganizationDomain,
    Person,
    PersonAddress,
    Touchpoint,
    User,
)
from tests.integrations.calendar.scene import ALICE, BOB, LP, RunJobs, at, events_of, last_run, meeting, meetings_of
from tests.integrations.conftest import Google, Link, state_of

pytestmark = pytest.mark.django_db
Look = Callable[[], None]


@pytest.fixture
def read(google: Google, link: Link, alice: User) -> SyncState:
    """A calendar that was read, and whose contacts were looked at, some time ago."""
    google.put(
        ALICE,
        meeting("lena", at(-3), ALICE, LP),
        meeting("both", at(-2), ALICE, LP, "max@oak.example"),
        meeting("max", at(-1), ALICE, "Max.M@ir.oak.example"),
        meeting("alone", at(-1)),
    )
    state = state_of(link(alice))
    jobs.rematch()
    return state


@pytest.fixture
def look(noon: time_machine.Traveller, run_jobs: RunJobs) -> Callable[[], None]:
    """Let ten minutes go by, then do what the schedule does."""

    def look() -> None:
        noon.shift(timedelta(minutes=10))
        jobs.rematch()
        run_jobs()

    return look


def test_without_news_nothing_is_looked_at(read: SyncState) -> None:
    assert rematch.companies_with_news() == []


def test_a_contact_added_later_gets_past_meetings(read: SyncState, acme: Company, look: Look, zenith: Company) -> None:
    assert meetings_of(read) == {}
    person = Person.unscoped.create(company=acme, display_name="Lena")
    PersonAddress.build(person, LP).save()

    look()

    found = meetings_of(read)
    assert sorted(found) == ["Meeting both", "Meeting lena"]
    assert set(Touchpoint.people.through.objects.values_list("person_id", flat=True)) == {person.pk}


def test_a_row_committed_after_the_look_it_is_older_than_is_found(read: SyncState, acme: Company, look: Look) -> None:
    person = Person.unscoped.create(company=acme, display_name="Lena", created_at=at(-1))
    address = PersonAddress.build(person, LP)
    address.created_at = timezone.now() - timedelta(minutes=3)
    address.save()

    jobs.rematch()

    assert sorted(meetings_of(read)) == ["Meeting both", "Meeting lena"]


def test_a_domain_added_later_gets_meetings_also_below_it(read: SyncState, acme: Company, look: Look) -> None:
    oak = Organization.unscoped.create(company=acme, name="Oak")
    OrganizationDomain.unscoped.create(company=acme, organization=oak, domain="oak.example")

    look()

    assert sorted(meetings_of(read)) == ["Meeting both", "Meeting max"]


def test_a_contact_removed_takes_meetings_away_and_one_who_stays_keeps_them(
    read: SyncState, acme: Company, look: Look
) -> None:
    lena, max_ = (Person.unscoped.create(company=acme, display_name=name) for name in ("Lena", "Max"))
    PersonAddress.build(lena, LP).save()
    PersonAddress.build(max_, "max@oak.example").save()
    look()

    lena.delete()
    look()

    assert sorted(meetings_of(read)) == ["Meeting both"]
    assert events_of(read)["lena"].verdict == "unknown_guests"


def test_a_changed_address_moves_its_meetings(read: SyncState, acme: Company, look: Look) -> None:
    person = Person.unscoped.create(company=acme, display_name="Max")
    address = PersonAddress.build(person, "max@oak.example")
    address.save()
    look()
    assert sorted(meetings_of(read)) == ["Meeting both"]

    address.email = "max.m@ir.oak.example"
    address.save()
    person.save()
    look()

    assert sorted(meetings_of(read)) == ["Meeting max"]


def test_a_rule_added_later_keeps_meetings_out_and_forgets_their_content(
    read: SyncState, acme: Company, look: Look
) -> None:
    person = Person.unscoped.create(company=acme, display_name="Max")
    PersonAddress.build(person, "max@oak.example").save()
    look()

    BlockRule.unscoped.create(company=acme, kind="domain", value="alder.example")
    look()

    assert meetings_of(read) == {}
    event = events_of(read)["both"]
    assert (event.verdict, event.title) == ("blocked", "")
    assert not Touchpoint.unscoped.exists()


def test_a_rule_that_staff_change_counts_as_a_new_one(
    read: SyncState, acme: Company, look: Look, as_staff: Client
) -> None:
    person = Person.unscoped.create(company=acme, display_name="Lena")
    PersonAddress.build(person, LP).save()
    rule = BlockRule.unscoped.create(company=acme, kind="address", value="max@oak.example", strength="hide")
    look()
    assert sorted(meetings_of(read)) == ["Meeting lena"]

    changed = {"kind": "address", "value": LP, "strength": "never", "user": ""}
    as_staff.post(reverse("admin:relationships_blockrule_change", args=[rule.pk]), changed)
    look()

    assert meetings_of(read) == {}
    assert (events_of(read)["lena"].verdict, events_of(read)["lena"].title) == ("blocked", "")


@pytest.mark.parametrize("is_below_its_firm", [True, False])
def test_a_domain_that_staff_change_counts_as_a_new_one(
    read: SyncState, acme: Company, look: Look, as_staff: Client, is_below_its_firm: bool
) -> None:
    oak = Organization.unscoped.create(company=acme, name="Oak")
    domain = OrganizationDomain.unscoped.create(company=acme, organization=oak, domain="alder.example")
    look()
    assert sorted(meetings_of(read)) == ["Meeting both", "Meeting lena"]

    if is_below_its_firm:
        row = {"domains-0-id": domain.pk, "domains-0-organization": oak.pk, "domains-0-domain": "ir.oak.example"}
        counts = {"domains-TOTAL_FORMS": 1, "domains-INITIAL_FORMS": 1}
        body = {"name": "Oak", "kind": "lp", **counts, **row}
        as_staff.post(reverse("admin:relationships_organization_change", args=[oak.pk]), body)
    else:
        body = {"organization": oak.pk, "domain": "ir.oak.example"}
        as_staff.post(reverse("admin:relationships_organizationdomain_change", args=[domain.pk]), body)
    look()

    assert sorted(meetings_of(read)) == ["Meeting max"]


def test_events_that_were_kept_out_come_back_when_the_rule_goes(
    google: Google, read: SyncState, acme: Company, look: Look
) -> None:
    person = Person.unscoped.create(company=acme, display_name="Lena")
    PersonAddress.build(person, LP).save()
    rule = BlockRule.unscoped.create(company=acme, kind="address", value=LP)
    look()
    assert {row.verdict for row in events_of(read).values()} == {"blocked", "unknown_guests", "no_guests"}

    # A new contact alone must not bring them back.
    other = Person.unscoped.create(company=acme, display_name="Max")
    PersonAddress.build(other, "max@oak.example").save()
    look()
    assert meetings_of(read) == {}

    rule.delete()
    look()

    assert sorted(meetings_of(read)) == ["Meeting both", "Meeting lena"]
    run = last_run(read)
    assert (run.kind, run.outcome, run.deleted) == (SyncRun.Kind.FULL, "done", 0)


def test_a_hidden_guests_meetings_are_kept_out_of_sight_and_come_back_at_once(
    read: SyncState, acme: Company, look: Look
) -> None:
    person = Person.unscoped.create(company=acme, display_name="Lena")
    PersonAddress.build(person, LP).save()
    rule = BlockRule.unscoped.create(company=acme, kind="address", value=LP, strength="hide")
    look()
    assert meetings_of(read) == {}
    event = events_of(read)["lena"]
    assert (event.verdict, event.title) == ("hidden", "Meeting lena")

    rule.delete()
    look()

    assert sorted(meetings_of(read)) == ["Meeting both", "Meeting lena"]
    assert last_run(read).kind == SyncRun.Kind.FIRST

    BlockRule.unscoped.create(company=acme, kind="address", value=LP, strength="hide")
    look()
    withheld = Touchpoint.unscoped.filter(is_withheld=True, cancelled_at__isnull=False)
    assert sorted(withheld.values_list("title", flat=True)) == ["Meeting both", "Meeting lena"]
    BlockRule.unscoped.all().delete()
    look()
    assert not withheld.exists()


def test_a_removed_rule_waits_for_a_sync_that_is_under_way(read: SyncState, acme: Company, look: Look) -> None:
    rule = BlockRule.unscoped.create(company=acme, kind="address", value=LP)
    look()
    rule.delete()
    SyncState.unscoped.filter(pk=read.pk).update(held_until=at(3), held_by=acme.pk)
    look()
    assert SyncState.unscoped.get(pk=read.pk).cursor

    SyncState.unscoped.filter(pk=read.pk).update(held_until=None, held_by=None)
    look()

    assert {row.verdict for row in events_of(read).values()} == {"unknown_guests", "no_guests"}
    assert rematch.companies_with_news() == []


def test_a_changed_rule_waits_for_a_sync_that_is_under_way(read: SyncState, acme: Company, look: Look) -> None:
    person = Person.unscoped.create(company=acme, display_name="Lena")
    PersonAddress.build(person, LP).save()
    with tenancy.within(acme.pk):
        blocking.keep_out("address", LP, "never", user=None)
        look()
        SyncState.objects.filter(pk=read.pk).update(held_until=at(3), held_by=acme.pk)
        blocking.keep_out("address", LP, "hide", user=None)
        look()

    SyncState.unscoped.filter(pk=read.pk).update(held_until=None, held_by=None)
    look()

    assert (events_of(read)["lena"].verdict, events_of(read)["lena"].title) == ("hidden", "Meeting lena")


def test_what_a_sync_stores_by_a_rule_that_went_meanwhile_is_judged_again(
    read: SyncState, acme: Company, look: Look
) -> None:
    person = Person.unscoped.create(company=acme, display_name="Lena")
    PersonAddress.build(person, LP).save()
    rule = BlockRule.unscoped.create(company=acme, kind="address", value=LP, strength="hide")
    look()
    SyncState.unscoped.filter(pk=read.pk).update(held_until=at(3), held_by=acme.pk)
    rule.delete()
    look()

    CalendarEvent.unscoped.filter(state=read, external_id="lena").update(verdict="hidden")
    SyncState.unscoped.filter(pk=read.pk).update(held_until=None, held_by=None)
    look()

    assert events_of(read)["lena"].verdict == "meeting"
    assert rematch.companies_with_news() == []


def test_while_a_sync_goes_on_the_past_is_judged_once(
    read: SyncState, acme: Company, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = BlockRule.unscoped.create(company=acme, kind="address", value=LP, strength="hide")
    look()
    SyncState.unscoped.filter(pk=read.pk).update(held_until=at(3), held_by=acme.pk)
    rule.delete()
    look()
    assert rematch.companies_with_news() == [acme.pk], "the sync may still store what follows from the rule"
    reconsider, judged = rematch.reconsider, list[uuid.UUID]()

    def counted(company_id: uuid.UUID, event_ids: Collection[uuid.UUID]) -> int:
        judged.extend(event_ids)
        return reconsider(company_id, event_ids)

    monkeypatch.setattr(rematch, "reconsider", counted)
    look()
    look()
    assert judged == []

    SyncState.unscoped.filter(pk=read.pk).update(held_by=read.pk)
    look()
    assert sorted(judged) == sorted(row.pk for row in events_of(read).values()), "another sync reads by today's rules"
    look()
    assert len(judged) == len(events_of(read))
    assert rematch.companies_with_news() == []


def test_calendars_at_rest_come_back_while_another_is_read(
    google: Google, read: SyncState, link: Link, bob: User, acme: Company, look: Look
) -> None:
    google.put(BOB, meeting("own", at(-1), BOB, LP))
    other = state_of(link(bob))
    rule = BlockRule.unscoped.create(company=acme, kind="address", value=LP)
    look()
    SyncState.unscoped.filter(pk=read.pk).update(held_until=at(3), held_by=acme.pk)
    rule.delete()
    look()
    look()
    assert (events_of(other)["own"].verdict, events_of(read)["lena"].verdict) == ("unknown_guests", "blocked")
    assert SyncRun.unscoped.filter(state=other, kind=SyncRun.Kind.FULL).count() == 1

    SyncState.unscoped.filter(pk=read.pk).update(held_until=None, held_by=None)
    look()
    assert events_of(read)["lena"].verdict == "unknown_guests"
    assert SyncRun.unscoped.filter(state=other, kind=SyncRun.Kind.FULL).count() == 1


def test_a_cancelled_event_never_comes_back_by_a_look(
    google: Google, read: SyncState, acme: Company, look: Look, run_jobs: RunJobs
) -> None:
    google.cancel(ALICE, "lena")
    sync_states.poke([read.pk])
    run_jobs()
    person = Person.unscoped.create(company=acme, display_name="Lena")
    PersonAddress.build(person, LP).save()

    look()

    assert sorted(meetings_of(read)) == ["Meeting both"]


def test_one_company_that_meets_a_bug_does_not_keep_the_others_from_their_meetings(
    read: SyncState, acme: Company, zenith: Company, noon: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for company in (acme, zenith):
        organization = Organization.unscoped.create(company=company, name="Oak")
        OrganizationDomain.unscoped.create(company=company, organization=organization, domain="oak.example")
    original, looked = rematch.rematch, []

    def broken_for_one(company_id: uuid.UUID) -> int:
        looked.append(company_id)
        if len(looked) == 1:
            raise ValueError("odd data")
        return original(company_id)

    monkeypatch.setattr(rematch, "rematch", broken_for_one)
    noon.shift(timedelta(minutes=10))
    jobs.rematch()

    assert set(looked) == {acme.pk, zenith.pk}


@pytest.mark.django_db(transaction=True)
def test_a_long_look_lets_others_write_meanwhile(
    read: SyncState, acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rematch, "BATCH", 1)
    original, busy, done, looked = rematch.reconsider, threading.Event(), threading.Event(), []

    def slowly(company_id: uuid.UUID, event_ids: Collection[uuid.UUID]) -> int:
        with transaction.atomic():
            changed = original(company_id, event_ids)
            busy.set()
            threading.Event().wait(0.4)
        looked.append(done.is_set())
        return changed

    def write() -> None:
        busy.wait(10)
        Company.objects.filter(pk=acme.pk).update(time_zone="UTC")
        done.set()
        connection.close()

    monkeypatch.setattr(rematch, "reconsider", slowly)
    # There were more contacts at the last look: all events are looked at again.
    ContactsLook.unscoped.create(company=acme, looked_at=timezone.now(), rows={"PersonAddress": 9})
    other = threading.Thread(target=write)
    other.start()
    rematch.rematch(acme.pk)
    other.join()

    assert len(looked) == 4
    assert looked[-1], "it waited until the look was over"


def test_two_first_looks_at_once_end_in_one(read: SyncState, acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    original = rematch._concerned

    def second(since: datetime, released: Collection[uuid.UUID]) -> Sequence[uuid.UUID]:
        monkeypatch.setattr(rematch, "_concerned", original)
        rematch.rematch(acme.pk)
        return original(since, released)

    monkeypatch.setattr(rematch, "_concerned", second)
    rematch.rematch(acme.pk)

    assert ContactsLook.unscoped.get().company == acme
