"""Any process of the worker may be killed at any time: what is queued afterwards is done within a minute."""

import uuid
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from django.utils import timezone
from django_q.models import OrmQ, Task
from django_q.tasks import async_task

from integrations.models import Heartbeat
from lpxgp.processes import is_alive
from tests.processes import probes
from tests.processes.conftest import ALIAS, RunningWorker, until
from webhooks.drain import LEASE
from webhooks.models import Delivery

pytestmark = [pytest.mark.processes, pytest.mark.postgres]

HEALED_WITHIN = 60

IN_CLUSTER = {"main": 0, "sentinel": 1, "idle worker": 2, "monitor": 4, "pusher": 5}


def job_is_done() -> Callable[[], bool]:
    name = f"probe-{uuid.uuid4().hex}"
    async_task("tests.processes.probes.mark", name)
    return Heartbeat.objects.using(ALIAS).filter(name=name).exists


def delivery_is_done(**columns: Any) -> Callable[[], bool]:
    delivery = Delivery.objects.using(ALIAS).create(
        provider="google", webhook_type="calendar-event", dedupe_key=uuid.uuid4().hex, **columns
    )
    untouched = [Delivery.Status.RECEIVED, Delivery.Status.PROCESSING]
    return Delivery.objects.using(ALIAS).filter(pk=delivery.pk).exclude(status__in=untouched).exists


def is_well(worker: RunningWorker) -> None:
    """Both children work: a job and a delivery get through."""
    for is_done, what in ((job_is_done(), "the probe job"), (delivery_is_done(), "the probe delivery")):
        until(is_done, HEALED_WITHIN, f"{what} (log: {worker.log})")
    until(lambda: len(worker.cluster()) == 6, HEALED_WITHIN, "a whole cluster")


@pytest.mark.parametrize("victim", IN_CLUSTER)
def test_a_killed_process_of_the_cluster_is_replaced_with_all_others(worker: RunningWorker, victim: str) -> None:
    is_well(worker)
    cluster = worker.cluster()

    cluster[IN_CLUSTER[victim]].kill()

    caught_in_between = job_is_done()
    until(lambda: not any(map(is_alive, cluster)), HEALED_WITHIN, "the end of the old cluster")
    until(caught_in_between, HEALED_WITHIN, "a job that the dying cluster may have claimed")
    is_well(worker)


def test_a_killed_busy_worker_is_replaced(worker: RunningWorker) -> None:
    is_well(worker)
    cluster = worker.cluster()
    Heartbeat.objects.using(ALIAS).filter(name=probes.BUSY).delete()
    Heartbeat.objects.using(ALIAS).update_or_create(name=probes.HOLD, defaults={"pid": 0, "beat_at": timezone.now()})
    async_task("tests.processes.probes.hold", "60")
    busy = until(Heartbeat.objects.using(ALIAS).filter(name=probes.BUSY).first, HEALED_WITHIN, "the long job's start")
    assert busy.pid in {process.pid for process in cluster[2:4]}

    psutil.Process(busy.pid).kill()
    is_well(worker)

    again = Heartbeat.objects.using(ALIAS).filter(name=probes.BUSY).exclude(pid=busy.pid)
    until(again.exists, HEALED_WITHIN, "the long job's second try")
    Heartbeat.objects.using(ALIAS).filter(name=probes.HOLD).delete()


def test_a_job_over_its_time_is_given_up_once_and_for_all(worker: RunningWorker) -> None:
    is_well(worker)
    Heartbeat.objects.using(ALIAS).update_or_create(name=probes.HOLD, defaults={"pid": 0, "beat_at": timezone.now()})
    job = async_task("tests.processes.probes.hold", "60", timeout=1)

    failed = Task.objects.using(ALIAS).filter(pk=job, success=False)
    until(failed.exists, HEALED_WITHIN, "the record of its failure")
    is_well(worker)

    assert job not in [queued.task_id() for queued in OrmQ.objects.using(ALIAS).all()]
    Heartbeat.objects.using(ALIAS).filter(name=probes.HOLD).delete()


def test_a_killed_drain_loop_is_replaced(worker: RunningWorker) -> None:
    is_well(worker)
    drain = until(lambda: worker.child("drain"), HEALED_WITHIN, "the drain loop's start")

    drain.kill()

    is_well(worker)


def test_what_a_killed_drain_loop_had_claimed_does_not_wait_for_its_lease(worker: RunningWorker) -> None:
    is_well(worker)
    drain = until(lambda: worker.child("drain"), HEALED_WITHIN, "the drain loop's start")
    claim = {"status": Delivery.Status.PROCESSING, "attempts": 1, "lease_until": timezone.now() + LEASE}
    is_done = delivery_is_done(**claim)

    drain.kill()

    until(is_done, LEASE.total_seconds() - 10, "the claimed delivery")
    is_well(worker)


def test_nothing_outlives_a_killed_supervisor_and_the_next_one_starts_at_once(worker: RunningWorker) -> None:
    is_well(worker)
    left = worker.everything()

    worker.kill()
    worker.start()

    is_well(worker)
    until(lambda: not any(map(is_alive, left)), 10, "the end of the old processes")
