"""Pages of Graph's delta as they were captured and documented: stubs, tombstones, parts, and their trouble."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.calendar.outlook import adapter, turns
from integrations.contract import EventPage, PageRequest
from integrations.errors import (
    CursorExpired,
    MissingScope,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
)
from tests.integrations.email.canned import Answer, Canned, Json
from tests.integrations.email.canned_graph import asked, batch, body

CALENDAR = "AAMkAD=/1"
HERE = "https://graph.microsoft.com/v1.0/me/calendars/AAMkAD%3D%2F1"
WINDOW = {"window_start": datetime(2026, 8, 25, tzinfo=UTC), "window_end": datetime(2027, 1, 22, tzinfo=UTC)}
FIRST = PageRequest(CALENDAR, **WINDOW)  # type: ignore[arg-type]
OWNER: Answer = (200, {"owner": {"name": "Owner", "address": "Owner@Acme.example"}})
DONE = {"@odata.deltaLink": "https://graph.microsoft.com/v1.0/me/calendarView/delta?$deltatoken=abc%2Bd"}
MASTER = body("event_series_master")
EXCEPTION = body("event_series_exception")
STUB = {key: EXCEPTION[key] for key in ("@odata.etag", "seriesMasterId", "start", "end")} | {
    "id": "stub5",
    "type": "occurrence",
}
GUEST = {"emailAddress": {"address": "lena@alder.example"}}


def page(canned: Canned, wanted: PageRequest = FIRST) -> EventPage:
    return adapter.page(canned.session, wanted)


def since() -> PageRequest:
    """A request for changes since a first, empty round."""
    cursor = page(Canned(OWNER, (200, {"value": []} | DONE))).next_cursor
    return PageRequest(CALENDAR, cursor=cursor, **WINDOW)  # type: ignore[arg-type]


def changes(*items: Json) -> Answer:
    return 200, {"value": list(items)} | DONE


def single(event_id: str = "one", **more: Any) -> Json:
    return EXCEPTION | {"id": event_id, "type": "singleInstance", "seriesMasterId": None, "attendees": [GUEST]} | more


def instance(event_id: str = "stub5", **more: Any) -> Json:
    return EXCEPTION | {"id": event_id, "type": "occurrence", "attendees": [GUEST]} | more


def test_a_documented_round_is_read_page_by_page() -> None:
    names = ("page1_nextlink", "page2_nextlink", "page3_deltalink")
    canned = Canned(OWNER, *[(200, body(f"calendarview_delta_{name}")) for name in names])
    http = canned.session

    first = adapter.page(http, FIRST)
    second = adapter.page(http, PageRequest(CALENDAR, page=first.next_page))
    third = adapter.page(http, PageRequest(CALENDAR, page=second.next_page))

    assert [copy.title for copy in first.events] == ["Plan shopping list", "Pick up car"]
    assert not first.next_cursor
    assert third.next_cursor
    assert not third.next_page
    owner, begun, *followed = [request.url for request in canned.asked]
    assert owner == f"{HERE}?%24select=owner"
    window = "startDateTime=2026-08-24T00:00:00Z&endDateTime=2027-02-06T00:00:00Z"
    assert begun == f"{HERE}/calendarView/delta?{window}"
    assert followed[0] == body("calendarview_delta_page1_nextlink")["@odata.nextLink"]
    wishes = {request.headers["Prefer"] for request in canned.asked[1:]}
    assert wishes == {'IdType="ImmutableId", outlook.timezone="UTC", odata.maxpagesize=500'}


def test_the_next_round_follows_its_link_to_the_letter() -> None:
    canned = Canned(changes())
    page(canned, since())
    assert canned.asked[0].url == DONE["@odata.deltaLink"]


def test_an_empty_first_page_is_gone_beyond() -> None:
    found = page(Canned(OWNER, (200, body("calendarview_delta_empty_first_page"))))
    assert (found.events, bool(found.next_page), found.next_cursor) == ((), True, "")


def test_a_stub_is_read_as_the_whole_series_that_it_is_part_of() -> None:
    changed_at = "2026-10-01T10:00:00Z"
    master = MASTER | {"lastModifiedDateTime": changed_at}
    canned = Canned(changes(STUB, master, EXCEPTION), batch((200, {"value": [instance("a"), instance("b")]})))
    found = page(canned, since())

    assert [(copy.external_id, copy.series_id) for copy in found.events] == [("a", "master3"), ("b", "master3")]
    assert {copy.updated_at for copy in found.events} == {datetime(2026, 10, 1, 10, tzinfo=UTC)}
    assert found.whole_series == ("master3",)
    (order,) = asked(canned)
    path, _, query = order["url"].partition("?")
    assert path == "/me/calendars/AAMkAD%3D%2F1/events/master3/instances"
    assert query.startswith("startDateTime=2026-08-24T00:00:00Z&endDateTime=2027-02-06T00:00:00Z&$select=iCalUId,")
    assert not {"body", "bodyPreview"} & set(query.split("$select=")[1].split(","))
    assert 'IdType="ImmutableId"' in order["headers"]["Prefer"]


@pytest.mark.parametrize("name", ["occurrence_stub", "occurrence_stub_2023"])
def test_captured_stubs_name_their_series(name: str) -> None:
    stub = body(f"calendarview_delta_{name}")
    items = stub.get("value", [stub])
    canned = Canned(changes(*items), *[batch(*[(200, {"value": []})] * 20)] * 3)
    found = page(canned, since())
    assert found.events == ()
    assert set(found.whole_series) == {item["seriesMasterId"] for item in items if item.get("seriesMasterId")}


def test_a_series_of_many_instances_is_read_to_its_end() -> None:
    more = f"{HERE}/events/master3/instances?$skip=1"
    canned = Canned(
        changes(STUB),
        batch((200, {"value": [instance("a")], "@odata.nextLink": more})),
        batch((200, {"value": [instance("b")]})),
    )
    assert [copy.external_id for copy in page(canned, since()).events] == ["a", "b"]
    assert asked(canned)[0]["url"] == more.removeprefix("https://graph.microsoft.com/v1.0")


def test_series_without_end_are_given_up() -> None:
    again = batch((200, {"value": [], "@odata.nextLink": f"{HERE}/events/master3/instances?$skip=1"}))
    http = Canned(changes(STUB), *[again] * 2 * turns.MOST_BATCHES).session
    begun = adapter.page(http, since())
    assert begun.events == ()
    with pytest.raises(Temporary, match="more instances"):
        adapter.page(http, PageRequest(CALENDAR, page=begun.next_page))


def test_twenty_series_at_a_time_each_once() -> None:
    stubs = [STUB | {"id": f"s{n}", "seriesMasterId": f"m{n % 25}"} for n in range(50)]
    canned = Canned(changes(*stubs), batch(*[(200, {"value": []})] * 20), batch(*[(200, {"value": []})] * 5))
    assert len(page(canned, since()).whole_series) == 25
    assert [len(asked(canned, number)) for number in (1, 2)] == [20, 5]


def test_a_tombstone_is_looked_up_since_it_stands_for_moved_events_too() -> None:
    tombs = [{"id": name, "@removed": {"reason": "deleted"}} for name in ("gone", "moved", "series")]
    canned = Canned(
        changes(*tombs),
        batch((404, body("error_404_item_not_found")), (200, single("moved")), (200, MASTER | {"id": "series"})),
        batch((200, {"value": []})),
    )
    found = page(canned, since())

    assert {copy.external_id: copy.is_cancelled for copy in found.events} == {"gone": True, "moved": False}
    assert set(found.whole_series) == {"moved", "series"}
    assert [order["url"].partition("?")[0] for order in asked(canned, 1)] == [
        f"/me/calendars/AAMkAD%3D%2F1/events/{name}" for name in ("gone", "moved", "series")
    ]


def test_a_documented_next_round_has_a_tombstone_and_an_event() -> None:
    canned = Canned(
        (200, body("calendarview_delta_next_round_removed")), batch((404, body("error_404_item_not_found")))
    )
    found = page(canned, since())
    assert sorted((copy.is_cancelled, copy.title) for copy in found.events) == [(False, "Attend service"), (True, "")]


def test_a_part_of_an_event_is_looked_up() -> None:
    canned = Canned(changes({"id": "one", "subject": "Only this"}), batch((200, single("one", subject="All of it"))))
    assert [copy.title for copy in page(canned, since()).events] == ["All of it"]


def test_of_what_comes_twice_the_last_counts() -> None:
    canned = Canned(changes(single(subject="Old"), single("two"), single(subject="New")))
    found = page(canned, since())
    assert {copy.external_id: copy.title for copy in found.events} == {"one": "New", "two": "Weekly sync"}


def test_items_in_no_known_form_are_set_aside() -> None:
    canned = Canned(changes(single(), {"subject": "no id"}, single("bad", start=None)))
    answer = canned.answers[0][1]
    answer["value"] += [None, "text", {"id": 7}]
    canned.answers.append(batch((404, {})))
    found = page(canned, since())
    assert [copy.external_id for copy in found.events if not copy.is_cancelled] == ["one"]
    assert {item.external_id for item in found.unreadable} >= {"bad", "?"}


def test_a_series_that_cannot_be_read_sets_aside_what_the_page_named_of_it() -> None:
    canned = Canned(changes(STUB, EXCEPTION), batch((403, body("error_403_access_denied"))))
    found = page(canned, since())
    assert {item.external_id for item in found.unreadable} == {STUB["id"], EXCEPTION["id"]}
    assert found.whole_series == ()


def test_a_series_that_is_no_more_is_whole_and_empty() -> None:
    canned = Canned(changes(STUB), batch((404, body("error_404_item_not_found"))))
    found = page(canned, since())
    assert (found.events, found.whole_series) == ((), ("master3",))


def test_what_fails_for_a_moment_within_a_batch_is_asked_again_alone() -> None:
    stubs = [STUB | {"id": f"s{n}", "seriesMasterId": f"m{n}"} for n in range(3)]
    good = (200, {"value": [instance("a")]})
    canned = Canned(changes(*stubs), batch(good, (503, {}), good), batch((504, body("error_504_unknown"))), batch(good))
    found = page(canned, since())
    assert set(found.whole_series) == {"m0", "m1", "m2"}
    assert [len(asked(canned, number)) for number in (1, 2, 3)] == [3, 1, 1]


def test_what_fails_again_and_again_fails_the_page() -> None:
    canned = Canned(changes(STUB), *[batch((503, {}))] * turns.TRIES)
    with pytest.raises(Temporary):
        page(canned, since())
    assert canned.answers == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((429, {"error": {"code": "ApplicationThrottled"}}, {"Retry-After": "7"}), RateLimited),
        ((503, {}, {"Retry-After": "7"}), Temporary),
        ((401, {}), TokenRefused),
    ],
)
def test_what_has_to_wait_stops_the_page_at_once(answer: Any, error: type[Temporary]) -> None:
    canned = Canned(changes(STUB), batch(answer))
    with pytest.raises(error) as raised:
        page(canned, since())
    assert raised.value.retry_after == (7.0 if len(answer) > 2 else None)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"value": None} | DONE,
        {"value": []},
        {"value": [], "@odata.nextLink": "https://x"} | DONE,
        {"value": 3} | DONE,
    ],
)
def test_an_answer_without_its_list_or_its_end_is_no_empty_page(answer: Json) -> None:
    with pytest.raises(Temporary):
        page(Canned((200, answer)), since())


def test_a_link_that_leads_elsewhere_is_never_followed() -> None:
    first = page(Canned(OWNER, (200, {"value": [], "@odata.nextLink": "https://graph.microsoft.com.evil.example/x"})))
    canned = Canned()
    with pytest.raises((Permanent, CursorExpired)):
        page(canned, PageRequest(CALENDAR, page=first.next_page))
    assert canned.asked == []


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (410, "error_410_sync_state_not_found"),
        (400, "error_400_invalid_delta_token"),
        (400, "error_400_inefficient_filter"),
    ],
)
def test_whatever_graph_says_of_an_old_link_it_is_a_full_round(status: int, name: str) -> None:
    with pytest.raises(CursorExpired):
        page(Canned((status, body(name))), since())


@pytest.mark.parametrize(
    ("status", "name", "error"),
    [(404, "error_404_item_not_found", ResourceGone), (403, "error_403_access_denied", MissingScope)],
)
def test_other_errors_are_what_they_are(status: int, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        page(Canned((status, body(name))), since())
    with pytest.raises(error):
        page(Canned((status, body(name))))


def test_a_first_round_that_is_refused_is_no_lost_cursor() -> None:
    with pytest.raises(Permanent):
        page(Canned(OWNER, (400, body("error_400_inefficient_filter"))))


def test_time_that_moved_on_is_a_full_round() -> None:
    wanted = since()
    late = PageRequest(CALENDAR, cursor=wanted.cursor, window_end=datetime(2027, 2, 6, tzinfo=UTC))
    with pytest.raises(CursorExpired, match="time has moved on"):
        page(Canned(), late)


def test_calendars_are_listed_to_the_end() -> None:
    more = "https://graph.microsoft.com/v1.0/me/calendars?$skip=100"
    listed = body("calendars_list")
    last = {"value": [{"id": "x", "name": "Other"}, {"name": "no id"}]}
    canned = Canned((200, listed | {"@odata.nextLink": more}), (200, last))
    found = list(adapter.calendars(canned.session))
    assert [one.external_id for one in found] == [*(item["id"] for item in listed["value"]), "x"]
    assert [one.name for one in found if one.is_primary] == ["Calendar1", "Calendar3"]
    assert canned.asked[1].url == more


def test_a_list_of_calendars_without_end_or_content_is_no_list() -> None:
    endless = (200, {"value": [], "@odata.nextLink": "https://graph.microsoft.com/v1.0/me/calendars?$skip=1"})
    with pytest.raises(Temporary):
        list(adapter.calendars(Canned(*[endless] * 50).session))
    with pytest.raises(Temporary):
        list(adapter.calendars(Canned((200, {})).session))
