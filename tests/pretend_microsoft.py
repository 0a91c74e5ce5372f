"""Linking and syncing against the pretend Microsoft, through real msal and real HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from pytest_django.fixtures import Settings

from integrations.models import Integration
from relationships.models import User

CLIENT_ID = "00001111-aaaa-2222-bbbb-3333cccc4444"
ORIGINS = {
    "https://login.microsoftonline.com": "microsoft-login",
    "https://graph.microsoft.com": "microsoft-graph",
}
Json = dict[str, Any]


@dataclass
class Microsoft:
    """The pretend Microsoft as a test sees it: its world by the control API, its pages by a browser's requests."""

    url: str
    http: requests.Session
    run_jobs: Callable[[], int]

    def post(self, path: str, **body: Any) -> Json:
        """An order, such as post("microsoft/events", account=…) or post("clock/advance", seconds=…)."""
        answer = self.http.post(f"{self.url}/control/{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def get(self, path: str) -> Json:
        answer = self.http.get(f"{self.url}/control/{path}", timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.post("faults", operation=operation, kind=kind, **more)

    def requests_of(self, operation: str) -> int:
        return self.get("requests")["counts"].get(operation, 0)

    def consent(self, address: str, account: str, decision: str = "allow") -> str:
        """Open a consent page, a member's or an administrator's, and answer it; where the browser is sent back to."""
        page = self.http.get(address, timeout=20)
        assert page.ok, page.text
        form = {"account": account, "decision": decision}
        answer = self.http.post(page.url, data=form, timeout=20, allow_redirects=False)
        assert answer.status_code in {302, 303}, answer.text
        return answer.headers["Location"]

    def follow(self, client: Client, integration_type: str, account: str, decision: str = "allow") -> Any:
        """Begin in the browser, consent, come back: the answer of the callback."""
        begun = client.post(f"/oauth/start/microsoft/{integration_type}")
        assert begun.status_code == 303, begun.content.decode()
        return come_back(client, self.consent(begun["Location"], account, decision))

    def link(self, user: User, integration_type: str, account: str = "") -> Integration:
        """Link an account of a user's through the pages and the consent form, and run what that queues."""
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        answer = self.follow(client, integration_type, account or user.email)
        assert answer.status_code == 302, answer.content.decode()
        self.run_jobs()
        return Integration.unscoped.get(user=user, provider="microsoft", integration_type=integration_type)


def come_back(client: Client, address: str) -> Any:
    """Open the address that a consent page sends the browser back to."""
    back = urlsplit(address)
    return client.get(back.path, {name: values[0] for name, values in parse_qs(back.query).items()})


@pytest.fixture
def microsoft(sandbox_url: str, settings: Settings, run_jobs: Callable[[], int]) -> Iterator[Microsoft]:
    """A fresh world with accounts for alice and bob; pushes go nowhere unless a test wants them.

    May be asked for together with ``google``: both live in one world.
    """
    routed = {origin: f"{sandbox_url}/{path}" for origin, path in ORIGINS.items()}
    settings.PROVIDER_ORIGINS = settings.PROVIDER_ORIGINS | routed
    credentials = {"client_id": CLIENT_ID, "client_secret": "secret-1"}
    settings.PROVIDER_CREDENTIALS = settings.PROVIDER_CREDENTIALS | {"microsoft": credentials}
    with requests.Session() as http:
        microsoft = Microsoft(sandbox_url, http, run_jobs)
        microsoft.post("microsoft/accounts", upn="alice@acme.example", name="Alice Ash")
        microsoft.post("microsoft/accounts", upn="bob@acme.example", name="Bob Birch")
        microsoft.fault("push", "lost", times=None)
        yield microsoft
