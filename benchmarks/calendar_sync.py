"""The first sync of a calendar, against a bare loop that only fetches and parses the same answers by the same session.

Also: an unchanged full round against the first one and what it writes, where the time of a first sync goes, queries per
page, and peak memory.
"""

import gc
import json
import re
import sys
import time
import uuid
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import requests
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks import google_pages, outlook_calendar_pages, report, scene, stage
from integrations import grants
from integrations.calendar import sync
from integrations.calendar.models import CalendarEvent, EventGuest
from integrations.contract import JsonObject
from integrations.models import Integration, RoundPage, SyncRun, SyncState
from relationships.models import Person, PersonAddress, Touchpoint

BATCH = 20


def _google(http: requests.Session, calendar: str) -> Iterator[JsonObject]:
    """Page after page, as nobody can be faster with this client: ask, parse, ask for the next one."""
    start, end = sync.window(timezone.now())
    asked: dict[str, Any] = {
        "maxResults": 2500,
        "singleEvents": "true",
        "timeMin": start.isoformat(),
        "timeMax": end.isoformat(),
        "alt": "json",
    }
    while True:
        address = f"https://www.googleapis.com/calendar/v3/calendars/{calendar}/events"
        page = http.get(address, params=asked).json()
        yield page
        if "nextPageToken" not in page:
            return
        asked["pageToken"] = page["nextPageToken"]


def _microsoft(http: requests.Session, calendar: str) -> Iterator[JsonObject]:
    """The same for Graph: a page, then the series it names by batches, then the next page."""
    root = "https://graph.microsoft.com/v1.0"
    here = f"/me/calendars/{calendar}"
    link = f"{root}{here}/calendarView/delta"
    while True:
        page = http.get(link, headers={"Prefer": "odata.maxpagesize=500"}).json()
        masters = [item["id"] for item in page["value"] if item["type"] == "seriesMaster"]
        for first in range(0, len(masters), BATCH):
            orders = [
                {"id": str(number), "method": "GET", "url": f"{here}/events/{master}/instances"}
                for number, master in enumerate(masters[first : first + BATCH])
            ]
            answers = http.post(f"{root}/$batch", json={"requests": orders}).json()
            assert len(answers["responses"]) == len(orders)
        yield page
        if "@odata.nextLink" not in page:
            return
        link = page["@odata.nextLink"]


@dataclass(frozen=True)
class Far:
    """A provider: where it is spoken to, the pages it serves, and the bare loop.

    ``shares`` are targets by latency and page size: what share of the bare loop's speed.
    """

    origin: str
    pages: ModuleType
    bare: Callable[[requests.Session, str], Iterator[JsonObject]]
    sizes: list[int]
    shares: Mapping[tuple[int, int], float]


PROVIDERS = {
    "google": Far(
        origin="https://www.googleapis.com",
        pages=google_pages,
        bare=_google,
        sizes=[250, 2500],
        shares={(50, 2500): 0.60, (50, 250): 0.85},
    ),
    "microsoft": Far(
        origin="https://graph.microsoft.com",
        pages=outlook_calendar_pages,
        bare=_microsoft,
        sizes=[500],
        shares={(50, 500): 0.60},
    ),
}
MOST_QUERIES = 5
"""Target: 4 for the page, 1 for the contacts."""
RESYNC = 1.3
FLAT = 1.1
STORED = (
    EventGuest,
    CalendarEvent,
    Touchpoint.people.through,
    Touchpoint.organizations.through,
    Touchpoint.users.through,
    Touchpoint,
    RoundPage,
    SyncRun,
)


def main() -> None:
    parser = stage.parser(__doc__, database="postgresql")
    parser.add_argument("--provider", choices=sorted(PROVIDERS), default="google")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--page-sizes", type=int, nargs="+", help="default: those the provider gives")
    parser.add_argument("--latencies", type=int, nargs="+", default=[0, 50], help="milliseconds")
    parser.add_argument("--memory-events", type=int, nargs=2, default=[10_000, 100_000])
    parser.add_argument("--one", default="", help="only sync the state with this id, and print the peak memory")
    options = parser.parse_args()
    options.page_sizes = options.page_sizes or PROVIDERS[options.provider].sizes
    if options.one:
        print(json.dumps(_one(uuid.UUID(options.one))))
        return
    stage.run("benchmarks.calendar_sync", options, measure)


