"""Many synthetic records that take no memory: each is computed from its place when asked for."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce import ids

Row = dict[str, Any]
# "{n}" stands for the record's place in the block.
TEMPLATES: dict[str, dict[str, Any]] = {
    "Account": {
        "Name": "Pension Fund {n}",
        "Website": "https://www.pension{n}.example",
        "Industry": "Finance",
        "BillingCity": "Example City",
        "BillingCountry": "Germany",
        "Phone": "+49 30 55{n}",
    },
    "Contact": {
        "FirstName": "First{n}",
        "LastName": "Last{n}",
        "Email": "contact{n}@pension{n}.example",
        "Title": "Investment Manager",
        "Phone": "+49 30 56{n}",
        "MailingCity": "Example City",
    },
    "Task": {"Subject": "Call {n}", "Status": "Not Started", "Priority": "Normal", "TaskSubtype": "Task"},
}


@dataclass
class Block:
    """``count`` records of one object with numbers from ``first`` on, saved ``per_second`` from ``stamp`` on.

    ``stamp`` is in seconds since 1970. ``parents`` are ids given in turn to the field ``parent_field``; or those of
    another block, from the number ``parent_first``. ``moved`` are places whose records live elsewhere by now, in order.
    """

    prefix: str
    tag: str
    first: int
    count: int
    stamp: int
    per_second: int
    user_id: str
    values: dict[str, Any]
    parent_field: str = ""
    parents: list[str] = field(default_factory=list)
    parent_prefix: str = ""
    parent_first: int = 0
    parent_count: int = 0
    moved: list[int] = field(default_factory=list)

    def has(self, number: int) -> bool:
        """Whether a record of this number is here."""
        place = number - self.first
        if not 0 <= place < self.count:
            return False
        found = bisect_left(self.moved, place)
        return found == len(self.moved) or self.moved[found] != place

    def take_out(self, number: int) -> None:
        """Its record lives elsewhere from now on."""
        insort(self.moved, number - self.first)

    def put_back(self, number: int) -> None:
        """Its record is the computed one again."""
        self.moved.remove(number - self.first)

    def stamp_of(self, number: int) -> int:
        """When a record was saved."""
        return self.stamp + (number - self.first) // self.per_second

    def numbers(self, start: int | None, end: int | None) -> list[int]:
        """Those saved from ``start`` on and before ``end``, in order."""
        low = 0 if start is None else max(0, (start - self.stamp) * self.per_second)
        high = self.count if end is None else min(self.count, (end - self.stamp) * self.per_second)
        span = range(self.first + low, self.first + max(low, high))
        if not self.moved:
            return list(span)
        gone = {self.first + place for place in self.moved}
        return [number for number in span if number not in gone]

    def row(self, number: int) -> Row:
        """The record of a number."""
        place = str(number - self.first)
        stamp = self.stamp_of(number)
        row: Row = {
            name: value.replace("{n}", place) if isinstance(value, str) else value
            for name, value in self.values.items()
        }
        row |= {
            "Id": ids.make(self.prefix, self.tag, number),
            "OwnerId": self.user_id,
            "CreatedById": self.user_id,
            "LastModifiedById": self.user_id,
            "CreatedDate": stamp,
            "LastModifiedDate": stamp,
            "SystemModstamp": stamp,
        }
        if parent := self._parent_of(number - self.first):
            row[self.parent_field] = parent
        return row

    def may_have(self, name: str) -> bool:
        """Whether any of its records has a value in a field."""
        system = {"OwnerId", "CreatedById", "LastModifiedById"}
        return name in self.values or name in system or name == self.parent_field

    def _parent_of(self, place: int) -> str:
        if self.parents:
            return self.parents[place % len(self.parents)]
        if self.parent_count:
            return ids.make(self.parent_prefix, self.tag, self.parent_first + place % self.parent_count)
        return ""
