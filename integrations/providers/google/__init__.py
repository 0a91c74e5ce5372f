"""Google: consent, its API client over our transport, how it signs a push, how it says an error, what it may be asked.

One module per subject; this one puts them together, and holds the names that adapters use.
"""

from collections.abc import Callable, Mapping

import requests

from integrations.contract import Claim, IncomingRequest, Notice, Service
from integrations.providers.google import guard, offers, pushes
from integrations.providers.google.client import RequestsHttp, api, run
from integrations.providers.google.consent import Consent
from integrations.providers.google.errors import API_ERRORS, OAUTH_ERRORS, meant, translated
from integrations.providers.google.offers import CALENDAR, MAIL_SCOPES

__all__ = [
    "API_ERRORS",
    "CALENDAR",
    "MAIL_SCOPES",
    "OAUTH_ERRORS",
    "RequestsHttp",
    "api",
    "meant",
    "provider",
    "run",
    "translated",
]


class Google(Consent):
    """The provider."""

    slug = "google"
    label = "Google"
    hosts = (
        "accounts.google.com",
        "oauth2.googleapis.com",
        "www.googleapis.com",
        "openidconnect.googleapis.com",
        "gmail.googleapis.com",
    )

    @property
    def services(self) -> tuple[Service, ...]:
        return offers.services()

    def is_allowed(self, request: requests.PreparedRequest) -> bool:
        """Whether a request only reads, asks for pushes, or concerns our own consent."""
        return guard.is_allowed(request)

    def recognises(self, request: IncomingRequest) -> bool:
        """Whether a push is Google's."""
        return pushes.recognises(request)

    def handshake(self, request: IncomingRequest) -> str | None:
        """None: Google never asks whether an address is ours."""
        return None

    def verify(self, request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
        """What a push proves about itself: Google sends one at a time. Raises Refused."""
        return (pushes.verify(request, is_signed, self),)

    def read(self, webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a stored push says."""
        return pushes.read(webhook_type, headers, body)


provider = Google()
