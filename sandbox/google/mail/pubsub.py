"""Watches on mailboxes, and Pub/Sub, which carries their notices to the address of a subscription.

https://developers.google.com/workspace/gmail/api/guides/push and https://cloud.google.com/pubsub/docs/push
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.clock import iso
from sandbox.control import ControlError
from sandbox.outbox import Message
from sandbox.sender import Sender, until_accepted
from sandbox.signing import base64url, key, sign
from sandbox.world import World

ISSUER = "https://accounts.google.com"
LIFETIME = timedelta(days=7)
RETENTION = timedelta(days=7)
TOKEN_SECONDS = 3600
UNPUBLISHED_KEY = -1
Json = dict[str, Any]


@dataclass
class Subscription:
    """Where a topic's messages go: ``endpoint``, with a token for ``audience`` by ``service_account``."""

    topic: str
    name: str
    endpoint: str
    audience: str
    service_account: str


@dataclass
class Watch:
    """One per account and client. ``expires_at`` is milliseconds since 1970."""

    account: str
    client_id: str
    topic: str
    expires_at: int


def foreign(claims: Json) -> Json:
    """By another service account: anybody's can sign a token for our audience."""
    return claims | {"email": "push@somebody-else.iam.gserviceaccount.com"}


def expired(claims: Json) -> Json:
    """Over for an hour."""
    return claims | {"iat": claims["iat"] - 2 * TOKEN_SECONDS, "exp": claims["exp"] - 2 * TOKEN_SECONDS}


CLAIMS: dict[str, Callable[[Json], Json]] = {
    "good": lambda claims: claims,
    "wrong_audience": lambda claims: claims | {"aud": "https://somewhere-else.example/hook"},
    "wrong_issuer": lambda claims: claims | {"iss": "https://accounts.example.com"},
    "foreign_account": foreign,
    "unverified_email": lambda claims: claims | {"email_verified": False},
    "expired": expired,
}
MODES = frozenset({*CLAIMS, "unknown_key", "unsigned", "tampered", "none"})


