"""What the pretend Microsoft remembers."""

import secrets
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import Clock
from sandbox.control import ControlError
from sandbox.world import World

CODE_SECONDS = 600
ACCESS_SECONDS = 3599
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of all personal accounts."""


@dataclass
class Account:
    """A person with a Microsoft account: ``upn`` signs in, ``mail`` is what the tenant's administrator wrote."""

    upn: str
    name: str
    mail: str
    tenant: str
    oid: str


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
        """An access token for an hour; those that ran out are forgotten."""
        now = self._now()
        self.access = {name: one for name, one in self.access.items() if one.expires_at > now}
        token = f"Ew{secrets.token_urlsafe(96)}"
        self.access[token] = Token(client_id, upn, scopes, now + ACCESS_SECONDS)
        return token

    def find_access(self, token: str) -> Token | None:
        """A live access token, or None."""
        found = self.access.get(token)
        return found if found is not None and found.expires_at > self._now() else None

    def _now(self) -> float:
        return self._clock.now().timestamp()


class Microsoft:
    """Accounts and tokens. The world's lock guards it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.accounts: dict[str, Account] = {}
        self.tokens = Tokens(world.clock)

    def reset(self) -> None:
        """An empty Microsoft."""
        self.accounts.clear()
        self.tokens.reset()

    def stop(self) -> None:
        """There are no threads."""

    def pending_pushes(self) -> int:
        """There are no pushes."""
        return 0

    def account(self, upn: str) -> Account:
        """An account by what it signs in as; ControlError if there is none."""
        if upn not in self.accounts:
            raise ControlError(f"no account {upn}")
        return self.accounts[upn]

    def add_account(self, upn: str, name: str, mail: str, tenant: str, oid: str) -> Account:
        """Create or change an account. Without a tenant it belongs to its domain's; ids stay the same for a name."""
        tenant = tenant or str(uuid.uuid5(uuid.NAMESPACE_DNS, upn.partition("@")[2]))
        oid = oid or str(uuid.uuid5(uuid.UUID(tenant), upn))
        self.accounts[upn] = Account(upn, name, mail, tenant, oid)
        return self.accounts[upn]

    def dump(self) -> dict[str, Any]:
        """All of it as JSON; codes are too short-lived to keep."""
        return {
            "accounts": [asdict(account) for account in self.accounts.values()],
            "access": {name: asdict(one) for name, one in self.tokens.access.items()},
            "denying": sorted(self.tokens.denying),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.accounts = {one["upn"]: Account(**one) for one in saved["accounts"]}
        self.tokens.access = {name: Token(**one) for name, one in saved["access"].items()}
        self.tokens.denying = set(saved["denying"])


def microsoft_of(world: World) -> Microsoft:
    """The pretend Microsoft of a world."""
    state = world.states["microsoft"]
    if not isinstance(state, Microsoft):
        raise TypeError("the microsoft state is something else")
    return state