def measure(options: Namespace) -> stage.Result:
    """Everything, against one page server."""
    far = PROVIDERS[options.provider]
    port = stage.free_port()
    origin = f"http://127.0.0.1:{port}"
    settings.PROVIDER_ORIGINS[far.origin] = origin
    with stage.process([sys.executable, "-m", far.pages.__name__, str(port)]):
        stage.wait_for_port(port)
        state = scene.link(1)[0]
        Integration.unscoped.filter(pk=state.integration_id).update(provider=options.provider)
        state = SyncState.unscoped.select_related("integration").get(pk=state.pk)
        _people(state)
        gc.freeze()  # as the worker does
        return {
            "speed": _speed(state, options),
            "parts": _parts(state, options),
            "queries": _queries(state, options),
            "memory": _memory(state, options, origin),
        }


def _people(state: SyncState) -> None:
    """The contacts whom three in ten events are with."""
    people = [Person(company_id=state.company_id, display_name=f"Partner {n}") for n in range(google_pages.KNOWN)]
    Person.unscoped.bulk_create(people)
    known = zip(people, google_pages.known_addresses(), strict=True)
    PersonAddress.unscoped.bulk_create([PersonAddress.build(person, email, True) for person, email in known])


def _speed(state: SyncState, options: Namespace) -> dict[str, Any]:
    """Bare loop, first sync and unchanged round, in interleaved rounds."""
    rounds = report.Rounds()
    stands = [(latency, size) for latency in options.latencies for size in options.page_sizes]
    for turn in range(options.rounds + 1):
        for latency, size in stands:
            _aim(state, options.events, size, latency)
            numbers = _once(state, options)
            # The first turn warms up: imports, prepared pages, prepared statements, the planner's statistics.
            if turn:
                rounds.add(f"{latency} ms, {size} a page", **numbers)
            else:
                _analyze()
    rows, results = [], {}
    for (latency, size), name in zip(stands, rounds.configurations(), strict=True):
        numbers, share = rounds.medians(name), rounds.median(name, "share")
        wanted = PROVIDERS[options.provider].shares.get((latency, size))
        again = report.verdict(numbers["again"], RESYNC) if latency == 0 else ""
        rows.append(
            [
                name,
                *(options.events / numbers[column] for column in ("bare", "first", "unchanged")),
                share,
                report.verdict(share, wanted) if wanted else "",
                numbers["again"],
                again,
                int(numbers["written"]),
            ]
        )
        results[name] = numbers
    headings = ["events/s", "bare loop", "first sync", "unchanged", "share", "target", "unchanged/first", "target"]
    report.table([*headings, "rows written by unchanged"], rows)
    return results


def _analyze() -> None:
    """Let the planner know the tables, as a database that has been in use for a minute does."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _aim(state: SyncState, events: int, size: int, latency: int) -> None:
    """Point the state at another calendar, with nothing stored of it."""
    stage.empty(*(model._meta.db_table for model in STORED))
    SyncState.unscoped.filter(pk=state.pk).update(
        external_id=google_pages.calendar_id(events, size, latency),
        cursor="",
        page_cursor="",
        round_id=None,
        window_start=None,
        window_end=None,
        last_success_at=None,
        dirty_mark=F("dirty_mark") + 1,
    )
    state.refresh_from_db()


def _once(state: SyncState, options: Namespace) -> dict[str, float]:
    """Seconds of each, and what follows from them. Raises AssertionError where a sync is not whole."""
    events, far = options.events, PROVIDERS[options.provider]
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        bare = _timed(lambda: sum(1 for _ in far.bare(http, state.external_id)))
    first = _timed(lambda: sync.run(state.pk))
    assert _last_run(state).changed == events, _last_run(state).error
    guests = set(EventGuest.unscoped.values_list("pk", flat=True))
    SyncState.unscoped.filter(pk=state.pk).update(cursor="", dirty_mark=F("dirty_mark") + 1)
    began_at = timezone.now()
    unchanged = _timed(lambda: sync.run(state.pk))
    assert _last_run(state).found == events, _last_run(state).error
    return {
        "bare": bare,
        "first": first,
        "unchanged": unchanged,
        "share": bare / first,
        "again": first / unchanged,
        "written": float(_written_since(began_at, guests)),
    }


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _last_run(state: SyncState) -> SyncRun:
    return SyncRun.unscoped.filter(state=state).latest("started_at")


def _written_since(moment: datetime, guests: set[uuid.UUID]) -> int:
    """Events and touchpoints touched, and guests made anew."""
    return (
        CalendarEvent.unscoped.filter(updated_at__gte=moment).count()
        + Touchpoint.unscoped.filter(updated_at__gte=moment).count()
        + len(set(EventGuest.unscoped.values_list("pk", flat=True)) - guests)
    )


def _parts(state: SyncState, options: Namespace) -> dict[str, float]:
    """Where the seconds of a first sync go, at the longest latency and the largest pages."""
    latency, size = max(options.latencies), max(options.page_sizes)
    rounds = report.Rounds()
    name = f"{latency} ms, {size} a page"
    for _ in range(options.rounds):
        _aim(state, options.events, size, latency)
        rounds.add(name, **_apart(state))
    numbers = rounds.medians(name)
    report.table(["seconds of a first sync", *numbers], [[name, *numbers.values()]])
    return numbers


def _apart(state: SyncState) -> dict[str, float]:
    """One first sync: all of it, and its parts. ``other`` is Python's, the parsing of pages beside it in its way."""
    spent = dict.fromkeys(("waiting for pages", "statements", "commits"), 0.0)

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                spent[part] += time.perf_counter() - begun

        return run

    def statement(execute: Callable[..., Any], *arguments: Any) -> Any:
        return timed("statements", execute)(*arguments)

    with (
        connection.execute_wrapper(statement),
        mock.patch.object(connection, "commit", timed("commits", connection.commit)),
        mock.patch.object(Future, "result", timed("waiting for pages", Future.result)),
    ):
        whole = _timed(lambda: sync.run(state.pk))
    return {"all": whole, **spent, "other": whole - sum(spent.values())}


