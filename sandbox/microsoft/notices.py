"""Notifications on their way: gathered into few requests, tried again for four hours.

https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.outbox import Message
from sandbox.sender import Sender, until_accepted
from sandbox.world import World

RETENTION = timedelta(hours=4)
FIRST_SECONDS, AGAIN_SECONDS = 3.0, 10.0
"""What a receiver has for the first answer, and at each try after that."""
MOST_ITEMS = 100
HEADERS = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Microsoft-Graph-Notifications"}
Json = dict[str, Any]


@dataclass(eq=False)
class Parcel:
    """One request: ``items`` are added until it is first tried. ``kind`` is ``change`` or ``lifecycle``."""

    address: str
    kind: str
    number: int
    items: list[Json] = field(default_factory=list)
    gone_at: datetime | None = None

    @property
    def subscription_ids(self) -> set[str]:
        """Whose notifications it carries."""
        return {item["subscriptionId"] for item in self.items}


class Notices:
    """Parcels by address. ``gave_up`` hears of those nobody took. The world's lock guards it.

    What changes while the world's lock is held, such as in one order of the control API, goes out in one request.
    """

    def __init__(self, world: World, gave_up: Callable[[set[str]], None]) -> None:
        self._world = world
        self._gave_up = gave_up
        self._sender = Sender(world, "sandbox-graph")
        self._open: dict[str, Parcel] = {}

    def clear(self) -> None:
        """Throw away what is not sent yet."""
        self._open.clear()
        self._sender.clear()

    def stop(self) -> None:
        """End the sender's threads."""
        self._sender.stop()

    def pending(self) -> int:
        """Requests not finished yet."""
        return self._sender.pending()

    def put(self, address: str, item: Json, account: str) -> None:
        """Send a change of an account's mailbox, with others to the same address if a fault does not single it out."""
        if fault := self._world.faults.take("push", account):
            self._sender.dispatch(self._message(self._parcel(address, "change", item)), fault)
            return
        parcel = self._open.get(address)
        if parcel is not None and len(parcel.items) < MOST_ITEMS:
            parcel.items.append(item)
            return
        self._open[address] = self._parcel(address, "change", item)
        self._sender.dispatch(self._message(self._open[address]), None)

    def put_lifecycle(self, address: str, item: Json) -> None:
        """Send a lifecycle notification: by itself, and past every fault, for it tells of them."""
        self._sender.dispatch(self._message(self._parcel(address, "lifecycle", item)), None)

    def _parcel(self, address: str, kind: str, item: Json) -> Parcel:
        return Parcel(address, kind, self._world.clock.stamp(), [item])

    def _message(self, parcel: Parcel) -> Message:
        # Graph promises no order: every request has a lane of its own.
        return Message(
            channel_id=f"{parcel.address} {parcel.number}",
            address=parcel.address,
            state=parcel.kind,
            number=parcel.number,
            headers=lambda: HEADERS,
            is_wanted=lambda: self._is_kept(parcel),
            next_try=until_accepted,
            body=lambda: self._written(parcel),
            patience=lambda tries: AGAIN_SECONDS if tries else FIRST_SECONDS,
        )

    def _is_kept(self, parcel: Parcel) -> bool:
        if parcel.gone_at is None or self._world.clock.now() < parcel.gone_at:
            return True
        if parcel.kind == "change":
            self._gave_up(parcel.subscription_ids)
        return False

    def _written(self, parcel: Parcel) -> bytes:
        """The body, the same at every try: from the first one on nothing is added."""
        if self._open.get(parcel.address) is parcel:
            del self._open[parcel.address]
        parcel.gone_at = parcel.gone_at or self._world.clock.now() + RETENTION
        return json.dumps({"value": parcel.items}).encode()
