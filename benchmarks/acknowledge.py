"""Durable acknowledgements per second of the webhook view, against a view that does nothing.

Both on the same server (gunicorn with gunicorn.conf.py, waitress), with the same settings and database, in interleaved
rounds. Every 202 is checked to be a row.
"""

import contextlib
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks import load, report, scene, stage
from integrations.models import Channel, SyncState
from webhooks.models import Delivery

PUSH = "/webhooks/calendar-event/google"
NOTHING = "/webhooks/nothing"
FLOORS = {"postgresql": 0.40, "sqlite": 0.25}
"""Targets: share of the view that does nothing, under gunicorn."""
BASELINE = "gunicorn: nothing"


@dataclass(frozen=True)
class Stand:
    """One thing to measure: what is posted where, on which server."""

    name: str
    server: psutil.Process
    port: int
    path: str
    is_draining: bool = False


def main() -> None:
    parser = stage.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="per measurement (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--inbox", type=int, default=100_000, help="rows there already in the second count")
    stage.run("benchmarks.acknowledge", parser.parse_args(), measure)


def measure(options: Namespace) -> stage.Result:
    """All stands in turn, then the statements of one webhook."""
    channels = scene.open_channels(scene.link(20))
    print(f"Load by {load.tool(options.seconds)}, {options.connections} connections.", flush=True)
    rounds = report.Rounds()
    with (
        stage.server("gunicorn") as (gunicorn, gunicorn_port),
        stage.server("gunicorn", BENCHMARK_BARE="1") as (bare, bare_port),
        stage.server("waitress") as (waitress, waitress_port),
    ):
        stands = [
            Stand(BASELINE, gunicorn, gunicorn_port, NOTHING),
            Stand("gunicorn: nothing, no middleware", bare, bare_port, NOTHING),
            Stand("gunicorn: webhook", gunicorn, gunicorn_port, PUSH),
            Stand("gunicorn: webhook while draining", gunicorn, gunicorn_port, PUSH, is_draining=True),
            Stand("waitress: nothing", waitress, waitress_port, NOTHING),
            Stand("waitress: webhook", waitress, waitress_port, PUSH),
        ]
        # Unmeasured: every process has imported what it needs, and every connection is open.
        seconds = min(1.0, options.seconds)
        for number, stand in enumerate(stands):
            load.run(stand.port, stand.path, _headers(channels), seconds, options.connections, 1 + number * 10**9)
        for turn in range(1, options.rounds + 1):
            for number, stand in enumerate(stands):
                first = (turn * len(stands) + number) * 10**9
                rounds.add(stand.name, **_one(stand, channels, options, first))
    return _report(rounds) | {"statements": _statements(channels, options.inbox)}


def _headers(channels: list[Channel]) -> dict[str, str]:
    return scene.push_headers(channels[0])


def _one(stand: Stand, channels: list[Channel], options: Namespace, first: int) -> dict[str, float]:
    """One measurement of one stand; raises AssertionError where an accepted push is no row."""
    postgres = stage.database_server()
    before = Delivery.objects.count()
    used, database_used = stage.cpu_seconds(stand.server), stage.cpu_seconds(postgres) if postgres else 0.0
    with _draining() if stand.is_draining else contextlib.nullcontext():
        gave = load.run(stand.port, stand.path, _headers(channels), options.seconds, options.connections, first)
        used = stage.cpu_seconds(stand.server) - used
        database_used = (stage.cpu_seconds(postgres) if postgres else 0.0) - database_used
    stored = _stored(before)
    unheard = options.connections if load.tool(options.seconds) == load.WRK else 0
    if stand.path == PUSH:
        assert gave.accepted <= stored <= gave.accepted + unheard, f"{gave.accepted} accepted, {stored} stored"
    failed = gave.errors + sum(count for status, count in gave.answers.items() if status != "202")
    return {
        "per_second": gave.per_second,
        "p50": gave.p50,
        "p99": gave.p99,
        "failed": failed,
        "server_us": 1e6 * used / max(1, gave.accepted),
        "database_us": 1e6 * database_used / max(1, gave.accepted),
    }


def _stored(before: int) -> int:
    """How many rows came since, once no more come: wrk hangs up with requests under way, which are stored unheard."""
    counts = [-1, Delivery.objects.count()]
    while counts[-1] != counts[-2]:
        time.sleep(0.1)
        counts.append(Delivery.objects.count())
    return counts[-1] - before


@contextlib.contextmanager
def _draining() -> Iterator[None]:
    """The real drain loop, and syncs that end at once, so that deliveries get done."""
    is_over = threading.Event()

    def pretend_syncs() -> None:
        while not is_over.wait(0.5):
            SyncState.unscoped.filter(dirty_mark__gt=F("done_mark")).update(done_mark=F("dirty_mark"))
        connection.close()

    syncs = threading.Thread(target=pretend_syncs)
    with stage.process(stage.manage("drain")):
        syncs.start()
        try:
            yield
        finally:
            is_over.set()
            syncs.join()


def _statements(channels: list[Channel], inbox: int) -> dict[str, Any]:
    """Statements per webhook with an empty and a full inbox; raises AssertionError where it is not one."""
    counts = {}
    stage.empty("webhooks_delivery") if connection.vendor == "postgresql" else Delivery.objects.all().delete()
    for rows in (0, inbox):
        if rows:
            scene.deliver(channels, rows, first=10**12)
        with CaptureQueriesContext(connection) as seen:
            headers = scene.push_headers(channels[0]) | {load.NUMBER: str(10**15 + rows), "Host": "127.0.0.1"}
            answer = Client().post(PUSH, content_type="application/json", headers=headers)
        assert answer.status_code == 202, answer.content
        counts[f"{rows:,} rows"] = len(seen)
    assert set(counts.values()) == {1}, counts
    report.table(["inbox", "statements per webhook", "target"], [[name, n, "1"] for name, n in counts.items()])
    return counts


def _report(rounds: report.Rounds) -> dict[str, Any]:
    floor = FLOORS[connection.vendor]
    rows, results = [], {}
    for name in rounds.configurations():
        share = rounds.ratio(name, BASELINE, "per_second")
        numbers = rounds.medians(name)
        target = report.verdict(share, floor) if name.startswith("gunicorn: webhook") else ""
        rows.append(
            [
                name,
                *(numbers[column] for column in ("per_second",)),
                share,
                target,
                *(numbers[column] for column in ("p50", "p99", "server_us", "database_us", "failed")),
            ]
        )
        results[name] = numbers | {"share": round(share, 3)}
    headings = ["", "per second", "share", "target", "p50 ms", "p99 ms", "server us", "database us", "failed"]
    report.table(headings, rows)
    return results


if __name__ == "__main__":
    main()
