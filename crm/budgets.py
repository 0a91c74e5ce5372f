"""What a CRM still lets us ask, as its own answers tell: paid before each call, and shared by all of our processes.

Nobody sleeps longer than a breath: where the allowance is short the sync ends, and goes on when there is more. What
matters least waits first.
"""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from django.utils import timezone

from crm import policy
from crm.contract import CrmAdapter, Pace, Usage
from crm.models import Budget
from integrations.errors import Wait
from integrations.models import Integration

LOW_SHARE = 0.8
"""Of the daily share: from here on only firms and people are read and tasks written; all else waits."""
URGENT_KINDS = frozenset({"task"})
"""What is written as long as anything is."""
ASK_AGAIN = timedelta(hours=1)
"""The CRM's day slides: after this long one call may find out how much of it is left."""
BREATH = 1.0
"""Seconds that a call may wait in its worker."""
SLOTS = 10
"""A pace's time is counted in so many parts, so that its limit holds in every stretch of it, not just on average."""
TRIES = 20

Slots = list[list[int]]


class Meter:
    """Counts the calls of one connection, in the row that all processes share. One per thread.

    ``calls`` are those that were let through.
    """

    def __init__(self, integration: Integration, adapter: CrmAdapter) -> None:
        self.adapter = adapter
        self.calls = 0
        self._row = of(integration)
        self._share = policy.of(integration).daily_share
        self._paces: Mapping[str, Pace] = {pace.window: pace for pace in adapter.paces}
        self._learned: dict[str, Any] = {}
        self._prepaid = 0
        self._lock = threading.Lock()

    def prepay(self) -> None:
        """Pay for a call that another thread makes. Raises as ``before`` does."""
        self._take("burst")
        with self._lock:
            self._prepaid += 1

    def before(self, request: requests.PreparedRequest) -> None:
        """Pay for a call. Raises Wait where the day's share or the pace's limit is used up."""
        window = self.adapter.pace_of(request)
        with self._lock:
            is_paid = self._prepaid > 0 and window == "burst"
            self._prepaid -= is_paid
        if not is_paid:
            self._take(window)
        self.calls += 1

    def _take(self, window: str) -> None:
        for _ in range(TRIES):
            now = timezone.now()
            self._check_day(now)
            free_at = self._pay(window, now)
            if free_at is None:
                return
            if free_at <= now:
                continue
            if (free_at - now).total_seconds() > BREATH:
                raise self._wait("The CRM's limit for a few seconds is used up.", free_at)
            time.sleep((free_at - now).total_seconds())
        raise self._wait("Others use up the CRM's limit at this moment.", timezone.now() + timedelta(seconds=10))

    def after(self, response: requests.Response) -> None:
        """Learn from an answer. It is written down with the next call, or at the end."""
        for usage in self.adapter.usage(response):
            self._learn(usage)

    def flush(self) -> None:
        """Write down what the last answers told."""
        if self._learned:
            Budget.objects.filter(pk=self._row.pk).update(**self._learned)
            self._learned = {}

    def _learn(self, usage: Usage) -> None:
        """Bursts are paced by our own count: what the CRM says of them is of the past by the time it is read."""
        if usage.window == "day":
            told = {"day_used": usage.used, "day_limit": usage.limit, "day_seen_at": timezone.now()}
            self._learned |= told
            for name, value in told.items():
                setattr(self._row, name, value)

    def _check_day(self, now: datetime) -> None:
        if left(self._row, self._share, now) <= 0:
            seen_at = self._row.day_seen_at or now
            raise self._wait(f"{self._share} per cent of the CRM's calls for today are used.", seen_at + ASK_AGAIN)

    def _pay(self, window: str, now: datetime) -> datetime | None:
        """Take one call by conditional update; else when to try again, which is now where another process was faster.

        ``our_calls`` rises with each call of any process, so it tells whether the row is still the one that was read.
        """
        row, today = self._row, now.date()
        pace = self._paces.get(window)
        slots = _recent(row.windows.get(window, []), pace, now) if pace else []
        if pace and sum(count for _, count in slots) >= pace.calls:
            # What was read may be old by now: only the row itself says no.
            row.refresh_from_db(fields=["windows", "our_day", "our_calls"])
            slots = _recent(row.windows.get(window, []), pace, now)
            if sum(count for _, count in slots) >= pace.calls:
                return _free_at(slots, pace)
        windows = {**row.windows, window: _counted(slots, pace, now)} if pace else row.windows
        calls = row.our_calls + 1 if row.our_day == today else 1
        rows = Budget.objects.filter(pk=row.pk, our_day=row.our_day, our_calls=row.our_calls)
        if rows.update(our_day=today, our_calls=calls, windows=windows, **self._learned) != 1:
            row.refresh_from_db(fields=["windows", "our_day", "our_calls"])
            return now
        self._learned = {}
        row.our_day, row.our_calls, row.windows = today, calls, windows
        return None

    def _wait(self, why: str, until: datetime) -> Wait:
        Budget.objects.filter(pk=self._row.pk).update(waits_until=until, waits_for=why, **self._learned)
        self._learned = {}
        return Wait(why, until)


def of(integration: Integration) -> Budget:
    """The integration's row."""
    row, _ = Budget.objects.get_or_create(integration=integration, defaults={"company_id": integration.company_id})
    return row


def left(budget: Budget, share: int, now: datetime) -> float:
    """Calls of our share of the CRM's day that are left; endless where it tells none, or told it too long ago."""
    if budget.day_limit is None or budget.day_seen_at is None or budget.day_seen_at < now - ASK_AGAIN:
        return float("inf")
    return budget.day_limit * share / 100 - budget.day_used


def may_push(integration: Integration, kind: str) -> bool:
    """Whether rows of this kind may be written now, or wait because the allowance is short."""
    if kind in URGENT_KINDS:
        return True
    share = policy.of(integration).daily_share
    return left(of(integration), round(share * LOW_SHARE), timezone.now()) > 0


def tell_waiting(integration: Integration, waiting: Mapping[str, int]) -> None:
    """Keep how many rows of each kind wait for allowance, for people to see; none clears it."""
    row = of(integration)
    until = (row.day_seen_at or timezone.now()) + ASK_AGAIN if waiting else None
    why = "Scores, activities and notes wait: little of the CRM's calls for today is left." if waiting else ""
    if row.waiting or waiting or row.waits_until:
        Budget.objects.filter(pk=row.pk).update(waiting=dict(waiting), waits_until=until, waits_for=why)


def _recent(slots: Slots, pace: Pace, now: datetime) -> Slots:
    """The parts of time that still count: each as when its last call was, and how many there were."""
    edge = _ms(now) - _period(pace)
    return [[last, count] for last, count in slots if last > edge]


def _counted(slots: Slots, pace: Pace, now: datetime) -> Slots:
    part = max(1, _period(pace) // SLOTS)
    if slots and slots[-1][0] // part >= _ms(now) // part:
        return [*slots[:-1], [max(slots[-1][0], _ms(now)), slots[-1][1] + 1]]
    return [*slots, [_ms(now), 1]]


def _free_at(slots: Slots, pace: Pace) -> datetime:
    """When the oldest part no longer counts."""
    return datetime.fromtimestamp((slots[0][0] + _period(pace)) / 1000, tz=UTC)


def _period(pace: Pace) -> int:
    return round(pace.seconds * 1000)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
