"""Associations between records. Each has types, and each type a counterpart the other way round.

https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.hubspot.kinds import KINDS

Json = dict[str, Any]
DEFINED, BY_USER = "HUBSPOT_DEFINED", "USER_DEFINED"
FIRST_LABEL = 550


@dataclass(frozen=True)
class LinkType:
    """A type in one direction; ``back`` is its number in the other. ``name`` is what version 3 calls it."""

    number: int
    back: int
    start: str
    end: str
    label: str | None
    name: str
    category: str = DEFINED

    @property
    def is_primary(self) -> bool:
        """Whether it marks the one company a contact belongs to."""
        return self.category == DEFINED and self.label is not None

    def shown(self) -> Json:
        """As version 4 shows it."""
        return {"category": self.category, "typeId": self.number, "label": self.label}


def both_ways(start: str, there: int, end: str, back: int, labels: tuple[str, str] | None = None) -> list[LinkType]:
    """A type and its counterpart."""
    to, fro = labels or (None, None)
    one, other = KINDS[start].singular, KINDS[end].singular
    # In version 3 it is the primary company that goes by the plain name.
    ending = "_unlabeled" if {start, end} == {"contacts", "companies"} and labels is None else ""
    return [
        LinkType(there, back, start, end, to, f"{one}_to_{other}{ending}"),
        LinkType(back, there, end, start, fro, f"{other}_to_{one}{ending}"),
    ]


BUILT_IN = [
    *both_ways("contacts", 1, "companies", 2, ("Contact with Primary Company", "Primary Company with Contact")),
    *both_ways("contacts", 279, "companies", 280),
    *both_ways("notes", 202, "contacts", 201),
    *both_ways("notes", 190, "companies", 189),
    *both_ways("tasks", 204, "contacts", 203),
    *both_ways("tasks", 192, "companies", 191),
    *both_ways("meetings", 200, "contacts", 199),
    *both_ways("meetings", 188, "companies", 187),
    *both_ways("emails", 198, "contacts", 197),
    *both_ways("emails", 186, "companies", 185),
    *both_ways("calls", 194, "contacts", 193),
    *both_ways("calls", 182, "companies", 181),
]
PRIMARY = 1
"""From a contact to its company; HubSpot itself adds the default type."""


class Links:
    """The associations of one portal."""

    def __init__(self) -> None:
        self.types: dict[int, LinkType] = {one.number: one for one in BUILT_IN}
        self._ends: dict[tuple[str, int, str], dict[int, set[int]]] = {}

    def between(self, start: str, end: str) -> list[LinkType]:
        """The types from one kind to another."""
        return [one for one in self.types.values() if (one.start, one.end) == (start, end)]

    def default(self, start: str, end: str) -> LinkType | None:
        """The plain type from one kind to another, None if they do not go together."""
        return next((one for one in self.between(start, end) if one.label is None), None)

    def find(self, start: str, end: str, category: str, number: int) -> LinkType | None:
        """A type by its number, if it leads from the one kind to the other."""
        found = self.types.get(number)
        is_meant = found is not None and (found.start, found.end, found.category) == (start, end, category)
        return found if is_meant else None

    def add_label(self, start: str, end: str, label: str) -> LinkType:
        """A label of the user's own, the same in both directions."""
        there = max(FIRST_LABEL - 1, *self.types) + 1
        name = label.lower().replace(" ", "_")
        self.types[there] = LinkType(there, there + 1, start, end, label, name, BY_USER)
        self.types[there + 1] = LinkType(there + 1, there, end, start, label, name, BY_USER)
        return self.types[there]

    def add(self, kind: LinkType, start_id: int, end_id: int) -> bool:
        """Put a type between two records, both ways; whether it is new."""
        forth = self._ends.setdefault((kind.start, start_id, kind.end), {}).setdefault(end_id, set())
        is_new = kind.number not in forth
        forth.add(kind.number)
        self._ends.setdefault((kind.end, end_id, kind.start), {}).setdefault(start_id, set()).add(kind.back)
        return is_new

    def remove(self, kind: LinkType, start_id: int, end_id: int) -> bool:
        """Take one type away, both ways; whether it was there."""
        forth = self._ends.get((kind.start, start_id, kind.end), {})
        if kind.number not in forth.get(end_id, ()):
            return False
        for ends, far, number in (
            (forth, end_id, kind.number),
            (self._ends[kind.end, end_id, kind.start], start_id, kind.back),
        ):
            ends[far].discard(number)
            if not ends[far]:
                del ends[far]
        return True

    def of(self, start: str, start_id: int, end: str) -> dict[int, list[LinkType]]:
        """What a record is associated with, by id, primary first."""
        ends = self._ends.get((start, start_id, end), {})
        return {end_id: [self.types[one] for one in sorted(numbers)] for end_id, numbers in sorted(ends.items())}

    def all_of(self, start: str, start_id: int) -> Iterable[tuple[LinkType, int]]:
        """Every association of a record, one for each type."""
        for end in KINDS:
            for end_id, types in self.of(start, start_id, end).items():
                yield from ((one, end_id) for one in types)

    def dump(self) -> Json:
        """All of it as JSON; one direction says the other."""
        ends = [
            [*key, end_id, sorted(numbers)]
            for key, far in self._ends.items()
            for end_id, numbers in far.items()
            if key[0] < key[2]
        ]
        return {"labels": [asdict(one) for one in self.types.values() if one.category == BY_USER], "ends": ends}

    def load(self, saved: Json) -> None:
        """Take over what ``dump`` gave."""
        self.types |= {one["number"]: LinkType(**one) for one in saved["labels"]}
        for _start, start_id, _end, end_id, numbers in saved["ends"]:
            for number in numbers:
                self.add(self.types[number], start_id, end_id)
