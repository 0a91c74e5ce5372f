"""The parameters of events.list, checked.

https://developers.google.com/workspace/calendar/api/v3/reference/events/list
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from werkzeug.datastructures import MultiDict

from sandbox.clock import parse_instant
from sandbox.google import errors
from sandbox.google.sync_tokens import digest

Arguments = MultiDict[str, str]

NOT_WITH_SYNC_TOKEN = (
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
)
# A list cut by these gives no sync token: it would not be a whole one. timeMin and timeMax are allowed.
WITHOUT_SYNC_TOKEN = frozenset(NOT_WITH_SYNC_TOKEN) - {"timeMin", "timeMax"}
NOT_BOUND_TO_PAGES = frozenset({"pageToken", "fields", "prettyPrint", "quotaUser", "key", "access_token"})
EVENT_TYPES = frozenset({"birthday", "default", "focusTime", "fromGmail", "outOfOffice", "workingLocation"})
OLDEST_UPDATED_MIN = timedelta(days=28)
DEFAULT_PAGE, LARGEST_PAGE = 250, 2500


@dataclass(frozen=True)
class Query:
    """One events.list request. ``sync_rules`` are the parameters a sync token is bound to."""

    is_single: bool
    show_deleted: bool
    max_results: int
    order_by: str
    time_min: datetime | None
    time_max: datetime | None
    updated_min: datetime | None
    text: str
    ical_uid: str
    event_types: frozenset[str]
    private: tuple[str, ...]
    shared: tuple[str, ...]
    zone: ZoneInfo | None
    max_attendees: int | None
    page_token: str
    sync_token: str
    sync_rules: str
    page_rules: str
    gives_sync_token: bool


def parse(args: Arguments, now: datetime) -> Query:
    """The request's parameters; ApiError for values and mixes Google refuses."""
    event_types = frozenset(args.getlist("eventTypes"))
    if event_types - EVENT_TYPES:
        raise errors.invalid("eventTypes")
    is_single, max_attendees, zone = flag(args, "singleEvents"), number(args, "maxAttendees"), zone_in(args)
    bound = (is_single, sorted(event_types), max_attendees, zone and zone.key, flag(args, "showHiddenInvitations"))
    query = Query(
        is_single=is_single,
        show_deleted=flag(args, "showDeleted"),
        max_results=min(number(args, "maxResults") or DEFAULT_PAGE, LARGEST_PAGE),
        order_by=args.get("orderBy", ""),
        time_min=instant_in(args, "timeMin"),
        time_max=instant_in(args, "timeMax"),
        updated_min=instant_in(args, "updatedMin"),
        text=args.get("q", "").lower(),
        ical_uid=args.get("iCalUID", ""),
        event_types=event_types,
        private=tuple(args.getlist("privateExtendedProperty")),
        shared=tuple(args.getlist("sharedExtendedProperty")),
        zone=zone,
        max_attendees=max_attendees,
        page_token=args.get("pageToken", ""),
        sync_token=args.get("syncToken", ""),
        sync_rules=digest(bound),
        page_rules=digest({key: values for key, values in args.lists() if key not in NOT_BOUND_TO_PAGES}),
        gives_sync_token=not any(args.get(name) for name in WITHOUT_SYNC_TOKEN),
    )
    check_mix(query, args, now)
    return query


def check_mix(query: Query, args: Arguments, now: datetime) -> None:
    """ApiError for parameters that do not go together."""
    if query.sync_token and (
        any(args.get(name) for name in NOT_WITH_SYNC_TOKEN) or args.get("showDeleted", "").lower() == "false"
    ):
        raise errors.restricted_with_sync_token()
    if query.order_by not in {"", "startTime", "updated"}:
        raise errors.invalid("orderBy")
    if query.order_by == "startTime" and not query.is_single:
        message = "The requested ordering is not available for the particular query."
        raise errors.ApiError(400, "orderByNotAvailable", message, "calendar", "orderBy")
    if query.time_min and query.time_max and query.time_max <= query.time_min:
        message = "The specified time range is empty."
        raise errors.ApiError(400, "timeRangeEmpty", message, "calendar", "timeMax")
    if query.updated_min and query.updated_min < now - OLDEST_UPDATED_MIN:
        message = "The requested minimum modification time lies too far in the past."
        raise errors.ApiError(410, "updatedMinTooLongAgo", message, "calendar", "updatedMin")


def flag(args: Arguments, name: str) -> bool:
    """A boolean parameter, false when absent."""
    value = args.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise errors.invalid(name, f"Invalid value for: {value} is not a valid value")
    return value == "true"


def number(args: Arguments, name: str) -> int | None:
    """A positive whole number, None when absent."""
    value = args.get(name)
    if value is None:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise errors.invalid(name, f"Invalid value '{value}'. Values must be within the range: [1, 2147483647]")
    return int(value)


def instant_in(args: Arguments, name: str) -> datetime | None:
    """A time with an offset, None when absent; 400 "Bad Request" for a time without one, as Google says it."""
    value = args.get(name)
    if not value:
        return None
    try:
        return parse_instant(value)
    except ValueError:
        raise errors.ApiError(400, "badRequest", "Bad Request") from None


def zone_in(args: Arguments) -> ZoneInfo | None:
    """The zone the answer's times are wanted in."""
    value = args.get("timeZone")
    try:
        return ZoneInfo(value) if value else None
    except (ZoneInfoNotFoundError, ValueError):
        raise errors.invalid("timeZone", f"Invalid time zone: {value}") from None


def properties_match(body: dict[str, Any], kind: str, wanted: tuple[str, ...]) -> bool:
    """Whether an event has all ``name=value`` extended properties of a kind."""
    held = body.get("extendedProperties", {}).get(kind, {})
    return all(held.get(pair.partition("=")[0]) == pair.partition("=")[2] for pair in wanted)
