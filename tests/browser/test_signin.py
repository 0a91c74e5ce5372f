"""Signing in with Google and Microsoft as a person does: button, consent page, inside; or a refusal with a way on."""

import pytest
from allauth.socialaccount.models import SocialAccount
from playwright.sync_api import Page, expect

from relationships.models import User
from tests.browser.conftest import Visit
from tests.browser.test_every_page import SIDEWAYS, barriers
from tests.pretend_signin import SignIn

pytestmark = pytest.mark.browser
LOGIN, CONNECTIONS = "/accounts/login/", "/accounts/3rdparty/"


def choose(page: Page, name: str, button: str = "Allow") -> None:
    """Answer the consent page."""
    expect(page.get_by_role("heading", name="Sign in to")).to_be_visible()
    page.get_by_role("radio", name=name).check()
    page.get_by_role("button", name=button).click()


def assert_readable(page: Page) -> None:
    """No barrier in either scheme, nothing sideways at phone width."""
    assert barriers(page) == []
    page.set_viewport_size({"width": 360, "height": 800})
    page.emulate_media(color_scheme="dark")
    assert barriers(page) == []
    assert page.evaluate(SIDEWAYS) == 0
    page.set_viewport_size({"width": 1280, "height": 800})


def test_with_google_to_the_page_one_wanted(visit: Visit, signin: SignIn, alice: User) -> None:
    page = visit()
    page.goto("/people/")
    assert_readable(page)
    page.get_by_role("button", name="Continue with Google").click()
    choose(page, "Alice Ash")
    expect(page.get_by_role("heading", name="People", level=1)).to_be_visible()
    page.goto(CONNECTIONS)
    expect(page.get_by_text("Google: alice@acme.example")).to_be_visible()


def test_a_stranger_is_told_what_to_do(visit: Visit, signin: SignIn, alice: User) -> None:
    signin.google_account("sam@elsewhere.example", name="Sam Stranger")
    page = visit()
    page.goto(LOGIN)
    page.get_by_role("button", name="Continue with Google").click()
    choose(page, "Sam Stranger")
    expect(page.get_by_role("heading", name="This Google account is not connected to anybody here")).to_be_visible()
    expect(page.get_by_text("sam@elsewhere.example")).to_be_visible()
    assert_readable(page)
    page.get_by_role("button", name="Choose another Google account").click()
    choose(page, "Alice Ash")
    expect(page.get_by_role("button", name="Alice")).to_be_visible()


def test_microsoft_from_the_refusal_to_the_connection_to_signing_in(visit: Visit, signin: SignIn, alice: User) -> None:
    signin.microsoft_account(alice.email, name="Alice Ash")
    page = visit()
    page.goto(LOGIN)
    page.get_by_role("button", name="Continue with Microsoft").click()
    choose(page, "Alice Ash")
    expect(page.get_by_text("Microsoft does not vouch for an account's address")).to_be_visible()
    assert_readable(page)

    page.get_by_role("link", name="Sign in with a password").click()
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Connect Microsoft").click()
    choose(page, "Alice Ash")
    expect(page.get_by_text("From now on this account signs you in here.")).to_be_visible()
    expect(page.get_by_text("Microsoft: alice@acme.example")).to_be_visible()
    assert_readable(page)

    page.context.clear_cookies()
    page.goto(LOGIN)
    page.get_by_role("button", name="Continue with Microsoft").click()
    choose(page, "Alice Ash")
    expect(page.get_by_role("button", name="Alice")).to_be_visible()


def test_an_impostor_with_her_address_stays_out(visit: Visit, signin: SignIn, alice: User) -> None:
    signin.microsoft_account("eve@elsewhere.example", name="Eve Impostor", mail=alice.email)
    page = visit()
    page.goto(LOGIN)
    page.get_by_role("button", name="Continue with Microsoft").click()
    choose(page, "Eve Impostor")
    expect(page.get_by_role("heading", name="This Microsoft account is not connected")).to_be_visible()
    page.goto("/people/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not SocialAccount.objects.exists()


def test_a_no_comes_back_to_the_sign_in_page(visit: Visit, signin: SignIn, alice: User) -> None:
    page = visit()
    page.goto(LOGIN)
    page.get_by_role("button", name="Continue with Google").click()
    choose(page, "Alice Ash", "Deny")
    expect(page.get_by_text("Google was told not to tell us who you are")).to_be_visible()
    expect(page.get_by_role("button", name="Continue with Google")).to_be_visible()


def test_a_provider_in_trouble_leaves_a_way_on(visit: Visit, signin: SignIn, alice: User) -> None:
    signin.sandbox.fault("oauth.token", "error_503")
    page = visit()
    page.goto(LOGIN)
    page.get_by_role("button", name="Continue with Google").click()
    choose(page, "Alice Ash")
    expect(page.get_by_role("heading", name="Google did not tell us who you are")).to_be_visible()
    assert_readable(page)
    page.get_by_role("button", name="Try Google again").click()
    choose(page, "Alice Ash")
    expect(page.get_by_role("button", name="Alice")).to_be_visible()
