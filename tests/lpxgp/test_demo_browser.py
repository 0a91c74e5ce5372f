"""The demo's browser reads forms as a browser sends them."""

import pytest
import requests

from lpxgp.demo_browser import Browser, Form, Page, Reader, form_to, form_with

PAGE = """
<form action="/search"><input name="q" value=""></form>
<form method="post">
  <input type="hidden" name="token" value="t1">
  <input type="radio" name="account" value="a" checked><input type="radio" name="account" value="b">
  <input type="checkbox" name="scope" value="events" checked><input type="checkbox" name="scope" value="lists">
  <select name="zone"><option value="UTC">UTC</option><option value="Z" selected>Zurich</option></select>
  <button name="decision" value="deny">Deny</button><button name="decision" value="allow">Allow</button>
</form>
<input name="stray" value="outside">
"""


@pytest.fixture
def page() -> Page:
    reader = Reader()
    reader.feed(PAGE)
    return Page("http://127.0.0.1/consent", 200, PAGE, tuple(reader.forms))


def test_a_form_sends_what_it_holds_untouched(page: Page) -> None:
    assert form_to(page, "").fields == [("token", "t1"), ("account", "a"), ("scope", "events"), ("zone", "Z")]


def test_a_form_is_found_by_its_button(page: Page) -> None:
    assert form_with(page, "decision", "allow") == form_to(page, "")


def test_the_first_form_is_a_search(page: Page) -> None:
    assert form_with(page, "q") == Form("/search", "get", [("q", "")])


@pytest.mark.parametrize(("name", "value"), [("stray", None), ("decision", "maybe")])
def test_a_form_that_is_not_there_is_an_error_that_quotes_the_page(page: Page, name: str, value: str | None) -> None:
    with pytest.raises(LookupError, match=f"/consent .200. has no form with {name}"):
        form_with(page, name, value)


def test_a_list_fills_fields_of_one_name(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []

    def post(http: requests.Session, url: str, data: list[tuple[str, str]], **more: object) -> requests.Response:
        sent.extend(data)
        answer = requests.Response()
        answer.status_code, answer.url = 200, url
        return answer

    monkeypatch.setattr(requests.Session, "post", post)
    Browser().submit(page, form_to(page, ""), zone=["UTC", "Z"], decision="allow")
    fields = [("token", "t1"), ("account", "a"), ("scope", "events")]
    assert sent == [*fields, ("zone", "UTC"), ("zone", "Z"), ("decision", "allow")]
