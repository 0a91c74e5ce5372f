"""Salesforce's describe as our fields, and the creation of our own.

A field that nobody was given access to is hidden from describe and refused in writes, also right after its creation.
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

from collections.abc import Mapping, Sequence
from typing import Any

from simple_salesforce.format import format_soql

from crm.contract import Field, FieldCreated, FieldType, Link, NewField, Option
from crm.salesforce import calls, writing
from integrations.errors import MissingScope, NeedsReconnect, Permanent

TYPES: dict[str, FieldType] = {
    "string": "text",
    "encryptedstring": "text",
    "textarea": "long_text",
    "int": "integer",
    "long": "integer",
    "double": "number",
    "currency": "number",
    "percent": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "email": "email",
    "phone": "phone",
    "url": "url",
    "picklist": "choice",
    "combobox": "text",
    "multipicklist": "choices",
    "reference": "reference",
}
NEW: dict[FieldType, dict[str, Any]] = {
    "text": {"type": "Text", "length": 255},
    "long_text": {"type": "LongTextArea", "length": 32768, "visibleLines": 5},
    "number": {"type": "Number", "precision": 5, "scale": 2},
    "datetime": {"type": "DateTime"},
    "date": {"type": "Date"},
    "boolean": {"type": "Checkbox", "defaultValue": "false"},
}
RICH = "richtextarea"
"""How describe tells a long text that is shown as HTML from a plain one."""

MOST_DIGITS = 18
"""Salesforce's numbers have no more."""

ACTIVITIES = {"Task": "Activity", "Event": "Activity"}
"""Custom fields of tasks and events are made on what both are."""

HIDDEN = (
    "Nobody may see the new field yet, which is Salesforce's default: in Setup, open the field's “Set Field-Level "
    "Security” and make it visible and editable for the linked user's profile or permission set."
)


def fields(link: Link, object: str) -> tuple[Field, ...]:
    """Every field the linked user may see, but the compound ones, which cannot be written."""
    try:
        described = calls.described(link, object)
    except calls.NotThere as error:
        raise MissingScope(f"The linked Salesforce user may not see {object}.") from error
    compounds = {one.get("compoundFieldName") for one in described} - {None}
    return tuple(
        _field(object, one) for one in described if one["name"] not in compounds and one["type"] not in _UNUSED
    )


_UNUSED = {"address", "location", "base64", "complexvalue"}


def create(link: Link, wanted: Sequence[NewField]) -> tuple[FieldCreated, ...]:
    """Create each that is not there yet, and give the linked user access where that is allowed."""
    return tuple(_created(link, one) for one in wanted)


def _field(object: str, one: Mapping[str, Any]) -> Field:
    kind: FieldType = "html" if one.get("extraTypeInfo") == RICH else TYPES.get(str(one["type"]), "other")
    room = int(one.get("length") or 0) - (writing.MARK_LENGTH if writing.MARKED.get(object) == one["name"] else 0)
    is_createable = bool(one.get("createable"))
    return Field(
        name=str(one["name"]),
        label=str(one.get("label") or one["name"]),
        type=kind,
        is_createable=is_createable,
        is_updateable=bool(one.get("updateable")),
        is_required=is_createable and not one.get("nillable") and not one.get("defaultedOnCreate"),
        is_custom=bool(one.get("custom")),
        is_unique=bool(one.get("unique")),
        is_external_key=bool(one.get("externalId")),
        digits=min(max(int(one.get("scale") or 0), 0), MOST_DIGITS) if kind == "number" else None,
        max_length=room if room > 0 and kind in _WITH_LENGTH else None,
        options=tuple(
            Option(str(each["value"]), str(each.get("label") or each["value"]), bool(each.get("active", True)))
            for each in one.get("picklistValues") or []
        ),
        is_restricted=bool(one.get("restrictedPicklist")),
        refers_to=tuple(one.get("referenceTo") or ()),
    )


_WITH_LENGTH = {"text", "long_text", "html", "email", "phone", "url", "choice"}


def _created(link: Link, wanted: NewField) -> FieldCreated:
    object, name = wanted.object, wanted.name
    try:
        calls.rest(link, "tooling/sobjects/CustomField", "POST", json=_definition(wanted))
        caveat = ""
    except calls.Rejected as error:
        if not error.codes & {"DUPLICATE_DEVELOPER_NAME", "DUPLICATE_VALUE"}:
            return FieldCreated(object, name, is_created=False, error=str(error))
        caveat = "It was there already."
    except NeedsReconnect:
        raise
    except Permanent as error:
        return FieldCreated(object, name, is_created=False, error=f"{error} It needs “Customize Application”.")
    return FieldCreated(object, name, is_created=True, caveat=_shown(link, wanted) or caveat)


def _definition(wanted: NewField) -> dict[str, Any]:
    metadata = {"label": wanted.label, "description": wanted.meaning, **NEW[wanted.type]}
    if wanted.max_length and "length" in metadata:
        metadata["length"] = wanted.max_length
    if wanted.is_key:
        metadata |= {"externalId": True, "unique": True, "caseSensitive": False}
    owner = ACTIVITIES.get(wanted.object, wanted.object)
    return {"FullName": f"{owner}.{wanted.name}", "Metadata": metadata}


def _shown(link: Link, wanted: NewField) -> str:
    """Let the linked user's own permission set see and edit the field; says what is left to do where that fails."""
    query = format_soql(
        "SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = {} LIMIT 1", link.details.get("user_id")
    )
    try:
        found = calls.query(link, query)
        if not found:
            return HIDDEN
        permission = {
            "ParentId": found[0]["PermissionSetId"],
            "SobjectType": wanted.object,
            "Field": f"{wanted.object}.{wanted.name}",
            "PermissionsRead": True,
            "PermissionsEdit": True,
        }
        calls.rest(link, "sobjects/FieldPermissions", "POST", json=permission)
    except calls.Rejected as error:
        return "" if "DUPLICATE_VALUE" in error.codes else HIDDEN
    except Permanent:
        return HIDDEN
    return ""
