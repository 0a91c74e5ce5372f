"""The second factor by hand: the app is activated, its recovery codes are downloaded, and one of them signs in."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from integrations.models import Integration
from relationships.models import User
from tests.browser.conftest import Visit
from tests.browser.test_every_page import SIDEWAYS, barriers
from tests.lpxgp.test_mfa import code_now

pytestmark = pytest.mark.browser
PASSWORD = "a-long-password"


def sign_in(page: Page, user: User) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(user.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_from_the_app_to_a_recovery_code(visit: Visit, alice: User) -> None:
    page = visit(width=360)
    sign_in(page, alice)
    page.goto("/accounts/2fa/totp/activate/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    seed = page.get_by_label("Authenticator secret").input_value()
    page.get_by_label("Authenticator code").fill(code_now(seed))
    page.get_by_role("button", name="Activate").click()

    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    assert barriers(page) == []
    assert page.evaluate(SIDEWAYS) <= 0
    with page.expect_download() as download:
        page.get_by_role("link", name="Download them").click()
    codes = Path(download.value.path()).read_text().split()
    assert len(codes) == 10
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_text("Authentication using an authenticator app is active.")).to_be_visible()

    other = visit(width=360)
    sign_in(other, alice)
    expect(other.get_by_text("one of your recovery codes")).to_be_visible()
    assert barriers(other) == []
    other.get_by_label("Code").fill(codes[0])
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("heading", name="Today")).to_be_visible()


def test_today_leads_from_a_dead_consent_to_its_card(visit: Visit, linked: Integration, alice: User) -> None:
    Integration.unscoped.update(sync_status="stale", reason="Google no longer accepts the consent.")
    page = visit(alice, width=360)
    page.goto("/")
    expect(page.get_by_text("Google Calendar is no longer read.")).to_be_visible()
    assert barriers(page) == []
    assert page.evaluate(SIDEWAYS) <= 0
    page.get_by_role("link", name="Reconnect it").click()
    expect(page.get_by_role("button", name="Reconnect Google Calendar")).to_be_visible()
