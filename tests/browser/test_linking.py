"""Linking a calendar as a person does: sign-in, consent page, progress, counts; by mouse, and by keyboard alone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from integrations.models import Integration, SyncRun, SyncState
from relationships.models import User
from tests.browser.conftest import Visit, card_on
from tests.integrations.conftest import Google

pytestmark = pytest.mark.browser
RunJobs = Callable[[], int]


def to_consent(page: Page) -> None:
    """From the settings page to the pretend Google."""
    page.goto("/settings/integrations/")
    page.get_by_role("link", name="Connect Google Calendar").click()
    page.get_by_role("button", name="Continue to Google").click()
    expect(page.get_by_role("heading", name="Link your account to")).to_be_visible()


def test_from_sign_in_to_counts(visit: Visit, calendar: str, alice: User, run_jobs: RunJobs) -> None:
    page = visit()
    page.goto("/settings/integrations/")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Sign in").click()
    to_consent(page)
    page.get_by_role("radio", name="Alice Ash").check()
    page.get_by_role("button", name="Allow").click()

    card = card_on(page)
    expect(page.get_by_text("Google Calendar is linked as alice@acme.example.")).to_be_visible()
    expect(card).to_contain_text("Reading begins in a moment")
    expect(card.get_by_role("progressbar")).to_be_visible()
    run_jobs()
    expect(card).to_contain_text("3 events, 2 meetings with people you know")
    expect(card).to_contain_text("Connected")
    expect(card.get_by_role("progressbar")).to_have_count(0)
    expect(page.locator("#news")).to_have_text(re.compile("Google Calendar: Connected. 3 events, 2 meetings"))


def test_while_it_reads_nothing_is_disturbed(
    visit: Visit, google: Google, calendar: str, link: Callable[..., Integration], alice: User
) -> None:
    integration = link(alice)
    state = SyncState.unscoped.get(integration=integration, is_chosen=True)
    run = SyncRun.unscoped.create(company_id=state.company_id, state=state, kind="full", trigger="manual", found=120)
    SyncState.unscoped.filter(pk=state.pk).update(dirty_mark=state.done_mark + 1)
    page = visit(alice)
    page.goto("/settings/integrations/")
    card = card_on(page)
    expect(card).to_contain_text("Reading alice@acme.example: 120 events found so far")
    link_read, disconnect = card.get_by_role("link", name="What was read"), card.get_by_role("link", name="Disconnect")
    top = disconnect.bounding_box()
    link_read.focus()
    page.evaluate("document.activeElement.isTheSame = true")

    SyncRun.unscoped.filter(pk=run.pk).update(found=240)
    expect(card).to_contain_text("240 events found so far")
    assert page.evaluate("document.activeElement.isTheSame"), "counts are exchanged around what has the focus"
    assert page.locator("#news").text_content() == "", "a screen reader is told of states, not of counts"

    SyncRun.unscoped.filter(pk=run.pk).update(outcome="done", found=360)
    SyncState.unscoped.filter(pk=state.pk).update(done_mark=state.done_mark + 1)
    expect(page.locator("#news")).to_contain_text("Google Calendar: Connected.")
    expect(link_read).to_be_focused()
    assert top is not None
    assert disconnect.bounding_box() == pytest.approx(top, abs=1), "nothing below the progress jumps"


def test_a_session_that_ended_meanwhile_leaves_the_card_as_it_is(
    visit: Visit, google: Google, calendar: str, link: Callable[..., Integration], alice: User
) -> None:
    state = SyncState.unscoped.get(integration=link(alice), is_chosen=True)
    SyncState.unscoped.filter(pk=state.pk).update(dirty_mark=state.done_mark + 1)
    page = visit(alice)
    page.goto("/settings/integrations/")
    page.context.clear_cookies()
    with page.expect_response("**/accounts/login/**"):
        pass
    expect(card_on(page)).to_contain_text("Reading begins in a moment")
    expect(page).to_have_title(re.compile("^Integrations"))


def test_consent_denied_says_so_and_offers_to_start_again(visit: Visit, calendar: str, alice: User) -> None:
    page = visit(alice)
    to_consent(page)
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_role("heading", name="Link your account to")).to_be_visible()
    assert not Integration.unscoped.exists()


def test_without_the_events_nothing_is_linked(visit: Visit, calendar: str, alice: User) -> None:
    page = visit(alice)
    to_consent(page)
    page.get_by_role("checkbox", name=re.compile("calendar.events.readonly")).uncheck()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("alert")).to_contain_text("Read the events of your calendars")
    assert not Integration.unscoped.exists()


def test_without_the_list_the_main_calendar_is_read_and_the_rest_can_be_granted(
    visit: Visit, calendar: str, alice: User, run_jobs: RunJobs
) -> None:
    page = visit(alice)
    to_consent(page)
    page.get_by_role("checkbox", name=re.compile("calendarlist.readonly")).uncheck()
    page.get_by_role("button", name="Allow").click()
    run_jobs()
    card = card_on(page)
    expect(card).to_contain_text("3 events, 2 meetings")
    expect(card).to_contain_text("Only your main calendar can be read.")
    card.get_by_role("button", name="Grant it").click()
    page.get_by_role("button", name="Allow").click()
    run_jobs()
    expect(card).to_contain_text("Connected")
    expect(card).not_to_contain_text("Only your main calendar can be read.")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called ``name``; the focus has to be visible."""
    for _ in range(40):
        page.keyboard.press("Tab")
        # Asked in one go: between two questions the focus may be gone.
        called, outline = page.evaluate(
            "[document.querySelector(':focus')].flatMap(one => one"
            " ? [one.textContent + (one.value ?? ''), getComputedStyle(one).outlineStyle] : ['', 'none'])"
        )
        if name in called:
            assert outline != "none"
            return
    pytest.fail(f"Tab never reached {name}")


def test_linking_by_keyboard_alone(visit: Visit, calendar: str, alice: User, run_jobs: RunJobs) -> None:
    page = visit(alice, width=360)
    page.goto("/")
    tab_to(page, "Skip to content")
    page.keyboard.press("Enter")
    for name in ("Link your calendar", "Connect Google Calendar", "Continue to Google", "Allow"):
        tab_to(page, name)
        with page.expect_navigation():
            page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/settings/integrations/$"))
    run_jobs()
    expect(card_on(page)).to_contain_text("2 meetings with people you know")
