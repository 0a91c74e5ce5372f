"""SOQL's conditions as questions to a row."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox.salesforce import ids
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.fields import NUMBERS, Field
from sandbox.salesforce.paths import Path, View
from sandbox.salesforce.soql import Compare, Group, Literal, Node, Parser
from sandbox.salesforce.values import moment_of

Predicate = Callable[[Row], bool]
DAY = 86_400
ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def question(view: View, name: str, node: Node | None) -> Predicate:
    """What a row must answer; a query without a condition takes all."""
    if node is None:
        return lambda row: True
    if isinstance(node, Compare):
        return comparison(view, name, node)
    parts = [question(view, name, part) for part in node.parts]
    if node.operator == "not":
        return lambda row: not parts[0](row)
    if node.operator == "and":
        return lambda row: all(part(row) for part in parts)
    return lambda row: any(part(row) for part in parts)


def holds(view: View, name: str, text: str, row: Row) -> bool:
    """Whether a condition in SOQL is true for a row."""
    return question(view, name, Parser(text).condition())(row)


def conjuncts(node: Node | None) -> list[Compare]:
    """The comparisons that must all be true."""
    if isinstance(node, Compare):
        return [node]
    if isinstance(node, Group) and node.operator == "and":
        return [found for part in node.parts for found in conjuncts(part)]
    return []


def comparison(view: View, name: str, node: Compare) -> Predicate:
    """One comparison."""
    path = view.path(name, node.path)
    if not path.field.is_filterable:
        message = f"field '{path.field.name}' can not be filtered in a query call"
        raise ApiError("INVALID_FIELD", message)
    read = reader(view, name, path)
    wanted = [comparable(view, path.field, one) for one in node.values]
    if node.operator == "=" and node.values[0].kind == "relative" and path.field.type == "datetime":
        return within(read, "=", *days(view, node.values[0].value))
    if node.operator in {"in", "="}:
        among = frozenset(wanted)
        return lambda row: read(row) in among
    if node.operator in {"not in", "!="}:
        among = frozenset(wanted)
        return lambda row: read(row) not in among
    if node.operator == "like":
        return like(read, str(wanted[0]))
    if node.operator in {"includes", "excludes"}:
        is_wanted = node.operator == "includes"
        return lambda row: includes(read(row), wanted) is is_wanted
    if node.values[0].kind == "relative" and path.field.type == "datetime":
        return within(read, node.operator, *days(view, node.values[0].value))
    compare = ORDERED[node.operator]

    def is_so(row: Row) -> bool:
        found = read(row)
        return found is not None and wanted[0] is not None and compare(found, wanted[0])

    return is_so


def reader(view: View, name: str, path: Path) -> Callable[[Row], Any]:
    """A row's value as it is compared: texts regardless of their letters' case, unless the field minds."""
    is_text = path.field.type not in {*NUMBERS, "boolean", "date", "datetime", "id", "reference"}
    is_folded = is_text and not path.field.case_sensitive
    is_boolean = path.field.type == "boolean"

    def read(row: Row) -> Any:
        found = view.read(name, path, row)
        if is_boolean:
            return bool(found)
        return found.lower() if is_folded and isinstance(found, str) else found

    return read


def comparable(view: View, field: Field, literal: Literal) -> Any:
    """A query's value as rows are compared with it."""
    if literal.kind == "null":
        return False if field.type == "boolean" else None
    if field.type == "datetime":
        return instant(view, field, literal)
    if field.type == "date":
        return calendar_day(view, field, literal)
    is_number = field.type in NUMBERS
    if field.type == "boolean" or is_number:
        if literal.kind != ("number" if is_number else "boolean"):
            raise mistyped(field, literal)
        return literal.value
    if literal.kind != "string":
        raise mistyped(field, literal)
    if field.type in {"id", "reference"}:
        if not ids.is_id(literal.value):
            raise ApiError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value}")
        return ids.to18(literal.value)
    return literal.value if field.case_sensitive else literal.value.lower()


def within(read: Callable[[Row], Any], operator: str, start: int, end: int) -> Predicate:
    """A time against days: equal is inside them, greater is after their end."""
    last = end - 1
    bounds = {
        "=": (start, last),
        "<": (None, start - 1),
        "<=": (None, last),
        ">": (end, None),
        ">=": (start, None),
    }
    low, high = bounds[operator]

    def is_so(row: Row) -> bool:
        found = read(row)
        return found is not None and (low is None or found >= low) and (high is None or found <= high)

    return is_so


def days(view: View, words: str) -> tuple[int, int]:
    """When the days of TODAY or LAST_N_DAYS:3 begin and end, in UTC."""
    unit = words.partition(":")[0]
    start, today = midnight(view, words), midnight(view, "TODAY")
    if unit == "LAST_N_DAYS":
        return start, today + DAY
    return (today + DAY, start + DAY) if unit == "NEXT_N_DAYS" else (start, start + DAY)


def instant(view: View, field: Field, literal: Literal) -> int:
    """Whole seconds; days alone are none."""
    if literal.kind == "relative":
        return midnight(view, literal.value)
    if literal.kind != "datetime":
        raise mistyped(field, literal)
    return moment_of(literal.value)


def calendar_day(view: View, field: Field, literal: Literal) -> str:
    """YYYY-MM-DD."""
    if literal.kind == "relative":
        return (
            (view.org.clock.now() + timedelta(seconds=midnight(view, literal.value) - view.org.now()))
            .date()
            .isoformat()
        )
    if literal.kind != "date":
        raise mistyped(field, literal)
    return str(literal.value)


def midnight(view: View, words: str) -> int:
    """When a day like TODAY or LAST_N_DAYS:3 begins, in UTC."""
    unit, _, days = words.partition(":")
    back = {"TODAY": 0, "YESTERDAY": 1, "TOMORROW": -1, "LAST_N_DAYS": int(days or 0), "NEXT_N_DAYS": -int(days or 0)}
    return view.org.now() // DAY * DAY - back[unit] * DAY


def mistyped(field: Field, literal: Literal) -> ApiError:
    """A value of another type: a time in quotes, or a text without."""
    wanted = {"date": "date", "datetime": "dateTime", "boolean": "boolean"}.get(field.type, "string")
    wanted = "double" if field.type in NUMBERS else wanted
    quotes = "should be enclosed in quotes" if wanted == "string" else "should not be enclosed in quotes"
    message = f"value of filter criterion for field '{field.name}' must be of type {wanted} and {quotes}"
    return ApiError("INVALID_FIELD", message)


def like(read: Callable[[Row], Any], pattern: str) -> Predicate:
    """% is any letters, _ is one."""
    parts = (".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in pattern)
    wanted = re.compile("".join(parts), re.DOTALL)
    return lambda row: wanted.fullmatch(str(read(row) or "")) is not None


def includes(found: str | None, wanted: list[str]) -> bool:
    """Whether a multipicklist has all values of one of the combinations."""
    held = set((found or "").split(";"))
    return any(set(one.split(";")) <= held for one in wanted)
