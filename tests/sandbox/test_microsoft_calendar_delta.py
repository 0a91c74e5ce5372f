"""Rounds of delta at the pretend Outlook: a client that applies every round holds what the window shows."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.server import Sandbox
from tests.sandbox.agenda import (
    ANNA,
    BEN,
    DELTA,
    WINDOW,
    at,
    daily,
    delta,
    items,
    meeting,
    order,
    pages,
    put,
    read,
    view,
    weekly,
)
from tests.sandbox.conftest import until
from tests.sandbox.graph import Graph, linked, refusal
from tests.sandbox.hook import Hook, listening
from tests.sandbox.person import Json, Scene

STUB = {"@odata.type", "@odata.etag", "id", "seriesMasterId", "type", "start", "end"}
pytestmark = pytest.mark.filterwarnings("ignore:response_mode")
"""msal recommends form_post, which cannot carry a Lax session cookie."""


@pytest.fixture
def anna(scene: Scene) -> Graph:
    """Anna's mailbox, with Ben's beside it."""
    scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller")
    scene.post("microsoft/accounts", upn=BEN, name="Ben Lund")
    return linked(scene, ANNA, "Calendars.Read")


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A live webhook address."""
    with listening() as hook:
        yield hook


def removed(found: list[Json]) -> list[str]:
    """The ids of the tombstones, which say nothing else."""
    gone = [one for one in found if "@removed" in one]
    assert all(one.keys() == {"@odata.type", "id", "@removed"} for one in gone)
    assert all(one["@removed"] == {"reason": "deleted"} for one in gone)
    return [one["id"] for one in gone]


class TestFirstRound:
    def test_single_events_come_whole(self, anna: Graph) -> None:
        (event_id,) = put(anna, meeting("Lunch", "2026-11-10"))
        answer = anna.get(DELTA, headers={"Prefer": 'IdType="ImmutableId", outlook.timezone="UTC"'})
        (found,) = answer.json()["value"]
        assert (found["id"], found["subject"], found["@odata.type"]) == (event_id, "Lunch", "#microsoft.graph.event")
        assert found["@odata.etag"] == f'W/"{found["changeKey"]}"'
        assert "odata.track-changes" in answer.headers["Preference-Applied"]
        assert 'IdType="ImmutableId"' in answer.headers["Preference-Applied"]
        assert answer.json()["@odata.deltaLink"].startswith("https://graph.microsoft.com/v1.0/me/calendarView/delta?")

    def test_occurrences_come_as_stubs_and_the_series_with_its_first_times(self, anna: Graph) -> None:
        (series,) = put(anna, meeting("Weekly", "2026-10-19", recurrence=weekly(4)))
        found, _ = delta(anna)
        stubs = [one for one in found if one["type"] == "occurrence"]
        assert [one["start"]["dateTime"][:10] for one in stubs] == ["2026-11-02", "2026-11-09"]
        assert all(one.keys() == STUB and one["seriesMasterId"] == series for one in stubs)
        (master,) = (one for one in found if one["type"] == "seriesMaster")
        assert (master["id"], master["start"]["dateTime"][:10]) == (series, "2026-10-19"), "before the window"

    def test_exceptions_come_whole(self, anna: Graph) -> None:
        (series,) = put(anna, meeting("Weekly", "2026-11-02", recurrence=weekly(2)))
        new = {"start": at("2026-11-03T15:00:00"), "end": at("2026-11-03T16:00:00")}
        order(anna, "events/move_instance", series=series, on="2026-11-02", **new)
        (exception,) = (one for one in delta(anna)[0] if one["type"] == "exception")
        assert (exception["subject"], exception["originalStart"]) == ("Weekly", "2026-11-02T10:00:00Z")

    def test_what_lies_outside_or_is_gone_is_not_told(self, anna: Graph) -> None:
        lunch, *_ = put(
            anna,
            meeting("Lunch", "2026-11-10"),
            meeting("Later", "2026-12-10"),
            meeting("Weekly", "2026-12-10", recurrence=weekly(4)),
        )
        order(anna, "events/delete", ids=[lunch])
        assert delta(anna)[0] == []

    def test_pages_hold_ten_or_what_is_asked_for(self, anna: Graph) -> None:
        order(anna, "events/bulk", count=25, start="2026-11-15T00:00Z")
        window = "/me/calendarView/delta?startDateTime=2026-01-01&endDateTime=2027-12-01"
        assert [len(page["value"]) for page in pages(anna, window)] == [10, 10, 5]
        assert [len(page["value"]) for page in pages(anna, window, "odata.maxpagesize=20")] == [20, 5]

    def test_a_page_grows_to_hold_a_whole_series(self, anna: Graph) -> None:
        put(anna, meeting("Lunch", "2026-11-10"), meeting("Daily", "2026-11-02", recurrence=daily(25)))
        put(anna, meeting("Dinner", "2026-11-10", 18))
        found = pages(anna, DELTA, "odata.maxpagesize=2")
        assert [len(page["value"]) for page in found] == [27, 1]

    @pytest.mark.parametrize("option", ["$select=subject", "%24filter=a", "$orderby=a", "$expand=a", "$search=a"])
    def test_options_of_other_lists_are_refused(self, anna: Graph, option: str) -> None:
        assert refusal(anna.get(f"{DELTA}&{option}")) == (400, "ErrorInvalidUrlQuery")

    def test_it_needs_its_window(self, anna: Graph) -> None:
        assert refusal(anna.get("/me/calendarView/delta"))[0] == 400


