"""Clients, and the codes, access tokens and refresh tokens they hold.

https://developers.hubspot.com/docs/api-reference/oauth-tokens-v1
"""

import hashlib
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.clock import Clock

CODE_SECONDS = 600
ACCESS_SECONDS = 1800
KEPT_SECONDS = 86_400
"""How long an expired access token is remembered, so that it is told from one never given."""


@dataclass
class Client:
    """An app. ``is_registered``: by the control API, not learned when it asked for tokens."""

    secret: str
    app_id: int
    redirect_uris: list[str] = field(default_factory=list)
    is_registered: bool = False


@dataclass
class Prefill:
    """How the consent page comes up for a portal: optional scopes with one of these parts are not ticked."""

    untick: list[str] = field(default_factory=list)
    deny: bool = False


@dataclass
class Grant:
    """What a user of a portal allowed a client."""

    client_id: str
    portal_id: int
    user_id: int
    scopes: list[str]


@dataclass
class Code(Grant):
    """An authorization code, bound to its redirect address and its PKCE challenge."""

    redirect_uri: str
    challenge: str
    expires_at: float


@dataclass
class Token(Grant):
    """An access token. ``expires_at`` is seconds since 1970 on the sandbox's clock."""

    expires_at: float


class Tokens:
    """What clients hold. ``is_rotating``: each refresh ends the refresh token it came with."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """None of anything."""
        self.clients: dict[str, Client] = {}
        self.prefills: dict[int, Prefill] = {}
        self.codes: dict[str, Code] = {}
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Grant] = {}
        self.installs: list[tuple[int, str]] = []
        self.is_rotating = False

    @property
    def is_strict(self) -> bool:
        """Whether only registered clients are good."""
        return any(one.is_registered for one in self.clients.values())

    def learn(self, client_id: str, secret: str) -> None:
        """Remember the secret of a client that nobody registered: webhooks are signed with it."""
        known = self.clients.setdefault(client_id, Client(secret, app_id_of(client_id)))
        if not known.is_registered:
            known.secret = secret

    def new_code(self, **details: Any) -> str:
        """A code for a consent just given; good once, for ten minutes."""
        code = f"na1-{secrets.token_hex(4)}-{secrets.token_hex(16)}"
        self.codes[code] = Code(**details, expires_at=self.now() + CODE_SECONDS)
        return code

    def take_code(self, code: str) -> Code | None:
        """A code that is in time, which is then used up; or None."""
        found = self.codes.pop(code, None)
        return found if found is not None and found.expires_at > self.now() else None

    def new_access(self, grant: Grant) -> str:
        """An access token for half an hour, over 300 characters long; long expired ones are forgotten."""
        now = self.now()
        self.access = {name: one for name, one in self.access.items() if one.expires_at > now - KEPT_SECONDS}
        token = f"C{secrets.token_urlsafe(230)}"
        self.access[token] = Token(grant.client_id, grant.portal_id, grant.user_id, grant.scopes, now + ACCESS_SECONDS)
        return token

    def new_refresh(self, grant: Grant) -> str:
        """A refresh token; it does not run out. Those given before to the same client and portal stay good."""
        token = f"na1-{'-'.join(secrets.token_hex(2) for _ in range(5))}-{secrets.token_hex(6)}"
        self.refresh[token] = Grant(grant.client_id, grant.portal_id, grant.user_id, grant.scopes)
        if (grant.portal_id, grant.client_id) not in self.installs:
            self.installs.append((grant.portal_id, grant.client_id))
        return token

    def expire_access(self, portal_id: int | None) -> None:
        """Make access tokens, of one portal or of all, run out now."""
        for token in self.access.values():
            if portal_id in (None, token.portal_id):
                token.expires_at = min(token.expires_at, self.now())

    def uninstall(self, portal_id: int, client_id: str | None = None) -> None:
        """The app leaves the portal: nothing that it holds is good any more."""

        def is_gone(grant: Grant) -> bool:
            return grant.portal_id == portal_id and client_id in (None, grant.client_id)

        self.refresh = {name: one for name, one in self.refresh.items() if not is_gone(one)}
        self.access = {name: one for name, one in self.access.items() if not is_gone(one)}
        self.installs = [one for one in self.installs if one[0] != portal_id or client_id not in (None, one[1])]

    def installed(self, portal_id: int) -> list[str]:
        """The clients that the portal has let in, with or without a refresh token."""
        return [client_id for known_id, client_id in self.installs if known_id == portal_id]

    def app_id(self, client_id: str) -> int:
        """The number of an app, which its own writes are known by."""
        client = self.clients.get(client_id)
        return client.app_id if client else app_id_of(client_id)

    def dump(self) -> dict[str, Any]:
        """All of it as JSON; codes are too short-lived to keep."""
        return {
            "clients": {name: asdict(one) for name, one in self.clients.items()},
            "access": {name: asdict(one) for name, one in self.access.items()},
            "refresh": {name: asdict(one) for name, one in self.refresh.items()},
            "installs": self.installs,
            "is_rotating": self.is_rotating,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.clients = {name: Client(**one) for name, one in saved["clients"].items()}
        self.access = {name: Token(**one) for name, one in saved["access"].items()}
        self.refresh = {name: Grant(**one) for name, one in saved["refresh"].items()}
        self.installs = [(portal_id, client_id) for portal_id, client_id in saved["installs"]]
        self.is_rotating = saved["is_rotating"]

    def now(self) -> float:
        """Seconds since 1970 on the sandbox's clock."""
        return self._clock.now().timestamp()


def app_id_of(client_id: str) -> int:
    """The same number for the same client id."""
    return 1_000_000 + int(hashlib.sha256(client_id.encode()).hexdigest()[:7], 16)
