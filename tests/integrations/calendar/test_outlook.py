"""The adapter alone: what Graph sends becomes our words, and what makes no sense becomes Unreadable, never a crash."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.calendar import uids
from integrations.calendar.outlook import events, reading, rounds
from integrations.contract import EventCopy, Guest
from integrations.errors import CursorExpired, RateLimited, Unreadable

FIXTURES = Path(__file__).parents[2] / "fixtures" / "microsoft"
OWNER = "owner@acme.example"
SERIES = (
    "040000008200E00074C5B7101A82E00800000000DA2B357D94B5D201000000000000000010000000EC4597557F0CB34EA4CC2887EA7B17C3"
)
Json = dict[str, Any]


def body(name: str) -> Json:
    found: Json = json.loads((FIXTURES / f"{name}.json").read_text())
    return found


def event(name: str, owner: str = OWNER, **more: object) -> EventCopy:
    """A captured fragment as an event; the id that it may lack is added."""
    return events.event({"id": "x"} | body(name) | more, owner)


def plain(**more: object) -> Json:
    """An event with what every event has."""
    times = {name: {"dateTime": f"2026-11-02T{hour}:00:00.0000000", "timeZone": "UTC"} for name, hour in EDGES}
    return {"id": "x", "type": "singleInstance", "attendees": [], **times, **more}


EDGES = (("start", 16), ("end", 17))


def at_utc(name: str) -> EventCopy:
    """A fixture read in another zone, as if it had been asked for in UTC."""
    item = body(name)
    return events.event(item | {edge: item[edge] | {"timeZone": "UTC"} for edge in ("start", "end")}, OWNER)


def test_a_timed_event_is_read_in_utc() -> None:
    copy = at_utc("event_single_instance_full")

    assert copy.external_id == "AAMkAGI1AAAt9AHjAAA="
    assert (copy.starts_at, copy.starts_on) == (datetime(2017, 4, 15, 11, tzinfo=UTC), None)
    assert (copy.title, copy.location) == ("Let's go brunch", "Harry's Bar")
    assert (copy.organizer, copy.my_response) == ("danas@contoso.onmicrosoft.com", "accepted")
    assert copy.guests == (Guest("samanthab@contoso.onmicrosoft.com", "Samantha Booth"),)
    assert copy.updated_at == datetime(2017, 4, 15, 3, 0, 51, 245372, tzinfo=UTC)
    assert copy.etag == 'W/"ZlnW4RIAV06KYYwlrfNZvQAALfZeRQ=="'


def test_times_in_a_zone_that_was_not_asked_for_are_set_aside() -> None:
    with pytest.raises(Unreadable, match="Pacific Standard Time"):
        event("event_single_instance_full")


@pytest.mark.parametrize("zone", ["UTC", "Eastern Standard Time", "tzone://Microsoft/Custom"])
def test_an_all_day_event_is_a_day_in_no_zone_with_an_exclusive_end(zone: str) -> None:
    copy = event(
        "event_all_day_utc_midnight",
        start={"dateTime": "2019-10-19T00:00:00.0000000", "timeZone": zone},
        end={"dateTime": "2019-10-20T00:00:00.0000000", "timeZone": zone},
    )

    assert (copy.starts_on, copy.ends_on) == (date(2019, 10, 19), date(2019, 10, 20))
    assert (copy.starts_at, copy.ends_at) == (None, None)


def test_a_captured_view_is_read_with_its_private_event() -> None:
    copies = [events.event(item, OWNER) for item in body("calendarview_private_all_day_and_attendees")["value"]]

    assert [copy.visibility for copy in copies][:2] == ["default", "private"]
    assert [copy.email for copy in copies[0].guests] == ["jane@example.com", "john@example.com"]
    assert copies[0].guests[1].is_organizer


@pytest.mark.parametrize("sensitivity", ["personal", "private", "confidential"])
def test_every_sensitivity_but_normal_is_private(sensitivity: str) -> None:
    assert events.event(plain(sensitivity=sensitivity), OWNER).visibility == "private"
    assert events.event(plain(sensitivity="normal"), OWNER).visibility == "default"


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("none", "needs_action"),
        ("notResponded", "needs_action"),
        ("organizer", "accepted"),
        ("accepted", "accepted"),
        ("tentativelyAccepted", "tentative"),
        ("declined", "declined"),
        ("somethingNew", "needs_action"),
    ],
)
def test_answers_are_said_in_our_words(word: str, ours: str) -> None:
    guest = {"emailAddress": {"address": "Lena@Alder.example"}, "status": {"response": word}, "type": "optional"}
    copy = events.event(plain(responseStatus={"response": word}, attendees=[guest]), OWNER)

    assert copy.my_response == ours
    assert copy.guests == (Guest("lena@alder.example", "", ours, is_optional=True),)


def test_guests_are_the_other_people_without_rooms_and_oneself() -> None:
    people = [
        {"emailAddress": {"address": OWNER.upper()}},
        {"emailAddress": {"address": "room@acme.example"}, "type": "resource"},
        {"emailAddress": {"name": "No address"}},
        {"emailAddress": {"address": "lena@alder.example", "name": "Lena"}, "status": None},
    ]
    organizer = {"emailAddress": {"address": "boss@alder.example", "name": "Boss"}}

    invited = events.event(plain(attendees=people, organizer=organizer), OWNER)
    assert [(guest.email, guest.is_organizer) for guest in invited.guests] == [
        ("lena@alder.example", False),
        ("boss@alder.example", True),
    ]
    # An alias of the owner's: Graph says whose meeting it is.
    own = events.event(plain(attendees=people, organizer=organizer, isOrganizer=True), OWNER)
    assert [guest.email for guest in own.guests] == ["lena@alder.example"]
    assert own.my_response == "accepted"


def test_hidden_guests_are_said_to_be_hidden_unless_it_is_ones_own_meeting() -> None:
    assert events.event(plain(hideAttendees=True), OWNER).guests_omitted
    assert not events.event(plain(hideAttendees=True, isOrganizer=True), OWNER).guests_omitted


@pytest.mark.parametrize(("shown", "kind"), [("oof", "out_of_office"), ("workingElsewhere", "working_place")])
def test_a_meeting_out_of_the_office_is_a_meeting(shown: str, kind: str) -> None:
    guest = {"emailAddress": {"address": "lena@alder.example"}}
    assert events.event(plain(showAs=shown), OWNER).event_type == kind
    assert events.event(plain(showAs=shown, attendees=[guest]), OWNER).event_type == "default"


def test_a_meeting_online_has_a_link_and_only_a_safe_one() -> None:
    assert at_utc("event_online_meeting_teams").join_url.startswith("https://teams.microsoft.com/l/meetup-join/")
    assert events.event(plain(onlineMeeting={"joinUrl": "javascript:alert(1)"}), OWNER).join_url == ""
    assert events.event(plain(onlineMeetingUrl="https://meet.example/1"), OWNER).join_url == "https://meet.example/1"


def test_never_is_no_time_of_change() -> None:
    assert events.event(plain(lastModifiedDateTime="0001-01-01T00:00:00Z"), OWNER).updated_at is None
    assert events.event(plain(), OWNER).updated_at is None


def test_what_the_organizer_cancelled_is_cancelled_whatever_else_it_says() -> None:
    copy = events.event(plain(isCancelled=True, start=None, seriesMasterId="m"), OWNER)
    assert (copy.is_cancelled, copy.external_id, copy.series_id) == (True, "x", "m")


@pytest.mark.parametrize(
    "item",
    [
        None,
        "text",
        [],
        {},
        {"id": "x"},
        plain(start=None),
        plain(end={"dateTime": ""}),
        plain(start={"dateTime": "tomorrow", "timeZone": "UTC"}),
        plain(end={"dateTime": "2026-11-01T00:00:00", "timeZone": "UTC"}),
        plain(isAllDay=True, start={"dateTime": "31-12-2026"}),
        plain(id="\x00"),
        plain(id="x" * 2000),
        plain(attendees=["lena"]),
        plain(attendees={"a": 1}),
        plain(organizer="lena"),
        plain(location="here"),
        plain(responseStatus="yes"),
        plain(onlineMeeting="here"),
        plain(lastModifiedDateTime="yesterday"),
        plain(seriesMasterId="\x00"),
    ],
)
def test_what_makes_no_sense_is_unreadable(item: object) -> None:
    with pytest.raises(Unreadable):
        events.event(item, OWNER)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*plain(), *reading.calls.FIELDS.split(","), "@odata.etag"]), anything))
def test_nothing_else_is_ever_raised(more: Json) -> None:
    try:
        copy = events.event(plain() | more, OWNER)
    except Unreadable:
        return
    assert copy.is_cancelled or (copy.starts_at is None) != (copy.starts_on is None)


# UIDs


def with_day(uid: str, day: date) -> str:
    return f"{uid[:32]}{day.year:04X}{day.month:02X}{day.day:02X}{uid[40:]}"


def wrapped(uid: str) -> str:
    data = b"vCal-Uid\x01\x00\x00\x00" + uid.encode() + b"\x00"
    return (bytes.fromhex(SERIES)[:20] + bytes(16) + len(data).to_bytes(4, "little") + data).hex().upper()


@given(st.dates(min_value=date(1601, 1, 1), max_value=date(4500, 12, 31)), st.booleans())
def test_all_occurrences_of_a_series_share_its_uid(day: date, is_lower: bool) -> None:
    occurrence = with_day(SERIES, day)
    spelled = occurrence.lower() if is_lower else occurrence
    assert uids.plain(spelled) == SERIES
    assert uids.day_of(spelled) == day
    assert uids.day_of(SERIES) is None


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=60).filter(
        lambda uid: not uid.upper().startswith(uids.CLASS)
    ),
    st.dates(min_value=date(1970, 1, 1), max_value=date(2100, 1, 1)),
)
def test_a_wrapped_uid_is_unwrapped_and_a_plain_one_stays(uid: str, day: date) -> None:
    assert uids.plain(uid) == uid
    assert uids.plain(wrapped(uid)) == uids.plain(with_day(wrapped(uid), day).lower()) == uid


@pytest.mark.parametrize("uid", ["", "5k3q@google.com", uids.CLASS, uids.CLASS + "00", uids.CLASS + "XY", SERIES[:-1]])
def test_what_is_no_whole_global_object_id_has_no_day(uid: str) -> None:
    assert uids.day_of(uid) is None
    assert uids.plain(uid).upper().startswith(uid.upper()[:32])


@given(st.text(max_size=80))
def test_no_uid_is_too_odd(uid: str) -> None:
    assert isinstance(uids.plain(uid), str)
    uids.day_of(uid)
    uids.plain(uids.CLASS + uid)
    uids.day_of(uids.CLASS + uid)


def instance(**more: object) -> EventCopy:
    return events.event(plain(seriesMasterId="m", **more), OWNER)


def test_a_slot_is_where_the_instance_was_meant_to_be() -> None:
    assert instance(originalStart="2026-11-02T15:00:00Z").original_start == "20261102T150000Z"
    assert instance(originalStart="2026-11-02T15:00:00+02:00").original_start == "20261102T130000Z"
    assert instance().original_start == "20261102T160000Z"
    assert events.event(plain(originalStart="2026-11-02T15:00:00Z"), OWNER).original_start == ""


def test_a_whole_days_slot_is_its_day_wherever_midnight_is() -> None:
    uid = with_day(SERIES, date(2026, 11, 1))
    assert instance(isAllDay=True, iCalUId=uid, originalStart="2026-10-31T11:00:00Z").original_start == "20261101"
    assert instance(isAllDay=True, originalStart="2026-10-31T23:00:00Z").original_start == "20261101"
    assert instance(isAllDay=True, originalStart="2026-11-01T08:00:00Z").original_start == "20261101"
    assert instance(isAllDay=True).original_start == "20261102"


# Rounds

START, END = datetime(2026, 8, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def beginning() -> rounds.Place:
    return rounds.first("cal=", OWNER, START, END, "/me/calendars/cal%3D/calendarView/delta")


def test_a_round_asks_for_more_days_than_are_wanted() -> None:
    place = beginning()
    assert place.link.endswith("delta?startDateTime=2026-07-31T00:00:00Z&endDateTime=2027-01-16T00:00:00Z")
    assert place.covers(END + timedelta(days=14))
    assert not place.covers(END + timedelta(days=15))
    assert rounds.read(place.written()) == place


def test_what_is_left_of_a_page_is_kept_with_its_place() -> None:
    rest = rounds.Rest(("a", "b"), {"m": {"m": "2026-10-01T10:00:00Z", "i1": ""}})
    place = beginning().last("https://graph.microsoft.com/delta").before(rest, 7.5)
    assert rounds.read(place.written()) == place
    with pytest.raises(RateLimited) as raised:
        place.check_wait()
    assert raised.value.retry_after == pytest.approx(7.5, abs=1)
    place.before(rest, None).check_wait()


def test_a_cursor_of_an_earlier_version_is_read() -> None:
    kept = json.loads(beginning().written())
    for name in ("rest", "is_last", "waits_until"):
        del kept[name]
    assert rounds.read(json.dumps(kept)) == beginning()


def test_pages_that_repeat_end_the_round() -> None:
    place = beginning()
    for number in range(3):
        place = place.onward(f"https://graph.microsoft.com/{number}", [f"a{number}", "b"])
    place = place.onward("https://graph.microsoft.com/0", ["b", "a0"])
    place = rounds.read(place.written()).onward("https://graph.microsoft.com/9", [])
    with pytest.raises(CursorExpired, match="again and again"):
        place.onward("https://graph.microsoft.com/1", ["a1", "b"])
    assert place.last("https://graph.microsoft.com/delta").ended().seen == ()


def test_empty_pages_are_no_repetition_but_have_an_end() -> None:
    place = beginning()
    for number in range(rounds.MAX_PAGES):
        place = place.onward(f"https://graph.microsoft.com/{number}", [])
    with pytest.raises(CursorExpired):
        place.onward("https://graph.microsoft.com/more", [])


@given(anything)
def test_a_place_in_no_known_form_is_a_lost_cursor(kept: object) -> None:
    with pytest.raises(CursorExpired):
        rounds.read(json.dumps(kept))


@pytest.mark.parametrize(
    "change",
    [
        {"link": 1},
        {"end": "soon"},
        {"end": "2020-01-01T00:00:00Z"},
        {"seen": [1]},
        {"waits_until": "2026-11-01T00:00:00"},
    ]
    + [{"waits_until": 5}, {"rest": []}, {"rest": {"unclear": [1]}}, {"rest": {"series": {"m": {"a": 1}}}}]
    + [{"rest": {"series": ["m"]}}, {"rest": {"series": {"m": ["ab"]}}}, {"rest": {"more": 1}}],
)
def test_so_is_one_with_a_part_that_makes_no_sense(change: Json) -> None:
    with pytest.raises(CursorExpired):
        rounds.read(json.dumps(json.loads(beginning().written()) | change))
