"""Who may read what a mail is about, on every page that shows mail."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from relationships import blocking, conversations, facts, privacy, touchpoints
from relationships.models import BlockRule, Company, FollowUp, Note, Person, PersonAddress, Touchpoint, User
from tests.relationships.letters import arrive, letter

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
MONDAY = datetime(2026, 3, 16, 9, 41, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SUBJECT = "Price of the stake"


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def jane(in_acme: Company) -> Person:
    person = Person.objects.create(company=in_acme, display_name="Jane Alder")
    PersonAddress.objects.create(company=in_acme, person=person, email="jane@alder.example", is_primary=True)
    return person


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def text(client: Client, address: str, **params: str) -> str:
    response = client.get(address, params)
    assert response.status_code == 200, address
    return response.content.decode()


def page_of(row: Person | Touchpoint) -> str:
    name = "person" if isinstance(row, Person) else "meeting"
    return reverse(f"relationships:{name}", args=[row.pk])


class TestTitle:
    def test_private_mail_is_for_those_who_wrote_or_got_it(
        self, alice: User, bob: User, staff: User, jane: Person
    ) -> None:
        [mail] = arrive(alice, letter("t", MONDAY, of=[alice], by=jane, subject=SUBJECT))
        assert privacy.title_for(mail, alice) == SUBJECT
        assert privacy.title_for(mail, bob) == privacy.title_for(mail, staff) == "Mail"
        assert privacy.title_for(mail, alice, bob) == "Mail", "both have to be allowed"
        assert privacy.title_for(mail) == "Mail", "before nobody in particular"
        assert str(mail) == "E-mail"

    def test_shared_mail_is_for_the_firm(self, alice: User, bob: User, jane: Person) -> None:
        alice.shares_mail_subjects = True
        [mail] = arrive(alice, letter("t", MONDAY, of=[alice], by=jane, subject=SUBJECT))
        assert privacy.title_for(mail, bob) == SUBJECT
        assert str(mail) == "E-mail", "the admin's log would keep it when it is shared no more"

    @pytest.mark.parametrize(
        ("kind", "title"),
        [("meeting", "Meeting without a title"), ("email", "Mail without a subject"), ("call", "Call")],
    )
    def test_it_is_never_empty(self, alice: User, kind: str, title: str) -> None:
        assert privacy.title_for(Touchpoint(kind=kind), alice) == title

    def test_what_a_rule_hides_is_for_nobody(self, alice: User, jane: Person) -> None:
        mail = letter("t", MONDAY, of=[alice], by=jane, subject=SUBJECT)
        [row] = arrive(alice, mail)
        Note.objects.create(company=row.company, touchpoint=row, author=alice, text="Talked on the phone")
        touchpoints.record_mails([], gone=[mail.unique_key])
        row = Touchpoint.objects.get()
        assert privacy.title_for(row, alice) == "Mail"
        shown = text(sign_in(alice), page_of(row))
        assert SUBJECT not in shown
        assert "Talked on the phone" in shown
        assert "No longer shown" in shown


class TestSharing:
    def test_the_strictest_wins_and_the_past_follows(
        self, in_acme: Company, alice: User, bob: User, jane: Person
    ) -> None:
        arrive(alice, letter("a", MONDAY, of=[alice], by=jane), letter("both", MONDAY, of=[alice, bob], by=jane))

        def private() -> set[str]:
            return set(Touchpoint.objects.filter(is_private=True).values_list("thread_key", flat=True))

        assert private() == {"a", "both"}
        assert privacy.share_subjects(alice, True) == 1
        assert private() == {"both"}
        assert privacy.share_subjects(bob, True) == 1
        assert private() == set()
        assert privacy.share_subjects(alice, False) == 2
        assert private() == {"a", "both"}
        alice.refresh_from_db()
        assert alice.shares_mail_subjects is False

    def test_any_number_of_mails_costs_the_same(self, alice: User, jane: Person) -> None:
        def count(size: int, is_shared: bool) -> int:
            arrive(alice, *(letter(f"{size}-{n}", MONDAY, of=[alice], by=jane) for n in range(size)))
            with CaptureQueriesContext(connection) as queries:
                privacy.share_subjects(alice, is_shared)
            return len(queries)

        assert count(2, True) == count(100, True)

    def test_by_the_page(self, alice: User, bob: User, jane: Person) -> None:
        arrive(alice, letter("t", MONDAY, of=[alice], by=jane, subject=SUBJECT))
        mine, bobs = sign_in(alice), sign_in(bob)
        assert SUBJECT not in text(bobs, page_of(jane))
        answer = mine.post("/settings/privacy/", {"do": "share", "is_shared": "on"}, follow=True)
        assert "That changed 1 past mail." in answer.content.decode()
        assert SUBJECT in text(bobs, page_of(jane))
        mine.post("/settings/privacy/", {"do": "share"})
        assert SUBJECT not in text(bobs, page_of(jane))


class TestEverywhere:
    @pytest.fixture
    def mail(self, alice: User, jane: Person) -> Touchpoint:
        earlier = letter("t", MONDAY - DAY, of=[alice], to=[jane], subject=SUBJECT)
        return arrive(alice, earlier, letter("t", MONDAY, of=[alice], by=jane, subject=SUBJECT))[1]

    @pytest.fixture
    def meeting(self, in_acme: Company, bob: User, jane: Person) -> Touchpoint:
        row = Touchpoint.objects.create(
            company=in_acme,
            kind="meeting",
            unique_key="m",
            title="Lunch",
            occurred_at=NOW + DAY,
            guests=[{"email": "jane@alder.example", "name": "", "response": ""}],
        )
        row.people.add(jane)
        row.users.add(bob)
        return row

    def test_a_colleague_sees_contact_day_and_direction_and_no_more(
        self, bob: User, jane: Person, mail: Touchpoint, meeting: Touchpoint
    ) -> None:
        client = sign_in(bob)
        for address, params in (
            ("/", {"of": "firm"}),
            (page_of(jane), {}),
            (page_of(meeting), {}),
            (page_of(mail), {}),
            ("/people/", {"q": "jane"}),
        ):
            shown = text(client, address, **params)
            assert SUBJECT not in shown, address
            assert "09:41" not in shown, f"{address} tells the hour"
            assert "2 mails" not in shown, f"{address} tells which mails belong together"
        timeline = text(client, page_of(jane))
        assert "Mail from Jane Alder to Alice Ash" in timeline
        assert "Monday 16 March 2026" in timeline

    def test_the_owner_sees_the_conversation(self, alice: User, jane: Person, mail: Touchpoint) -> None:
        timeline = text(sign_in(alice), page_of(jane))
        assert SUBJECT in timeline
        assert "2 mails" in timeline
        assert "09:41" in timeline

    def test_mail_of_two_weeks_around_a_meeting_stands_on_its_page(
        self, alice: User, jane: Person, mail: Touchpoint, meeting: Touchpoint
    ) -> None:
        [other] = arrive(alice, letter("old", meeting.occurred_at - 15 * DAY, of=[alice], by=jane, subject="Long ago"))
        shown = text(sign_in(alice), page_of(meeting))
        assert SUBJECT in shown
        assert "Long ago" not in shown
        assert "Long ago" in text(sign_in(alice), page_of(other))

    def test_a_brief_names_the_last_contact_without_its_subject(
        self, alice: User, mail: Touchpoint, meeting: Touchpoint
    ) -> None:
        privacy.share_subjects(alice, True)
        [guest] = facts.gather(meeting)["guests"]
        assert guest["last_contact"] == {
            "touchpoint_id": str(mail.pk),
            "kind": "email",
            "title": "",
            "is_outgoing": False,
            "on": "2026-03-16",
        }

    def test_a_note_on_private_mail_does_not_name_its_subject_to_others(
        self, alice: User, bob: User, jane: Person, mail: Touchpoint
    ) -> None:
        note = Note.objects.create(company=mail.company, touchpoint=mail, author=alice, text="Price agreed")
        note.people.add(jane)
        assert SUBJECT not in text(sign_in(bob), page_of(jane), show="notes")
        assert SUBJECT in text(sign_in(alice), page_of(jane), show="notes")

    def test_hidden_mails_of_one_day_are_one_entry(self, alice: User, bob: User, jane: Person) -> None:
        rows = arrive(
            alice,
            letter("x", MONDAY, of=[alice], by=jane),
            letter("y", MONDAY + HOUR, of=[alice], by=jane),
            letter("z", MONDAY + 2 * HOUR, of=[alice], to=[jane]),
        )
        assert [entry.count for entry in conversations.group(rows, [bob])] == [2, 1]
        assert [entry.count for entry in conversations.group(rows, [alice])] == [1, 1, 1]


class TestAsMyColleague:
    def test_my_own_mail_loses_its_subject_and_bobs_stays_without(self, alice: User, bob: User, jane: Person) -> None:
        arrive(alice, letter("a", MONDAY, of=[alice], by=jane, subject=SUBJECT))
        arrive(alice, letter("b", MONDAY, of=[bob], by=jane, subject="Bob's own matter"))
        arrive(alice, letter("c", MONDAY, of=[alice, bob], by=jane, subject="Known to both"))
        shown = text(sign_in(alice), page_of(jane), **{"as": str(bob.pk)})
        assert SUBJECT not in shown
        assert "Bob&#x27;s own matter" not in shown
        assert "Known to both" in shown
        assert "You see this page as Bob Birch does." in shown

    def test_nothing_can_be_done_there_and_nobodys_debts_are_shown(self, alice: User, bob: User, jane: Person) -> None:
        arrive(alice, letter("a", MONDAY, of=[alice, bob], by=jane))
        jane.tasks.create(company=jane.company, title="Send the deck")
        FollowUp.objects.update(due_at=MONDAY)
        client = sign_in(alice)
        assert "You owe Jane Alder an answer" in text(client, page_of(jane))
        assert "Mark done" in text(client, page_of(jane), show="tasks")
        shown = text(client, page_of(jane), show="tasks", **{"as": str(bob.pk)})
        assert "an answer" not in shown
        assert "Mark done" not in shown

    def test_only_as_a_colleague(self, alice: User, charlie: User, jane: Person) -> None:
        client = sign_in(alice)
        for nobody in (str(charlie.pk), str(alice.pk), str(uuid.uuid4()), "x"):
            assert client.get(page_of(jane), {"as": nobody}).status_code == 404


class TestKeepingOut:
    @pytest.fixture
    def history(self, in_acme: Company, alice: User, bob: User, jane: Person) -> None:
        arrive(
            alice,
            letter("a", MONDAY, of=[alice], by=jane),
            letter("b", MONDAY, of=[bob], by=jane),
            letter("c", MONDAY, of=[alice, bob], to=[jane]),
        )
        row = Touchpoint.objects.create(
            company=in_acme, kind="meeting", unique_key="m", occurred_at=NOW, guests=[{"email": "john@alder.example"}]
        )
        row.users.add(alice)
        other = Touchpoint.objects.create(
            company=in_acme, kind="meeting", unique_key="n", occurred_at=NOW, guests=[{"email": "x@notalder.example"}]
        )
        other.users.add(alice)

    @pytest.mark.usefixtures("history")
    def test_what_a_rule_concerns_is_counted_before_it_is_saved(self, alice: User) -> None:
        mine = blocking.affected("domain", "alder.example", alice)
        assert (mine.meetings, mine.mails, mine.people) == (1, 2, ["Jane Alder"])
        firms = blocking.affected("address", "jane@alder.example", None)
        assert (firms.meetings, firms.mails, firms.people) == (0, 3, ["Jane Alder"])
        assert blocking.affected("domain", "nobody.example", None) == blocking.Affected(0, 0, [], [])

    def test_a_contacts_other_addresses_are_named_as_not_covered(
        self, as_alice: Client, in_acme: Company, jane: Person
    ) -> None:
        PersonAddress.objects.create(company=in_acme, person=jane, email="jane.alder@icloud.com")
        typed = {"value": "jane@alder.example", "strength": "hide", "do": "look"}
        page = as_alice.post("/settings/privacy/", typed).content.decode()
        assert "Not covered: jane.alder@icloud.com, by which the contact is known too." in page
        assert blocking.affected("domain", "alder.example", None).uncovered == ["jane.alder@icloud.com"]
        assert blocking.affected("address", "jane.alder@icloud.com", None).uncovered == ["jane@alder.example"]

    def test_two_spellings_of_one_mailbox_are_one(self, in_acme: Company, alice: User, jane: Person) -> None:
        PersonAddress.objects.create(company=in_acme, person=jane, email="jane.alder@googlemail.com")
        jane.addresses.filter(email="jane@alder.example").delete()
        arrive(alice, letter("a", MONDAY, of=[alice], by=jane))
        found = blocking.affected("address", "janealder+lp@gmail.com", alice)
        assert (found.mails, found.people) == (1, ["Jane Alder"])

    @pytest.mark.usefixtures("history")
    def test_looking_saves_nothing_and_saving_does(self, as_alice: Client, alice: User) -> None:
        typed = {"value": " @Alder.Example ", "strength": "never"}
        looked = as_alice.post("/settings/privacy/", {**typed, "do": "look"}).content.decode()
        assert "concerns 1 meeting and 2 mails of yours" in looked
        assert "is deleted" in looked
        assert not BlockRule.objects.exists()
        as_alice.post("/settings/privacy/", {**typed, "do": "save"})
        rule = BlockRule.objects.get()
        assert (rule.user, rule.kind, rule.value, rule.strength) == (alice, "domain", "alder.example", "never")

    def test_saving_again_changes_the_strength_and_counts_as_new(self, as_alice: Client, in_acme: Company) -> None:
        as_alice.post("/settings/privacy/", {"value": "x@alder.example", "strength": "hide", "do": "save"})
        BlockRule.objects.update(created_at=MONDAY)
        as_alice.post("/settings/privacy/", {"value": "x@alder.example", "strength": "never", "do": "save"})
        rule = BlockRule.objects.get()
        assert (rule.kind, rule.strength, rule.created_at) == ("address", "never", NOW)

    def test_for_the_firm_by_its_admins_alone(self, as_alice: Client, alice: User, bob: User) -> None:
        typed = {"value": "alder.example", "strength": "hide", "whose": "firm", "do": "save"}
        as_alice.post("/settings/privacy/", typed)
        assert BlockRule.unscoped.get().user == alice
        BlockRule.unscoped.all().delete()
        User.objects.filter(pk=alice.pk).update(is_company_admin=True)
        as_alice.post("/settings/privacy/", typed)
        rule = BlockRule.unscoped.get()
        assert rule.user is None
        address = reverse("relationships:rule", args=[rule.pk])
        assert "alder.example" in text(sign_in(bob), "/settings/privacy/")
        assert address not in text(sign_in(bob), "/settings/privacy/")
        assert sign_in(bob).post(address).status_code == 404
        assert "shows again within a few minutes" in text(as_alice, address)
        assert as_alice.post(address).status_code == 302
        assert not BlockRule.unscoped.exists()

    def test_a_colleagues_own_rule_is_the_colleagues(self, as_alice: Client, bob: User) -> None:
        rule = BlockRule.unscoped.create(company=bob.company, user=bob, kind="domain", value="private.example")
        assert "private.example" not in text(as_alice, "/settings/privacy/")
        assert as_alice.post(reverse("relationships:rule", args=[rule.pk])).status_code == 404

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ("", "Type an address or a domain."),
            ("nonsense", "is no mail domain"),
            ("a@b@c", "is no e-mail address"),
            ("co.uk", "is shared by many firms"),
            ("acme.example", "your own firm"),
            ("bob@acme.example", "your own firm"),
        ],
    )
    def test_what_covers_nobody_is_refused_with_its_reason(self, as_alice: Client, value: str, words: str) -> None:
        answer = as_alice.post("/settings/privacy/", {"value": value, "strength": "hide", "do": "save"})
        assert answer.status_code == 400
        assert words in answer.content.decode()
        assert not BlockRule.unscoped.exists()
