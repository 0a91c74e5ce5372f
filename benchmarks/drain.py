"""How fast the inbox is worked off, against one queued task per webhook; and how many syncs a burst of pushes costs.

Both sides are the real processes (``manage.py drain`` and django-q2's cluster), idle before the deliveries come.
"""

import contextlib
import json
import random
import time
from argparse import Namespace
from typing import Any

from django.conf import settings
from django.db import transaction
from django_q.models import OrmQ
from django_q.tasks import async_task

from benchmarks import google_pages, report, scene, stage
from benchmarks.nothing import work_off
from integrations import sync_states
from integrations.models import Channel, Heartbeat, SyncRun, SyncState
from webhooks.models import Attempt, Delivery

TARGET = 10.0
SYNCS = 1.1
TASK = f"{work_off.__module__}.{work_off.__name__}"
BASELINE = "one task per webhook, bulk 50"
PENDING = (Delivery.Status.RECEIVED, Delivery.Status.PROCESSING, Delivery.Status.RETRY)


def main() -> None:
    parser = stage.parser(__doc__, database="postgresql")
    parser.add_argument("--deliveries", type=int, default=5_000)
    parser.add_argument("--tasks", type=int, default=1_000, help="deliveries that go by one task each")
    parser.add_argument("--channels", type=int, default=50)
    parser.add_argument("--burst", type=int, default=600, help="pushes of the burst")
    stage.run("benchmarks.drain", parser.parse_args(), measure)


def measure(options: Namespace) -> stage.Result:
    """The ways in turn, then the burst."""
    channels = scene.open_channels(scene.link(options.channels))
    rounds = report.Rounds()
    for _ in range(options.rounds):
        rounds.add(BASELINE, per_second=_by_tasks(channels, options.tasks, is_bulk=True))
        rounds.add("one task per webhook, bulk 1", per_second=_by_tasks(channels, options.tasks, is_bulk=False))
        rounds.add("drain, 1 process", per_second=_by_drain(channels, options.deliveries, 1))
        rounds.add("drain, 2 processes", per_second=_by_drain(channels, options.deliveries, 2))
    rows, results = [], {}
    for name in rounds.configurations():
        ratio = rounds.ratio(name, BASELINE, "per_second")
        target = report.verdict(ratio, TARGET) if name == "drain, 2 processes" else ""
        rows.append([name, rounds.median(name, "per_second"), ratio, target])
        results[name] = rounds.medians(name) | {"ratio": round(ratio, 2)}
    report.table(["", "deliveries/s", "ratio", "target"], rows)
    return {"speed": results, "burst": _burst(options)}


def _by_drain(channels: list[Channel], count: int, processes: int) -> float:
    """Deliveries per second through claim, read, poke and finish, with a row for each attempt."""
    _clear()
    with contextlib.ExitStack() as running:
        for _ in range(processes):
            running.enter_context(stage.process(stage.manage("drain")))
        stage.until(lambda: Heartbeat.objects.filter(name="drain").exists(), 60, "sign of life of the drain loop")
        scene.deliver(channels, count)
        begun = time.perf_counter()
        pending = Delivery.objects.filter(status__in=PENDING)
        stage.until(lambda: not pending.exists(), 300, "end of the inbox", every=0.01)
        taken = time.perf_counter() - begun
    assert Attempt.objects.count() == count
    return count / taken


def _by_tasks(channels: list[Channel], count: int, is_bulk: bool) -> float:
    """Deliveries per second by a task of its own for each, on the queue as it runs best (``is_bulk``) or as ours."""
    _clear()
    with stage.process(stage.manage("qcluster"), BENCHMARK_BULK="1" if is_bulk else "0"):
        scene.deliver(channels, 2)
        done = Delivery.objects.filter(status=Delivery.Status.DONE)
        for pk in Delivery.objects.values_list("pk", flat=True):
            async_task(TASK, str(pk))
        stage.until(lambda: done.count() == 2, 60, "sign of life of the job queue")
        scene.deliver(channels, count, first=1000)
        with transaction.atomic():
            for pk in Delivery.objects.exclude(status=Delivery.Status.DONE).values_list("pk", flat=True):
                async_task(TASK, str(pk))
        begun = time.perf_counter()
        stage.until(lambda: done.count() == count + 2, 300, "end of the tasks", every=0.01)
        return count / (time.perf_counter() - begun)


def _clear() -> None:
    stage.empty("webhooks_attempt", "webhooks_delivery", OrmQ._meta.db_table, Heartbeat._meta.db_table)
    SyncState.unscoped.update(queued_at=None)


def _burst(options: Namespace) -> dict[str, Any]:
    """Many pushes at once, with real syncs of real pages: each takes 50 ms and more."""
    _clear()
    port = stage.free_port()
    origins = {"https://www.googleapis.com": f"http://127.0.0.1:{port}"}
    environment = {"PROVIDER_ORIGINS": json.dumps(origins)}
    settings.PROVIDER_ORIGINS.update(origins)
    states = scene.link(options.channels)
    for number, state in enumerate(states):
        state.external_id = google_pages.calendar_id(10, 250, 50) + f"-{number}"
    SyncState.unscoped.bulk_update(states, ["external_id"])
    channels = scene.open_channels(states)
    runs = SyncRun.unscoped.filter(state__in=states)
    with (
        stage.process([*stage.python(google_pages), str(port)]),
        stage.process(stage.manage("drain"), **environment),
        stage.process(stage.manage("qcluster"), **environment),
    ):
        stage.wait_for_port(port)
        # The first sync of each is no part of the burst.
        sync_states.poke(state.pk for state in states)
        stage.until(lambda: _are_clean(states), 300, "end of the first syncs")
        before = runs.count()
        random.Random(1).shuffle(channels)
        scene.deliver(channels, options.burst)
        begun = time.perf_counter()
        open_ones = Delivery.objects.exclude(status=Delivery.Status.DONE)
        stage.until(lambda: not open_ones.exists(), 300, "end of the burst")
        taken, syncs = time.perf_counter() - begun, runs.count() - before
    name = f"{options.burst} pushes on {options.channels} calendars"
    target = report.verdict(syncs, SYNCS * options.channels, is_floor=False)
    report.table(["burst", "syncs", "seconds until all are done", "target"], [[name, syncs, taken, target]])
    return {"pushes": options.burst, "channels": options.channels, "syncs": syncs, "seconds": round(taken, 2)}


def _are_clean(states: list[SyncState]) -> bool:
    return not any(state.is_dirty for state in SyncState.unscoped.filter(pk__in=[state.pk for state in states]))


if __name__ == "__main__":
    main()
