"""Somebody in front of the sandbox's pages: reads them, fills in their forms as a browser would, presses buttons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests


class Forms(HTMLParser):
    """What the forms of a page send if nobody touches them, and each one's button."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.buttons: list[str] = []
        self._name = ""
        self._text: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append({})
            self.buttons.append("")
        elif tag == "input":
            self.forms[-1][given["name"]] = given.get("value", "")
        elif tag == "button":
            self.buttons[-1] = given.get("value", "")
        elif tag in {"select", "textarea"}:
            self._name, self._text = given["name"], [] if tag == "textarea" else None
            self.forms[-1][self._name] = ""
        elif tag == "option" and self._name and "selected" in given:
            self.forms[-1][self._name] = given["value"]

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text is not None:
            self.forms[-1][self._name] = "".join(self._text).removeprefix("\n").replace("\n", "\r\n")
        if tag in {"select", "textarea"}:
            self._name, self._text = "", None


@dataclass
class Visitor:
    """Goes to addresses below the sandbox's, and keeps the last page."""

    url: str
    http: requests.Session = field(default_factory=requests.Session)
    page: requests.Response = field(default_factory=requests.Response)

    @property
    def text(self) -> str:
        return self.page.text

    def go(self, path: str, status: int = 200) -> str:
        """Open a page; its text."""
        self.page = self.http.get(urljoin(self.url, path), timeout=20)
        assert self.page.status_code == status, self.text
        return self.text

    def press(
        self, button: str, status: int = 200, origin: str = "", more: Mapping[str, str] | None = None, **filled: str
    ) -> str:
        """Fill in the form with this button and press it; the text of the page that comes."""
        filled |= more or {}
        found = Forms(self.text)
        form = found.forms[found.buttons.index(button)]
        assert filled.keys() <= form.keys(), filled.keys() - form.keys()
        headers = {"Origin": origin or self.url}
        data = form | filled | {"do": button}
        self.page = self.http.post(self.page.url, data=data, headers=headers, timeout=20)
        assert self.page.status_code == status, self.text
        return self.text

    def held(self, name: str) -> str:
        """What the row of a field shows, by its API name."""
        return self.text.partition(f"<code>{name}</code></small></th><td>")[2].partition("</td>")[0]
