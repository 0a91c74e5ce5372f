"""events.list and its neighbours, through Google's own client. Every answer is held against Google's schema."""

from typing import Any

import pytest
import requests
from googleapiclient.errors import HttpError

from tests.sandbox.conftest import ALICE, BOB
from tests.sandbox.person import Scene, timed, whole_list

ROOM = "acme_room@resource.calendar.google.com"
TEAM = "c_team@group.calendar.google.com"


def reason_of(error: pytest.ExceptionInfo[HttpError]) -> tuple[int, str]:
    """Status and Google's reason."""
    return error.value.status_code, error.value.error_details[0]["reason"]


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def test_an_event_looks_like_googles(scene: Scene) -> None:
    scene.post("google/accounts", email=ALICE, name="Alice Ash", timeZone="America/Chicago")
    scene.put(ALICE, timed("kickoff", "2027-03-10T15:00:00Z", "2027-03-10T16:00:00Z", attendees=[{"email": ALICE}]))
    calendar = scene.calendar(ALICE)
    event = calendar.events().get(calendarId="primary", eventId="kickoff").execute()
    assert event["start"] == {"dateTime": "2027-03-10T09:00:00-06:00", "timeZone": "America/Chicago"}
    assert event["iCalUID"] == "kickoff@google.com"
    assert event["organizer"] == event["creator"] == {"email": ALICE, "self": True}
    assert event["attendees"] == [{"email": ALICE, "self": True, "organizer": True, "responseStatus": "needsAction"}]
    assert (event["status"], event["eventType"], event["sequence"]) == ("confirmed", "default", 0)
    moved = calendar.events().list(calendarId="primary", timeZone="Asia/Tokyo").execute()
    assert moved["items"][0]["start"]["dateTime"] == "2027-03-11T00:00:00+09:00"
    assert moved["timeZone"] == "Asia/Tokyo"


