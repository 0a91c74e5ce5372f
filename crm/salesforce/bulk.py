"""Writes more than 2,000 records of one kind by a Bulk API 2.0 job: a few calls, whatever their number.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0.htm
"""

import csv
import io
import time
from collections.abc import Iterable, Sequence
from typing import Any

from crm.contract import Change, Link, RecordError, Value, Written
from crm.salesforce import calls, writing
from integrations.errors import Permanent, Temporary

CEILING = 10_000
"""Records in one job: so many are done well within the time that a sync holds its state."""

LOOK_SECONDS, LOOKS = 0.5, 120
CLEARED = "#N/A"
"""An empty cell means no change; this one clears the field."""

FAILED = {"Failed", "Aborted"}


def write(link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Write these changes of one object, job after job.

    Raises Temporary where a job has not ended in time: what it did is found when it is looked for.
    """
    starts = range(0, len(changes), CEILING)
    return tuple(one for start in starts for one in _job(link, changes[start : start + CEILING]))


def _job(link: Link, changes: Sequence[Change]) -> Iterable[Written]:
    by_name = {_name(change): change for change in changes}
    job = calls.rest(link, "jobs/ingest", "POST", json=_definition(changes[0]))["id"]
    calls.raw(link, f"jobs/ingest/{job}/batches", "PUT", data=_csv(changes), headers={"Content-Type": "text/csv"})
    calls.rest(link, f"jobs/ingest/{job}", "PATCH", json={"state": "UploadComplete"})
    _wait(link, job)
    found: dict[str, Written] = {}
    for line in _results(link, job, "successfulResults"):
        change = by_name[_name_in(line, changes[0])]
        is_created = line.get("sf__Created") == "true"
        found[change.key] = Written(change.key, calls.long_id(line["sf__Id"]), is_created)
    for line in _results(link, job, "failedResults"):
        change = by_name[_name_in(line, changes[0])]
        found[change.key] = Written(change.key, change.external_id, error=_error(line.get("sf__Error") or ""))
    left = RecordError("busy", "Salesforce's bulk job left it unprocessed.", is_temporary=True)
    return [found.get(one.key) or Written(one.key, one.external_id, error=left) for one in changes]


def _definition(change: Change) -> dict[str, str]:
    body = {"object": change.object, "contentType": "CSV", "lineEnding": "LF"}
    if change.external_id:
        return {**body, "operation": "update"}
    return {**body, "operation": "upsert", "externalIdFieldName": writing.KEY}


def _name(change: Change) -> str:
    return change.external_id or change.key


def _name_in(line: dict[str, Any], change: Change) -> str:
    """What tells a result's line: the id it was sent with, or our key."""
    return calls.long_id(line["Id"]) if change.external_id else str(line[writing.KEY])


def _csv(changes: Sequence[Change]) -> bytes:
    bodies = [writing.record_body(change) for change in changes]
    columns = sorted({name for body in bodies for name in body})
    file = io.StringIO()
    lines = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    lines.writeheader()
    lines.writerows({name: _cell(value) for name, value in body.items()} for body in bodies)
    return file.getvalue().encode()


def _cell(value: Value) -> str:
    if value is None or value == "":
        return CLEARED
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wait(link: Link, job: str) -> None:
    for _ in range(LOOKS):
        state = calls.rest(link, f"jobs/ingest/{job}")
        if state["state"] == "JobComplete":
            return
        if state["state"] in FAILED:
            raise Permanent(f"Salesforce ended the bulk job: {state.get('errorMessage') or state['state']}.")
        time.sleep(LOOK_SECONDS)
    raise Temporary("Salesforce's bulk job takes longer than a minute.")


def _results(link: Link, job: str, which: str) -> Iterable[dict[str, str]]:
    response = calls.raw(link, f"jobs/ingest/{job}/{which}", headers={"Accept": "text/csv"})
    return csv.DictReader(io.StringIO(response.content.decode()))


def _error(text: str) -> RecordError:
    """CODE:text:FIELD --, as a bulk job's result says it."""
    code, _, rest = text.partition(":")
    message, _, field = rest.rpartition(":")
    name = field.replace("--", "").split(",")[0].strip()
    return writing.error_of([{"statusCode": code, "message": message or rest, "fields": [name] if name else []}])