class PubSub:
    """Topics, watches and messages. ``mode`` says what is wrong with tokens. The world's lock guards it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sender = Sender(world, "sandbox-pubsub")
        self.reset()

    def reset(self) -> None:
        """No subscriptions, no watches, good tokens; what is not sent yet is thrown away."""
        self.subscriptions: dict[str, Subscription] = {}
        self.watches: dict[tuple[str, str], Watch] = {}
        self.mode = "good"
        self.is_text = False
        self.signing_key = 0
        self._sender.clear()

    def stop(self) -> None:
        """End the sender's threads."""
        self._sender.stop()

    def pending(self) -> int:
        """Messages not finished yet."""
        return self._sender.pending()

    def watch(self, account: str, client_id: str, topic: str) -> Watch:
        """Open the account's watch for this client, in place of the one before."""
        expires = self._world.clock.now() + LIFETIME
        found = Watch(account, client_id, topic, int(expires.timestamp() * 1000))
        self.watches[account, client_id] = found
        return found

    def end(self, account: str, client_id: str) -> None:
        """Stop the watch, if there is one."""
        self.watches.pop((account, client_id), None)

    def expire(self, account: str | None) -> None:
        """Watches, of one account or all, are over now."""
        for found in self.watches.values():
            if account in (None, found.account):
                found.expires_at = self._now_ms()

    def announce(self, account: str, history_id: int) -> None:
        """A mailbox changed: one notice by every live watch on it.

        The labels of a watch do not matter: Gmail's own filter lets others through, too.
        """
        for found in list(self.watches.values()):
            if found.account == account and self.is_live(found) and found.topic in self.subscriptions:
                self.publish(self.subscriptions[found.topic], account, history_id)

    def publish(self, subscription: Subscription, account: str, history_id: int, copies: int = 1) -> None:
        """Send a notice about any account; ``copies`` of it are one message, delivered more than once."""
        number = self._world.clock.stamp()
        body = json.dumps(self._envelope(subscription, account, history_id, number)).encode()
        until = self._world.clock.now() + RETENTION
        message = Message(
            channel_id=f"{subscription.name} {number}",
            address=subscription.endpoint,
            state="mail",
            number=number,
            headers=lambda: self._headers(subscription),
            is_wanted=lambda: self._world.clock.now() < until,
            next_try=until_accepted,
            body=lambda: body,
        )
        for _ in range(copies):
            self._sender.send(message, account)

    def subscription(self, topic: str | None) -> Subscription:
        """The subscription of a topic, the first one for None; ControlError if there is none."""
        found = self.subscriptions.get(topic) if topic else next(iter(self.subscriptions.values()), None)
        if found is None:
            raise ControlError(f"no subscription for {topic or 'any topic'}")
        return found

    def is_live(self, found: Watch) -> bool:
        """Whether a watch has not run out."""
        return found.expires_at > self._now_ms()

    def listing(self) -> list[Json]:
        """All watches as JSON."""
        return [{**asdict(found), "is_live": self.is_live(found)} for found in self.watches.values()]

    def dump(self) -> Json:
        """Subscriptions and watches as JSON; messages on their way are not kept."""
        return {
            "subscriptions": [asdict(one) for one in self.subscriptions.values()],
            "watches": [asdict(one) for one in self.watches.values()],
        }

    def load(self, saved: Json) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.subscriptions = {one["topic"]: Subscription(**one) for one in saved["subscriptions"]}
        self.watches = {(one["account"], one["client_id"]): Watch(**one) for one in saved["watches"]}

    def _envelope(self, subscription: Subscription, account: str, history_id: int, number: int) -> Json:
        """The message with both spellings of its keys. Gmail's guide prints the history id as text, it is a number."""
        about = {"emailAddress": account, "historyId": str(history_id) if self.is_text else history_id}
        published = iso(self._world.clock.now())
        return {
            "message": {
                "data": b64encode(json.dumps(about, separators=(",", ":")).encode()).decode(),
                "messageId": str(number),
                "message_id": str(number),
                "publishTime": published,
                "publish_time": published,
            },
            "subscription": subscription.name,
        }

    def _headers(self, subscription: Subscription) -> dict[str, str]:
        sent = {
            "Content-Type": "application/json",
            "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
        }
        return sent if self.mode == "none" else sent | {"Authorization": f"Bearer {self._token(subscription)}"}

    def _token(self, subscription: Subscription) -> str:
        claims = CLAIMS.get(self.mode, CLAIMS["good"])(claims_of(subscription))
        if self.mode == "unsigned":
            return (
                ".".join(base64url(json.dumps(one).encode()) for one in ({"alg": "none", "typ": "JWT"}, claims)) + "."
            )
        token = sign(claims, key(UNPUBLISHED_KEY if self.mode == "unknown_key" else self.signing_key))
        if self.mode == "tampered":
            head, _, signature = token.split(".")
            return f"{head}.{encoded(claims | {'sub': '1'})}.{signature}"
        return token

    def _now_ms(self) -> int:
        return int(self._world.clock.now().timestamp() * 1000)


def encoded(content: Json) -> str:
    """A part of a JWT."""
    return base64url(json.dumps(content).encode())


def claims_of(subscription: Subscription) -> Json:
    """What a good token says. In real time: the receiver checks it by its own clock, which nobody moves."""
    now = int(datetime.now(UTC).timestamp())
    number = str(int(hashlib.sha256(subscription.service_account.encode()).hexdigest()[:16], 16) + 10**20)
    return {
        "aud": subscription.audience,
        "azp": number,
        "email": subscription.service_account,
        "sub": number,
        "email_verified": True,
        "exp": now + TOKEN_SECONDS,
        "iat": now,
        "iss": ISSUER,
    }
