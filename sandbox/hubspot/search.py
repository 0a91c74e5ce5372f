"""Search: filters, a query, one order, ten thousand results and no more.

https://developers.hubspot.com/docs/api-reference/search/guide
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.hubspot.access import Answer, Visit
from sandbox.hubspot.errors import invalid
from sandbox.hubspot.filters import TOKEN, Filter, comparable, read_filter
from sandbox.hubspot.kinds import Kind
from sandbox.hubspot.records import Book, Record
from sandbox.hubspot.shapes import Shape, value

Json = dict[str, Any]
MOST, FEW, LAST = 200, 10, 10_000
MOST_GROUPS, MOST_IN_GROUP, MOST_FILTERS = 5, 6, 18
LONGEST_BODY = 3_000
ENDLESS = 1 << 62


@dataclass(frozen=True)
class Wish:
    """A search as it was asked for. An empty ``order`` is by id."""

    groups: list[list[Filter]]
    words: list[str]
    order: str
    order_type: str
    is_descending: bool
    limit: int
    after: int


def search(kind: Kind, visit: Visit) -> Answer:
    """POST …/search. ``total`` counts what cannot be reached too."""
    body, book = visit.body, visit.portal.books[kind.name]
    wish = read_wish(body, visit.portal.properties[kind.name])
    found = in_order(kind, wish, matching(kind, book, wish, visit.hubspot.now_ms))
    shape = Shape(visit.portal, kind, visit.token.scopes, tuple(map(str, body.get("properties") or ())))
    end = wish.after + wish.limit
    content: Json = {"total": len(found), "results": [shape.read(one) for one in found[wish.after : end]]}
    if end < len(found):
        content["paging"] = {"next": {"after": str(end)}}
    return 200, content


def read_wish(body: Json, definitions: dict[str, Json]) -> Wish:
    """The request, checked; ApiError 400 for more than HubSpot takes."""
    groups = [one.get("filters") or [] for one in body.get("filterGroups") or []]
    sizes = [len(one) for one in groups]
    if len(sizes) > MOST_GROUPS or max(sizes, default=0) > MOST_IN_GROUP or sum(sizes) > MOST_FILTERS:
        raise invalid(f"At most {MOST_GROUPS} groups of {MOST_IN_GROUP} filters, {MOST_FILTERS} in all, are allowed.")
    query = str(body.get("query") or "")
    if len(json.dumps(groups)) + len(query) > LONGEST_BODY:
        raise invalid(f"The request body is over {LONGEST_BODY} characters.")
    limit, after = whole(body, "limit", FEW), whole(body, "after", 0)
    if not 0 < limit <= MOST:
        raise invalid(f"Invalid input: limit must be between 1 and {MOST}, but was {limit}")
    if after + limit > LAST:
        raise invalid(f"Search results cannot be paged beyond {LAST}.")
    order, is_descending = order_of(body.get("sorts") or [], definitions)
    order_type = definitions[order]["type"] if order else ""
    filters = [[read_filter(one, definitions) for one in group] for group in groups]
    return Wish(filters, TOKEN.findall(query.lower()), order, order_type, is_descending, limit, after)


def whole(body: Json, name: str, otherwise: int) -> int:
    """A number, also as text."""
    text = str(body.get(name) or otherwise)
    if not text.isdecimal():
        raise invalid(f"Invalid input: {name} must be a number, but was {text}")
    return int(text)


def order_of(sorts: list[Any], definitions: dict[str, Json]) -> tuple[str, bool]:
    """The property to sort by, and whether downwards: ``-name``, or an object."""
    if len(sorts) > 1:
        raise invalid("Only one sort is allowed.")
    if not sorts:
        return "", False
    given = sorts[0]
    if isinstance(given, dict):
        name, is_descending = str(given.get("propertyName")), given.get("direction") == "DESCENDING"
    else:
        name, is_descending = str(given).lstrip("-"), str(given).startswith("-")
    if name not in definitions:
        raise invalid(f"There was a problem with the request: property '{name}' does not exist.")
    return name, is_descending


def matching(kind: Kind, book: Book, wish: Wish, now_ms: int) -> list[Record]:
    """Every record that search sees and that passes: by their stamps if one group narrows them so."""
    groups = wish.groups or [[]]
    found: dict[int, Record] = {}
    hidden = hidden_now(book, now_ms)
    for group in groups:
        ids, rest = narrowed(kind, book, group)
        visible = (book.live[one] for one in ids if one not in hidden)
        # Where nothing is left to ask, a hundred thousand records need not be looked at one by one.
        passing = filtered(kind, visible, rest) if rest else visible
        found |= {one.id: one for one in passing}
        found |= {one.id: one for one in filtered(kind, hidden.values(), group)}
    records = list(found.values())
    return [one for one in records if mentions(kind, one, wish.words)] if wish.words else records


def hidden_now(book: Book, now_ms: int) -> dict[int, Record | None]:
    """What search does not know of yet, with the copies it still sees."""
    book.glimpses = {key: one for key, one in book.glimpses.items() if one.until_ms > now_ms}
    return {key: one.record for key, one in book.glimpses.items()}


def narrowed(kind: Kind, book: Book, group: list[Filter]) -> tuple[Iterable[int], list[Filter]]:
    """The ids that can pass a group, by an index, and the filters left to ask."""
    for one in group:
        if one.operator in ("EQ", "IN") and one.name in book.unique:
            known = (book.unique[one.name].get(text) for text in one.wanted)
            return [record_id for record_id in known if record_id is not None], group
    rest = [one for one in group if one.name != kind.stamp or bounds(one) is None]
    if len(rest) < len(group):
        ranges = [found for one in group if one not in rest and (found := bounds(one))]
        low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
        start, end = bisect_left(book.stamps, (low, 0)), bisect_right(book.stamps, (high, ENDLESS))
        return [record_id for _, record_id in book.stamps[start:end]], rest
    rest = [one for one in group if one.name != "hs_object_id" or bounds(one) is None]
    if len(rest) < len(group):
        ranges = [found for one in group if one not in rest and (found := bounds(one))]
        low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
        return book.ids[bisect_left(book.ids, low) : bisect_right(book.ids, high)], rest
    return book.ids, group


def bounds(one: Filter) -> tuple[int, int] | None:
    """The whole numbers a filter lets pass, both ends included; None for one that is no range."""
    match one.operator:
        case "EQ":
            return int(one.wanted[0]), int(one.wanted[0])
        case "GTE":
            return int(one.wanted[0]), ENDLESS
        case "GT":
            return int(one.wanted[0]) + 1, ENDLESS
        case "LTE":
            return 0, int(one.wanted[0])
        case "LT":
            return 0, int(one.wanted[0]) - 1
        case "BETWEEN":
            return int(one.wanted[0]), int(one.wanted[1])
    return None


def filtered(kind: Kind, records: Iterable[Record | None], group: list[Filter]) -> Iterable[Record]:
    """Those that pass all filters."""
    return (one for one in records if one is not None and all(condition.passes(kind, one) for condition in group))


def mentions(kind: Kind, record: Record, words: list[str]) -> bool:
    """Whether every word of a query begins a word of the searched properties."""
    texts = " ".join(record.values.get(name, "") for name in kind.searched).lower()
    known = TOKEN.findall(texts)
    return all(any(one.startswith(word) for one in known) for word in words)


def in_order(kind: Kind, wish: Wish, records: list[Record]) -> list[Record]:
    """Sorted; records without the property come last. Equal ones are in the order of their ids."""
    if wish.order in ("", "hs_object_id"):
        return sorted(records, key=lambda one: one.id, reverse=wish.is_descending)
    if wish.order == kind.stamp:
        return sorted(records, key=lambda one: (one.updated_ms, one.id), reverse=wish.is_descending)
    if wish.order == kind.created:
        return sorted(records, key=lambda one: (one.created_ms, one.id), reverse=wish.is_descending)
    return sorted_by(kind, wish, records)


def sorted_by(kind: Kind, wish: Wish, records: list[Record]) -> list[Record]:
    """Sorted by any other property, as text or as a number."""
    texts = {one.id: value(kind, one, wish.order) for one in records}
    valued = [one for one in records if texts[one.id] is not None]
    valued.sort(key=lambda one: (comparable(wish.order_type, texts[one.id] or ""), one.id), reverse=wish.is_descending)
    return valued + sorted((one for one in records if texts[one.id] is None), key=lambda one: one.id)
