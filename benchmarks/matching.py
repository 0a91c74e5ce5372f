"""A page's addresses among all contacts of a company: the product's matching against the barest query there is."""

import time
import uuid
from argparse import Namespace
from collections.abc import Callable, Sequence, Sized
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks import report, stage
from relationships import matching, tenancy
from relationships.models import Company, Person, PersonAddress

TARGET = 1.5
CHUNK = 20_000
WARM_UP = 4
"""Rounds that are not counted: caches fill, and statements get prepared."""
BASELINE = "bare query with the person"


def main() -> None:
    parser = stage.parser(__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--addresses", type=int, default=1_000)
    stage.run("benchmarks.matching", parser.parse_args(), measure)


def measure(options: Namespace) -> stage.Result:
    """Load the people, then ask in turn."""
    company = Company.objects.create(name="Acme")
    begun = time.perf_counter()
    _load(company.pk, options.people)
    print(f"{options.people:,} people loaded in {time.perf_counter() - begun:.0f} s", flush=True)
    rounds = report.Rounds()
    step = max(1, options.people // options.addresses)
    for turn in range(WARM_UP + options.rounds):
        keys = [_email((number * step + turn) % options.people) for number in range(options.addresses)]
        taken = _ask(company.pk, keys)
        if turn >= WARM_UP:
            for name, milliseconds in taken.items():
                rounds.add(name, milliseconds=milliseconds)
    return _report(rounds, company.pk, keys)


def _ask(company_id: uuid.UUID, keys: Sequence[str]) -> dict[str, float]:
    """Milliseconds of each way to ask for these addresses; raises AssertionError where not all are found."""
    domains = {key.partition("@")[2] for key in keys}
    ways: dict[str, Callable[[], Sized]] = {
        "bare query": lambda: _bare(company_id, keys),
        BASELINE: lambda: _bare_with_person(company_id, keys),
        "matching.find": lambda: matching.find(keys, []).people,
        "matching.find with domains": lambda: matching.find(keys, domains).people,
    }
    taken = {}
    with tenancy.within(company_id):
        for name, find in ways.items():
            begun = time.perf_counter()
            found = find()
            taken[name] = 1000 * (time.perf_counter() - begun)
            assert len(found) == len(keys), f"{name}: {len(found)} of {len(keys)} found"
    return taken


def _email(number: int) -> str:
    return f"partner-{number}@lp-{number % 5000}.example"


def _load(company_id: uuid.UUID, people: int) -> None:
    """Rows as the database takes them fastest."""
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        for first in range(0, people, CHUNK):
            persons, addresses = [], []
            for number in range(first, min(people, first + CHUNK)):
                person, email = uuid.uuid4(), _email(number)
                persons.append((person, company_id, f"Partner {number}", "", "", now, now))
                addresses.append((uuid.uuid4(), company_id, person, email, email, True, now))
            columns = ("id", "company_id", "display_name", "title", "phone", "created_at", "updated_at")
            _insert(cursor, Person._meta.db_table, columns, persons)
            columns = ("id", "company_id", "person_id", "email", "match_key", "is_primary", "created_at")
            _insert(cursor, PersonAddress._meta.db_table, columns, addresses)
        cursor.execute("ANALYZE")


def _insert(cursor: Any, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    names = ", ".join(columns)
    if connection.vendor == "postgresql":
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    stored = [tuple(value.hex if isinstance(value, uuid.UUID) else value for value in row) for row in rows]
    cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(columns))})", stored)


def _bare(company_id: uuid.UUID, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    table = PersonAddress._meta.db_table
    return _asked(f"SELECT match_key, person_id FROM {table} WHERE company_id = %s AND match_key", company_id, keys)


def _bare_with_person(company_id: uuid.UUID, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """What the product needs to know: the person's firm and name too."""
    return _asked(
        f"SELECT a.match_key, a.person_id, p.organization_id, p.display_name FROM {PersonAddress._meta.db_table} a"
        f" JOIN {Person._meta.db_table} p ON p.id = a.person_id WHERE a.company_id = %s AND a.match_key",
        company_id,
        keys,
    )


def _asked(sql: str, company_id: uuid.UUID, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"{sql} = ANY(%s)", [company_id, list(keys)])
        else:
            cursor.execute(f"{sql} IN ({', '.join(['%s'] * len(keys))})", [company_id.hex, *keys])
        return cursor.fetchall()


def _report(rounds: report.Rounds, company_id: uuid.UUID, keys: Sequence[str]) -> dict[str, Any]:
    rows, results = [], {}
    for name in rounds.configurations():
        ratio = rounds.ratio(name, BASELINE, "milliseconds")
        target = report.verdict(ratio, TARGET, is_floor=False) if name == "matching.find" else ""
        rows.append([name, rounds.median(name, "milliseconds"), ratio, target])
        results[name] = rounds.medians(name) | {"ratio": round(ratio, 2)}
    with tenancy.within(company_id), CaptureQueriesContext(connection) as seen:
        matching.find(keys, [])
    report.table(["", "ms", "ratio", "target"], rows)
    print(f"Statements of matching.find: {len(seen)}")
    return results | {"statements": len(seen)}


if __name__ == "__main__":
    main()
