"""Microsoft: consent, calls of Graph over our transport, its notifications and errors, what it may be asked.

One module per subject; this one puts them together, and holds the names that adapters use.
"""

from collections.abc import Callable, Mapping

import requests

from integrations.contract import Claim, IncomingRequest, Notice, Service
from integrations.providers.microsoft import guard, offers, pushes
from integrations.providers.microsoft.client import BATCH_SIZE, batch, graph
from integrations.providers.microsoft.consent import Consent
from integrations.providers.microsoft.errors import Conflict, meant
from integrations.providers.microsoft.offers import MAIL_SCOPES

__all__ = ["BATCH_SIZE", "MAIL_SCOPES", "Conflict", "batch", "graph", "meant", "provider"]


class Microsoft(Consent):
    """The provider."""

    slug = "microsoft"
    label = "Microsoft"
    hosts = (guard.LOGIN, guard.GRAPH)

    @property
    def services(self) -> tuple[Service, ...]:
        return offers.services()

    def is_allowed(self, request: requests.PreparedRequest) -> bool:
        """Whether a request only reads, or concerns our own subscriptions and tokens."""
        return guard.is_allowed(request)

    def recognises(self, request: IncomingRequest) -> bool:
        """Whether a request is one of Graph's."""
        return pushes.recognises(request)

    def handshake(self, request: IncomingRequest) -> str | None:
        """The text that proves to Graph that an address is ours, which it asks for before it subscribes us."""
        return pushes.handshake(request)

    def verify(self, request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
        """What the notifications of one request prove about themselves. Raises Refused where none does."""
        return pushes.verify(request, is_signed)

    def read(self, webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a stored notification says."""
        return pushes.read(webhook_type, headers, body)


provider = Microsoft()
