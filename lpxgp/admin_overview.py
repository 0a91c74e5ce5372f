"""What the admin's first page says of how the product runs: a few numbers, each with the list behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.contrib.auth import get_permission_codename
from django.db.models import Min, Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from integrations.models import Channel, Heartbeat, Integration
from lpxgp.health import LATE_AFTER, WORKER_HEARTBEATS
from webhooks.models import Delivery, WebhookFailure

UNDER_WAY = (Delivery.Status.RECEIVED, Delivery.Status.PROCESSING, Delivery.Status.WAITING, Delivery.Status.RETRY)
LATE_DELIVERY = timedelta(minutes=5)
LATE_RENEWAL = timedelta(hours=1)


@dataclass(frozen=True)
class Line:
    """One thing to know; ``address`` is the list behind it, ``needs_somebody`` whether staff should look now."""

    label: str
    words: str
    address: str
    needs_somebody: bool


def lines(request: HttpRequest) -> list[Line]:
    """What this member of the staff may see, with one query for each line however many rows there are."""
    now = timezone.now()
    known: list[tuple[type[Model], Callable[[datetime], Line]]] = [
        (WebhookFailure, _failures),
        (Delivery, _oldest),
        (Integration, _stale),
        (Channel, _channels),
        (Heartbeat, _worker),
    ]
    return [make(now) for model, make in known if _may_view(request, model)]


def _may_view(request: HttpRequest, model: type[Model]) -> bool:
    label, options = model._meta.app_label, model._meta
    return any(request.user.has_perm(f"{label}.{get_permission_codename(do, options)}") for do in ("view", "change"))


def _list(model: type[Model], **query: str) -> str:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def _failures(now: datetime) -> Line:
    count = WebhookFailure.objects.filter(resolved=False).count()
    words = f"{count:,} wait for somebody" if count else "None: every delivery arrived or is under way"
    return Line("Open failures", words, _list(WebhookFailure), count > 0)


def _oldest(now: datetime) -> Line:
    oldest = Delivery.objects.filter(status__in=UNDER_WAY).aggregate(oldest=Min("received_at"))["oldest"]
    words = f"Received {_ago(oldest, now)}" if oldest else "None: all have been worked off"
    address = _list(Delivery, status__in=",".join(UNDER_WAY), o="1")
    return Line("Oldest delivery under way", words, address, bool(oldest) and now - oldest > LATE_DELIVERY)


def _stale(now: datetime) -> Line:
    count = Integration.unscoped.filter(sync_status=Integration.Status.STALE).count()
    words = f"{count:,}: their users were told" if count else "None: all linked accounts are connected or paused"
    return Line("Accounts to be reconnected", words, _list(Integration, sync_status__exact="stale"), count > 0)


def _channels(now: datetime) -> Line:
    late = now - LATE_RENEWAL
    count = Channel.unscoped.filter(state=Channel.State.LIVE, renew_at__lt=late).count()
    words = f"{count:,} late by an hour or more: is the worker running?" if count else "None: all are renewed in time"
    address = _list(Channel, state__exact="live", renew_at__lt=late.isoformat(timespec="seconds"))
    return Line("Push channels that expire unrenewed", words, address, count > 0)


def _worker(now: datetime) -> Line:
    beats = dict(Heartbeat.objects.filter(name__in=WORKER_HEARTBEATS).values_list("name", "beat_at"))
    last = (
        min((beats[name] for name in WORKER_HEARTBEATS), default=None) if len(beats) == len(WORKER_HEARTBEATS) else None
    )
    is_late = last is None or now - last > LATE_AFTER
    words = f"Last sign of life {_ago(last, now)}" if last else "No sign of life yet: start manage.py worker"
    return Line("Worker", words, _list(Heartbeat), is_late)


def _ago(then: datetime, now: datetime) -> str:
    seconds = int((now - then).total_seconds())
    return f"{max(seconds, 0)} s ago" if seconds < 60 else f"{timesince(then, now, depth=1)} ago"
