"""What becomes a meeting and what does not: the rules a member can read on the page, each with its reason kept."""

from datetime import date, timedelta

import pytest

from integrations.calendar import google as adapter
from integrations.calendar import meetings
from integrations.calendar.models import CalendarEvent, EventGuest
from integrations.models import SetAside, SyncState
from relationships import addresses
from relationships.models import BlockRule, OrganizationDomain, Person, PersonAddress, Touchpoint, User
from tests.integrations.calendar.scene import (
    ALICE,
    BOB,
    LP,
    RunJobs,
    all_day,
    at,
    events_of,
    last_run,
    live,
    meeting,
    meetings_of,
    sync,
)
from tests.integrations.conftest import Google, Json, Link, state_of

pytestmark = pytest.mark.django_db


def own_answer(answer: str) -> list[Json]:
    return [{"email": ALICE, "responseStatus": answer}, {"email": LP}]


def verdicts(state: SyncState) -> dict[str, str]:
    return {name: row.verdict for name, row in events_of(state).items()}


def guests_of(state: SyncState, event_id: str) -> set[str]:
    guests = EventGuest.unscoped.filter(event__state=state, event__external_id=event_id)
    return set(guests.values_list("email", flat=True))


@pytest.mark.usefixtures("lena")
def test_each_kind_of_event_gets_the_verdict_the_page_explains(google: Google, link: Link, alice: User) -> None:
    google.put(
        ALICE,
        meeting("met", at(1), ALICE, LP),
        meeting("private", at(1), ALICE, LP, visibility="private"),
        meeting("confidential", at(1), ALICE, LP, visibility="confidential"),
        meeting("focus", at(1), eventType="focusTime"),
        meeting("away", at(1), eventType="outOfOffice"),
        meeting("place", at(1), eventType="workingLocation", workingLocationProperties={"type": "homeOffice"}),
        meeting("alone", at(1)),
        meeting("declined", at(1), attendees=own_answer("declined")),
        meeting("maybe", at(1), attendees=own_answer("tentative")),
        meeting("internal", at(1), ALICE, BOB, "intern@sub.acme.example"),
        meeting("stranger", at(1), ALICE, "who@nobody.example"),
        meeting("room", at(1), ALICE, attendees=[{"email": "r@resource.calendar.google.com", "resource": True}]),
    )

    state = state_of(link(alice))

    assert verdicts(state) == {
        "met": "meeting",
        "private": "private",
        "confidential": "private",
        "focus": "not_a_meeting",
        "away": "not_a_meeting",
        "place": "not_a_meeting",
        "alone": "no_guests",
        "declined": "declined",
        "maybe": "meeting",
        "internal": "internal",
        "stranger": "unknown_guests",
        "room": "no_guests",
    }
    assert set(meetings_of(state)) == {"Meeting met", "Meeting maybe"}
    assert set(verdicts(state).values()) <= {name for name, _ in meetings.RULES}


@pytest.mark.usefixtures("lena")
def test_of_a_private_event_nothing_is_kept_but_its_time(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, meeting("secret", at(1), ALICE, LP, location="Clinic", attendeesOmitted=False))
    state = state_of(link(alice))
    assert guests_of(state, "secret") == {LP}

    google.put(ALICE, {"id": "secret", "visibility": "private"})
    sync(state, run_jobs)

    event = events_of(state)["secret"]
    assert (event.title, event.location, event.organizer, event.starts_at) == ("", "", "", at(1))
    assert guests_of(state, "secret") == set()
    assert meetings_of(state) == {}


@pytest.mark.usefixtures("lena")
def test_declining_later_ends_the_meeting_and_accepting_brings_it_back(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, meeting("call", at(1), ALICE, LP))
    state = state_of(link(alice))

    google.put(ALICE, {"id": "call", "attendees": own_answer("declined")})
    sync(state, run_jobs)
    assert (verdicts(state)["call"], meetings_of(state)) == ("declined", {})

    google.put(ALICE, {"id": "call", "attendees": own_answer("accepted")})
    sync(state, run_jobs)
    assert list(meetings_of(state)) == ["Meeting call"]


@pytest.mark.usefixtures("lena")
def test_guests_that_google_hides_are_kept(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, meeting("big", at(1), ALICE, LP, "two@alder.example"))
    state = state_of(link(alice))
    original = adapter._event

    def hidden(item: Json) -> object:
        own = [one for one in item.get("attendees", []) if one.get("self")]
        return original(item | {"attendees": own, "attendeesOmitted": True})

    google.put(ALICE, {"id": "big", "summary": "Renamed"})
    with monkeypatch.context() as patch:
        patch.setattr(adapter, "_event", hidden)
        sync(state, run_jobs)

    assert events_of(state)["big"].guests_omitted
    assert guests_of(state, "big") == {LP, "two@alder.example"}
    assert list(meetings_of(state)) == ["Renamed"]


