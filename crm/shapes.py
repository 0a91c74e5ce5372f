"""Forms of values: ours as Python holds them, the CRM's as its field takes them, and the one both are compared in.

The CRM's form is contract.Value: JSON's words, dates as ``2026-05-06``, moments as ``2026-05-06T11:56:44Z``. Ours are
str, Decimal (also int and float), bool, date and aware datetime. Nothing but a number's digits after its point is
ever shortened here: what does not fit is refused in words that staff can act on.
"""

import html
import math
import re
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext

from crm.catalogue import OurField
from crm.contract import Field, FieldType, Value
from integrations.email import plain_text
from relationships import addresses

Ours = str | int | float | Decimal | bool | date | datetime | None
"""A value of ours."""

LONGEST_NUMBER = 30
"""Digits; longer ones are no numbers anybody means, and cost time."""

TYPE_WORDS: dict[FieldType, str] = {
    "text": "text", "long_text": "long text", "html": "formatted text", "email": "e-mail address",
    "phone": "phone number", "url": "web address", "integer": "whole number", "number": "number",
    "boolean": "yes or no", "date": "date",
    "datetime": "date and time", "choice": "choice", "choices": "several choices", "reference": "link to a record",
    "other": "special type",
}  # fmt: skip

TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_EPOCH = re.compile(r"-?\d{11,14}")
_OFFSET = re.compile(r"([+-]\d{2})(\d{2})$")


class TransformError(ValueError):
    """A value cannot be turned into what the other side takes. The message says why, in plain words."""


def outgoing(value: Ours, field: Field | None) -> Value:
    """``value`` as this field of the CRM takes it; without a field, as JSON holds it. Raises TransformError."""
    if value is None or value == "":
        return None
    if field is None:
        return _json(value)
    if field.type in {"integer", "number"}:
        return _number_for(value, field)
    if field.type == "boolean":
        return boolean(value)
    if field.type == "date":
        return day(value).isoformat()
    if field.type == "datetime":
        return moment_text(moment(value))
    return _text_for(value, field)


def incoming(value: Value, field: OurField) -> Ours:
    """``value`` as we hold this field of ours. Raises TransformError."""
    if value is None or value == "":
        return None
    if field.type in {"integer", "number"}:
        return number(value)
    if field.type == "boolean":
        return boolean(value)
    if field.type == "date":
        return day(value)
    if field.type == "datetime":
        return moment(value)
    text = str(_json(value)).strip()
    if field.type == "email":
        return _address(text)
    if field.options and text not in {option.value for option in field.options}:
        known = ", ".join(option.value for option in field.options)
        raise TransformError(f"“{short(text)}” is none of our choices ({known}). Add it to a table of choices.")
    if field.max_length and len(text) > field.max_length:
        raise TransformError(f"It has {len(text)} characters; {field.label} takes {field.max_length}.")
    return text or None


def normal(value: Value | date | Decimal, field: Field | None) -> Value:
    """``value`` in the one form that equal values of this field share. Never raises; doing it twice changes nothing.

    Empty text is None. Text loses blanks around it, and what the field does not hold; addresses are lower case, phone
    numbers digits, numbers and dates written one way, HTML its words alone.
    """
    if value is None:
        return None
    kind = field.type if field else "text"
    value = _json(value)
    if kind in {"integer", "number"}:
        return _normal_number(value, field)
    try:
        if kind == "boolean":
            return boolean(value)
        if kind == "date":
            return day(value).isoformat()
        if kind == "datetime":
            return moment_text(moment(value))
    except TransformError:
        pass  # What is no date there is compared as the text it is.
    if field is None and not isinstance(value, str):
        return value
    text = _normal_text(str(value), kind)
    if field is not None and field.max_length is not None and kind in {"text", "long_text"}:
        text = text[: field.max_length].rstrip()
    return text or None


def _normal_number(value: Value, field: Field | None) -> Value:
    try:
        return _plain(_rounded(number(value), field))
    except TransformError:
        return str(value).strip() or None


def _normal_text(text: str, kind: FieldType) -> str:
    text = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip()
    if kind == "email":
        return text.lower().strip()
    if kind == "phone":
        digits = re.sub(r"[^0-9]", "", text)
        return (digits.lstrip("0") or "0") if digits else text.lower().strip()
    if kind == "url":
        text = text.rstrip("/ ")
        scheme, separator, rest = text.partition("://")
        host, slash, path = rest.partition("/")
        return (f"{scheme}://{host}".lower() + slash + path if separator else text).strip()
    if kind == "choices":
        return ";".join(sorted({part.strip() for part in text.split(";")} - {""}))
    if kind == "html":
        return _words_of(text)
    return text


