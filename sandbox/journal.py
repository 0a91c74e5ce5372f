"""What has been asked of the sandbox: counts per operation and the last 500 calls."""

from collections import Counter, deque
from typing import Any

KEPT = 500


class Journal:
    """Counts and last entries of one kind of traffic. The world's lock guards it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._last: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def count(self, name: str) -> None:
        """One more of ``name``."""
        self._counts[name] += 1

    def note(self, entry: dict[str, Any]) -> None:
        """Remember one entry; the oldest of more than 500 is forgotten."""
        self._last.append(entry)

    def clear(self) -> None:
        """Forget everything."""
        self._counts.clear()
        self._last.clear()

    def listing(self) -> dict[str, Any]:
        """``{"counts": {name: n}, "last": [entries, oldest first]}``."""
        return {"counts": dict(self._counts), "last": list(self._last)}
