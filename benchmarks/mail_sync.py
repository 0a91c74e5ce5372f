"""How fast a mailbox is read for the first time, in how many requests and quota units, and with how much memory.

Measured beside what nobody can be faster than (the same batches fetched and parsed, and nothing stored), beside one
call for each message, of which a few are made and the rest is reckoned, and beside the cheapest calls there could be.
The provider's own limit of units a minute is lifted here: it is what counts in real life.
"""

import json
import re
import sys
import time
import uuid
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import requests
from django.conf import settings
from django.db.models import F

from benchmarks import mail_pages, outlook_pages, report, scene, stage
from integrations import grants, providers, quota
from integrations.contract import MailRef
from integrations.email import sync
from integrations.email.models import EmailMessage, EmailParty, EmailThread, MailSearch, MailToRead, OwnAddress
from integrations.models import Integration, QuotaMeter, SyncRun, SyncState
from relationships.models import FollowUp, Person, PersonAddress, Touchpoint


@dataclass(frozen=True)
class Far:
    """A provider: where it is spoken to, what was granted there, its limit, and how it names one message.

    ``faster`` is the target: how many times as fast as one call for each message, at 50 ms a call. ``is_priced`` where
    calls differ in what they cost of the quota.
    """

    origin: str
    scope: str
    limit: str
    pages: ModuleType
    one: str
    faster: float
    is_priced: bool


PROVIDERS = {
    "google": Far(
        origin="https://gmail.googleapis.com",
        scope="https://www.googleapis.com/auth/gmail.readonly",
        limit="GMAIL_UNITS_PER_MINUTE",
        pages=mail_pages,
        one="/gmail/v1/users/me/messages/",
        faster=25.0,
        is_priced=True,
    ),
    "microsoft": Far(
        origin="https://graph.microsoft.com",
        scope="Mail.ReadBasic",
        limit="MICROSOFT_REQUESTS_PER_MINUTE",
        pages=outlook_pages,
        one="/v1.0/me/messages/",
        faster=10.0,
        is_priced=False,
    ),
}
FLAT = 1.1
NEAR_CHEAPEST = 1.01
"""Targets: how peak memory may grow, and what may be paid beyond the cheapest plan."""
STORED = (
    EmailParty,
    EmailMessage,
    EmailThread,
    MailToRead,
    MailSearch,
    OwnAddress,
    FollowUp,
    Touchpoint.people.through,
    Touchpoint.organizations.through,
    Touchpoint.users.through,
    Touchpoint,
    SyncRun,
    QuotaMeter,
)
DAYS_BACK = 400


def main() -> None:
    parser = stage.parser(__doc__, database="postgresql")
    parser.add_argument("--provider", choices=sorted(PROVIDERS), default="google")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument(
        "--one-by-one",
        type=int,
        default=100,
        help="messages that are read by one call each: the rest of that loop is reckoned from them",
    )
    parser.add_argument("--memory-messages", type=int, nargs=2, default=[2_000, 20_000])
    parser.add_argument("--one", default="", help="only sync the mailbox with this id, and print the peak memory")
    options = parser.parse_args()
    options.limit = getattr(settings, PROVIDERS[options.provider].limit)
    setattr(settings, PROVIDERS[options.provider].limit, 1_000_000_000)
    # So the product's meter tells of a whole sync.
    quota.MINUTE = timedelta(days=1)
    settings.MAIL_PLAN_SECONDS = 0
    settings.HISTORY_DAYS_BACK = DAYS_BACK
    if options.one:
        print(json.dumps(_one(uuid.UUID(options.one))))
        return
    stage.run("benchmarks.mail_sync", options, measure)


def measure(options: Namespace) -> stage.Result:
    """Speed and calls at one latency; then memory at none."""
    state = link(options.provider, mail_pages.known_addresses())
    with _pages(PROVIDERS[options.provider], options.messages, options.latency) as origin:
        speed, operations = _speed(state, options, origin)
    result = {"speed": speed}
    if operations:
        result["units"] = _units(operations, options)
    return result | {"memory": _memory(state, options)}