@pytest.mark.usefixtures("lena")
def test_a_reader_of_a_calendar_sees_busy_blocks_and_makes_no_meetings_of_them(
    google: Google, link: Link, alice: User
) -> None:
    google.put(BOB, meeting("hidden", at(1), BOB, LP, visibility="private"), meeting("open", at(2), BOB, LP))
    google.post("google/calendars", account=ALICE, id=BOB, accessRole="freeBusyReader", summary="Bob")
    integration = link(alice)
    bobs = SyncState.unscoped.get(integration=integration, external_id=BOB)

    assert bobs.access_role == "free_busy"
    assert not bobs.is_chosen


@pytest.mark.usefixtures("lena")
def test_an_unreadable_event_is_set_aside_shown_and_later_read(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, meeting("good", at(1), ALICE, LP), meeting("odd", at(2), ALICE, LP))
    original = adapter._event

    def odd(item: Json) -> object:
        return original(item | {"start": {"dateTime": "tomorrow"}} if item["id"] == "odd" else item)

    with monkeypatch.context() as patch:
        patch.setattr(adapter, "_event", odd)
        state = state_of(link(alice))
        aside = SetAside.unscoped.get(state=state)
        assert (aside.external_id, aside.reason) == ("odd", "'tomorrow' is no time.")
        assert last_run(state).set_aside == 1
        assert live(state) == {"good"}

    google.put(ALICE, {"id": "odd", "summary": "Mended"})
    sync(state, run_jobs)

    assert live(state) == {"good", "odd"}
    assert not SetAside.unscoped.exists()


@pytest.mark.usefixtures("lena")
def test_an_event_that_became_unreadable_is_not_taken_for_deleted(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, meeting("odd", at(2), ALICE, LP))
    state = state_of(link(alice))
    original = adapter._event
    google.post("google/expire_sync_tokens")
    with monkeypatch.context() as patch:
        patch.setattr(adapter, "_event", lambda item: original(item | {"end": None}))
        assert sync(state, run_jobs).set_aside == 1
    assert list(meetings_of(state)) == ["Meeting odd"]

    google.cancel(ALICE, "odd")
    google.post("google/expire_sync_tokens")
    sync(state, run_jobs)

    assert meetings_of(state) == {}
    assert not SetAside.unscoped.exists()


HOSTILE = {
    "nul": "Board\x00meeting",
    "surrogate": "Half \ud83d of it",
    "long": "x" * 100_000,
    "rtl": "\u202eevil\u2066 \u05d0\u05d1",
    "markup": "<script>alert(1)</script>{{ 7 * 7 }}",
    "quotes": "'; DROP TABLE calendar_calendarevent; -- \\ \" %s %(a)s",
    "emoji": "👩‍👩‍👧‍👦" * 200,
}


