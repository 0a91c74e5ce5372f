"""What the calls of calendars have in common: who reads, which calendar, which window, which page.

https://learn.microsoft.com/graph/api/user-list-calendarview
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from sandbox.microsoft import graph, prefer
from sandbox.microsoft.calendar import ids, occurrences, zones
from sandbox.microsoft.calendar.books import Body, Book, Calendar, Entry
from sandbox.microsoft.calendar.occurrences import Occurrence, Window
from sandbox.microsoft.calendar.shapes import Viewer
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.state import microsoft_of
from sandbox.providers import Call

BASIC, FULL = "Calendars.ReadBasic", "Calendars.Read"
DEFAULT_TOP, MOST_TOP = 10, 1000
T = TypeVar("T")


def viewer_of(call: Call, wishes: prefer.Prefer) -> Viewer:
    """Who reads, and how. GraphError: 401, 403, or 400 for a time zone nobody knows."""
    account = graph.authorised(call, BASIC, FULL)
    try:
        zones.zone(wishes.time_zone)
    except ValueError:
        message = "A valid TimeZone value must be specified. The following TimeZone value is not supported: "
        raise GraphError(400, "TimeZoneNotSupportedException", f"{message}'{wishes.time_zone}'.") from None
    is_basic = FULL not in graph.token_of(call).scopes
    return Viewer(
        upn=account.upn,
        address=account.mail or account.upn,
        name=account.name,
        zone=wishes.time_zone,
        is_immutable=wishes.is_immutable,
        is_basic=is_basic,
        is_text=wishes.is_text,
    )


def book_of(call: Call, viewer: Viewer) -> Book:
    """The reader's calendars."""
    return microsoft_of(call.world).calendars.book(viewer.upn)


def calendar_of(call: Call, viewer: Viewer) -> Calendar:
    """The calendar in the path, else the default one; GraphError 404."""
    book, calendar_id = book_of(call, viewer), call.args.get("calendar_id", "")
    if not calendar_id:
        return book.default()
    if calendar_id not in book.calendars:
        raise not_found()
    return book.calendars[calendar_id]


def entry_of(call: Call, viewer: Viewer) -> tuple[Entry, Occurrence | None]:
    """The event in the path, an occurrence with its series; GraphError 404, or 400 for what is no id."""
    try:
        key = ids.read(viewer.upn, call.args["event_id"])
    except ValueError as error:
        raise GraphError(400, "ErrorInvalidIdMalformed", str(error)) from None
    found = book_of(call, viewer).find(key.serial) if key else None
    if key is None or found is None or call.args.get("calendar_id", found[0].id) != found[0].id:
        raise not_found()
    entry = found[1]
    if key.day is None:
        return entry, None
    occurrence = occurrences.on(entry, key.day) if entry.is_series else None
    if occurrence is None:
        raise not_found()
    return entry, occurrence


def not_found() -> GraphError:
    """404, as Exchange says it."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def window_of(call: Call) -> Window:
    """``startDateTime`` and ``endDateTime``, any case; an offset is honoured, without one it is UTC. GraphError 400."""
    edges = [edge(graph.option(call, name), name) for name in ("startDateTime", "endDateTime")]
    if edges[1] < edges[0]:
        message = "The end date of the calendar view is earlier than its start date."
        raise GraphError(400, "ErrorCalendarEndDateIsEarlierThanStartDate", message)
    return Window(*edges)


def edge(text: str, name: str) -> datetime:
    """One end of a window, aware, in UTC."""
    if not text:
        message = f"This request requires a time window specified by the query string parameters: {name}."
        raise GraphError(400, "ErrorInvalidRequest", message)
    try:
        # A plus sign that was not escaped arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise GraphError(400, "ErrorInvalidParameter", f"'{text}' is no value of {name}.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def page(call: Call, found: Sequence[T], shape: Callable[[T], Body]) -> dict[str, Any]:
    """A list by ``$top`` (else ``odata.maxpagesize``, else 10) and ``$skip``; the next link repeats the query.

    GraphError 400 for numbers out of range.
    """
    wished = prefer.read(call.request).max_page_size or DEFAULT_TOP
    top = number(call, "$top", min(wished, MOST_TOP), 1, MOST_TOP)
    skip = number(call, "$skip", 0, 0, 10**9)
    names = graph.selected(call)
    content = {"@odata.context": context(call, names), "value": [shape(one) for one in found[skip : skip + top]]}
    if skip + top < len(found):
        query = [(key, value) for key, value in call.request.args.items(multi=True) if key.lower() != "$skip"]
        asked = urlencode([*query, ("$skip", str(skip + top))], safe="$")
        content["@odata.nextLink"] = f"{address(call)}?{asked}"
    return content


def number(call: Call, name: str, default: int, least: int, most: int) -> int:
    """A number among the options."""
    text = graph.option(call, name)
    if text and not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        message = f"Invalid value '{text}' for {name} query option found. It must be between {least} and {most}."
        raise GraphError(400, "ErrorInvalidUrlQuery", message)
    return int(text) if text else default


def address(call: Call) -> str:
    """The address asked for, as links carry it, without its query."""
    return f"{graph.origin(call)}{call.request.path.removeprefix(graph.BASE)}"


def context(call: Call, names: Sequence[str] = ()) -> str:
    """``@odata.context`` of an answer."""
    path = call.request.path.removeprefix(graph.BASE).strip("/")
    selection = f"({','.join(names)})" if names else ""
    return f"{graph.origin(call)}/$metadata#{path}{selection}"
