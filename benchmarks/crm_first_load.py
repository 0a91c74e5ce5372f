"""The first load of a CRM: how long it takes, in how many calls and statements a page, and with how much memory.

The CRM is one in memory that makes each page up when it is asked for, so what grows is ours. A fifth as many firms as
people come first; the CRM has all in pages of 200. Each size runs in a process of its own, upon an empty company.
"""

import json
import re
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from django.db import connection as database
from django.utils import timezone

from benchmarks import report, stage
from crm import connection, schema
from crm.contract import Link, Record, RecordPage, Related, Wanted
from crm.models import RecordLink
from integrations import runs
from integrations.models import Integration
from relationships import bulk, tenancy
from relationships.models import Company, Organization, Person
from tests.crm.in_scene import ROWS, In
from tests.crm.out_scene import link_crm, publish
from tests.crm.pretend_crm import PretendCrm

FLAT = 1.1
FEW = 40
"""Targets: how peak memory may grow, and statements a page."""
PEOPLE_PER_FIRM = 5
CURSOR = "2026-11-02T09:00:00+00:00"


@dataclass
class EndlessCrm(PretendCrm):
    """Says who there is, without keeping anybody."""

    people: int = 0

    def listing(self, link: Link, wanted: Wanted) -> RecordPage:
        self.calls["listing"] += 1
        number = {"Account": self.people // PEOPLE_PER_FIRM, "Contact": self.people}.get(wanted.object, 0)
        start = int(wanted.page or 0)
        end = min(start + self.page_size, number)
        records = tuple(self._record(wanted, each) for each in range(start, end))
        return RecordPage(records, next_page=str(end)) if end < number else RecordPage(records, next_cursor=CURSOR)

    def _record(self, wanted: Wanted, number: int) -> Record:
        firm = f"firm{number if wanted.object == 'Account' else number // PEOPLE_PER_FIRM}"
        values: dict[str, Any] = dict.fromkeys(wanted.fields)
        if wanted.object == "Account":
            values |= {"Name": f"Pension {firm}", "Website": f"https://www.{firm}.example", "Type": "Investor"}
            return Record("Account", firm, values, self.now)
        values |= {"FirstName": "Pat", "LastName": f"Partner {number}", "Email": f"pat{number}@{firm}.example"}
        values |= {"Phone": f"+4144{number:07d}", "Title": "Portfolio manager"}
        return Record("Contact", f"c{number}", values, self.now, related=(Related("organization", firm),))


def main() -> None:
    parser = stage.parser(__doc__, database="postgresql")
    parser.add_argument("--people", type=int, nargs=2, default=[10_000, 100_000])
    parser.add_argument("--one", type=int, default=0, help="only load so many, and print what it took")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_one(options.one)))
        return
    stage.run("benchmarks.crm_first_load", options, measure)


def measure(options: Namespace) -> stage.Result:
    """Each size in a process of its own."""
    found = {people: stage.alone("benchmarks.crm_first_load", "--one", str(people)) for people in options.people}
    rows = [
        [f"{people:,} people", *(one[name] for name in ("seconds", "calls", "statements_a_page", "peak_mb")), ""]
        for people, one in found.items()
    ]
    few, many = (one["peak_mb"] for one in found.values())
    last = found[options.people[-1]]["statements_a_page"]
    rows.append(["growth of memory", "", "", "", many / few, report.verdict(many / few, FLAT, is_floor=False)])
    rows.append(["statements", "", "", last, "", report.verdict(last, FEW, is_floor=False)])
    report.table(["", "seconds", "calls", "statements a page", "peak MB", "target"], rows)
    return {"loads": {str(people): one for people, one in found.items()}, "growth": round(many / few, 3)}


def _one(people: int) -> dict[str, float]:
    """Load so many into a new company."""
    crm = EndlessCrm(people=people)
    company = Company.objects.create(name=f"Load of {people} at {timezone.now():%H:%M:%S.%f}")
    with tenancy.within(company.pk), _instead_of_the_real_one(crm):
        scene = In(company, link_crm(company), crm)
        for crm_object, fields in crm.fields_of.items():
            schema.store(scene.integration, crm_object, fields)
        publish(scene.integration, ROWS)
        begun = time.perf_counter()
        statements, pages = _load(scene)
        seconds = time.perf_counter() - begun
        assert Person.objects.count() == people
        assert RecordLink.objects.count() == people + Organization.objects.count()
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None, "only Linux tells a process its peak memory"
    return {
        "seconds": round(seconds, 2),
        "calls": sum(crm.calls.values()),
        "pages": pages,
        "statements_a_page": round(statements / pages, 1),
        "peak_mb": int(found[1]) / 1024,
    }


def _load(scene: In) -> tuple[int, int]:
    """Pull job after job until all is there; the statements and pages it took."""
    counted: list[None] = []
    pages = 0

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        counted.append(None)
        return execute(sql, params, many, context)

    with bulk.planned_anew(), database.execute_wrapper(count):
        while True:
            held = scene.held()
            try:
                scene.pull_with(held)
            except runs.OutOfTime:
                continue
            finally:
                pages += held.run.pages
            break
    return len(counted), pages


@contextmanager
def _instead_of_the_real_one(crm: PretendCrm) -> Iterator[None]:
    @contextmanager
    def opened(integration: Integration, access: object) -> Iterator[Link]:
        yield Link(requests.Session(), integration.external_account_id, {})

    before = connection.adapter, connection.open
    connection.adapter, connection.open = lambda integration: crm, opened
    try:
        yield
    finally:
        connection.adapter, connection.open = before


if __name__ == "__main__":
    main()
