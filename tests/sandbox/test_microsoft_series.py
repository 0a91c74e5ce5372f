"""On which days Graph's recurrences take place, and how occurrences are named by Global Object IDs."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.microsoft.calendar import ids, recurrence, uids

FIRST = date(2026, 11, 2)
DATES = st.dates(date(2020, 1, 1), date(2035, 12, 31))


def days(first: date, pattern: dict[str, Any], **limits: Any) -> list[date]:
    """The first sixty days."""
    completed = recurrence.completed({"pattern": pattern, "range": limits}, first, "UTC")
    return list(islice(recurrence.days(completed), 60))


@pytest.mark.parametrize(
    ("pattern", "limits", "expected"),
    [
        ({"type": "daily", "interval": 2}, {"type": "numbered", "numberOfOccurrences": 3}, ["11-02", "11-04", "11-06"]),
        ({"type": "daily"}, {"type": "endDate", "endDate": "2026-11-04"}, ["11-02", "11-03", "11-04"]),
        ({"type": "weekly"}, {"type": "numbered", "numberOfOccurrences": 2}, ["11-02", "11-09"]),
        (
            {"type": "weekly", "daysOfWeek": ["sunday", "monday"], "interval": 2, "firstDayOfWeek": "sunday"},
            {"type": "numbered", "numberOfOccurrences": 4},
            ["11-02", "11-15", "11-16", "11-29"],
        ),
        (
            {"type": "weekly", "daysOfWeek": ["sunday", "monday"], "interval": 2, "firstDayOfWeek": "monday"},
            {"type": "numbered", "numberOfOccurrences": 4},
            ["11-02", "11-08", "11-16", "11-22"],
        ),
        (
            {"type": "absoluteMonthly", "dayOfMonth": 31},
            {"type": "numbered", "numberOfOccurrences": 2},
            ["11-30", "12-31"],
        ),
    ],
)
def test_days(pattern: dict[str, Any], limits: dict[str, Any], expected: list[str]) -> None:
    assert [f"{day:%m-%d}" for day in days(FIRST, pattern, **limits)] == expected


def test_a_series_without_an_end_goes_on() -> None:
    assert len(days(FIRST, {"type": "weekly"})) == 60


@given(first=DATES, chosen=st.sets(st.sampled_from(recurrence.DAYS), min_size=1), interval=st.integers(1, 5))
def test_weekly_days_are_those_chosen(first: date, chosen: set[str], interval: int) -> None:
    found = days(first, {"type": "weekly", "daysOfWeek": sorted(chosen), "interval": interval})
    assert found == sorted(set(found))
    assert found[0] >= first
    assert {recurrence.DAYS[day.weekday()] for day in found} == chosen
    weeks_from_sunday = {day.toordinal() // 7 for day in found}
    assert all((week - first.toordinal() // 7) % interval == 0 for week in weeks_from_sunday)


@given(uid=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=80), day=DATES)
def test_a_wrapped_uid_can_be_unwrapped(uid: str, day: date) -> None:
    """The shape of a Global Object ID: class, day of the occurrence, time of creation, length and data."""
    raw = bytes.fromhex(uids.of_occurrence(uids.wrapped(uid), day))
    assert raw[:16].hex().upper() == "040000008200E00074C5B7101A82E008"
    assert (int.from_bytes(raw[16:18]), raw[18], raw[19]) == (day.year, day.month, day.day)
    data = raw[40 : 40 + int.from_bytes(raw[36:40], "little")]
    assert data == b"vCal-Uid\x01\x00\x00\x00" + uid.encode() + b"\x00"
    assert raw[40 + len(data) :] == b""


def test_an_id_made_in_outlook_holds_when() -> None:
    found = bytes.fromhex(uids.own("anna 1", datetime(2026, 11, 2, tzinfo=UTC)))
    ticks = int.from_bytes(found[20:28], "little")
    assert datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10) == datetime(2026, 11, 2, tzinfo=UTC)
    assert len(found) == 56


@given(serial=st.integers(1, 2**32 - 1), day=st.none() | DATES, is_immutable=st.booleans(), upn=st.emails())
def test_an_id_says_what_it_stands_for_to_its_mailbox_only(
    serial: int, day: date | None, is_immutable: bool, upn: str
) -> None:
    text = ids.spelled(upn, ids.Key(serial, day), is_immutable=is_immutable)
    assert ids.read(upn, text) == ids.Key(serial, day)
    assert ids.read(f"x{upn}", text) is None
