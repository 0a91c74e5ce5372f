"""Creating custom fields.

https://developer.salesforce.com/docs/atlas.en-us.api_tooling.meta/api_tooling/tooling_api_objects_customfield.htm
"""

import re
from typing import Any

from werkzeug.wrappers import Response

from sandbox.salesforce import errors, seeding
from sandbox.salesforce.api import Ask
from sandbox.salesforce.errors import ApiError, no_rights
from sandbox.salesforce.fields import Field
from sandbox.salesforce.orgs import ACTIVITIES, Org

FULL_NAME = re.compile(r"([A-Za-z]+)\.([A-Za-z](?:_?[A-Za-z0-9])*__c)")
LONGEST_NAME = 40
ACTIVITY = "Activity"
"""Fields of tasks and events are made here, and both get them."""
LONG_TEXTS = frozenset({"LongTextArea", "Html"})
TYPES = {
    "Text": "string",
    "TextArea": "textarea",
    "LongTextArea": "textarea",
    "Html": "textarea",
    "Number": "double",
    "Currency": "currency",
    "Percent": "percent",
    "Date": "date",
    "DateTime": "datetime",
    "Checkbox": "boolean",
    "Email": "email",
    "Phone": "phone",
    "Url": "url",
    "Picklist": "picklist",
    "MultiselectPicklist": "multipicklist",
}
LENGTHS = {"TextArea": 255, "Email": 80, "Phone": 40, "Url": 255, "Picklist": 255, "MultiselectPicklist": 4_099}


def create_field(ask: Ask) -> Response:
    """POST tooling/sobjects/CustomField. Nobody sees the field until permissions are given on it."""
    given = ask.json_object()
    if not seeding.may_customize(ask.org, ask.user_id):
        raise no_rights("Custom Field Definition")
    names, field = read(ask.org, str(given.get("FullName")), given.get("Metadata"), is_granted_only=True)
    made = add(ask.org, names, field)
    return errors.reply({"id": made, "success": True, "errors": [], "warnings": [], "infos": []}, 201)


def read(org: Org, full_name: str, metadata: Any, *, is_granted_only: bool) -> tuple[list[str], Field]:
    """The objects that get a field, and the field, from metadata; ApiError for what is none."""
    found = FULL_NAME.fullmatch(full_name)
    if found is None or len(found[2]) > LONGEST_NAME + 3:
        message = (
            "The Custom Field Name can only contain alphanumeric characters, must begin with a letter, and end with __c"
        )
        raise ApiError("FIELD_INTEGRITY_EXCEPTION", message, ["FullName"])
    names = [*ACTIVITIES] if found[1] == ACTIVITY else [found[1]]
    table = org.table(names[0])
    if table is None or table.kind.is_tooling or found[1] in ACTIVITIES:
        message = f"Entity Enumeration Or ID: bad value for restricted picklist field: {found[1]}"
        raise ApiError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, ["TableEnumOrId"])
    if any(one.name.lower() == found[2].lower() for one in org.all_fields(names[0])):
        message = f"There is already a field named {found[2][:-3]} on {found[1]}."
        raise ApiError("DUPLICATE_DEVELOPER_NAME", message, ["DeveloperName"])
    if not isinstance(metadata, dict) or not metadata.get("label") or metadata.get("type") not in TYPES:
        raise ApiError("REQUIRED_FIELD_MISSING", "Required fields are missing: [label, type]", ["Metadata"])
    return names, made(found[2], metadata, is_granted_only=is_granted_only)


def made(name: str, metadata: dict[str, Any], *, is_granted_only: bool) -> Field:
    """The field."""
    kind = metadata["type"]
    values = metadata.get("valueSet", {}).get("valueSetDefinition", {}).get("value", [])
    is_text = kind == "Text" or kind in LONG_TEXTS
    if is_text and not metadata.get("length"):
        raise ApiError("REQUIRED_FIELD_MISSING", f"Field: {name} You must specify length", ["Metadata"])
    if kind in {"Number", "Currency", "Percent"} and "precision" not in metadata:
        raise ApiError("REQUIRED_FIELD_MISSING", f"Field: {name} You must specify precision and scale", ["Metadata"])
    is_required = bool(metadata.get("required"))
    return Field(
        name=name,
        label=str(metadata["label"]),
        type=TYPES[kind],
        length=int(metadata["length"]) if is_text else LENGTHS.get(kind, 0),
        precision=int(metadata.get("precision") or 0),
        scale=int(metadata.get("scale") or 0),
        is_html=kind == "Html",
        nillable=not is_required and kind != "Checkbox",
        defaulted=kind == "Checkbox",
        default=False if kind == "Checkbox" else None,
        picklist=tuple(str(value.get("label") or value["fullName"]) for value in values),
        restricted=bool(metadata.get("valueSet", {}).get("restricted")),
        custom=True,
        external_id=bool(metadata.get("externalId")),
        unique=bool(metadata.get("unique")),
        case_sensitive=bool(metadata.get("caseSensitive")),
        # A field that everybody must fill in is seen by everybody.
        is_granted_only=is_granted_only and not is_required,
    )


def add(org: Org, names: list[str], field: Field) -> str:
    """Give a field to objects; the id of its definition."""
    for name in names:
        org.set_field(name, field)
    owner = names[0] if len(names) == 1 else ACTIVITY
    developer_name = field.name.removesuffix("__c")
    return seeding.put(
        org, "CustomField", DeveloperName=developer_name, TableEnumOrId=owner, FullName=f"{owner}.{field.name}"
    )


def describe_field(ask: Ask) -> Response:
    """GET tooling/sobjects/CustomField/ID."""
    row = ask.org.row(ask.args["record_id"])
    if row is None or "FullName" not in row:
        raise errors.not_found()
    place = ask.path(f"tooling/sobjects/CustomField/{row['Id']}")
    shown = {key: row[key] for key in ("Id", "DeveloperName", "TableEnumOrId", "FullName")}
    return errors.reply({"attributes": {"type": "CustomField", "url": place}, **shown})