@pytest.mark.usefixtures("lena")
def test_hostile_text_is_stored_as_text(
    google: Google, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.put(ALICE, *[meeting(name, at(1), ALICE, LP) for name in HOSTILE])
    original = adapter._event

    def hostile(item: Json) -> object:
        text = HOSTILE[item["id"]]
        guests = [*item["attendees"], {"email": f"{text}@odd.example", "displayName": text}]
        more = {"summary": text, "location": text, "iCalUID": text + item["id"], "etag": text, "attendees": guests}
        return original(item | more)

    monkeypatch.setattr(adapter, "_event", hostile)
    state = state_of(link(alice))

    assert last_run(state).outcome == "done"
    titles = {name: row.title for name, row in events_of(state).items()}
    assert titles["nul"] == "Boardmeeting"
    assert titles["surrogate"] == "Half  of it"
    assert len(titles["long"]) == 500
    for name in ("rtl", "markup", "quotes"):
        assert titles[name] == HOSTILE[name]
    assert set(verdicts(state).values()) == {"meeting"}


@pytest.mark.usefixtures("lena")
@pytest.mark.parametrize("event_id", ["\x00", "nul\x00inside", "half\ud83d", "x" * 2000, "", None, 7, ["list"]])
def test_an_id_in_an_unknown_form_is_set_aside_and_the_page_goes_on(
    google: Google, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch, event_id: object
) -> None:
    google.put(ALICE, meeting("good", at(1), ALICE, LP), meeting("odd", at(2), ALICE, LP))
    original = adapter.event
    monkeypatch.setattr(
        adapter, "event", lambda item: original(item | ({"id": event_id} if item["id"] == "odd" else {}))
    )

    state = state_of(link(alice))

    assert last_run(state).outcome == "done"
    assert "good" in live(state)


@pytest.mark.usefixtures("lena")
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Europe/Zurich", "Pacific/Honolulu"])
def test_a_day_stays_that_day_for_every_reader(google: Google, link: Link, alice: User, zone: str) -> None:
    google.post("google/accounts", email=ALICE, name="Alice Ash", timeZone=zone)
    alice.time_zone = zone
    alice.save()
    day = date(at(10).year, at(10).month, at(10).day)
    google.put(ALICE, all_day("offsite", day, 2, ALICE, LP))

    state = state_of(link(alice))

    event = events_of(state)["offsite"]
    assert (event.starts_on, event.ends_on, event.starts_at) == (day, day + timedelta(days=2), None)
    touchpoint = Touchpoint.unscoped.get(company_id=alice.company_id)
    assert touchpoint.all_day_on == day
    assert touchpoint.occurred_at.date() == day


def contact(company: object, name: str, *emails: str, **more: object) -> Person:
    person = Person.unscoped.create(company=company, display_name=name, **more)
    for email in emails:
        PersonAddress.build(person, email).save()
    return person


def people_of(state: SyncState, event_id: str) -> set[str]:
    found = Touchpoint.unscoped.filter(unique_key=events_of(state)[event_id].meeting_key, cancelled_at=None)
    return set(found.filter(people__isnull=False).values_list("people__display_name", flat=True))


def firms_of(state: SyncState, event_id: str) -> set[str]:
    found = Touchpoint.unscoped.filter(unique_key=events_of(state)[event_id].meeting_key, cancelled_at=None)
    return set(found.filter(organizations__isnull=False).values_list("organizations__name", flat=True))


def test_guests_are_known_by_any_address_and_by_their_firms_domain(
    google: Google, link: Link, alice: User, lena: Person
) -> None:
    company = alice.company
    contact(company, "Greta", "greta.gold@gmail.com")
    contact(company, "Walter", "walter.work@works.example", "w@home.example")
    contact(company, "Anna", "anna@alder.example", assistant_of=lena, organization=lena.organization)
    OrganizationDomain.unscoped.create(company=company, organization=lena.organization, domain="alderpension.example")
    OrganizationDomain.unscoped.create(company=company, organization=lena.organization, domain="alder.example")
    google.put(
        ALICE,
        meeting("second", at(1), ALICE, "W@Home.example"),
        meeting("dots", at(1), ALICE, "gre.ta.gold+lp@googlemail.com"),
        meeting("dots-at-work", at(1), ALICE, "walter.wo.rk@works.example"),
        meeting("plus-at-work", at(1), ALICE, "w+lp@home.example"),
        meeting("domain", at(1), ALICE, "new.face@alderpension.example"),
        meeting("subdomain", at(1), ALICE, "who@ir.emea.alderpension.example"),
        meeting("lookalike", at(1), ALICE, "who@notalderpension.example"),
        meeting("free-mail", at(1), ALICE, "stranger@gmail.com"),
        meeting("assistant", at(1), ALICE, "anna@alder.example"),
    )

    state = state_of(link(alice))

    assert {name for name, verdict in verdicts(state).items() if verdict == "meeting"} == {
        "second",
        "dots",
        "domain",
        "subdomain",
        "assistant",
    }
    assert people_of(state, "second") == {"Walter"}
    assert people_of(state, "dots") == {"Greta"}
    assert (people_of(state, "domain"), firms_of(state, "domain")) == (set(), {"Alder Pension"})
    assert firms_of(state, "subdomain") == {"Alder Pension"}
    assert (people_of(state, "assistant"), firms_of(state, "assistant")) == ({"Anna"}, {"Alder Pension"})


def test_a_firm_never_owns_a_free_mail_domain_even_if_a_row_says_so(
    google: Google, link: Link, alice: User, lena: Person
) -> None:
    OrganizationDomain.unscoped.create(company=alice.company, organization=lena.organization, domain="gmail.com")
    google.put(ALICE, meeting("call", at(1), ALICE, "stranger@gmail.com"))

    assert addresses.is_free_mail("gmail.com")
    assert verdicts(state_of(link(alice))) == {"call": "unknown_guests"}


@pytest.mark.usefixtures("lena")
@pytest.mark.parametrize(
    ("kind", "value", "whose"),
    [("address", LP, "firm"), ("domain", "alder.example", "firm"), ("domain", "alder.example", "alice")],
)
def test_a_blocked_guest_keeps_the_event_out_and_its_content_too(
    google: Google, link: Link, alice: User, kind: str, value: str, whose: str
) -> None:
    BlockRule.unscoped.create(company=alice.company, kind=kind, value=value, user=alice if whose == "alice" else None)
    google.put(ALICE, meeting("blocked", at(1), ALICE, LP, location="Harbour"))

    state = state_of(link(alice))

    event = events_of(state)["blocked"]
    assert (event.verdict, event.title, event.location, event.organizer) == ("blocked", "", "", "")
    assert guests_of(state, "blocked") == set()
    assert meetings_of(state) == {}


@pytest.mark.usefixtures("lena")
def test_a_colleagues_own_rule_does_not_bind_me(google: Google, link: Link, alice: User, bob: User) -> None:
    BlockRule.unscoped.create(company=alice.company, kind="address", value=LP, user=bob)
    google.put(ALICE, meeting("call", at(1), ALICE, LP))

    assert verdicts(state_of(link(alice))) == {"call": "meeting"}


@pytest.mark.usefixtures("lena")
def test_an_account_linked_under_another_address_is_a_colleague(
    google: Google, link: Link, alice: User, bob: User
) -> None:
    google.post("google/accounts", email="bobby@gmail.com", name="Bob Birch")
    link(bob, account="bobby@gmail.com")
    google.put(ALICE, meeting("us", at(1), ALICE, "bob.by@gmail.com"))

    assert verdicts(state_of(link(alice)))["us"] == CalendarEvent.Verdict.INTERNAL
