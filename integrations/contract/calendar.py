"""The words of calendars, and what an adapter of them does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import requests

from integrations.contract.pushes import PushAdapter
from integrations.contract.resources import ResourceInfo, UnreadableItem


@dataclass(frozen=True)
class Guest:
    """Somebody invited. ``email`` is lower-cased; ``response`` is accepted, declined, tentative or needs_action."""

    email: str
    name: str = ""
    response: str = "needs_action"
    is_organizer: bool = False
    is_optional: bool = False


@dataclass(frozen=True)
class EventCopy:
    """One event or instance as a calendar holds it. Timed events have ``starts_at``; all-day ones ``starts_on`` and an
    exclusive ``ends_on``. ``visibility`` is default or private; ``event_type`` is default, focus_time, out_of_office,
    working_place, birthday or from_mail.

    A cancelled one promises no more than ``external_id`` (and, for an instance, series and slot).
    """

    external_id: str
    etag: str = ""
    is_cancelled: bool = False
    ical_uid: str = ""
    series_id: str = ""
    original_start: str = ""
    title: str = ""
    location: str = ""
    join_url: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    organizer: str = ""
    my_response: str = ""
    visibility: str = "default"
    event_type: str = "default"
    guests: tuple[Guest, ...] = ()
    guests_omitted: bool = False
    updated_at: datetime | None = None


@dataclass(frozen=True)
class EventPage:
    """One page. ``next_page`` asks for the next; ``next_cursor`` stands on the last one only.

    Of ``whole_series`` every instance that there is in the window is among ``events``: what is stored of such a series
    and not named is gone.
    """

    events: tuple[EventCopy, ...]
    unreadable: tuple[UnreadableItem, ...] = ()
    next_page: str = ""
    next_cursor: str = ""
    whole_series: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageRequest:
    """Which page to fetch: by ``cursor`` (changes since) or by window (a full round); ``page`` continues either.

    Beside a cursor the window is what is kept now: whoever tells no changes of all of it raises CursorExpired.
    """

    calendar_id: str
    cursor: str = ""
    page: str = ""
    window_start: datetime | None = None
    window_end: datetime | None = None


class CalendarAdapter(PushAdapter, Protocol):
    """Reads calendars of one provider through an authorised session. Touches no ORM."""

    def calendars(self, http: requests.Session) -> Iterator[ResourceInfo]: ...

    def page(self, http: requests.Session, wanted: PageRequest) -> EventPage: ...
