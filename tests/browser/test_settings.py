"""The settings pages of a linked calendar: choose, sync, pause, reconnect, look things up, disconnect."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from integrations.calendar.models import CalendarEvent
from integrations.models import Integration, SetAside
from relationships.models import Touchpoint, User
from tests.browser.conftest import Visit, card_on
from tests.integrations.calendar.scene import LP, at, meeting
from tests.integrations.conftest import Google, state_of

pytestmark = pytest.mark.browser
RunJobs = Callable[[], int]
SETTINGS = "/settings/integrations/"


def test_calendars_are_chosen_one_by_one(
    visit: Visit, google: Google, calendar: str, alice: User, link: Callable[..., Integration], run_jobs: RunJobs
) -> None:
    google.post("google/calendars", account=alice.email, id="team@group.example", summary="Team calendar")
    google.put("team@group.example", meeting("shared", at(2), alice.email, LP, summary="On the team's"))
    link(alice)
    page = visit(alice)
    page.goto(SETTINGS)
    card_on(page).get_by_role("link", name="Choose calendars").click()
    expect(page.get_by_role("checkbox", name=re.compile("your main calendar"))).to_be_checked()
    page.get_by_role("checkbox", name="Team calendar").check()
    page.get_by_role("button", name="Save").click()
    run_jobs()
    expect(card_on(page)).to_contain_text("4 events, 3 meetings")
    expect(card_on(page)).to_contain_text("Team calendar")


def test_sync_now_reads_and_a_second_click_says_when_again(
    visit: Visit, google: Google, linked: Integration, alice: User, run_jobs: RunJobs
) -> None:
    google.put(alice.email, meeting("new", at(2), alice.email, LP, summary="New"))
    page = visit(alice)
    page.goto(SETTINGS)
    card_on(page).get_by_role("button", name="Sync now").click()
    expect(page.get_by_text("Reading begins now.")).to_be_visible()
    run_jobs()
    expect(card_on(page)).to_contain_text("4 events, 3 meetings")
    card_on(page).get_by_role("button", name="Sync now").click()
    expect(page.get_by_text(re.compile(r"You can ask again in \d+ seconds?\."))).to_be_visible()


def test_pause_and_resume(visit: Visit, linked: Integration, alice: User) -> None:
    page = visit(alice)
    page.goto(SETTINGS)
    card_on(page).get_by_role("button", name="Pause").click()
    expect(card_on(page)).to_contain_text("Not before you resume it")
    expect(card_on(page).get_by_role("button", name="Sync now")).to_have_count(0)
    card_on(page).get_by_role("button", name="Resume").click()
    expect(page.get_by_text("What happened meanwhile is read now.")).to_be_visible()
    expect(card_on(page).get_by_role("button", name="Pause")).to_be_visible()


def test_a_dead_grant_asks_to_reconnect_and_then_catches_up(
    visit: Visit, google: Google, linked: Integration, alice: User, run_jobs: RunJobs
) -> None:
    google.put(alice.email, meeting("new", at(2), alice.email, LP, summary="New"))
    google.post("google/revoke", account=alice.email)
    page = visit(alice)
    page.goto(SETTINGS)
    card_on(page).get_by_role("button", name="Sync now").click()
    run_jobs()
    expect(card_on(page)).to_contain_text("Reading stopped.")
    expect(page.locator("#news")).not_to_be_empty()
    card_on(page).get_by_role("button", name="Reconnect Google Calendar").click()
    page.get_by_role("button", name="Allow").click()
    run_jobs()
    expect(card_on(page)).to_contain_text("Connected")
    expect(card_on(page)).to_contain_text("4 events, 3 meetings")


def test_the_history_says_what_was_found_left_out_and_set_aside(visit: Visit, linked: Integration, alice: User) -> None:
    state = state_of(linked)
    SetAside.unscoped.create(company_id=state.company_id, state=state, external_id="odd-1", reason="It has no time.")
    page = visit(alice)
    page.goto(SETTINGS)
    card_on(page).get_by_role("link", name="What was read").click()
    row = page.get_by_role("row", name=re.compile("First sync"))
    expect(row).to_contain_text("3 found")
    row.get_by_text("What did not become a meeting").click()
    expect(row).to_contain_text("1 × ")
    expect(page.get_by_text("It has no time.")).to_be_visible()


def test_why_a_meeting_is_here_or_not(visit: Visit, linked: Integration, alice: User) -> None:
    page = visit(alice, width=360)
    page.goto(SETTINGS)
    card_on(page).get_by_role("link", name="Which ones, and why").click()
    found = page.get_by_role("listitem").filter(has=page.get_by_role("strong"))
    expect(found.filter(has_text="Team round")).to_have_count(1)
    page.get_by_label("Title or guest's address").fill(LP)
    page.get_by_role("button", name="Search").click()
    expect(found.filter(has_text="Data room")).to_have_count(1)
    expect(found.filter(has_text="Team round")).to_have_count(0)
    page.get_by_label("Title or guest's address").fill("")
    page.get_by_label("Decided").select_option("internal")
    page.get_by_role("button", name="Search").click()
    expect(found.filter(has_text="Team round")).to_have_count(1)
    expect(found.filter(has_text="Data room")).to_have_count(0)
    page.get_by_label("Title or guest's address").fill("no such thing")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Show all").click()
    expect(found.filter(has_text="Data room")).to_have_count(1)
    found.get_by_role("link", name="Data room").click()
    expect(page.get_by_role("heading", name="Data room", level=1)).to_be_visible()


def test_disconnect_and_keep(visit: Visit, linked: Integration, alice: User, run_jobs: RunJobs) -> None:
    page = visit(alice)
    page.goto(SETTINGS)
    card_on(page).get_by_role("link", name="Disconnect").click()
    expect(page.get_by_text("3 events and the meetings found in them")).to_be_visible()
    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_text("What was imported stays.")).to_be_visible()
    run_jobs()
    expect(card_on(page).get_by_role("link", name="Connect Google Calendar")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("link", name="Data room")).to_be_visible()


def test_disconnect_and_delete_needs_the_word(
    visit: Visit, linked: Integration, alice: User, run_jobs: RunJobs
) -> None:
    page = visit(alice)
    page.goto(f"{SETTINGS}{linked.pk}/disconnect/")
    word = page.get_by_label("To delete, type")
    page.get_by_role("radio", name="Delete it").check()
    word.fill("yes")
    page.get_by_role("button", name="Disconnect").click()
    expect(word).to_have_accessible_description(re.compile("Type “delete” to delete"))
    expect(page.get_by_role("radio", name="Delete it")).to_be_checked()
    word.fill("delete")
    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_text("Disconnected. What was imported is being deleted.")).to_be_visible()
    run_jobs()
    assert not CalendarEvent.unscoped.exists()
    assert not Touchpoint.unscoped.filter(cancelled_at=None).exists()
    page.goto("/")
    expect(page.get_by_text("Data room")).to_have_count(0)
