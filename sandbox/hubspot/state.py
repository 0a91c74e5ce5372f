"""What the pretend HubSpot remembers."""

from typing import Any

from sandbox.clock import iso
from sandbox.control import ControlError
from sandbox.hubspot.limits import Meter
from sandbox.hubspot.portals import Facts, Portal, restored
from sandbox.hubspot.records import Source
from sandbox.hubspot.tokens import Tokens
from sandbox.hubspot.troubles import Troubles
from sandbox.hubspot.webhooks import Webhooks
from sandbox.hubspot.writing import Change, Writer
from sandbox.world import World

FIRST_PORTAL = 147_893_286


class HubSpot:
    """Portals, the apps let into them, and what apps are told. The world's lock guards it.

    ``changes`` collects what happened and was not announced yet.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.portals: dict[int, Portal] = {}
        self.tokens = Tokens(world.clock)
        self.meter = Meter(world.clock)
        self.troubles = Troubles()
        self.webhooks = Webhooks(world, self.tokens)
        self.changes: list[Change] = []

    def reset(self) -> None:
        """An empty HubSpot."""
        self.portals.clear()
        self.tokens.reset()
        self.meter.reset()
        self.troubles.clear()
        self.webhooks.reset()
        self.changes.clear()

    def stop(self) -> None:
        """End the sender's threads."""
        self.webhooks.stop()

    def pending_pushes(self) -> int:
        """Requests not finished yet."""
        return self.webhooks.pending()

    def portal(self, portal_id: object) -> Portal:
        """A portal by its number; ControlError if there is none."""
        found = self.portals.get(int(str(portal_id))) if str(portal_id).isdecimal() else None
        if found is None:
            raise ControlError(f"no portal {portal_id}")
        return found

    def add_portal(self, portal_id: int, facts: Facts) -> Portal:
        """Create a portal, or change what is known of it. 0 takes the next free number."""
        portal_id = portal_id or max([FIRST_PORTAL - 1, *self.portals]) + 1
        portal = self.portals.setdefault(portal_id, Portal(portal_id, facts))
        portal.facts = facts
        return portal

    def writer(self, portal: Portal, source: Source) -> Writer:
        """Somebody who writes now."""
        return Writer(portal, source, self.now_ms, self.changes.append)

    @property
    def now_ms(self) -> int:
        """Milliseconds since 1970 on the sandbox's clock."""
        return int(self.world.clock.now().timestamp() * 1000)

    @property
    def now(self) -> str:
        """The same as HubSpot writes it."""
        return iso(self.world.clock.now())

    def announce(self, *, is_silent: bool = False) -> None:
        """Send webhooks of every change since the last call, or forget them."""
        changes, self.changes = self.changes, []
        if not is_silent:
            self.webhooks.announce(changes)

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "portals": [portal.dump() for portal in self.portals.values()],
            "tokens": self.tokens.dump(),
            "webhooks": self.webhooks.dump(),
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.portals = {one["id"]: restored(one) for one in saved["portals"]}
        self.tokens.load(saved["tokens"])
        self.webhooks.load(saved["webhooks"])


def hubspot_of(world: World) -> HubSpot:
    """The pretend HubSpot of a world."""
    state = world.states["hubspot"]
    if not isinstance(state, HubSpot):
        raise TypeError("the hubspot state is something else")
    return state
