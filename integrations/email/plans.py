"""How far the reading of a mailbox is: what was found, what is left, and how long the quota makes it take."""

import math
import uuid
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.utils import timezone

from integrations import providers
from integrations.contract import MailRef
from integrations.email import searches
from integrations.email.models import EmailMessage, MailSearch, MailToRead
from integrations.models import SyncRun, SyncState
from relationships.models import FollowUp

SAMPLE = 500
"""So many of the messages that are left are priced; the others are taken to cost the same."""


@dataclass(frozen=True)
class Plan:
    """A first sync, the reading of a gap, or of the past mail of new contacts (``about`` names these).

    ``minutes`` is what is left by the quota alone, rounded up; while ``is_listing`` both it and ``left`` still grow.
    ``begins_at`` is when reading begins by itself, while the plan is shown first.
    """

    is_listing: bool
    read: int
    left: int
    minutes: int
    about: tuple[str, ...]
    begins_at: datetime | None

    @property
    def total(self) -> int:
        return self.read + self.left


@dataclass(frozen=True)
class Forecast:
    """What a first sync would look for, said before consent. Without ``is_search`` all mail of the time is looked at.

    The provider's quota lets ``per_minute`` messages be read in a minute.
    """

    is_search: bool
    addresses: int
    domains: int
    days: int
    per_minute: int
    minutes_of_a_thousand: int


def counts(state_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Counter[str]]:
    """For each mailbox: its stored messages, those that count as an exchange, and the answers owed by now."""
    found: dict[uuid.UUID, Counter[str]] = {}
    rows = EmailMessage.objects.filter(state__in=state_ids).order_by().values("state")
    is_exchange = Q(verdict=EmailMessage.Verdict.EXCHANGE)
    for row in rows.annotate(messages=Count("pk"), exchanges=Count("pk", filter=is_exchange)):
        state_id = row.pop("state")
        found[state_id] = Counter(row)
    if found:
        is_owed = Q(outcome=FollowUp.Outcome.OPEN, due_at__lte=timezone.now())
        owed = FollowUp.objects.filter(is_owed, user__integrations__sync_states__in=found).order_by()
        for state_id, number in owed.values_list("user__integrations__sync_states").annotate(Count("pk")):
            found[state_id]["owed"] = number
    return found


def plans(states: Iterable[SyncState]) -> dict[uuid.UUID, Plan]:
    """The plan of each mailbox that has one. One query where none has; none without a mailbox."""
    by_pk = {state.pk: state for state in states}
    if not by_pk:
        return {}
    asked = MailSearch.objects.filter(state__in=by_pk).annotate(left=Count("to_read"))
    under_way: dict[uuid.UUID, list[MailSearch]] = {}
    for search in asked.filter(Q(listed_at__isnull=True) | Q(left__gt=0)):
        under_way.setdefault(search.state_id, []).append(search)
    return {pk: _plan(by_pk[pk], found) for pk, found in under_way.items()}


def _plan(state: SyncState, asked: Collection[MailSearch]) -> Plan:
    adapter = providers.mail_adapter(state.integration.provider)
    to_read = MailToRead.objects.filter(state=state)
    left = to_read.count()
    sample = [MailRef(*row) for row in to_read.order_by("thread_id").values_list("external_id", "thread_id")[:SAMPLE]]
    units = adapter.cost(sample) * left / len(sample) if sample else 0
    is_listing = any(search.listed_at is None for search in asked)
    is_contacts = all(search.purpose == MailSearch.Purpose.CONTACT and search.about for search in asked)
    return Plan(
        is_listing=is_listing,
        read=_read_since(state, min(search.created_at for search in asked)),
        left=left,
        minutes=math.ceil(units / adapter.units_per_minute),
        about=tuple(sorted({search.about for search in asked})) if is_contacts else (),
        begins_at=None if is_listing else _begins_at(state),
    )


def _begins_at(state: SyncState) -> datetime | None:
    """When reading begins by itself; None where some of what was found is being read already, or is about to be."""
    if state.next_attempt_at is None:
        return None
    being_read = MailToRead.objects.filter(state=state, search__isnull=False, due_at__lte=timezone.now())
    return None if being_read.exists() else searches.planned_at(state)


def _read_since(state: SyncState, began_at: datetime) -> int:
    """How many messages were read by runs that went on, or began, after that."""
    runs = SyncRun.objects.filter(Q(finished_at__isnull=True) | Q(finished_at__gt=began_at), state=state)
    return runs.aggregate(read=Sum("found"))["read"] or 0


def forecast(provider: str, scopes: Collection[str]) -> Forecast:
    """What linking a mailbox of this provider would begin, for the current company."""
    adapter = providers.mail_adapter(provider)
    emails, domains = searches.everybody()
    since = timezone.now() - timedelta(days=settings.HISTORY_DAYS_BACK)
    questions = adapter.queries(scopes, emails, domains, since)
    per_minute = max(1, adapter.units_per_minute // max(1, adapter.cost([MailRef("one")])))
    return Forecast(
        is_search=any(question.addresses or question.domains for question in questions),
        addresses=len(emails),
        domains=len(domains),
        days=settings.HISTORY_DAYS_BACK,
        per_minute=per_minute,
        minutes_of_a_thousand=math.ceil(1000 / per_minute),
    )
