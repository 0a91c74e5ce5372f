"""Salesforce: consent, what it may be asked, its pushes and errors.

One module per subject; this one puts them together, and holds the names that adapters use.
"""

from collections.abc import Callable, Mapping

import requests

from integrations.contract import Claim, IncomingRequest, Notice, Service
from integrations.providers.salesforce import guard, hosts, offers, pushes
from integrations.providers.salesforce.consent import API_VERSION, INSTANCE_URL, Consent, to18

__all__ = ["API_VERSION", "INSTANCE_URL", "provider", "to18"]


class Salesforce(Consent):
    """The provider."""

    slug = "salesforce"
    label = "Salesforce"
    hosts = (hosts.PRODUCTION, hosts.SANDBOX, f"*{hosts.SUFFIX}")

    @property
    def services(self) -> tuple[Service, ...]:
        return offers.services()

    def is_allowed(self, request: requests.PreparedRequest) -> bool:
        """Whether a request reads, creates or updates what we may, or concerns our own tokens."""
        return guard.is_allowed(request)

    def recognises(self, request: IncomingRequest) -> bool:
        """Whether a request is one of Salesforce's."""
        return pushes.recognises(request)

    def handshake(self, request: IncomingRequest) -> str | None:
        """None: Salesforce asks for no proof."""
        return None

    def verify(self, request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
        """What a push proves about itself. Raises Refused."""
        return pushes.verify(request, is_signed)

    def read(self, webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a stored push says."""
        return pushes.read(webhook_type, headers, body)


provider = Salesforce()
