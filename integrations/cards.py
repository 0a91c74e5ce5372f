"""What the settings page says about each link: state, counts, progress, pushes.

The same few queries for all cards, whatever the number of links; a few more for each mailbox whose past is being read.
"""

import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.utils import timezone

from integrations import administrators, channels, owners, providers
from integrations.administrators import Asked
from integrations.contract import Provider, Scope, Service
from integrations.email import plans
from integrations.email.plans import Plan
from integrations.kinds import KINDS, Kind
from integrations.models import Channel, Integration, SetAside, SyncRun, SyncState
from relationships.models import User

SYNC_NOW_EVERY = timedelta(seconds=30)
LONG_WAIT = timedelta(minutes=2)
# A new link's pushes are arranged within seconds; where they cannot be, the page stops asking after this.
ARRANGED_WITHIN = timedelta(minutes=2)

TONES = {
    Integration.Status.ACTIVE: "ok",
    Integration.Status.SYNCING: "busy",
    Integration.Status.PAUSED: "off",
    Integration.Status.STALE: "bad",
    Integration.Status.REVOKED: "off",
    Integration.Status.ERROR: "warn",
}


@dataclass(frozen=True)
class Push:
    """How changes of one resource reach us, in words."""

    tone: str
    words: str


@dataclass(frozen=True)
class Line:
    """One resource of a link, such as a calendar: its last run and how pushes are doing.

    ``counts`` is what was found, by its name: events and meetings, or messages, exchanges and answers owed.
    """

    state: SyncState
    run: SyncRun | None
    push: Push
    counts: Counter[str]
    set_aside: int
    plan: Plan | None = None

    @property
    def waits_for(self) -> str:
        """Why it goes on by itself at ``state.next_attempt_at`` and not before; empty where it does not wait.

        While a plan is shown, its own words say when reading begins.
        """
        run, again_at = self.run, self.state.next_attempt_at
        is_planned = self.plan is not None and self.plan.begins_at is not None
        if is_planned or run is None or run.outcome != SyncRun.Outcome.INTERRUPTED or self.state.last_error:
            return ""
        label = providers.get(self.state.integration.provider).label
        return run.error.replace("The provider", label) if again_at and again_at > timezone.now() else ""


