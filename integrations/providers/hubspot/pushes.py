"""HubSpot's pushes."""

from collections.abc import Callable, Mapping

from integrations.contract import Claim, IncomingRequest, Notice
from integrations.errors import Refused, Unreadable


def recognises(request: IncomingRequest) -> bool:
    """Whether a request is one of HubSpot's."""
    return False


def verify(request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
    """What the pushes of one request prove about themselves. Raises Refused."""
    raise Refused("It does not prove that it comes from HubSpot.")


def read(webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
    """What a stored push says. Raises Unreadable."""
    raise Unreadable("It is no push of HubSpot.")
