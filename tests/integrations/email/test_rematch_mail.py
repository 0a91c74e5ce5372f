"""Mail follows contacts, domains and block rules that come, change and go; new contacts get their past, once."""

from datetime import timedelta

import pytest
import time_machine
from django.db.models import Q
from django.utils import timezone

from integrations import jobs
from integrations.email import rematch
from integrations.email import sync as mail_sync
from integrations.email.models import EmailMessage, MailLook, MailSearch
from integrations.models import SyncState
from relationships import passed_on
from relationships.models import (
    BlockRule,
    Note,
    Organization,
    OrganizationDomain,
    Person,
    PersonAddress,
    Touchpoint,
    User,
)
from tests.integrations.email.conftest import LinkMemory, Sync
from tests.integrations.email.memory import ALICE, BOB, LP, MemoryMail, mail

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]

BEN = "ben@gmail.com"


def stored() -> set[str]:
    return set(EmailMessage.objects.values_list("external_id", flat=True))


def visible() -> set[str]:
    return set(Touchpoint.objects.filter(cancelled_at=None).values_list("title", flat=True))


def add(name: str, email: str, alice: User) -> Person:
    person = Person.objects.create(company=alice.company, display_name=name)
    PersonAddress.build(person, email, is_primary=True).save()
    return person


def searches() -> list[tuple[str, int]]:
    rows = MailSearch.objects.filter(purpose="contact").order_by("created_at")
    return list(rows.values_list("about", "found"))


@pytest.fixture
def state(box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync) -> SyncState:
    """Alice's mailbox, read; with mail of a contact, and of somebody who is none yet."""
    box.put(mail("known", LP, ALICE), mail("ben", BEN, ALICE), mail("to-ben", ALICE, BEN, days=-80))
    box.put(mail("old-ben", BEN, ALICE, days=-100), mail("firm", "eve@oak.example", ALICE))
    state = link_memory(alice)
    sync(state)
    assert stored() == {"known"}
    jobs.rematch()
    assert searches() == []
    return state


def run(state: SyncState) -> None:
    jobs.rematch()
    SyncState.objects.filter(pk=state.pk).update(queued_at=None)
    mail_sync.run(state.pk)


def test_a_new_contact_gets_ninety_days_of_past_mail_once(
    state: SyncState, box: MemoryMail, alice: User, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=1))
    ben = add("Ben Oak", BEN, alice)
    assert rematch.companies_with_news() == [alice.company_id]

    run(state)

    assert stored() == {"known", "ben", "to-ben"}
    assert searches() == [(f"Ben Oak ({BEN})", 2)]
    assert set(Touchpoint.objects.get(title="Subject ben").people.all()) == {ben}
    for _ in range(2):
        run(state)
    assert len(searches()) == 1
    noon.shift(timedelta(minutes=6))
    run(state)
    assert len(searches()) == 1
    assert rematch.companies_with_news() == []


def test_the_count_is_known_before_anything_is_read(
    state: SyncState, box: MemoryMail, alice: User, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=1))
    add("Ben Oak", BEN, alice)
    box.units_per_minute = 1

    run(state)
    noon.shift(timedelta(minutes=1))
    SyncState.objects.filter(pk=state.pk).update(queued_at=None)
    mail_sync.run(state.pk)

    assert searches() == [(f"Ben Oak ({BEN})", 2)]
    assert stored() == {"known"}


def test_a_new_firms_domain_gets_its_past_and_free_mail_never_is_one(
    state: SyncState, box: MemoryMail, alice: User, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=1))
    oak = Organization.objects.create(company=alice.company, name="Oak Endowment")
    OrganizationDomain.objects.create(company=alice.company, organization=oak, domain="oak.example")
    OrganizationDomain.objects.create(company=alice.company, organization=oak, domain="gmail.com")

    run(state)

    assert stored() == {"known", "firm"}
    assert searches() == [("Oak Endowment (oak.example)", 1)]


