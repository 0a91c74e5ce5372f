"""What the pretend Google remembers."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import iso
from sandbox.control import ControlError
from sandbox.google.calendars import Calendar, restored
from sandbox.google.mail.post import Post
from sandbox.google.mail.pubsub import PubSub
from sandbox.google.mail.quota import Meter
from sandbox.google.push import Pushes
from sandbox.google.tokens import Tokens
from sandbox.world import World


@dataclass
class Account:
    """A person with a Google account. ``hd`` is the Workspace domain, empty for a private account.

    ``is_verified``: whether Google saw that the person reads the address.
    """

    email: str
    name: str
    sub: str
    hd: str
    time_zone: str
    is_verified: bool = True


class Google:
    """Accounts, grants, calendars, mailboxes and what is pushed about them. The world's lock guards it.

    ``touched`` collects the calendars changed and not yet announced; ``era`` voids another world's sync tokens.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.accounts: dict[str, Account] = {}
        self.calendars: dict[str, Calendar] = {}
        self.tokens = Tokens(world.clock)
        self.pushes = Pushes(world)
        self.post = Post(world)
        self.quota = Meter(world.clock)
        self.pubsub = PubSub(world)
        self.touched: list[str] = []
        self.era = world.clock.stamp()

    def reset(self) -> None:
        """An empty Google; sync tokens of the old one are void."""
        self.accounts.clear()
        self.calendars.clear()
        self.tokens.reset()
        self.pushes.reset()
        self.post.reset()
        self.quota.reset()
        self.pubsub.reset()
        self.era = self.world.clock.stamp()

    def stop(self) -> None:
        """End the sender's threads."""
        self.pushes.stop()
        self.pubsub.stop()

    def pending_pushes(self) -> int:
        """Messages not finished yet."""
        return self.pushes.pending() + self.pubsub.pending()

    def announce(self, *, is_silent: bool) -> None:
        """Push once for every change since the last call, or forget them."""
        touched, self.touched = self.touched, []
        mailboxes, self.post.touched = self.post.touched, []
        if is_silent:
            return
        for calendar_id in touched:
            self.pushes.announce(calendar_id)
        for email in mailboxes:
            self.pubsub.announce(email, self.post.mailboxes[email].history_id)

    @property
    def signing_key(self) -> int:
        """The number of the key that signs now."""
        return self.pubsub.signing_key

    def account(self, email: str) -> Account:
        """An account by address; ControlError if there is none."""
        if email not in self.accounts:
            raise ControlError(f"no account {email}")
        return self.accounts[email]

    def calendar(self, calendar_id: str) -> Calendar:
        """A calendar by id; ControlError if there is none."""
        if calendar_id not in self.calendars:
            raise ControlError(f"no calendar {calendar_id}")
        return self.calendars[calendar_id]

    def add_account(self, email: str, name: str, sub: str, hd: str, time_zone: str) -> Account:
        """Create or change an account; a new one gets its primary calendar and a mailbox."""
        sub = sub or str(int(hashlib.sha256(email.encode()).hexdigest()[:17], 16) + 10**20)
        self.accounts[email] = Account(email, name, sub, hd, time_zone)
        self.add_calendar(email, email, email, time_zone, "owner")
        self.post.open(email, name)
        return self.accounts[email]

    def add_calendar(self, account: str, calendar_id: str, summary: str, time_zone: str, role: str) -> Calendar:
        """Create or change a calendar, and give ``account`` a role on it. A changed role voids sync tokens."""
        stamp, now = self.world.clock.stamp(), iso(self.world.clock.now())
        existing = self.calendars.get(calendar_id)
        if existing is None:
            access = {account: role}
            calendar = Calendar(calendar_id, summary, time_zone, account, access, stamp, now)
            self.calendars[calendar_id] = calendar
            return calendar
        existing.summary, existing.time_zone, existing.changed_at = summary, time_zone, stamp
        if existing.access.get(account, role) != role:
            existing.generation += 1
        existing.access[account] = role
        return existing

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "era": self.era,
            "accounts": [asdict(account) for account in self.accounts.values()],
            "calendars": [calendar.dump() for calendar in self.calendars.values()],
            "tokens": self.tokens.dump(),
            "channels": self.pushes.dump(),
            "mail": self.post.dump(),
            "pubsub": self.pubsub.dump(),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.era = saved["era"]
        self.accounts = {one["email"]: Account(**one) for one in saved["accounts"]}
        self.calendars = {one["id"]: restored(one) for one in saved["calendars"]}
        self.tokens.load(saved["tokens"])
        self.pushes.load(saved["channels"])
        # A world may have been saved before there was mail.
        if "mail" in saved:
            self.post.load(saved["mail"])
            self.pubsub.load(saved["pubsub"])
        for account in self.accounts.values():
            self.post.open(account.email, account.name)


def google_of(world: World) -> Google:
    """The pretend Google of a world."""
    state = world.states["google"]
    if not isinstance(state, Google):
        raise TypeError("the google state is something else")
    return state
