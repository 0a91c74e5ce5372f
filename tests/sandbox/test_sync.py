"""Sync tokens: a client that applies every delta holds what a full list gives."""

from typing import Any

import pytest
from googleapiclient.errors import HttpError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sandbox.server import Sandbox
from tests.sandbox.conftest import ALICE, BOB
from tests.sandbox.person import Json, Scene, timed, whole_list

DAILY = timed("daily", "2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z", recurrence=["RRULE:FREQ=DAILY;COUNT=5"])


def refused(calendar: Any, **parameters: Any) -> tuple[int, str]:
    """Status and reason of a list call that fails."""
    with pytest.raises(HttpError) as error:
        calendar.events().list(calendarId="primary", **parameters).execute()
    return error.value.status_code, error.value.error_details[0]["reason"]


def delta(calendar: Any, token: str, **parameters: Any) -> tuple[list[Json], str]:
    return whole_list(calendar, calendarId="primary", syncToken=token, **parameters)


def test_a_delta_has_the_changes_and_tombstones(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    slot = ("2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z")
    scene.put(ALICE, timed("kept", *slot), timed("changed", *slot), timed("deleted", *slot))
    _, token = whole_list(calendar, calendarId="primary", timeMin="2027-01-01T00:00:00Z")
    assert delta(calendar, token)[0] == []
    scene.put(ALICE, {"id": "changed", "summary": "new"}, timed("added", *slot))
    scene.post("google/events/cancel", calendar=ALICE, ids=["deleted"])
    items, _ = delta(calendar, token)
    assert [(one["id"], one["status"]) for one in items] == [
        ("changed", "confirmed"),
        ("added", "confirmed"),
        ("deleted", "cancelled"),
    ]
    assert items[-1].keys() == {"kind", "etag", "id", "status"}
    full, _ = whole_list(calendar, calendarId="primary")
    assert "deleted" not in {one["id"] for one in full}
    full, _ = whole_list(calendar, calendarId="primary", showDeleted=True)
    assert "deleted" in {one["id"] for one in full}


def test_a_delta_is_paged_like_a_list(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    _, token = whole_list(calendar, calendarId="primary")
    scene.post("google/bulk_events", calendar=ALICE, count=55)
    items, after = delta(calendar, token, maxResults=10)
    assert len({one["id"] for one in items}) == 55
    assert delta(calendar, after)[0] == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"timeMin": "2027-01-01T00:00:00Z"},
        {"timeMax": "2027-01-01T00:00:00Z"},
        {"updatedMin": "2027-01-01T00:00:00Z"},
        {"q": "x"},
        {"orderBy": "updated"},
        {"iCalUID": "x"},
        {"privateExtendedProperty": ["a=b"]},
        {"showDeleted": False},
    ],
)
def test_what_must_not_go_with_a_sync_token(scene: Scene, parameters: dict[str, Any]) -> None:
    calendar = scene.calendar(ALICE)
    _, token = whole_list(calendar, calendarId="primary")
    assert refused(calendar, syncToken=token, **parameters) == (400, "syncTokenWithRequestRestrictions")