def test_a_change_changes_etag_updated_and_sequence(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    scene.put(ALICE, timed("one", "2027-03-10T15:00:00Z", "2027-03-10T16:00:00Z"))
    before = calendar.events().get(calendarId=ALICE, eventId="one").execute()
    scene.post("clock", advance_seconds=60)
    scene.put(ALICE, {"id": "one", "summary": "renamed"})
    after = calendar.events().get(calendarId=ALICE, eventId="one").execute()
    assert after["summary"] == "renamed"
    assert after["start"] == before["start"]
    assert after["sequence"] == before["sequence"] + 1
    assert after["etag"] != before["etag"]
    assert after["updated"] > before["updated"]
    assert after["created"] == before["created"]


def test_a_field_google_does_not_have_is_refused(scene: Scene) -> None:
    answer = requests.post(
        f"{scene.url}/control/google/events", json={"calendar": ALICE, "events": [{"subject": "x"}]}, timeout=20
    )
    assert answer.status_code == 400
    assert "event.subject" in answer.json()["error"]


def test_time_window_bounds(scene: Scene) -> None:
    """timeMin is exclusive on the end, timeMax exclusive on the start; a date is a day of the calendar's zone."""
    scene.put(
        ALICE,
        timed("before", "2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z"),
        timed("across", "2027-03-10T08:00:00Z", "2027-03-10T09:00:01Z"),
        timed("after", "2027-03-10T12:00:00Z", "2027-03-10T13:00:00Z"),
        {"id": "day", "start": {"date": "2027-03-10"}, "end": {"date": "2027-03-11"}},
        {"id": "nextday", "start": {"date": "2027-03-11"}, "end": {"date": "2027-03-12"}},
    )
    calendar = scene.calendar(ALICE)
    items, token = whole_list(
        calendar, calendarId="primary", timeMin="2027-03-10T09:00:00Z", timeMax="2027-03-10T12:00:00Z"
    )
    assert sorted(ids(items)) == ["across", "day"]
    assert token


def test_paging_gives_every_event_once_and_one_sync_token(scene: Scene) -> None:
    scene.post("google/bulk_events", calendar=ALICE, count=730, guests=["lp@fund.example"])
    items, token = whole_list(scene.calendar(ALICE), calendarId="primary", maxResults=100)
    assert len(items) == len(set(ids(items))) == 730
    assert token


def test_pages_may_be_short_or_empty(scene: Scene) -> None:
    scene.post("google/bulk_events", calendar=ALICE, count=100)
    scene.put(ALICE, timed("late", "2037-03-10T08:00:00Z", "2037-03-10T09:00:00Z"))
    calendar = scene.calendar(ALICE)
    first = calendar.events().list(calendarId="primary", maxResults=10, timeMin="2036-01-01T00:00:00Z").execute()
    assert first["items"] == []
    assert "nextPageToken" in first
    items, _ = whole_list(calendar, calendarId="primary", maxResults=10, timeMin="2036-01-01T00:00:00Z")
    assert ids(items) == ["late"]


def test_default_and_largest_page(scene: Scene) -> None:
    scene.post("google/bulk_events", calendar=ALICE, count=2600)
    calendar = scene.calendar(ALICE)
    assert len(calendar.events().list(calendarId="primary").execute()["items"]) == 250
    assert len(calendar.events().list(calendarId="primary", maxResults=9999).execute()["items"]) == 2500


def test_order_by(scene: Scene) -> None:
    scene.put(
        ALICE,
        timed("third", "2027-03-12T08:00:00Z", "2027-03-12T09:00:00Z"),
        timed("first", "2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z"),
        timed("second", "2027-03-11T08:00:00Z", "2027-03-11T09:00:00Z"),
    )
    scene.put(ALICE, {"id": "third", "summary": "touched"})
    calendar = scene.calendar(ALICE)
    wish = {"calendarId": "primary", "singleEvents": True, "orderBy": "startTime", "maxResults": 2}
    items, token = whole_list(calendar, **wish)
    assert ids(items) == ["first", "second", "third"]
    assert token == ""
    items, _ = whole_list(calendar, calendarId="primary", orderBy="updated")
    assert ids(items)[-1] == "third"
    with pytest.raises(HttpError) as error:
        calendar.events().list(calendarId="primary", orderBy="startTime").execute()
    assert error.value.status_code == 400


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"timeMin": "2027-03-10T09:00:00"}, (400, "badRequest")),
        ({"timeMin": "2027-03-10"}, (400, "badRequest")),
        ({"timeMin": "2027-03-10T09:00:00Z", "timeMax": "2027-03-10T09:00:00Z"}, (400, "timeRangeEmpty")),
        ({"updatedMin": "2017-03-10T09:00:00Z"}, (410, "updatedMinTooLongAgo")),
        ({"pageToken": "bm9uZQ=="}, (400, "invalid")),
        ({"syncToken": "bm9uZQ=="}, (410, "fullSyncRequired")),
        ({"maxResults": 0}, (400, "invalid")),
        ({"timeZone": "Mars/Olympus"}, (400, "invalid")),
        ({"calendarId": "nobody@acme.example"}, (404, "notFound")),
        ({"calendarId": BOB}, (404, "notFound")),
        ({"fields": "items(id,subject)"}, (400, "invalidParameter")),
    ],
)
def test_refusals(scene: Scene, parameters: dict[str, Any], expected: tuple[int, str]) -> None:
    with pytest.raises(HttpError) as error:
        scene.calendar(ALICE).events().list(**{"calendarId": "primary"} | parameters).execute()
    assert reason_of(error) == expected


def test_a_page_token_belongs_to_its_query(scene: Scene) -> None:
    scene.post("google/bulk_events", calendar=ALICE, count=20)
    calendar = scene.calendar(ALICE)
    token = calendar.events().list(calendarId="primary", maxResults=5).execute()["nextPageToken"]
    with pytest.raises(HttpError) as error:
        calendar.events().list(calendarId="primary", maxResults=5, singleEvents=True, pageToken=token).execute()
    assert reason_of(error) == (400, "invalid")


