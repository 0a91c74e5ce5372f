"""HubSpot's records as ours: every value is text there, null and "" are the same, a multiple choice is a;b."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from crm.contract import Record, Related, UnreadableRecord, Value

STAMPS = {"contacts": "lastmodifieddate"}
"""Where a kind of record keeps when it last changed, if not in hs_lastmodifieddate."""

TARGETS = {"companies": (), "contacts": ("companies",)}
"""What a kind of record belongs to, if not to contacts and companies."""

KINDS = {"companies": "organization", "contacts": "person"}
OBJECTS = {"organization": "companies", "person": "contacts"}

MARK = re.compile(r"\s*(?:<p>)?Ref LPxGP-(?P<key>[0-9a-f-]{8,36})(?:</p>)?(?=(?:\s|</\w+>)*$)")
"""How a record without a field for our key is recognised: the last line of its text, whatever HubSpot's editor wraps
around the whole."""
MARK_LENGTH = 60
"""What the mark takes of the text's length, and a little more."""

BODIES = {"notes": "hs_note_body", "tasks": "hs_task_body", "meetings": "hs_meeting_body", "emails": "hs_email_text"}
"""The text that carries the mark."""

PRIMARY = {"contact_to_company"}
"""What a list calls the association with the primary one: others end in _unlabeled, or bear a label of the user's."""

LONGEST_ID = 100
"""Characters that are kept of what should be an id."""

PLAIN = {"hs_email_text"}
"""Which of these are shown as they are; the others are HTML."""


def stamp_field(object: str) -> str:
    """The property that says when a record last changed."""
    return STAMPS.get(object, "hs_lastmodifieddate")


def targets(object: str) -> tuple[str, ...]:
    """The kinds of record that this kind belongs to."""
    return TARGETS.get(object, ("contacts", "companies"))


def always_read(object: str) -> tuple[str, ...]:
    """Properties that are always read, mapped or not."""
    names = [stamp_field(object), "hs_object_source_id"]
    if object in KINDS:
        names.append("hs_merged_object_ids")
    if object == "contacts":
        names += ["email", "hs_additional_emails"]
    return tuple(names)


def is_id(text: str) -> bool:
    """Whether a text, which may come from outside, can be the id of a record."""
    return text.isascii() and text.isdigit() and len(text) <= 20


def split(object: str, bodies: Iterable[Any]) -> tuple[tuple[Record, ...], tuple[UnreadableRecord, ...]]:
    """What could be translated, and what could not, with the reason."""
    records, unreadable = [], []
    for body in bodies:
        try:
            records.append(record(object, body))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            external_id = str(body.get("id") or "")[:LONGEST_ID] if isinstance(body, dict) else ""
            unreadable.append(
                UnreadableRecord(external_id, f"HubSpot sent it in an unknown form ({str(error)[:200]}).")
            )
    return tuple(records), tuple(unreadable)


def record(object: str, body: Mapping[str, Any]) -> Record:
    """One record. Raises KeyError, TypeError or ValueError for what has not the form HubSpot documents."""
    values = {name: _value(object, name, value) for name, value in (body.get("properties") or {}).items()}
    external_id = str(int(body["id"]))
    if not is_id(external_id):
        raise ValueError("its id is none")
    return Record(
        object=object,
        external_id=external_id,
        values=values,
        modified_at=moment(body.get("archivedAt") or values.get(stamp_field(object)) or body.get("updatedAt")),
        is_deleted=bool(body.get("archived")),
        aliases=tuple(_parts(values.get("hs_merged_object_ids"))),
        addresses=tuple(_parts(values.get("hs_additional_emails"))),
        related=_related(body),
    )


def moment(value: Any) -> datetime | None:
    """A time as HubSpot writes it: ISO, or milliseconds since 1970 as text."""
    if value in (None, ""):
        return None
    if str(value).isdigit():
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def milliseconds(value: datetime) -> int:
    return round(value.timestamp() * 1000)


def sent(values: Mapping[str, Value]) -> dict[str, str]:
    """Values as HubSpot takes them; an empty text clears a property."""
    return {name: _text(value) for name, value in values.items()}


def marked(object: str, values: Mapping[str, str], key: str, is_creation: bool) -> dict[str, str]:
    """The values with our mark in their text, where the kind of record has one and it is written."""
    body = BODIES.get(object)
    if body is None or not (is_creation or body in values):
        return dict(values)
    mark = f"\n\nRef LPxGP-{key}" if body in PLAIN else f"<p>Ref LPxGP-{key}</p>"
    return {**values, body: values.get(body, "") + mark}


def mark_of(object: str, body: Mapping[str, Any]) -> str:
    """The key in a record's mark, or nothing."""
    found = MARK.search(str((body.get("properties") or {}).get(BODIES.get(object, "")) or ""))
    return found["key"] if found else ""


def _value(object: str, name: str, value: Any) -> Value:
    if value is None or value == "":
        return None
    text = str(value)
    return MARK.sub("", text) or None if name == BODIES.get(object) else text


def _text(value: Value) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parts(value: Value) -> list[str]:
    return [part.strip() for part in str(value or "").split(";") if part.strip()]


def _related(body: Mapping[str, Any]) -> tuple[Related, ...]:
    """What an answer says it belongs to, the primary one first. Each is named once per kind of association."""
    found: dict[Related, bool] = {}
    for target, listed in (body.get("associations") or {}).items():
        if kind := KINDS.get(target):
            for one in listed.get("results") or []:
                related = Related(kind, str(one["id"]))
                found[related] = found.get(related, False) or one.get("type") in PRIMARY
    return tuple(sorted(found, key=lambda related: not found[related]))
