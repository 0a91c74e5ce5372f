"""A page that names more than can be asked for in time, or is told to wait: what is answered is kept, and no more."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import time_machine

from integrations import runs
from integrations.calendar.outlook import adapter, turns
from integrations.contract import EventPage, PageRequest
from integrations.errors import RateLimited, Temporary, TokenRefused
from tests.integrations.calendar.test_outlook_pages import DONE, STUB, changes, instance, page, since, single
from tests.integrations.email.canned import Answer, Canned, Json
from tests.integrations.email.canned_graph import asked, batch

BUSY = {"error": {"code": "ApplicationThrottled"}}
GOOD: tuple[int, Json] = (200, {"value": [instance("i")]})
GONE: tuple[int, Json] = (404, {})


def stubs(number: int) -> list[Json]:
    return [STUB | {"id": f"s{n}", "seriesMasterId": f"m{n}"} for n in range(number)]


def busy(seconds: str) -> tuple[int, Json, Json]:
    return 429, BUSY, {"Retry-After": seconds}


def full(number: int = 20) -> Answer:
    return batch(*[GOOD] * number)


def masters(canned: Canned, number: int = -1) -> list[str]:
    return [order["url"].split("/events/")[1].split("/")[0] for order in asked(canned, number)]


def pages(canned: Canned, wanted: PageRequest) -> Iterator[EventPage]:
    """Page after page, as the engine asks for them."""
    while True:
        found = adapter.page(canned.session, wanted)
        yield found
        if not found.next_page:
            return
        wanted = replace(wanted, page=found.next_page)


class Clock:
    """Time that goes by with each request, so many seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 0) -> None:
        self.now, self.seconds, self.slept = 0.0, seconds, list[float]()
        monkeypatch.setattr(turns, "monotonic", lambda: self.now)
        monkeypatch.setattr(turns, "sleep", self.sleep)
        original = Canned.send

        def send(canned: Canned, request: requests.PreparedRequest, *more: Any, **options: Any) -> requests.Response:
            self.now += self.seconds
            return original(canned, request, *more, **options)

        monkeypatch.setattr(Canned, "send", send)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_a_page_of_hundreds_of_series_is_read_in_several() -> None:
    canned = Canned(changes(*stubs(130)), *[full()] * turns.MOST_BATCHES, full(10))
    first, last = pages(canned, since())

    assert (len(first.whole_series), first.next_cursor) == (120, "")
    assert (len(last.whole_series), last.next_page) == (10, "")
    assert not set(first.whole_series) & set(last.whole_series)
    # Graph's page itself was asked for once.
    assert [request.method for request in canned.asked] == ["GET"] + ["POST"] * 7
    follows = Canned(changes())
    page(follows, PageRequest("x", cursor=last.next_cursor, window_end=since().window_end))
    assert follows.asked[0].url == DONE["@odata.deltaLink"]


def test_hundreds_of_tombstones_too_and_what_they_turn_out_to_be() -> None:
    tombs = [{"id": f"e{n}", "@removed": {"reason": "deleted"}} for n in range(130)]
    series = (200, {"id": "x", "type": "seriesMaster"})
    gone = [batch(*[GONE] * 20)] * turns.MOST_BATCHES
    canned = Canned(changes(*tombs, single("kept")), *gone, batch(*[series] * 10), full(10))
    first, last = pages(canned, since())

    assert sum(copy.is_cancelled for copy in first.events) == 120
    assert [copy.external_id for copy in first.events if not copy.is_cancelled] == ["kept"]
    assert len(last.whole_series) == 10


def test_a_page_in_the_midst_of_a_round_leads_on_once_it_is_read() -> None:
    more = "https://graph.microsoft.com/v1.0/me/calendarView/delta?$skiptoken=next"
    listed: Answer = (200, {"value": stubs(125), "@odata.nextLink": more})
    canned = Canned(listed, *[full()] * turns.MOST_BATCHES, full(5), changes(single()))
    found = list(pages(canned, since()))

    assert [len(one.events) for one in found] == [1, 1, 1]
    assert canned.asked[-1].url == more
    assert [bool(one.next_cursor) for one in found] == [False, False, True]


@pytest.mark.parametrize("seconds", [1, 5, 10, 20, 30])
def test_however_slow_each_answer_is_a_page_stays_within_the_hold(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    clock = Clock(monkeypatch, seconds)
    canned = Canned(changes(*stubs(200)), *[full()] * 10)
    began, read = clock.now, set[str]()
    for found in pages(canned, since_at(clock)):
        assert clock.now - began < runs.HOLD.total_seconds() / 2 + seconds
        began = clock.now
        assert not read & set(found.whole_series)
        read |= set(found.whole_series)
    assert len(read) == 200
    assert len(canned.asked) == 11


def since_at(clock: Clock) -> PageRequest:
    """A place to go on from, whose own making took no time."""
    wanted = since()
    clock.now = 0.0
    return wanted


def test_a_short_wait_is_waited_and_the_refused_part_alone_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    canned = Canned(changes(*stubs(3)), batch(GOOD, busy("2"), GOOD), batch(busy("1")), full(1))
    found = page(canned, since())

    assert set(found.whole_series) == {"m0", "m1", "m2"}
    assert (found.next_page, clock.slept) == ("", [2.0, 1.0])
    assert [masters(canned, number) for number in (1, 2, 3)] == [["m0", "m1", "m2"], ["m1"], ["m1"]]


@pytest.mark.parametrize("answer", [busy("90"), (503, {}, {"Retry-After": "90"})])
def test_a_long_wait_keeps_what_was_answered_and_asks_for_the_rest_after_it(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    clock = Clock(monkeypatch)
    canned = Canned(changes(*stubs(3), single("one")), batch(GOOD, answer, GOOD), full(1))
    with time_machine.travel(datetime(2026, 11, 3, 10, tzinfo=UTC), tick=False) as now:
        first = page(canned, since())
        assert (set(first.whole_series), first.next_cursor) == ({"m0", "m2", "one"}, "")

        following = replace(since(), page=first.next_page)
        now.shift(timedelta(seconds=30))
        with pytest.raises(RateLimited, match="slow down") as raised:
            page(canned, following)
        assert raised.value.retry_after == pytest.approx(60)
        assert len(canned.asked) == 2, "before that Microsoft is not asked again"

        now.shift(timedelta(seconds=60))
        last = page(canned, following)
    assert (last.whole_series, masters(canned)) == (("m1",), ["m1"])
    assert (bool(last.next_cursor), last.next_page, clock.slept) == (True, "", [])


def test_a_batch_that_fails_as_a_whole_takes_nothing_from_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    broken: list[Answer] = [(503, {})] * turns.TRIES
    canned = Canned(changes(*stubs(25)), full(), *broken, full(5))
    first, last = pages(canned, since())
    assert [len(one.whole_series) for one in (first, last)] == [20, 5]


def test_what_goes_on_failing_fails_once_nothing_else_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    failing = batch((503, {}))
    canned = Canned(changes(*stubs(2)), batch(GOOD, (503, {})), *[failing] * (2 * turns.TRIES - 1))
    found = pages(canned, since())
    assert next(found).whole_series == ("m0",)
    with pytest.raises(Temporary):
        next(found)
    assert canned.answers == []


def test_a_refused_token_is_told_at_once_wherever_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    for refused in (batch(GOOD, (401, {})), (401, {})):
        with pytest.raises(TokenRefused):
            page(Canned(changes(*stubs(2)), refused), since())