def test_many_new_contacts_are_looked_for_together(
    state: SyncState, box: MemoryMail, alice: User, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=1))
    for number in range(25):
        add(f"Person {number}", f"person{number}@p{number}.example", alice)
    run(state)
    assert {about for about, _ in searches()} == {"25 new contacts and domains"}


def test_a_contact_that_goes_takes_its_touchpoints_along_and_brings_them_back(
    state: SyncState, box: MemoryMail, alice: User, lena: Person, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=1))
    PersonAddress.objects.all().delete()
    OrganizationDomain.objects.all().delete()
    run(state)
    assert EmailMessage.objects.get().verdict == "unknown"
    assert visible() == set()

    noon.shift(timedelta(minutes=1))
    PersonAddress.build(lena, LP, is_primary=True).save()
    run(state)
    assert EmailMessage.objects.get().verdict == "exchange"
    assert visible() == {"Subject known"}


def test_automatic_mail_stays_automatic_when_its_sender_comes_back(
    state: SyncState, box: MemoryMail, sync: Sync, lena: Person, noon: time_machine.Traveller
) -> None:
    box.put(mail("away", LP, ALICE, automatic="auto_reply"))
    sync(state)
    noon.shift(timedelta(minutes=1))
    PersonAddress.objects.all().delete()
    OrganizationDomain.objects.all().delete()
    run(state)
    PersonAddress.build(lena, LP, is_primary=True).save()
    run(state)
    assert EmailMessage.objects.get(external_id="away").verdict == "automatic"


@pytest.mark.parametrize("kind", ["address", "domain"])
@pytest.mark.parametrize("is_firms", [True, False])
def test_never_keeps_it_out_and_deletes_the_past(
    state: SyncState,
    box: MemoryMail,
    alice: User,
    sync: Sync,
    noon: time_machine.Traveller,
    kind: str,
    is_firms: bool,
) -> None:
    box.put(mail("noted", LP, ALICE))
    sync(state)
    touchpoint = Touchpoint.objects.get(title="Subject noted")
    Note.objects.create(company=alice.company, touchpoint=touchpoint, author=alice, text="Wants the deck")
    noon.shift(timedelta(minutes=1))
    value = LP if kind == "address" else "alder.example"
    rule = BlockRule.objects.create(
        company=alice.company, user=None if is_firms else alice, kind=kind, value=value, strength="never"
    )
    run(state)
    assert stored() == set()
    touchpoint.refresh_from_db()
    assert (touchpoint.title, touchpoint.guests, touchpoint.cancelled_at is None) == ("", [], False)
    assert Touchpoint.objects.count() == 1

    box.put(mail("later", LP, ALICE))
    report = sync(state)
    assert report.skipped == {"never": 1}
    assert stored() == set()

    noon.shift(timedelta(minutes=1))
    rule.delete()
    run(state)
    assert stored() == {"known", "noted", "later"}
    touchpoint.refresh_from_db()
    assert touchpoint.title == "Subject noted"


def test_what_was_told_elsewhere_stays_emptied_until_that_is_taken_back(
    state: SyncState,
    box: MemoryMail,
    alice: User,
    sync: Sync,
    noon: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box.put(mail("told", LP, ALICE))
    sync(state)
    told = Touchpoint.objects.get(title="Subject told")
    monkeypatch.setattr(passed_on, "TELLERS", [lambda: Q(pk=told.pk)])
    noon.shift(timedelta(minutes=1))
    BlockRule.objects.create(company=alice.company, user=None, kind="address", value=LP, strength="never")
    run(state)
    assert list(Touchpoint.objects.values_list("pk", "title", "guests")) == [(told.pk, "", [])]
    assert Touchpoint.objects.get().is_withheld


def test_hide_keeps_it_without_a_touchpoint(
    state: SyncState, box: MemoryMail, alice: User, sync: Sync, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=1))
    rule = BlockRule.objects.create(company=alice.company, user=alice, kind="address", value=LP, strength="hide")
    run(state)
    assert EmailMessage.objects.get().verdict == "hidden"
    assert visible() == set()
    assert Touchpoint.objects.get().is_withheld
    box.put(mail("later", LP, ALICE))
    sync(state)
    assert set(EmailMessage.objects.values_list("verdict", flat=True)) == {"hidden"}

    noon.shift(timedelta(minutes=1))
    rule.delete()
    run(state)
    assert visible() == {"Subject known", "Subject later"}
    assert not Touchpoint.objects.filter(is_withheld=True).exists()