def test_the_other_parameters_must_stay(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    _, token = whole_list(calendar, calendarId="primary", singleEvents=True, eventTypes=["default", "fromGmail"])
    assert delta(calendar, token, singleEvents=True, eventTypes=["fromGmail", "default"])[0] == []
    assert refused(calendar, syncToken=token, singleEvents=True) == (400, "invalid")
    assert refused(calendar, syncToken=token) == (400, "invalid")


def test_tokens_die(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)

    def fresh() -> str:
        return whole_list(calendar, calendarId="primary")[1]

    token = fresh()
    scene.post("google/expire_sync_tokens", calendar=ALICE)
    assert refused(calendar, syncToken=token) == (410, "fullSyncRequired")
    token = fresh()
    scene.post("google/calendars", account=ALICE, id=ALICE, accessRole="reader")
    assert refused(calendar, syncToken=token) == (410, "fullSyncRequired")
    token = fresh()
    assert refused(scene.calendar(BOB), syncToken=token) == (410, "fullSyncRequired")
    scene.post("clock", advance_seconds=29 * 86_400)
    calendar = scene.calendar(ALICE)
    assert refused(calendar, syncToken=token) == (410, "fullSyncRequired")


def test_a_list_that_is_not_whole_gives_no_token(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    assert whole_list(calendar, calendarId="primary", q="x")[1] == ""
    assert whole_list(calendar, calendarId="primary", orderBy="updated")[1] == ""


def test_series_as_masters(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    scene.put(ALICE, DAILY)
    items, token = whole_list(calendar, calendarId="primary")
    assert [one["id"] for one in items] == ["daily"]
    moved = {"start": {"dateTime": "2027-03-12T14:00:00Z"}, "end": {"dateTime": "2027-03-12T15:00:00Z"}}
    scene.put(ALICE, {"id": "daily_20270312T080000Z", **moved})
    scene.post("google/events/cancel", calendar=ALICE, ids=["daily_20270311T080000Z"])
    exception, cancelled = delta(calendar, token)[0]
    assert exception["start"]["dateTime"] == "2027-03-12T15:00:00+01:00"
    assert exception["originalStartTime"]["dateTime"] == "2027-03-12T09:00:00+01:00"
    assert exception["iCalUID"] == "daily@google.com"
    assert exception["recurringEventId"] == "daily"
    assert cancelled.keys() == {"kind", "etag", "id", "status", "recurringEventId", "originalStartTime"}
    full, _ = whole_list(calendar, calendarId="primary")
    assert len(full) == 3  # without singleEvents the cancelled instance belongs to the series
    scene.post("google/events/cancel", calendar=ALICE, ids=["daily"])
    gone, _ = delta(calendar, token)
    assert [one["id"] for one in gone] == ["daily"]
    assert gone[0]["status"] == "cancelled"


def test_series_as_single_events(scene: Scene) -> None:
    calendar = scene.calendar(ALICE)
    scene.put(ALICE, DAILY)
    items, token = whole_list(calendar, calendarId="primary", singleEvents=True)
    assert [one["id"] for one in items] == [f"daily_202703{day}T080000Z" for day in range(10, 15)]
    assert {one["iCalUID"] for one in items} == {"daily@google.com"}
    scene.put(ALICE, {"id": "daily", "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]})
    items, token = delta(calendar, token, singleEvents=True)
    assert [one["status"] for one in items] == ["cancelled"] * 2 + ["confirmed"] * 3
    scene.post("google/events/cancel", calendar=ALICE, ids=["daily_20270311T080000Z"])
    items, token = delta(calendar, token, singleEvents=True)
    assert [(one["id"], one["status"]) for one in items] == [("daily_20270311T080000Z", "cancelled")]


def test_an_endless_series_goes_two_years_ahead_and_dies_half_a_year_ahead(scene: Scene) -> None:
    """What users measured at Google; a client must bound and clean up by itself."""
    scene.post("clock", set="2027-03-01T00:00:00Z")
    calendar = scene.calendar(ALICE)
    _, token = whole_list(calendar, calendarId="primary", singleEvents=True)
    scene.put(ALICE, DAILY | {"recurrence": ["RRULE:FREQ=DAILY"]})
    items, token = delta(calendar, token, singleEvents=True)
    assert 700 < len(items) < 750
    scene.post("google/events/cancel", calendar=ALICE, ids=["daily"])
    items, _ = delta(calendar, token, singleEvents=True)
    assert 160 < len(items) < 190
    assert {one["status"] for one in items} == {"cancelled"}


def test_a_window_bounds_the_first_list_not_the_delta(scene: Scene) -> None:
    scene.post("clock", set="2027-03-01T00:00:00Z")
    scene.put(ALICE, DAILY | {"recurrence": ["RRULE:FREQ=DAILY"]})
    calendar = scene.calendar(ALICE)
    window = {"timeMin": "2027-03-12T00:00:00Z", "timeMax": "2027-03-15T00:00:00Z"}
    items, token = whole_list(calendar, calendarId="primary", singleEvents=True, **window)
    assert len(items) == 3
    scene.put(ALICE, {"id": "daily", "summary": "touched"})
    items, _ = delta(calendar, token, singleEvents=True)
    assert len(items) > 700


def test_instances(scene: Scene) -> None:
    scene.put(ALICE, DAILY, {"id": "daily_20270312T080000Z", "summary": "special"})
    scene.post("google/events/cancel", calendar=ALICE, ids=["daily_20270311T080000Z"])
    calendar = scene.calendar(ALICE)
    first = calendar.events().instances(calendarId="primary", eventId="daily", maxResults=3).execute()
    rest = calendar.events().instances(
        calendarId="primary", eventId="daily", maxResults=3, pageToken=first["nextPageToken"]
    )
    assert [one["summary"] for one in first["items"]] == ["daily", "special", "daily"]
    assert len(rest.execute()["items"]) == 1
    deleted = calendar.events().instances(calendarId="primary", eventId="daily", showDeleted=True).execute()
    assert len(deleted["items"]) == 5
    one = calendar.events().get(calendarId="primary", eventId="daily_20270314T080000Z").execute()
    assert one["recurringEventId"] == "daily"
    with pytest.raises(HttpError):
        calendar.events().get(calendarId="primary", eventId="daily_20270320T080000Z").execute()


def test_an_all_day_series(scene: Scene) -> None:
    scene.put(
        ALICE,
        {
            "id": "fair",
            "start": {"date": "2027-03-10"},
            "end": {"date": "2027-03-12"},
            "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE;VALUE=DATE:20270317"],
        },
    )
    items, _ = whole_list(scene.calendar(ALICE), calendarId="primary", singleEvents=True)
    assert [(one["id"], one["start"], one["end"]) for one in items] == [
        ("fair_20270310", {"date": "2027-03-10"}, {"date": "2027-03-12"}),
        ("fair_20270324", {"date": "2027-03-24"}, {"date": "2027-03-26"}),
    ]


# Steps of a day at the office: what a person does to a calendar between two syncs.
NAMES = st.sampled_from(["a", "b", "c"])
HOURS = st.integers(0, 23)
RULES = st.sampled_from(
    [
        None,
        ["RRULE:FREQ=DAILY;COUNT=4"],
        ["RRULE:FREQ=DAILY;INTERVAL=2;COUNT=3"],
        ["RRULE:FREQ=WEEKLY;BYDAY=MO,WE;COUNT=5"],
        ["RRULE:FREQ=DAILY;COUNT=4", "EXDATE;TZID=Europe/Berlin:20270328T090000"],
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("put"), NAMES, HOURS, RULES),
    st.tuples(st.just("cancel"), NAMES, st.none(), st.none()),
    st.tuples(st.just("move"), NAMES, HOURS, st.none()),
    st.tuples(st.just("drop"), NAMES, st.integers(0, 3), st.none()),
    st.tuples(st.just("sync"), st.integers(1, 4), st.none(), st.none()),
)


def take_step(scene: Scene, step: tuple[Any, Any, Any, Any], singles: list[Json]) -> None:
    """Do one thing to Alice's calendar; what is not possible now is left out."""
    kind, name, number, rule = step
    instances = [one["id"] for one in singles if one.get("recurringEventId") == name]
    if kind == "put":
        zone = {"timeZone": "Europe/Berlin"}
        times = {
            key: {"dateTime": f"2027-03-26T{number:02}:{minute}:00", **zone}
            for key, minute in (("start", "00"), ("end", "45"))
        }
        scene.put(ALICE, {"id": name, "summary": f"at {number}", "recurrence": rule, **times})
    elif kind == "cancel" and any(name in (one["id"], one.get("recurringEventId")) for one in singles):
        scene.post("google/events/cancel", calendar=ALICE, ids=[name], silent=True)
    elif kind == "move" and instances:
        times = {
            key: {"dateTime": f"2027-04-20T{number:02}:{minute}:00Z"}
            for key, minute in (("start", "00"), ("end", "45"))
        }
        scene.put(ALICE, {"id": instances[number % len(instances)], **times})
    elif kind == "drop" and instances:
        gone = [instances[number % len(instances)]]
        scene.post("google/events/cancel", calendar=ALICE, ids=gone, silent=True)


def by_id(items: list[Json]) -> dict[str, str]:
    return {one["id"]: one["etag"] for one in items if one["status"] != "cancelled"}


def applied(held: dict[str, str], changed: list[Json]) -> dict[str, str]:
    """What a client holds after a delta; with a series go its exceptions."""
    for one in changed:
        held = {key: etag for key, etag in held.items() if key != one["id"]} | by_id([one])
        if one["status"] == "cancelled":
            held = {key: etag for key, etag in held.items() if not key.startswith(f"{one['id']}_")}
    return held


SINGLE_THEN_SERIES_THEN_CANCELLED = [
    ("put", "b", 0, None), ("sync", 1, None, None), ("put", "b", 0, ["RRULE:FREQ=DAILY;COUNT=4"]),
    ("cancel", "b", None, None),
]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=14), is_single=st.booleans())
@example(steps=SINGLE_THEN_SERIES_THEN_CANCELLED, is_single=True)
def test_deltas_add_up_to_the_full_list(steps: list[tuple[Any, Any, Any, Any]], is_single: bool) -> None:
    """Whatever happens in between and however it is paged, the client ends where a fresh full list would."""
    with Sandbox() as sandbox:
        scene = Scene(sandbox.url)
        scene.post("google/accounts", email=ALICE)
        scene.post("clock", set="2027-03-20T00:00:00Z")
        calendar = scene.calendar(ALICE)
        items, token = whole_list(calendar, calendarId="primary", singleEvents=is_single)
        held = by_id(items)
        for step in [*steps, ("sync", 3, None, None)]:
            if step[0] != "sync":
                singles, _ = whole_list(calendar, calendarId="primary", singleEvents=True)
                take_step(scene, step, singles)
                continue
            changed, token = delta(calendar, token, singleEvents=is_single, maxResults=step[1])
            held = applied(held, changed)
        full, _ = whole_list(calendar, calendarId="primary", singleEvents=is_single)
        assert held == by_id(full)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.lists(STEPS, max_size=5), between=st.lists(STEPS, min_size=1, max_size=6), is_single=st.booleans())
def test_changes_while_a_list_is_paged_are_in_the_next_delta(
    before: list[tuple[Any, Any, Any, Any]], between: list[tuple[Any, Any, Any, Any]], is_single: bool
) -> None:
    """Each page sees a changed calendar; the pages and the delta after them are still the whole truth."""
    with Sandbox() as sandbox:
        scene = Scene(sandbox.url)
        scene.post("google/accounts", email=ALICE)
        scene.post("clock", set="2027-03-20T00:00:00Z")
        calendar = scene.calendar(ALICE)
        held: dict[str, str] = {}
        waiting = list(between)
        for step in before:
            take_step(scene, step, whole_list(calendar, calendarId="primary", singleEvents=True)[0])
        wish: Json = {"calendarId": "primary", "singleEvents": is_single, "maxResults": 2}
        page = calendar.events().list(**wish).execute()
        while "nextPageToken" in page:
            held |= by_id(page["items"])
            if waiting:
                take_step(scene, waiting.pop(), whole_list(calendar, calendarId="primary", singleEvents=True)[0])
            page = calendar.events().list(**wish, pageToken=page["nextPageToken"]).execute()
        held |= by_id(page["items"])
        changed, _ = delta(calendar, page["nextSyncToken"], singleEvents=is_single)
        full, _ = whole_list(calendar, calendarId="primary", singleEvents=is_single)
        assert applied(held, changed) == by_id(full)
