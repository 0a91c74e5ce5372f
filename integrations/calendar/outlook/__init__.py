"""Translates Outlook's calendars: lists them, follows their changes, has changes announced. It only reads.

Graph tells changes of a window that cannot be moved, and of series only that something changed. So a round asks for
more days than are wanted, and reads every series that a page names anew. A page that names hundreds is read in turns.
https://learn.microsoft.com/graph/delta-query-events
"""

from collections.abc import Iterator

import requests

from integrations.calendar.outlook import calls, reading, rounds
from integrations.calendar.outlook.reading import Found
from integrations.calendar.outlook.rounds import Place
from integrations.calendar.outlook.turns import Turn
from integrations.calendar.texts import address, text
from integrations.contract import EventPage, JsonObject, OpenedChannel, PageRequest, ResourceInfo, WatchRequest
from integrations.errors import CursorExpired, MissingScope, Permanent, Temporary
from integrations.providers import microsoft
from integrations.providers.microsoft import subscriptions

PAGE_SIZE = 500
"""A hint: pages grow by the series on them. For those of most pages one turn is enough."""

CALENDARS_SIZE = 100
MAX_LISTS = 50
RESOURCE = "/me/events"


class OutlookCalendar:
    """The adapter. ``http`` is an authorised session of ``integrations.outbound``, used by one thread."""

    is_single_watch = True

    def calendars(self, http: requests.Session) -> Iterator[ResourceInfo]:
        """Every calendar of the account, those shared with it among them. Never raises MissingScope: one permission
        covers list and calendars, so that without the list there is none to read either."""
        url = f"/me/calendars?$top={CALENDARS_SIZE}"
        for _ in range(MAX_LISTS):
            try:
                answer = microsoft.graph(http, "GET", url)
            except MissingScope as error:
                raise Permanent(str(error)) from error
            for item in calls.values(answer):
                if item.get("id"):
                    yield _calendar(item)
            url = str(answer.get("@odata.nextLink") or "")
            if not url:
                return
        # After an endless list calendars would count as gone.
        raise Temporary("Microsoft's list of calendars does not end.")

    def page(self, http: requests.Session, wanted: PageRequest) -> EventPage:
        """One page, or more of one that names more than can be asked for at once. Of each series it names, all
        instances come, since Graph does not tell of cancelled ones."""
        turn = Turn(http)
        place = _place(http, wanted)
        place.check_wait()
        found, rest, is_begun = Found(place.owner), place.rest, bool(place.rest)
        if not is_begun:
            place, items = _listed(http, place, is_first=not (wanted.cursor or wanted.page))
            rest = reading.listed(items, found)
        left = reading.asked(turn, place, rest, found)
        if left and left == rest and (turn.trouble or is_begun):
            raise turn.trouble or Temporary("A series in Outlook has more instances than can be.")
        ahead = place.before(left, turn.trouble.retry_after if turn.trouble else None)
        is_done = ahead.is_last and not left
        return EventPage(
            events=tuple(found.events.values()),
            unreadable=found.set_aside(),
            next_page="" if is_done else ahead.written(),
            next_cursor=ahead.ended().written() if is_done else "",
            # What a full round does not name, the end of the round finds.
            whole_series=tuple(sorted(found.whole_series)) if wanted.cursor else (),
        )

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        """Have changes announced, of all calendars at once."""
        return subscriptions.watch(http, RESOURCE, wanted)

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        """End the announcements. Raises ResourceGone where they ended already."""
        subscriptions.stop(http, resource_id)


def _listed(http: requests.Session, place: Place, is_first: bool) -> tuple[Place, list[JsonObject]]:
    """What Graph's next page names, and the place behind it. Raises CursorExpired where it takes no old place."""
    try:
        answer = microsoft.graph(http, "GET", place.link, page_size=PAGE_SIZE)
    except Permanent as error:
        if type(error) is Permanent and not is_first:
            raise CursorExpired("Microsoft no longer takes the place where we stopped reading.") from error
        raise
    items = calls.values(answer)
    next_link, delta_link = (str(answer.get(f"@odata.{name}") or "") for name in ("nextLink", "deltaLink"))
    if bool(next_link) == bool(delta_link):
        raise Temporary("Microsoft's page says neither how to go on nor that it is the last.")
    ids = [str(item.get("id")) for item in items if isinstance(item, dict)]
    return (place.onward(next_link, ids) if next_link else place.last(delta_link)), items


def _calendar(item: JsonObject) -> ResourceInfo:
    return ResourceInfo(
        external_id=text(item["id"]),
        name=text(item.get("name") or item["id"], 200),
        time_zone="",
        is_primary=bool(item.get("isDefaultCalendar", False)),
        access_role="reader",
    )


def _place(http: requests.Session, wanted: PageRequest) -> Place:
    """Where to go on, or the beginning of a round, which asks whose calendar it is: Graph marks no guest as oneself."""
    if wanted.page:
        return rounds.read(wanted.page)
    if wanted.cursor:
        place = rounds.read(wanted.cursor)
        if not place.covers(wanted.window_end):
            raise CursorExpired(rounds.MOVED_ON)
        return place
    assert wanted.window_start is not None, "a full round needs its window"
    assert wanted.window_end is not None, "a full round needs its window"
    path = calls.calendar(wanted.calendar_id)
    owner = microsoft.graph(http, "GET", path, params={"$select": "owner"}).get("owner") or {}
    whose = address(owner.get("address") or "")
    return rounds.first(wanted.calendar_id, whose, wanted.window_start, wanted.window_end, f"{path}/calendarView/delta")


adapter = OutlookCalendar()
