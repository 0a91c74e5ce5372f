"""When an event is: an instant in UTC, or a day in no zone. The same checks for every provider."""

from datetime import UTC, date, datetime

from integrations.errors import Unreadable

Moment = tuple[datetime | None, date | None]
"""An instant or a day: one of the two."""


def instant(value: str) -> datetime:
    """An instant in UTC out of ISO 8601 with an offset. Raises Unreadable."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise Unreadable(f"{value[:40]!r} has no offset.")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{value[:40]!r} is no time.") from error


def day(value: str) -> date:
    """A day out of ISO 8601. Raises Unreadable."""
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise Unreadable(f"{value[:40]!r} is no date.") from error


def check(start: Moment, end: Moment) -> None:
    """Raises Unreadable for a start and an end that do not go together."""
    (starts_at, starts_on), (ends_at, ends_on) = start, end
    if (starts_at is None) != (ends_at is None):
        raise Unreadable("The event starts at a time and ends on a day, or the other way round.")
    if starts_at and ends_at and ends_at < starts_at or starts_on and ends_on and ends_on < starts_on:
        raise Unreadable("The event ends before it starts.")


def slot(original: Moment) -> str:
    """An instance's slot in its series, the same in every copy: a UTC instant, or a date."""
    starts_at, starts_on = original
    return starts_at.strftime("%Y%m%dT%H%M%SZ") if starts_at else f"{starts_on:%Y%m%d}"
