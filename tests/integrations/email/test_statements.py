"""A batch costs a constant number of statements, whatever its size; a new mail costs two calls of the provider."""

from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.email import reading
from integrations.models import SyncState
from relationships.models import User
from tests.integrations.calendar.test_queries import kind
from tests.integrations.email.conftest import LinkMemory, Sync
from tests.integrations.email.memory import ALICE, LP, MemoryMail, mail, relabelled

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lena", "in_acme")]

MOST_PER_BATCH = 34
"""What follows from a mail, its touchpoint and who owes an answer, is half of it."""


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """The statements of every batch stored, by what they do."""
    statements: list[Counter[str]] = []
    original = reading._store

    def counted(*args: object) -> object:
        with CaptureQueriesContext(connection) as captured:
            rules = original(*args)  # type: ignore[arg-type]
        kinds = Counter(kind(query["sql"]) for query in captured.captured_queries)
        statements.append(Counter({name: n for name, n in kinds.items() if name not in {"SAVEPOINT", "RELEASE"}}))
        return rules

    monkeypatch.setattr(reading, "_store", counted)
    return statements


def put(box: MemoryMail, count: int) -> None:
    """Mail in threads of three, most of it with people of one firm, some with nobody known."""
    senders = [LP, f"{LP[0]}x@alder.example", "ben@oak.example"]
    copies = [
        mail(f"m{n}", senders[n % 7 % 3], ALICE, cc=[f"g{n}@oak.example"], thread=f"t{n // 3}", days=-1 - n / 1000)
        for n in range(count)
    ]
    box.put(*copies)


@pytest.mark.parametrize("what", ["new", "again", "deleted"])
def test_the_number_does_not_depend_on_the_batchs_size(
    box: MemoryMail,
    alice: User,
    link_memory: LinkMemory,
    sync: Sync,
    batches: list[Counter[str]],
    what: str,
) -> None:
    box.page_size = box.batch = 1000
    box.units_per_minute = 10**6
    state = link_memory(alice)
    sync(state)
    counted = []
    for count in (24, 90):  # both are enough to tell how fast somebody usually answers
        put(box, count)
        sync(state)
        if what == "again":
            batches.clear()
            box.put(*[relabelled(copy, "important") for copy in box.messages.values()])
            sync(state)
        elif what == "deleted":
            batches.clear()
            box.gone.update(box.messages)
            box.put(*box.messages.values())
            sync(state)
            box.gone.clear()
        counted.append(batches[-1])
        batches.clear()
        box.remove(*box.messages)
        sync(state)

    small, big = counted
    assert big.total() <= small.total() + 1, big - small
    assert big.total() <= MOST_PER_BATCH, sorted(big.items())


def test_a_batch_of_a_search_leaves_who_owes_an_answer_to_its_end(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync, batches: list[Counter[str]]
) -> None:
    box.batch = 50
    put(box, 90)
    sync(link_memory(alice))
    assert [statements.total() <= 24 for statements in batches] == [True, True], batches
    assert not [name for statements in batches for name in statements if "followup" in name]


def test_one_new_mail_in_a_large_mailbox_costs_two_calls(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync
) -> None:
    put(box, 30)
    state = link_memory(alice)
    sync(state)
    box.calls.clear()
    box.put(mail("new", LP, ALICE, days=0))

    run = sync(state)

    assert (run.outcome, run.found) == ("done", 1)
    assert box.calls == {"changes": 1, "read": 1}


def test_a_poll_that_finds_nothing_costs_one_call(
    box: MemoryMail, alice: User, link_memory: LinkMemory, sync: Sync
) -> None:
    state: SyncState = link_memory(alice)
    sync(state)
    box.calls.clear()
    sync(state)
    assert box.calls == {"changes": 1}
