"""Records of one kind in one portal, found by id, by unique value, and in the order they were changed."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sandbox.hubspot.kinds import Kind

FIRST_ID = 713_492_963_559
"""Of every kind: ids are over 2³², and two kinds may share one."""
ADDRESS, MORE_ADDRESSES = "email", "hs_additional_emails"


class Source(NamedTuple):
    """Who wrote: ``type`` as in a webhook's changeSource, ``id`` an app's or ``userId:…``, ``user_id`` 0 for an app."""

    type: str
    id: str
    user_id: int = 0


class Version(NamedTuple):
    """A value that a property had from ``at_ms`` (since 1970) on."""

    value: str
    at_ms: int
    source: Source


@dataclass(slots=True)
class Record:
    """``values`` leaves out what is empty and what follows from the other fields. Times are milliseconds since 1970.

    ``history`` holds the properties changed since creation, oldest version first; ``merged`` the ids that became this.
    """

    id: int
    values: dict[str, str]
    created_ms: int
    updated_ms: int
    source: Source
    archived_ms: int = 0
    merged: tuple[int, ...] = ()
    history: dict[str, list[Version]] | None = None

    def versions(self, name: str) -> list[Version]:
        """What a property was, newest first; none for one never set."""
        if self.history and name in self.history:
            return self.history[name][::-1]
        value = self.values.get(name)
        return [] if value is None else [Version(value, self.created_ms, self.source)]

    def set(self, name: str, value: str, at_ms: int, source: Source) -> None:
        """Write a value, or take it away with an empty one, and remember what was."""
        self.history = self.history or {}
        if name not in self.history:
            self.history[name] = self.versions(name)
        self.history[name].append(Version(value, at_ms, source))
        if value:
            self.values[name] = value
        else:
            self.values.pop(name, None)


class Glimpse(NamedTuple):
    """What search still sees of a record until ``until_ms``: an older copy, or nothing of it."""

    until_ms: int
    record: Record | None


class Book:
    """All records of a kind. ``unique`` names the properties that two records may not share."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.live: dict[int, Record] = {}
        self.archived: dict[int, Record] = {}
        self.aliases: dict[int, int] = {}
        self.ids: list[int] = []
        self.stamps: list[tuple[int, int]] = []
        self.unique: dict[str, dict[str, int]] = {ADDRESS: {}} if kind.name == "contacts" else {}
        self.glimpses: dict[int, Glimpse] = {}
        self.next_id = FIRST_ID

    def new_id(self) -> int:
        """An id that no record ever had."""
        self.next_id += 1
        return self.next_id - 1

    def add(self, record: Record) -> None:
        """Take in a live record."""
        self.live[record.id] = record
        insort(self.ids, record.id)
        insort(self.stamps, (record.updated_ms, record.id))
        self._index(record)

    def add_many(self, records: Iterable[Record]) -> None:
        """Take in many, at the price of one sort."""
        for record in records:
            self.live[record.id] = record
            self.ids.append(record.id)
            self.stamps.append((record.updated_ms, record.id))
            self._index(record)
        self.ids.sort()
        self.stamps.sort()

    def remove(self, record: Record) -> None:
        """Take a live record out."""
        self._unindex(record)
        del self.live[record.id]
        del self.ids[bisect_left(self.ids, record.id)]
        del self.stamps[bisect_left(self.stamps, (record.updated_ms, record.id))]
        self.glimpses.pop(record.id, None)

    def change(self, record: Record, values: dict[str, str], at_ms: int, source: Source) -> None:
        """Write values of a live record; its stamp moves."""
        self._unindex(record)
        for name, value in values.items():
            record.set(name, value, at_ms, source)
        self._index(record)
        del self.stamps[bisect_left(self.stamps, (record.updated_ms, record.id))]
        record.updated_ms = max(at_ms, record.updated_ms)
        insort(self.stamps, (record.updated_ms, record.id))

    def hide(self, record: Record, now_ms: int, lag_ms: int, *, is_new: bool = False) -> None:
        """Let search go on seeing the record as it is now, or nothing of it. Call it before the change."""
        seen = self.glimpses.get(record.id)
        if lag_ms and (seen is None or seen.until_ms <= now_ms):
            copy = None if is_new else replace(record, values=dict(record.values))
            self.glimpses[record.id] = Glimpse(now_ms + lag_ms, copy)

    def resolved(self, record_id: int) -> int:
        """The id that a merged one goes by now."""
        while record_id in self.aliases:
            record_id = self.aliases[record_id]
        return record_id

    def find(self, text: str, *, is_archived: bool = False) -> Record | None:
        """By id; that of a record merged away finds what it became."""
        if not text.isdecimal():
            return None
        shelf = self.archived if is_archived else self.live
        return shelf.get(self.resolved(int(text)))

    def find_by(self, name: str, value: str) -> Record | None:
        """A live record by a unique property, in any case; KeyError for a property that is none."""
        record_id = self.unique[name].get(value.lower())
        return None if record_id is None else self.live[record_id]

    def make_unique(self, name: str) -> None:
        """Index one more property."""
        index = self.unique.setdefault(name, {})
        for record in self.live.values():
            if value := record.values.get(name):
                index[value.lower()] = record.id

    def keys(self, record: Record) -> Iterable[tuple[str, str]]:
        """The unique values of a record in lower case; further addresses count as addresses."""
        for name in self.unique:
            if value := record.values.get(name):
                yield name, value.lower()
            if name == ADDRESS:
                for address in record.values.get(MORE_ADDRESSES, "").split(";"):
                    if address:
                        yield ADDRESS, address

    def _index(self, record: Record) -> None:
        for name, value in self.keys(record):
            self.unique[name][value] = record.id

    def _unindex(self, record: Record) -> None:
        for name, value in self.keys(record):
            if self.unique[name].get(value) == record.id:
                del self.unique[name][value]

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "records": [packed(one) for shelf in (self.live, self.archived) for one in shelf.values()],
            "aliases": list(self.aliases.items()),
            "unique": list(self.unique),
            "next_id": self.next_id,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        records = [unpacked(one) for one in saved["records"]]
        self.unique = {name: {} for name in saved["unique"]}
        self.archived = {one.id: one for one in records if one.archived_ms}
        self.add_many(one for one in records if not one.archived_ms)
        self.aliases = dict(saved["aliases"])
        self.next_id = saved["next_id"]


def packed(record: Record) -> list[Any]:
    """A record as JSON."""
    history = {name: list(versions) for name, versions in (record.history or {}).items()}
    return [
        record.id,
        record.values,
        record.created_ms,
        record.updated_ms,
        list(record.source),
        record.archived_ms,
        list(record.merged),
        history,
    ]


def unpacked(saved: list[Any]) -> Record:
    """Back again."""
    record_id, values, created_ms, updated_ms, source, archived_ms, merged, history = saved
    versions = {
        name: [Version(value, at_ms, Source(*who)) for value, at_ms, who in kept] for name, kept in history.items()
    }
    return Record(
        record_id, values, created_ms, updated_ms, Source(*source), archived_ms, tuple(merged), versions or None
    )
