"""Calendar's push channels and their messages.

https://developers.google.com/workspace/calendar/api/guides/push
"""

import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from sandbox.outbox import Message
from sandbox.sender import Sender
from sandbox.world import World

TRIES = 8
FIRST_DELAY_SECONDS = 0.2
RETRIED = frozenset({500, 502, 503, 504, "unreachable"})


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
    """The channels and their sender. The world's lock guards the channels."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.channels: dict[str, Channel] = {}
        self.is_sync_before_reply = False
        self._sender = Sender(world, "sandbox-push")

    def reset(self) -> None:
        """No channels; messages not sent yet are thrown away."""
        self.channels.clear()
        self.is_sync_before_reply = False
        self._sender.clear()

    def stop(self) -> None:
        """End the sender's threads."""
        self._sender.stop()

    def pending(self) -> int:
        """Messages not finished yet."""
        return self._sender.pending()

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
        sent = headers(channel, state, number)
        message = Message(
            channel_id=channel.id,
            address=channel.address,
            state=state,
            number=number,
            headers=lambda: sent,
            is_wanted=lambda: channel.id in self.channels and self._is_live(self.channels[channel.id]),
            next_try=next_try,
        )
        self._sender.send(message, channel.account)

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


def next_try(status: int | str, tries: int) -> float | None:
    """Server errors are tried again, everything else is final."""
    return FIRST_DELAY_SECONDS * 2**tries if status in RETRIED and tries + 1 < TRIES else None
