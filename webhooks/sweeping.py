"""Puts right what died half-way, and forgets what is old."""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from webhooks import drain, failures, retries
from webhooks.failures import GivenUp
from webhooks.models import Attempt, Delivery

MOST_AT_ONCE = 500
KEEP_BODIES = timedelta(days=14)
KEEP_ATTEMPTS = timedelta(days=90)

WORKER_DIED = "Its worker died."
WORKER_DIED_ALWAYS = f"Its worker died, and {retries.MAX_ATTEMPTS} tries are used up."

Status, Outcome = Delivery.Status, Attempt.Outcome


def free_expired() -> int:
    """Give deliveries back whose worker was silent for longer than its lease; returns how many.

    From now on they are tried alone: any of them may be what killed the worker. One that used up its tries is failed.
    """
    return _free(timezone.now())


def free_all() -> int:
    """The same for every claim there is, for whoever knows that nobody works on any of them; returns how many.

    A worker that lives after all can store nothing of its claim any more.
    """
    return _free(timezone.now() + drain.LEASE)


def _free(until: datetime) -> int:
    """Give back what is claimed ``until`` then at most."""
    now = timezone.now()
    with transaction.atomic():
        expired = list(Delivery.objects.raw(_EXPIRED, [connection.ops.adapt_datetimefield_value(until), MOST_AT_ONCE]))
        if not expired:
            return 0
        spent = [one for one in expired if retries.is_used_up(one.attempts)]
        others = [one.pk for one in expired if not retries.is_used_up(one.attempts)]
        still = Delivery.objects.filter(status=Status.PROCESSING, lease_until__lte=until)
        still.filter(pk__in=others).update(
            status=Status.RETRY, lease_until=None, next_attempt_at=now, is_suspect=True, error=WORKER_DIED
        )
        still.filter(pk__in=[one.pk for one in spent]).update(
            status=Status.FAILED, lease_until=None, finished_at=now, error=WORKER_DIED_ALWAYS
        )
        Attempt.objects.filter(delivery__in=[one.pk for one in expired], outcome=Outcome.RUNNING).update(
            outcome=Outcome.LOST, error=WORKER_DIED
        )
        failures.record(GivenUp(one, failures.LOST, WORKER_DIED_ALWAYS) for one in spent)
    return len(expired)


_EXPIRED = """
    SELECT * FROM webhooks_delivery WHERE status = 'processing' AND lease_until <= %s ORDER BY lease_until LIMIT %s
"""
# Its state is a literal, not a parameter: only so can SQLite use the partial index.


def forget_old() -> int:
    """Delete what was sent with finished deliveries after 14 days, and attempts after 90; returns how many rows.

    A delivery keeps its row, so that the same request sent once more is still known.
    """
    now = timezone.now()
    finished = Delivery.objects.filter(
        status__in=[Status.DONE, Status.IGNORED], received_at__lt=now - KEEP_BODIES
    ).exclude(body=b"", headers={})
    old = Attempt.objects.filter(started_at__lt=now - KEEP_ATTEMPTS)
    total = 0
    while pks := list(finished.order_by().values_list("pk", flat=True)[:MOST_AT_ONCE]):
        total += Delivery.objects.filter(pk__in=pks).update(body=b"", headers={})
    while pks := list(old.order_by().values_list("pk", flat=True)[:MOST_AT_ONCE]):
        total += Attempt.objects.filter(pk__in=pks).delete()[0]
    return total
