"""The records of one object in one org, in the order they were saved."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from heapq import merge
from typing import Any

from sandbox.salesforce import ids
from sandbox.salesforce.blocks import Block, Row
from sandbox.salesforce.catalogue import Kind

Undo = list[tuple["Table", int, Row | None]]


class Table:
    """Rows by number. A row holds the fields that have a value; times are whole seconds since 1970.

    ``pending`` are rows saved by a transaction that has not committed: reads by id see them, queries do not.
    ``log`` are deletions: when, and which. ``undo`` is where each change leaves what was before it, while it is a list.
    """

    def __init__(self, kind: Kind, tag: str, first: int) -> None:
        self.kind = kind
        self.tag = tag
        self.next_number = first
        self.rows: dict[int, Row] = {}
        self.blocks: list[Block] = []
        self.pending: dict[int, Row] = {}
        self.log: list[tuple[int, str]] = []
        self._live: list[tuple[int, int]] = []
        self._binned: list[tuple[int, int]] = []
        self._indexes: dict[str, dict[str, set[int]]] = {}

    def new_id(self) -> str:
        """The id of a record to be."""
        number, self.next_number = self.next_number, self.next_number + 1
        return ids.make(self.kind.prefix, self.tag, number)

    def number_of(self, record_id: str) -> int | None:
        """The number in an id of this table."""
        return ids.number_of(record_id, self.kind.prefix, self.tag)

    def get(self, number: int | None) -> Row | None:
        """A committed row, deleted or not."""
        if number is None:
            return None
        row = self.rows.get(number)
        if row is not None:
            return row
        return next((block.row(number) for block in self.blocks if block.has(number)), None)

    def newest(self, record_id: str) -> Row | None:
        """A row by id as its last writer left it, committed or not."""
        number = self.number_of(record_id)
        if number is None:
            return None
        return self.pending.get(number) or self.get(number)

    def put(self, row: Row, undo: Undo | None = None) -> None:
        """Save a row in place of the one with its id."""
        number = self.number_of(row["Id"])
        if number is None:
            raise ValueError(f"{row['Id']} is no id of {self.kind.name}")
        if undo is not None:
            undo.append((self, number, self.rows.get(number)))
        self._forget(number)
        self._remember(number, row)

    def restore(self, number: int, row: Row | None) -> None:
        """Undo: the row that was there, or None for none of its own."""
        self._forget(number)
        if row is not None:
            self._remember(number, row)
            return
        for block in self.blocks:
            if 0 <= number - block.first < block.count:
                block.put_back(number)
                self._index(number, block.row(number))

    def purge(self, number: int) -> None:
        """A row goes for good."""
        self._forget(number)

    def add_block(self, block: Block) -> None:
        """Take a block over; its numbers must be this table's next ones."""
        self.blocks.append(block)
        self.next_number += block.count
        self._indexes.clear()

    def ordered(self, start: int | None, end: int | None, *, is_deleted: bool) -> list[int]:
        """The numbers of live or of deleted rows saved from ``start`` on and before ``end``, by stamp and id."""
        own = self._binned if is_deleted else self._live
        low = 0 if start is None else bisect_left(own, (start, 0))
        high = len(own) if end is None else bisect_left(own, (end, 0))
        spans = [] if is_deleted else [(block, block.numbers(start, end)) for block in self.blocks]
        spans = [(block, span) for block, span in spans if span]
        if not spans:
            return [number for _, number in own[low:high]]
        if len(spans) == 1 and low == high:
            return spans[0][1]
        stamped: list[Iterator[tuple[int, int]]] = [iter(own[low:high])]
        stamped += [((block.stamp_of(number), number) for number in span) for block, span in spans]
        return [number for _, number in merge(*stamped)]

    def find(self, name: str, value: object) -> list[int]:
        """The numbers of rows, deleted ones too, with a value in a field, however its letters are."""
        if name not in self._indexes:
            self._build(name)
        return sorted(self._indexes[name].get(str(value).lower(), ()))

    def count(self) -> int:
        """How many live rows there are."""
        return len(self._live) + sum(block.count - len(block.moved) for block in self.blocks)

    def bin(self) -> list[tuple[int, int]]:
        """When each deleted row was deleted, and its number; the oldest first."""
        return self._binned

    def everything(self) -> Iterator[Row]:
        """All live rows, by stamp and id."""
        for number in self.ordered(None, None, is_deleted=False):
            row = self.get(number)
            if row is not None:
                yield row

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "next_number": self.next_number,
            "rows": [*self.rows.values()],
            "pending": [*self.pending.values()],
            "log": self.log,
            "blocks": [asdict(block) for block in self.blocks],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave; what waited for its commit is committed."""
        self.next_number = saved["next_number"]
        self.log = [(stamp, record_id) for stamp, record_id in saved["log"]]
        self.blocks = [Block(**{**one, "moved": []}) for one in saved["blocks"]]
        for row in [*saved["rows"], *saved["pending"]]:
            self.put(row)

    def _remember(self, number: int, row: Row) -> None:
        for block in self.blocks:
            if block.has(number):
                self._unindex(number, block.row(number))
                block.take_out(number)
        self.rows[number] = row
        insort(self._order_of(row), (row["SystemModstamp"], number))
        self._index(number, row)

    def _forget(self, number: int) -> None:
        row = self.rows.pop(number, None)
        if row is None:
            return
        order = self._order_of(row)
        del order[bisect_left(order, (row["SystemModstamp"], number))]
        self._unindex(number, row)

    def _order_of(self, row: Row) -> list[tuple[int, int]]:
        return self._binned if row.get("IsDeleted") else self._live

    def _build(self, name: str) -> None:
        index: dict[str, set[int]] = defaultdict(set)
        self._indexes[name] = index
        for number, row in self.rows.items():
            if row.get(name) is not None:
                index[str(row[name]).lower()].add(number)
        for block in self.blocks:
            if block.may_have(name):
                for number in block.numbers(None, None):
                    index[str(block.row(number).get(name)).lower()].add(number)

    def _index(self, number: int, row: Row) -> None:
        for name, index in self._indexes.items():
            if row.get(name) is not None:
                index[str(row[name]).lower()].add(number)

    def _unindex(self, number: int, row: Row) -> None:
        for name, index in self._indexes.items():
            if row.get(name) is not None:
                index[str(row[name]).lower()].discard(number)
