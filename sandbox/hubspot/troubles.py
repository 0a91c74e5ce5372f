"""Refusals on order that only HubSpot has a status for: locked, moving house, a gateway's.

https://developers.hubspot.com/docs/api-reference/error-handling
"""

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from sandbox.hubspot.errors import ApiError

Json = dict[str, Any]
TEXTS = {
    401: ("EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired 75 second(s) ago."),
    423: ("LOCKED", "The resource is locked. Wait at least 2 seconds before you try again."),
    477: ("MIGRATION_IN_PROGRESS", "This account is being moved to another data centre."),
    502: ("BAD_GATEWAY", "Bad gateway"),
    503: ("SERVICE_UNAVAILABLE", "Service temporarily unavailable"),
    504: ("GATEWAY_TIMEOUT", "Gateway timeout"),
    521: ("WEB_SERVER_DOWN", "Web server is down"),
    524: ("TIMEOUT", "A timeout occurred"),
}


@dataclass
class Trouble:
    """Which calls are refused: ``after`` pass first, then ``times`` are, None until cleared. Portal 0 is any."""

    operation: str
    status: int
    portal: int = 0
    times: int | None = 1
    after: int = 0
    retry_after: str = ""


class Troubles:
    """The orders not used up, oldest first. The world's lock guards it."""

    def __init__(self) -> None:
        self._orders: list[Trouble] = []

    def add(self, order: Trouble) -> None:
        """Take an order; ValueError for a status it has no words for."""
        if order.status not in TEXTS:
            raise ValueError(f"status must be one of {', '.join(map(str, TEXTS))}")
        self._orders.append(order)

    def check(self, operation: str, portal_id: int) -> None:
        """ApiError if the call is one of those meant."""
        for order in self._orders:
            if not fnmatchcase(operation, order.operation) or order.portal not in (0, portal_id):
                continue
            if order.after > 0:
                order.after -= 1
                continue
            if order.times is not None:
                order.times -= 1
                if order.times <= 0:
                    self._orders.remove(order)
            category, text = TEXTS[order.status]
            headers = {"Retry-After": order.retry_after} if order.retry_after else {}
            raise ApiError(order.status, category, text, headers=headers)

    def clear(self) -> None:
        """Cancel all."""
        self._orders.clear()

    def listing(self) -> list[Json]:
        """The open orders as JSON."""
        return [asdict(one) for one in self._orders]