def _words_of(text: str) -> str:
    """The words of HTML, on one line. What is escaped several times over loses its brackets instead of more rounds."""
    for _round in range(4):
        words = " ".join(plain_text.of(text).split())
        if words == text:
            return words
        text = words
    return " ".join(re.sub("[<>&]", "", text).split())


def _json(value: Ours) -> Value:
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        is_usual = value.is_finite() and abs(value.adjusted()) <= LONGEST_NUMBER
        return _plain(value) if is_usual else str(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Decimal) -> int | float:
    """As an int where it is whole, and so in one form: 82, 82.0 and “82.00” are equal."""
    return int(value) if value == value.to_integral_value() else float(value)


def _rounded(found: Decimal, field: Field | None) -> Decimal:
    """With as many digits after its point as the field keeps: a CRM cuts off the others and says nothing."""
    if field is None or field.digits is None:
        return found
    with localcontext(prec=100):
        return found.quantize(Decimal(1).scaleb(-field.digits), ROUND_HALF_UP)


def number(value: Ours) -> Decimal:
    """Raises TransformError for what is no number of reasonable size."""
    text = str(value).strip()
    try:
        found = Decimal(text) if text.isascii() and len(text) <= 2 * LONGEST_NUMBER else Decimal("NaN")
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite() or abs(found.adjusted()) > LONGEST_NUMBER or "_" in text:
        raise TransformError(f"“{short(text)}” is no number.")
    return found


def boolean(value: Ours) -> bool:
    """Raises TransformError for what is neither yes nor no."""
    text = str(value).strip().lower()
    if text in TRUE or text in FALSE:
        return text in TRUE
    raise TransformError(f"“{short(text)}” is neither yes nor no.")


def day(value: Ours) -> date:
    """A date of text or of a moment in UTC. Raises TransformError."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass  # It may still be a moment.
    try:
        return moment(value).astimezone(UTC).date()
    except (TransformError, OverflowError):
        raise TransformError(f"“{short(value)}” is no date such as 2026-05-06.") from None


def moment(value: Ours) -> datetime:
    """An aware moment of ISO text, of epoch milliseconds, or a date's midnight in UTC. Raises TransformError."""
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, date):
            found = datetime.combine(value, time.min, UTC)
        elif _EPOCH.fullmatch(str(value).strip()):
            found = datetime.fromtimestamp(int(str(value)) / 1000, UTC)
        elif isinstance(value, str):
            found = datetime.fromisoformat(_OFFSET.sub(r"\1:\2", value.strip()))
        else:
            raise ValueError
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise TransformError(f"“{short(value)}” is no date and time such as 2026-05-06T11:30:00Z.") from None


def moment_text(value: datetime) -> str:
    """In UTC and whole seconds, which is as fine as every CRM tells it."""
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _number_for(value: Ours, field: Field) -> int | float:
    found = number(value)
    if field.type == "integer" and found != found.to_integral_value():
        raise TransformError(f"{found} is no whole number. The transform “Round” makes one of it.")
    plain = _plain(_rounded(found, field))
    if not math.isfinite(plain):
        raise TransformError(f"“{short(value)}” is no number.")
    return plain


def _text_for(value: Ours, field: Field) -> Value:
    text = str(_json(value)).strip()
    if not text:
        return None
    if field.type == "choice" and field.is_restricted:
        _check_choice(text, field)
    if field.type == "choices" and field.is_restricted:
        for part in text.split(";"):
            _check_choice(part.strip(), field)
    if field.max_length and len(text) > field.max_length:
        raise TransformError(
            f"It has {len(text)} characters; {field.label} takes {field.max_length}. The transform “Shorten” cuts it."
        )
    return text


def _check_choice(text: str, field: Field) -> None:
    known = [option.value for option in field.options if option.is_active]
    if text not in known:
        some = ", ".join(known[:8]) + (" and more" if len(known) > 8 else "")
        raise TransformError(f"{field.label} does not take “{short(text)}”, only {some or 'nothing yet'}.")


def _address(text: str) -> str:
    try:
        return addresses.normalize(text)
    except ValueError as error:
        raise TransformError(str(error)) from error


def as_html(text: str) -> str:
    """Plain text as HTML that means the same: nothing in it can become a tag."""
    return html.escape(text, quote=False).replace("\r\n", "\n").replace("\n", "<br>")


def short(value: object) -> str:
    """A value to quote in a message."""
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
