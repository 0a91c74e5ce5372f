"""HubSpot: consent, what it may be asked, its pushes and errors.

One module per subject; this one puts them together, and holds the names that adapters use.
"""

from collections.abc import Callable, Mapping

import requests

from integrations.contract import Claim, IncomingRequest, Notice, Service
from integrations.providers.hubspot import guard, offers, pushes
from integrations.providers.hubspot.consent import Consent
from integrations.providers.hubspot.paths import API, Paths, current

__all__ = ["API", "Paths", "current", "provider"]


class HubSpot(Consent):
    """The provider."""

    slug = "hubspot"
    label = "HubSpot"
    hosts = (guard.API_HOST,)

    @property
    def services(self) -> tuple[Service, ...]:
        return offers.services()

    def is_allowed(self, request: requests.PreparedRequest) -> bool:
        """Whether a request reads, creates, updates or associates what we may, or concerns our own tokens."""
        return guard.is_allowed(request)

    def recognises(self, request: IncomingRequest) -> bool:
        """Whether a request is one of HubSpot's."""
        return pushes.recognises(request)

    def handshake(self, request: IncomingRequest) -> str | None:
        """None: HubSpot asks for no proof."""
        return None

    def verify(self, request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
        """What the pushes of one request prove about themselves. Raises Refused where none does."""
        return pushes.verify(request, is_signed)

    def read(self, webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a stored push says."""
        return pushes.read(webhook_type, headers, body)


provider = HubSpot()