def test_what_a_sync_stores_by_a_rule_that_went_meanwhile_is_judged_again(
    state: SyncState, alice: User, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=10))
    rule = BlockRule.objects.create(company=alice.company, kind="address", value=LP, strength="hide")
    jobs.rematch()
    assert visible() == set()
    noon.shift(timedelta(minutes=10))
    SyncState.objects.filter(pk=state.pk).update(held_until=timezone.now() + timedelta(minutes=1), held_by=alice.pk)
    rule.delete()
    jobs.rematch()

    EmailMessage.objects.filter(external_id="known").update(verdict="hidden")
    SyncState.objects.filter(pk=state.pk).update(held_until=None, held_by=None)
    jobs.rematch()

    assert EmailMessage.objects.get(external_id="known").verdict == "exchange"
    assert rematch.companies_with_news() == []


def test_a_mailbox_that_is_read_is_searched_for_the_unblocked_once_that_is_over(
    state: SyncState, alice: User, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=10))
    rule = BlockRule.objects.create(company=alice.company, kind="address", value=LP, strength="never")
    run(state)
    noon.shift(timedelta(minutes=10))
    SyncState.objects.filter(pk=state.pk).update(held_until=timezone.now() + timedelta(minutes=1), held_by=alice.pk)
    rule.delete()
    jobs.rematch()
    jobs.rematch()
    assert searches() == [], "it would be searched by the rule that went"

    SyncState.objects.filter(pk=state.pk).update(held_until=None, held_by=None)
    run(state)
    assert stored() == {"known"}
    assert rematch.companies_with_news() == []


def test_a_users_own_rule_leaves_a_colleagues_copy_alone(
    state: SyncState,
    boxes: dict[str, MemoryMail],
    alice: User,
    bob: User,
    link_memory: LinkMemory,
    sync: Sync,
    noon: time_machine.Traveller,
) -> None:
    boxes["alice"].put(mail("both", LP, ALICE, BOB))
    sync(state)
    boxes["bob"] = MemoryMail()
    boxes["bob"].put(mail("both", LP, ALICE, BOB, owner=BOB))
    sync(link_memory(bob))
    assert set(Touchpoint.objects.get(title="Subject both").users.all()) == {alice, bob}
    noon.shift(timedelta(minutes=1))
    BlockRule.objects.create(company=alice.company, user=alice, kind="address", value=LP, strength="never")
    run(state)
    assert set(Touchpoint.objects.get(title="Subject both").users.all()) == {bob}
    assert EmailMessage.objects.count() == 1


def test_a_contact_whose_firm_changed_takes_its_mail_along(
    state: SyncState, alice: User, lena: Person, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=1))
    lena.organization = Organization.objects.create(company=alice.company, name="Elm Foundation")
    lena.save()
    run(state)
    firms = Touchpoint.objects.get(title="Subject known").organizations.values_list("name", flat=True)
    assert set(firms) == {"Alder Pension", "Elm Foundation"}
    assert MailLook.objects.count() == 1


def test_old_searches_are_forgotten_and_nobody_is_searched_for_again(
    state: SyncState, box: MemoryMail, alice: User, noon: time_machine.Traveller
) -> None:
    noon.shift(timedelta(minutes=1))
    add("Ben Oak", BEN, alice)
    run(state)
    noon.shift(timedelta(minutes=6))
    run(state)
    noon.shift(timedelta(days=31))
    jobs.purge()
    assert set(MailSearch.objects.values_list("purpose", flat=True)) == {"first"}
    jobs.rematch()
    assert searches() == []
