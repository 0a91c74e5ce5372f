"""Checking and normalising what is written into properties: everything is text in the end.

https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
"""

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sandbox.clock import iso
from sandbox.hubspot.errors import ApiError, invalid

Json = dict[str, Any]
ADDRESS = re.compile(r"[^@\s;,<>]+@[^@\s;,<>]+\.[^@\s;,<>.]+")
DAY_MS = 86_400_000
LONGEST = 65_536


class Problem(NamedTuple):
    """What is wrong with one property."""

    name: str
    code: str
    message: str


class Rejected(Exception):
    """A value is no good: ``code`` is HubSpot's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def checked(
    given: Mapping[str, Any], definitions: Mapping[str, Json], owner_ids: Collection[str]
) -> tuple[dict[str, str], list[Problem]]:
    """The values as they are stored, and what is wrong. None is left out: it does not clear; an empty text does."""
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for name, raw in given.items():
        found = definitions.get(name)
        if found is None or found["archived"]:
            problems.append(Problem(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
        elif raw is not None:
            try:
                values[name] = stored(found, spelled(raw), owner_ids)
            except Rejected as error:
                problems.append(Problem(name, error.code, error.message))
    return values, problems


def spelled(raw: Any) -> str:
    """A JSON value as text."""
    if isinstance(raw, bool):
        return str(raw).lower()
    return raw if isinstance(raw, str) else json.dumps(raw)


def stored(found: Json, text: str, owner_ids: Collection[str]) -> str:
    """One value as it is stored. Rejected if the property does not take it."""
    name = found["name"]
    if found["modificationMetadata"]["readOnlyValue"]:
        raise Rejected("READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.')
    if not text:
        return text
    if len(text) > LONGEST:
        raise Rejected("INVALID_LENGTH", f'"{name}" is longer than {LONGEST} characters')
    if name == "email" and found["hubspotDefined"]:
        return address(text)
    match found["type"]:
        case "enumeration" | "bool":
            return option(found, text, owner_ids)
        case "number":
            return number(name, text)
        case "datetime":
            return moment(name, text)
        case "date":
            return day(name, text)
    return text


def address(text: str) -> str:
    """An e-mail address in lower case."""
    if not ADDRESS.fullmatch(text.strip()):
        raise Rejected("INVALID_EMAIL", f"Email address {text} is invalid")
    return text.strip().lower()


def option(found: Json, text: str, owner_ids: Collection[str]) -> str:
    """One option, or several of a set of boxes, by their internal values."""
    name, allowed = found["name"], [one["value"] for one in found["options"]]
    if found.get("referencedObjectType") == "OWNER":
        if text not in owner_ids:
            raise Rejected("INVALID_OWNER_ID", f'Owner "{text}" of property "{name}" does not exist')
        return text
    parts = [part for part in text.split(";") if part] if found["fieldType"] == "checkbox" else [text]
    for part in parts:
        if part not in allowed:
            message = f"{part} was not one of the allowed options: [{', '.join(allowed)}]"
            raise Rejected("INVALID_OPTION", message)
    return ";".join(parts)


def number(name: str, text: str) -> str:
    """A number, as it was written."""
    try:
        float(text)
    except ValueError:
        raise Rejected("INVALID_INTEGER", f"{name} was not a valid number") from None
    return text.strip()


def instant(text: str) -> int:
    """ISO 8601 or milliseconds since 1970 → milliseconds; ValueError for anything else."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    found = datetime.fromisoformat(text)
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def moment(name: str, text: str) -> str:
    """A time as HubSpot gives it out."""
    try:
        return written(instant(text))
    except (ValueError, OverflowError, OSError):
        raise Rejected("INVALID_DATE", f"{name} was not a valid date and time: {text}") from None


def day(name: str, text: str) -> str:
    """A date, given as such or as its midnight in UTC."""
    try:
        at_ms = instant(text)
        if at_ms % DAY_MS:
            raise Rejected("INVALID_DATE", f"{name}: {text} is not midnight UTC")
        return written(at_ms)[:10]
    except (ValueError, OverflowError, OSError):
        raise Rejected("INVALID_DATE", f"{name} was not a valid date: {text}") from None


def written(at_ms: int) -> str:
    """Milliseconds since 1970 as HubSpot writes a time."""
    return iso(datetime.fromtimestamp(at_ms / 1000, UTC))


def refusal(problems: list[Problem], portal_id: int) -> ApiError:
    """All that is wrong with one record, said twice as HubSpot does: in the message, and in the list."""
    told = [
        {
            "isValid": False,
            "message": one.message,
            "error": one.code,
            "name": one.name,
            "localizedErrorMessage": one.message,
            "portalId": portal_id,
        }
        for one in problems
    ]
    errors = [{"message": one.message, "code": one.code, "context": {"propertyName": [one.name]}} for one in problems]
    return invalid(f"Property values were not valid: {json.dumps(told, separators=(',', ':'))}", errors=errors)