class TestNextRounds:
    def test_they_bring_what_changed(self, anna: Graph) -> None:
        kept, changed, gone = put(anna, *(meeting(name, "2026-11-10") for name in ("Kept", "Changed", "Gone")))
        found, link = delta(anna)
        assert {one["id"] for one in found} == {kept, changed, gone}
        found, link = delta(anna, link)
        assert found == []
        order(anna, "events/change", id=changed, changes={"subject": "New"})
        (added,) = put(anna, meeting("Added", "2026-11-10"))
        order(anna, "events/delete", ids=[gone])
        found, link = delta(anna, link)
        assert [(one["id"], one.get("subject")) for one in found] == [(changed, "New"), (added, "Added"), (gone, None)]
        assert removed(found) == [gone]
        assert delta(anna, link)[0] == []

    def test_the_window_stays_and_what_happens_outside_is_a_tombstone(self, anna: Graph) -> None:
        (leaving,) = put(anna, meeting("Leaving", "2026-11-10"))
        _, link = delta(anna)
        order(anna, "events/change", id=leaving, changes=meeting("Leaving", "2027-01-10"))
        unknown, series = put(
            anna, meeting("Never seen", "2027-01-10"), meeting("W", "2027-01-11", recurrence=weekly(2))
        )
        assert removed(delta(anna, link)[0]) == [leaving, unknown, series]

    def test_a_deleted_occurrence_has_no_tombstone_but_its_series_comes_again(self, anna: Graph) -> None:
        (series,) = put(anna, meeting("Weekly", "2026-11-02", recurrence=weekly(4)))
        first, link = delta(anna)
        gone = order(anna, "events/cancel_instance", series=series, on="2026-11-09")["id"]
        assert gone in {one["id"] for one in first}
        found, _ = delta(anna, link)
        assert removed(found) == []
        assert {one["id"] for one in found} == {one["id"] for one in first} - {gone}

    def test_a_deleted_series_leaves_one_tombstone(self, anna: Graph) -> None:
        (series,) = put(anna, meeting("Weekly", "2026-11-02", recurrence=weekly(4)))
        _, link = delta(anna)
        order(anna, "events/delete", ids=[series])
        assert removed(delta(anna, link)[0]) == [series]

    def test_a_round_sees_the_calendar_as_it_was_when_it_began(self, anna: Graph) -> None:
        first, second, third = put(anna, *(meeting(name, "2026-11-10") for name in ("1", "2", "3")))
        page = read(anna, DELTA, "odata.maxpagesize=1, IdType=ImmutableId")
        order(anna, "events/change", id=third, changes={"subject": "changed"})
        (added,) = put(anna, meeting("Added", "2026-11-10"))
        found, link = delta(anna, page["@odata.nextLink"])
        assert [one["id"] for one in [*page["value"], *found]] == [first, second]
        assert [one["id"] for one in delta(anna, link)[0]] == [third, added]

    def test_a_link_may_be_followed_again(self, anna: Graph) -> None:
        put(anna, *(meeting(str(number), "2026-11-10") for number in range(12)))
        link = read(anna, DELTA)["@odata.nextLink"]
        assert [one["id"] for one in read(anna, link)["value"]] == [one["id"] for one in read(anna, link)["value"]]

    def test_each_calendar_has_its_own_rounds(self, anna: Graph) -> None:
        team = order(anna, "calendars", name="Team")["id"]
        _, mine = delta(anna)
        path = f"/me/calendars/{team}/calendarView/delta"
        _, theirs = delta(anna, f"{path}?{WINDOW}")
        (event_id,) = put(anna, meeting("Standup", "2026-11-10"), calendar=team)
        assert delta(anna, mine)[0] == []
        assert [one["id"] for one in delta(anna, theirs)[0]] == [event_id]
        crossed = f"{path}?{mine.partition('?')[2]}"
        assert refusal(anna.get(crossed)) == (400, "ErrorInvalidUrlQuery")
        ben = linked(anna.scene, BEN, "Calendars.Read")
        assert refusal(ben.get(mine)) == (400, "ErrorInvalidUrlQuery")