@dataclass(frozen=True)
class Card:
    """One thing that can be linked, and how it is doing if it is.

    ``may_change``: whoever looks decides about it; else it belongs to his company, and ``admins`` names whom to ask.
    """

    provider: Provider
    service: Service
    is_set_up: bool
    integration: Integration | None = None
    lines: Sequence[Line] = field(default=())
    missing: Sequence[Scope] = field(default=())
    asked: Asked | None = None
    may_change: bool = True
    admins: str = ""

    @property
    def is_test_account(self) -> bool:
        """Whether it is a copy to try things in, such as a sandbox."""
        return self.integration is not None and bool(self.integration.details.get("is_sandbox"))

    @property
    def kind(self) -> Kind:
        return KINDS[self.service.resource]

    @property
    def is_linked(self) -> bool:
        return self.integration is not None and self.integration.sync_status != Integration.Status.REVOKED

    @property
    def pause(self) -> Line | None:
        """What cannot go on for minutes, or hours, while nothing else is read; shorter waits are a part of reading."""
        if self.running or not self.is_busy:
            return None
        later = timezone.now() + LONG_WAIT
        waiting = [line for line in self.lines if line.waits_for]
        return next((line for line in waiting if (line.state.next_attempt_at or later) > later), None)

    @property
    def tone(self) -> str:
        if self.pause:
            return "warn"
        return TONES[Integration.Status(self.integration.sync_status)] if self.integration else "off"

    @property
    def is_waiting(self) -> bool:
        """Whether nothing can be read before the member's administrator allows it."""
        return not self.is_linked and self.asked is not None and self.asked.row.granted_at is None

    @property
    def is_busy(self) -> bool:
        """Whether something is being read, or is about to be: then the card refreshes itself."""
        if self.integration is None or not self.integration.works:
            return False
        return self.integration.resources_listed_at is None or any(
            line.state.held_by or (line.state.is_dirty and line.state.gave_up_mark < line.state.dirty_mark)
            for line in self.lines
        )

    @property
    def refresh_seconds(self) -> int:
        """How often the page asks what is new; 0 where nothing is about to change."""
        if self.pause:
            return 30
        if self.is_busy:
            return 5 if any(line.plan for line in self.lines) else 2
        integration = self.integration
        is_arranging = any(line.push.tone == "busy" for line in self.lines)
        if integration is None or not integration.works or not is_arranging:
            return 0
        return 5 if integration.status_changed_at > timezone.now() - ARRANGED_WITHIN else 0

    @property
    def face(self) -> str:
        """A mark of everything shown but counts and times: while it stays, only those are exchanged on the page."""
        integration = self.integration
        if integration is None:
            return ""
        lines = [
            (line.state.pk, line.state.last_error, line.state.last_error and line.state.next_attempt_at, line.push)
            for line in self.lines
        ]
        state = (integration.sync_status, integration.reason, self.shows_plan, self.pause is None)
        shown = (*state, self.refresh_seconds, len(self.missing), self.may_change, lines)
        return f"{zlib.crc32(repr(shown).encode()):x}"

    @property
    def running(self) -> Sequence[Line]:
        return [line for line in self.lines if line.run and line.run.outcome == SyncRun.Outcome.RUNNING]

    @property
    def found_so_far(self) -> int:
        return sum(line.run.found for line in self.running if line.run)

    @property
    def touchpoints_so_far(self) -> int:
        return sum(line.run.touchpoints for line in self.running if line.run)

    @property
    def next_sync_at(self) -> datetime | None:
        moments = [line.state.next_attempt_at or line.state.next_poll_at for line in self.lines]
        return min((moment for moment in moments if moment), default=None)

    @property
    def counts(self) -> Counter[str]:
        return sum((line.counts for line in self.lines), Counter())

    @property
    def plan(self) -> Plan | None:
        """What is still to be read, where that is known."""
        return next((line.plan for line in self.lines if line.plan), None)

    @property
    def shows_plan(self) -> bool:
        """Whether a plan is shown before reading begins."""
        return self.plan is not None and self.plan.begins_at is not None

    @property
    def set_aside(self) -> int:
        return sum(line.set_aside for line in self.lines)

    @property
    def sync_now_at(self) -> datetime | None:
        """When "Sync now" is allowed again; None where it is allowed now, as it is to begin what a plan tells of."""
        if self.shows_plan:
            return None
        began = [line.run.started_at for line in self.lines if line.run]
        again = max(began) + SYNC_NOW_EVERY if began else None
        return again if again and again > timezone.now() else None


def for_user(user: User) -> list[Card]:
    """A card for everything this installation's providers offer to a member and his company, linked or not."""
    rows = Integration.objects.filter(Q(user=user) | Q(user=None)).select_related("linked_by")
    linked = {(row.provider, row.integration_type): row for row in rows}
    asked = administrators.asked(user)
    lines = _lines([row.pk for row in linked.values()])
    admins = "" if user.is_company_admin else owners.admin_names()
    cards = []
    for slug in providers.slugs():
        provider = providers.get(slug)
        for service in provider.services:
            integration = linked.get((slug, service.type))
            card = _card(provider, service, integration, lines)
            # What works waits for nobody, whatever was asked before.
            waits = integration is None or not integration.works
            may_change = user.is_company_admin or not service.is_company_wide
            news = asked.get((slug, service.type)) if waits else None
            cards.append(replace(card, asked=news, may_change=may_change, admins=admins))
    return sorted(cards, key=lambda card: card.service.is_company_wide)


