"""Calendars and events of the pretend Outlook: what they hold, who may see it, and how lists are read."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox
from tests.sandbox.agenda import (
    ANNA,
    BEN,
    DELTA,
    WINDOW,
    at,
    daily,
    delta,
    guest,
    items,
    meeting,
    order,
    pages,
    put,
    read,
    view,
    weekly,
)
from tests.sandbox.graph import Graph, linked, refusal
from tests.sandbox.person import Json, Scene

PACIFIC = 'outlook.timezone="Pacific Standard Time"'
pytestmark = pytest.mark.filterwarnings("ignore:response_mode")
"""msal recommends form_post, which cannot carry a Lax session cookie."""


@pytest.fixture
def anna(scene: Scene) -> Graph:
    """Anna's mailbox, with Ben's beside it."""
    scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller")
    scene.post("microsoft/accounts", upn=BEN, name="Ben Lund")
    return linked(scene, ANNA, "Calendars.Read")


class TestCalendars:
    def test_every_mailbox_has_one(self, anna: Graph) -> None:
        (calendar,) = items(anna, "/me/calendars")
        assert (calendar["name"], calendar["isDefaultCalendar"], calendar["canEdit"]) == ("Calendar", True, True)
        assert calendar["owner"] == {"name": "Anna Keller", "address": ANNA}
        assert read(anna, "/me/calendar")["id"] == calendar["id"]

    def test_more_come_in_pages_of_ten(self, anna: Graph) -> None:
        made = [order(anna, "calendars", name=f"Team {number}")["id"] for number in range(11)]
        found = pages(anna, "/me/calendars?$select=name")
        assert [len(page["value"]) for page in found] == [10, 2]
        listed = [one for page in found for one in page["value"]]
        assert [one["id"] for one in listed[1:]] == made
        assert listed[-1].keys() == {"id", "name"}

    def test_somebody_elses_may_only_be_read(self, anna: Graph) -> None:
        shared = order(anna, "calendars", name="Board", canEdit=False, owner={"name": "Ben Lund", "address": BEN})["id"]
        found = read(anna, f"/me/calendars/{shared}")
        assert (found["canEdit"], found["owner"]["address"], found["isDefaultCalendar"]) == (False, BEN, False)

    def test_each_has_its_own_events(self, anna: Graph) -> None:
        team = order(anna, "calendars", name="Team")["id"]
        (event_id,) = put(anna, meeting("Standup", "2026-11-10"), calendar=team)
        put(anna, meeting("Lunch", "2026-11-10"))
        assert [one["subject"] for one in view(anna)] == ["Lunch"]
        found = items(anna, f"/me/calendars/{team}/calendarView?{WINDOW}")
        assert [one["subject"] for one in found] == ["Standup"]
        assert read(anna, f"/me/events/{event_id}")["subject"] == "Standup"
        default = read(anna, "/me/calendar")["id"]
        assert refusal(anna.get(f"/me/calendars/{default}/events/{event_id}")) == (404, "ErrorItemNotFound")

    def test_one_that_is_gone_is_not_found(self, anna: Graph) -> None:
        team = order(anna, "calendars", name="Team")["id"]
        order(anna, "calendars/delete", id=team)
        for path in (f"/me/calendars/{team}", f"/me/calendars/{team}/calendarView?{WINDOW}"):
            assert refusal(anna.get(path)) == (404, "ErrorItemNotFound")

    def test_paths_are_taken_in_any_case_and_with_brackets(self, anna: Graph) -> None:
        calendar = read(anna, "/me/calendar")["id"]
        put(anna, meeting("Lunch", "2026-11-10"))
        for path in (f"/Me/Calendarview?{WINDOW}", f"/me/calendars('{calendar}')/calendarView/delta()?{WINDOW}"):
            assert [one["subject"] for one in items(anna, path)] == ["Lunch"]


class TestWhoMayLook:
    def test_mail_is_no_calendar(self, anna: Graph) -> None:
        mail = linked(anna.scene, ANNA, "Mail.Read")
        for path in ("/me/calendars", f"/me/calendarView?{WINDOW}", DELTA):
            assert refusal(mail.get(path)) == (403, "ErrorAccessDenied")
            assert refusal(anna.get(path, headers={"Authorization": ""})) == (401, "InvalidAuthenticationToken")

    def test_without_the_text(self, anna: Graph) -> None:
        body = {"contentType": "html", "content": "<p>The <b>secret</b> plan</p>"}
        put(anna, meeting("Plan", "2026-11-10", body=body))
        assert view(anna)[0]["bodyPreview"] == "The secret plan"
        basic = linked(anna.scene, ANNA, "Calendars.ReadBasic")
        for found in (view(basic), delta(basic)[0]):
            assert found[0]["subject"] == "Plan"
            assert not {"body", "bodyPreview", "hasAttachments"} & found[0].keys()

    def test_the_text_comes_without_markup_where_that_is_preferred(self, anna: Graph) -> None:
        body = {"contentType": "html", "content": "<p>The <b>secret</b> plan</p>"}
        put(anna, meeting("Plan", "2026-11-10", body=body))
        (found,) = items(anna, f"/me/calendarView?{WINDOW}", 'outlook.body-content-type="text"')
        assert found["body"] == {"contentType": "text", "content": "The secret plan"}
        assert view(anna)[0]["body"] == body

    def test_others_have_their_own(self, anna: Graph) -> None:
        (event_id,) = put(anna, meeting("Lunch", "2026-11-10"))
        ben = linked(anna.scene, BEN, "Calendars.Read")
        assert view(ben) == []
        assert refusal(ben.get(f"/me/events/{event_id}")) == (404, "ErrorItemNotFound")


class TestView:
    def test_it_needs_its_window(self, anna: Graph) -> None:
        for query in ("", "startDateTime=2026-11-01", "endDateTime=2026-11-01"):
            assert refusal(anna.get(f"/me/calendarView?{query}"))[0] == 400
        assert refusal(anna.get("/me/calendarView?startDateTime=now&endDateTime=later"))[0] == 400
        backwards = "startDateTime=2026-11-02&endDateTime=2026-11-01"
        assert refusal(anna.get(f"/me/calendarView?{backwards}")) == (400, "ErrorCalendarEndDateIsEarlierThanStartDate")

    @pytest.mark.parametrize(
        ("window", "is_in"),
        [
            ("startDateTime=2026-11-10T10:00:00Z&endDateTime=2026-11-10T11:00:00Z", True),
            ("startdatetime=2026-11-10T10:59:00&enddatetime=2026-11-10T12:00:00", True),
            ("startDateTime=2026-11-10T08:30:00%2B01:00&endDateTime=2026-11-10T11:30:00%2B01:00", True),
            ("startDateTime=2026-11-10T08:30:00-08:00&endDateTime=2026-11-10T11:30:00-08:00", False),
            ("startDateTime=2026-11-10T11:00:00&endDateTime=2026-11-10T12:00:00", False),
            ("startDateTime=2026-11-10T09:00:00&endDateTime=2026-11-10T10:00:00", False),
        ],
    )
    def test_what_touches_the_window_is_in_it(self, anna: Graph, window: str, is_in: bool) -> None:
        put(anna, meeting("Lunch", "2026-11-10"))
        assert bool(items(anna, f"/me/calendarView?{window}", f"{PACIFIC}")) is is_in

    def test_pages_hold_ten_unless_more_are_asked_for(self, anna: Graph) -> None:
        put(anna, *(meeting(f"Call {number}", f"2026-11-{number + 1:02}") for number in reversed(range(12))))
        found = pages(anna, f"/me/calendarView?{WINDOW}")
        assert [len(page["value"]) for page in found] == [10, 2]
        assert [one["subject"] for page in found for one in page["value"]] == [f"Call {number}" for number in range(12)]
        assert len(pages(anna, f"/me/calendarView?{WINDOW}&$top=12")) == 1
        assert len(pages(anna, f"/me/calendarView?{WINDOW}", "odata.maxpagesize=5")) == 3
        for wrong in ("0", "1001", "many"):
            assert refusal(anna.get(f"/me/calendarView?{WINDOW}&%24top={wrong}")) == (400, "ErrorInvalidUrlQuery")

    def test_what_is_selected_is_all_there_is(self, anna: Graph) -> None:
        put(anna, meeting("Lunch", "2026-11-10"))
        for spelling in ("$select", "%24select"):
            (found,) = items(anna, f"/me/calendarView?{WINDOW}&{spelling}=subject,createdDateTime")
            assert found.keys() == {"@odata.etag", "id", "subject"}

    def test_occurrences_are_whole(self, anna: Graph) -> None:
        (master,) = put(anna, meeting("Weekly", "2026-11-02", recurrence=weekly(3), attendees=[guest("g@x.example")]))
        found = view(anna)
        assert [one["start"]["dateTime"][:10] for one in found] == ["2026-11-02", "2026-11-09", "2026-11-16"]
        assert {one["seriesMasterId"] for one in found} == {master}
        assert {one["subject"] for one in found} == {"Weekly"}
        assert [one["type"] for one in found] == ["occurrence"] * 3
        assert all(one["recurrence"] is None and one["attendees"] for one in found)
        assert [one["originalStart"] for one in found][0] == "2026-11-02T10:00:00Z"


class TestTimes:
    def test_they_come_in_the_zone_asked_for(self, anna: Graph) -> None:
        berlin = "W. Europe Standard Time"
        event = {"start": at("2026-11-10T10:00:00", berlin), "end": at("2026-11-10T11:00:00", berlin)}
        (event_id,) = put(anna, {"subject": "Lunch", **event})
        answer = anna.get(f"/me/events/{event_id}", headers={"Prefer": f"{PACIFIC}, IdType=ImmutableId"})
        assert answer.json()["start"] == at("2026-11-10T01:00:00.0000000", "Pacific Standard Time")
        assert 'outlook.timezone="Pacific Standard Time"' in answer.headers["Preference-Applied"]
        plain = read(anna, f"/me/events/{event_id}", "")
        assert plain["start"] == at("2026-11-10T09:00:00.0000000")
        assert plain["originalStartTimeZone"] == berlin
        assert read(anna, f"/me/events/{event_id}", 'outlook.timezone="Asia/Tokyo"')["end"]["dateTime"][11:13] == "19"

    def test_a_zone_nobody_knows_is_refused(self, anna: Graph) -> None:
        answer = anna.get("/me/calendars", headers={"Prefer": 'outlook.timezone="Middle Earth Standard Time"'})
        assert refusal(answer) == (400, "TimeZoneNotSupportedException")

    @pytest.mark.parametrize("prefer", ["", PACIFIC, 'outlook.timezone="Tokyo Standard Time"'])
    def test_all_day_is_midnight_to_midnight_everywhere(self, anna: Graph, prefer: str) -> None:
        zone = "New Zealand Standard Time"
        day = {"start": at("2026-11-10T00:00:00", zone), "end": at("2026-11-11T00:00:00", zone)}
        put(anna, {"subject": "Off", "isAllDay": True, **day})
        for (found,) in (
            items(anna, f"/me/calendarView?{WINDOW}", prefer),
            delta(anna, prefer=prefer)[0],
        ):
            assert found["start"]["dateTime"] == "2026-11-10T00:00:00.0000000"
            assert found["end"]["dateTime"] == "2026-11-11T00:00:00.0000000"

    def test_an_all_day_event_is_filtered_by_the_zone_it_was_written_in(self, anna: Graph) -> None:
        """The reason to ask for a day more than is wanted."""
        zone = "New Zealand Standard Time"
        day = {"start": at("2026-11-10T00:00:00", zone), "end": at("2026-11-11T00:00:00", zone)}
        put(anna, {"subject": "Off", "isAllDay": True, **day})
        assert items(anna, "/me/calendarView?startDateTime=2026-11-10T12:00&endDateTime=2026-11-11") == []
        assert len(items(anna, "/me/calendarView?startDateTime=2026-11-09&endDateTime=2026-11-10")) == 1

    def test_a_series_keeps_its_time_on_the_clock(self, anna: Graph) -> None:
        zone = "Eastern Standard Time"
        times = {"start": at("2026-10-25T09:00:00", zone), "end": at("2026-10-25T10:00:00", zone)}
        put(anna, {"subject": "Sunday", "recurrence": weekly(2), **times})
        window = "startDateTime=2026-10-01&endDateTime=2026-12-01"
        found = items(anna, f"/me/calendarView?{window}")
        assert [one["start"]["dateTime"][:13] for one in found] == ["2026-10-25T13", "2026-11-01T14"]


class TestIds:
    def test_the_spelling_is_by_request(self, anna: Graph) -> None:
        (immutable,) = put(anna, meeting("Weekly", "2026-11-02", recurrence=weekly(2)))
        (normal,) = {one["seriesMasterId"] for one in items(anna, f"/me/calendarView?{WINDOW}", "")}
        assert immutable.startswith("AAkALgAA")
        assert normal.startswith("AAMkA")
        assert read(anna, f"/me/events/{normal}")["id"] == immutable
        assert read(anna, f"/me/events/{immutable}", "")["id"] == normal
        for one in items(anna, f"/me/calendarView?{WINDOW}", ""):
            assert read(anna, f"/me/events/{one['id']}")["start"] == one["start"]

    def test_ids_are_told_apart_by_their_case(self, anna: Graph) -> None:
        (event_id,) = put(anna, meeting("Lunch", "2026-11-10"))
        assert not anna.get(f"/me/events/{event_id.swapcase()}").ok

    def test_what_is_no_id_is_told_from_what_is_gone(self, anna: Graph) -> None:
        assert refusal(anna.get("/me/events/né")) == (400, "ErrorInvalidIdMalformed")
        assert refusal(anna.get("/me/events/AAMkAAAAA=====x")) in {
            (400, "ErrorInvalidIdMalformed"),
            (404, "ErrorItemNotFound"),
        }
        (event_id,) = put(anna, meeting("Lunch", "2026-11-10"))
        order(anna, "events/delete", ids=[event_id])
        assert refusal(anna.get(f"/me/events/{event_id}")) == (404, "ErrorItemNotFound")

    def test_each_occurrence_has_its_own_ical_uid(self, anna: Graph) -> None:
        (master,) = put(anna, meeting("Weekly", "2026-11-02", recurrence=weekly(2)))
        series = read(anna, f"/me/events/{master}")["iCalUId"]
        first, second = (one["iCalUId"] for one in view(anna))
        assert len({series, first, second}) == 3
        assert (first[32:40], second[32:40], series[32:40]) == ("07EA0B02", "07EA0B09", "00000000")
        assert first[:32] + "00000000" + first[40:] == series

    def test_a_uid_of_another_calendar_is_wrapped_or_plain(self, anna: Graph) -> None:
        uid = "7kukuqrfedlm2f9t0vr42q@google.com"
        wrapped, plain, series = put(
            anna,
            meeting("Wrapped", "2026-11-10", uid=uid),
            meeting("Plain", "2026-11-11", iCalUId=uid),
            meeting("Weekly", "2026-11-12", iCalUId=uid, recurrence=weekly(1)),
        )
        found = bytes.fromhex(read(anna, f"/me/events/{wrapped}")["iCalUId"])
        assert found[40:].startswith(b"vCal-Uid\x01\x00\x00\x00")
        assert found[52:-1].decode() == uid
        assert int.from_bytes(found[36:40], "little") == len(found) - 40
        assert read(anna, f"/me/events/{plain}")["iCalUId"] == uid
        assert read(anna, f"/me/events/{series}")["iCalUId"] == uid
        assert uid.encode() in bytes.fromhex(view(anna)[-1]["iCalUId"])


class TestPeople:
    def test_the_owner_organizes_unless_somebody_else_does(self, anna: Graph) -> None:
        mine, theirs = put(
            anna,
            meeting("Mine", "2026-11-10", attendees=[guest("gina@x.example", "accepted"), guest("room@x.example")]),
            meeting(
                "Theirs",
                "2026-11-11",
                organizer={"emailAddress": {"address": "gina@x.example"}},
                attendees=[guest(ANNA, "tentativelyAccepted", type="optional"), guest("leo@x.example", "declined")],
            ),
        )
        found = read(anna, f"/me/events/{mine}")
        assert (found["isOrganizer"], found["responseStatus"]["response"]) == (True, "organizer")
        assert found["organizer"]["emailAddress"] == {"name": "Anna Keller", "address": ANNA}
        assert [one["status"]["response"] for one in found["attendees"]] == ["accepted", "none"]
        assert found["attendees"][0]["status"]["time"] == "0001-01-01T00:00:00Z"
        found = read(anna, f"/me/events/{theirs}")
        assert (found["isOrganizer"], found["responseStatus"]["response"]) == (False, "tentativelyAccepted")
        assert [one["type"] for one in found["attendees"]] == ["optional", "required"]

    def test_hidden_guests_see_themselves_only(self, anna: Graph) -> None:
        guests = [guest(ANNA), guest("leo@x.example")]
        theirs, mine = put(
            anna,
            meeting(
                "All hands",
                "2026-11-10",
                hideAttendees=True,
                attendees=guests,
                organizer={"emailAddress": {"address": "gina@x.example"}},
            ),
            meeting("Mine", "2026-11-11", hideAttendees=True, attendees=guests),
        )
        found = read(anna, f"/me/events/{theirs}")["attendees"]
        assert [one["emailAddress"]["address"] for one in found] == [ANNA]
        assert len(read(anna, f"/me/events/{mine}")["attendees"]) == 2

    def test_what_is_private_is_a_label_only(self, anna: Graph) -> None:
        """Hiding it is the client's duty: the owner is the one who reads."""
        put(anna, meeting("Doctor", "2026-11-10", sensitivity="private", showAs="oof"))
        assert [(one["subject"], one["sensitivity"], one["showAs"]) for one in view(anna)] == [
            ("Doctor", "private", "oof")
        ]

    def test_a_meeting_called_off_stays_until_it_is_removed(self, anna: Graph) -> None:
        (event_id,) = put(anna, meeting("Lunch", "2026-11-10"))
        _, link = delta(anna)
        order(anna, "events/change", id=event_id, changes={"isCancelled": True, "subject": "Canceled: Lunch"})
        assert [(one["subject"], one["isCancelled"]) for one in delta(anna, link)[0]] == [("Canceled: Lunch", True)]

    def test_an_online_meeting_has_its_link(self, anna: Graph) -> None:
        online: Json = {
            "isOnlineMeeting": True,
            "onlineMeetingProvider": "teamsForBusiness",
            "onlineMeeting": {"joinUrl": "https://teams.example/1"},
        }
        (event_id,) = put(anna, meeting("Call", "2026-11-10", location={"displayName": "Room 1"}, **online))
        found = read(anna, f"/me/events/{event_id}")
        assert found["onlineMeeting"]["joinUrl"] == "https://teams.example/1"
        assert [one["displayName"] for one in found["locations"]] == ["Room 1"]


