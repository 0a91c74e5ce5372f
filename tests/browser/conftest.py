"""A real browser over the real pages, in front of the pretend Google: one chromium for the whole folder."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.models import Integration, SyncRun
from relationships.models import Company, Organization, Person, PersonAddress, User
from sandbox.server import Sandbox
from tests.integrations.calendar.scene import LP, at, meeting
from tests.pretend_google import Google

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
PATIENCE = 10_000
"""Milliseconds until something expected on a page counts as missing: twice what a card waits between two looks."""
REFUSALS = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""What the console says of every page that is answered with a refusal, on purpose."""

Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def launch() -> Iterator[Callable[..., Browser]]:
    """Start Debian's chromium with a profile of its own."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        # Playwright's loop stands still in this thread between calls, but Django would refuse every query beside it.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        started: list[Browser] = []

        def launch(*flags: str) -> Browser:
            started.append(playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags]))
            return started[-1]

        yield launch
        for browser in started:
            browser.close()


@pytest.fixture(scope="package")
def chromium(launch: Callable[..., Browser]) -> Browser:
    return launch()


@pytest.fixture
def origins(live_server: LiveServer, sandbox_server: Sandbox, settings: Settings) -> None:
    """What lpxgp.settings derives from the environment at the start: our address, and forms that end at the sandbox."""
    settings.PUBLIC_URL = live_server.url
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    forms = [*directives["form-action"], sandbox_server.url]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {**directives, "form-action": forms}}


@pytest.fixture
def visit(chromium: Browser, live_server: LiveServer, origins: None) -> Iterator[Visit]:
    """Open a window, signed in as a user or as a visitor. No page may break its CSP or complain on the console."""
    said: list[str] = []
    contexts: list[BrowserContext] = []

    def visit(user: User | None = None, width: int = 1280, browser: Browser = chromium, **options: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, base_url=live_server.url, reduced_motion="reduce", **options
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: said.append(f"error: {error.error}"))
        if user is not None:
            client = Client()
            client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
            name = django_settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
        return context.new_page()

    yield visit
    for context in contexts:
        context.close()
    assert [line for line in said if line.startswith(("error", "warning")) and not REFUSALS.search(line)] == []


@pytest.fixture
def lena(acme: Company) -> Person:
    """The contact whom Alice's meetings are with."""
    firm = Organization.unscoped.create(company=acme, name="Versorgungskammer für Ärzte und Apotheker")
    person = Person.unscoped.create(company=acme, display_name="Lena Alder", organization=firm, title="CIO")
    PersonAddress.unscoped.create(company=acme, person=person, email=LP, match_key=LP, is_primary=True)
    return person


@pytest.fixture
def calendar(google: Google, alice: User, lena: Person) -> str:
    """Alice's calendar at the pretend Google: a meeting with Lena to come and one that is over, and a team's round."""
    google.put(
        alice.email,
        meeting("coming", at(0, 3), alice.email, LP, summary="Data room"),
        meeting("over", at(-1), alice.email, LP, summary="First call"),
        meeting("team", at(1), alice.email, "bob@acme.example", summary="Team round"),
    )
    return alice.email


@pytest.fixture
def linked(link: Callable[..., Integration], calendar: str, alice: User) -> Integration:
    """Alice's calendar, linked and read a minute ago."""
    integration = link(alice)
    SyncRun.unscoped.update(started_at=at(0) - timedelta(minutes=1))
    return integration


def card_on(page: Page) -> Locator:
    """The card of Google Calendar on the settings page."""
    return page.get_by_role("article", name="Google Calendar")
