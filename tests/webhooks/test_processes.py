"""Real processes on a real database file: claims beside each other, SIGKILL in mid-batch, SIGTERM."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0

pytestmark = pytest.mark.processes

SEED = """
import django; django.setup()
from integrations.models import Integration, SyncState
from relationships.models import Company, User
from webhooks.models import Delivery
company = Company.objects.create(name="Acme")
user = User.objects.create_user("alice@acme.example", company=company)
integration = Integration.unscoped.create(company=company, user=user, provider="google", integration_type="calendar",
    encrypted_tokens=b"x", external_account_id="1", sync_status="paused")
state = SyncState.unscoped.create(company=company, integration=integration, resource_type="calendar",
    external_id="a", is_chosen=True)
Delivery.objects.bulk_create(Delivery(company=company, provider="google", webhook_type="calendar-event",
    dedupe_key=str(number), channel_id="c", sync_state=state, headers={"x-goog-resource-state": "exists"})
    for number in range(400))
"""

CLAIM_ALL = """
import django; django.setup()
from django.utils import timezone
from webhooks import drain
while tries := drain.claim(timezone.now(), 7, False):
    print(*(one.delivery.pk for one in tries), sep="\\n")
"""

CLAIM_AND_HANG = """
import django; django.setup()
import time
from django.utils import timezone
from webhooks import drain
print(len(drain.claim(timezone.now(), 50, False)), flush=True)
time.sleep(600)
"""

REPLAY = """
import django; django.setup()
from webhooks import replay
from webhooks.models import Delivery
print(replay.replay(Delivery.objects.get(dedupe_key="1"), None, "at once"))
"""

Run = Callable[..., subprocess.Popen[str]]


def environment(database: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DEBUG": "1",
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "lpxgp.settings",
        "DATABASE_URL": f"sqlite:///{database}",
    }


def start(database: Path, *words: str) -> subprocess.Popen[str]:
    """Python with these arguments, on this database."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment(database),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture(scope="module")
def seeded(pattern: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with 400 deliveries, closed and whole."""
    database = tmp_path_factory.mktemp("inbox") / "seeded.sqlite3"
    shutil.copy(pattern, database)
    output(start(database, "-c", SEED))
    return database


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Start python with these arguments on a copy of that file."""
    if connection.vendor != "sqlite":
        pytest.skip("On PostgreSQL threads do the same, in test_drain.py and test_replay.py.")
    database = tmp_path / "inbox.sqlite3"
    shutil.copy(request.getfixturevalue("seeded"), database)
    started: list[subprocess.Popen[str]] = []

    def run_here(*words: str) -> subprocess.Popen[str]:
        started.append(start(database, *words))
        return started[-1]

    yield run_here
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def output(process: subprocess.Popen[str]) -> str:
    text, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return text


def ask(run: Run, question: str) -> Any:
    """The value of an expression, over there."""
    program = (
        "import django; django.setup()\n"
        "import json\nfrom collections import Counter\n"
        "from integrations.models import *\nfrom webhooks.models import *\n"
        f"print(json.dumps({question}))"
    )
    return json.loads(output(run("-c", program)))


def wait_until(run: Run, question: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ask(run, question):
        assert time.monotonic() < deadline, question


def test_workers_beside_each_other_never_share_a_delivery(run: Run) -> None:
    workers = [run("-c", CLAIM_ALL) for _ in range(3)]
    claimed = " ".join(output(worker) for worker in workers).split()
    assert len(claimed) == len(set(claimed)) == 400


def test_ten_replays_at_once_are_one(run: Run) -> None:
    ask(run, "Delivery.objects.update(status='failed')")
    askers = [run("-c", REPLAY) for _ in range(5)]
    assert sorted(output(asker).strip() for asker in askers) == ["False"] * 4 + ["True"]
    assert ask(run, "Attempt.objects.count()") == 1


def test_a_worker_killed_in_mid_batch_loses_nothing_and_sigterm_ends_the_loop(run: Run) -> None:
    doomed = run("-c", CLAIM_AND_HANG)
    assert doomed.stdout
    assert doomed.stdout.readline().strip() == "50"
    doomed.send_signal(signal.SIGKILL)
    doomed.wait(PATIENCE)
    ask(run, "Delivery.objects.filter(status='processing').update(lease_until='2020-01-01T00:00:00Z')")
    assert (
        output(run("-c", "import django; django.setup()\nfrom webhooks import jobs\nprint(jobs.sweep())")).strip()
        == "50"
    )

    loop = run("manage.py", "drain")
    wait_until(run, "not Delivery.objects.exclude(status='waiting').exists()")
    assert ask(run, "Heartbeat.objects.get(name='drain').pid") == loop.pid
    loop.terminate()
    assert loop.wait(PATIENCE) == 0
    assert ask(run, "Counter(Attempt.objects.values_list('outcome', flat=True))") == {"poked": 400, "lost": 50}
    assert ask(run, "Delivery.objects.filter(is_suspect=True).count()") == 0
    # 350 in batches of 50, and 50 one by one.
    assert ask(run, "SyncState.unscoped.get().dirty_mark") <= 57
