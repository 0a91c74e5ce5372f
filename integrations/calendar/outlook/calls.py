"""What a page names and does not hold: single events and the instances of series, asked for in batches.

https://learn.microsoft.com/graph/api/event-list-instances
"""

from collections.abc import Collection, Mapping
from urllib.parse import quote

import requests

from integrations.calendar.outlook import rounds
from integrations.calendar.outlook.rounds import Place
from integrations.contract import JsonObject
from integrations.errors import IntegrationError, Permanent, Temporary
from integrations.providers import microsoft

INSTANCES_SIZE = 500
MAX_INSTANCE_PAGES = 40
TRIES = 3

FIELDS = (
    "iCalUId,seriesMasterId,type,subject,location,start,end,originalStart,isAllDay,isCancelled,isOrganizer,showAs,"
    "sensitivity,organizer,attendees,hideAttendees,responseStatus,isOnlineMeeting,onlineMeeting,onlineMeetingUrl"
)
"""Never the text. Of instances the time of their change cannot be selected: it stands on the page."""


def calendar(calendar_id: str) -> str:
    """The address of a calendar."""
    return f"/me/calendars/{quote(calendar_id, safe='')}"


def events(http: requests.Session, place: Place, ids: Collection[str]) -> dict[str, JsonObject | Permanent]:
    """Events by their ids; ResourceGone for those that are not, or no longer, on this calendar."""
    query = f"$select={FIELDS},lastModifiedDateTime"
    return _fetched(http, {event_id: f"{_event(place, event_id)}?{query}" for event_id in ids})


def instances(
    http: requests.Session, place: Place, masters: Collection[str]
) -> dict[str, list[JsonObject] | Permanent]:
    """All instances of these series within the window, whole; ResourceGone for a series that is no more."""
    query = f"{rounds.window(place.start, place.end)}&$select={FIELDS}"
    wanted = {master: f"{_event(place, master)}/instances?{query}" for master in masters}
    found: dict[str, list[JsonObject] | Permanent] = {}
    for _ in range(MAX_INSTANCE_PAGES):
        answers, wanted = _fetched(http, wanted), {}
        for master, answer in answers.items():
            before = found.get(master, [])
            if isinstance(answer, Permanent) or isinstance(before, Permanent):
                found[master] = answer if isinstance(answer, Permanent) else before
                continue
            found[master] = before + values(answer)
            if answer.get("@odata.nextLink"):
                wanted[master] = str(answer["@odata.nextLink"])
        if not wanted:
            return found
    raise Temporary("A series in Outlook has more instances than can be.")


def values(answer: JsonObject) -> list[JsonObject]:
    """The items of a list. Without one it is not empty: all it does not name would count as deleted."""
    items = answer.get("value")
    if not isinstance(items, list):
        raise Temporary("Microsoft's answer has no list of events.")
    return items


def _event(place: Place, event_id: str) -> str:
    return f"{calendar(place.calendar)}/events/{quote(event_id, safe='')}"


def _fetched(http: requests.Session, wanted: Mapping[str, str]) -> dict[str, JsonObject | Permanent]:
    """What each address answered, or why it never will. One that fails for a moment is asked once more, at once.

    Raises what stops all of them, and Temporary where Microsoft asks to wait: the page is read again then.
    """
    found: dict[str, JsonObject | Permanent] = {}
    left, trouble = dict(wanted), None
    for _ in range(TRIES):
        asked, left = left, {}
        for key, answer in microsoft.batch(http, asked, page_size=INSTANCES_SIZE) if asked else ():
            if not isinstance(answer, IntegrationError) or isinstance(answer, Permanent):
                found[key] = answer
            elif type(answer) is Temporary and answer.retry_after is None:
                left[key], trouble = asked[key], answer
            else:
                raise answer
        if not left:
            return found
    assert trouble is not None, "what is left has failed"
    raise trouble
