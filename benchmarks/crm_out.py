"""How many calls, and how long, it takes to bring ``--records`` changed scores to a CRM, and what a quiet sync asks.

The product's whole sync (compare, note, send, settle) is measured beside a loop that does nothing but send the same
batches by the same adapter, and beside one call for each record, of which a few are made and the rest is reckoned: that
is the specification's code. Salesforce's bulk job is switched off here: how long it takes is Salesforce's own.
"""

import json
import math
import sys
import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import requests
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from benchmarks import crm_pages, report, stage
from crm import connection, policy, pull, schema, strangers, sync
from crm.contract import Change, CrmAdapter, Field, Link
from crm.models import Budget, FieldMapping, MappingVersion, RecordLink, Write
from crm.salesforce import calls as salesforce_calls
from integrations import grants
from integrations.models import Integration, SyncRun, SyncState
from relationships import tenancy
from relationships.models import Company, Fund, Match, Organization

NEAR_RAW = 1.2
MOST_BEYOND = 1.05
"""Targets: time of the raw loop, and calls beside the fewest there could be."""


@dataclass(frozen=True)
class Far:
    """A CRM: its address, its names of what is written, the place where reading stopped, and calls of a quiet sync."""

    origin: str
    object: str
    fields: tuple[str, str, str]
    details: dict[str, str]
    external_id: str
    quiet: int

    def id_of(self, number: int) -> str:
        return self.external_id.format(number)

    def cursor(self) -> str:
        """As if everything had just been read."""
        now = timezone.now()
        stamp = round(now.timestamp() * 1000)
        if self.object == "Account":
            return json.dumps({"since": now.isoformat(), "wide": now.isoformat()})
        return json.dumps({"since": stamp, "archived": stamp})


CRMS = {
    "salesforce": Far(
        origin="https://*.my.salesforce.com",
        object="Account",
        fields=("LPxGP_Match_Score__c", "LPxGP_Summary__c", "LPxGP_Last_Synced__c"),
        details={"instance_url": "https://acme.my.salesforce.com"},
        external_id="001{:012d}AAA",
        quiet=3,
    ),
    "hubspot": Far(
        origin="https://api.hubapi.com",
        object="companies",
        fields=("lpxgp_match_score", "lpxgp_summary", "lpxgp_last_synced"),
        details={},
        external_id="{}",
        quiet=5,
    ),
}


def main() -> None:
    parser = stage.parser(__doc__, database="postgresql")
    parser.add_argument("--provider", choices=[*CRMS, "both"], default="both")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument(
        "--one-by-one", type=int, default=200, help="records that get a call each: the rest is reckoned"
    )
    stage.run("benchmarks.crm_out", parser.parse_args(), measure)


def measure(options: Namespace) -> stage.Result:
    """Both CRMs, one after the other."""
    found = {}
    for provider in CRMS if options.provider == "both" else [options.provider]:
        far = CRMS[provider]
        with _pages(far, options.latency) as origin:
            integration = _link(provider, far, options.records)
            with tenancy.within(integration.company_id):
                found[provider] = _rounds(integration, far, origin, options)
    return found


@contextmanager
def _pages(far: Far, latency: int) -> Iterator[str]:
    """The server; its address."""
    port = stage.free_port()
    origin = f"http://127.0.0.1:{port}"
    settings.PROVIDER_ORIGINS[far.origin] = origin
    with stage.process([sys.executable, "-m", crm_pages.__name__, str(port), str(latency)]):
        stage.wait_for_port(port)
        yield origin


def _link(provider: str, far: Far, records: int) -> Integration:
    """A company with a CRM, so many firms on both sides, each with a score, and the mapping of scores."""
    company = Company.objects.create(name=f"Acme {uuid.uuid4().hex[:8]}")
    integration = Integration(
        company=company,
        provider=provider,
        integration_type="crm",
        external_account_id="1",
        account_address="crm@acme.example",
        expires_at=timezone.now() + timedelta(days=1),
        resources_listed_at=timezone.now(),
        details=far.details,
    )
    integration.encrypted_tokens = grants.seal(integration, {"access_token": "benchmark", "refresh_token": "none"})
    integration.save()
    state = {"company": company, "integration": integration, "resource_type": "crm", "external_id": "1"}
    SyncState.unscoped.create(**state, is_chosen=True, cursor=json.dumps(_read(integration, far)))
    _map(integration, far)
    _fill(integration, far, records)
    return integration


def _read(integration: Integration, far: Far) -> dict[str, str]:
    """The marks of firms that were read a moment ago, of whom nothing is taken."""
    with tenancy.within(integration.company_id):
        are_strangers_taken = strangers.are_taken(policy.of(integration), "organization")
    return {far.object: far.cursor(), **pull.taken_mark(far.object, (), are_strangers_taken)}


def _map(integration: Integration, far: Far) -> None:
    names = ("match.score", "match.summary", "match.last_synced")
    types = ("number", "long_text", "datetime")
    crm = connection.adapter(integration)
    key = crm.key_fields[far.object]
    fields = [Field(name, name, type) for name, type in zip(far.fields, types, strict=True)]  # type: ignore[arg-type]
    for crm_object in set(crm.objects.values()):
        schema.store(integration, crm_object, (*fields, Field(key, key, "text")) if crm_object == far.object else ())
    of_crm = {"company": integration.company, "crm_provider": integration.provider}
    MappingVersion.unscoped.create(**of_crm, state="published", number=1)
    FieldMapping.unscoped.bulk_create(
        FieldMapping(
            **of_crm, lpxgp_field=ours, crm_field=theirs, crm_object=far.object, sync_direction="to_crm",
            conflict_rule="ours_wins",
        )
        for ours, theirs in zip(names, far.fields, strict=True)
    )  # fmt: skip


