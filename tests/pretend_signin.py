"""Sign-in with Google and Microsoft against the sandbox, through the product's pages and the consent pages."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.pretend_google import Google, Json

GOOGLE, MICROSOFT = "google", "microsoft"


@dataclass
class SignIn:
    """What a person does with a browser: begin, answer the consent page, come back."""

    sandbox: Google

    def google_account(self, email: str, **more: Any) -> Json:
        return self.sandbox.post("google/accounts", email=email, **more)

    def microsoft_account(self, upn: str, **more: Any) -> Json:
        return self.sandbox.post("microsoft/accounts", upn=upn, **more)

    def begin(self, client: Client, provider: str, **query: str) -> str:
        """Press the button; the address of the consent page."""
        begun = client.post(f"/accounts/{provider}/login/?{urlencode({'process': 'login', **query})}")
        assert begun.status_code == 302, begun.content.decode()
        return begun["Location"]

    def answered(self, address: str, account: str, decision: str = "allow") -> str:
        """Answer the consent page; the address the browser is sent back to."""
        return self.sandbox.consent(address, account, scopes=(), decision=decision)

    def go(self, client: Client, provider: str, account: str, decision: str = "allow", **query: str) -> Any:
        """All of it; the answer of the callback."""
        return come_back(client, self.answered(self.begin(client, provider, **query), account, decision))


def come_back(client: Client, address: str) -> Any:
    """What the product answers where the provider sent the browser."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return client.get(parts.path, query)


@pytest.fixture
def signin(google: Google, settings: Settings) -> SignIn:
    """The pretend providers with sign-in clients, and the Google accounts of alice and bob."""
    settings.PROVIDER_ORIGINS = {
        **settings.PROVIDER_ORIGINS,
        "https://login.microsoftonline.com": f"{google.url}/microsoft-login",
    }
    settings.SOCIALACCOUNT_PROVIDERS = {
        slug: {
            "SCOPE": ["openid", "email", "profile"],
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [{"client_id": f"{slug}-sign-in", "secret": "secret", "key": ""}],
        }
        for slug in (GOOGLE, MICROSOFT)
    }
    return SignIn(google)
