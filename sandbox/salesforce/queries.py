"""Running a query: which records, in which order, and how they are shown.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

from sandbox.salesforce import conditions, ids
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.orgs import Org, Seen
from sandbox.salesforce.paths import Path, View
from sandbox.salesforce.soql import Compare, Parser, Query, malformed
from sandbox.salesforce.tables import Table
from sandbox.salesforce.values import moment_of, shown

MOST_OPEN = 500
MOST_SKIPPED = 2_000
STAMP = "SystemModstamp"
LINK = "ContentDocumentLink"
LINK_RULE = (
    "Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId or "
    "LinkedEntityId using the equals operator or multiple Id's using the IN operator."
)


@dataclass
class Found:
    """A query's answer: numbers of records in order, at the moment it was asked; rows are read page by page."""

    name: str
    user_id: str
    paths: list[tuple[str, Path]]
    numbers: "array[int]"
    total: int


class Cursors:
    """The answers that are read page by page, by a name of their own. Of more than 500 the oldest is forgotten."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Found] = OrderedDict()
        self._last = 0

    def keep(self, found: Found) -> str:
        """Its name."""
        self._last += 1
        name = ids.to18("0r8xx" + ids.base62(self._last, 10))
        self._open[name] = found
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return name

    def get(self, name: str, user_id: str) -> Found:
        """What a name stands for; ApiError if it is not this user's or is forgotten."""
        found = self._open.get(name)
        if found is None or found.user_id != user_id:
            raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return found

    def clear(self) -> None:
        """Forget all."""
        self._open.clear()


def run(
    org: Org, user_id: str, text: str, *, is_all: bool, is_tooling: bool = False, is_unhurried: bool = False
) -> Found:
    """Ask a query. ``is_all`` sees deleted and merged records too, ``is_unhurried`` may look at any number."""
    query = Parser(text).query()
    table = org.table(query.name)
    if table is None or table.kind.is_tooling != is_tooling or org.access.is_object_hidden(user_id, table.kind.name):
        raise unknown_type(query.name)
    view, name = View(org, user_id), table.kind.name
    if name == LINK:
        check_link(query)
    paths = [(path, view.path(name, path, where(query, place))) for path, place in query.select]
    numbers = chosen(view, table, query, is_all=is_all or query.is_all_rows, is_unhurried=is_unhurried)
    if query.offset > MOST_SKIPPED:
        raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
    numbers = numbers[query.offset :] if query.limit is None else numbers[query.offset : query.offset + query.limit]
    return Found(name, user_id, [] if query.is_count else paths, array("q", numbers), len(numbers))


def where(query: Query, place: int) -> str:
    """The part of the query that is wrong, with a mark under it, as errors begin."""
    begin, end = max(0, place - 20), place + 20
    fragment = " ".join(query.text[begin:end].split())
    mark = " " * min(place - begin, len(fragment))
    return f"\n{fragment}\n{mark}^\nERROR at Row:1:Column:{place + 1}\n"


def unknown_type(name: str) -> ApiError:
    """The object is not there, or hidden from this user."""
    advice = (
        "If you are attempting to use a custom object, be sure to append the '__c' after the entity name. "
        "Please reference your WSDL or the describe call for the appropriate names."
    )
    return ApiError("INVALID_TYPE", f"sObject type '{name}' is not supported. {advice}")


def check_link(query: Query) -> None:
    """Links of files are found from one of their ends only."""
    ends = {"contentdocumentid", "linkedentityid"}
    if not any(one.path.lower() in ends and one.operator in {"=", "in"} for one in conditions.conjuncts(query.where)):
        raise malformed(LINK_RULE)


def chosen(view: View, table: Table, query: Query, *, is_all: bool, is_unhurried: bool = False) -> list[int]:
    """The numbers of all records that a query is about, in its order; LIMIT and OFFSET come after."""
    needed = conditions.conjuncts(query.where)
    is_right = conditions.question(view, table.kind.name, query.where)
    order = [(view.path(table.kind.name, path), falls, nulls) for path, falls, nulls in query.order]
    candidates = by_value(view, table, needed)
    is_sorted = candidates is None and is_by_stamp(order)
    is_falling = candidates is None and is_newest_first(order)
    if candidates is None:
        start, end = window(needed)
        candidates = table.ordered(start, end, is_deleted=False)
        if is_all:
            binned = table.ordered(start, end, is_deleted=True)
            candidates, is_sorted = [*candidates, *binned], is_sorted and not binned
            is_falling = is_falling and not binned
        if is_falling:
            candidates, is_sorted = candidates[::-1], True
        if not is_unhurried:
            check_size(view.org, query, order, len(candidates))
        if is_settled(query, needed):
            return candidates if is_sorted or not order else in_order(view, table, candidates, order)
    enough = query.offset + query.limit if query.limit is not None and (is_sorted or not order) else None
    numbers = []
    for number, row in rows(table, candidates):
        if (is_all or not row.get("IsDeleted")) and is_right(row):
            numbers.append(number)
            if enough is not None and len(numbers) >= enough:
                break
    return numbers if is_sorted or not order else in_order(view, table, numbers, order)


def check_size(org: Org, query: Query, order: list[tuple[Path, bool, bool]], count: int) -> None:
    """Not more rows than a query may look at. In order of id, or in none, it looks at as many as it shows."""
    is_walked = [path.field.name for path, _, _ in order] in ([], ["Id"])
    looked_at = min(count, query.limit) if is_walked and query.limit is not None else count
    if org.limits.scanned is None or looked_at <= org.limits.scanned:
        return
    if org.limits.is_refused_at_once:
        raise ApiError("OPERATION_TOO_LARGE", "exceeded 100000 distinct who/what's")
    raise ApiError("QUERY_TIMEOUT", "Your query request was running for too long.")