def _fill(integration: Integration, far: Far, records: int) -> None:
    company = integration.company
    fund = Fund.unscoped.create(company=company, name="Fund I")
    firms = Organization.unscoped.bulk_create(Organization(company=company, name=f"Firm {n}") for n in range(records))
    Match.unscoped.bulk_create(
        Match(company=company, organization=firm, fund=fund, score=50, summary="It fits the fund's size and region.")
        for firm in firms
    )
    RecordLink.unscoped.bulk_create(
        RecordLink(
            company=company, integration=integration, kind="organization", row_id=firm.pk, crm_object=far.object,
            external_id=far.id_of(number + 1),
        )
        for number, firm in enumerate(firms)
    )  # fmt: skip


def _rounds(integration: Integration, far: Far, origin: str, options: Namespace) -> dict[str, Any]:
    adapter = connection.adapter(integration)
    cast(Any, adapter).bulk_from = 0
    rounds = report.Rounds()
    for turn in range(options.rounds + 1):
        _change(integration, turn + 1)
        before = _calls(origin)
        product = _timed(lambda: _sync(integration))
        calls = _calls(origin) - before
        quiet = _calls(origin)
        _sync(integration)
        quiet = _calls(origin) - quiet
        raw = _timed(lambda: _raw(integration, adapter, far, options.records))
        single = _timed(lambda: _one_by_one(integration, far, options.one_by_one))
        single *= options.records / options.one_by_one
        # The first turn warms up.
        if turn:
            rounds.add("the product", seconds=product, calls=calls, quiet=quiet)
            rounds.add("the same batches, nothing kept", seconds=raw, calls=math.ceil(options.records / adapter.batch))
            rounds.add(f"one call each, reckoned from {options.one_by_one}", seconds=single, calls=options.records)
    assert Write.objects.count() == options.records * (options.rounds + 1)
    return _tell(rounds, far, options, math.ceil(options.records / adapter.batch))


def _change(integration: Integration, turn: int) -> None:
    """An hour later every firm has another score, and no limit remembers the last round."""
    Write.objects.update(planned_at=F("planned_at") - timedelta(hours=1))
    Match.objects.update(score=turn % 100, scored_at=timezone.now())
    Budget.objects.filter(integration=integration).update(windows={})


def _sync(integration: Integration) -> None:
    """One sync, with all its slices."""
    states = SyncState.objects.filter(integration=integration)
    states.update(dirty_mark=F("dirty_mark") + 1, next_attempt_at=None)
    while states.filter(dirty_mark__gt=F("done_mark")).exists():
        sync.run(states.get().pk)
        run = SyncRun.objects.latest("started_at")
        assert run.outcome in {"done", "interrupted"}, run.error
        assert "limit" not in run.error, run.error


def _opened(integration: Integration) -> Any:
    Budget.objects.filter(integration=integration).update(windows={})
    return connection.open(integration, grants.fresh(integration.pk))


def _raw(integration: Integration, adapter: CrmAdapter, far: Far, records: int) -> None:
    """The same batches by the same adapter."""
    changes = [Change(str(number), far.object, _values(far), far.id_of(number + 1)) for number in range(records)]
    with _opened(integration) as link:
        for start in range(0, records, adapter.batch):
            assert not any(one.error for one in adapter.write(link, changes[start : start + adapter.batch]))


def _one_by_one(integration: Integration, far: Far, count: int) -> None:
    """As the specification does it."""
    for start in range(0, count, 100):
        with _opened(integration) as link:
            for number in range(start, min(start + 100, count)):
                _write_one(link, far, far.id_of(number + 1))


def _write_one(link: Link, far: Far, record_id: str) -> None:
    if far.object == "Account":
        cast(Any, salesforce_calls.client(link)).Account.update(record_id, _values(far))
    else:
        address = f"https://api.hubapi.com/crm/objects/2026-09/companies/{record_id}"
        link.http.patch(address, json={"properties": _values(far)}).raise_for_status()


def _values(far: Far) -> dict[str, Any]:
    return dict(zip(far.fields, (50, "It fits the fund's size and region.", "2026-11-23T10:00:00Z"), strict=True))


def _tell(rounds: report.Rounds, far: Far, options: Namespace, fewest: int) -> dict[str, Any]:
    rows: list[list[Any]] = []
    for name in rounds.configurations():
        found = rounds.medians(name)
        rows.append([name, int(found["calls"]), found["seconds"], options.records / found["seconds"]])
    print(f"\n{far.origin}: {options.records:,} changed records, {options.latency} ms a call")
    report.table(["", "calls", "seconds", "records/s"], rows)
    ours = rounds.medians("the product")
    ratio = rounds.ratio("the product", "the same batches, nothing kept", "seconds")
    faster = 1 / rounds.ratio("the product", rounds.configurations()[2], "seconds")
    most = math.ceil(fewest * MOST_BEYOND)
    rows = [
        ["time beside the raw batches", ratio, report.verdict(ratio, NEAR_RAW, is_floor=False)],
        ["calls beside the fewest", ours["calls"] / fewest, report.verdict(ours["calls"], most, is_floor=False)],
        ["times faster than one call each", faster, ""],
        ["calls of a quiet sync", int(ours["quiet"]), report.verdict(ours["quiet"], far.quiet, is_floor=False)],
    ]
    report.table(["", "is", "target"], rows)
    return ours | {"of_raw": round(ratio, 3), "faster": round(faster, 1), "fewest_calls": fewest}


def _calls(origin: str) -> int:
    return int(requests.get(f"{origin}/calls", timeout=20).json())


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
