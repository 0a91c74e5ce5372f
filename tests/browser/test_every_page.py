"""Every page a member can open, in both schemes and widths: no serious barrier, nothing sideways, a silent console.

The addresses come from the URL resolver, so that a new page is looked at by itself.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page

from integrations.models import Integration
from relationships import briefs, tenancy
from relationships.models import BlockRule, Person, Touchpoint, User
from tests.browser.conftest import Visit
from tests.lpxgp.addresses import addresses
from tests.relationships.letters import arrive, letter

pytestmark = pytest.mark.browser
NOT_PAGES = ("admin/", "webhooks/", "api/", "metrics", "accounts/logout/", "oauth/callback/")
LONG = "Abendessen-mit-der-Versorgungskammer-" * 3
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CLIPPED = """[...document.querySelectorAll('main a, main button, main label, main h1, main h2, main dd, main .badge')]
    .filter(each => each.getClientRects().length && !each.closest('.visually-hidden'))
    .filter(each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(each => each.outerHTML.slice(0, 120))"""


@pytest.fixture
def places(linked: Integration, lena: Person, alice: User) -> list[str]:
    """Every address that answers alice's GET with a page, with something on each."""
    coming = Touchpoint.unscoped.get(title="Data room")
    Touchpoint.unscoped.filter(pk=coming.pk).update(title=LONG, join_url="https://meet.example/abc")
    with tenancy.within(linked.company_id):
        at = timezone.now() - timedelta(days=9)
        arrive(alice, letter("a", at, of=[alice], by=lena, subject=LONG), letter("b", at, of=[alice], to=[lena]))
        arrive(alice, letter("c", timezone.now(), of=[alice], to=[lena]))
        rule = BlockRule.objects.create(
            company_id=linked.company_id, user=alice, kind="domain", value=f"{LONG[:60]}.example".lower()
        )
        briefs.make(coming.pk)
    rows = {
        "integrations": linked.pk,
        "relationships:person": lena.pk,
        "relationships:meeting": coming.pk,
        "relationships:rule": rule.pk,
    }
    client = Client()
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    found = []
    for address in addresses():
        pk = rows.get(address.name) or rows.get(address.name.partition(":")[0], uuid.UUID(int=7))
        path = address.filled({"pk": str(pk), "provider": "google", "integration_type": "calendar"})
        if not address.route.startswith(NOT_PAGES) and is_page(client.get(path)):
            found.append(path)
    assert {"/", "/people/", "/settings/profile/", "/settings/integrations/", "/accounts/2fa/"} <= set(found)
    assert len(found) >= 15, found
    return [*found, "/nothing-here/"]


def is_page(answer: Any) -> bool:
    return answer.status_code == 200 and answer["Content-Type"].startswith("text/html") and b"<html" in answer.content


def barriers(page: Page) -> list[str]:
    """What axe finds serious or critical."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{page.url}: {each['id']} {[node['html'][:120] for node in each['nodes']]}"
        for each in violations
        if each["impact"] in {"serious", "critical"}
    ]


def test_every_page_is_readable_by_everybody(visit: Visit, places: list[str], alice: User) -> None:
    page = visit(alice)
    problems = []
    for place in places:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme="light")
        page.goto(place)
        problems += barriers(page)
        page.set_viewport_size({"width": 360, "height": 800})
        page.emulate_media(color_scheme="dark")
        problems += barriers(page)
        if sideways := page.evaluate(SIDEWAYS):
            problems.append(f"{place} scrolls sideways by {sideways} px at 360 px")
    assert problems == []


def test_text_of_twice_the_size_stays_in_sight(
    visit: Visit, launch: Callable[..., Browser], places: list[str], alice: User
) -> None:
    page = visit(alice, browser=launch("--blink-settings=defaultFontSize=32"))
    problems = []
    for place in places:
        page.goto(place)
        sideways, clipped = page.evaluate(SIDEWAYS), page.evaluate(CLIPPED)
        if sideways or clipped:
            problems.append(f"{place} by {sideways} px: {clipped}")
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
    assert problems == []


def test_what_a_visitor_sees_is_readable_too(visit: Visit, google: object) -> None:
    page = visit(width=360, color_scheme="dark")
    problems = []
    for place in ("/accounts/login/", "/accounts/signup/", "/nothing-here/"):
        page.goto(place)
        problems += barriers(page)
        assert page.evaluate(SIDEWAYS) == 0, place
    assert problems == []
