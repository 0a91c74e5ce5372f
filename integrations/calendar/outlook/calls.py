"""Where what a page names and does not hold can be asked for: single events, and the instances of series.

https://learn.microsoft.com/graph/api/event-list-instances
"""

from urllib.parse import quote

from integrations.calendar.outlook import rounds
from integrations.calendar.outlook.rounds import Place
from integrations.contract import JsonObject
from integrations.errors import Temporary

INSTANCES_SIZE = 500

FIELDS = (
    "iCalUId,seriesMasterId,type,subject,location,start,end,originalStart,isAllDay,isCancelled,isOrganizer,showAs,"
    "sensitivity,organizer,attendees,hideAttendees,responseStatus,isOnlineMeeting,onlineMeeting,onlineMeetingUrl"
)
"""Never the text. Of instances the time of their change cannot be selected: it stands on the page."""


def calendar(calendar_id: str) -> str:
    """The address of a calendar."""
    return f"/me/calendars/{quote(calendar_id, safe='')}"


def event(place: Place, event_id: str) -> str:
    """Where one event is, whole; not found where it is not, or no longer, on this calendar."""
    return f"{_event(place, event_id)}?$select={FIELDS},lastModifiedDateTime"


def instances(place: Place, master: str) -> str:
    """Where all instances of a series within the window are, whole; not found for a series that is no more."""
    return f"{_event(place, master)}/instances?{rounds.window(place.start, place.end)}&$select={FIELDS}"


def values(answer: JsonObject) -> list[JsonObject]:
    """The items of a list. Without one it is not empty: all it does not name would count as deleted."""
    items = answer.get("value")
    if not isinstance(items, list):
        raise Temporary("Microsoft's answer has no list of events.")
    return items


def _event(place: Place, event_id: str) -> str:
    return f"{calendar(place.calendar)}/events/{quote(event_id, safe='')}"
