"""What is wrong between a company and its CRM, counted for the staff's error console."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from crm import budgets
from crm.catalogue import KIND_LABELS
from crm.errors import CAUSES, Cause
from crm.models import Budget, Policy, RecordLink
from integrations import providers
from integrations.models import Integration, SetAside


@dataclass(frozen=True)
class Group:
    """Records that failed for the same cause, at the same field."""

    key: str
    field: str
    cause: Cause
    count: int
    last_at: datetime | None


@dataclass(frozen=True)
class Allowance:
    """The CRM's calls of a day: used by anybody, ours today, and what waits because they are short.

    ``left`` is of our share, None where the CRM tells no limit.
    """

    used: int
    limit: int | None
    seen_at: datetime | None
    share: int
    left: int | None
    our_calls: int
    waiting: Sequence[tuple[str, int]]
    waits_for: str
    waits_until: datetime | None

    @property
    def percent(self) -> int:
        return min(100, self.used * 100 // self.limit) if self.limit else 0


@dataclass(frozen=True)
class Standing:
    """One CRM in the overview of all."""

    integration: Integration
    allowance: Allowance
    failed: int
    set_aside: int

    @property
    def label(self) -> str:
        """A company and its CRM."""
        return f"{self.integration.company} and {providers.get(self.integration.provider).label}"


def standings(integrations: Sequence[Integration]) -> list[Standing]:
    """How each of these is doing. Four queries, however many they are."""
    ids = [integration.pk for integration in integrations]
    failed = _counted(RecordLink.objects.filter(integration__in=ids).exclude(error_cause=""), "integration")
    aside = _counted(SetAside.objects.filter(state__integration__in=ids), "state__integration")
    rows = {budget.integration_id: budget for budget in Budget.objects.filter(integration__in=ids)}
    shares = dict(Policy.objects.filter(integration__in=ids).values_list("integration", "daily_share"))
    return [
        Standing(one, _allowance(rows.get(one.pk), shares.get(one.pk)), failed.get(one.pk, 0), aside.get(one.pk, 0))
        for one in integrations
    ]


def groups(integration: Integration) -> list[Group]:
    """Why records failed, the commonest cause first. One query."""
    rows = failed(integration).order_by().values("error_cause", "error_field")
    counted = rows.annotate(count=Count("pk"), last_at=Max("failed_at")).order_by("-count", "error_cause")
    return [
        Group(row["error_cause"], row["error_field"], cause_of(row["error_cause"]), row["count"], row["last_at"])
        for row in counted
    ]


def failed(integration: Integration, cause: str = "", field: str | None = None) -> QuerySet[RecordLink]:
    """The links that failed, for one cause and field where these are given; the newest trouble first."""
    rows = RecordLink.objects.filter(integration=integration).exclude(error_cause="")
    if cause:
        rows = rows.filter(error_cause=cause)
    if field is not None:
        rows = rows.filter(error_field=field)
    return rows.select_related("integration").order_by("-failed_at", "pk")


def set_aside(integration: Integration) -> QuerySet[SetAside]:
    """The CRM's records that could not be taken in, by their reason."""
    return SetAside.objects.filter(state__integration=integration).order_by("reason", "external_id")


def cause_of(name: str) -> Cause:
    """What a cause means. One that this version does not know is unknown."""
    return CAUSES.get(name, CAUSES["unknown"])


def _allowance(budget: Budget | None, share: int | None) -> Allowance:
    percent = share if share is not None else Policy._meta.get_field("daily_share").get_default()
    if budget is None:
        return Allowance(0, None, None, percent, None, 0, [], "", None)
    now = timezone.now()
    is_waiting = budget.waits_until is not None and budget.waits_until > now
    left = budgets.left(budget, percent, now)
    return Allowance(
        used=budget.day_used,
        limit=budget.day_limit,
        seen_at=budget.day_seen_at,
        share=percent,
        left=max(0, int(left)) if left != float("inf") else None,
        our_calls=budget.our_calls if budget.our_day == now.date() else 0,
        waiting=[(KIND_LABELS.get(kind, kind), count) for kind, count in _numbers(budget.waiting)],
        waits_for=budget.waits_for if is_waiting else "",
        waits_until=budget.waits_until if is_waiting else None,
    )


def _numbers(waiting: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(kind, count) for kind, count in waiting.items() if count]


def _counted(rows: QuerySet[RecordLink] | QuerySet[SetAside], by: str) -> dict[uuid.UUID, int]:
    return dict(rows.order_by().values_list(by).annotate(Count("pk")))