def for_integration(integration: Integration, viewer: User | None = None) -> Card:
    """The card of one link, as its user sees it, or this viewer where it is a company's."""
    provider = providers.get(integration.provider)
    service = providers.service(integration.provider, integration.integration_type)
    card = _card(provider, service, integration, _lines([integration.pk]))
    if integration.user is None:
        may_change = viewer is not None and owners.may_change(viewer, integration)
        return replace(card, may_change=may_change, admins=owners.admin_names())
    if integration.works:
        return card
    return replace(card, asked=administrators.asked(integration.user).get((provider.slug, service.type)))


def _card(
    provider: Provider, service: Service, integration: Integration | None, lines: dict[uuid.UUID, list[Line]]
) -> Card:
    is_set_up = providers.is_set_up(provider.slug)
    if integration is None:
        return Card(provider, service, is_set_up)
    missing = [scope for scope in service.scopes if scope.name not in integration.scopes]
    return Card(provider, service, is_set_up, integration, lines.get(integration.pk, []), missing)


def _lines(integration_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Line]]:
    """The chosen resources of each link."""
    rows = SyncState.objects.filter(integration__in=list(integration_ids), is_chosen=True)
    states = list(rows.select_related("integration"))
    ids = [state.pk for state in states]
    newest = SyncRun.objects.filter(state__in=ids).values("state").annotate(at=Max("started_at"))
    newest_at = {row["state"]: row["at"] for row in newest}
    runs = {
        run.state_id: run
        for run in SyncRun.objects.filter(state__in=ids, started_at__in=newest_at.values()).order_by("started_at")
    }
    counts: dict[uuid.UUID, Counter[str]] = {}
    for kind in {state.resource_type for state in states}:
        counts |= KINDS[kind].counts([state.pk for state in states if state.resource_type == kind])
    planned = plans.plans([state for state in states if state.resource_type == "mailbox"])
    aside = dict(
        SetAside.objects.filter(state__in=ids).values("state").annotate(n=Count("pk")).values_list("state", "n")
    )
    # The newest counts, but one that lives counts more than its successor under way.
    newest_one = Channel.objects.filter(sync_state=OuterRef("sync_state")).order_by("-created_at").values("pk")[:1]
    found = (
        Channel.objects.filter(Q(state=Channel.State.LIVE) | Q(pk=Subquery(newest_one)), sync_state__in=ids)
        .order_by("created_at")
        .select_related("integration")
    )
    channel_of = {row.sync_state_id: row for row in sorted(found, key=lambda row: row.state == Channel.State.LIVE)}
    lines: dict[uuid.UUID, list[Line]] = defaultdict(list)
    for state in states:
        lines[state.integration_id].append(
            Line(
                state=state,
                run=runs.get(state.pk),
                push=push_words(state, channel_of.get(state.pk)),
                counts=counts.get(state.pk, Counter()),
                set_aside=aside.get(state.pk, 0),
                plan=planned.get(state.pk),
            )
        )
    return lines


def push_words(state: SyncState, channel: Channel | None) -> Push:
    """Whether changes are pushed to us, and what is done where they are not."""
    every = f"every {settings.POLL_MINUTES} minutes"
    if channel is None or channel.state in {Channel.State.OPENING, Channel.State.STOPPING, Channel.State.STOPPED}:
        return Push("busy", f"Changes are read {every}; instant updates are being arranged.")
    if channel.state == Channel.State.FAILED:
        return Push("warn", f"No instant updates: {channel.error} Changes are read {every}.")
    if channel.state == Channel.State.EXPIRED:
        return Push("warn", f"Instant updates lapsed and are being renewed. Changes are read {every}.")
    if channel.error:
        return Push("warn", f"Instant updates could not be renewed: {channel.error} Changes are read {every}.")
    if state.last_push_at is None and channels.is_opened_here(channel.integration):
        return Push("off", f"Changes are checked {every}.")
    if state.missed_pushes:
        return Push("warn", f"The last changes came without an announcement; the check {every} found them.")
    return Push("ok", f"Changes arrive at once, and are checked {every}.")
