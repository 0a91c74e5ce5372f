"""What apps are told of changes: lists of events, signed, in no order, tried up to ten times more.

https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide
"""

import json
import random
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.control import ControlError
from sandbox.hubspot import signatures
from sandbox.hubspot.tokens import Tokens
from sandbox.hubspot.writing import Change
from sandbox.outbox import Message
from sandbox.sender import ACCEPTED, Sender
from sandbox.world import World

Json = dict[str, Any]
MOST_EVENTS, RETRIES, PATIENCE_SECONDS, LONGEST_DELAY_SECONDS = 100, 10, 5.0, 10.0
STYLES = ("named", "generic")
FORGERIES = ("", "signature", "stale", "future", "none")
AGENT = "HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: webhooks-nio-http-client)"
HOUR_MS = 3_600_000


@dataclass
class Options:
    """How webhooks go out. ``targets`` are addresses by client id, "" for any client.

    ``signed_as`` is the address that is signed, where a proxy stands before the target. ``style`` is ``named``
    (contact.creation) or ``generic`` (object.creation). ``properties`` are those subscribed to, all if empty.
    ``forge`` is what is wrong with the signature. ``retry_seconds`` come before the first retry, then twice as many.
    """

    targets: dict[str, str] = field(default_factory=dict)
    signed_as: str = ""
    style: str = "named"
    properties: list[str] = field(default_factory=list)
    shuffle: bool = False
    duplicate: bool = False
    forge: str = ""
    retry_seconds: float = 0.2


@dataclass(eq=False)
class Parcel:
    """One request: ``items`` are added until it is first tried."""

    address: str
    client_id: str
    number: int
    items: list[Json]
    tries: int = -1
    body: bytes = b""


class Webhooks:
    """The options and the sender. The world's lock guards the options."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens
        self._sender = Sender(world, "sandbox-hubspot")
        self._open: dict[tuple[str, str, int], Parcel] = {}
        self.options = Options()

    def reset(self) -> None:
        """No targets; what is not sent yet is thrown away."""
        self.options = Options()
        self._open.clear()
        self._sender.clear()

    def stop(self) -> None:
        """End the sender's threads."""
        self._sender.stop()

    def pending(self) -> int:
        """Requests not finished yet."""
        return self._sender.pending()

    def change_options(self, changes: Json) -> None:
        """Set some options; ControlError for one that is none."""
        options = Options(**(asdict(self.options) | changes))
        if options.style not in STYLES or options.forge not in FORGERIES:
            raise ControlError(f"style is one of {', '.join(STYLES)}; forge one of {', '.join(FORGERIES)}")
        self.options = options

    def announce(self, changes: Sequence[Change]) -> None:
        """Tell every installed client that has a target. All events of a record have one eventId: it is not unique."""
        event_ids: dict[tuple[int, str, int], int] = {}
        for change in changes:
            name = change.facts.get("propertyName")
            if name and self.options.properties and name not in self.options.properties:
                continue
            key = change.portal.id, change.kind.name, change.object_id
            event_id = event_ids.setdefault(key, self._world.clock.stamp() % 10**10)
            for client_id in self._tokens.installed(change.portal.id):
                address = self.options.targets.get(client_id) or self.options.targets.get("")
                if address:
                    self._put(address, client_id, self._event(change, client_id, event_id), str(change.portal.id))

    def _event(self, change: Change, client_id: str, event_id: int) -> Json:
        is_generic = self.options.style == "generic"
        name = f"{'object' if is_generic else change.kind.singular}.{change.event}"
        subscription = zlib.crc32(f"{client_id} {name} {change.facts.get('propertyName')}".encode()) % 10**7
        event: Json = {
            "eventId": event_id,
            "subscriptionId": subscription,
            "portalId": change.portal.id,
            "appId": self._tokens.app_id(client_id),
            "occurredAt": change.at_ms,
            "subscriptionType": name,
            "attemptNumber": 0,
        }
        if is_generic:
            event["objectTypeId"] = change.kind.type_id
        if change.event != "associationChange":
            event["objectId"] = change.object_id
        event |= change.facts | {"changeSource": change.source.type, "sourceId": change.source.id}
        return event | ({"isSensitive": False} if change.event == "propertyChange" else {})

    def _put(self, address: str, client_id: str, item: Json, account: str) -> None:
        """Send an event with others, unless a fault singles it out; twice if ordered so."""
        if fault := self._world.faults.take("push", account):
            parcel = Parcel(address, client_id, self._world.clock.stamp(), [item])
            self._sender.dispatch(self._message(parcel), fault)
            return
        for copy in range(2 if self.options.duplicate else 1):
            key = address, client_id, copy
            known = self._open.get(key)
            if known is not None and len(known.items) < MOST_EVENTS:
                known.items.append(dict(item))
                continue
            self._open[key] = Parcel(address, client_id, self._world.clock.stamp(), [dict(item)])
            self._sender.dispatch(self._message(self._open[key]), None)

    def _message(self, parcel: Parcel) -> Message:
        # HubSpot promises no order: every request has a lane of its own.
        return Message(
            channel_id=f"{parcel.address} {parcel.number}",
            address=parcel.address,
            state="events",
            number=parcel.number,
            headers=lambda: self._headers(parcel),
            is_wanted=lambda: True,
            next_try=self._next_try,
            body=lambda: parcel.body,
            patience=lambda tries: PATIENCE_SECONDS,
        )

    def _headers(self, parcel: Parcel) -> dict[str, str]:
        """Called at each try, before the body is: writes the body too, with the number of the attempt."""
        for key, one in list(self._open.items()):
            if one is parcel:
                del self._open[key]
                if self.options.shuffle:
                    random.shuffle(parcel.items)
        parcel.tries += 1
        for item in parcel.items:
            item["attemptNumber"] = parcel.tries
        parcel.body = json.dumps(parcel.items, ensure_ascii=False, separators=(",", ":")).encode()
        return self._signed(parcel)

    def _signed(self, parcel: Parcel) -> dict[str, str]:
        """Real time, whatever the sandbox's clock says: the receiver has no other."""
        forge = self.options.forge
        at_ms = int(time.time() * 1000) + {"stale": -HOUR_MS, "future": HOUR_MS}.get(forge, 0)
        client = self._tokens.clients.get(parcel.client_id)
        secret = "forged" if forge == "signature" else client.secret if client else ""
        address, timestamp = self.options.signed_as or parcel.address, str(at_ms)
        headers = {"Content-Type": "application/json", "User-Agent": AGENT}
        if forge == "none":
            return headers
        return headers | {
            "X-HubSpot-Signature": signatures.version_1(secret, parcel.body),
            "X-HubSpot-Signature-Version": "v1",
            "X-HubSpot-Signature-v3": signatures.version_3(secret, "POST", address, parcel.body, timestamp),
            "X-HubSpot-Request-Timestamp": timestamp,
        }

    def _next_try(self, status: int | str, tries: int) -> float | None:
        if status in ACCEPTED or tries >= RETRIES:
            return None
        return min(self.options.retry_seconds * 2**tries, LONGEST_DELAY_SECONDS)

    def dump(self) -> Json:
        """The options as JSON; events on their way are not kept."""
        return asdict(self.options)

    def load(self, saved: Json) -> None:
        """Take over what ``dump`` gave."""
        self.options = Options(**saved)
