"""What the pretend Microsoft remembers."""

import uuid
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.control import ControlError
from sandbox.microsoft.calendar.books import Calendars
from sandbox.microsoft.grants import Grants
from sandbox.microsoft.mail.post import Post
from sandbox.microsoft.paging import Cursors
from sandbox.microsoft.subscriptions import Subscriptions
from sandbox.microsoft.throttle import Throttle
from sandbox.microsoft.tokens import Tokens
from sandbox.world import World

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


class Microsoft:
    """Accounts, grants, and the cursors given to clients. The world's lock guards it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.accounts: dict[str, Account] = {}
        self.tokens = Tokens(world.clock)
        self.grants = Grants()
        self.cursors = Cursors()
        self.calendars = Calendars(world.clock)
        self.mail = Post(world)
        self.subscriptions = Subscriptions(world)
        self.throttle = Throttle(world.clock)

    def reset(self) -> None:
        """An empty Microsoft."""
        self.accounts.clear()
        self.tokens.reset()
        self.grants.reset()
        self.cursors.reset()
        self.calendars.reset()
        self.mail.reset()
        self.subscriptions.reset()
        self.throttle.reset()

    def stop(self) -> None:
        """End the sender's threads."""
        self.subscriptions.stop()

    def pending_pushes(self) -> int:
        """Requests with notifications not finished yet."""
        return self.subscriptions.pending()

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
        self.mail.open(upn, name, mail)
        self.calendars.open(upn, name, mail or upn)
        return self.accounts[upn]

    def links(self, account: Account) -> str:
        """What the front page says of an account's consents: its clients, and the trouble its tokens are in."""
        held = [one for one in self.tokens.refresh.values() if one.upn == account.upn]
        clients = sorted({f"{one.client_id} (AADSTS{one.trouble})" if one.trouble else one.client_id for one in held})
        waiting = ["needs an administrator"] if account.tenant in self.grants.strict_tenants else []
        return ", ".join([*clients, *waiting]) or "none"

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "accounts": [asdict(account) for account in self.accounts.values()],
            "tokens": self.tokens.dump(),
            "grants": self.grants.dump(),
            "cursors": self.cursors.dump(),
            "calendars": self.calendars.dump(),
            "mail": self.mail.dump(),
            "subscriptions": self.subscriptions.dump(),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.accounts = {one["upn"]: Account(**one) for one in saved["accounts"]}
        # A world may have been saved when there was nothing but sign-in: its tokens are gone.
        self.tokens.load(saved.get("tokens", {}))
        self.grants.load(saved.get("grants", {}))
        self.cursors.load(saved.get("cursors", {}))
        self.calendars.load(saved.get("calendars", []))
        for one in self.accounts.values():
            self.calendars.open(one.upn, one.name, one.mail or one.upn)
        self.mail.load(saved.get("mail", {}))
        for one in self.accounts.values():
            self.mail.open(one.upn, one.name, one.mail)
        self.subscriptions.load(saved.get("subscriptions", []))


def microsoft_of(world: World) -> Microsoft:
    """The pretend Microsoft of a world."""
    state = world.states["microsoft"]
    if not isinstance(state, Microsoft):
        raise TypeError("the microsoft state is something else")
    return state
