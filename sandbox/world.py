"""Everything the sandbox remembers, behind one lock."""

from datetime import timedelta
from threading import Event, RLock
from typing import Any, Protocol

from sandbox.clock import Clock
from sandbox.faults import FaultBook
from sandbox.journal import Journal


class ProviderState(Protocol):
    """What one pretend provider remembers."""

    def reset(self) -> None:
        """Forget everything."""

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""

    def pending_pushes(self) -> int:
        """Messages not finished yet."""

    def stop(self) -> None:
        """End the threads."""


class World:
    """The clock, the faults, the record of calls and each provider's state.

    ``lock`` guards all of it. ``stopping`` ends every wait. ``is_dirty`` asks for a new snapshot.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.clock = Clock()
        self.faults = FaultBook()
        self.requests = Journal()
        self.pushes = Journal()
        self.latency_seconds = 0.0
        self.stopping = Event()
        self.is_dirty = Event()
        self.states: dict[str, ProviderState] = {}

    def reset(self) -> None:
        """An empty world: no accounts, no faults, no record, real time."""
        with self.lock:
            for state in self.states.values():
                state.reset()
            self.faults.clear()
            self.requests.clear()
            self.pushes.clear()
            self.latency_seconds = 0.0
            self.clock.offset = timedelta()
        self.is_dirty.set()

    def dump(self) -> dict[str, Any]:
        """What survives a restart: the clock's offset and the providers' states, not faults nor records."""
        with self.lock:
            return {
                "offset_seconds": self.clock.offset.total_seconds(),
                "providers": {slug: state.dump() for slug, state in self.states.items()},
            }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave; a provider this sandbox does not have is skipped."""
        with self.lock:
            self.clock.offset = timedelta(seconds=saved["offset_seconds"])
            for slug, state in self.states.items():
                if slug in saved["providers"]:
                    state.load(saved["providers"][slug])

    def wait(self, seconds: float) -> None:
        """Let real time pass, unless the sandbox is stopping."""
        self.stopping.wait(seconds)
