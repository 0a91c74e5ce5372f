"""The one list of what the product does by the clock. The database is made equal to it whenever the worker starts."""

from collections import Counter
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django_q.models import Schedule

DAILY = 24 * 60


@dataclass(frozen=True)
class Periodic:
    """A job without arguments that is queued every ``minutes``; django-q2 looks twice a minute."""

    name: str
    job: str
    minutes: int
    why: str


SCHEDULES = (
    Periodic("syncs", "integrations.jobs.sweep", 1, "polls and retries that are due, syncs whose process died"),
    Periodic("channels", "integrations.jobs.renew_channels", 1, "push channels are opened, renewed, stopped in time"),
    Periodic("stale", "integrations.jobs.tell_stale", 5, "users learn once by mail that a connection broke"),
    Periodic("rematch", "integrations.jobs.rematch", 1, "contacts added later get their past"),
    Periodic("briefs", "relationships.jobs.make_briefs", 1, "a brief is ready before each meeting"),
    Periodic("follow-ups", "relationships.jobs.sweep_follow_ups", 60, "answers nobody expects any more leave the list"),
    Periodic("inbox", "webhooks.jobs.sweep", 1, "deliveries whose process died are tried again"),
    Periodic("crm news", "crm.jobs.sweep", 1, "what changed here reaches the CRM within a minute or two"),
    Periodic("crm drift", "crm.jobs.report_drift", DAILY, "both sides are compared, and differences are shown"),
    Periodic("old crm records", "crm.jobs.purge", DAILY, "the ledger and the journal are kept for a limited time"),
    Periodic("old deliveries", "webhooks.jobs.purge", DAILY, "finished deliveries are kept for a limited time"),
    Periodic("old names", "relationships.jobs.forget_names", DAILY, "the admin's log names nobody who was deleted"),
    Periodic("old runs", "integrations.jobs.purge", DAILY, "old sync runs, consents and sessions are removed"),
)


def ensure() -> Counter[str]:
    """Make django-q2's schedules equal to SCHEDULES; counts how many were created, changed, deleted and kept."""
    with transaction.atomic():
        done = Counter(_ensure_one(wanted) for wanted in SCHEDULES)
        unwanted = Schedule.objects.exclude(name__in=[wanted.name for wanted in SCHEDULES])
        unwanted |= Schedule.objects.filter(name__isnull=True)
        done["deleted"] = unwanted.delete()[0]
    return done


def _ensure_one(wanted: Periodic) -> str:
    columns: dict[str, object] = {
        "func": wanted.job,
        "schedule_type": Schedule.MINUTES,
        "minutes": wanted.minutes,
        "repeats": -1,
        # One schedule with arguments that cannot be read would stop all others.
        **dict.fromkeys(("args", "kwargs", "hook", "cluster", "cron", "intended_date_kwarg")),
    }
    named = Schedule.objects.filter(name=wanted.name)
    if len(named) == 1 and named.filter(next_run__isnull=False, **columns).exists():
        return "kept"
    what = "changed" if named else "created"
    named.all().delete()
    Schedule.objects.create(name=wanted.name, next_run=timezone.now(), **columns)
    return what
