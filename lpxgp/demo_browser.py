"""A browser as small as the demo needs it: follows links and redirects, keeps cookies, fills in forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

TIMEOUT = 30


@dataclass
class Form:
    """A form as it comes up: where it goes, and what it sends if nobody touches it."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def has(self, name: str, value: str | None = None) -> bool:
        """Whether it has a field or button of this name (and value)."""
        return any(key == name and value in {None, held} for key, held in self.fields + self.buttons)


@dataclass(frozen=True)
class Page:
    """An answer: where it was found in the end, its status, text and forms."""

    url: str
    status: int
    text: str
    forms: tuple[Form, ...]


class Reader(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._is_inside = False
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
            self._is_inside = True
        elif self._is_inside and tag == "select":
            self._select = given.get("name", "")
        elif self._is_inside and tag == "option" and "selected" in given:
            self.forms[-1].fields.append((self._select, given.get("value", "")))
        elif self._is_inside and tag in {"input", "button", "textarea"} and given.get("name"):
            self._note(tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False

    def _note(self, tag: str, given: dict[str, str]) -> None:
        kind = given.get("type", "submit" if tag == "button" else "text")
        if kind == "submit":
            self.forms[-1].buttons.append((given["name"], given.get("value", "")))
        elif kind not in {"checkbox", "radio"} or "checked" in given:
            self.forms[-1].fields.append((given["name"], given.get("value", "on" if kind == "checkbox" else "")))


class Browser:
    """One visitor's session. Raises requests' errors when nothing answers."""

    def __init__(self) -> None:
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy stands between this process and its children
        self._password = ""

    def get(self, url: str) -> Page:
        return self._page(self._http.get(url, timeout=TIMEOUT))

    def submit(self, page: Page, form: Form, **filled: str | list[str]) -> Page:
        """Send a form with what it holds and ``filled`` over it, as pressing its button would. A list fills several."""
        fields = [(name, value) for name, value in form.fields if name not in filled]
        for name, given in filled.items():
            fields += [(name, value) for value in ([given] if isinstance(given, str) else given)]
        address = urljoin(page.url, form.action)
        if form.method == "post":
            return self._page(self._http.post(address, data=fields, headers={"Referer": page.url}, timeout=TIMEOUT))
        return self._page(self._http.get(address, params=fields, timeout=TIMEOUT))

    def sign_in(self, web: str, email: str, password: str) -> Page:
        """Through the product's log-in page."""
        self._password = password
        page = self.get(f"{web}/accounts/login/")
        return self.submit(page, form_with(page, "password"), login=email, password=password)

    def prove(self, page: Page) -> Page:
        """What comes after the page that asks for the password again; ``page`` itself where it does not."""
        if "/reauthenticate/" not in page.url:
            return page
        return self.submit(page, form_with(page, "password"), password=self._password)

    @staticmethod
    def _page(answer: requests.Response) -> Page:
        reader = Reader()
        reader.feed(answer.text)
        return Page(answer.url, answer.status_code, answer.text, tuple(reader.forms))


def form_with(page: Page, name: str, value: str | None = None) -> Form:
    """The first form of the page with this field or button. Raises LookupError, quoting the page."""
    for form in page.forms:
        if form.has(name, value):
            return form
    raise LookupError(f"{page.url} ({page.status}) has no form with {name}: {' '.join(page.text.split())[:600]}")


def form_to(page: Page, action: str) -> Form:
    """The first POST form that goes to ``action`` (empty: to the page itself). Raises LookupError."""
    for form in page.forms:
        if form.method == "post" and form.action == action:
            return form
    raise LookupError(f"{page.url} ({page.status}) has no form to {action or 'itself'}")
