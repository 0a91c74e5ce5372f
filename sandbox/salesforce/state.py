"""What the pretend Salesforce remembers: orgs by their hosts, grants, and who is told of changes."""

from typing import Any

from sandbox.control import ControlError
from sandbox.salesforce import ids
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.jobs import Jobs
from sandbox.salesforce.notices import Notices
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.queries import Cursors
from sandbox.salesforce.seeding import seed
from sandbox.salesforce.tokens import Tokens
from sandbox.world import World

LOGIN_HOSTS = {"login.salesforce.com": False, "test.salesforce.com": True}
"""Where anybody signs in: users of production orgs, and users of sandboxes."""


class Salesforce:
    """All orgs. The world's lock guards it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.orgs: dict[str, Org] = {}
        self.tokens = Tokens(world.clock)
        self.cursors = Cursors()
        self.jobs = Jobs()
        self.notices = Notices(world)

    def reset(self) -> None:
        """An empty Salesforce."""
        self.orgs.clear()
        self.tokens.reset()
        self.cursors.clear()
        self.jobs.clear()
        self.notices.reset()

    def stop(self) -> None:
        """End the sender's threads."""
        self.notices.stop()

    def pending_pushes(self) -> int:
        """Messages not finished yet."""
        return self.notices.pending()

    def org(self, host: str) -> Org:
        """An org by its host, or by the first part of it; ControlError if there is none."""
        found = self.orgs.get(host) or self.orgs.get(f"{host}.my.salesforce.com")
        if found is None:
            raise ControlError(f"no org {host}")
        return found

    def add_org(self, host: str, name: str, org_id: str) -> Org:
        """A new org with profiles and permission sets, or the one there is."""
        if host not in self.orgs:
            org_id = ids.to18(org_id) if org_id else ids.make("00D", ids.tag_of(host), ids.first_number(host))
            self.orgs[host] = Org(host, name, org_id, self.world.clock)
            seed(self.orgs[host])
        self.orgs[host].name = name
        return self.orgs[host]

    def at(self, host: str) -> list[Org]:
        """The orgs whose users may sign in at a host."""
        if host in LOGIN_HOSTS:
            return [org for org in self.orgs.values() if org.is_sandbox is LOGIN_HOSTS[host]]
        return [self.orgs[host]] if host in self.orgs else []

    def find_user(self, host: str, username: str) -> tuple[Org, Row] | None:
        """A user who may sign in at a host."""
        for org in self.at(host):
            for row in org.users():
                if row["Username"] == username:
                    return org, row
        return None

    def announce(self, org: Org, *, is_silent: bool = False) -> None:
        """Tell of everything that was saved since the last call, or forget it."""
        if org.held:
            return
        changes, org.changes = org.changes, []
        if changes and not is_silent:
            self.notices.announce(org, changes)

    def dump(self) -> dict[str, Any]:
        """All of it as JSON; open queries and jobs are not kept."""
        return {
            "orgs": [org.dump() for org in self.orgs.values()],
            "tokens": self.tokens.dump(),
            "notices": self.notices.dump(),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        for one in saved["orgs"]:
            org = Org(one["host"], one["name"], one["id"], self.world.clock)
            org.load(one)
            self.orgs[org.host] = org
        self.tokens.load(saved["tokens"])
        self.notices.load(saved["notices"])


def salesforce_of(world: World) -> Salesforce:
    """The pretend Salesforce of a world."""
    state = world.states["salesforce"]
    if not isinstance(state, Salesforce):
        raise TypeError("the salesforce state is something else")
    return state
