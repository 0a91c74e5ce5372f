"""The members' pages over the domain: what they show, to whom, at what cost."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.template.loader import get_template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from relationships import addresses, briefs, tenancy
from relationships.models import (
    Company,
    Fund,
    Match,
    Note,
    Organization,
    Person,
    PersonAddress,
    Task,
    Touchpoint,
    User,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def firm(acme: Company) -> Organization:
    return Organization.unscoped.create(company=acme, name="Nordic Pension", city="Oslo", country="Norway")


@pytest.fixture
def make_person(acme: Company, firm: Organization) -> Make:
    def make(name: str, email: str = "", **fields: Any) -> Person:
        person = Person.unscoped.create(company=acme, display_name=name, **{"organization": firm, **fields})
        if email:
            PersonAddress.unscoped.create(
                company=acme, person=person, email=email, match_key=addresses.match_key(email), is_primary=True
            )
        return person

    return make


@pytest.fixture
def make_meeting(acme: Company, alice: User) -> Make:
    def make(
        title: str, at: datetime, minutes: int = 60, people: Any = (), users: Any = None, **fields: Any
    ) -> Touchpoint:
        with tenancy.within(acme.pk):
            touchpoint = Touchpoint.objects.create(
                company=acme,
                kind=fields.pop("kind", "meeting"),
                unique_key=f"{title} {at.isoformat()}"[:64],
                title=title,
                occurred_at=at,
                ended_at=at + timedelta(minutes=minutes),
                **fields,
            )
            touchpoint.people.set(people)
            touchpoint.users.set([alice] if users is None else users)
        return touchpoint

    return make


def page(client: Client, address: str, **params: Any) -> str:
    response = client.get(address, params)
    assert response.status_code == 200, address
    return response.content.decode()


def queries(client: Client, address: str) -> int:
    page(client, address)  # the session's first visit writes its limits
    with CaptureQueriesContext(
        connection,
    ) as captured:
        page(client, address)
    return len(captured)


# Who may come in


@pytest.mark.parametrize("address", ["/", "/people/"])
def test_visitors_are_sent_to_the_sign_in_page(client: Client, db: None, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_staff_are_shown_the_way_to_the_admin(as_staff: Client) -> None:
    for address in ("/", "/people/"):
        assert "Open the admin" in page(as_staff, address)


def test_what_belongs_to_another_company_does_not_exist(
    client: Client, charlie: User, make_person: Make, make_meeting: Make
) -> None:
    anna = make_person("Anna Keller", "anna@nordic.example")
    meeting = make_meeting("Data room", NOON + timedelta(hours=2), people=[anna])
    client.force_login(charlie, backend=BACKEND)
    assert client.get(reverse("relationships:person", args=[anna.pk])).status_code == 404
    address = reverse("relationships:meeting", args=[meeting.pk])
    assert client.get(address).status_code == 404
    assert client.post(address, {"text": "mine now"}).status_code == 404
    assert "Anna" not in page(client, "/people/", q="anna")
    assert "Data room" not in page(client, "/", of="firm")
    assert not Note.unscoped.exists()


# Today


def test_today_teaches_where_there_is_nothing_yet(as_alice: Client) -> None:
    text = page(as_alice, "/")
    assert "No meetings with people you know yet" in text
    assert 'href="/settings/integrations/">Link your calendar' in text


def test_meetings_stand_under_the_day_of_the_members_own_calendar(
    as_alice: Client, alice: User, make_meeting: Make
) -> None:
    alice.time_zone = "Pacific/Auckland"  # 13 hours ahead: it is one in the morning of the 24th there
    alice.save()
    make_meeting("Late call", datetime(2026, 11, 24, 12, 30, tzinfo=UTC))
    response = as_alice.get("/")
    [(day, [row])] = response.context["days"]
    assert day == date(2026, 11, 25)
    assert row.touchpoint.title == "Late call"
    assert "01:30" in response.content.decode()


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles", "UTC"])
def test_all_day_dates_never_shift(as_alice: Client, alice: User, make_meeting: Make, zone: str) -> None:
    alice.time_zone = zone
    alice.save()
    midnight = datetime(2026, 11, 26, tzinfo=UTC)
    make_meeting("Investor day", midnight, minutes=24 * 60, all_day_on=midnight.date())
    [(day, [row])] = as_alice.get("/").context["days"]
    assert (day, row.touchpoint.title) == (date(2026, 11, 26), "Investor day")


def test_the_agenda_holds_what_runs_now_and_two_weeks_and_no_cancelled_meeting(
    as_alice: Client, make_meeting: Make
) -> None:
    make_meeting("Over", NOON - timedelta(hours=2))
    make_meeting("Running", NOON - timedelta(minutes=30))
    make_meeting("Conference", datetime(2026, 11, 22, tzinfo=UTC), 3 * 24 * 60, all_day_on=date(2026, 11, 22))
    make_meeting("Last in", NOON + timedelta(days=13))
    make_meeting("Too far", NOON + timedelta(days=15))
    make_meeting("Cancelled", NOON + timedelta(days=1), cancelled_at=NOON)
    make_meeting("A mail", NOON + timedelta(days=1), kind="email")
    shown = [row.touchpoint.title for _, rows in as_alice.get("/").context["days"] for row in rows]
    assert shown == ["Conference", "Running", "Last in"]


def test_mine_and_the_firms(as_alice: Client, bob: User, make_meeting: Make) -> None:
    make_meeting("Bob's call", NOON + timedelta(hours=1), users=[bob])
    assert "Bob&#x27;s call" not in page(as_alice, "/")
    assert "Bob&#x27;s call" in page(as_alice, "/", of="firm")


def test_what_an_invitation_calls_a_link_is_no_script(as_alice: Client, make_meeting: Make) -> None:
    hostile = make_meeting("<script>alert(1)</script>", NOON + timedelta(hours=1), join_url="javascript:alert(1)")
    make_meeting("Good", NOON + timedelta(hours=2), join_url="https://meet.example/abc")
    for address in ("/", reverse("relationships:meeting", args=[hostile.pk])):
        text = page(as_alice, address)
        assert "javascript:" not in text
        assert "<script>alert" not in text
    assert 'href="https://meet.example/abc"' in page(as_alice, "/")


def test_queries_of_today_do_not_grow_with_what_it_shows(
    as_alice: Client, make_person: Make, make_meeting: Make
) -> None:
    def fill(start: int) -> None:
        for number in range(start, start + 6):
            guests = [make_person(f"Guest {number}-{each}") for each in range(3)]
            make_meeting(f"Coming {number}", NOON + timedelta(hours=number), people=guests)
            make_meeting(f"Past {number}", NOON - timedelta(days=number), people=guests)

    fill(2)
    first = queries(as_alice, "/")
    fill(20)
    assert queries(as_alice, "/") == first
    assert first <= 18


# People


def test_search_finds_by_name_address_and_firm(as_alice: Client, acme: Company, make_person: Make) -> None:
    make_person("Anna Keller", "anna@nordic.example")
    other = Organization.unscoped.create(company=acme, name="Helvetia Office")
    make_person("Beat Meier", "bm@helvetia.example", organization=other)
    for words, found, missed in [
        ("kell", "Anna", "Beat"),
        ("BM@", "Beat", "Anna"),
        ("nordic", "Anna", "Beat"),
        ("helvetia meier", "Beat", "Anna"),
    ]:
        text = page(as_alice, "/people/", q=words)
        assert found in text, words
        assert missed not in text, words
    assert "Nobody found for “meier nordic”" in page(as_alice, "/people/", q="meier nordic")


@pytest.mark.parametrize("words", ["a" * 101, "%", "'; drop table", "\\", "ẞ" * 100])
def test_search_survives_what_is_typed(as_alice: Client, make_person: Make, words: str) -> None:
    make_person("Anna Keller")
    assert as_alice.get("/people/", {"q": words, "page": "99999999999999999999"}).status_code == 200


def test_htmx_gets_the_list_alone_and_the_whole_page_on_its_way_back(as_alice: Client, make_person: Make) -> None:
    make_person("Anna Keller")
    part = as_alice.get("/people/", headers={"HX-Request": "true"})
    whole = as_alice.get("/people/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "Anna Keller" in part.content.decode()
    assert "<html" not in part.content.decode()
    assert "<html" in whole.content.decode()
    assert "HX-Request" in part["Vary"]


def test_fifty_people_a_page_at_the_cost_of_one(as_alice: Client, make_person: Make) -> None:
    make_person("Person 000", "p0@nordic.example")
    first = queries(as_alice, "/people/")
    for number in range(1, 60):
        make_person(f"Person {number:03}", f"p{number}@nordic.example")
    assert queries(as_alice, "/people/") == first
    text = page(as_alice, "/people/", q="person")
    assert "Person 049" in text
    assert "Person 050" not in text
    assert "?q=person&amp;page=2" in text
    assert "Person 050" in page(as_alice, "/people/", page=2)


def test_a_persons_page_shows_facts_matches_and_history(
    as_alice: Client, acme: Company, alice: User, firm: Organization, make_person: Make, make_meeting: Make
) -> None:
    anna = make_person("Anna Keller", "anna@nordic.example", title="CIO", phone="+47 1")
    make_person("Paul Aide", assistant_of=anna)
    fund = Fund.unscoped.create(company=acme, name="Fund IV")
    Match.unscoped.create(company=acme, organization=firm, fund=fund, score=87, summary="Likes buyout.")
    meeting = make_meeting("Data room", NOON - timedelta(days=1), people=[anna])
    make_meeting("Withdrawn", NOON - timedelta(days=2), people=[anna], cancelled_at=NOON)
    Note.unscoped.create(company=acme, touchpoint=meeting, author=alice, text="Wants references.")
    Task.unscoped.create(company=acme, person=anna, title="Send references", due_on=date(2026, 11, 20))
    address = reverse("relationships:person", args=[anna.pk])
    text = page(as_alice, address)
    for fact in ("anna@nordic.example", "+47 1", "Paul Aide", "Fund IV", "87 of 100", "Likes buyout.", "Data room"):
        assert fact in text, fact
    assert "Withdrawn" not in text
    assert "Wants references." in page(as_alice, address, show="notes")
    tasks = page(as_alice, address, show="tasks")
    assert "Send references" in tasks
    assert "Overdue" in tasks


def test_a_long_history_comes_in_pages_at_the_cost_of_one(
    as_alice: Client, make_person: Make, make_meeting: Make
) -> None:
    anna = make_person("Anna Keller", "anna@nordic.example")
    make_meeting("Meeting 0", NOON, people=[anna])
    address = reverse("relationships:person", args=[anna.pk])
    first = queries(as_alice, address)
    for number in range(1, 30):
        make_meeting(f"Meeting {number}", NOON - timedelta(days=number), people=[anna])
    assert queries(as_alice, address) == first
    assert "Page 1 of 2" in page(as_alice, address)
    assert "Meeting 29" in page(as_alice, address, page=2)


# A meeting


def test_a_meeting_tells_known_guests_from_new_ones(as_alice: Client, make_person: Make, make_meeting: Make) -> None:
    anna = make_person("Anna Keller", "anna.keller@gmail.com")
    guests = [
        {"email": "annakeller+lp@gmail.com", "name": "A. K.", "response": "accepted"},
        {"email": "nora@new.example", "name": "Nora New", "response": "accepted"},
        {"email": "not an address", "name": "", "response": ""},
    ]
    meeting = make_meeting("Data room", NOON + timedelta(hours=2), people=[anna], guests=guests)
    response = as_alice.get(reverse("relationships:meeting", args=[meeting.pk]))
    assert [guest["email"] for guest in response.context["unknown"]] == ["nora@new.example", "not an address"]
    text = response.content.decode()
    assert "Anna Keller" in text
    assert "Alice Ash" in text


def test_a_note_and_its_follow_up_are_kept(
    as_alice: Client, alice: User, make_person: Make, make_meeting: Make
) -> None:
    anna = make_person("Anna Keller", "anna@nordic.example")
    meeting = make_meeting("Data room", NOON - timedelta(hours=3), people=[anna])
    assert "Write a note" in page(as_alice, "/")
    address = reverse("relationships:meeting", args=[meeting.pk])
    form = {
        "text": "Wants references.",
        "outcome": "interested",
        "follow_up": "Send references",
        "due_on": "2026-11-30",
        "sync_to_crm": "on",
    }
    response = as_alice.post(address, form, follow=True)
    assert response.redirect_chain == [(f"{address}#notes", 302)]
    text = response.content.decode()
    for words in ("Note saved.", "Wants references.", "Interested", "Send references", "30 Nov 2026"):
        assert words in text, words
    note = Note.unscoped.get(people=anna)
    assert (note.author, note.touchpoint, note.sync_to_crm) == (alice, meeting, True)
    assert "Write a note" not in page(as_alice, "/")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"text": ""}, "Write a sentence or two"),
        ({"text": "x", "due_on": "2026-11-30"}, "Say what is due"),
        ({"text": "x", "follow_up": "Call", "due_on": "2026-11-22"}, "Choose today or a later day."),
        ({"text": "x", "outcome": "bought"}, "Select a valid choice"),
        ({"text": "x\x00"}, "Null characters"),
        ({}, "Write a sentence or two"),
    ],
)
def test_a_note_that_cannot_be_kept_says_why(
    as_alice: Client, make_meeting: Make, form: dict[str, str], said: str
) -> None:
    meeting = make_meeting("Data room", NOON - timedelta(hours=3))
    response = as_alice.post(reverse("relationships:meeting", args=[meeting.pk]), form)
    text = response.content.decode()
    assert said in text
    assert 'aria-invalid="true"' in text
    assert not Note.unscoped.exists()


def test_a_meeting_says_when_its_brief_comes_and_then_shows_it(
    as_alice: Client, acme: Company, alice: User, firm: Organization, make_person: Make, make_meeting: Make
) -> None:
    anna = make_person("Anna Keller", "anna@nordic.example", title="CIO")
    fund = Fund.unscoped.create(company=acme, name="Fund IV")
    Match.unscoped.create(company=acme, organization=firm, fund=fund, score=87, summary="Likes buyout.")
    past = make_meeting("First call", NOON - timedelta(days=9), people=[anna])
    Note.unscoped.create(company=acme, touchpoint=past, author=alice, text="Wants references.").people.add(anna)
    Task.unscoped.create(company=acme, person=anna, title="Send references", due_on=date(2026, 11, 20))
    guests = [{"email": "anna@nordic.example", "name": "", "response": "tentative"}]
    guests += [{"email": "nora@new.example", "name": "Nora <b>New</b>", "response": "accepted"}]
    meeting = make_meeting("Data room", NOON + timedelta(hours=3), people=[anna], guests=guests)
    address = reverse("relationships:meeting", args=[meeting.pk])
    assert "It will be made" in page(as_alice, address)
    with tenancy.within(acme.pk):
        briefs.make(meeting.pk)
    assert "Brief ready" in page(as_alice, "/")
    text = page(as_alice, address)
    for fact in ("First call", "Wants references.", "Send references", "87 of 100", "Tentative", "New contact"):
        assert fact in text, fact
    assert "Nora &lt;b&gt;New" in text


def test_earlier_versions_of_a_brief_stay_readable(as_alice: Client, acme: Company, make_meeting: Make) -> None:
    meeting = make_meeting(
        "Data room", NOON + timedelta(minutes=30), guests=[{"email": "a@new.example", "name": "Ann"}]
    )
    address = reverse("relationships:meeting", args=[meeting.pk])
    assert "It is being made" in page(as_alice, address)
    with tenancy.within(acme.pk):
        briefs.make(meeting.pk)
        Touchpoint.objects.filter(pk=meeting.pk).update(guests=[{"email": "b@new.example", "name": "Ben"}])
        briefs.make(meeting.pk)
    response = as_alice.get(address)
    assert (response.context["brief"].version, response.context["is_newest"]) == (2, True)
    earlier = as_alice.get(address, {"version": "1"})
    assert earlier.context["brief"].facts["guests"][0]["name"] == "Ann"
    assert "This is an earlier version" in earlier.content.decode()
    assert as_alice.get(address, {"version": "x"}).context["brief"].version == 2


def test_a_follow_up_is_closed_and_opened_again(as_alice: Client, acme: Company, make_person: Make) -> None:
    anna = make_person("Anna Keller")
    task = Task.unscoped.create(company=acme, person=anna, title="Send references")
    address = reverse("relationships:task", args=[task.pk])
    response = as_alice.post(address, {"is_done": "1"}, follow=True)
    assert "“Send references” is done." in response.content.decode()
    task.refresh_from_db()
    assert task.done_at == task.updated_at == NOON
    as_alice.post(address, {"is_done": "0"})
    task.refresh_from_db()
    assert task.done_at is None
    assert as_alice.get(address).status_code == 405


def test_a_stranger_closes_no_follow_up(client: Client, acme: Company, charlie: User) -> None:
    task = Task.unscoped.create(company=acme, title="Send references")
    client.force_login(charlie, backend=BACKEND)
    assert client.post(reverse("relationships:task", args=[task.pk]), {"is_done": "1"}).status_code == 404
    assert Task.unscoped.filter(pk=task.pk, done_at=None).exists()


# What goes wrong, in words


def test_a_missing_page_leads_back(as_alice: Client) -> None:
    response = as_alice.get("/nothing-here/")
    assert response.status_code == 404
    assert "Go to Today" in response.content.decode()


def test_an_old_form_says_that_nothing_was_changed(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice, backend=BACKEND)
    response = strict.post(reverse("account_logout"))
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


@pytest.mark.parametrize("name", ["400.html", "403_csrf.html", "500.html"])
def test_pages_of_last_resort_need_nothing(name: str) -> None:
    text = get_template(name).render()
    assert "<h1>" in text
    assert "LPxGP Integrations" in text


def test_the_sandbox_is_named_on_every_page(client: Client, db: None, settings: Any) -> None:
    settings.PROVIDER_ORIGINS = {}
    assert "pretend providers" not in page(client, "/accounts/login/")
    settings.PROVIDER_ORIGINS = {"https://www.googleapis.com": "http://127.0.0.1:1"}
    assert "pretend providers" in page(client, "/accounts/login/")


class Structure(HTMLParser):
    """Collects what a strict CSP or a screen reader would trip over."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.problems += [f"<{tag} {name}>" for name in named if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in named):
            self.problems.append(f"inline <{tag}>")
        if tag == "h1":
            self.headings.append(1)
        if named.get("id"):
            self.ids.append(str(named["id"]))


def test_every_page_has_one_heading_no_doubled_id_and_nothing_inline(
    as_alice: Client, make_person: Make, make_meeting: Make
) -> None:
    anna = make_person("Anna Keller", "anna@nordic.example")
    meeting = make_meeting("Data room", NOON + timedelta(hours=2), people=[anna])
    pages = ["/", "/people/", reverse("relationships:person", args=[anna.pk])]
    pages += [reverse("relationships:meeting", args=[meeting.pk])]
    names = ("relationships:profile", "mfa_index", "usersessions_list", "account_change_password")
    pages += [reverse(name) for name in names]
    for address in pages:
        structure = Structure()
        structure.feed(page(as_alice, address))
        assert structure.problems == [], address
        assert structure.headings == [1], address
        assert len(structure.ids) == len(set(structure.ids)), address
