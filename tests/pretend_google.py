"""Linking and syncing against the pretend Google, through the real client and real HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from django.utils.module_loading import import_string
from django_q.models import OrmQ
from pytest_django.fixtures import Settings

from integrations.models import Integration, SyncState
from relationships.models import User
from sandbox.server import Sandbox

GOOGLE_SCOPES = (
    "openid",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/calendar.events.readonly",
    "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
)
Json = dict[str, Any]


@dataclass
class Google:
    """The pretend Google as a test sees it: its world by the control API, its consent page by a browser's requests."""

    url: str
    http: requests.Session

    def post(self, path: str, **body: Any) -> Json:
        answer = self.http.post(f"{self.url}/control/{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def get(self, path: str) -> Json:
        answer = self.http.get(f"{self.url}/control/{path}", timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def put(self, calendar: str, *events: Json) -> list[str]:
        """Create or change events without a push."""
        return self.post("google/events", calendar=calendar, events=list(events), silent=True)["ids"]

    def cancel(self, calendar: str, *ids: str) -> None:
        self.post("google/events/cancel", calendar=calendar, ids=list(ids), silent=True)

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.post("faults", operation=operation, kind=kind, **more)

    def requests_of(self, operation: str) -> int:
        return self.get("requests")["counts"].get(operation, 0)

    def consent(
        self, address: str, account: str, scopes: tuple[str, ...] = GOOGLE_SCOPES, decision: str = "allow"
    ) -> str:
        """Open the consent page and answer it; the address the browser is sent back to."""
        page = self.http.get(address, timeout=20)
        assert page.ok, page.text
        form = {"account": account, "scope": list(scopes), "decision": decision}
        answer = self.http.post(page.url, data=form, timeout=20, allow_redirects=False)
        assert answer.status_code in {302, 303}, answer.text
        return answer.headers["Location"]


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox_url(sandbox_server: Sandbox) -> str:
    """Where the sandbox is. Its world is new, for all of a test's providers."""
    requests.post(f"{sandbox_server.url}/control/reset", json={}, timeout=20).raise_for_status()
    return sandbox_server.url


@pytest.fixture
def google(sandbox_url: str, settings: Settings) -> Iterator[Google]:
    """A fresh world with accounts for alice and bob; pushes go nowhere unless a test wants them."""
    url = sandbox_url
    settings.PROVIDER_ORIGINS = settings.PROVIDER_ORIGINS | {
        "https://accounts.google.com": f"{url}/google-accounts",
        "https://oauth2.googleapis.com": f"{url}/google-oauth2",
        "https://www.googleapis.com": f"{url}/google-apis",
        "https://openidconnect.googleapis.com": f"{url}/google-openid",
    }
    credentials = {"client_id": "client-1", "client_secret": "secret-1"}
    settings.PROVIDER_CREDENTIALS = settings.PROVIDER_CREDENTIALS | {"google": credentials}
    with requests.Session() as http:
        google = Google(url, http)
        google.post("google/accounts", email="alice@acme.example", name="Alice Ash", hd="acme.example")
        google.post("google/accounts", email="bob@acme.example", name="Bob Birch", hd="acme.example")
        google.fault("push", "lost", times=None)
        yield google


@pytest.fixture
def run_jobs() -> Callable[[], int]:
    """Run what is queued, and what that queues, as a worker would: one job after the other."""

    def run() -> int:
        count = 0
        while (row := OrmQ.objects.order_by("pk").first()) is not None:
            task = row.task
            row.delete()
            import_string(task["func"])(*task["args"])
            count += 1
            assert count < 200, "jobs queue each other without end"
        return count

    return run


Link = Callable[..., Integration]


@pytest.fixture
def link(google: Google, run_jobs: Callable[[], int]) -> Link:
    """Link a user's calendar through the pages and the consent form, as a browser does."""

    def link(user: User, **consent: Any) -> Integration:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        answer = follow_consent(client, google, consent.pop("account", user.email), **consent)
        assert answer.status_code == 302, answer.content.decode()
        run_jobs()
        return Integration.unscoped.get(user=user, integration_type="calendar")

    return link


def follow_consent(client: Client, google: Google, account: str, **consent: Any) -> Any:
    """Begin, consent, come back: the answer of the callback."""
    begun = client.post("/oauth/start/google/calendar")
    assert begun.status_code == 303, begun.content.decode()
    back = urlsplit(google.consent(begun["Location"], account, **consent))
    return client.get(back.path, {name: values[0] for name, values in parse_qs(back.query).items()})


def state_of(integration: Integration) -> SyncState:
    """The one chosen calendar of a link."""
    return SyncState.unscoped.get(integration=integration, is_chosen=True)