def test_filters(scene: Scene) -> None:
    slot = ("2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z")
    scene.put(
        ALICE,
        timed("focus", *slot, eventType="focusTime", focusTimeProperties={"chatStatus": "doNotDisturb"}),
        timed("away", *slot, eventType="outOfOffice", outOfOfficeProperties={"declineMessage": "away"}),
        timed("meeting", *slot, location="Zurich", iCalUID="uid-1@lp.example"),
        timed("tagged", *slot, extendedProperties={"private": {"k": "v"}}),
        {
            "id": "desk",
            "start": {"date": "2027-03-10"},
            "end": {"date": "2027-03-11"},
            "eventType": "workingLocation",
            "workingLocationProperties": {"type": "homeOffice", "homeOffice": {}},
        },
    )
    calendar = scene.calendar(ALICE)

    def found(**parameters: Any) -> list[str]:
        return ids(whole_list(calendar, calendarId="primary", **parameters)[0])

    assert found(eventTypes=["focusTime", "outOfOffice"]) == ["focus", "away"]
    assert found(q="zurich") == ["meeting"]
    assert found(iCalUID="uid-1@lp.example") == ["meeting"]
    assert found(privateExtendedProperty=["k=v"]) == ["tagged"]
    assert found(privateExtendedProperty=["k=w"]) == []


def test_guests_left_out_are_announced(scene: Scene) -> None:
    crowd = [{"email": f"guest{number}@lp.example"} for number in range(10)]
    event = timed("big", "2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z", attendees=[{"email": ALICE}, *crowd])
    scene.put(ALICE, event)
    calendar = scene.calendar(ALICE)
    shown = calendar.events().list(calendarId="primary", maxAttendees=5).execute()["items"][0]
    assert shown["attendeesOmitted"] is True
    assert [one["email"] for one in shown["attendees"]] == [ALICE]
    scene.put(ALICE, {"id": "big", "guestsCanSeeOtherGuests": False, "organizer": {"email": "boss@lp.example"}})
    shown = calendar.events().list(calendarId="primary").execute()["items"][0]
    assert [one["email"] for one in shown["attendees"]] == [ALICE]
    assert "attendeesOmitted" not in shown


def test_a_reader_sees_private_events_as_busy(scene: Scene) -> None:
    slot = ("2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z")
    scene.post("google/calendars", account=ALICE, id=TEAM, summary="Team")
    scene.post("google/calendars", account=BOB, id=TEAM, accessRole="reader")
    scene.put(TEAM, timed("open", *slot), timed("secret", *slot, visibility="private", attendees=[{"email": ROOM}]))
    by_id = {one["id"]: one for one in whole_list(scene.calendar(BOB), calendarId=TEAM)[0]}
    assert by_id["open"]["summary"] == "open"
    assert by_id["secret"]["visibility"] == "private"
    assert not {"summary", "attendees", "organizer", "htmlLink"} & by_id["secret"].keys()
    mine = {one["id"]: one for one in whole_list(scene.calendar(ALICE), calendarId=TEAM)[0]}
    assert mine["secret"]["summary"] == "secret"


def test_a_free_busy_reader_gets_single_busy_blocks(scene: Scene) -> None:
    scene.post("google/calendars", account=BOB, id=ALICE, accessRole="freeBusyReader")
    series = timed("daily", "2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z", recurrence=["RRULE:FREQ=DAILY;COUNT=3"])
    scene.put(ALICE, series)
    items, _ = whole_list(scene.calendar(BOB), calendarId=ALICE)
    assert len(items) == 3
    assert all("summary" not in item and "recurrence" not in item for item in items)


def test_calendar_list_and_calendar(scene: Scene) -> None:
    scene.post("google/calendars", account=ALICE, id=TEAM, summary="Team", timeZone="America/New_York")
    scene.post("google/calendars", account=ALICE, id="p#weather@group.v.calendar.google.com", accessRole="reader")
    calendar = scene.calendar(ALICE)
    first = calendar.calendarList().list(maxResults=2).execute()
    assert "nextSyncToken" not in first
    rest = calendar.calendarList().list(maxResults=2, pageToken=first["nextPageToken"]).execute()
    entries = first["items"] + rest["items"]
    assert [entry.get("primary") for entry in entries] == [True, None, None]
    assert [entry["accessRole"] for entry in entries] == ["owner", "owner", "reader"]
    token = rest["nextSyncToken"]
    assert calendar.calendarList().list(syncToken=token).execute()["items"] == []
    scene.post("google/calendars", account=ALICE, id=TEAM, summary="Renamed")
    changed = calendar.calendarList().list(syncToken=token).execute()["items"]
    assert [entry["summary"] for entry in changed] == ["Renamed"]
    weather = calendar.events().list(calendarId="p#weather@group.v.calendar.google.com").execute()
    assert weather["items"] == []
    assert calendar.calendars().get(calendarId=TEAM).execute()["timeZone"] == "America/New_York"


