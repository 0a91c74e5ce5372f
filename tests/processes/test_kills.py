"""Whatever is killed, whenever: no accepted push is lost, and no meeting is there twice or wrong.

The seed of the random story and of the moments is printed; KILLS_SEED repeats a run.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relationships.models import Company
from tests.processes import truth
from tests.processes.calendar_story import Story
from tests.processes.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.postgres]

CHANGES = 500
KILLS = 10
PAUSE = 0.07
"""Seconds between two changes, on average: what was killed is up again before it is killed the next time, or not."""


@pytest.fixture
def company(database: str) -> Company:
    return truth.firm()


@pytest.fixture
def product(database: str, company: Company, tmp_path: Path) -> Iterator[Product]:
    with Product(database, tmp_path).open() as running:
        yield running


def test_ten_kills_during_five_hundred_pushes_lose_and_double_nothing(product: Product, company: Company) -> None:
    seed = int(os.environ.get("KILLS_SEED") or random.randrange(10**6))
    print(f"KILLS_SEED={seed}")
    chance = random.Random(seed)
    story, accepted = truth.begin(product, chance), truth.Accepted(product)

    play(product, story, accepted, chance)
    truth.assert_all_is_well(product, story, accepted, company)
    assert len(accepted.keys) > CHANGES


def play(product: Product, story: Story, accepted: truth.Accepted, chance: random.Random) -> None:
    """The changes, with a kill after ten of them; what was killed is started again, as systemd or docker would."""
    victims = ["web", "worker"] * (KILLS // 2)
    chance.shuffle(victims)
    moments = dict(zip(sorted(chance.sample(range(CHANGES), KILLS)), victims, strict=True))
    for number in range(CHANGES):
        story.change()
        if number in moments:
            time.sleep(chance.uniform(0, 0.2))  # anywhere between the push and the end of its sync
            product.kill(moments[number])
            product.start(moments[number])
        if number % 20 == 0:
            accepted.look()
        time.sleep(chance.expovariate(1 / PAUSE))
