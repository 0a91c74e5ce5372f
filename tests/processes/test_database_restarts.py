"""PostgreSQL restarts or crashes while pushes come in: web and worker live on, and nothing is lost or doubled.

The seed of the random story is printed; RESTARTS_SEED repeats a run.
"""

import os
import random
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from django.db import connection, connections
from pytest_django import DjangoDbBlocker

from relationships.models import Company
from tests import run
from tests.processes import truth
from tests.processes.calendar_story import Story
from tests.processes.conftest import ALIAS, migrated, until
from tests.processes.product import Product

pytestmark = [
    pytest.mark.processes,
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="It is about PostgreSQL, and runs in that half."),
]

RESTARTS = ("fast", "immediate", "immediate", "fast")
"""How the server is stopped: "fast" breaks all connections off, "immediate" is a crash that it recovers from."""

CHANGES_BETWEEN = 20
CHANGES_MEANWHILE = 5
HEALED_WITHIN = 30


class Cluster(NamedTuple):
    """A PostgreSQL server of our own, which we may stop."""

    binaries: Path
    folder: Path
    url: str

    def stop(self, mode: str) -> None:
        self._control("-m", mode, "stop")

    def start(self) -> None:
        """With the options it was started with before, which it has written down."""
        options = shlex.split((self.folder / "data" / "postmaster.opts").read_text())
        self._control("-l", str(self.folder / "log"), "-o", shlex.join(options[3:]), "start")

    def _control(self, *arguments: str) -> None:
        command = [str(self.binaries / "pg_ctl"), "-D", str(self.folder / "data"), "-w", *arguments]
        subprocess.run(run.as_server_user(command), check=True, cwd=self.folder, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def cluster(django_db_blocker: DjangoDbBlocker) -> Iterator[Cluster]:
    """Not the one that the other tests use. What it has committed is on the disk, as in production."""
    binaries = run.server_binaries()
    assert binaries is not None
    with run.postgres(binaries, settings="-c fsync=on") as url, django_db_blocker.unblock():
        folder = Path(url.partition("@/")[2]).parent
        with migrated({**connections.databases["default"], "HOST": str(folder), "NAME": "postgres", "PORT": ""}):
            yield Cluster(binaries, folder, url)


@pytest.fixture
def company(cluster: Cluster) -> Company:
    return truth.firm()


@pytest.fixture
def product(cluster: Cluster, company: Company, tmp_path: Path) -> Iterator[Product]:
    with Product(cluster.url, tmp_path).open() as running:
        yield running


def test_restarts_of_the_database_lose_and_double_nothing(cluster: Cluster, product: Product, company: Company) -> None:
    seed = int(os.environ.get("RESTARTS_SEED") or random.randrange(10**6))
    print(f"RESTARTS_SEED={seed}")
    story, accepted = truth.begin(product, random.Random(seed)), truth.Accepted(product)
    processes = product.processes()

    for mode in RESTARTS:
        change(story, CHANGES_BETWEEN)
        accepted.look()
        cluster.stop(mode)
        change(story, CHANGES_MEANWHILE)
        assert_is_out_of_order(product)
        cluster.start()
        connections[ALIAS].close()
        until(lambda: is_ready(product), HEALED_WITHIN, "the web server's recovery")

    truth.assert_all_is_well(product, story, accepted, company)
    answered = {entry["status"] for entry in product.ask("pushes")["last"]}
    assert 503 in answered
    assert answered <= {200, 202, 503}
    assert product.processes() == processes, "web or worker died"


def change(story: Story, times: int) -> None:
    """One after the other, each with its push; the sandbox takes a moment for each."""
    for _ in range(times):
        story.change()


def is_ready(product: Product) -> bool:
    return requests.get(f"{product.web}/readyz", timeout=10).status_code == 200


def assert_is_out_of_order(product: Product) -> None:
    """The web server lives, and says that it cannot serve."""
    assert requests.get(f"{product.web}/livez", timeout=10).status_code == 200
    assert requests.get(f"{product.web}/readyz", timeout=10).status_code == 503
