"""Records one by one: list, read, create, change, archive, merge, delete for good.

https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide
"""

from bisect import bisect_right
from typing import Any

from werkzeug.wrappers import Request

from sandbox.hubspot import linking
from sandbox.hubspot.access import Answer, Visit
from sandbox.hubspot.errors import invalid, not_found
from sandbox.hubspot.kinds import SPELLINGS, Kind
from sandbox.hubspot.paths import API
from sandbox.hubspot.records import Book, Record
from sandbox.hubspot.shapes import Shape

Json = dict[str, Any]
MOST_LISTED, MOST_WITH_HISTORY, FEW = 100, 50, 10


def list_records(kind: Kind, visit: Visit) -> Answer:
    """GET …: a page by id. ``after`` is the last id that was shown."""
    book, shape = visit.portal.books[kind.name], shape_of(kind, visit)
    limit = limit_of(visit.request, MOST_WITH_HISTORY if shape.history else MOST_LISTED)
    is_archived = flag(visit.request, "archived")
    shelf = book.archived if is_archived else book.live
    ids = sorted(book.archived) if is_archived else book.ids
    start = bisect_right(ids, number_of(visit.request.args.get("after") or "0", "after"))
    page = ids[start : start + limit]
    content: Json = {"results": [shape.read(shelf[one]) for one in page]}
    if start + limit < len(ids):
        after = str(page[-1])
        link = f"https://api.hubapi.com{visit.request.path.removeprefix(API)}?limit={limit}&after={after}"
        content["paging"] = {"next": {"after": after, "link": link}}
    return 200, content


def get_record(kind: Kind, visit: Visit) -> Answer:
    """GET …/ID, by id or by a unique property; the id of a merged record shows what it became."""
    book = visit.portal.books[kind.name]
    record = named(book, visit, is_archived=flag(visit.request, "archived"))
    return 200, shape_of(kind, visit).read(record)


def create_record(kind: Kind, visit: Visit) -> Answer:
    """POST …: 201, with its associations."""
    body, writer = visit.body, visit.writer()
    values = writer.planned(kind, properties_in(body), None, {})
    wanted = linking.inline(visit.portal, kind, body.get("associations") or [])
    record = writer.create(kind, values)
    for one, end_id in wanted:
        writer.link(one, record.id, end_id)
    return 201, plain(kind, visit).created(record)


def update_record(kind: Kind, visit: Visit) -> Answer:
    """PATCH …/ID: only what is named."""
    record = named(visit.portal.books[kind.name], visit)
    writer = visit.writer()
    values = writer.planned(kind, properties_in(visit.body), record, {})
    writer.update(kind, record, values)
    return 200, plain(kind, visit).touched(record, values)


def archive_record(kind: Kind, visit: Visit) -> Answer:
    """DELETE …/ID: 204, whether it was there or not."""
    record = visit.portal.books[kind.name].find(visit.call.args["record_id"])
    if record is not None:
        visit.writer().archive(kind, record)
    return 204, None


def merge_records(kind: Kind, visit: Visit) -> Answer:
    """POST …/merge: the answer is the record that both became, which has an id of its own."""
    book, body = visit.portal.books[kind.name], visit.body
    primary = book.find(str(body.get("primaryObjectId", "")))
    other = book.find(str(body.get("objectIdToMerge", "")))
    if primary is None or other is None:
        raise not_found()
    if primary is other:
        raise invalid("Cannot merge an object with itself.")
    return 200, plain(kind, visit).read(visit.writer().merge(kind, primary, other))


def delete_for_good(kind: Kind, visit: Visit) -> Answer:
    """POST …/gdpr-delete: 204; by id or by address."""
    book, body = visit.portal.books[kind.name], visit.body
    text = str(body.get("objectId", ""))
    record = by_property(book, str(body.get("idProperty") or ""), text) or book.find(text, is_archived=True)
    if record is None:
        raise not_found()
    visit.writer().forget(kind, record)
    return 204, None


def named(book: Book, visit: Visit, *, is_archived: bool = False) -> Record:
    """The record that the path names; ApiError 404 if there is none."""
    text, name = visit.call.args["record_id"], visit.request.args.get("idProperty", "")
    record = book.find(text, is_archived=True) if is_archived else by_property(book, name, text)
    if record is None:
        raise not_found()
    return record


def by_property(book: Book, name: str, text: str) -> Record | None:
    """A live record by a unique property, by id without one. ApiError 400 for a property that is not unique."""
    if name in ("", "hs_object_id"):
        return book.find(text)
    if name not in book.unique:
        raise invalid(f"Property {name} is not a unique property of {book.kind.name}.")
    return book.find_by(name, text)


def shape_of(kind: Kind, visit: Visit) -> Shape:
    """What the query asks to be shown."""
    args = visit.request
    associations = tuple(SPELLINGS.get(one.lower(), one) for one in words(args, "associations"))
    return Shape(
        visit.portal,
        kind,
        visit.token.scopes,
        words(args, "properties"),
        words(args, "propertiesWithHistory"),
        associations,
    )


def plain(kind: Kind, visit: Visit) -> Shape:
    """How an answer to a write is shown."""
    return Shape(visit.portal, kind, visit.token.scopes)


def words(request: Request, name: str) -> tuple[str, ...]:
    """A parameter that is repeated, or separated by commas, or both."""
    return tuple(word for text in request.args.getlist(name) for word in text.split(",") if word)


def flag(request: Request, name: str) -> bool:
    """A parameter that says yes: the real client writes ``True``."""
    return request.args.get(name, "").lower() == "true"


def limit_of(request: Request, most: int) -> int:
    """How many a page holds; ApiError 400 for too many."""
    limit = number_of(request.args.get("limit") or str(FEW), "limit")
    if not 0 < limit <= most:
        raise invalid(f"Invalid input: limit must be between 1 and {most}, but was {limit}")
    return limit


def number_of(text: str, name: str) -> int:
    """A whole number; ApiError 400 for anything else."""
    if not text.isdecimal():
        raise invalid(f"Invalid input: {name} must be a number, but was {text}")
    return int(text)


def properties_in(body: Json) -> Json:
    """The ``properties`` of a body; ApiError 400 if they are no object."""
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise invalid("Invalid input JSON: properties is required")
    return properties
