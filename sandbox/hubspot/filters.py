"""The filters of a search, by the type of the property they look at.

https://developers.hubspot.com/docs/api-reference/search/guide
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sandbox.hubspot.errors import invalid
from sandbox.hubspot.kinds import Kind
from sandbox.hubspot.records import Record
from sandbox.hubspot.shapes import value
from sandbox.hubspot.values import instant

Json = dict[str, Any]
NUMERIC = frozenset({"number", "datetime", "date"})
ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "LT": lambda one, other: one < other,
    "LTE": lambda one, other: one <= other,
    "GT": lambda one, other: one > other,
    "GTE": lambda one, other: one >= other,
}
NEGATED = {
    "NEQ": "EQ",
    "NOT_IN": "IN",
    "NOT_HAS_PROPERTY": "HAS_PROPERTY",
    "NOT_CONTAINS_TOKEN": "CONTAINS_TOKEN",
}
"""A record without the property passes these too."""
OPERATORS = {"BETWEEN", *ORDERED, *NEGATED, *NEGATED.values()}
TOKEN = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Filter:
    """One condition. ``wanted`` is what it compares with: text in lower case, or numbers."""

    name: str
    type: str
    operator: str
    wanted: tuple[Any, ...]

    def passes(self, kind: Kind, record: Record) -> bool:
        """Whether a record meets it."""
        operator = NEGATED.get(self.operator, self.operator)
        return self._holds(operator, value(kind, record, self.name)) is (operator == self.operator)

    def _holds(self, operator: str, text: str | None) -> bool:
        if text is None or operator == "HAS_PROPERTY":
            return text is not None
        if operator == "CONTAINS_TOKEN":
            return contains(text.lower(), self.wanted[0])
        found = comparable(self.type, text)
        if operator in ("EQ", "IN"):
            return found in self.wanted
        if operator == "BETWEEN":
            low, high = self.wanted
            return bool(low <= found <= high)
        return ORDERED[operator](found, self.wanted[0])


def comparable(kind: str, text: str) -> Any:
    """A stored value as it is compared."""
    if kind in ("datetime", "date"):
        return instant(text)
    return float(text) if kind == "number" else text.lower()


def contains(text: str, pattern: str) -> bool:
    """Whether all words of the pattern are words of the text; a star stands for anything."""
    words = TOKEN.findall(text)
    if "*" in pattern:
        return fnmatchcase(text, pattern) or any(fnmatchcase(word, pattern) for word in words)
    return set(TOKEN.findall(pattern)) <= set(words)


def read_filter(given: Json, definitions: dict[str, Json]) -> Filter:
    """One filter of a request; ApiError 400 for what HubSpot does not understand."""
    name, operator = str(given.get("propertyName") or ""), str(given.get("operator") or "")
    found = definitions.get(name)
    if found is None:
        raise invalid(f"There was a problem with the request: property '{name}' does not exist.")
    if operator not in OPERATORS:
        raise invalid(f"Invalid input JSON: '{operator}' is not an operator.")
    return Filter(name, found["type"], operator, wanted_of(given, name, found["type"], operator))


def wanted_of(given: Json, name: str, kind: str, operator: str) -> tuple[Any, ...]:
    """What to compare with. Times are milliseconds since 1970, as text."""
    if operator.endswith("HAS_PROPERTY"):
        return ()
    if operator in ("IN", "NOT_IN"):
        raw = given.get("values")
        if not isinstance(raw, list) or not raw:
            raise invalid(f"{operator} on '{name}' needs values.")
        # Text is compared with the values as they are: those not in lower case meet nothing.
        return tuple(one if kind == "string" else operand(name, kind, one) for one in map(str, raw))
    raw = [given.get("value"), *([given.get("highValue")] if operator == "BETWEEN" else [])]
    if None in raw:
        raise invalid(f"{operator} on '{name}' needs a value.")
    if operator.endswith("CONTAINS_TOKEN"):
        return (str(raw[0]).lower(),)
    return tuple(operand(name, kind, str(one)) for one in raw)


def operand(name: str, kind: str, text: str) -> Any:
    """One value to compare with."""
    if kind not in NUMERIC:
        return text.lower()
    try:
        return float(text) if kind == "number" else int(text)
    except ValueError:
        raise invalid(f"'{text}' is no value to compare '{name}' with: {kind} is expected.") from None
