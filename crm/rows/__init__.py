"""Our side of the two-way sync: rows as the fields of catalogue.py, read and written in bulk.

Needs ``tenancy.within`` one company. Whatever is written passes the same checks as in the admin.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from crm.rows import activities, notes, organizations, people
from crm.rows.newer import newer
from crm.rows.notes import note_text, people_of_firms
from crm.rows.words import ADDRESSES, IS_WITHHELD, ORGANIZATION, PARTS, PEOPLE, Created, New, Problem, Values
from relationships.models import Note, Organization, Person, Task, Touchpoint

__all__ = [
    "ADDRESSES",
    "IS_WITHHELD",
    "ORGANIZATION",
    "PARTS",
    "PEOPLE",
    "Created",
    "New",
    "Problem",
    "Values",
    "apply",
    "create",
    "lock",
    "newer",
    "note_text",
    "people_of_firms",
    "related",
    "stamps",
    "values",
]

TABLES = {
    "organization": Organization,
    "person": Person,
    "meeting": Touchpoint,
    "email": Touchpoint,
    "task": Task,
    "note": Note,
}
_VALUES = {
    "organization": organizations.values,
    "person": people.values,
    "task": activities.tasks,
    "note": notes.values,
}
_VALUES_OF_GUESTS = {"meeting": activities.meetings, "email": activities.emails}
_RELATED = {
    "organization": organizations.related,
    "person": people.related,
    "meeting": activities.related,
    "email": activities.related,
    "task": activities.related_of_tasks,
    "note": notes.related,
}
_APPLY = {"organization": organizations.apply, "person": people.apply, "note": notes.apply}
_CREATE = {"organization": organizations.create, "person": people.create, "note": notes.create}


def values(
    kind: str, row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None = None
) -> dict[uuid.UUID, Values]:
    """The fields of these rows by lpxgp_field, and what they hang on. Rows that are gone are left out.

    Where only ``listed`` firms may be written, what they say names people of these alone.
    """
    if not row_ids:
        return {}
    if kind in _VALUES_OF_GUESTS:
        return _VALUES_OF_GUESTS[kind](row_ids, listed)
    return _VALUES[kind](row_ids)


def stamps(kind: str, row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    """When each of these rows was last changed here. One query."""
    if not row_ids:
        return {}
    return dict(TABLES[kind].objects.filter(pk__among=row_ids).order_by().values_list("pk", "updated_at"))


def lock(kind: str, row_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    """The same, of rows that from now on nobody else changes until the transaction ends. One query."""
    if not row_ids:
        return {}
    rows = TABLES[kind].objects.select_for_update(of=("self",)).filter(pk__among=row_ids)
    return dict(rows.order_by("pk").values_list("pk", "updated_at"))


def related(
    kind: str, row_ids: Collection[uuid.UUID], listed: frozenset[uuid.UUID] | None = None
) -> dict[uuid.UUID, tuple[tuple[str, uuid.UUID], ...]]:
    """What each row belongs to, as (organization or person, key), firms first.

    Where only ``listed`` firms may be written, rows are attached to these and their people alone.
    """
    return _RELATED[kind](row_ids, listed) if row_ids else {}


def apply(kind: str, changes: Mapping[uuid.UUID, Values]) -> dict[uuid.UUID, list[Problem]]:
    """Write these fields; what does not fit stays as it is, with the reason. The other fields are written."""
    changes = {pk: given for pk, given in changes.items() if given}
    return _APPLY[kind](changes) if changes else {}


def create(kind: str, wanted: Sequence[New]) -> list[Created]:
    """Make rows, in order. One that cannot be made has no id, and the reasons; one that could may have some too."""
    return _CREATE[kind](wanted) if wanted else []
