"""What a CRM adapter is: the words the two-way sync speaks with it. All times are aware.

An adapter translates one CRM's records, field lists and errors; it touches no ORM and decides nothing. ``object`` is
always the CRM's own name of a kind of record (Account, contacts), ``kind`` is ours (organization, person).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import requests

from integrations.contract import PushAdapter, ResourceInfo

Value = str | int | float | bool | None
"""A field's value as the CRM holds it, in JSON's words: dates and times as ISO 8601 text."""

FieldType = Literal[
    "text", "long_text", "html", "email", "phone", "url", "integer", "number", "boolean", "date", "datetime", "choice",
    "choices", "reference", "other",
]  # fmt: skip


@dataclass(frozen=True)
class Option:
    """A value that a choice may take: what is stored, and what people read."""

    value: str
    label: str
    is_active: bool = True


@dataclass(frozen=True)
class Field:
    """One field of the CRM's record, as it may be used by the account we are linked as.

    ``is_restricted``: only its ``options`` are taken. ``is_required``: a new record needs a value of it. ``digits``: so
    many of a number are kept after its point, None where that is not known.
    """

    name: str
    label: str
    type: FieldType
    is_createable: bool = True
    is_updateable: bool = True
    is_required: bool = False
    is_custom: bool = False
    is_unique: bool = False
    is_external_key: bool = False
    max_length: int | None = None
    digits: int | None = None
    options: tuple[Option, ...] = ()
    is_restricted: bool = False
    refers_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewField:
    """A field of ours that the CRM does not have yet. ``is_key`` asks for a unique one, by which records are found."""

    object: str
    name: str
    label: str
    type: FieldType
    meaning: str
    max_length: int | None = None
    is_key: bool = False


@dataclass(frozen=True)
class FieldCreated:
    """What came of a NewField. ``caveat`` is what an administrator of the CRM still has to do; ``error`` why not."""

    object: str
    name: str
    is_created: bool
    caveat: str = ""
    error: str = ""


@dataclass(frozen=True)
class Related:
    """Another record that a record belongs to. ``kind`` is ours: organization or person."""

    kind: str
    external_id: str


@dataclass(frozen=True)
class Record:
    """A record as the CRM holds it now. Of a deleted one no more than the id is promised.

    ``merged_into`` is the id of the record that it lives on in. ``aliases`` are ids that meant this record before.
    ``addresses`` are further e-mail addresses it is known by. ``is_by_us``: the CRM names us as who changed it last, a
    hint and no proof.
    """

    object: str
    external_id: str
    values: Mapping[str, Value] = field(default_factory=dict)
    modified_at: datetime | None = None
    is_deleted: bool = False
    merged_into: str = ""
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    is_by_us: bool = False


@dataclass(frozen=True)
class UnreadableRecord:
    """A record that could not be translated, with the reason a person can act on."""

    external_id: str
    reason: str


@dataclass(frozen=True)
class RecordPage:
    """One page. ``next_page`` asks for the next; ``next_cursor`` stands on the last one only.

    The cursor already lies an overlap before what was read, by the CRM's clock: rows come again, and are compared.
    """

    records: tuple[Record, ...]
    unreadable: tuple[UnreadableRecord, ...] = ()
    next_page: str = ""
    next_cursor: str = ""


@dataclass(frozen=True)
class ReadBatch:
    """What reading some ids brought. ``missing`` are not there, nor among the deleted.

    An id that is in neither is not known about: its record could not be read, or very many were not there at once.
    """

    records: tuple[Record, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One record to write. Without ``external_id`` it is created, or found by ``key`` where the CRM keeps our key.

    ``key`` is ours and never changes for a row: the same change sent twice makes one record. ``values`` holds the
    changed fields only; None clears a field. ``related`` are those it belongs to: all of them at a creation, the new
    ones at an update. ``planned_at`` is when it was first meant to be sent.
    """

    key: str
    object: str
    values: Mapping[str, Value]
    external_id: str = ""
    related: tuple[Related, ...] = ()
    planned_at: datetime | None = None


@dataclass(frozen=True)
class RecordError:
    """Why one record was not taken. ``cause`` is one of errors.CAUSES; ``message`` is the CRM's own.

    ``existing_id`` names the record that is in the way of a duplicate.
    """

    cause: str
    message: str
    code: str = ""
    field: str = ""
    is_temporary: bool = False
    existing_id: str = ""


