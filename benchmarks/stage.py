"""Where a benchmark plays: a database of its own, servers and workers as processes, and all of it gone afterwards.

A script runs twice: first as the one that was typed, which makes a database and starts itself again upon it; then,
with DATABASE_URL set, as the one that measures.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
from django.core.management import call_command
from django.db import connection, connections

from benchmarks import SETTINGS
from tests.run import postgres, server_binaries

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "BENCHMARK_INSIDE"
MIGRATED = "BENCHMARK_MIGRATED"
"""May name an SQLite file with all tables: a database of SQLite begins as its copy then, nine seconds earlier."""
FIRST_PORT, LAST_PORT = 8500, 8599

Result = dict[str, Any]


def parser(description: str | None, database: str = "both") -> ArgumentParser:
    """The options that all scripts share."""
    options = ArgumentParser(description=description)
    options.add_argument(
        "--database",
        choices=["postgresql", "sqlite", "both"],
        default=database,
        help="PostgreSQL is left out where its server is not installed (default: %(default)s)",
    )
    options.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: %(default)s)")
    return options


def run(script: str, options: Namespace, measure: Callable[[Namespace], Result]) -> None:
    """Run ``measure`` on each database asked for; prints one line of JSON with all results last."""
    # SIGTERM ends it as Ctrl-C does: through every ``finally``, so that no server stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if INSIDE in os.environ:
        # The servers log as in production, into a file; the one that measures keeps the screen for its tables.
        logging.disable(logging.INFO)
        call_command("migrate", verbosity=0, skip_checks=True)
        Path(os.environ[INSIDE]).write_text(json.dumps(measure(options)))
        return
    results = {}
    for name, database in _databases(options.database).items():
        with database as url, tempfile.TemporaryDirectory() as folder:
            print(f"\n=== {name}", flush=True)
            answer = Path(folder) / "result.json"
            environment = {**os.environ, "DATABASE_URL": url, INSIDE: str(answer)}
            measuring = subprocess.Popen([sys.executable, "-m", script, *sys.argv[1:]], cwd=ROOT, env=environment)
            try:
                if measuring.wait() != 0:
                    sys.exit(f"{script} failed on {name}.")
            finally:
                measuring.terminate()
                measuring.wait()
            results[name] = json.loads(answer.read_text())
    print(json.dumps({"benchmark": script.rpartition(".")[2], "cores": os.cpu_count(), **results}))


def _databases(wanted: str) -> dict[str, contextlib.AbstractContextManager[str]]:
    binaries = server_binaries()
    found: dict[str, contextlib.AbstractContextManager[str]] = {}
    if wanted != "sqlite" and binaries is not None:
        # fsync as in production: a commit that waits for no disk would prove nothing.
        found["postgresql"] = postgres(binaries, "-c fsync=on -c shared_buffers=256MB")
    elif wanted == "postgresql":
        sys.exit("No PostgreSQL server here (on Debian: apt-get install postgresql).")
    if wanted != "postgresql" or not found:
        found["sqlite"] = _sqlite()
    if wanted == "postgresql":
        found.pop("sqlite", None)
    return found


@contextlib.contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="lpxgp-benchmark-") as folder:
        database = f"{folder}/benchmark.sqlite3"
        if MIGRATED in os.environ:
            shutil.copy(os.environ[MIGRATED], database)
        yield f"sqlite:///{database}"


@contextlib.contextmanager
def process(arguments: list[str], **environment: str) -> Iterator[psutil.Process]:
    """A process of the product on this benchmark's database; ended, with all its children, afterwards."""
    with tempfile.NamedTemporaryFile("wb", prefix="benchmark-", suffix=".log", delete=False) as output:
        log = Path(output.name)
        started = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env={**os.environ, **SETTINGS, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = psutil.Process(started.pid)
    try:
        yield running
        if started.poll() is not None:
            raise RuntimeError(f"{' '.join(arguments)} ended: {log.read_text()[-2000:]}")
    finally:
        everything = _tree(running)
        started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(timeout=20)
        for one in everything:
            with contextlib.suppress(psutil.Error):
                one.kill()
        started.wait()
        log.unlink(missing_ok=True)


def manage(command: str, *arguments: str) -> list[str]:
    """The command line of a management command."""
    return [sys.executable, "manage.py", command, *arguments]


def python(module: ModuleType) -> list[str]:
    """The command line of a module of ours that needs no Django."""
    return [sys.executable, str(module.__file__)]


@contextlib.contextmanager
def server(kind: str, **environment: str) -> Iterator[tuple[psutil.Process, int]]:
    """The product under gunicorn (with gunicorn.conf.py) or waitress (``manage.py serve``): process and port."""
    port = free_port()
    if kind == "gunicorn":
        # Replacing a worker breaks its idle connections, which a proxy hides and a load generator counts as errors.
        arguments = [sys.executable, "-m", "gunicorn", "--max-requests", "0", "lpxgp.wsgi:application"]
    else:
        arguments = manage("serve", "--port", str(port))
    with process(arguments, BIND=f"127.0.0.1:{port}", **environment) as running:
        wait_for_port(port)
        yield running, port


def free_port() -> int:
    """The first of our ports that nobody listens on."""
    for port in range(FIRST_PORT, LAST_PORT + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"No port is free between {FIRST_PORT} and {LAST_PORT}.")


def wait_for_port(port: int, seconds: float = 30.0) -> None:
    """Wait until somebody listens."""

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    until(listens, seconds, f"a server on port {port}")


def until(condition: Callable[[], object], seconds: float, what: str, every: float = 0.02) -> None:
    """Wait for ``condition``; raises TimeoutError naming ``what`` was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"No {what} within {seconds:.0f} s.")
        time.sleep(every)


def cpu_seconds(running: psutil.Process) -> float:
    """What a process and its living children have used so far."""
    total = 0.0
    for one in _tree(running):
        with contextlib.suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def database_server() -> psutil.Process | None:
    """PostgreSQL's main process; None on SQLite, which has none."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return psutil.Process(cursor.fetchone()[0]).parent()


def commits() -> int:
    """Transactions that this database has committed so far, by its own count; 0 on SQLite, which keeps none."""
    if connection.vendor != "postgresql":
        return 0
    # Sessions report their counts when they are idle, at most once a second.
    time.sleep(1.2)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def empty(*tables: str) -> None:
    """Delete every row of these tables and of those that point to them."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        else:
            for table in tables:
                cursor.execute(f"DELETE FROM {table}")


def alone(script: str, *arguments: str, **environment: str) -> Mapping[str, Any]:
    """Run a step in a process of its own; the JSON of its last line."""
    command = [sys.executable, "-m", script, *arguments]
    connections.close_all()
    answer = subprocess.run(
        command, check=True, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    found: Mapping[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
    return found


def _tree(running: psutil.Process) -> list[psutil.Process]:
    try:
        return [running, *running.children(recursive=True)]
    except psutil.Error:
        return []