class TestCursors:
    def test_they_are_opaque_and_end_on_order(self, anna: Graph) -> None:
        put(anna, *(meeting(str(number), "2026-11-10") for number in range(12)))
        page = read(anna, DELTA)
        _, link = delta(anna, page["@odata.nextLink"])
        ben = linked(anna.scene, BEN, "Calendars.Read")
        _, other = delta(ben)
        order(anna, "cursors/expire")
        for stale in (link, page["@odata.nextLink"]):
            answer = anna.get(stale)
            assert refusal(answer) == (410, "SyncStateNotFound")
            assert "generation" in answer.json()["error"]["message"]
        assert delta(ben, other)[0] == []
        assert len(delta(anna)[0]) == 12

    @pytest.mark.parametrize(
        ("code", "status"),
        [("syncStateNotFound", 410), ("resyncRequired", 410), ("fullSyncRequired", 410), ("InvalidDeltaToken", 400)],
    )
    def test_they_may_end_in_other_words(self, anna: Graph, code: str, status: int) -> None:
        _, link = delta(anna)
        order(anna, "cursors/expire", code=code)
        answer = anna.get(link)
        assert refusal(answer) == (status, code)
        assert answer.headers.get("Location", "").endswith("/me/calendarView/delta?$deltatoken=") is (status == 410)

    def test_junk_is_told_from_what_was_forgotten(self, anna: Graph) -> None:
        for option in ("$deltatoken", "$skiptoken"):
            answer = anna.get(f"/me/calendarView/delta?{option}=junk")
            assert refusal(answer) == (400, "InvalidDeltaToken")

    def test_faults_are_ordered_by_the_name_of_the_call(self, anna: Graph) -> None:
        anna.scene.post("faults", operation="graph.calendarView.delta", kind="rate_limit_429", retry_after="3")
        answer = anna.get(DELTA)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
        anna.scene.post("faults", operation="graph.events.get", kind="not_found_404", account=ANNA)
        (event_id,) = put(anna, meeting("Lunch", "2026-11-10"))
        assert refusal(anna.get(f"/me/events/{event_id}")) == (404, "ErrorItemNotFound")
        assert read(anna, f"/me/events/{event_id}")["subject"] == "Lunch"


class TestOddRounds:
    @pytest.fixture
    def three(self, anna: Graph) -> list[str]:
        """Three events."""
        return put(anna, *(meeting(name, "2026-11-10") for name in ("1", "2", "3")))

    def test_the_first_page_may_be_empty(self, anna: Graph, three: list[str]) -> None:
        order(anna, "pages/quirk", kind="empty_first")
        found = pages(anna, DELTA)
        assert [[one["id"] for one in page["value"]] for page in found] == [[], three]
        assert len(pages(anna, DELTA)) == 1, "once"

    def test_pages_may_repeat(self, anna: Graph, three: list[str]) -> None:
        order(anna, "pages/quirk", kind="repeat")
        found = items(anna, DELTA, "odata.maxpagesize=1, IdType=ImmutableId")
        first, second, third = three
        assert [one["id"] for one in found] == [first, first, second, second, third]

    def test_pages_may_never_end(self, anna: Graph, three: list[str]) -> None:
        _, link = delta(anna)
        order(anna, "events/change", id=three[0], changes={"subject": "changed"})
        order(anna, "pages/quirk", kind="endless", times=1)
        for _ in range(4):
            page = read(anna, link)
            assert [one["id"] for one in page["value"]] == three[:1]
            link = page["@odata.nextLink"]
        assert len(delta(anna)[0]) == 3

    def test_it_must_be_one_that_is_known(self, anna: Graph) -> None:
        body = {"account": ANNA, "kind": "sideways"}
        answer = anna.scene.http.post(f"{anna.scene.url}/control/microsoft/pages/quirk", json=body, timeout=20)
        assert answer.status_code == 400
        assert "endless" in answer.json()["error"]


