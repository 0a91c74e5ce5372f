"""Codes, access tokens and refresh tokens.

https://learn.microsoft.com/entra/identity-platform/refresh-tokens
"""

import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import Clock

CODE_SECONDS = 600
ACCESS_SECONDS = 3599
REFRESH_SECONDS = 90 * 86_400
KEPT_SECONDS = 86_400
"""How long an expired access token is remembered, so that it is told from one never given."""
MOST_REFRESH_TOKENS = 100
"""Of one client and account: old ones stay good, and the demo runs for long."""


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


@dataclass
class Refresh:
    """A refresh token; ``issued_at`` is seconds since 1970 on the sandbox's clock.

    ``trouble`` is the AADSTS number it is refused with, 0 for none.
    """

    client_id: str
    upn: str
    scopes: list[str]
    issued_at: float
    trouble: int = 0


class Tokens:
    """What clients hold. ``is_secret_wrong``: no client's secret is good."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """None of anything."""
        self.codes: dict[str, Code] = {}
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Refresh] = {}
        self.is_secret_wrong = False

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

    def expire_access(self, upn: str = "") -> None:
        """Make access tokens, of one account or of all, run out now."""
        for token in self.access.values():
            if upn in ("", token.upn):
                token.expires_at = min(token.expires_at, self._now())

    def new_refresh(self, client_id: str, upn: str, scopes: list[str]) -> str:
        """A refresh token; those before it stay good, up to a hundred."""
        mine = [name for name, one in self.refresh.items() if (one.client_id, one.upn) == (client_id, upn)]
        for oldest in mine[: max(0, len(mine) - MOST_REFRESH_TOKENS + 1)]:
            del self.refresh[oldest]
        token = f"1.AR{secrets.token_urlsafe(120)}"
        self.refresh[token] = Refresh(client_id, upn, scopes, self._now())
        return token

    def is_idle(self, refresh: Refresh) -> bool:
        """Whether a refresh token has not been replaced for ninety days."""
        return self._now() - refresh.issued_at >= REFRESH_SECONDS

    def spoil(self, upn: str, trouble: int) -> None:
        """Refuse the refresh tokens an account has given so far."""
        for refresh in self.refresh.values():
            if refresh.upn == upn:
                refresh.trouble = trouble

    def forgive(self, upn: str, curable: Collection[int]) -> None:
        """A new consent: the tokens whose trouble it cures are good again."""
        for refresh in self.refresh.values():
            if refresh.upn == upn and refresh.trouble in curable:
                refresh.trouble = 0

    def dump(self) -> dict[str, Any]:
        """All of it as JSON; codes are too short-lived to keep."""
        return {
            "access": {name: asdict(one) for name, one in self.access.items()},
            "refresh": {name: asdict(one) for name, one in self.refresh.items()},
            "is_secret_wrong": self.is_secret_wrong,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.access = {name: Token(**one) for name, one in saved.get("access", {}).items()}
        self.refresh = {name: Refresh(**one) for name, one in saved.get("refresh", {}).items()}
        self.is_secret_wrong = saved.get("is_secret_wrong", False)

    def _now(self) -> float:
        return self._clock.now().timestamp()
