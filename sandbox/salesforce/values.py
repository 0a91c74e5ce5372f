"""Values of fields: from JSON into a row, and back.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
"""

import binascii
import re
from base64 import b64decode
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from sandbox.salesforce import ids
from sandbox.salesforce.errors import ApiError, bad_json
from sandbox.salesforce.fields import NUMBERS, TEXTS, Field

ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+")
OFFSET_WITHOUT_COLON = re.compile(r"([+-]\d\d)(\d\d)$")


def moment_of(text: str) -> int:
    """ISO 8601 → whole seconds since 1970; without an offset it is UTC. ValueError for anything else."""
    if "T" not in text:
        raise ValueError(f"not a date and time: {text}")
    moment = datetime.fromisoformat(OFFSET_WITHOUT_COLON.sub(r"\1:\2", text))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def moment_text(seconds: int) -> str:
    """As REST writes it: always whole seconds, and an offset without a colon."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def soap_moment(seconds: int) -> str:
    """As SOAP writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def shown(field: Field, value: Any) -> Any:
    """A row's value as JSON has it."""
    if value is None:
        return False if field.type == "boolean" else None
    return moment_text(value) if field.type == "datetime" else value


def stored(field: Field, value: Any) -> Any:
    """JSON's value as a row has it; None clears the field. ApiError for one the field cannot hold."""
    if value is None or value == "":
        return None
    if field.type in TEXTS:
        return text(field, value)
    if field.type in NUMBERS:
        return number(field, value)
    return READERS[field.type](field, value)


def text(field: Field, value: Any) -> str | None:
    """A text that fits: what is too long is refused, never cut."""
    if not isinstance(value, str):
        raise unreadable(field, value)
    kept = value if field.type == "textarea" else value.strip()
    if len(kept) > field.length:
        message = f"{field.label}: data value too large: {kept} (max length={field.length})"
        raise ApiError("STRING_TOO_LONG", message, [field.name])
    if field.type == "email" and kept:
        if not ADDRESS.fullmatch(kept):
            raise ApiError("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {kept}", [field.name])
        return kept.lower()
    if field.restricted:
        check_choice(field, kept)
    return kept or None


def check_choice(field: Field, value: str) -> None:
    """A restricted picklist takes its own values alone."""
    parts = value.split(";") if field.type == "multipicklist" else [value]
    if any(part not in field.picklist for part in parts):
        message = f"{field.label}: bad value for restricted picklist field: {value}"
        raise ApiError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [field.name])


def number(field: Field, value: Any) -> int | float:
    """A number within the field's digits, without those after the point that it has no room for: they are cut off in
    silence. A text with a number in it will do."""
    try:
        if isinstance(value, bool):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError):
        raise unreadable(field, value) from None
    if abs(found) >= 10 ** (field.precision - field.scale):
        message = f"{field.label}: value outside of valid range on numeric field: {value}"
        raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", message, [field.name])
    if field.type == "int":
        return int(found)
    return float(Decimal(str(found)).quantize(Decimal(1).scaleb(-field.scale), ROUND_DOWN))


def boolean(field: Field, value: Any) -> bool:
    """True or false, also as a text."""
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise unreadable(field, value)


def day(field: Field, value: Any) -> str:
    """A date, YYYY-MM-DD; of a date with a time the first part."""
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise unreadable(field, value) from None


def moment(field: Field, value: Any) -> int:
    """A date with a time."""
    try:
        return moment_of(str(value))
    except ValueError:
        raise unreadable(field, value) from None


def reference(field: Field, value: Any) -> str:
    """An id, in 18 characters."""
    if not isinstance(value, str) or not ids.is_id(value):
        message = f"{field.label}: id value of incorrect type: {value}"
        raise ApiError("MALFORMED_ID", message, [field.name])
    return ids.to18(value)


def binary(field: Field, value: Any) -> str:
    """Base 64."""
    try:
        b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        raise unreadable(field, value) from None
    return str(value)


def unreadable(field: Field, value: Any) -> ApiError:
    """A value of another type."""
    if isinstance(value, bool):
        kind = "VALUE_TRUE" if value else "VALUE_FALSE"
    elif isinstance(value, dict | list):
        kind = "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"
    else:
        kind = {int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}.get(type(value), "VALUE_STRING")
    wanted = "string" if field.type in TEXTS else field.type
    return bad_json(
        f"Cannot deserialize instance of {wanted} from {kind} value {value} or request may be missing a required field "
        "at [line:1, column:2]"
    )


READERS = {
    "boolean": boolean,
    "date": day,
    "datetime": moment,
    "reference": reference,
    "base64": binary,
    "id": reference,
}