@pytest.mark.parametrize("is_immutable", [True, False])
def test_every_change_is_told_to_who_subscribed(anna: Graph, hook: Hook, is_immutable: bool) -> None:
    wanted = {
        "changeType": "created,updated,deleted",
        "notificationUrl": f"{hook.url}/webhooks/calendar-event",
        "lifecycleNotificationUrl": f"{hook.url}/webhooks/calendar-event",
        "resource": "/me/events",
        "expirationDateTime": "2026-11-24T00:00:00Z",
        "clientState": "secret-1",
    }
    anna.scene.post("clock", set="2026-11-20T00:00:00Z")
    graph = linked(anna.scene, ANNA, "Calendars.Read")
    headers = {"Prefer": 'IdType="ImmutableId"'} if is_immutable else {}
    assert graph.post("/subscriptions", wanted, headers=headers).status_code == 201
    (series,) = put(graph, meeting("Weekly", "2026-11-02", recurrence=weekly(4)))
    put(graph, meeting("Quiet", "2026-11-10"), silent=True)
    order(graph, "events/cancel_instance", series=series, on="2026-11-09")
    plain = read(graph, f"/me/events/{series}", "")["id"]
    order(graph, "events/delete", ids=[series])
    until(lambda: len(hook.items) == 3)
    assert sorted(one["changeType"] for one in hook.items) == ["created", "deleted", "updated"]
    assert {one["resourceData"]["id"] for one in hook.items} == {series if is_immutable else plain}


DAYS = st.dates(date(2026, 10, 25), date(2026, 12, 5)).map(str)
HOURS = st.integers(0, 22)
STEPS = st.one_of(
    st.tuples(st.just("add"), DAYS, HOURS, st.integers(0, 4)),
    st.tuples(st.just("shift"), st.integers(0, 9), DAYS, HOURS),
    st.tuples(st.just("move"), st.integers(0, 9), DAYS, HOURS),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.none(), st.none()),
    st.tuples(st.just("delete"), st.integers(0, 9), st.none(), st.none()),
    st.tuples(st.just("sync"), st.integers(1, 4), st.none(), st.none()),
)


def take_step(graph: Graph, step: tuple[Any, Any, Any, Any]) -> None:
    """One change of Anna's calendar, if there is something to change."""
    kind, which, day, hour = step
    if kind == "add":
        _, start, hour, count = step
        put(graph, meeting(f"{start} {hour}", start, hour, recurrence=weekly(count) if count else None))
        return
    known = graph.scene.get(f"microsoft/events?account={ANNA}")["events"]
    occurrences = [one for one in view(graph) if one["seriesMasterId"]]
    if kind in {"shift", "delete"} and known:
        event_id = known[which % len(known)]["id"]
        if kind == "delete":
            order(graph, "events/delete", ids=[event_id])
        else:
            order(graph, "events/change", id=event_id, changes=meeting("shifted", day, hour))
    elif kind in {"move", "cancel"} and occurrences:
        occurrence = occurrences[which % len(occurrences)]["id"]
        new = {} if kind == "cancel" else {name: meeting("", day, hour)[name] for name in ("start", "end")}
        order(graph, f"events/{kind}_instance", id=occurrence, **new)


def applied(held: dict[str, Json], found: list[Json]) -> dict[str, Json]:
    """What a client holds after a round: the last word on each id; a series that appears replaces its occurrences."""
    last = {one["id"]: one for one in found}
    touched = {one["id"] for one in found if one.get("type") == "seriesMaster" or "@removed" in one}
    kept = {key: one for key, one in held.items() if key not in last and one.get("seriesMasterId") not in touched}
    come = {key: one for key, one in last.items() if one.get("type", "seriesMaster") != "seriesMaster"}
    return kept | come


def times(found: list[Json]) -> dict[str, tuple[str, str]]:
    return {one["id"]: (one["start"]["dateTime"], one["end"]["dateTime"]) for one in found}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=14), quirk=st.sampled_from([None, "empty_first", "repeat"]))
def test_rounds_add_up_to_the_view(steps: list[tuple[Any, Any, Any, Any]], quirk: str | None) -> None:
    """Whatever happens in between and however it is paged, the client ends where a fresh view would."""
    with Sandbox() as sandbox:
        scene = Scene(sandbox.url)
        scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller")
        graph = linked(scene, ANNA, "Calendars.Read")
        held: dict[str, Json] = {}
        link = DELTA
        for step in [*steps, ("sync", 3, None, None)]:
            if step[0] != "sync":
                take_step(graph, step)
                continue
            if quirk:
                order(graph, "pages/quirk", kind=quirk)
            found, link = delta(graph, link, f"odata.maxpagesize={step[1]}, IdType=ImmutableId")
            held = applied(held, found)
        assert times(list(held.values())) == times(view(graph))
