"""Graph's notifications: nobody subscribes to any yet, so none is taken.

https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
"""

from collections.abc import Callable, Mapping

from integrations.contract import Claim, IncomingRequest, Notice
from integrations.errors import Refused


def recognises(request: IncomingRequest) -> bool:
    """Whether a request is Graph's."""
    return False


def handshake(request: IncomingRequest) -> str | None:
    """The text that proves to Graph that the address is ours."""
    return None


def verify(request: IncomingRequest, is_signed: Callable[[str, str], bool]) -> tuple[Claim, ...]:
    """What a request proves about itself. Raises Refused."""
    raise Refused("There are no subscriptions.")


def read(webhook_type: str, headers: Mapping[str, str], body: bytes) -> Notice:
    """What a stored notification says."""
    return Notice(is_change=False, detail="There are no subscriptions.")
