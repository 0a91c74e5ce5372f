"""The form on which a person fills in a record: an input for each property that may be written."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.hubspot.kinds import Kind as RecordKind
from sandbox.hubspot.portals import Owner, Portal
from sandbox.hubspot.values import instant
from sandbox.pages.forms import Input, Kind

Json = dict[str, Any]
MAIN = {
    "companies": ("name", "domain", "phone", "city", "country", "industry"),
    "contacts": ("firstname", "lastname", "jobtitle", "email", "phone", "company"),
    "meetings": (
        *("hs_meeting_title", "hs_timestamp", "hs_meeting_start_time", "hs_meeting_end_time"),
        *("hs_meeting_location", "hs_meeting_body"),
    ),
    "emails": ("hs_email_subject", "hs_timestamp", "hs_email_direction", "hs_email_text"),
    "tasks": ("hs_task_subject", "hs_timestamp", "hs_task_status", "hs_task_priority", "hs_task_body"),
    "notes": ("hs_timestamp", "hs_note_body"),
    "calls": ("hs_call_title", "hs_timestamp", "hs_call_status", "hs_call_body"),
}
"""The properties that are in sight; the others are folded away, but for those that were added to the portal."""
KINDS_OF_TYPES = {"number": Kind.NUMBER, "date": Kind.DATE, "datetime": Kind.MOMENT, "bool": Kind.CHOICE}
AREAS = frozenset({"textarea", "html"})
WITH = "with."
"""Begins the names of inputs that say what a new record belongs to; what follows is put_records' word for it."""


def inputs(
    portal: Portal, kind: RecordKind, values: Mapping[str, str], *, is_new: bool
) -> tuple[list[Input], list[Input]]:
    """The inputs in sight and the others; ``values`` is what the record holds."""
    definitions = [
        one
        for one in portal.properties[kind.name].values()
        if not one["archived"] and not one["modificationMetadata"]["readOnlyValue"] and not one["calculated"]
    ]
    order = {name: place for place, name in enumerate(MAIN[kind.name])}
    first = [one for one in definitions if one["name"] in order or not one["hubspotDefined"]]
    first.sort(key=lambda one: order.get(one["name"], len(order)))
    rest = [one for one in definitions if one not in first]
    required = kind.required if is_new else ()
    return [filled(portal, one, values, required) for one in first], [filled(portal, one, values, ()) for one in rest]


def filled(portal: Portal, one: Json, values: Mapping[str, str], required: tuple[str, ...]) -> Input:
    """The input of one property."""
    value = text_of(one, values.get(one["name"], ""))
    label = f"{one['label']} (UTC)" if one["type"] == "datetime" else one["label"]
    choices = choices_of(portal, one, value)
    return Input(one["name"], label, kind_of(one), value, choices, one["name"] in required, one["name"])


def kind_of(one: Json) -> Kind:
    """What is filled in."""
    if one["type"] == "enumeration":
        return Kind.SEVERAL if one["fieldType"] == "checkbox" else Kind.CHOICE
    return Kind.AREA if one["fieldType"] in AREAS else KINDS_OF_TYPES.get(one["type"], Kind.TEXT)


def choices_of(portal: Portal, one: Json, value: str) -> list[tuple[str, str]]:
    """What can be chosen; a value of old stays one."""
    if one.get("referencedObjectType") == "OWNER":
        known = [(owner.id, name_of(owner)) for owner in portal.owners]
    else:
        known = [(option["value"], option["label"]) for option in one["options"]]
    if kind_of(one) is not Kind.CHOICE:
        return known
    is_odd = value and value not in dict(known)
    return [("", "(none)"), *known, *([(value, value)] if is_odd else [])]


def name_of(owner: Owner) -> str:
    """An owner for people."""
    return " ".join(filter(None, (owner.first_name, owner.last_name))) or owner.email


def text_of(one: Json, value: str) -> str:
    """A property's value as an input has it: browsers write a time as short as they can."""
    if one["type"] != "datetime" or not value:
        return value
    moment = datetime.fromtimestamp(instant(value) / 1000, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds").removesuffix(".000").removesuffix(":00")


def person(portal: Portal, chosen: str) -> Input:
    """The choice of who does it, by address."""
    owners = [(owner.email, name_of(owner)) for owner in portal.owners]
    return Input("by", "Who does it", Kind.CHOICE, chosen or owners[0][0], owners)


def belongings(portal: Portal, kind: RecordKind, given: Mapping[str, str]) -> list[Input]:
    """What a new record can belong to, by ids."""
    ends = {"company": "companies"} if kind.name == "contacts" else {"contacts": "contacts", "companies": "companies"}
    return [
        Input(WITH + word, label, value=given.get(word, ""), hint="Ids, separated by commas; may be empty")
        for word, end in ends.items()
        if portal.links.default(kind.name, end)
        for label in ["Its company (id)" if word == "company" else f"With {end} (ids)"]
    ]


def belonging(portal: Portal, values: Mapping[str, str]) -> tuple[Json, dict[str, str]]:
    """The same for put_records, and which of the ids are of nothing."""
    found: Json = {}
    problems = {}
    for name, text in values.items():
        word = name.removeprefix(WITH)
        ids = [one.strip() for one in text.split(",") if one.strip()]
        book = portal.books["contacts" if word == "contacts" else "companies"]
        unknown = [one for one in ids if book.find(one) is None]
        if unknown or (word == "company" and len(ids) > 1):
            problems[name] = f"There is no such record: {', '.join(unknown)}" if unknown else "There can be one."
        elif ids:
            found[word] = ids[0] if word == "company" else ids
    return found, problems


def defaults(kind: RecordKind, now_ms: int) -> dict[str, str]:
    """What a new record starts with: what is logged happened just now."""
    return {"hs_timestamp": str(now_ms // 60_000 * 60_000)} if kind.is_engagement else {}
