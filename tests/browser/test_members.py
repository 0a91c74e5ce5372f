"""Today, people, a meeting and the profile, as a member uses them."""

import re
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from integrations import sync_states
from integrations.models import Integration
from relationships.models import Note, Person, Touchpoint, User
from tests.browser.conftest import Visit
from tests.integrations.conftest import Google, state_of

pytestmark = pytest.mark.browser
RunJobs = Callable[[], int]


def test_a_meeting_cancelled_at_the_provider_leaves_today(
    visit: Visit, google: Google, linked: Integration, alice: User, run_jobs: RunJobs
) -> None:
    page = visit(alice)
    page.goto("/")
    expect(page.get_by_role("link", name="Data room")).to_be_visible()
    google.cancel(alice.email, "coming")
    sync_states.poke([state_of(linked).pk], trigger="push")
    run_jobs()
    page.reload()
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    expect(page.get_by_text("Data room")).to_have_count(0)


def test_the_note_that_is_asked_for_is_written_and_a_double_click_stores_one(
    visit: Visit, linked: Integration, alice: User
) -> None:
    page = visit(alice, width=360)
    page.goto("/")
    page.get_by_role("region", name="Write a note").get_by_role("link", name="First call").click()
    page.get_by_label("What was said").fill("Wants references.")
    page.get_by_role("button", name="Save note").dblclick()
    expect(page.get_by_text("Wants references.")).to_have_count(1)
    assert Note.unscoped.count() == 1
    page.goto("/")
    expect(page.get_by_role("region", name="Write a note")).to_have_count(0)


def test_where_it_is_narrow_notes_stand_between_the_first_day_and_the_others(
    visit: Visit, linked: Integration, alice: User
) -> None:
    at = timezone.now() + timedelta(days=3)
    later = Touchpoint.unscoped.create(
        company=alice.company, kind="meeting", unique_key="later", title="Later", occurred_at=at, ended_at=at
    )
    later.users.add(alice)
    page = visit(alice)
    page.goto("/")
    parts = {name: page.locator(f".today-{name}") for name in ("first", "notes", "rest", "latest")}

    def top(name: str, edge: str = "y") -> float:
        box = parts[name].bounding_box()
        assert box is not None
        return box[edge]  # type: ignore[literal-required]

    assert top("first") == pytest.approx(top("notes"), abs=2), "side by side"
    assert top("first") < top("rest")
    assert top("notes") < top("latest")
    page.set_viewport_size({"width": 360, "height": 800})
    assert top("first") < top("notes") < top("rest") < top("latest")
    assert top("first", "x") == top("notes", "x")


def test_the_search_answers_while_one_types(visit: Visit, lena: Person, alice: User) -> None:
    page = visit(alice)
    page.goto("/people/")
    page.get_by_label("Search people").fill("nobody of that name")
    expect(page.get_by_text("Nobody found for")).to_be_visible()
    page.wait_for_url("**/people/?q=nobody%20of%20that%20name")
    page.get_by_label("Search people").fill("versorgung alder")
    expect(page.get_by_role("link", name="Lena Alder")).to_be_visible()


def test_the_account_menu_opens_closes_by_escape_and_signs_out(visit: Visit, alice: User) -> None:
    page = visit(alice)
    page.goto("/")
    sign_out, menu = page.get_by_role("button", name="Sign out"), page.get_by_role("button", name="account menu")
    menu.click()
    expect(sign_out).to_be_visible()
    page.keyboard.press("Escape")
    expect(sign_out).to_be_hidden()
    menu.click()
    sign_out.click()
    page.wait_for_url("**/accounts/login/**")


def test_another_zone_moves_the_clock_of_every_page(visit: Visit, linked: Integration, alice: User) -> None:
    page = visit(alice)
    page.goto("/")
    page.get_by_role("button", name="account menu").click()
    page.get_by_role("link", name="Profile").click()
    page.get_by_label("Time zone").fill("Mars/Base")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Time zone")).to_have_accessible_description(re.compile("No such time zone."))
    page.get_by_label("Time zone").fill("tokyo")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    starts_at = Touchpoint.unscoped.get(title="Data room").occurred_at.astimezone(ZoneInfo("Asia/Tokyo"))
    page.goto("/")
    expect(page.get_by_text(f"{starts_at:%H:%M}").first).to_be_visible()
