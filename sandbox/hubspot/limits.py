"""How often a portal may be asked: by each app in ten seconds, by all for searches in one, and in a day.

https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.clock import Clock
from sandbox.hubspot.errors import RateLimited

MOST, WINDOW_SECONDS, MOST_SEARCHES = 110, 10.0, 5


@dataclass
class Limits:
    """What one portal bears. ``daily`` None is no limit, as for apps that came by OAuth."""

    most: int = MOST
    seconds: float = WINDOW_SECONDS
    searches: int = MOST_SEARCHES
    daily: int | None = None


@dataclass
class Use:
    """What was asked of one portal: ``windows`` are the moments of the last calls, by app; searches by nobody."""

    limits: Limits = field(default_factory=Limits)
    windows: dict[str, deque[float]] = field(default_factory=dict)
    searches: deque[float] = field(default_factory=deque)
    today: int = 0
    total: int = 0
    refused: int = 0


class Meter:
    """Every portal's use, on the sandbox's clock. The world's lock guards it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.uses: dict[int, Use] = {}

    def reset(self) -> None:
        """Nothing used, HubSpot's own limits."""
        self.uses.clear()

    def use(self, portal_id: int) -> Use:
        """What was asked of a portal."""
        return self.uses.setdefault(portal_id, Use())

    def enter(self, portal_id: int, client_id: str, *, is_search: bool) -> dict[str, str]:
        """Count a call; RateLimited for one too many. Returns the headers of its answer: a search has none."""
        use, now = self.use(portal_id), self._clock.now().timestamp()
        limits = use.limits
        if limits.daily is not None and use.today >= limits.daily:
            raise self._refused(use, "DAILY")
        if is_search:
            window, most, policy = recent(use.searches, now, 1.0), limits.searches, "SECONDLY"
        else:
            known = use.windows.setdefault(client_id, deque())
            window, most, policy = recent(known, now, limits.seconds), limits.most, "TEN_SECONDLY_ROLLING"
        if len(window) >= most:
            raise self._refused(use, policy)
        window.append(now)
        use.today, use.total = use.today + 1, use.total + 1
        return {} if is_search else headers(limits, len(window), len([at for at in window if at > now - 1]))

    def fill(self, portal_id: int, client_id: str, used: int) -> None:
        """As if an app had just made so many calls."""
        self.use(portal_id).windows[client_id] = deque([self._clock.now().timestamp()] * used)

    def listing(self) -> list[dict[str, Any]]:
        """Every portal's use as JSON."""
        now = self._clock.now().timestamp()
        return [
            {
                "portal": portal_id,
                **asdict(use.limits),
                "in_window": {name: len(recent(one, now, use.limits.seconds)) for name, one in use.windows.items()},
                "today": use.today,
                "total": use.total,
                "refused": use.refused,
            }
            for portal_id, use in self.uses.items()
        ]

    def _refused(self, use: Use, policy: str) -> RateLimited:
        use.refused += 1
        return RateLimited(policy)


def recent(window: deque[float], now: float, seconds: float) -> deque[float]:
    """The window without what is past, and without what a clock that was set back left in the future."""
    while window and not now - seconds < window[0] <= now:
        window.popleft()
    return window


def headers(limits: Limits, used: int, used_in_second: int) -> dict[str, str]:
    """What an answer says of the limit."""
    secondly = max(limits.most // 10, 1)
    return {
        "X-HubSpot-RateLimit-Max": str(limits.most),
        "X-HubSpot-RateLimit-Remaining": str(limits.most - used),
        "X-HubSpot-RateLimit-Interval-Milliseconds": str(round(limits.seconds * 1000)),
        "X-HubSpot-RateLimit-Secondly": str(secondly),
        "X-HubSpot-RateLimit-Secondly-Remaining": str(max(secondly - used_in_second, 0)),
    }
