"""A token bucket per process: the cheapest brake there is, in front of everything that costs something."""

import threading
import time


class Bucket:
    """Lets ``rate`` requests per second pass, and as many at once. A rate of 0 lets everything pass."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._tokens = rate
        self._filled_at = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        """0 if the request may pass, otherwise the seconds after which the next one may."""
        if self.rate <= 0:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self.rate, self._tokens + (now - self._filled_at) * self.rate)
            self._filled_at = now
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / self.rate
