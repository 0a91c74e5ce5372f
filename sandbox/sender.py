"""The threads that send push messages, and the faults that befall them on the way."""

import logging
from threading import Thread

import requests

from sandbox.clock import iso
from sandbox.faults import Fault
from sandbox.outbox import Message, Outbox
from sandbox.world import World

THREADS = 4
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.2, 10.0
LATE_SECONDS, REORDER_SECONDS = 1.0, 0.5
ACCEPTED = frozenset({102, 200, 201, 202, 204})

logger = logging.getLogger("sandbox.push")


class Sender:
    """Sends messages in the background and writes down how each try went. ``name`` is for its threads."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._outbox = Outbox()
        self._threads: list[Thread] = []

    def clear(self) -> None:
        """Throw away what is not sent yet."""
        self._outbox.clear()

    def stop(self) -> None:
        """End the threads."""
        self._outbox.close()
        for thread in self._threads:
            thread.join()

    def pending(self) -> int:
        """Messages not finished yet."""
        return self._outbox.pending()

    def send(self, message: Message, account: str) -> None:
        """Queue a message about an account, unless a fault takes it."""
        self.dispatch(message, self._world.faults.take("push", account))

    def dispatch(self, message: Message, fault: Fault | None) -> None:
        """Queue a message, or do to it what the fault says."""
        kind = fault.kind if fault else ""
        if kind == "lost":
            self._world.pushes.count("lost")
            self._note(message, "lost")
            return
        self._start_threads()
        delay = fault.seconds if fault else None
        if kind == "late":
            self._outbox.add(message, LATE_SECONDS if delay is None else delay, is_in_order=False)
        elif kind == "reordered":
            self._outbox.add(message, REORDER_SECONDS if delay is None else delay, is_in_order=False)
        else:
            for _ in range(2 if kind == "doubled" else 1):
                self._outbox.add(message)

    def _start_threads(self) -> None:
        if not self._threads:
            names = [f"{self._name}-{number}" for number in range(THREADS)]
            self._threads = [Thread(target=self._run, name=name, daemon=True) for name in names]
            for thread in self._threads:
                thread.start()

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (taken := self._outbox.take()) is not None:
                lane, message, tries = taken
                delay = None
                try:
                    delay = self._try(session, message, tries)
                except Exception:
                    # A message that cannot be sent must not end the thread that sends all others.
                    logger.exception("push %s to channel %s failed", message.number, message.channel_id)
                self._outbox.settle(lane, message, delay)

    def _try(self, session: requests.Session, message: Message, tries: int) -> float | None:
        """Send once. Returns the seconds to wait before the next try, None when done with the message."""
        with self._world.lock:
            if not message.is_wanted():
                return None
            headers, body = message.headers(), message.body()
        status = post(session, message, headers, body, tries)
        delay = message.next_try(status, tries)
        with self._world.lock:
            self._world.pushes.count("retried" if tries else "sent")
            if status in ACCEPTED:
                self._world.pushes.count("accepted")
            elif delay is None:
                self._world.pushes.count("refused")
            self._note(message, status)
        return delay

    def _note(self, message: Message, status: int | str) -> None:
        self._world.pushes.note(
            {
                "channel": message.channel_id,
                "number": message.number,
                "state": message.state,
                "status": status,
                "at": iso(self._world.clock.now()),
            }
        )


def until_accepted(status: int | str, tries: int) -> float | None:
    """A ``next_try``: whatever is no acknowledgement brings the message again, ever more slowly."""
    return None if status in ACCEPTED else min(FIRST_DELAY_SECONDS * 2**tries, LONGEST_DELAY_SECONDS)


def post(session: requests.Session, message: Message, headers: dict[str, str], body: bytes, tries: int) -> int | str:
    """The receiver's status, or "unreachable"."""
    patience = message.patience(tries)
    try:
        answer = session.post(message.address, data=body, headers=headers, timeout=patience, allow_redirects=False)
    except requests.RequestException:
        return "unreachable"
    return message.verdict(answer)