def test_partial_answers(scene: Scene) -> None:
    scene.put(ALICE, timed("one", "2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z"))
    calendar = scene.calendar(ALICE)
    answer = calendar.events().list(calendarId="primary", fields="nextSyncToken,items(id,start/dateTime)").execute()
    assert answer.keys() == {"nextSyncToken", "items"}
    assert answer["items"] == [{"id": "one", "start": {"dateTime": "2027-03-10T09:00:00+01:00"}}]
    answer = calendar.events().list(calendarId="primary", fields="items/id").execute()
    assert answer == {"items": [{"id": "one"}]}


def test_unknown_paths_and_methods_have_the_envelope(scene: Scene) -> None:
    address = f"{scene.url}/google-apis/calendar/v3/calendars/primary/events/one"
    for answer in (requests.delete(address, timeout=20), requests.get(f"{scene.url}/google-apis/else", timeout=20)):
        assert answer.status_code == 404
        assert answer.json()["error"]["errors"][0]["reason"] == "notFound"


def test_a_long_get_may_come_as_post(scene: Scene) -> None:
    scene.put(ALICE, timed("one", "2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z"))
    found = scene.calendar(ALICE).events().list(calendarId="primary", q="x" * 2100).execute()
    assert found["items"] == []
    assert scene.get("requests")["last"][-1]["query"]["q"] == "x" * 2100


def test_colleagues_hold_copies_that_follow(scene: Scene) -> None:
    guests = [{"email": ALICE, "responseStatus": "accepted"}, {"email": BOB}, {"email": "lp@fund.example"}]
    scene.put(ALICE, timed("pitch", "2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z", attendees=guests))
    alice, bob = scene.calendar(ALICE), scene.calendar(BOB)

    def seen(by: Any) -> dict[str, Any]:
        found: dict[str, Any] = by.events().get(calendarId="primary", eventId="pitch").execute()
        return found

    assert seen(bob)["iCalUID"] == seen(alice)["iCalUID"]
    assert [one["email"] for one in seen(bob)["attendees"] if one.get("self")] == [BOB]
    assert "self" not in seen(bob)["organizer"]
    answered = [{**one, "responseStatus": "accepted"} for one in guests[1:2]]
    scene.put(BOB, {"id": "pitch", "attendees": [guests[0], *answered, guests[2]]})
    statuses = {one["email"]: one["responseStatus"] for one in seen(alice)["attendees"]}
    assert statuses == {ALICE: "accepted", BOB: "accepted", "lp@fund.example": "needsAction"}
    scene.put(ALICE, {"id": "pitch", "summary": "Pitch, moved"})
    assert seen(bob)["summary"] == "Pitch, moved"
    scene.put(ALICE, {"id": "pitch", "attendees": [guests[0], guests[2]]})
    assert seen(bob)["status"] == "cancelled"
    scene.put(ALICE, {"id": "pitch", "attendees": guests})
    assert seen(bob)["status"] == "confirmed"
    scene.post("google/events/cancel", calendar=ALICE, ids=["pitch"])
    assert seen(bob)["status"] == "cancelled"


def test_bulk_events_are_deterministic_quick_and_can_be_changed(scene: Scene) -> None:
    answer = scene.post("google/bulk_events", calendar=ALICE, count=100_000, start="2027-03-10T08:00:00Z")
    calendar = scene.calendar(ALICE)
    first = calendar.events().get(calendarId="primary", eventId=answer["first_id"]).execute()
    assert first["start"]["dateTime"] == "2026-12-10T09:00:00+01:00"
    page = calendar.events().list(calendarId="primary", maxResults=2500).execute()
    assert len(page["items"]) == 2500
    scene.put(ALICE, {"id": answer["first_id"], "summary": "Changed"})
    again = calendar.events().get(calendarId="primary", eventId=answer["first_id"]).execute()
    assert again["summary"] == "Changed"


def test_bulk_series(scene: Scene) -> None:
    scene.post("google/bulk_events", calendar=ALICE, count=40, series_share=0.25)
    masters, _ = whole_list(scene.calendar(ALICE), calendarId="primary")
    assert sum("recurrence" in one for one in masters) == 10
    singles, _ = whole_list(scene.calendar(ALICE), calendarId="primary", singleEvents=True)
    assert len(singles) == 30 + 4 * 10