@dataclass(frozen=True)
class Written:
    """What came of one Change, by its ``key``. ``modified_at`` is the record's stamp after it, where the CRM says it.

    ``held`` are values as the CRM holds them after the write, where its reply tells (cut, defaulted, normalised).
    """

    key: str
    external_id: str = ""
    is_created: bool = False
    modified_at: datetime | None = None
    held: Mapping[str, Value] = field(default_factory=dict)
    error: RecordError | None = None


@dataclass(frozen=True)
class Usage:
    """How much of its allowance an answer says was used: calls in the current ``window`` (day or burst).

    ``window_seconds`` is how long a burst window lasts.
    """

    window: Literal["day", "burst", "search"]
    used: int
    limit: int
    window_seconds: int = 86400


@dataclass(frozen=True)
class Pace:
    """How fast the CRM may be asked: ``calls`` within ``seconds``, for requests of this ``window``."""

    window: Literal["burst", "search"]
    calls: int
    seconds: float


@dataclass(frozen=True)
class Link:
    """An authorised way into one CRM. ``details`` are Integration.details; one per thread."""

    http: requests.Session
    account_id: str
    details: Mapping[str, str]


@dataclass(frozen=True)
class Wanted:
    """Which records of one object to read, and which of their fields.

    ``is_prompt``: page by page at once, and not by a list that the CRM prepares in its own time, whatever that costs.
    """

    object: str
    fields: tuple[str, ...]
    cursor: str = ""
    page: str = ""
    is_prompt: bool = False


class CrmAdapter(PushAdapter, Protocol):
    """Reads and writes one CRM through an authorised session. Touches no ORM. Errors are those of integrations.errors.

    ``objects`` says for each kind of ours which object it is; ``batch`` how many changes one call takes; ``bulk_from``
    from how many on ``write_many`` is the better way, 0 where it never is; ``key_field`` the name of the field that
    holds our key on each object that has one. ``record_url`` is where people see a record.
    """

    slug: str
    batch: int
    bulk_from: int
    objects: Mapping[str, str]
    key_fields: Mapping[str, str]

    @property
    def paces(self) -> tuple[Pace, ...]:
        """Limits that hold per account, whoever asks."""

    def takes(self, object: str, related: Sequence[Related], known: Collection[Related]) -> tuple[Related, ...]:
        """Of what a record belongs to, as much as the CRM can name. Of several it is the ``known`` one."""

    def pace_of(self, request: requests.PreparedRequest) -> str:
        """The ``window`` a request counts in."""

    def usage(self, response: requests.Response) -> tuple[Usage, ...]:
        """What an answer's headers say was used."""

    def accounts(self, link: Link) -> Iterator[ResourceInfo]:
        """The org or portal, as the one thing that is kept in sync."""

    def fields(self, link: Link, object: str) -> tuple[Field, ...]:
        """Every field the account may see. Raises MissingScope where it may not see the object."""

    def listing(self, link: Link, wanted: Wanted) -> RecordPage:
        """A page of the first load: everything there is. Its ``next_cursor`` is from before the load began."""

    def changes(self, link: Link, wanted: Wanted) -> RecordPage:
        """A page of what changed, was deleted, merged or restored since the cursor. Raises CursorExpired."""

    def read(self, link: Link, wanted: Wanted, external_ids: Collection[str]) -> ReadBatch:
        """These records as they are now, at most 100 of them. Deleted and merged ones are records too."""

    def write(self, link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
        """Write up to ``batch`` changes of ONE object in one call (and what their relations need); none is lost: every
        key is answered, or the whole call raised and nothing is known. All must have an id, or none."""

    def write_many(self, link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
        """The same for more than 2,000 changes of one object, by the CRM's bulk way where it has one."""

    def recover(self, link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
        """Which of these creations, whose reply was lost, are there after all. For objects without our key too."""

    def create_fields(self, link: Link, wanted: Sequence[NewField]) -> tuple[FieldCreated, ...]:
        """Create fields of ours in the CRM, or say why that is not allowed."""

    def record_url(self, link_details: Mapping[str, str], account_id: str, object: str, external_id: str) -> str:
        """The page of a record in the CRM."""
