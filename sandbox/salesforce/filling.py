"""The form on which a person fills in a record: an input for each field that may be written."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.pages.forms import Input, Kind
from sandbox.salesforce import looking
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.fields import NUMBERS, Field
from sandbox.salesforce.orgs import Org

MAIN = {
    "Account": ("Name", "Phone", "Website", "BillingCity", "BillingCountry", "Industry"),
    "Contact": ("FirstName", "LastName", "Title", "Email", "Phone", "AccountId"),
    "Event": ("Subject", "StartDateTime", "EndDateTime", "Location", "WhoId", "WhatId", "Description"),
    "Task": ("Subject", "Status", "Priority", "ActivityDate", "WhoId", "WhatId", "Description"),
    "Note": ("ParentId", "Title", "Body"),
}
"""The fields that are in sight; the others are folded away, but for those that were added to the org."""
KINDS = {
    "boolean": Kind.CHOICE,
    "picklist": Kind.CHOICE,
    "multipicklist": Kind.SEVERAL,
    "date": Kind.DATE,
    "datetime": Kind.MOMENT,
} | dict.fromkeys(NUMBERS, Kind.NUMBER)
TRUTH = (("true", "Yes"), ("false", "No"))
LINE = 255
"""Characters up to which a text is a line."""


def inputs(org: Org, user_id: str, name: str, row: Row, *, is_new: bool) -> tuple[list[Input], list[Input]]:
    """The inputs in sight and the others, for what a user may write; ``row`` is what the record holds."""
    fields = [
        one.field
        for one in org.seen(user_id, name).values()
        if one.is_editable and (one.field.createable if is_new else one.field.updateable) and one.field.type != "base64"
    ]
    order = {key: place for place, key in enumerate(MAIN[name])}
    first = [one for one in fields if one.name in order or one.custom or one.is_required]
    first.sort(key=lambda one: order.get(one.name, len(order)))
    rest = [one for one in fields if one not in first]
    return [filled(org, one, row) for one in first], [filled(org, one, row) for one in rest]


def filled(org: Org, one: Field, row: Row) -> Input:
    """The input of one field."""
    value = text_of(one, row.get(one.name))
    return Input(
        one.name,
        label_of(one),
        kind_of(one),
        value,
        choices_of(org, one, value),
        is_required=one.is_required and one.type != "boolean",
        hint=hint_of(org, one, row),
    )


def label_of(one: Field) -> str:
    """The field's label, with the zone of a time."""
    return f"{one.label} (UTC)" if one.type == "datetime" else one.label


def kind_of(one: Field) -> Kind:
    """What is filled in."""
    if one.type == "reference" and "User" in one.references:
        return Kind.CHOICE
    return Kind.AREA if one.type == "textarea" and one.length > LINE else KINDS.get(one.type, Kind.TEXT)


def choices_of(org: Org, one: Field, value: str) -> list[tuple[str, str]]:
    """What can be chosen; a value of old stays one."""
    if one.type == "boolean":
        return [*TRUTH]
    if one.type == "reference":
        users = [(row["Id"], looking.title("User", row)) for row in org.users()] if "User" in one.references else []
        return [*([] if value else [("", "(whoever saves)")]), *users] if users else []
    known = [(choice, choice) for choice in one.picklist]
    if one.type == "picklist":
        return [("", "(none)"), *known, *([(value, value)] if value and value not in one.picklist else [])]
    return known


def hint_of(org: Org, one: Field, row: Row) -> str:
    """What a person must know to fill it in."""
    if one.type != "reference" or "User" in one.references:
        return one.name
    found = looking.link(org, row.get(one.name))
    now = f", now {found}" if isinstance(found, str) and found else f", now {found[0]}" if found else ""
    return f"{one.name}: the id of {' or '.join(one.references)}{now}"


def text_of(one: Field, value: Any) -> str:
    """A row's value as an input has it: browsers write a time as short as they can."""
    if one.type == "boolean":
        return "true" if value else "false"
    if value is None:
        return ""
    if one.type == "datetime":
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat().removesuffix(":00")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def user_id(org: Org, form: Mapping[str, str]) -> str:
    """Who fills in a form: the one that is chosen there, else the first user; empty in an org without users."""
    users = org.users()
    return next((row["Id"] for row in users if row["Username"] == form.get("by")), users[0]["Id"] if users else "")


def person(org: Org, chosen: str) -> Input:
    """The choice of who does it, by user name."""
    users = [(row["Username"], looking.title("User", row)) for row in org.users()]
    return Input("by", "Who does it", Kind.CHOICE, chosen or users[0][0], users)
