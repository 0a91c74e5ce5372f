"""A mailbox as its owner meets it: consent, a first sync in steps, its pages, and its end."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.fixtures import Settings

from integrations import jobs
from integrations.models import Integration, QuotaMeter, SyncState
from relationships.models import Person, User
from tests.browser.conftest import Visit
from tests.integrations.calendar.scene import LP
from tests.pretend_mail import Mail

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("lena")]
RunJobs = Callable[[], int]
SETTINGS = "/settings/integrations/"


def card_on(page: Page) -> Locator:
    return page.get_by_role("article", name="Gmail")


def next_minute(integration: Integration) -> None:
    """What the clock and the worker do when the minute of the quota is over."""
    SyncState.unscoped.filter(integration=integration).update(next_attempt_at=None)
    QuotaMeter.unscoped.filter(integration=integration).update(units=0)
    jobs.sync(str(SyncState.unscoped.get(integration=integration).pk))


def test_from_consent_to_the_last_message(
    visit: Visit, mail: Mail, alice: User, settings: Settings, run_jobs: RunJobs
) -> None:
    settings.GMAIL_UNITS_PER_MINUTE = 1500
    mail.bulk(alice.email, 160, LP)
    page = visit(alice, width=360)
    page.goto(SETTINGS)
    card_on(page).get_by_role("link", name="Connect Gmail").click()
    expect(page.get_by_role("heading", name="What happens then")).to_be_visible()
    expect(page.get_by_text("Google lets us read about 75 messages a minute")).to_be_visible()
    page.get_by_role("button", name="Continue to Google").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Gmail is linked as")).to_be_visible()
    run_jobs()
    expect(card_on(page).get_by_role("progressbar")).to_have_accessible_name(re.compile(r"\d+ of 1\d\d messages"))
    expect(card_on(page)).to_contain_text("Google's limit for a minute is used up. It goes on by itself at")
    read = card_on(page).get_by_role("progressbar").evaluate("bar => bar.value")
    assert 0 < read < 75
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

    card_on(page).get_by_role("link", name="What was read").focus()
    integration = Integration.unscoped.get()
    next_minute(integration)
    expect(card_on(page)).to_contain_text("messages; less than a minute left.")
    expect(card_on(page).get_by_role("link", name="What was read")).to_be_focused()
    assert card_on(page).get_by_role("progressbar").evaluate("bar => bar.value") > read
    for _ in range(2):
        next_minute(integration)
    run_jobs()
    expect(card_on(page)).to_contain_text(re.compile(r"(\d+) messages, \1 of them exchanges with people you know"))
    expect(card_on(page).get_by_role("progressbar")).to_have_count(0)
    expect(page.locator("#news")).to_contain_text("Gmail: Connected.")


def test_the_card_leads_to_what_decides_and_to_privacy(
    visit: Visit, mail: Mail, alice: User, lena: Person, run_jobs: RunJobs
) -> None:
    mail.put(alice.email, from_=LP, to=[alice.email], subject="The fund")
    mail.link(alice)
    page = visit(alice)
    page.goto(SETTINGS)
    expect(card_on(page)).to_contain_text("No instant updates: This installation has no topic")
    card_on(page).get_by_role("link", name="Why is this mail here, or not?").click()
    expect(page.get_by_text("The fund")).to_be_visible()
    page.goto(SETTINGS)
    card_on(page).get_by_role("link", name="Your privacy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("rivacy"))


def test_a_mailbox_beside_a_calendar_says_what_the_provider_keeps(
    visit: Visit, mail: Mail, alice: User, linked: Integration, run_jobs: RunJobs
) -> None:
    mail.put(alice.email, from_=LP, to=[alice.email], subject="The fund")
    mail.link(alice)
    page = visit(alice)
    page.goto(SETTINGS)
    card_on(page).get_by_role("link", name="Disconnect").click()
    expect(page.get_by_text("and Google Calendar still needs it.")).to_be_visible()
    page.get_by_role("radio", name="Delete it").check()
    page.get_by_label("To delete, type").fill("delete")
    page.get_by_role("button", name="Disconnect").click()
    run_jobs()
    page.goto(SETTINGS)
    expect(card_on(page).get_by_role("link", name="Connect Gmail")).to_be_visible()
    expect(page.get_by_role("article", name="Google Calendar")).to_contain_text("Connected")
