"""The adapter alone: what Google sends becomes our words, and what makes no sense becomes Unreadable, never a crash."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from googleapiclient.errors import HttpError
from httplib2 import Response
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.calendar import google
from integrations.contract import EventCopy, Guest
from integrations.errors import (
    CursorExpired,
    IntegrationError,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
    Unreadable,
)
from integrations.providers import google as provider

FIXTURES = Path(__file__).parents[2] / "fixtures" / "google"
Json = dict[str, Any]


def body(name: str) -> Json:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def event(name: str, **more: object) -> EventCopy:
    """A captured fragment as an event; the id and times it may lack are added."""
    times = {"start": {"dateTime": "2025-05-01T10:00:00Z"}, "end": {"dateTime": "2025-05-01T11:00:00Z"}}
    return google.event({"id": "x", **times, **body(name), **more})


def test_a_timed_event_is_read_in_utc() -> None:
    copy = event("calendar_event_timed_2012")

    assert copy.external_id == "kjatossbl8ctt7ub64363pibek"
    # The offset counts, not the zone's name beside it.
    assert (copy.starts_at, copy.starts_on) == (datetime(2012, 10, 26, 19, tzinfo=UTC), None)
    assert (copy.title, copy.location, copy.organizer) == ("Meeting with Bob", "Room 1", "alice@example.com")
    assert copy.my_response == "accepted"


def test_an_all_day_event_is_a_day_in_no_zone_with_an_exclusive_end() -> None:
    copy = event("calendar_event_allday_transparent")

    assert (copy.starts_on, copy.ends_on) == (date(2022, 2, 22), date(2022, 2, 23))
    assert (copy.starts_at, copy.ends_at) == (None, None)


def test_guests_are_the_other_people_without_rooms_and_oneself() -> None:
    copy = event("calendar_event_attendees_room_fixture")

    assert copy.guests == (
        Guest("alice@example.com", "Alice Example", "accepted", is_organizer=True),
        Guest("carol@example.com", "Carol Example", "declined"),
    )
    assert copy.my_response == "accepted"


def test_an_organizer_who_is_not_on_the_list_is_a_guest_but_a_group_calendar_is_none() -> None:
    boss = {"email": "Boss@Example.com", "displayName": "Boss"}
    group = {"email": "c_1@group.calendar.google.com"}

    assert event("calendar_event_attendees_room_fixture", organizer=boss).guests[-1] == Guest(
        "boss@example.com", "Boss", "accepted", is_organizer=True
    )
    assert len(event("calendar_event_attendees_room_fixture", organizer=group).guests) == 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("focusTime", "focus_time"),
        ("outOfOffice", "out_of_office"),
        ("workingLocation", "working_place"),
        ("birthday", "birthday"),
        ("fromGmail_fixture", "from_mail"),
    ],
)
def test_what_is_no_meeting_says_so(name: str, kind: str) -> None:
    assert event(f"calendar_event_{name}").event_type == kind


@pytest.mark.parametrize("visibility", ["private", "confidential"])
def test_private_and_confidential_are_one(visibility: str) -> None:
    assert event("calendar_event_timed_2012", visibility=visibility).visibility == "private"


def test_an_instance_knows_its_series_and_slot() -> None:
    copy = event("calendar_event_recurring_instance")

    assert copy.series_id == "15chil19v5nskedvmo93ei4nl8"
    assert copy.original_start == "20250908T013000Z"


def test_a_video_link_is_found() -> None:
    assert event("calendar_event_meet_conference").join_url.startswith("https://meet.google.com/")
    assert event("calendar_event_timed_2012", hangoutLink="javascript:alert(1)").join_url == ""


def test_of_a_cancelled_one_only_the_id_is_needed() -> None:
    tombstone = body("calendar_events_sync_series_deleted_tombstone")["items"][0]
    instance = event("calendar_event_cancelled_instance_old")
    oddly_written = event("calendar_event_instance_attendees")

    assert google.event(tombstone) == EventCopy("6pbua6vjeic3e73gvponeo1qp6", is_cancelled=True)
    assert (instance.is_cancelled, instance.series_id) == (True, "tlf9q8uk5vjl2i2868q36dpi28")
    assert oddly_written.is_cancelled


def test_a_moved_instance_keeps_the_slot_it_came_from() -> None:
    page = google._page(body("calendar_events_sync_exception_moved"))
    moved = page.events[1]

    assert moved.original_start == "20250324T123000Z"
    assert moved.starts_at == datetime(2025, 3, 24, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("calendar_events_*.json")), ids=lambda path: path.stem)
def test_every_captured_page_is_read_whole(path: Path) -> None:
    answer = json.loads(path.read_text())
    page = google._page(answer)

    assert [copy.external_id for copy in page.events] == [item["id"] for item in answer["items"]]
    assert page.unreadable == ()
    assert (page.next_page, page.next_cursor) == (answer.get("nextPageToken", ""), answer.get("nextSyncToken", ""))


@pytest.mark.parametrize("answer", [{}, {"items": None}, {"items": {}}, {"nextSyncToken": "x"}])
def test_an_answer_without_its_list_is_not_an_empty_calendar(answer: Json) -> None:
    with pytest.raises(Temporary):
        google._page(answer)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("400_syncTokenWithRequestRestrictions", CursorExpired),
        ("401_authError", TokenRefused),
        ("403_notACalendarUser", Permanent),
        ("403_quotaExceeded", RateLimited),
        ("403_rateLimitExceeded", RateLimited),
        ("403_userRateLimitExceeded", RateLimited),
        ("404_notFound", ResourceGone),
        ("410_fullSyncRequired", CursorExpired),
        ("410_updatedMinTooLongAgo", CursorExpired),
        ("429_rateLimitExceeded", RateLimited),
        ("500_backendError", Temporary),
    ],
)
def test_each_error_carries_its_consequence(name: str, kind: type[IntegrationError]) -> None:
    content = body(f"calendar_error_{name}")
    status = int(name[:3])
    response = Response({"status": str(status), "content-type": "application/json"})
    error = provider.translated(HttpError(response, json.dumps(content).encode()))

    assert type(error) is kind
    assert str(error)[0].isupper()
    assert str(error).endswith(".")


@pytest.mark.parametrize("wait", ["120", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_retry_after_is_honoured(wait: str) -> None:
    response = Response({"status": "429", "retry-after": wait})
    error = provider.translated(HttpError(response, b"{}"))

    assert isinstance(error, RateLimited)
    assert error.retry_after is not None
    assert 120 <= error.retry_after <= 86400


def test_calendars_take_the_users_own_name_for_them() -> None:
    infos = [google._calendar(item) for item in body("calendar_calendarList")["items"]]

    assert infos
    assert all(info.external_id and info.name for info in infos)
    assert [info.is_primary for info in infos].count(True) == 1


ZONES = sorted(available_timezones() & {name for name in available_timezones() if "/" in name and "posix" not in name})


@given(
    day=st.dates(date(1980, 1, 1), date(2060, 1, 1)),
    days=st.integers(1, 400),
    zone=st.sampled_from([*ZONES, "Pacific/Auckland", "Pacific/Honolulu"]),
)
@settings(deadline=None)
def test_a_day_never_shifts_whatever_zone_stands_beside_it(day: date, days: int, zone: str) -> None:
    last = date.fromordinal(day.toordinal() + days)
    item = {"id": "x", "start": {"date": str(day), "timeZone": zone}, "end": {"date": str(last), "timeZone": zone}}

    copy = google.event(item)

    assert (copy.starts_on, copy.ends_on, copy.starts_at) == (day, last, None)


@given(
    wall=st.datetimes(datetime(1980, 1, 1), datetime(2060, 1, 1)),
    zone=st.sampled_from([*ZONES, "Pacific/Auckland", "Pacific/Honolulu"]),
    fold=st.integers(0, 1),
)
@settings(deadline=None)
def test_an_instant_is_the_same_in_every_zone_also_when_clocks_change(wall: datetime, zone: str, fold: int) -> None:
    moment = wall.replace(microsecond=0, tzinfo=ZoneInfo(zone), fold=fold)
    item = {"id": "x", "start": {"dateTime": moment.isoformat()}, "end": {"dateTime": moment.isoformat()}}

    copy = google.event(item)

    assert copy.starts_at == moment.astimezone(UTC)


TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), TEXT, st.lists(TEXT, max_size=2),
    st.dictionaries(TEXT, TEXT, max_size=2),
)  # fmt: skip
MOMENT = st.one_of(
    st.fixed_dictionaries({"dateTime": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)}),
    st.fixed_dictionaries({"date": st.dates().map(str)}),
    st.fixed_dictionaries({"dateTime": TEXT}),
    st.just({"dateTime": "0001-01-01T00:00:00+14:00"}),
    st.just({"dateTime": "9999-12-31T23:59:59-12:00"}),
    ODD,
)
PERSON = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "email": st.one_of(st.emails(), ODD),
            "displayName": ODD,
            "self": ODD,
            "resource": ODD,
            "organizer": ODD,
            "responseStatus": st.one_of(st.sampled_from(sorted(google.RESPONSES)), ODD),
        },
    ),
    ODD,
)
RESOURCE = st.fixed_dictionaries(
    {"id": st.one_of(TEXT, ODD)},
    optional={
        "status": st.one_of(st.sampled_from(["confirmed", "cancelled", "tentative"]), ODD),
        "start": MOMENT,
        "end": MOMENT,
        "originalStartTime": MOMENT,
        "recurringEventId": ODD,
        "summary": ODD,
        "location": ODD,
        "iCalUID": ODD,
        "etag": ODD,
        "updated": ODD,
        "organizer": PERSON,
        "attendees": st.one_of(st.lists(PERSON, max_size=4), ODD),
        "visibility": ODD,
        "eventType": ODD,
        "hangoutLink": ODD,
        "conferenceData": st.one_of(st.fixed_dictionaries({"entryPoints": st.one_of(st.lists(ODD), ODD)}), ODD),
    },
)


def is_storable(text: str) -> bool:
    return "\x00" not in text and text == text.encode("utf-8", "ignore").decode()


@given(item=st.one_of(RESOURCE, ODD))
@settings(deadline=None, max_examples=400)
def test_whatever_is_sent_is_a_valid_copy_or_unreadable(item: Any) -> None:
    try:
        copy = google.event(item)
    except Unreadable:
        return
    assert copy.external_id
    texts = [copy.external_id, copy.etag, copy.ical_uid, copy.series_id, copy.title, copy.location, copy.join_url]
    texts += [copy.organizer, *(guest.email for guest in copy.guests), *(guest.name for guest in copy.guests)]
    assert all(map(is_storable, texts))
    assert max(map(len, texts)) <= 1024
    if copy.is_cancelled:
        return
    assert (copy.starts_at is None) != (copy.starts_on is None)
    assert (copy.starts_at is None) == (copy.ends_at is None)
    if copy.starts_at and copy.ends_at:
        assert copy.starts_at.tzinfo == UTC
        assert copy.starts_at <= copy.ends_at
    assert all("@" in guest.email and guest.email == guest.email.strip() for guest in copy.guests)
