"""A portal, which is HubSpot's word for an account: its owners, properties, records and associations."""

from dataclasses import asdict, dataclass
from typing import Any

from sandbox.control import ControlError
from sandbox.hubspot import catalogue
from sandbox.hubspot.kinds import KINDS, Kind
from sandbox.hubspot.links import Links
from sandbox.hubspot.records import Book, Source

Json = dict[str, Any]
FIRST_USER = 88_842_095


@dataclass
class Owner:
    """Somebody who works in the portal. ``id`` is what owner properties hold; the user's number is another one."""

    id: str
    email: str
    first_name: str
    last_name: str
    user_id: int
    created_at: str
    is_archived: bool = False

    @property
    def source(self) -> Source:
        """What he writes by hand is known by."""
        return Source("CRM_UI", f"userId:{self.user_id}", self.user_id)


@dataclass
class Facts:
    """What account-info tells. ``hosting`` is ``na1`` or ``eu1``: the address of the pages follows from it."""

    name: str
    domain: str
    time_zone: str = "US/Eastern"
    hosting: str = "na1"

    @property
    def ui_domain(self) -> str:
        """Where the portal's pages are."""
        return "app.hubspot.com" if self.hosting == "na1" else f"app-{self.hosting}.hubspot.com"


class Portal:
    """One account. ``lag_seconds`` is how long search does not see what was written."""

    def __init__(self, portal_id: int, facts: Facts) -> None:
        self.id = portal_id
        self.facts = facts
        self.owners: list[Owner] = []
        self.books = {name: Book(kind) for name, kind in KINDS.items()}
        self.properties, self.groups = catalogue.everything()
        self.links = Links()
        self.lag_seconds = 0.0

    def book(self, kind: str) -> Book:
        """The records of a kind; ControlError for a kind that is none."""
        if kind not in self.books:
            raise ControlError(f"type must be one of {', '.join(KINDS)}")
        return self.books[kind]

    def owner_ids(self) -> set[str]:
        """What an owner property may hold."""
        return {one.id for one in self.owners}

    def user(self, user_id: int) -> Owner | None:
        """The owner with this user's number."""
        return next((one for one in self.owners if one.user_id == user_id), None)

    def add_owner(self, email: str, first_name: str, last_name: str, created_at: str, owner_id: str = "") -> Owner:
        """Create an owner, or change the names of the one with this address."""
        known = next((one for one in self.owners if one.email == email), None)
        if known is not None:
            known.first_name, known.last_name = first_name, last_name
            return known
        user_id = FIRST_USER + len(self.owners) + self.id % 1000 * 100
        owner = Owner(owner_id or str(user_id * 10 + 1), email, first_name, last_name, user_id, created_at)
        self.owners.append(owner)
        return owner

    def add_property(self, kind: Kind, definition: Json) -> None:
        """Create a property, or put another definition in its place."""
        self.properties[kind.name][definition["name"]] = definition
        if definition["hasUniqueValue"]:
            self.books[kind.name].make_unique(definition["name"])

    def dump(self) -> Json:
        """All of it as JSON; of the properties those that are not as they were from the start."""
        built_in, _ = catalogue.everything()
        return {
            "id": self.id,
            "facts": asdict(self.facts),
            "owners": [asdict(one) for one in self.owners],
            "books": {name: book.dump() for name, book in self.books.items()},
            "properties": {
                name: [one for one in known.values() if one != built_in[name].get(one["name"])]
                for name, known in self.properties.items()
            },
            "groups": self.groups,
            "links": self.links.dump(),
            "lag_seconds": self.lag_seconds,
        }


def restored(saved: Json) -> Portal:
    """A portal from what ``dump`` gave."""
    portal = Portal(saved["id"], Facts(**saved["facts"]))
    portal.owners = [Owner(**one) for one in saved["owners"]]
    for name, definitions in saved["properties"].items():
        portal.properties[name] |= {one["name"]: one for one in definitions}
    for name, book in saved["books"].items():
        portal.books[name].load(book)
    portal.groups = saved["groups"]
    portal.links.load(saved["links"])
    portal.lag_seconds = saved["lag_seconds"]
    return portal
