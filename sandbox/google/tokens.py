"""Codes, access tokens, refresh tokens and grants.

https://developers.google.com/identity/protocols/oauth2#expiration
"""

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.clock import Clock

CODE_SECONDS = 600
ACCESS_SECONDS = 3599
MOST_REFRESH_TOKENS = 100


@dataclass
class Code:
    """An authorization code, bound to the client, its redirect address and its PKCE challenge."""

    client_id: str
    email: str
    scopes: list[str]
    redirect_uri: str
    challenge: str
    nonce: str
    is_refreshable: bool
    expires_at: float
    is_used: bool = False


@dataclass
class Token:
    """An access or refresh token. ``expires_at`` is seconds since 1970 on the sandbox's clock, None for never."""

    client_id: str
    email: str
    scopes: list[str]
    expires_at: float | None = None
    is_used: bool = False


@dataclass
class Client:
    """A configured OAuth client; without any, every client id is good."""

    secret: str
    redirect_uris: list[str]


@dataclass
class Prefill:
    """How the consent page comes up for an account."""

    untick: list[str] = field(default_factory=list)
    deny: bool = False


class Tokens:
    """All grants. A grant is a client and an account; ``granted`` holds its scopes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """No grants, no clients, no rotation."""
        self.codes: dict[str, Code] = {}
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Token] = {}
        self.dead: set[str] = set()
        self.granted: dict[tuple[str, str], list[str]] = {}
        self.clients: dict[str, Client] = {}
        self.prefills: dict[str, Prefill] = {}
        self.is_rotating = False

    def new_code(self, **details: Any) -> str:
        """A code for a consent just given; good once, for ten minutes."""
        code = f"4/0{secrets.token_urlsafe(42)}"
        self.codes[code] = Code(**details, expires_at=self._now() + CODE_SECONDS)
        return code

    def find_code(self, code: str) -> Code | None:
        """A code that is unused and in time, or None."""
        found = self.codes.get(code)
        return None if found is None or found.is_used or found.expires_at <= self._now() else found

    def grant(self, client_id: str, email: str, scopes: list[str]) -> None:
        """Remember what a user allows a client, on top of what was allowed before."""
        before = self.granted.get((client_id, email), [])
        self.granted[client_id, email] = sorted({*before, *scopes})

    def new_access(self, client_id: str, email: str, scopes: list[str]) -> str:
        """An access token for an hour."""
        token = f"ya29.{secrets.token_urlsafe(96)}"
        self._forget_expired()
        self.access[token] = Token(client_id, email, scopes, self._now() + ACCESS_SECONDS)
        return token

    def new_refresh(self, client_id: str, email: str, scopes: list[str]) -> str:
        """A refresh token. Of more than a hundred for one grant the oldest dies silently."""
        mine = [name for name, one in self.refresh.items() if (one.client_id, one.email) == (client_id, email)]
        for oldest in mine[: max(0, len(mine) - MOST_REFRESH_TOKENS + 1)]:
            self._kill(oldest)
        token = f"1//0{secrets.token_urlsafe(64)}"
        self.refresh[token] = Token(client_id, email, scopes)
        return token

    def find_access(self, token: str) -> Token | None:
        """A live access token, or None."""
        found = self.access.get(token)
        is_live = found is not None and found.expires_at is not None and found.expires_at > self._now()
        return found if is_live else None

    def end_grant(self, email: str, client_id: str | None = None) -> None:
        """Kill a user's grants, to one client or to all: every token of them dies."""

        def is_meant(owner: tuple[str, str]) -> bool:
            return owner[1] == email and client_id in (None, owner[0])

        self.granted = {owner: scopes for owner, scopes in self.granted.items() if not is_meant(owner)}
        for tokens in (self.access, self.refresh):
            for name in [name for name, one in tokens.items() if is_meant((one.client_id, one.email))]:
                del tokens[name]
                self.dead.add(name)

    def expire_access(self, email: str | None = None) -> None:
        """Make access tokens, of one account or of all, run out now."""
        for token in self.access.values():
            if email in (None, token.email):
                token.expires_at = self._now()

    def dump(self) -> dict[str, Any]:
        """All of it as JSON; codes are too short-lived to keep."""
        return {
            "access": {name: asdict(one) for name, one in self.access.items()},
            "refresh": {name: asdict(one) for name, one in self.refresh.items()},
            "dead": sorted(self.dead),
            "granted": [[client_id, email, scopes] for (client_id, email), scopes in self.granted.items()],
            "clients": {name: asdict(one) for name, one in self.clients.items()},
            "prefills": {email: asdict(one) for email, one in self.prefills.items()},
            "is_rotating": self.is_rotating,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.access = {name: Token(**one) for name, one in saved["access"].items()}
        self.refresh = {name: Token(**one) for name, one in saved["refresh"].items()}
        self.dead = set(saved["dead"])
        self.granted = {(client_id, email): scopes for client_id, email, scopes in saved["granted"]}
        self.clients = {name: Client(**one) for name, one in saved["clients"].items()}
        self.prefills = {email: Prefill(**one) for email, one in saved["prefills"].items()}
        self.is_rotating = saved["is_rotating"]

    def _kill(self, refresh_token: str) -> None:
        del self.refresh[refresh_token]
        self.dead.add(refresh_token)

    def _forget_expired(self) -> None:
        """Access tokens a day past their end: the demo runs for long."""
        limit = self._now() - 86_400
        self.access = {name: one for name, one in self.access.items() if (one.expires_at or 0) > limit}

    def _now(self) -> float:
        return self._clock.now().timestamp()
