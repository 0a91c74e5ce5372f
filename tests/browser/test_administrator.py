"""A work account: Microsoft refuses, the member sends a link, the administrator allows it, and the card goes on."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from relationships.models import User
from tests.browser.conftest import Visit
from tests.browser.test_every_page import CLIPPED, SIDEWAYS, barriers
from tests.pretend_microsoft import Microsoft

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def strict(microsoft: Microsoft) -> None:
    """Alice's organization lets administrators alone allow apps; Bob is one."""
    microsoft.post("microsoft/admin_consent_required", tenant="alice@acme.example")


def card_on(page: Page) -> Locator:
    return page.get_by_role("article", name="Outlook Mail")


def is_fit(page: Page) -> None:
    """Readable by everybody, and by nobody sideways."""
    assert barriers(page) == []
    assert page.evaluate(SIDEWAYS) <= 0, page.url
    assert page.evaluate(CLIPPED) == [], page.url


def ask_for_it(page: Page) -> None:
    """From the settings page to Microsoft, which refuses."""
    page.goto("/settings/integrations/")
    page.get_by_role("link", name="Connect Outlook Mail").click()
    is_fit(page)
    page.get_by_role("button", name="Continue to Microsoft").click()
    page.get_by_role("radio", name="Alice Ash").check()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading", name="Your administrator has to allow it first")).to_be_visible()


def answer(page: Page, link: str, button: str) -> None:
    """The administrator, in a browser that nobody is signed in to."""
    page.goto(link)
    page.get_by_role("radio", name="Bob Birch").check()
    page.get_by_role("button", name=button).click()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_a_link_for_the_administrator(
    visit: Visit, alice: User, run_jobs: Callable[[], int], width: int, scheme: str
) -> None:
    page = visit(alice, width=width, color_scheme=scheme)
    ask_for_it(page)
    link = page.get_by_label("Link for your administrator").input_value()
    letter = page.get_by_role("link", name="Write the mail").get_attribute("href")
    assert letter
    assert letter.startswith("mailto:?subject=")
    is_fit(page)
    page.get_by_role("link", name="Back to integrations").click()
    expect(card_on(page)).to_contain_text("Waiting for your administrator, asked")
    expect(card_on(page).get_by_label("Link for your administrator")).to_have_value(link)
    is_fit(page)

    administrator = visit(width=width, color_scheme=scheme)
    answer(administrator, link, "Deny")
    expect(administrator.get_by_role("heading", name="Nothing was allowed")).to_be_visible()
    is_fit(administrator)
    page.reload()
    expect(card_on(page)).to_contain_text("Your administrator said no")

    answer(administrator, link, "Allow")
    expect(administrator.get_by_role("heading", name="Thank you: it is allowed")).to_be_visible()
    expect(administrator.locator("main")).not_to_contain_text("Alice")
    is_fit(administrator)
    run_jobs()
    page.reload()
    expect(card_on(page)).to_contain_text("Your administrator has allowed it: connect now")
    is_fit(page)

    card_on(page).get_by_role("button", name="Connect Outlook Mail").click()
    page.get_by_role("radio", name="Alice Ash").check()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Outlook Mail is linked as alice@acme.example.")).to_be_visible()
    expect(card_on(page)).not_to_contain_text("administrator")
    card_on(page).get_by_role("link", name="Disconnect").click()
    expect(page.get_by_text("Microsoft lets no app give a consent back")).to_be_visible()
    is_fit(page)


def test_whoever_says_no_may_mean_the_administrator(visit: Visit, alice: User) -> None:
    page = visit(alice, width=360)
    page.goto("/oauth/start/microsoft/email")
    page.get_by_role("button", name="Continue to Microsoft").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", name="You did not allow it")).to_be_visible()
    is_fit(page)
    page.get_by_role("link", name="Ask your administrator").click()
    is_fit(page)
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_label("Link for your administrator")).to_have_value(re.compile("adminconsent"))
