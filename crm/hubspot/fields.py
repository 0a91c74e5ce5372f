"""HubSpot's properties as our fields, and the creation of our own.

https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
"""

from collections.abc import Mapping, Sequence
from typing import Any

from crm.contract import Field, FieldCreated, FieldType, Link, NewField, Option
from crm.hubspot import calls, paths, records
from integrations.errors import MissingScope, Permanent

GROUP = "lpxgp"

REQUIRED = {
    "tasks": {"hs_timestamp"},
    "notes": {"hs_timestamp"},
    "meetings": {"hs_timestamp"},
    "emails": {"hs_timestamp"},
}
"""What HubSpot asks of a new record, though its list of properties does not say so."""

HTML = {"hs_note_body", "hs_task_body", "hs_meeting_body", "hs_email_html", "hs_call_body"}
"""HubSpot shows these as HTML, though it calls some of them text."""

TYPES: dict[tuple[str, str], FieldType] = {
    ("string", "textarea"): "long_text",
    ("string", "html"): "html",
    ("string", "phonenumber"): "phone",
    ("phone_number", "phonenumber"): "phone",
    ("enumeration", "booleancheckbox"): "boolean",
    ("enumeration", "checkbox"): "choices",
}
BY_TYPE: dict[str, FieldType] = {
    "string": "text",
    "phone_number": "phone",
    "number": "number",
    "date": "date",
    "datetime": "datetime",
    "enumeration": "choice",
    "bool": "boolean",
}
NEW: dict[FieldType, tuple[str, str]] = {
    "text": ("string", "text"),
    "long_text": ("string", "textarea"),
    "number": ("number", "number"),
    "datetime": ("datetime", "date"),
    "date": ("date", "date"),
    "boolean": ("bool", "booleancheckbox"),
}
MAX_TEXT = 65536


def fields(link: Link, object: str) -> tuple[Field, ...]:
    """Every property the account may see."""
    body = calls.get(link, paths.properties(object))
    return tuple(_field(object, one) for one in calls.rows(body))


def create(link: Link, wanted: Sequence[NewField]) -> tuple[FieldCreated, ...]:
    """Create each that is not there yet, in a group of our own."""
    return tuple(_created(link, one) for one in wanted)


def _field(object: str, one: Mapping[str, Any]) -> Field:
    name, kind = str(one["name"]), _type(one)
    is_read_only = bool((one.get("modificationMetadata") or {}).get("readOnlyValue")) or bool(one.get("calculated"))
    room = records.MARK_LENGTH if records.BODIES.get(object) == name else 0
    options = tuple(
        Option(str(each["value"]), str(each.get("label") or each["value"]), not each.get("hidden"))
        for each in one.get("options") or []
    )
    return Field(
        name=name,
        label=str(one.get("label") or name),
        type=kind,
        is_createable=not is_read_only,
        is_updateable=not is_read_only,
        is_required=name in REQUIRED.get(object, ()),
        is_custom=not one.get("hubspotDefined"),
        is_unique=bool(one.get("hasUniqueValue")) or (object, name) == ("contacts", "email"),
        is_external_key=bool(one.get("hasUniqueValue")),
        max_length=MAX_TEXT - room if kind in {"text", "long_text", "html"} else None,
        options=options,
        is_restricted=kind in {"choice", "choices"} and bool(options),
        refers_to=(str(one["referencedObjectType"]),) if one.get("referencedObjectType") else (),
    )


def _type(one: Mapping[str, Any]) -> FieldType:
    name, kind, look = str(one["name"]), str(one.get("type")), str(one.get("fieldType"))
    if one.get("referencedObjectType") or one.get("externalOptions"):
        return "reference"
    if name in HTML:
        return "html"
    if kind == "string" and name == "email":
        return "email"
    if kind == "string" and name in {"website", "domain"}:
        return "url"
    return TYPES.get((kind, look)) or BY_TYPE.get(kind, "other")


def _created(link: Link, wanted: NewField) -> FieldCreated:
    kind, look = NEW[wanted.type]
    body = {
        "name": wanted.name,
        "label": wanted.label,
        "description": wanted.meaning,
        "type": kind,
        "fieldType": look,
        "groupName": GROUP,
        "hasUniqueValue": wanted.is_key,
    }
    try:
        _ensure_group(link, wanted.object)
        calls.post(link, paths.properties(wanted.object), body)
    except MissingScope as error:
        return FieldCreated(wanted.object, wanted.name, is_created=False, error=str(error))
    except Permanent as error:
        if isinstance(error, calls.Rejected) and error.status == 409:
            return FieldCreated(wanted.object, wanted.name, is_created=True, caveat="It was there already.")
        return FieldCreated(wanted.object, wanted.name, is_created=False, error=str(error))
    return FieldCreated(wanted.object, wanted.name, is_created=True)


def _ensure_group(link: Link, object: str) -> None:
    try:
        calls.post(link, paths.properties(object, "/groups"), {"name": GROUP, "label": "LPxGP", "displayOrder": -1})
    except calls.Rejected as error:
        if error.status != 409:
            raise