class TestSeries:
    @pytest.fixture
    def series(self, anna: Graph) -> str:
        """Four Mondays of November."""
        (series,) = put(anna, meeting("Weekly", "2026-11-02", recurrence=weekly(4)))
        return series

    def test_one_is_moved_and_one_is_deleted(self, anna: Graph, series: str) -> None:
        new = {"start": at("2026-11-12T15:00:00"), "end": at("2026-11-12T16:00:00")}
        moved = order(anna, "events/move_instance", series=series, on="2026-11-09", **new)["id"]
        gone = order(anna, "events/cancel_instance", series=series, on="2026-11-16")["id"]
        found = view(anna)
        assert [(one["start"]["dateTime"][:13], one["type"]) for one in found] == [
            ("2026-11-02T10", "occurrence"),
            ("2026-11-12T15", "exception"),
            ("2026-11-23T10", "occurrence"),
        ]
        exception = read(anna, f"/me/events/{moved}")
        assert (exception["originalStart"], exception["subject"]) == ("2026-11-09T10:00:00Z", "Weekly")
        assert refusal(anna.get(f"/me/events/{gone}")) == (404, "ErrorItemNotFound")

    def test_one_may_be_about_something_else(self, anna: Graph, series: str) -> None:
        occurrence = view(anna)[1]["id"]
        order(anna, "events/change", id=occurrence, changes={"subject": "Budget"})
        assert [one["subject"] for one in view(anna)] == ["Weekly", "Budget", "Weekly", "Weekly"]
        order(anna, "events/change", id=series, changes={"subject": "Monday"})
        assert [one["subject"] for one in view(anna)] == ["Monday", "Budget", "Monday", "Monday"]

    def test_new_times_undo_what_was_done_to_single_days(self, anna: Graph, series: str) -> None:
        order(anna, "events/cancel_instance", series=series, on="2026-11-09")
        tuesday = {"start": at("2026-11-03T08:00:00"), "end": at("2026-11-03T09:00:00")}
        order(anna, "events/change", id=series, changes=tuesday)
        assert [one["start"]["dateTime"][:13] for one in view(anna)] == [
            "2026-11-03T08",
            "2026-11-10T08",
            "2026-11-17T08",
            "2026-11-24T08",
        ]

    def test_instances_are_listed_within_a_window(self, anna: Graph, series: str) -> None:
        found = pages(anna, f"/me/events/{series}/instances?{WINDOW}&$top=3&$select=start")
        assert [len(page["value"]) for page in found] == [3, 1]
        assert found[0]["value"][0].keys() == {"@odata.etag", "id", "start"}
        assert refusal(anna.get(f"/me/events/{series}/instances"))[0] == 400
        (single,) = put(anna, meeting("Lunch", "2026-11-10"))
        assert refusal(anna.get(f"/me/events/{single}/instances?{WINDOW}")) == (400, "ErrorInvalidRequest")

    def test_events_are_listed_without_occurrences(self, anna: Graph, series: str) -> None:
        put(anna, meeting("Lunch", "2026-11-10"))
        found = items(anna, "/me/events?$select=type,recurrence")
        assert [one["type"] for one in found] == ["seriesMaster", "singleInstance"]
        assert found[0]["recurrence"]["range"]["numberOfOccurrences"] == 4


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"subject": "x"}, "start and end"),
        (meeting("x", "2026-11-10") | {"end": at("2026-11-09T00:00:00")}, "before it starts"),
        (meeting("x", "2026-11-10", isAllDay=True), "midnight"),
        (meeting("x", "2026-11-10", mood="good"), "mood"),
        (meeting("x", "2026-11-10", sensitivity="secret"), "sensitivity"),
        (meeting("x", "2026-11-10", attendees=[guest("a@x.example", "maybe")]), "response"),
        (meeting("x", "2026-11-10", recurrence=weekly(2, type="hourly")), "pattern"),
        (meeting("x", "2026-11-10", recurrence=daily(2, interval=0)), "interval"),
        (meeting("x", "2026-11-10", recurrence=weekly(2, daysOfWeek=["friday"])), "day of its own"),
        ({"start": at("2026-11-10T10:00:00", "Nowhere"), "end": at("2026-11-10T10:00:00")}, "Nowhere"),
        ({"start": at("2026-11-10T10:00:00+01:00"), "end": at("2026-11-10T10:00:00")}, "offset"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_order_that_makes_no_sense_is_refused(anna: Graph, event: Json, says: str) -> None:
    body: dict[str, Any] = {"account": ANNA, "events": [event]}
    answer = anna.scene.http.post(f"{anna.scene.url}/control/microsoft/events", json=body, timeout=20)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_many_at_once_are_the_same_each_time(anna: Graph) -> None:
    order(
        anna,
        "events/bulk",
        count=60,
        series_share=0.3,
        guests=["a@x.example", "b@x.example"],
        start="2026-11-15T00:00Z",
    )
    listed = anna.scene.get(f"microsoft/events?account={ANNA}")["events"]
    assert len(listed) == 60
    assert sum(one["type"] == "seriesMaster" for one in listed) == 18
    assert {one["attendees"][0]["emailAddress"]["address"] for one in listed} == {"a@x.example", "b@x.example"}
    anna.scene.post("microsoft/events/bulk", account=BEN, count=60, series_share=0.3, start="2026-11-15T00:00Z")
    again = anna.scene.get(f"microsoft/events?account={BEN}")["events"]
    assert [(one["subject"], one["start"]) for one in again] == [(one["subject"], one["start"]) for one in listed]


def test_the_front_page_shows_the_calendars(anna: Graph) -> None:
    order(anna, "calendars", name="Board meetings")
    front = anna.scene.http.get(f"{anna.scene.url}/", timeout=20).text
    assert "Outlook calendars" in front
    assert "Board meetings" in front


def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Sandbox(state_file=file) as sandbox:
        scene = Scene(sandbox.url)
        scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller")
        graph = linked(scene, ANNA, "Calendars.Read")
        single, series = put(graph, meeting("Lunch", "2026-11-10"), meeting("W", "2026-11-02", recurrence=weekly(4)))
        order(graph, "events/cancel_instance", series=series, on="2026-11-09")
        order(graph, "events/delete", ids=[single])
        before, (_, link) = view(graph), delta(graph)
        token = graph.token
    with Sandbox(state_file=file) as sandbox:
        scene = Scene(sandbox.url)
        graph = Graph(type(graph.office)(scene), token)
        assert view(graph) == before
        (added,) = put(graph, meeting("Dinner", "2026-11-10", 18))
        assert [one["id"] for one in delta(graph, link)[0]] == [added]
        assert added not in {single, series}