def rows(table: Table, numbers: list[int]) -> Iterator[tuple[int, Row]]:
    """Rows with their numbers; those gone for good are left out."""
    for number in numbers:
        row = table.get(number)
        if row is not None:
            yield number, row


def is_settled(query: Query, needed: list[Compare]) -> bool:
    """Whether the window says all: nothing else is asked of a row."""
    if query.where is None:
        return True
    is_and = isinstance(query.where, Compare) or query.where.operator == "and"
    return (
        is_and
        and all(one.path.lower() == STAMP.lower() and one.operator in SPANS for one in needed)
        and not nested(query)
    )


def nested(query: Query) -> bool:
    """Whether a part of the condition is more than a comparison."""
    return not isinstance(query.where, Compare) and any(
        not isinstance(part, Compare) for part in (query.where.parts if query.where else ())
    )


SPANS = {">=": (0, None), ">": (1, None), "<": (None, 0), "<=": (None, 1)}


def window(needed: list[Compare]) -> tuple[int | None, int | None]:
    """From which second on and before which one records were saved, by the conditions on their stamp."""
    starts, ends = [], []
    for one in needed:
        if one.path.lower() == STAMP.lower() and one.operator in SPANS and one.values[0].kind == "datetime":
            after, before = SPANS[one.operator]
            moment = moment_of(one.values[0].value)
            starts += [] if after is None else [moment + after]
            ends += [] if before is None else [moment + before]
    return max(starts, default=None), min(ends, default=None)


def by_value(view: View, table: Table, needed: list[Compare]) -> list[int] | None:
    """The few records that can be meant, found by an id or another indexed field; None to look at all."""
    for one in needed:
        path = view.path(table.kind.name, one.path)
        values = [value.value for value in one.values]
        if one.operator not in {"=", "in"} or path.steps or not all(isinstance(value, str) for value in values):
            continue
        if path.field.type == "id":
            numbers = (table.number_of(value) for value in values)
            return sorted({number for number in numbers if number is not None})
        if path.field.is_indexed:
            values = [ids.to18(value) if path.field.type == "reference" else value for value in values]
            return sorted({number for value in values for number in table.find(path.field.name, value)})
    return None


def is_by_stamp(order: list[tuple[Path, bool, bool]]) -> bool:
    """Whether the order asked for is the one records are kept in."""
    names = [(path.field.name, falls) for path, falls, _ in order if not path.steps]
    return len(names) == len(order) and names in ([], [(STAMP, False)], [(STAMP, False), ("Id", False)])


def is_newest_first(order: list[tuple[Path, bool, bool]]) -> bool:
    """Whether the order asked for is that one from its end; records of one second may come in any."""
    return [(path.field.name, falls) for path, falls, _ in order if not path.steps] == [(STAMP, True)]


def in_order(view: View, table: Table, numbers: list[int], order: list[tuple[Path, bool, bool]]) -> list[int]:
    """Sort by several fields, each up or down, nulls first or last."""
    readers = [conditions.reader(view, table.kind.name, path) for path, _, _ in order]
    keyed = [(number, [read(row) for read in readers]) for number, row in rows(table, numbers)]

    def compare(one: tuple[int, list[Any]], other: tuple[int, list[Any]]) -> int:
        for a, b, (_, falls, is_null_first) in zip(one[1], other[1], order, strict=True):
            if a == b:
                continue
            if a is None or b is None:
                return -1 if (a is None) is is_null_first else 1
            return (-1 if a < b else 1) * (-1 if falls else 1)
        return one[0] - other[0]

    return [number for number, _ in sorted(keyed, key=cmp_to_key(compare))]


def page(org: Org, found: Found, start: int, size: int, version: str) -> list[dict[str, Any]]:
    """Some of the records, as they are now."""
    view, table = View(org, found.user_id), org.tables[found.name]
    numbers = list(found.numbers[start : start + size])
    return [record(view, found.name, found.paths, row, version) for _, row in rows(table, numbers)]


def record(view: View, name: str, paths: list[tuple[str, Path]], row: Row, version: str) -> dict[str, Any]:
    """One record with the fields asked for; parents are objects inside it, or null."""
    content: dict[str, Any] = {"attributes": attributes(name, row, version)}
    for _, path in paths:
        if not path.steps:
            content[path.field.name] = shown(path.field, view.read(name, path, row))
            continue
        here: dict[str, Any] | None = content
        at_name, at = name, row
        for _, step in path.steps:
            parent = view.parent(at, step)
            if here is None or parent is None:
                if here is not None:
                    here.setdefault(step.relationship, None)
                here = None
                break
            at_name, at = parent
            here = here.setdefault(step.relationship, {"attributes": attributes(at_name, at, version)})
        if here is not None:
            here[path.field.name] = shown(path.field, view.read(name, path, row))
    return content


def attributes(name: str, row: Row, version: str) -> dict[str, str]:
    """What every record begins with."""
    return {"type": name, "url": f"/services/data/v{version}/sobjects/{name}/{row['Id']}"}


def whole(name: str, seen: dict[str, Seen], row: Row, version: str, view: View) -> dict[str, Any]:
    """A record with every field that a user may read."""
    content: dict[str, Any] = {"attributes": attributes(name, row, version)}
    for one in seen.values():
        content[one.field.name] = shown(one.field, view.read(name, Path((), name, one.field), row))
    return content
