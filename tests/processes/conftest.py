"""A real worker over a database of its own, of the same kind as the tests' one."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from django.core.management import call_command
from django.db import connections
from django_q.conf import Conf
from pytest_django import DjangoDbBlocker

from lpxgp.processes import is_alive
from tests.conftest import execute_outside

ROOT = Path(__file__).resolve().parent.parent.parent
ALIAS = "product"
T = TypeVar("T")


def until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first true answer of ``condition``; fails after ``seconds``, naming ``what`` was waited for."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)
    return answer


@pytest.fixture(scope="module")
def database(
    pattern: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """The DATABASE_URL of a migrated database; the test itself reaches it as ``ALIAS``."""
    settings = {**connections.databases["default"]}
    with django_db_blocker.unblock():
        if settings["ENGINE"].endswith("sqlite3"):
            settings["NAME"] = str(tmp_path_factory.mktemp("database") / "product.sqlite3")
            shutil.copy(pattern, settings["NAME"])
            with reached(settings):
                yield f"sqlite:///{settings['NAME']}"
            return
        settings["NAME"] = f"processes_{uuid.uuid4().hex[:12]}"
        execute_outside(f'CREATE DATABASE "{settings["NAME"]}" TEMPLATE "{pattern}"')
        try:
            with reached(settings):
                yield os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{settings['NAME']}"
        finally:
            execute_outside(f'DROP DATABASE "{settings["NAME"]}" WITH (FORCE)')


@contextmanager
def reached(settings: dict[str, Any]) -> Iterator[None]:
    """The test reaches the database of these settings as ``ALIAS``."""
    connections.databases[ALIAS] = settings
    try:
        yield
    finally:
        connections[ALIAS].close()
        del connections[ALIAS], connections.databases[ALIAS]


@contextmanager
def migrated(settings: dict[str, Any]) -> Iterator[None]:
    """As ``reached``, and it has all tables."""
    with reached(settings):
        call_command("migrate", database=ALIAS, verbosity=0, skip_checks=True)
        call_command("createcachetable", database=ALIAS, verbosity=0)
        yield


@pytest.fixture(autouse=True)
def jobs_go_to_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """``async_task`` of the test queues for the real worker."""
    monkeypatch.setattr(Conf, "ORM", ALIAS)


class RunningWorker:
    """``manage.py worker`` as an operator starts it. Its output is in ``log``."""

    def __init__(self, url: str, log: Path) -> None:
        self._url = url
        self.log = log
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._main = subprocess.Popen(
                [sys.executable, "manage.py", "worker"],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": self._url, "DEBUG": "1"},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.process = psutil.Process(self._main.pid)

    def child(self, argument: str) -> psutil.Process | None:
        """The supervisor's child whose command line has ``argument``."""
        for child in self.process.children():
            with suppress(psutil.Error):
                if argument in child.cmdline():
                    return child
        return None

    def cluster(self) -> list[psutil.Process]:
        """Main process, sentinel, two workers, monitor and pusher; empty until all of them run."""
        main = self.child("--only-cluster")
        if main is None:
            return []
        with suppress(psutil.NoSuchProcess):
            sentinels = main.children()
            below = sorted(sentinels[0].children(), key=lambda process: process.pid) if sentinels else []
            return [main, *sentinels, *below] if len(below) == 4 else []
        return []

    def everything(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def kill(self) -> None:
        """SIGKILL to the supervisor alone."""
        self._main.kill()
        self._main.wait()

    def stop(self) -> int:
        """SIGTERM, as systemd and docker send it; the exit code."""
        self._main.send_signal(signal.SIGTERM)
        return self._main.wait(timeout=40)


@pytest.fixture(scope="module")
def worker(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorker]:
    running = RunningWorker(database, tmp_path_factory.mktemp("worker") / "log")
    try:
        yield running
    finally:
        everything = running.everything()
        if running.stop() != 0 or any(is_alive(process) for process in everything):
            for process in everything:
                with suppress(psutil.Error):
                    process.kill()
            pytest.fail(f"the worker left processes behind:\n{running.log.read_text()[-3000:]}")
