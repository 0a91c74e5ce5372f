"""Outlook's two limits per app and mailbox: requests in flight, and requests in ten minutes.

https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits
"""

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from sandbox.clock import Clock
from sandbox.microsoft.errors import GraphError

MOST_AT_ONCE = 4
MOST_REQUESTS, WINDOW_SECONDS = 10_000, 600.0
BUSY_SECONDS = 1


@dataclass
class Limits:
    """What one mailbox bears, from every app."""

    at_once: int = MOST_AT_ONCE
    requests: int = MOST_REQUESTS
    window_seconds: float = WINDOW_SECONDS


@dataclass
class Use:
    """One app's requests for one mailbox; ``began_at`` is when its running window did, on the sandbox's clock."""

    account: str
    client_id: str
    in_flight: int = 0
    most_in_flight: int = 0
    began_at: float = 0.0
    requests: int = 0
    total: int = 0
    refused: int = 0


class Throttle:
    """Every app's use of every mailbox. The world's lock guards it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Nothing used, Outlook's own limits."""
        self.limits: dict[str, Limits] = {}
        self.uses: dict[tuple[str, str], Use] = {}

    def limit(self, account: str, limits: Limits) -> None:
        """Set an account's limits; its windows begin anew."""
        self.limits[account] = limits
        for use in self.uses.values():
            if use.account == account:
                use.requests, use.began_at = 0, 0.0

    def enter(self, account: str, client_id: str) -> Use:
        """Count a request; GraphError 429 for one too many, which counts as well. Who is let in counts
        as in flight until he takes himself off."""
        limits = self.limits.get(account, Limits())
        use = self.uses.setdefault((account, client_id), Use(account, client_id))
        now = self._clock.now().timestamp()
        if not use.began_at <= now < use.began_at + limits.window_seconds:
            use.began_at, use.requests = now, 0
        use.requests += 1
        if use.requests > limits.requests:
            use.refused += 1
            raise throttled("RequestRate", ceil(use.began_at + limits.window_seconds - now))
        if use.in_flight >= limits.at_once:
            use.refused += 1
            raise throttled("MailboxConcurrency", BUSY_SECONDS)
        use.total += 1
        use.in_flight += 1
        use.most_in_flight = max(use.most_in_flight, use.in_flight)
        return use

    def listing(self) -> list[dict[str, Any]]:
        """Every use as JSON."""
        return [asdict(use) for use in self.uses.values()]


def throttled(limit: str, seconds: int) -> GraphError:
    """The refusal, and when to come back."""
    message = f"Application is over its {limit} limit."
    return GraphError(429, "ApplicationThrottled", message, {"Retry-After": str(max(seconds, 1))})
