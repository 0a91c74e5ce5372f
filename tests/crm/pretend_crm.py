"""A CRM in memory, as crm/contract.py describes one: for fast tests, and for those that shuffle what may happen.

Its people edit it by ``create``, ``put``, ``delete``, ``undelete`` and ``merge``; the adapter's methods are what the
product asks. It has a clock of its own, which each edit moves on by ``tick``. The switches are attributes: what a real
CRM may do, such as whole-second stamps or a search that lags, is on or off by them.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from crm.contract import (
    Change,
    Field,
    FieldCreated,
    Link,
    NewField,
    Option,
    Pace,
    ReadBatch,
    Record,
    RecordError,
    RecordPage,
    Related,
    UnreadableRecord,
    Usage,
    Value,
    Wanted,
    Written,
)
from integrations.contract import OpenedChannel, ResourceInfo, WatchRequest
from integrations.errors import CursorExpired, Temporary

FAR = datetime(2100, 1, 1, tzinfo=UTC)
KEY = "LPxGP_Sync_Id__c"
OBJECTS = {
    "organization": "Account",
    "person": "Contact",
    "meeting": "Event",
    "email": "Task",
    "task": "Task",
    "note": "Note",
}


def text(name: str, label: str = "", **more: Any) -> Field:
    """A field of text, at most 255 long unless said otherwise."""
    return replace(Field(name, label or name, "text", max_length=255), **more)


FIELDS: dict[str, tuple[Field, ...]] = {
    "Account": (
        text("Name", is_required=True),
        text("Website", type="url"),
        text("Type", type="choice", options=tuple(Option(name, name) for name in ("Investor", "Manager", "Other"))),
        text("BillingCity", max_length=40),
        text("BillingCountry", max_length=80),
        text("LPxGP_Match_Score__c", type="number", max_length=None, is_custom=True),
        text("LPxGP_Summary__c", type="long_text", max_length=32000, is_custom=True),
        text("LPxGP_Last_Synced__c", type="datetime", max_length=None, is_custom=True),
        text(KEY, is_custom=True, is_unique=True, is_external_key=True, max_length=64),
    ),
    "Contact": (
        text("FirstName", max_length=40),
        text("LastName", max_length=80, is_required=True),
        text("Name", max_length=121, is_createable=False, is_updateable=False),
        text("Email", type="email", max_length=80),
        text("Phone", type="phone", max_length=40),
        text("Title", max_length=128),
        text(KEY, is_custom=True, is_unique=True, is_external_key=True, max_length=64),
    ),
    "Event": (
        text("Subject"),
        text("StartDateTime", type="datetime", max_length=None),
        text("EndDateTime", type="datetime", max_length=None),
        text("Location"),
        text("Description", type="long_text", max_length=32000),
        text(KEY, is_custom=True, is_unique=True, is_external_key=True, max_length=64),
    ),
    "Task": (
        text("Subject"),
        text("Description", type="long_text", max_length=32000),
        text("ActivityDate", type="date", max_length=None),
        text("Priority", type="choice", options=tuple(Option(name, name) for name in ("High", "Normal", "Low"))),
        text("Status", type="choice", options=tuple(Option(name, name) for name in ("Not Started", "Completed"))),
        text(KEY, is_custom=True, is_unique=True, is_external_key=True, max_length=64),
    ),
    "Note": (text("Title", max_length=80, is_required=True), text("Body", type="long_text", max_length=32000)),
}
"""Every object's fields, with the names the CRM of a firm might have."""


@dataclass
class Row:
    """A record as the pretend CRM keeps it. ``key`` is ours, also where the object has no field for it."""

    object: str
    id: str
    values: dict[str, Value]
    modified_at: datetime
    key: str = ""
    is_deleted: bool = False
    merged_into: str = ""
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    is_by_us: bool = False


Refusal = Callable[[Change], RecordError | None]


