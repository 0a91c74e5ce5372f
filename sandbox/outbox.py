"""Messages waiting to be sent: in order within a lane, lanes side by side, nothing before its time."""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from threading import Condition
from time import monotonic

import requests


@dataclass(frozen=True, eq=False)
class Message:
    """One push message. Messages of one ``channel_id`` go out in order.

    ``headers`` and ``body`` are written at each try, ``is_wanted`` says before it whether anybody still listens, and
    ``next_try`` after it in how many seconds to try again: by the status, "unreachable" without one, and the tries
    before. ``patience`` is how many seconds the receiver has, by the tries before. ``verdict`` makes a status of its
    answer, for those who read more than that.
    """

    channel_id: str
    address: str
    state: str
    number: int
    headers: Callable[[], dict[str, str]]
    is_wanted: Callable[[], bool]
    next_try: Callable[[int | str, int], float | None]
    body: Callable[[], bytes] = bytes
    patience: Callable[[int], float] = lambda tries: 10.0
    verdict: Callable[[requests.Response], int | str] = lambda answer: answer.status_code


@dataclass
class _Waiting:
    message: Message
    tries: int = 0


class Outbox:
    """One lane per channel; a message outside the order gets a lane of its own. Safe for many threads.

    A lane is due, or being sent, or empty: so its messages go out strictly one after the other.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._lanes: dict[str, deque[_Waiting]] = {}
        self._due: list[tuple[float, int, str]] = []
        self._serial = count()
        self._is_closed = False

    def add(self, message: Message, delay: float = 0.0, *, is_in_order: bool = True) -> None:
        """Queue a message, due in ``delay`` seconds of real time."""
        with self._condition:
            lane = message.channel_id if is_in_order else f"{message.channel_id} {next(self._serial)}"
            if lane not in self._lanes:
                self._lanes[lane] = deque()
                self._schedule(lane, delay)
            self._lanes[lane].append(_Waiting(message))

    def take(self) -> tuple[str, Message, int] | None:
        """The next due message with its lane and the tries it had; waits for one. None when closed."""
        with self._condition:
            while not self._is_closed:
                wait = self._due[0][0] - monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._condition.wait(wait)
                    continue
                lane = heapq.heappop(self._due)[2]
                if lane in self._lanes:
                    waiting = self._lanes[lane][0]
                    return lane, waiting.message, waiting.tries
            return None

    def settle(self, lane: str, message: Message, delay: float | None) -> None:
        """Done with a message that was taken, or (``delay`` seconds) to be tried again."""
        with self._condition:
            waiting = self._lanes.get(lane)
            if waiting is None or waiting[0].message is not message:
                return
            if delay is None:
                waiting.popleft()
            else:
                waiting[0].tries += 1
            if waiting:
                self._schedule(lane, delay or 0.0)
            else:
                del self._lanes[lane]

    def pending(self) -> int:
        """Messages not done with."""
        with self._condition:
            return sum(map(len, self._lanes.values()))

    def clear(self) -> None:
        """Throw all messages away."""
        with self._condition:
            self._lanes.clear()
            self._due.clear()

    def close(self) -> None:
        """Wake every thread and give them nothing more."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    def _schedule(self, lane: str, delay: float) -> None:
        heapq.heappush(self._due, (monotonic() + delay, next(self._serial), lane))
        self._condition.notify()
