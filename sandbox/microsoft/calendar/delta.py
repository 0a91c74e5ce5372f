"""The delta of a calendar view: what changed in one calendar, as far as one window shows it.

Occurrences come as stubs and a series comes whole, never split over pages. What was changed outside the window
comes as a tombstone. A round sees the calendar as it was when the round began.
https://learn.microsoft.com/graph/api/event-delta
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from sandbox.microsoft import graph, paging, prefer
from sandbox.microsoft.calendar import occurrences, reading, shapes
from sandbox.microsoft.calendar.books import Body, Calendar, Entry
from sandbox.microsoft.calendar.occurrences import Window
from sandbox.microsoft.calendar.shapes import Viewer
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.state import microsoft_of
from sandbox.providers import Call

KIND = "calendarView.delta"
DEFAULT_SIZE, MOST_SIZE = 10, 1000
REFUSED = ("$select", "$expand", "$filter", "$orderby", "$search")
QUIRKS = ("empty_first", "repeat", "endless")
"""Odd rounds: the first page is empty; each page begins with the end of the one before; the pages never end."""

EXPIRIES = {
    "SyncStateNotFound": 410,
    "syncStateNotFound": 410,
    "resyncRequired": 410,
    "fullSyncRequired": 410,
    "InvalidDeltaToken": 400,
}
"""The ways in which Graph was seen to say that a token is of no use any more: code and status."""


@dataclass(frozen=True)
class Round:
    """Where a client is: behind change ``after``, on its way from ``since`` to ``upto``.

    ``since`` 0 is the first round. ``starts_at`` and ``ends_at`` are the window, ISO texts. ``again`` is the change
    to say once more, 0 for none.
    """

    upn: str
    calendar: str
    starts_at: str
    ends_at: str
    since: int
    after: int
    upto: int
    quirk: str = ""
    again: int = 0

    @property
    def window(self) -> Window:
        return Window(datetime.fromisoformat(self.starts_at), datetime.fromisoformat(self.ends_at))


@graph.answers
def view_delta(call: Call) -> Response:
    """GET …/calendarView/delta: a round's first page by a window or a delta token, the others by skip tokens."""
    wishes = prefer.read(call.request)
    viewer = reading.viewer_of(call, wishes)
    calendar = reading.calendar_of(call, viewer)
    refuse_options(call)
    size = min(wishes.max_page_size or DEFAULT_SIZE, MOST_SIZE)
    content = page(call, viewer, calendar, round_of(call, viewer, calendar), size)
    return prefer.applied(graph.reply(content), wishes, "odata.track-changes")


def refuse_options(call: Call) -> None:
    """GraphError 400 for query options a delta of events does not have."""
    for name in REFUSED:
        if graph.option(call, name):
            message = "The following parameters are not supported with change tracking over the 'Events' resource: "
            raise GraphError(400, "ErrorInvalidUrlQuery", f"{message}'{name}'.")


def round_of(call: Call, viewer: Viewer, calendar: Calendar) -> Round:
    """The round a call goes on with, or begins."""
    microsoft = microsoft_of(call.world)
    token = graph.option(call, "$skiptoken") or graph.option(call, "$deltatoken")
    quirks = microsoft.calendars.book(viewer.upn).quirks
    if not token:
        window = reading.window_of(call)
        edges = window.start.isoformat(), window.end.isoformat()
        quirk = quirks.pop(0) if quirks else ""
        return Round(viewer.upn, calendar.id, *edges, since=0, after=0, upto=calendar.last_number, quirk=quirk)
    held = Round(**found(call, viewer, token))
    if (held.upn, held.calendar) != (viewer.upn, calendar.id):
        raise GraphError(400, "ErrorInvalidUrlQuery", "The token is for another calendar.")
    if held.upto:
        return held
    return replace(held, upto=calendar.last_number, quirk=quirks.pop(0) if quirks else "")


def found(call: Call, viewer: Viewer, token: str) -> dict[str, Any]:
    """What a token stands for; GraphError for one that was forgotten, in the words ordered for it."""
    microsoft = microsoft_of(call.world)
    expiry = microsoft.calendars.book(viewer.upn).expiry
    try:
        return paging.find(microsoft, KIND, token)
    except GraphError as error:
        if error.status != 410 or not expiry:
            raise
        restart = {"Location": f"{reading.address(call)}?$deltatoken="} if EXPIRIES[expiry] == 410 else {}
        raise GraphError(EXPIRIES[expiry], expiry, error.message, restart) from None


def page(call: Call, viewer: Viewer, calendar: Calendar, now: Round, size: int) -> dict[str, Any]:
    """One page of a round. It grows beyond ``size`` to hold the whole of a series."""
    content: dict[str, Any] = {"@odata.context": f"{graph.origin(call)}/$metadata#Collection(event)"}
    if now.quirk == "empty_first" and now.after == now.since:
        return content | {"@odata.nextLink": link(call, replace(now, quirk=""), "$skiptoken"), "value": []}
    items: list[Body] = []
    last = now.after
    if now.again:
        items += group(next(calendar.changes(now.again - 1, now.again), None), viewer, now)
        size += len(items)
    for entry in calendar.changes(now.after, now.upto):
        if len(items) >= size:
            again = last if now.quirk == "repeat" else 0
            onward = replace(now, after=last, again=again)
            return content | {"@odata.nextLink": link(call, onward, "$skiptoken"), "value": items}
        items += group(entry, viewer, now)
        last = entry.number
    if now.quirk == "endless":
        return content | {"@odata.nextLink": link(call, replace(now, after=now.since), "$skiptoken"), "value": items}
    ended = replace(now, since=now.upto, after=now.upto, upto=0, quirk="", again=0)
    return content | {"@odata.deltaLink": link(call, ended, "$deltatoken"), "value": items}


def group(entry: Entry | None, viewer: Viewer, now: Round) -> list[Body]:
    """What delta says of one event, or of a whole series."""
    if entry is None:
        return []
    items: list[Body] = []
    if entry.is_series and not entry.is_deleted:
        items = [
            whole(entry, one, viewer) if one.is_exception else shapes.stub(entry, one, viewer)
            for one in occurrences.within(entry, now.window)
        ]
    if items or (not entry.is_deleted and not entry.is_series and now.window.holds(entry.body)):
        return [*items, whole(entry, None, viewer)]
    return [shapes.removed(entry, viewer)] if now.since else []


def whole(entry: Entry, occurrence: occurrences.Occurrence | None, viewer: Viewer) -> Body:
    """An event with all there is to it."""
    return {"@odata.type": shapes.EVENT_TYPE} | shapes.event(entry, occurrence, viewer)


def link(call: Call, onward: Round, option: str) -> str:
    """The address to go on with."""
    token = paging.issue(microsoft_of(call.world), KIND, asdict(onward))
    return paging.link(reading.address(call), option, token)
