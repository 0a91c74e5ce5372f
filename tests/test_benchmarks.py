"""Every benchmark runs, at sizes that measure nothing, so that it is there when it is needed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.processes

TINY = {
    "acknowledge": ["--seconds", "0.2", "--connections", "4", "--inbox", "50"],
    "drain": ["--deliveries", "60", "--tasks", "3", "--channels", "3", "--burst", "6"],
    "calendar_sync": ["--events", "60", "--page-sizes", "20", "--latencies", "0", "--memory-events", "20", "40"],
    "mail_sync": ["--messages", "40", "--latency", "0", "--one-by-one", "2", "--memory-messages", "20", "40"],
    "mail_incremental": ["--messages", "60", "--known", "20", "--latency", "0"],
    "crm_first_load": ["--people", "20", "40"],
    "crm_out": ["--records", "30", "--latency", "0", "--one-by-one", "2"],
    "matching": ["--people", "500", "--addresses", "20"],
}
OTHERS = [("mail_sync", "microsoft"), ("calendar_sync", "microsoft")]
"""Scripts that measure other providers too."""


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(pattern: str) -> Run:
    """Run a script on SQLite, once with the same arguments."""
    environment = {name: value for name, value in os.environ.items() if name != "BENCHMARK_INSIDE"}
    if connection.vendor == "sqlite":
        environment["BENCHMARK_MIGRATED"] = pattern

    @cache
    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"benchmarks.{script}", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)

    return run


def test_every_script_is_here() -> None:
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    # The far sides are processes too.
    assert {name for name in scripts if not name.endswith("_pages")} == set(TINY)


@pytest.mark.parametrize("script", TINY)
def test_it_says_what_it_takes(run: Run, script: str) -> None:
    answer = run(script, "--help")
    assert answer.returncode == 0, answer.stderr
    assert "--rounds" in answer.stdout


@pytest.mark.parametrize("script", TINY)
def test_it_ends_with_one_line_of_json(run: Run, script: str) -> None:
    answer = run(script, "--database", "sqlite", "--rounds", "1", *TINY[script])
    assert answer.returncode == 0, answer.stderr[-3000:]
    found: dict[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
    assert found["benchmark"] == script
    assert found["sqlite"]


@pytest.mark.parametrize(("script", "provider"), OTHERS)
def test_it_measures_other_providers_too(run: Run, script: str, provider: str) -> None:
    answer = run(script, "--database", "sqlite", "--rounds", "1", "--provider", provider, *TINY[script])
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert json.loads(answer.stdout.strip().splitlines()[-1])["sqlite"]


def test_one_new_mail_costs_three_calls_at_most(run: Run) -> None:
    """They do not grow with the mailbox, so any size shows it."""
    answer = run("mail_incremental", "--database", "sqlite", "--rounds", "1", *TINY["mail_incremental"])
    assert answer.returncode == 0, answer.stderr[-3000:]
    found = json.loads(answer.stdout.strip().splitlines()[-1])["sqlite"]
    assert {name: one["calls"] <= 3 for name, one in found.items()} == dict.fromkeys(found, True)
    assert found["nothing new"]["calls"] == 1
    assert found["one new mail"]["calls"] > 1
