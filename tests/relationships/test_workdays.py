"""Business days, over every zone and every change of the clocks."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relationships import workdays

ZURICH, TOKYO, NEW_YORK = ZoneInfo("Europe/Zurich"), ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
ZONES = st.sampled_from(sorted(zoneinfo.available_timezones() - {"localtime", "Factory"})).map(ZoneInfo)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2045, 1, 1), timezones=st.just(UTC))
SPANS = st.floats(0, 400, allow_nan=False)


def at(zone: ZoneInfo, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=zone)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ((2026, 3, 2, 9), (2026, 3, 3, 9), 1),
        ((2026, 3, 2, 9), (2026, 3, 2, 21), 0.5),
        ((2026, 3, 6, 12), (2026, 3, 9, 12), 1),  # from Friday noon to Monday noon
        ((2026, 3, 7, 3), (2026, 3, 8, 23), 0),  # within a weekend
        ((2026, 3, 7, 3), (2026, 3, 9, 6), 0.25),  # what came on Saturday waits from Monday on
        ((2026, 3, 2, 9), (2026, 3, 16, 9), 10),
        ((2026, 3, 27, 9), (2026, 3, 30, 9), 1),  # over the Sunday that has 23 hours
        ((2026, 10, 23, 9), (2026, 10, 26, 9), 1),  # over the Sunday that has 25 hours
        ((2026, 3, 3, 9), (2026, 3, 2, 9), -1),
    ],
)
def test_days_between(start: tuple[int, ...], end: tuple[int, ...], days: float) -> None:
    assert workdays.between(at(ZURICH, *start), at(ZURICH, *end), ZURICH) == pytest.approx(days)


def test_the_same_hours_are_a_weekend_here_and_a_monday_there() -> None:
    start, end = datetime(2026, 3, 8, 15, tzinfo=UTC), datetime(2026, 3, 8, 21, tzinfo=UTC)
    assert workdays.between(start, end, TOKYO) == pytest.approx(0.25)
    assert workdays.between(start, end, NEW_YORK) == 0


def test_what_comes_at_the_weekend_is_counted_from_monday() -> None:
    assert workdays.after(at(ZURICH, 2026, 3, 7, 15), 2, ZURICH) == at(ZURICH, 2026, 3, 11)
    assert workdays.after(at(ZURICH, 2026, 3, 5, 15), 2, ZURICH) == at(ZURICH, 2026, 3, 9, 15)


def test_a_midnight_that_the_clocks_skip_is_the_moment_they_do() -> None:
    """In Santiago the clocks went from 24:00 to 1:00 on Saturday night, 6 September 2025."""
    santiago = ZoneInfo("America/Santiago")
    assert workdays.midnight(date(2025, 9, 7), santiago) == datetime(2025, 9, 7, 4, tzinfo=UTC)


def test_a_day_that_never_was_does_no_harm() -> None:
    """Samoa went from Thursday, 29 December 2011, to Saturday, 31 December."""
    apia = ZoneInfo("Pacific/Apia")
    thursday = at(apia, 2011, 12, 29, 12)
    assert workdays.after(thursday, 1.5, apia) == workdays.midnight(date(2012, 1, 2), apia)
    assert workdays.between(thursday, at(apia, 2012, 1, 2, 12), apia) == pytest.approx(2)


@given(MOMENTS, SPANS, ZONES)
def test_after_and_between_undo_each_other(start: datetime, days: float, zone: ZoneInfo) -> None:
    end = workdays.after(start, days, zone)
    assert workdays.between(start, end, zone) == pytest.approx(days, abs=1e-6)
    # A weekend lasts no time: what comes on Saturday and is due at once is due on Monday.
    assert end > start - timedelta(milliseconds=1)


@given(MOMENTS, MOMENTS, MOMENTS, ZONES)
def test_time_never_runs_backwards_and_adds_up(one: datetime, two: datetime, three: datetime, zone: ZoneInfo) -> None:
    first, second, third = sorted([one, two, three])
    parts = workdays.between(first, second, zone) + workdays.between(second, third, zone)
    assert workdays.between(first, second, zone) >= 0
    assert parts == pytest.approx(workdays.between(first, third, zone), abs=1e-6)


@given(MOMENTS, ZONES)
def test_a_week_has_five_days_and_a_weekend_none(start: datetime, zone: ZoneInfo) -> None:
    day = start.astimezone(zone).date()
    monday = day - timedelta(days=day.weekday())
    saturday, next_monday = (workdays.midnight(monday + timedelta(days=days), zone) for days in (5, 7))
    assert workdays.between(workdays.midnight(monday, zone), next_monday, zone) == 5
    assert workdays.between(saturday, next_monday, zone) == 0


@given(MOMENTS, st.integers(0, 40), ZONES)
def test_whole_days_from_midnight_end_at_midnight_of_a_weekday(start: datetime, days: int, zone: ZoneInfo) -> None:
    due = workdays.after(workdays.midnight(start.astimezone(zone).date(), zone), days, zone)
    local = due.astimezone(zone)
    assert due == workdays.midnight(local.date(), zone)
    assert local.weekday() < 5 or local.date() == date(2011, 12, 31), "Samoa's lost Friday begins as its Saturday"
