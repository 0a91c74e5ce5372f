"""Gmail's quota: units per user and minute, counted on the sandbox's clock.

https://developers.google.com/workspace/gmail/api/reference/quota (prices and limit as of May 2026)
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Clock

UNITS_PER_MINUTE = 6_000
PRICES = {
    "gmail.users.getProfile": 1,
    "gmail.users.messages.list": 5,
    "gmail.users.messages.get": 20,
    "gmail.users.threads.list": 10,
    "gmail.users.threads.get": 40,
    "gmail.users.history.list": 2,
    "gmail.users.labels.list": 1,
    "gmail.users.labels.get": 1,
    "gmail.users.watch": 100,
    "gmail.users.stop": 50,
    "gmail.users.settings.sendAs.list": 1,
    "gmail.users.settings.sendAs.get": 1,
}
MINUTE_SECONDS = 60
# The client counted before its call was on its way: its minute began a little earlier than ours.
GRACE_SECONDS = 1


@dataclass
class Use:
    """What one account used: in its running minute, the most in any minute, and ever."""

    began_at: float = 0.0
    minute: int = 0
    most: int = 0
    total: int = 0
    refused: int = 0
    units: Counter[str] = field(default_factory=Counter)


class Meter:
    """Every account's use. ``limit`` of None lets all through; ``status`` is 403 or 429. The world's lock guards it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Nothing used, Google's own limit."""
        self.limit: int | None = UNITS_PER_MINUTE
        self.status = 403
        self.uses: dict[str, Use] = {}

    def pay(self, account: str, operation: str) -> bool:
        """Count a call; False for one over the limit, which costs nothing."""
        use, price, now = self.uses.setdefault(account, Use()), PRICES[operation], self._clock.now().timestamp()
        if not use.began_at <= now < use.began_at + MINUTE_SECONDS:
            use.began_at, use.minute = now - GRACE_SECONDS, 0
        if self.limit is not None and use.minute + price > self.limit:
            use.refused += 1
            return False
        use.minute += price
        use.most = max(use.most, use.minute)
        use.total += price
        use.units[operation] += price
        return True

    def listing(self) -> dict[str, Any]:
        """The limit and every account's use as JSON."""
        accounts = {
            account: {
                "minute": use.minute,
                "most_in_a_minute": use.most,
                "total": use.total,
                "refused": use.refused,
                "by_operation": dict(use.units),
            }
            for account, use in self.uses.items()
        }
        return {"units_per_minute": self.limit, "status": self.status, "accounts": accounts}
