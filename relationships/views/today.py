"""The first page: what comes, what waits, what was."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from relationships import briefs, conversations, notes, owed
from relationships.models import Brief, Person, Touchpoint, User
from relationships.views.guards import member_of, members_only

AGENDA_DAYS = 14
AGENDA_LIMIT = 100
LATEST = 8
LETTERS_EACH = 5
"""So many touchpoints are read for each of the LATEST entries: a conversation has several."""
NOTES_ASKED = 20
DEBTS = 3


@dataclass(frozen=True)
class Row:
    """A touchpoint in a list. ``others`` counts guests who are no contacts; a brief is made or due."""

    touchpoint: Touchpoint
    others: int
    join_url: str
    brief_made_at: datetime | None
    brief_due_at: datetime


@dataclass(frozen=True)
class Latest:
    """What was last. ``others`` counts guests who are no contacts."""

    entry: conversations.Entry
    touchpoint: Touchpoint
    others: int


@members_only
@require_GET
def today(request: HttpRequest) -> HttpResponse:
    """The next two weeks and the latest touchpoints, the member's own or the firm's; whom the member owes what."""
    member, now = member_of(request), timezone.now()
    is_firm = request.GET.get("of") == "firm"
    mine = Touchpoint.objects.filter(cancelled_at=None)
    if not is_firm:
        mine = mine.filter(users=member)
    coming = _rows(_coming(mine, now)[: AGENDA_LIMIT + 1])
    debts = owed.due(member, now)
    return render(
        request,
        "relationships/today.html",
        {
            "days": _by_day(coming[:AGENDA_LIMIT], timezone.localdate(now)),
            "is_more": len(coming) > AGENDA_LIMIT,
            "agenda_limit": AGENDA_LIMIT,
            "agenda_days": AGENDA_DAYS,
            "waiting": list(notes.waiting_for_note(member, now)[:NOTES_ASKED]),
            "latest": _latest(mine.filter(occurred_at__lte=now), member),
            "debts": owed.in_words_for(member, debts[:DEBTS], now),
            "debts_count": debts.count(),
            "is_firm": is_firm,
            "now": now,
        },
    )


def _coming(touchpoints: QuerySet[Touchpoint], now: datetime) -> QuerySet[Touchpoint]:
    """Meetings that run now or start within AGENDA_DAYS days of the member's calendar.

    All-day meetings are compared by date: their stored midnight UTC is no moment in the member's zone.
    """
    first_day = timezone.localdate(now)
    last_day = first_day + timedelta(days=AGENDA_DAYS)
    until = timezone.make_aware(datetime.combine(last_day, time.min))
    timed = Q(all_day_on=None, occurred_at__lt=until) & (Q(occurred_at__gte=now) | Q(ended_at__gt=now))
    still_running = Q(all_day_on__lt=first_day, ended_at__gt=datetime.combine(first_day, time.min, UTC))
    all_day = Q(all_day_on__gte=first_day, all_day_on__lt=last_day) | still_running
    return touchpoints.filter(timed | all_day, kind=Touchpoint.Kind.MEETING).order_by("occurred_at", "pk")


def _rows(touchpoints: QuerySet[Touchpoint]) -> list[Row]:
    """What a list shows of them, in the same number of queries for one and for a hundred."""
    newest = Brief.objects.filter(touchpoint=OuterRef("pk")).order_by("-version").values("made_at")[:1]
    with_brief = touchpoints.annotate(brief_made_at=Subquery(newest))
    people = Prefetch("people", Person.objects.select_related("organization"))
    return [
        Row(
            touchpoint,
            others=_others(touchpoint),
            join_url=join_url(touchpoint),
            brief_made_at=touchpoint.brief_made_at,
            brief_due_at=briefs.due_at(touchpoint),
        )
        for touchpoint in with_brief.select_related("company").prefetch_related(people, "organizations")
    ]


def _latest(touchpoints: QuerySet[Touchpoint], member: User) -> list[Latest]:
    """The newest entries; a conversation is one."""
    people = Prefetch("people", Person.objects.select_related("organization"))
    newest = touchpoints.prefetch_related(people, "organizations", "users")[: LATEST * LETTERS_EACH]
    return [
        Latest(entry, entry.touchpoint, _others(entry.touchpoint))
        for entry in conversations.group(newest, [member])[:LATEST]
    ]


def _others(touchpoint: Touchpoint) -> int:
    """How many guests are no contacts."""
    return max(0, len(touchpoint.guests) - len(touchpoint.people.all()))


def join_url(touchpoint: Touchpoint) -> str:
    """Where to join. Whoever sends an invitation chooses this text: nothing but a web address becomes a link."""
    url = touchpoint.join_url
    return url if url.startswith("https://") and not touchpoint.cancelled_at else ""


def _by_day(rows: list[Row], first_day: date) -> list[tuple[date, list[Row]]]:
    """By the days of the member's calendar, all-day meetings first; what began earlier stands under ``first_day``."""

    def day(row: Row) -> date:
        return max(row.touchpoint.all_day_on or timezone.localdate(row.touchpoint.occurred_at), first_day)

    ordered = sorted(rows, key=lambda row: (day(row), row.touchpoint.all_day_on is None, row.touchpoint.occurred_at))
    return [(each, list(group)) for each, group in groupby(ordered, key=day)]