def _queries(state: SyncState, options: Namespace) -> dict[str, float]:
    """Statements that one page more costs, changed and unchanged."""
    results: dict[str, float] = {}
    rows = []
    for size in options.page_sizes:
        counts = {"changed": list[int](), "unchanged": list[int]()}
        for pages in (2, 4):
            _aim(state, pages * size, size, 0)
            counts["changed"].append(_counted(state))
            SyncState.unscoped.filter(pk=state.pk).update(cursor="", dirty_mark=F("dirty_mark") + 1)
            counts["unchanged"].append(_counted(state))
        for kind, (two, four) in counts.items():
            results[f"{size} a page, {kind}"] = (four - two) / 2
            target = report.verdict((four - two) / 2, MOST_QUERIES, is_floor=False)
            rows.append([f"{size} a page, {kind}", (four - two) / 2, target])
    report.table(["", "queries per page", "target"], rows)
    return results


def _counted(state: SyncState) -> int:
    with CaptureQueriesContext(connection) as seen:
        sync.run(state.pk)
    # BEGIN and COMMIT, which only SQLite's backend reports, are no queries.
    return sum(1 for query in seen if not re.match(r"BEGIN|COMMIT|SAVEPOINT|RELEASE", query["sql"]))


def _memory(state: SyncState, options: Namespace, origin: str) -> dict[str, Any]:
    """Peak memory of a first sync in a process of its own."""
    peaks: dict[int, float] = {}
    rows = []
    for events in options.memory_events:
        _aim(state, events, max(options.page_sizes), 0)
        found = stage.alone(
            "benchmarks.calendar_sync",
            *("--one", str(state.pk)),
            PROVIDER_ORIGINS=json.dumps({PROVIDERS[options.provider].origin: origin}),
        )
        assert CalendarEvent.unscoped.count() == events
        peaks[events] = found["peak_mb"]
        rows.append([f"{events:,} events, {max(options.page_sizes)} a page", found["peak_mb"], found["seconds"], ""])
    few, many = (peaks[events] for events in options.memory_events)
    rows.append(["growth", many / few, "", report.verdict(many / few, FLAT, is_floor=False)])
    report.table(["", "peak MB", "seconds", "target"], rows)
    return {"peak_mb": peaks, "growth": round(many / few, 3)}


def _one(state_id: uuid.UUID) -> dict[str, float]:
    """Sync until clean: a long first sync gives its worker back now and then."""
    begun = time.perf_counter()
    while SyncState.unscoped.filter(pk=state_id, dirty_mark__gt=F("done_mark")).exists():
        sync.run(state_id)
        failed = SyncState.unscoped.filter(pk=state_id, failures__gt=0).values_list("last_error", flat=True).first()
        assert failed is None, failed
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found is not None, "only Linux tells a process its peak memory"
    return {"peak_mb": int(found[1]) / 1024, "seconds": round(time.perf_counter() - begun, 2)}


if __name__ == "__main__":
    main()
