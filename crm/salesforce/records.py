"""Salesforce's records as ours, and which of their fields say what they belong to."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from crm.contract import Record, Related, UnreadableRecord, Value
from crm.salesforce.calls import ID, checked, long_id

KINDS = {"001": "organization", "003": "person"}
"""Our kind by the first three characters of an id."""

PREFIXES = {"Account": "001", "Contact": "003", "Task": "00T", "Event": "00U", "Note": "002"}
"""How the ids of a kind of record begin. https://help.salesforce.com/s/articleView?id=000385203&type=1"""

PARENTS = {
    "Contact": {"organization": "AccountId"},
    "Task": {"person": "WhoId", "organization": "WhatId"},
    "Event": {"person": "WhoId", "organization": "WhatId"},
    "Note": {"person": "ParentId", "organization": "ParentId"},
}
"""The field that names what a record belongs to, by our kind of it."""

PARENT_FOR_GOOD = {"Note"}
"""What a record of these belongs to is said at its creation and never again."""

MERGED = {"Account", "Contact"}
"""Kinds of record that can be merged, and so know where they went."""

LONGEST_ID = 100
"""Characters that are kept of what should be an id."""

OURS = {"Id", "SystemModstamp", "IsDeleted", "LastModifiedById", "MasterRecordId"}


def read_fields(object: str, fields: Iterable[str]) -> list[str]:
    """What to select: the mapped fields and those that are always needed."""
    always = {"Id", "SystemModstamp", "IsDeleted", "LastModifiedById", *PARENTS.get(object, {}).values()}
    return sorted({*map(checked, fields)} | always | ({"MasterRecordId"} if object in MERGED else set()))


def is_id(object: str, text: str) -> bool:
    """Whether a text, which may come from outside, can be the id of such a record."""
    return bool(ID.fullmatch(text)) and text.startswith(PREFIXES.get(object, ""))


def split(
    object: str, bodies: Iterable[Mapping[str, Any]], user_id: str
) -> tuple[tuple[Record, ...], tuple[UnreadableRecord, ...]]:
    """What could be translated, and what could not, with the reason."""
    records, unreadable = [], []
    for body in bodies:
        try:
            records.append(record(object, body, user_id))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"Salesforce sent it in an unknown form ({type(error).__name__}: {str(error)[:200]})."
            external_id = str(body.get("Id") or "")[:LONGEST_ID] if isinstance(body, Mapping) else ""
            unreadable.append(UnreadableRecord(external_id, reason))
    return tuple(records), tuple(unreadable)


def record(object: str, body: Mapping[str, Any], user_id: str) -> Record:
    """One record, of a query's JSON or of a bulk result's line, where everything is text."""
    winner = body.get("MasterRecordId") or ""
    return Record(
        object=object,
        external_id=long_id(str(body["Id"])),
        values={name: _value(value) for name, value in body.items() if name != "attributes"},
        modified_at=moment(body["SystemModstamp"]),
        is_deleted=_is_true(body.get("IsDeleted")),
        merged_into=long_id(str(winner)) if winner else "",
        related=tuple(_related(object, body)),
        is_by_us=bool(user_id) and str(body.get("LastModifiedById") or "") == user_id,
    )


def nameable(object: str, related: Iterable[Related], known: Collection[Related]) -> tuple[Related, ...]:
    """Of what a record belongs to, the one that each field of it can hold: who is there already, else people first."""
    fields = PARENTS.get(object, {})
    if object in PARENT_FOR_GOOD and known:
        return tuple(one for one in related if one in known)
    chosen: dict[str, Related] = {}
    for one in sorted(related, key=lambda one: (one not in known, one.kind != "person")):
        if name := fields.get(one.kind):
            chosen.setdefault(name, one)
    return tuple(chosen.values())


def moment(text: str) -> datetime:
    """A time as Salesforce writes it: 2026-05-06T11:56:44.000+0000, in bulk results with a Z."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _value(value: Any) -> Value:
    """A value of the JSON kinds; nested records (parents) are told by their ids, and left out."""
    return None if value == "" or isinstance(value, Mapping | list) else value


def _is_true(value: Any) -> bool:
    return value is True or value == "true"


def _related(object: str, body: Mapping[str, Any]) -> Iterable[Related]:
    for name in dict.fromkeys(PARENTS.get(object, {}).values()):
        external_id = body.get(name)
        if external_id and (kind := KINDS.get(str(external_id)[:3])):
            yield Related(kind, long_id(str(external_id)))
