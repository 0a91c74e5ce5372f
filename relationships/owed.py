"""What a member owes and is owed, in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.utils import formats, timezone

from relationships import privacy, workdays
from relationships.models import FollowUp, Person, User


@dataclass(frozen=True)
class Debt:
    """An answer that is owed, as its user reads it. ``days`` are business days since the mail that waits."""

    follow_up: FollowUp
    who: str
    title: str
    days: float
    reason: str
    yardstick: str

    @property
    def is_ours(self) -> bool:
        """Whether the user owes it."""
        return self.follow_up.side == FollowUp.Side.OURS

    @property
    def days_in_words(self) -> str:
        """Such as "5 business days"."""
        return in_words(self.days)


def due(user: User, now: datetime) -> QuerySet[FollowUp]:
    """What is owed by or to this user by now, the longest first. Needs ``tenancy.within`` the user's company."""
    return _open(user).filter(_is_shown(now))


def later(user: User, now: datetime) -> QuerySet[FollowUp]:
    """What is open and not shown as owed: not due yet, snoozed, or promised in a task."""
    return _open(user).exclude(_is_shown(now))


def with_person(rows: QuerySet[FollowUp], person: Person) -> QuerySet[FollowUp]:
    """Those that concern one contact."""
    return rows.filter(person=person)


def _open(user: User) -> QuerySet[FollowUp]:
    rows = FollowUp.objects.filter(user=user, outcome=FollowUp.Outcome.OPEN, touchpoint__cancelled_at=None)
    return rows.order_by("since_at", "pk")


def _is_shown(now: datetime) -> Q:
    awake = Q(snoozed_until=None) | Q(snoozed_until__lte=now)
    return Q(due_at__lte=now, task=None) & awake


def in_words_for(user: User, rows: QuerySet[FollowUp], now: datetime) -> list[Debt]:
    """These follow-ups with their reasons and yardsticks: two queries for any number of them."""
    zone = ZoneInfo(user.time_zone)
    found = rows.select_related("person__organization", "touchpoint", "task").prefetch_related("touchpoint__users")
    return [_debt(user, row, workdays.between(row.since_at, now, zone), zone) for row in found]


def _debt(user: User, row: FollowUp, days: float, zone: ZoneInfo) -> Debt:
    who = str(row.person) if row.person else _guest(row)
    day = formats.date_format(row.since_at.astimezone(zone), "j F")
    is_ours = row.side == FollowUp.Side.OURS
    return Debt(
        follow_up=row,
        who=who,
        title=privacy.title_for(row.touchpoint, user),
        days=days,
        reason=f"{who} wrote to you on {day}." if is_ours else f"You wrote to {who} on {day}.",
        yardstick=_yardstick(row, who, days),
    )


def _yardstick(row: FollowUp, who: str, days: float) -> str:
    """Such as "Jane usually answers in 1.6 business days; it is 5."; nothing where no rhythm is known."""
    if row.usual_days is None:
        return ""
    usual = float(row.usual_days)
    answers = "You usually answer" if row.side == FollowUp.Side.OURS else f"{who} usually answers"
    return f"{answers} {f'in {in_words(usual)}' if usual >= 0.1 else 'within hours'}; it is {_number(days)}."


def _guest(row: FollowUp) -> str:
    """Somebody of a known firm who is no contact."""
    role = "from" if row.side == FollowUp.Side.OURS else "to"
    guests: Iterable[dict[str, str]] = row.touchpoint.guests
    asked = next((guest for guest in guests if guest.get("role") == role), {})
    return asked.get("name") or asked.get("email") or "Somebody"


def in_words(days: float) -> str:
    """Business days as people say them: a digit after the point where it matters."""
    number = _number(days)
    return f"{number} business day{'' if number == '1' else 's'}"


def _number(days: float) -> str:
    return f"{days:.0f}" if days >= 5 else f"{days:.1f}".removesuffix(".0")


def tomorrow(user: User) -> date:
    """In the user's own calendar."""
    return timezone.localdate(timezone=ZoneInfo(user.time_zone)) + timedelta(days=1)


def next_monday(user: User) -> date:
    """The Monday after today, in the user's own calendar."""
    today = tomorrow(user) - timedelta(days=1)
    return today + timedelta(days=7 - today.weekday())


def next_workday(user: User) -> date:
    """Tomorrow, or Monday where tomorrow is a weekend's day."""
    day = tomorrow(user)
    return day if day.weekday() < 5 else next_monday(user)