@contextmanager
def _pages(far: Far, messages: int, latency: int) -> Iterator[str]:
    """The server with so many messages; its address."""
    port = stage.free_port()
    origin = f"http://127.0.0.1:{port}"
    settings.PROVIDER_ORIGINS[far.origin] = origin
    with stage.process([sys.executable, "-m", far.pages.__name__, str(port), str(messages), str(latency)]):
        stage.wait_for_port(port)
        yield origin


def link(provider: str, known: list[str]) -> SyncState:
    """A linked mailbox, and these contacts, each with one address."""
    state = scene.link(1)[0]
    Integration.unscoped.filter(pk=state.integration_id).update(
        provider=provider, integration_type="email", scopes=[PROVIDERS[provider].scope]
    )
    SyncState.unscoped.filter(pk=state.pk).update(resource_type="mailbox", external_id="me")
    people = [Person(company_id=state.company_id, display_name=f"Partner {n}") for n in range(len(known))]
    Person.unscoped.bulk_create(people)
    pairs = zip(people, known, strict=True)
    PersonAddress.unscoped.bulk_create([PersonAddress.build(person, email, True) for person, email in pairs])
    return SyncState.unscoped.select_related("integration").get(pk=state.pk)


def _speed(state: SyncState, options: Namespace, origin: str) -> tuple[dict[str, Any], dict[str, int]]:
    """What the rounds gave, and the operations of one first sync where they have prices."""
    rounds, far = report.Rounds(), PROVIDERS[options.provider]
    operations: dict[str, int] = {}
    for turn in range(options.rounds + 1):
        _forget(state)
        calls = -_asked(origin, "calls")
        first = _timed(lambda: until_clean(state.pk))
        calls += _asked(origin, "calls")
        assert EmailMessage.unscoped.count() == options.messages
        if far.is_priced and not turn:
            operations = _asked(origin, "operations")
            _check_meter(state, operations)
        bare = _timed(lambda: _bare(state, options.messages))
        single = _timed(lambda: _one_by_one(state, far, options.one_by_one)) / options.one_by_one * options.messages
        # The first turn warms up: imports, prepared answers, prepared statements.
        if turn:
            rounds.add("first sync", seconds=first, calls=calls, share=bare / first, faster=single / first)
            rounds.add("the same batches, nothing stored", seconds=bare)
            rounds.add(f"one call each, reckoned from {options.one_by_one:,}", seconds=single)
    return _tell_speed(rounds, options, far), operations


def _tell_speed(rounds: report.Rounds, options: Namespace, far: Far) -> dict[str, Any]:
    rows = []
    for name in rounds.configurations():
        seconds = rounds.median(name, "seconds")
        rows.append([name, seconds, options.messages / seconds])
    report.table(["", "seconds", "messages/s"], rows)
    ours = rounds.medians("first sync")
    fewer = sum(mail_pages.loop(options.messages).values()) / ours["calls"]
    report.table(
        ["share of the bare batches", "faster than one call each", "target", "requests", "times fewer than one each"],
        [[ours["share"], ours["faster"], report.verdict(ours["faster"], far.faster), int(ours["calls"]), fewer]],
    )
    return ours | {"fewer": round(fewer, 1)}


def _check_meter(state: SyncState, operations: Mapping[str, int]) -> None:
    """What the product thinks it paid is what was asked for. Raises AssertionError where it is not."""
    metered = QuotaMeter.unscoped.get(integration=state.integration_id).units
    assert metered == mail_pages.price(operations), f"{metered} metered, {mail_pages.price(operations)} used"


