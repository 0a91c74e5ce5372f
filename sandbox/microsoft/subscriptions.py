"""Subscriptions: who wants to hear of what, and what they are told.

https://learn.microsoft.com/graph/api/resources/subscription
https://learn.microsoft.com/graph/outlook-change-notifications-overview
https://learn.microsoft.com/graph/change-notifications-lifecycle-events
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.microsoft.notices import Notices
from sandbox.world import World

TYPES = {"events": "Event", "messages": "Message"}
CHANGES = ("created", "updated", "deleted")
LIFECYCLE = ("reauthorizationRequired", "subscriptionRemoved", "missed")
Json = dict[str, Any]


@dataclass
class Subscription:
    """One app's wish to hear of one mailbox. ``kind`` is ``events`` or ``messages``, ``folder`` empty for all folders.

    ``account`` signs in as that, ``resource`` stands as it was asked for, ``expires_at`` is seconds since 1970.
    While ``is_paused`` nothing is sent and what changes is lost, until it is renewed or authorized again.
    """

    id: str
    account: str
    oid: str
    tenant: str
    client_id: str
    resource: str
    kind: str
    folder: str
    changes: list[str]
    notification_url: str
    lifecycle_url: str
    client_state: str
    expires_at: float
    is_immutable: bool
    is_paused: bool = False

    @property
    def combination(self) -> tuple[str, str, str, str, tuple[str, ...]]:
        """What no two live subscriptions have in common."""
        return self.client_id, self.account, self.kind, self.folder.lower(), tuple(sorted(self.changes))

    @property
    def expiration(self) -> str:
        """Its end, as Graph writes it."""
        return written(self.expires_at)

    def wants(self, kind: str, change: str, folders: Iterable[str]) -> bool:
        """Whether a change is what it asked for; ``folders`` are the names and ids of the folder it happened in."""
        is_here = not self.folder or self.folder.lower() in {folder.lower() for folder in folders}
        return self.kind == kind and change in self.changes and is_here


class Subscriptions:
    """All subscriptions and what is sent because of them. The world's lock guards it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.known: dict[str, Subscription] = {}
        self._notices = Notices(world, self._gave_up)

    def reset(self) -> None:
        """None; what is not sent yet is thrown away."""
        self.known.clear()
        self._notices.clear()

    def stop(self) -> None:
        """End the sender's threads."""
        self._notices.stop()

    def pending(self) -> int:
        """Requests not finished yet."""
        return self._notices.pending()

    def add(self, subscription: Subscription) -> None:
        """Begin to send."""
        self.known[subscription.id] = subscription

    def remove(self, subscription_id: str) -> None:
        """Send no more; what is on its way still arrives."""
        self.known.pop(subscription_id, None)

    def live(self, account: str | None = None) -> list[Subscription]:
        """Those that have not run out, of one account or all. What ran out is forgotten."""
        now = self._world.clock.now().timestamp()
        self.known = {one.id: one for one in self.known.values() if one.expires_at > now}
        return [one for one in self.known.values() if account in (None, one.account)]

    def changed(
        self, account: str, kind: str, item_id: str, change: str, folder: str | Iterable[str] = (), plain_id: str = ""
    ) -> None:
        """Tell everybody who wants to know that an item of ``account`` (what it signs in as) changed.

        ``kind`` is ``events`` or ``messages``, ``change`` is ``created``, ``updated`` or ``deleted``. ``folder`` is
        where: a well-known name or an id, or all of the folder's names. ``item_id`` is the immutable id; ``plain_id``
        the one for those who did not ask for immutable ones, where it differs.
        """
        folders = [folder] if isinstance(folder, str) else list(folder)
        for one in self.live(account):
            if one.wants(kind, change, folders) and not one.is_paused:
                shown_id = item_id if one.is_immutable else plain_id or item_id
                self._notices.put(one.notification_url, self._notification(one, shown_id, change), account)

    def tell(self, subscription: Subscription, event: str) -> bool:
        """Send a lifecycle notification, one of ``LIFECYCLE``, and do what it says. Whether there was an address."""
        if event == "subscriptionRemoved":
            self.remove(subscription.id)
        if event == "reauthorizationRequired":
            subscription.is_paused = True
        if subscription.lifecycle_url:
            self._notices.put_lifecycle(subscription.lifecycle_url, head(subscription) | {"lifecycleEvent": event})
        return bool(subscription.lifecycle_url)

    def revoked(self, account: str) -> None:
        """The account's grants are gone: Graph takes away what was subscribed with them, and says so."""
        for one in self.live(account):
            self.tell(one, "subscriptionRemoved")

    def dump(self) -> list[Json]:
        """The subscriptions as JSON; notifications on their way are not kept."""
        return [asdict(one) for one in self.known.values()]

    def load(self, saved: list[Json]) -> None:
        """Take over what ``dump`` gave."""
        self.known = {one["id"]: Subscription(**one) for one in saved}

    def _notification(self, subscription: Subscription, item_id: str, change: str) -> Json:
        name = TYPES[subscription.kind]
        path = f"Users/{subscription.oid}/{name}s/{item_id}"
        stamp = self._world.clock.stamp()
        change_key = b64encode(hashlib.sha256(f"{item_id} {stamp}".encode()).digest()[:22]).decode()
        data = {
            "@odata.type": f"#Microsoft.Graph.{name}",
            "@odata.id": path,
            "@odata.etag": f'W/"{change_key}"',
            "id": item_id,
        }
        return head(subscription) | {"changeType": change, "resource": path, "resourceData": data}

    def _gave_up(self, subscription_ids: set[str]) -> None:
        """Nobody took the notifications in four hours: those who can be reached are told that they missed some."""
        for one in self.live():
            if one.id in subscription_ids:
                self.tell(one, "missed")


def head(subscription: Subscription) -> Json:
    """What every notification says of its subscription."""
    return {
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": subscription.expiration,
        "clientState": subscription.client_state or None,
        "tenantId": subscription.tenant,
    }


def written(seconds: float) -> str:
    """An instant, seconds since 1970, with Graph's seven digits."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
