"""The calls of Outlook's calendars, delta apart.

https://learn.microsoft.com/graph/api/resources/calendar
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from werkzeug.wrappers import Response

from sandbox.microsoft import graph, prefer
from sandbox.microsoft.calendar import occurrences, reading, shapes
from sandbox.microsoft.calendar.books import Body, Entry
from sandbox.microsoft.calendar.occurrences import Occurrence
from sandbox.microsoft.calendar.shapes import Viewer
from sandbox.microsoft.errors import GraphError
from sandbox.providers import Call

UNSELECTABLE = frozenset({"createdDateTime", "lastModifiedDateTime"})
"""What ``$select`` cannot get from a calendar view."""
Found = tuple[Entry, Occurrence | None]


def answers(read: Callable[[Call, Viewer], dict[str, Any]]) -> Callable[[Call], Response]:
    """A call that needs a reader, and says which of the reader's wishes it followed."""

    @graph.answers
    def view(call: Call) -> Response:
        wishes = prefer.read(call.request)
        return prefer.applied(graph.reply(read(call, reading.viewer_of(call, wishes))), wishes)

    return view


@answers
def list_calendars(call: Call, viewer: Viewer) -> dict[str, Any]:
    """GET /me/calendars: by $top (10 unless said), $skip and $select."""
    calendars = list(reading.book_of(call, viewer).calendars.values())
    names = graph.selected(call)
    return reading.page(call, calendars, lambda one: shapes.chosen(shapes.calendar(one), names))


@answers
def get_calendar(call: Call, viewer: Viewer) -> dict[str, Any]:
    """GET /me/calendars/{id} and /me/calendar."""
    shape = shapes.calendar(reading.calendar_of(call, viewer))
    return {"@odata.context": reading.context(call)} | shapes.chosen(shape, graph.selected(call))


@answers
def calendar_view(call: Call, viewer: Viewer) -> dict[str, Any]:
    """GET /me/calendarView, also of one calendar: every occurrence whole, by start."""
    window = reading.window_of(call)
    found: list[Found] = []
    for entry in reading.calendar_of(call, viewer).live():
        if entry.is_series:
            found += [(entry, occurrence) for occurrence in occurrences.within(entry, window)]
        elif window.holds(entry.body):
            found.append((entry, None))
    found.sort(key=by_start)
    names = [name for name in graph.selected(call) if name not in UNSELECTABLE]
    return reading.page(call, found, partial(shaped, viewer=viewer, names=names))


@answers
def list_events(call: Call, viewer: Viewer) -> dict[str, Any]:
    """GET /me/events: single events and series, no occurrences."""
    found: list[Found] = [(entry, None) for entry in reading.calendar_of(call, viewer).live()]
    return reading.page(call, found, partial(shaped, viewer=viewer, names=graph.selected(call)))


@answers
def get_event(call: Call, viewer: Viewer) -> dict[str, Any]:
    """GET /me/events/{id}: an event, a series or one occurrence."""
    shape = shaped(reading.entry_of(call, viewer), viewer, graph.selected(call))
    return {"@odata.context": reading.context(call)} | shape


@answers
def list_instances(call: Call, viewer: Viewer) -> dict[str, Any]:
    """GET /me/events/{id}/instances: the occurrences of a series within a window, which must be given."""
    entry, occurrence = reading.entry_of(call, viewer)
    window = reading.window_of(call)
    if occurrence is not None or not entry.is_series:
        raise GraphError(400, "ErrorInvalidRequest", "Instances can be listed of a series master only.")
    found: list[Found] = [(entry, one) for one in occurrences.within(entry, window)]
    return reading.page(call, found, partial(shaped, viewer=viewer, names=graph.selected(call)))


def shaped(found: Found, viewer: Viewer, names: list[str]) -> Body:
    """An event as the reader wants it."""
    return shapes.chosen(shapes.event(*found, viewer), names)


def by_start(found: Found) -> tuple[Any, ...]:
    """What a calendar view is sorted by."""
    entry, occurrence = found
    return *occurrences.span(occurrence.body if occurrence else entry.body), entry.serial