def _units(operations: Mapping[str, int], options: Namespace) -> dict[str, Any]:
    """Quota units of a first sync, of one get for each message, and of the cheapest calls there could be."""
    plans = {
        "first sync": operations,
        "one call each": mail_pages.loop(options.messages),
        "the cheapest plan": mail_pages.cheapest(options.messages),
    }
    units = {name: mail_pages.price(calls) for name, calls in plans.items()}
    rows = [
        [name, *(plans[name].get(call, 0) for call in ("messages.list", "messages.get", "threads.get"))]
        + [paid, paid / units["one call each"], paid / options.limit]
        for name, paid in units.items()
    ]
    report.table(["", "lists", "messages", "threads", "units", "of one call each", "minutes at the limit"], rows)
    beyond = units["first sync"] / units["the cheapest plan"]
    target = report.verdict(beyond, NEAR_CHEAPEST, is_floor=False)
    report.table(["units beside the cheapest plan", "target"], [[f"{beyond:.4f}", target]])
    return {"units": units, "operations": dict(operations), "of_cheapest": round(beyond, 4)}


def _forget(state: SyncState) -> None:
    """A mailbox of which nothing was read yet."""
    stage.empty(*(model._meta.db_table for model in STORED))
    SyncState.unscoped.filter(pk=state.pk).update(
        cursor="",
        page_cursor="",
        round_id=None,
        last_success_at=None,
        next_attempt_at=None,
        dirty_mark=F("done_mark") + 1,
    )


def until_clean(state_id: uuid.UUID) -> None:
    """Sync until clean: a long first sync gives its worker back now and then."""
    while SyncState.unscoped.filter(pk=state_id, dirty_mark__gt=F("done_mark")).exists():
        sync.run(state_id)
        failed = SyncState.unscoped.filter(pk=state_id, failures__gt=0).values_list("last_error", flat=True).first()
        assert failed is None, failed


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _asked(origin: str, what: str) -> Any:
    """The server's count of "calls", or of "operations" by their names."""
    return requests.get(f"{origin}/{what}", timeout=20).json()


def _bare(state: SyncState, count: int) -> None:
    """Every message in batches by the product's own adapter, parsed, and dropped."""
    adapter = providers.mail_adapter(state.integration.provider)
    refs = [MailRef(mail_pages.message_id(n), mail_pages.message_id(mail_pages.thread_of(n))) for n in range(count)]
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        for start in range(0, count, adapter.batch):
            adapter.read(http, "me", refs[start : start + adapter.batch])


def _one_by_one(state: SyncState, far: Far, count: int) -> None:
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        for number in range(count):
            http.get(f"{far.origin}{far.one}{mail_pages.message_id(number)}").json()


def _memory(state: SyncState, options: Namespace) -> dict[str, Any]:
    """Peak memory of a first sync in a process of its own."""
    peaks, rows, far = {}, [], PROVIDERS[options.provider]
    for messages in options.memory_messages:
        _forget(state)
        with _pages(far, messages, 0) as origin:
            origins = json.dumps({far.origin: origin})
            arguments = ["--provider", options.provider, "--one", str(state.pk)]
            found = stage.alone("benchmarks.mail_sync", *arguments, PROVIDER_ORIGINS=origins)
        assert EmailMessage.unscoped.count() == messages
        peaks[messages] = found["peak_mb"]
        rows.append([f"{messages:,} messages", found["peak_mb"], found["seconds"], ""])
    few, many = peaks.values()
    rows.append(["growth", many / few, "", report.verdict(many / few, FLAT, is_floor=False)])
    report.table(["", "peak MB", "seconds", "target"], rows)
    return {"peak_mb": peaks, "growth": round(many / few, 3)}


def _one(state_id: uuid.UUID) -> dict[str, float]:
    seconds = _timed(lambda: until_clean(state_id))
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None, "only Linux tells a process its peak memory"
    return {"peak_mb": int(found[1]) / 1024, "seconds": round(seconds, 2)}


if __name__ == "__main__":
    main()
