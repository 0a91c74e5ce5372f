"""Calendar's push channels and the threads that send their messages.

https://developers.google.com/workspace/calendar/api/guides/push
"""

import hashlib
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from threading import Thread
from typing import Any
from urllib.parse import quote

import requests

from sandbox.clock import iso
from sandbox.google.outbox import Message, Outbox
from sandbox.world import World

THREADS = 4
TRIES = 8
FIRST_DELAY_SECONDS = 0.2
SEND_SECONDS = 10.0
LATE_SECONDS, REORDER_SECONDS = 1.0, 0.5
ACCEPTED = frozenset({102, 200, 201, 202, 204})
RETRIED = frozenset({500, 502, 503, 504, "unreachable"})

logger = logging.getLogger("sandbox.push")


@dataclass
class Channel:
    """A push channel. ``expires_at`` is milliseconds since 1970; ``number`` that of the last message."""

    id: str
    calendar_id: str
    account: str
    client_id: str
    address: str
    token: str
    expires_at: int
    number: int = 0

    @property
    def resource_id(self) -> str:
        """The same for all channels of one calendar."""
        return hashlib.sha256(self.calendar_id.encode()).hexdigest()[:26]

    @property
    def resource_uri(self) -> str:
        """The watched collection, by Google's own address."""
        return f"https://www.googleapis.com/calendar/v3/calendars/{quote(self.calendar_id, safe='@')}/events"

    def next_number(self) -> int:
        """1 for the first message, then rising with gaps, as Google's do."""
        self.number = 1 if self.number == 0 else self.number + 1 + self.number % 3
        return self.number


class Pushes:
    """The channels and their outbox. The world's lock guards the channels."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.channels: dict[str, Channel] = {}
        self.is_sync_before_reply = False
        self._outbox = Outbox()
        self._threads: list[Thread] = []

    def reset(self) -> None:
        """No channels; messages not sent yet are thrown away."""
        self.channels.clear()
        self.is_sync_before_reply = False
        self._outbox.clear()

    def stop(self) -> None:
        """End the sender threads."""
        self._outbox.close()
        for thread in self._threads:
            thread.join()

    def pending(self) -> int:
        """Messages not finished yet."""
        return self._outbox.pending()

    def announce(self, calendar_id: str, times: int = 1) -> None:
        """Something changed: ``exists`` to every live channel of the calendar."""
        for channel in list(self.channels.values()):
            if channel.calendar_id == calendar_id:
                for _ in range(times):
                    self.send(channel, "exists")

    def repeat(self, calendar_id: str, times: int) -> None:
        """``exists`` to every live channel ``times`` over, as one message with one number."""
        for channel in list(self.channels.values()):
            if channel.calendar_id == calendar_id and self._is_live(channel):
                number = channel.next_number()
                for _ in range(times):
                    self._enqueue(channel, "exists", number)

    def send(self, channel: Channel, state: str) -> None:
        """Queue one message, unless the channel has expired."""
        if self._is_live(channel):
            self._enqueue(channel, state, channel.next_number())

    def expire(self, calendar_id: str | None) -> None:
        """Channels, of one calendar or all, go silent now."""
        for channel in self.channels.values():
            if calendar_id in (None, channel.calendar_id):
                channel.expires_at = self._now_ms()

    def listing(self) -> list[dict[str, Any]]:
        """All channels as JSON."""
        return [
            {**asdict(channel), "resource_id": channel.resource_id, "is_live": self._is_live(channel)}
            for channel in self.channels.values()
        ]

    def dump(self) -> list[dict[str, Any]]:
        """The channels as JSON; messages on their way are not kept."""
        return [asdict(channel) for channel in self.channels.values()]

    def load(self, saved: list[dict[str, Any]]) -> None:
        """Take over what ``dump`` gave."""
        self.channels = {one["id"]: Channel(**one) for one in saved}

    def _enqueue(self, channel: Channel, state: str, number: int) -> None:
        message = Message(channel.id, channel.address, state, number, headers(channel, state, number))
        fault = self._world.faults.take("push", channel.account)
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
            names = [f"sandbox-push-{number}" for number in range(THREADS)]
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
                    logger.exception("push %s to channel %s failed", message.number, message.channel_id)
                self._outbox.settle(lane, message, delay)

    def _try(self, session: requests.Session, message: Message, tries: int) -> float | None:
        """Send once. Returns the seconds to wait before the next try, None when done with the message."""
        with self._world.lock:
            channel = self.channels.get(message.channel_id)
            if channel is None or not self._is_live(channel):
                return None
        status = post(session, message)
        is_final = status not in RETRIED or tries + 1 >= TRIES
        with self._world.lock:
            self._world.pushes.count("retried" if tries else "sent")
            if status in ACCEPTED:
                self._world.pushes.count("accepted")
            elif is_final:
                self._world.pushes.count("refused")
            self._note(message, status)
        return None if is_final else FIRST_DELAY_SECONDS * 2**tries

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

    def _is_live(self, channel: Channel) -> bool:
        return channel.expires_at > self._now_ms()

    def _now_ms(self) -> int:
        return int(self._world.clock.now().timestamp() * 1000)


def headers(channel: Channel, state: str, number: int) -> dict[str, str]:
    """The message: it is all headers. The expiry is a date for people."""
    expiry = datetime.fromtimestamp(channel.expires_at / 1000, UTC)
    sent = {
        "Content-Type": "application/json; utf-8",
        "X-Goog-Channel-ID": channel.id,
        "X-Goog-Channel-Expiration": format_datetime(expiry, usegmt=True),
        "X-Goog-Resource-ID": channel.resource_id,
        "X-Goog-Resource-URI": channel.resource_uri,
        "X-Goog-Resource-State": state,
        "X-Goog-Message-Number": str(number),
        "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
    }
    if channel.token:
        sent["X-Goog-Channel-Token"] = channel.token
    return sent


def post(session: requests.Session, message: Message) -> int | str:
    """The receiver's status, or "unreachable"."""
    try:
        answer = session.post(
            message.address, data=b"", headers=message.headers, timeout=SEND_SECONDS, allow_redirects=False
        )
    except requests.RequestException:
        return "unreachable"
    return answer.status_code
