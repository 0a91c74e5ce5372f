"""What the product says about itself: /livez and /readyz for orchestrators, /metrics for Prometheus.

/readyz is about this web process: may it be sent requests? The worker's age is told beside it and does not change the
answer, since taking the web away would lose webhooks because a worker is slow.
"""

import os
from datetime import timedelta
from functools import cache

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from integrations.models import Heartbeat
from lpxgp import metrics

log = structlog.get_logger("lpxgp.health")

WORKER_HEARTBEATS = ("cluster", "drain")
LATE_AFTER = timedelta(seconds=60)
WRITE_EVERY = timedelta(seconds=5)


class NotReadyError(Exception):
    """This process may not be sent requests; the message says why."""


def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process can answer at all."""
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> HttpResponse:
    """200, or 503 with the reasons; beside it the age in seconds of the worker's heartbeats."""
    reasons, ages = [], {}
    try:
        ages = _beat_and_read()
        _check_migrations()
    except NotReadyError as error:
        reasons.append(str(error))
    except DatabaseError as error:
        log.exception("not_ready")
        reasons.append(f"The database does not answer or cannot be written ({type(error).__name__}).")
    body = {"status": "not ready" if reasons else "ready", "reasons": reasons, "worker": _worker(ages)}
    return JsonResponse(body, status=503 if reasons else 200)


def show_metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text for the bearer of METRICS_TOKEN or for signed-in staff; to others it does not exist."""
    if not (_bears_metrics_token(request) or (request.user.is_authenticated and request.user.is_staff)):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics.DatabaseCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _beat_and_read() -> dict[str, float]:
    """Age in seconds of every heartbeat, after a write that proves the database takes one (at most every 5 s)."""
    now = timezone.now()
    beats = dict(Heartbeat.objects.values_list("name", "beat_at"))
    if "web" not in beats or now - beats["web"] >= WRITE_EVERY:
        Heartbeat.objects.bulk_create(
            [Heartbeat(name="web", pid=os.getpid(), beat_at=now)],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["pid", "beat_at"],
        )
    return {name: round((now - beat_at).total_seconds(), 1) for name, beat_at in beats.items()}


@cache
def _check_migrations() -> None:
    """Raises NotReadyError where the database is older than this code. Once good, it stays good for this process."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReadyError("The database needs migrations: run manage.py migrate.")


def _worker(ages: dict[str, float]) -> dict[str, dict[str, object]]:
    return {
        name: {"age_seconds": age, "is_late": age is None or age > LATE_AFTER.total_seconds()}
        for name in WORKER_HEARTBEATS
        for age in [ages.get(name)]
    }


def _bears_metrics_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return bool(settings.METRICS_TOKEN) and scheme == "Bearer" and constant_time_compare(token, settings.METRICS_TOKEN)
