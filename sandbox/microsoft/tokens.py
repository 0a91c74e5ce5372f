"""Codes, access tokens, and who said no beforehand.

https://learn.microsoft.com/entra/identity-platform/access-tokens#token-lifetime
"""

import secrets
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import Clock

CODE_SECONDS = 600
ACCESS_SECONDS = 3599
KEPT_SECONDS = 86_400
"""How long an expired access token is remembered, so that it is told from one never given."""


@dataclass
class Code:
    """An authorization code, bound to the client, its redirect address and its PKCE challenge."""

    client_id: str
    upn: str
    scopes: list[str]
    redirect_uri: str
    challenge: str
    nonce: str
    expires_at: float


@dataclass
class Token:
    """An access token. ``expires_at`` is seconds since 1970 on the sandbox's clock."""

    client_id: str
    upn: str
    scopes: list[str]
    expires_at: float


class Tokens:
    """Codes and access tokens, and who said no beforehand."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """None of anything."""
        self.codes: dict[str, Code] = {}
        self.access: dict[str, Token] = {}
        self.denying: set[str] = set()

    def new_code(self, **details: Any) -> str:
        """A code for a consent just given; good once, for ten minutes."""
        code = f"1.A{secrets.token_urlsafe(60)}"
        self.codes[code] = Code(**details, expires_at=self._now() + CODE_SECONDS)
        return code

    def take_code(self, code: str) -> Code | None:
        """A code that is in time, which is then used up; or None."""
        found = self.codes.pop(code, None)
        return found if found is not None and found.expires_at > self._now() else None

    def new_access(self, client_id: str, upn: str, scopes: list[str]) -> str:
        """An access token for an hour; those that ran out a day ago are forgotten."""
        now = self._now()
        self.access = {name: one for name, one in self.access.items() if one.expires_at > now - KEPT_SECONDS}
        token = f"Ew{secrets.token_urlsafe(96)}"
        self.access[token] = Token(client_id, upn, scopes, now + ACCESS_SECONDS)
        return token

    def find_access(self, token: str) -> Token | None:
        """A live access token, or None."""
        found = self.access.get(token)
        return found if found is not None and found.expires_at > self._now() else None

    def dump(self) -> dict[str, Any]:
        """All of it as JSON; codes are too short-lived to keep."""
        return {
            "access": {name: asdict(one) for name, one in self.access.items()},
            "denying": sorted(self.denying),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.access = {name: Token(**one) for name, one in saved.get("access", {}).items()}
        self.denying = set(saved.get("denying", []))

    def _now(self) -> float:
        return self._clock.now().timestamp()
