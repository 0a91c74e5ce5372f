"""Recurrence: known rules by hand, and what must hold for any rule across a change of the clocks."""

from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.google.recurrence import slots

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Africa/Lagos", "Asia/Kolkata", "America/St_Johns"]


def series(start: str, *rules: str, zone: str = "Europe/Berlin") -> dict[str, Any]:
    key = "dateTime" if "T" in start else "date"
    return {"start": {key: start, "timeZone": zone}, "recurrence": list(rules)}


def local(event: dict[str, Any], count: int = 50) -> list[str]:
    """The first occurrences as wall-clock times."""
    zone = ZoneInfo(event["start"]["timeZone"])
    found = islice(slots(event, "UTC"), count)
    return [slot.start.astimezone(zone).strftime("%m-%d %H:%M") for slot in found]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["RRULE:FREQ=DAILY;COUNT=3"], ["03-27 09:00", "03-28 09:00", "03-29 09:00"]),
        (["RRULE:FREQ=DAILY;INTERVAL=2;COUNT=2"], ["03-27 09:00", "03-29 09:00"]),
        (["RRULE:FREQ=DAILY;UNTIL=20270328T070000Z"], ["03-27 09:00", "03-28 09:00"]),
        (["RRULE:FREQ=DAILY;UNTIL=20270328T065959Z"], ["03-27 09:00"]),
        (["RRULE:FREQ=DAILY;UNTIL=20270328"], ["03-27 09:00", "03-28 09:00"]),
        (["RRULE:FREQ=WEEKLY;COUNT=2"], ["03-27 09:00", "04-03 09:00"]),
        (["RRULE:FREQ=WEEKLY;BYDAY=MO,SA;COUNT=3"], ["03-27 09:00", "03-29 09:00", "04-03 09:00"]),
        (["RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;COUNT=2"], ["03-28 09:00", "04-11 09:00"]),
        (["RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU;COUNT=2"], ["04-04 09:00", "04-18 09:00"]),
        (["RRULE:FREQ=MONTHLY;COUNT=2"], ["03-27 09:00", "04-27 09:00"]),
        (["RRULE:FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2"], ["03-31 09:00", "05-31 09:00"]),
        (["RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=2"], ["03-31 09:00", "04-30 09:00"]),
        (["RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=2"], ["04-30 09:00", "05-28 09:00"]),
        (["RRULE:FREQ=MONTHLY;BYDAY=1MO;COUNT=2"], ["04-05 09:00", "05-03 09:00"]),
        (["RRULE:FREQ=YEARLY;COUNT=2"], ["03-27 09:00", "03-27 09:00"]),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/Berlin:20270328T090000"], ["03-27 09:00", "03-29 09:00"]),
        (["RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20270328T070000Z"], ["03-27 09:00", "03-29 09:00"]),
        (["RRULE:FREQ=DAILY;COUNT=1", "RDATE;TZID=Europe/Berlin:20270401T120000"], ["03-27 09:00", "04-01 12:00"]),
        (["RDATE;TZID=Europe/Berlin:20270401T120000"], ["03-27 09:00", "04-01 12:00"]),
    ],
)
def test_known_rules(rules: list[str], expected: list[str]) -> None:
    """Saturday 27 March 2027, the eve of summer time in Berlin."""
    assert local(series("2027-03-27T09:00:00+01:00", *rules)) == expected


def test_instance_keys_are_utc_and_follow_the_clocks() -> None:
    keys = [slot.key for slot in slots(series("2027-03-27T09:00:00", "RRULE:FREQ=DAILY;COUNT=2"), "UTC")]
    assert keys == ["20270327T080000Z", "20270328T070000Z"]


def test_all_day_keys_are_dates() -> None:
    keys = [slot.key for slot in slots(series("2027-03-27", "RRULE:FREQ=DAILY;COUNT=2"), "UTC")]
    assert keys == ["20270327", "20270328"]


@pytest.mark.parametrize("rule", ["RRULE:FREQ=HOURLY", "RRULE:FREQ=DAILY;BYHOUR=9", "RRULE:FREQ=DAILY;UNTIL=soon"])
def test_what_is_not_supported_is_said(rule: str) -> None:
    with pytest.raises(ValueError, match=r"support|match"):
        list(slots(series("2027-03-27T09:00:00", rule), "UTC"))


STARTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)).map(lambda at: at.replace(second=0, microsecond=0))


@settings(deadline=None)
@given(start=STARTS, zone=st.sampled_from(ZONES), interval=st.integers(1, 9), count=st.integers(1, 60))
def test_daily_series_keep_their_wall_clock_time(start: datetime, zone: str, interval: int, count: int) -> None:
    """Count and distance are right and the clock on the wall stays, but for the hour the clocks skip or repeat."""
    event = series(start.isoformat(), f"RRULE:FREQ=DAILY;INTERVAL={interval};COUNT={count}", zone=zone)
    found = list(slots(event, "UTC"))
    assert len(found) == count
    tz = ZoneInfo(zone)
    for number, slot in enumerate(found):
        wall = start + timedelta(days=number * interval)
        assert slot.start == wall.replace(tzinfo=tz).astimezone(UTC)
        shown = slot.start.astimezone(tz).replace(tzinfo=None)
        assert abs(shown - wall) <= timedelta(hours=1)
        if shown != wall:
            assert wall.replace(tzinfo=tz).utcoffset() != (wall + timedelta(hours=3)).replace(tzinfo=tz).utcoffset()


@settings(deadline=None)
@given(
    start=STARTS,
    zone=st.sampled_from(ZONES),
    days=st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1),
)
def test_weekly_series_hold_each_weekday_once_a_week(start: datetime, zone: str, days: set[str]) -> None:
    event = series(start.isoformat(), f"RRULE:FREQ=WEEKLY;BYDAY={','.join(sorted(days))}", zone=zone)
    found = list(islice(slots(event, "UTC"), len(days) * 10))
    tz = ZoneInfo(zone)
    walls = [(slot.start.astimezone(tz) + timedelta()).date() for slot in found]
    assert walls == sorted(set(walls))
    assert all(("MO", "TU", "WE", "TH", "FR", "SA", "SU")[wall.weekday()] in days for wall in walls)
    assert (walls[-1] - walls[0]).days < 70
    assert all(second - first == timedelta(days=7) for first, second in zip(walls, walls[len(days) :], strict=False))


@settings(deadline=None)
@given(start=STARTS, zone=st.sampled_from(ZONES), count=st.integers(2, 30), gone=st.integers(0, 29))
def test_an_excluded_date_takes_one_occurrence_and_count_stays(
    start: datetime, zone: str, count: int, gone: int
) -> None:
    rule = f"RRULE:FREQ=DAILY;COUNT={count}"
    whole = list(slots(series(start.isoformat(), rule, zone=zone), "UTC"))
    victim = whole[gone % count]
    exdate = f"EXDATE:{victim.start:%Y%m%dT%H%M%SZ}"
    rest = list(slots(series(start.isoformat(), rule, exdate, zone=zone), "UTC"))
    assert rest == [slot for slot in whole if slot != victim]


@settings(deadline=None)
@given(day=st.dates(datetime(2026, 1, 1).date(), datetime(2028, 1, 1).date()), count=st.integers(1, 40))
def test_all_day_series_never_shift(day: Any, count: int) -> None:
    found = list(slots(series(day.isoformat(), f"RRULE:FREQ=DAILY;COUNT={count}"), "Pacific/Auckland"))
    assert [slot.start.date() for slot in found] == [day + timedelta(days=number) for number in range(count)]
    assert all(slot.start.time() == time() for slot in found)