@dataclass
class PretendCrm:
    """The CRM and its adapter in one. ``calls`` counts the adapter's calls by name, ``writes`` holds all it was sent.

    ``whole_seconds``: stamps have no fractions. ``lag``: what changed less than this ago is not among ``changes`` yet.
    ``overlap``: how far a new cursor lies before the newest change that was read. ``merges_to_new``: what two records
    become is a third. ``lost_replies``: so many writes are done and not answered. ``refuse`` says which are not taken.
    """

    whole_seconds: bool = True
    page_size: int = 200
    batch: int = 200
    bulk_from: int = 2_001
    lag: timedelta = timedelta(0)
    overlap: timedelta = timedelta(seconds=30)
    tick: timedelta = timedelta(seconds=1)
    merges_to_new: bool = False
    unique_emails: bool = False
    lost_replies: int = 0
    refuse: Refusal | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    now: datetime = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    fields_of: dict[str, tuple[Field, ...]] = field(default_factory=lambda: dict(FIELDS))
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    writes: list[Change] = field(default_factory=list)
    expired: bool = False

    slug = "pretend"
    is_single_watch = True
    objects: Mapping[str, str] = field(default_factory=lambda: dict(OBJECTS))
    key_fields: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(("Account", "Contact", "Event", "Task"), KEY)
    )
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _made: int = 0

    # What its people do.

    def create(
        self, object: str, related: Sequence[Related] = (), addresses: Sequence[str] = (), **values: Value
    ) -> str:
        """A new record; its id."""
        row = Row(object, self._next_id(object), dict(values), self._moment())
        row.related, row.addresses = tuple(related), tuple(addresses)
        self.rows[object, row.id] = row
        return row.id

    def put(self, object: str, id: str, **values: Value) -> None:
        """Change values of a record."""
        row = self.rows[object, id]
        row.values |= values
        row.modified_at, row.is_by_us = self._moment(), False

    def relate(self, object: str, id: str, *related: Related) -> None:
        """Say anew what a record belongs to."""
        row = self.rows[object, id]
        row.related, row.modified_at, row.is_by_us = related, self._moment(), False

    def delete(self, object: str, id: str) -> None:
        row = self.rows[object, id]
        row.is_deleted, row.modified_at, row.is_by_us = True, self._moment(), False

    def undelete(self, object: str, id: str) -> None:
        row = self.rows[object, id]
        row.is_deleted, row.modified_at, row.is_by_us = False, self._moment(), False

    def merge(self, object: str, winner: str, loser: str) -> str:
        """Make two records one; the id of what is left. What belonged to the loser belongs to that, with old stamps."""
        kept, lost = self.rows[object, winner], self.rows[object, loser]
        at = self._moment()
        if self.merges_to_new:
            kept, gone = replace(kept, id=self._next_id(object)), [self.rows[object, winner], lost]
            self.rows[object, kept.id] = kept
        else:
            gone = [lost]
        for row in gone:
            row.is_deleted, row.merged_into, row.modified_at, row.is_by_us = True, kept.id, at, False
            kept.aliases += (row.id, *row.aliases)
        if email := lost.values.get("Email"):
            kept.addresses += (str(email),)
        kept.addresses += lost.addresses
        filled = {name: value for name, value in lost.values.items() if kept.values.get(name) in (None, "")}
        kept.values = kept.values | filled
        kept.modified_at, kept.is_by_us = at, False
        for row in self.rows.values():
            row.related = tuple(
                replace(other, external_id=kept.id)
                if self.objects[other.kind] == object and other.external_id in kept.aliases
                else other
                for other in row.related
            )
        return kept.id

    def living(self, object: str) -> list[Row]:
        """The records of an object that are not deleted, the oldest first."""
        return [row for row in self.rows.values() if row.object == object and not row.is_deleted]

    # What the product asks.

    @property
    def paces(self) -> tuple[Pace, ...]:
        return ()

    def takes(self, object: str, related: Sequence[Related], known: Collection[Related]) -> tuple[Related, ...]:
        return tuple(related)

    def pace_of(self, request: requests.PreparedRequest) -> str:
        return "burst"

    def usage(self, response: requests.Response) -> tuple[Usage, ...]:
        return ()

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        return OpenedChannel(wanted.external_id, "", FAR)

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        """There is nothing to stop."""

    def accounts(self, link: Link) -> Iterator[ResourceInfo]:
        yield ResourceInfo("00D000000000001EAA", "Pretend CRM", "UTC", is_primary=True, access_role="")

    def fields(self, link: Link, object: str) -> tuple[Field, ...]:
        self.calls["fields"] += 1
        return self.fields_of[object]

    def listing(self, link: Link, wanted: Wanted) -> RecordPage:
        """In the order of creation; ``page`` is the next offset and where the next cursor begins."""
        with self._lock:
            self.calls["listing"] += 1
            offset, _, cursor = wanted.page.partition("|")
            start = int(offset or 0)
            cursor = cursor or (self._stamp(self.now) - self.overlap).isoformat()
            rows = [row for row in self.rows.values() if row.object == wanted.object]
            return self._page(rows, start, cursor, wanted, is_listing=True)

    def changes(self, link: Link, wanted: Wanted) -> RecordPage:
        """By stamp; ``page`` is the next offset and the cursor of the whole reading."""
        with self._lock:
            self.calls["changes"] += 1
            if self.expired:
                raise CursorExpired("The CRM no longer knows what changed since then.")
            offset, _, seen = wanted.page.partition("|")
            since, until = datetime.fromisoformat(wanted.cursor), self.now - self.lag
            rows = [row for row in self.rows.values() if row.object == wanted.object]
            rows = [row for row in rows if since <= row.modified_at <= until]
            rows.sort(key=lambda row: (row.modified_at, row.id))
            newest = rows[-1].modified_at - self.overlap if rows else since
            return self._page(rows, int(offset or 0), seen or max(newest, since).isoformat(), wanted)

    def read(self, link: Link, wanted: Wanted, external_ids: Collection[str]) -> ReadBatch:
        with self._lock:
            self.calls["read"] += 1
            assert len(external_ids) <= 100, "more than 100 ids in one call"
            rows = {id: self.rows.get((wanted.object, id)) for id in external_ids}
            records = [self._told(self._as_read(row), wanted) for row in rows.values() if row]
            return ReadBatch(tuple(records), tuple(id for id, row in rows.items() if row is None))

    def write(self, link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
        with self._lock:
            self.calls["write"] += 1
            assert 0 < len(changes) <= self.batch, "a batch is too large, or empty"
            assert len({bool(change.external_id) for change in changes}) == 1, "creations and updates in one call"
            return self._write_all(changes)

    def write_many(self, link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
        with self._lock:
            self.calls["write_many"] += 1
            return self._write_all(changes)

    def recover(self, link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
        with self._lock:
            self.calls["recover"] += 1
            rows = {row.key: row for row in self.rows.values() if row.object == object and row.key}
            found = [(change, rows[change.key]) for change in changes if change.key in rows]
            return tuple(Written(change.key, row.id, True, row.modified_at) for change, row in found)

    def create_fields(self, link: Link, wanted: Sequence[NewField]) -> tuple[FieldCreated, ...]:
        self.calls["create_fields"] += 1
        for new in wanted:
            made = Field(new.name, new.label, new.type, is_custom=True, max_length=new.max_length)
            made = replace(made, is_unique=new.is_key, is_external_key=new.is_key)
            self.fields_of[new.object] = (*self.fields_of[new.object], made)
        return tuple(FieldCreated(new.object, new.name, True) for new in wanted)

    def record_url(self, link_details: Mapping[str, str], account_id: str, object: str, external_id: str) -> str:
        return f"https://crm.example/{object}/{external_id}"

    # How it does it.

    def _next_id(self, object: str) -> str:
        self._made += 1
        return f"{object[:3].upper()}{self._made:012d}"

    def _stamp(self, at: datetime) -> datetime:
        return at.replace(microsecond=0) if self.whole_seconds else at

    def _moment(self) -> datetime:
        self.now += self.tick
        return self._stamp(self.now)

    def _as_read(self, row: Row) -> Row:
        """Where a merge makes a third record, reading an old id answers with that one."""
        while self.merges_to_new and row.merged_into:
            row = self.rows[row.object, row.merged_into]
        return row

    def _told(self, row: Row, wanted: Wanted) -> Record:
        merged_into = row.merged_into
        while merged_into and self.rows[row.object, merged_into].merged_into:
            merged_into = self.rows[row.object, merged_into].merged_into
        if row.is_deleted:
            return Record(row.object, row.id, {}, row.modified_at, is_deleted=True, merged_into=merged_into)
        values = {name: row.values.get(name) for name in wanted.fields}
        return Record(
            row.object, row.id, values, row.modified_at,
            aliases=row.aliases, addresses=row.addresses, related=row.related, is_by_us=row.is_by_us,
        )  # fmt: skip

    def _page(
        self, rows: Sequence[Row], start: int, cursor: str, wanted: Wanted, is_listing: bool = False
    ) -> RecordPage:
        end = start + self.page_size
        some = [row for row in rows[start:end] if not (is_listing and row.is_deleted)]
        if self.merges_to_new:
            # What became part of a third record is told by that one's aliases alone.
            some = [row for row in some if not row.merged_into]
        records = tuple(self._told(row, wanted) for row in some if row.id not in self.unreadable)
        unreadable = tuple(
            UnreadableRecord(row.id, self.unreadable[row.id]) for row in some if row.id in self.unreadable
        )
        if end < len(rows):
            return RecordPage(records, unreadable, next_page=f"{end}|{cursor}")
        return RecordPage(records, unreadable, next_cursor=cursor)

    def _write_all(self, changes: Sequence[Change]) -> tuple[Written, ...]:
        assert len({change.object for change in changes}) == 1, "more than one object in one call"
        self.writes += changes
        self.now += self.tick
        answers = tuple(self._write_one(change) for change in changes)
        if self.lost_replies:
            self.lost_replies -= 1
            raise Temporary("The answer was lost.")
        return answers

    def _write_one(self, change: Change) -> Written:
        row = self._target(change)
        if change.external_id and (row is None or row.is_deleted):
            return Written(change.key, change.external_id, error=RecordError("gone", "entity is deleted", "GONE"))
        if error := self._check(change, row):
            return Written(change.key, change.external_id, error=error)
        is_created = row is None
        if row is None:
            row = Row(change.object, self._next_id(change.object), {}, self._stamp(self.now), key=change.key)
            self.rows[change.object, row.id] = row
        related = self._related(row, change)
        # Writing what is there already leaves the stamp alone.
        if is_created or related != row.related or any(row.values.get(name) != v for name, v in change.values.items()):
            row.modified_at, row.is_by_us = self._stamp(self.now), True
        row.values |= change.values
        row.related = related
        if change.object in self.key_fields:
            row.values[self.key_fields[change.object]] = row.key
        return Written(change.key, row.id, is_created, row.modified_at)

    def _target(self, change: Change) -> Row | None:
        """The record that is meant: by its id, or by our key where the object keeps that."""
        if change.external_id:
            row = self.rows.get((change.object, change.external_id))
            return self._as_read(row) if row else None
        if change.object not in self.key_fields:
            return None
        return next((row for row in self.living(change.object) if row.key == change.key), None)

    def _related(self, row: Row, change: Change) -> tuple[Related, ...]:
        """A contact has one firm; everything else gathers what it belongs to."""
        kept = () if change.object == "Contact" and change.related else row.related
        return (*kept, *(other for other in change.related if other not in kept))

    def _check(self, change: Change, row: Row | None) -> RecordError | None:
        if self.refuse and (error := self.refuse(change)):
            return error
        for name, value in change.values.items():
            known = next((known for known in self.fields_of[change.object] if known.name == name), None)
            if known is None:
                return RecordError("unknown_field", f"No such column '{name}'", "INVALID_FIELD", name)
            if not (known.is_updateable if row else known.is_createable):
                return RecordError("no_permission", f"{name} cannot be written", "INVALID_FIELD_FOR_UPDATE", name)
            if known.max_length and len(str(value or "")) > known.max_length:
                return RecordError("too_long", f"{name}: data value too large", "STRING_TOO_LONG", name)
            if known.is_restricted and value and value not in {option.value for option in known.options}:
                return RecordError("bad_choice", f"{name}: bad value", "INVALID_OPTION", name)
        return self._missing(change, row) or self._duplicate(change, row)

    def _missing(self, change: Change, row: Row | None) -> RecordError | None:
        held = {**(row.values if row else {}), **change.values}
        for known in self.fields_of[change.object]:
            if known.is_required and held.get(known.name) in (None, ""):
                return RecordError("required_missing", f"Required: {known.name}", "REQUIRED_FIELD_MISSING", known.name)
        return None

    def _duplicate(self, change: Change, row: Row | None) -> RecordError | None:
        email = change.values.get("Email")
        if not self.unique_emails or not email:
            return None
        for other in self.living(change.object):
            if other is not row and email in {other.values.get("Email"), *other.addresses}:
                words = f"Contact already exists. Existing ID: {other.id}"
                return RecordError("duplicate", words, "CONFLICT", "Email", existing_id=other.id)
        return None
