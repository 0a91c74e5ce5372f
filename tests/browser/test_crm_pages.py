"""The pretend CRMs' pages in a real browser: a value is changed there and arrives here, by eye and by keyboard."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings

from crm import record_pages
from crm.models import RecordLink
from relationships.models import Person, User
from tests.browser.conftest import Visit
from tests.browser.test_every_page import CLIPPED, SIDEWAYS, barriers
from tests.crm.two_ways import SCORE, Firm, firm

__all__ = ["firm"]

pytestmark = pytest.mark.browser
APP_PAGES = "https://app.hubspot.com"
TITLES = {"salesforce": "Title", "hubspot": "Job Title"}


@pytest.fixture
def lena(firm: Firm, settings: Settings) -> RecordLink:
    """A contact of the CRM, who is known here, at a firm that has a score."""
    pages = {APP_PAGES: f"{firm.world.scene.url}/hubspot-app"}
    settings.PROVIDER_ORIGINS = settings.PROVIDER_ORIGINS | pages
    account = firm.world.create("organization", name="Alpha Pension")
    firm.world.create("person", parent=account, first="Lena", last="Lee", email="lena@alpha.example", title="CIO")
    firm.firm("Alpha Pension", score=82)
    firm.sync()
    return RecordLink.objects.get(kind="person")


def address(link: RecordLink) -> str:
    """Where the product sends those who want to see the record there."""
    return record_pages.record_url(link.integration, link.crm_object, link.external_id)


def test_a_value_goes_there_and_comes_back(visit: Visit, firm: Firm, lena: RecordLink) -> None:
    page, slug = visit(), firm.world.slug
    page.goto(address(RecordLink.objects.get(kind="organization")))
    score = page.locator("tr").filter(has_text=SCORE[slug])
    expect(score).to_contain_text("82")
    expect(score).to_contain_text("written by the app")
    page.get_by_role("link", name="Lena Lee").click()
    expect(page.get_by_role("heading", name="Lena Lee")).to_be_visible()
    assert urlsplit(page.url).path == urlsplit(address(lena)).path
    firm.later()
    page.get_by_label(TITLES[slug], exact=True).fill("Head of Risk")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    firm.sync()
    assert Person.objects.get(pk=lena.row_id).title == "Head of Risk"


def test_a_refusal_stands_beside_its_field_and_the_keyboard_is_enough(visit: Visit, lena: RecordLink) -> None:
    page = visit()
    page.goto(address(lena))
    email = page.get_by_label("Email", exact=True)
    email.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("nonsense")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved.")
    expect(email).to_have_value("nonsense")
    expect(email).to_have_attribute("aria-invalid", "true")
    page.get_by_text("More fields").focus()
    page.keyboard.press("Enter")
    expect(page.locator("details[open]")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_readable_by_everybody(
    visit: Visit, firm: Firm, lena: RecordLink, width: int, scheme: str
) -> None:
    page = visit(width=width, color_scheme=scheme)
    record = address(lena)
    top = record.rpartition("/record/")[0] or record.rpartition("/")[0]
    of_kind = "object=Contact" if firm.world.slug == "salesforce" else "type=contacts"
    name = "Contact" if firm.world.slug == "salesforce" else "contacts"
    for place in (f"{firm.world.scene.url}/", f"{top}/", f"{top}/?{of_kind}", f"{top}/new/{name}", record):
        page.goto(place)
        open_all(page)
        assert barriers(page) == []
        assert (page.evaluate(SIDEWAYS), place) == (0, place)
        assert [one for one in page.evaluate(CLIPPED) if "<td" not in one and place == record] == []


def open_all(page: Page) -> None:
    """Unfold what is folded away."""
    for one in page.locator("summary").all():
        one.click()


def test_the_products_page_of_a_contact_leads_there(visit: Visit, firm: Firm, lena: RecordLink) -> None:
    member = User.objects.create_user("mia@acme.example", "secret-2030", company=firm.company)
    page = visit(member)
    page.goto(f"/people/{lena.row_id}/")
    page.get_by_role("link", name="Lena Lee in").click()
    expect(page.get_by_role("heading", name="Lena Lee")).to_be_visible()
    expect(page.get_by_text("Sandbox, not")).to_be_visible()
    # Its heading is there before its style sheet, which would be asked of a sandbox that has ended.
    page.wait_for_load_state("load")
