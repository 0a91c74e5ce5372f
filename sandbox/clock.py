"""The sandbox's own time: real time plus an offset that tests move."""

from datetime import UTC, datetime, timedelta
from threading import Lock


class Clock:
    """Sandbox time in UTC. It runs as fast as real time, and jumps when told to."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self._last_stamp = 0
        self._lock = Lock()

    def now(self) -> datetime:
        """The sandbox's time, aware, in UTC."""
        return datetime.now(UTC) + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock by ``seconds``; a negative number moves it back."""
        self.offset += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Make ``moment`` (aware) the present."""
        self.offset = moment - datetime.now(UTC)

    def stamp(self) -> int:
        """Microseconds since 1970, never the same number twice: two changes must not share an etag."""
        with self._lock:
            micros = int(self.now().timestamp() * 1_000_000)
            self._last_stamp = max(micros, self._last_stamp + 1) if self._is_forward(micros) else micros
            return self._last_stamp

    def _is_forward(self, micros: int) -> bool:
        """Whether ``micros`` is no more than a second behind: more than that, the clock was moved back."""
        return micros > self._last_stamp - 1_000_000


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and a ``Z``, as Google writes ``updated``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def readable(seconds: float) -> str:
    """Seconds since 1970 as pages for people write them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def parse_instant(text: str) -> datetime:
    """RFC 3339 with an offset or ``Z`` → aware UTC; ValueError for anything else, also without an offset."""
    moment = datetime.fromisoformat(text)
    if "T" not in text.upper() or moment.tzinfo is None:
        raise ValueError(f"not a time with an offset: {text!r}")
    return moment.astimezone(UTC)
