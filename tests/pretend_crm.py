"""Linking and syncing against the pretend Salesforce and HubSpot, through real HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from django.test import Client
from pytest_django.fixtures import Settings

from integrations.models import Integration
from relationships.models import User
from tests.pretend_microsoft import come_back

Json = dict[str, Any]
ORIGINS = {
    "salesforce": {
        "https://login.salesforce.com": "salesforce/login.salesforce.com",
        "https://test.salesforce.com": "salesforce/test.salesforce.com",
        "https://*.my.salesforce.com": "salesforce/{host}",
    },
    "hubspot": {"https://app.hubspot.com": "hubspot-app", "https://api.hubapi.com": "hubspot-api"},
}


@dataclass
class Crm:
    """A pretend CRM as a test sees it: its world by the control API, its pages by a browser's requests."""

    slug: str
    url: str
    http: requests.Session
    run_jobs: Callable[[], int]

    def post(self, path: str, **body: Any) -> Json:
        """An order below /control/<slug>/, such as post("revoke", org="acme")."""
        return self.order(f"{self.slug}/{path}", **body)

    def order(self, path: str, **body: Any) -> Json:
        answer = self.http.post(f"{self.url}/control/{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def get(self, path: str) -> Json:
        answer = self.http.get(f"{self.url}/control/{path}", timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.order("faults", operation=operation, kind=kind, **more)

    def requests_of(self, operation: str) -> int:
        return self.get("requests")["counts"].get(operation, 0)

    def consent(self, address: str, account: str, decision: str = "allow", scopes: tuple[str, ...] = ()) -> str:
        """Open a consent page and answer it; where the browser is sent back to. ``scopes`` are the boxes ticked."""
        page = self.http.get(address, timeout=20)
        assert page.ok, page.text
        form = {"account": account, "decision": decision, "scope": list(scopes)}
        answer = self.http.post(page.url, data=form, timeout=20, allow_redirects=False)
        assert answer.status_code in {302, 303}, answer.text
        return answer.headers["Location"]

    def begin(self, client: Client, **form: str) -> str:
        """Begin in the browser; the address of the consent page."""
        begun = client.post(f"/oauth/start/{self.slug}/crm", form)
        assert begun.status_code == 303, begun.content.decode()
        return begun["Location"]

    def follow(self, client: Client, account: str, scopes: tuple[str, ...] = (), **form: Any) -> Any:
        """Begin in the browser, consent, come back: the answer of the callback."""
        return come_back(client, self.consent(self.begin(client, **form), account, scopes=scopes))

    def link(self, user: User, account: str, **form: Any) -> Integration:
        """Link a company's CRM through the pages and the consent form, and run what that queues."""
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        answer = self.follow(client, account, **form)
        assert answer.status_code == 302, answer.content.decode()
        self.run_jobs()
        return Integration.unscoped.get(company=user.company, user=None, provider=self.slug)


@pytest.fixture
def crm_of(sandbox_url: str, settings: Settings, run_jobs: Callable[[], int]) -> Iterator[Callable[[str], Crm]]:
    """A pretend CRM by its slug, with a client of ours: both live in one fresh world."""
    with requests.Session() as http:

        def make(slug: str) -> Crm:
            routed = {origin: f"{sandbox_url}/{path}" for origin, path in ORIGINS[slug].items()}
            settings.PROVIDER_ORIGINS = settings.PROVIDER_ORIGINS | routed
            credentials = {"client_id": f"{slug}-client", "client_secret": "secret-1"}
            settings.PROVIDER_CREDENTIALS = settings.PROVIDER_CREDENTIALS | {slug: credentials}
            return Crm(slug, sandbox_url, http, run_jobs)

        yield make


@pytest.fixture
def salesforce(crm_of: Callable[[str], Crm]) -> Crm:
    """Salesforce with two organizations of production and a sandbox of the first."""
    crm = crm_of("salesforce")
    for host, name in (("acme", "Acme Partners"), ("other", "Other Org")):
        crm.post("orgs", org=host, name=name, users=[{"username": f"admin@{host}.example"}])
    crm.post("orgs", org="acme--uat.sandbox", name="Acme Partners", users=[{"username": "admin@acme.example.uat"}])
    return crm


@pytest.fixture
def hubspot(crm_of: Callable[[str], Crm]) -> Crm:
    """HubSpot with two accounts."""
    crm = crm_of("hubspot")
    crm.post("portals", id=1001, name="Acme Partners", domain="acme.example")
    crm.post("portals", id=2002, name="Other", domain="other.example")
    return crm
