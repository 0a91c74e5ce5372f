"""The members' pages in a real browser: the CSP holds, nothing scrolls sideways, a screen reader finds its way."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from relationships import addresses, tenancy
from relationships.models import Company, Organization, Person, PersonAddress, Touchpoint, User

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]


@pytest.fixture
def places(acme: Company, alice: User) -> list[str]:
    """The addresses to look at, with something on each."""
    now = timezone.now()
    with tenancy.within(acme.pk):
        firm = Organization.objects.create(company=acme, name="Versorgungskammer für Ärzte und Apotheker")
        anna = Person.objects.create(company=acme, display_name="Anna Keller", organization=firm, title="CIO")
        email = "anna.a-rather-long-mailbox-name@versorgungskammer.example"
        PersonAddress.objects.create(company=acme, person=anna, email=email, match_key=addresses.match_key(email))
        for hours in (-48, 3):
            at = now + timedelta(hours=hours)
            meeting = Touchpoint.objects.create(
                company=acme, kind="meeting", unique_key=str(hours), title="Data room", occurred_at=at, ended_at=at
            )
            meeting.people.add(anna)
            meeting.users.add(alice)
    return ["/", "/people/", f"/people/{anna.pk}/", f"/meetings/{meeting.pk}/", "/accounts/2fa/", "/accounts/sessions/"]


@pytest.fixture(params=[(1280, "light"), (360, "dark")], ids=["wide-light", "narrow-dark"])
def browser_page(request: pytest.FixtureRequest, live_server: LiveServer, as_alice: Client) -> Iterator[Page]:
    """A browser in which alice is signed in."""
    width, scheme = request.param
    name = settings.SESSION_COOKIE_NAME
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        context.add_cookies([{"name": name, "value": as_alice.cookies[name].value, "url": live_server.url}])
        yield context.new_page()
        browser.close()


def test_pages_keep_the_csp_fit_their_width_and_are_accessible(
    places: list[str], browser_page: Page, live_server: LiveServer
) -> None:
    said: list[str] = []
    browser_page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    browser_page.on("pageerror", lambda error: said.append(str(error)))
    for place in places:
        response = browser_page.goto(live_server.url + place)
        assert response is not None
        assert response.status == 200, place
        sideways = browser_page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert sideways == 0, f"{place} scrolls sideways by {sideways}px"
        violations = Axe().run(browser_page).response["violations"]
        serious = [(place, each["id"]) for each in violations if each["impact"] in {"serious", "critical"}]
        assert serious == []
    assert said == []


def test_the_search_answers_while_one_types(places: list[str], browser_page: Page, live_server: LiveServer) -> None:
    browser_page.goto(f"{live_server.url}/people/")
    browser_page.fill("#id_q", "nobody of that name")
    browser_page.get_by_text("Nobody found for").wait_for()
    browser_page.wait_for_url("**/people/?q=nobody%20of%20that%20name")
    browser_page.fill("#id_q", "versorgung kell")
    browser_page.get_by_role("link", name="Anna Keller").wait_for()


def test_the_account_menu_opens_closes_by_escape_and_signs_out(
    places: list[str], browser_page: Page, live_server: LiveServer
) -> None:
    browser_page.goto(f"{live_server.url}/")
    sign_out = browser_page.get_by_role("button", name="Sign out")
    browser_page.get_by_role("button", name="account menu").click()
    sign_out.wait_for()
    browser_page.keyboard.press("Escape")
    sign_out.wait_for(state="hidden")
    browser_page.get_by_role("button", name="account menu").click()
    sign_out.click()
    browser_page.wait_for_url("**/accounts/login/**")
