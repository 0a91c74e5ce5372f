"""Writes more than 2,000 records of one kind by a Bulk API 2.0 job: a few calls, whatever their number.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0.htm
"""

import csv
import io
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm.contract import Change, Link, RecordError, Value, Written
from crm.salesforce import calls, writing
from integrations.errors import MissingScope, Temporary

CEILING, LARGEST = 10_000, 50_000_000
"""Records and bytes in one job: so much is done well within the time that a sync holds its state, and Salesforce takes
150 MB."""

LOOKS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds to wait before each look at a job: every look is one of the day's calls."""

CLEARED = "#N/A"
"""An empty cell means no change; this one clears the field."""

FAILED = {"Failed", "Aborted"}


def write(link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Write these changes of one object, job after job.

    Raises Temporary where a job has not ended in time: what it did is found when it is looked for.
    """
    whole, broken = writing.parted(changes)
    starts = range(0, len(whole), CEILING)
    return broken + tuple(one for start in starts for one in _sized(link, whole[start : start + CEILING]))


def _sized(link: Link, changes: Sequence[Change]) -> list[Written]:
    data = _csv(changes)
    if len(data) > LARGEST and len(changes) > 1:
        half = len(changes) // 2
        return _sized(link, changes[:half]) + _sized(link, changes[half:])
    return _job(link, changes, data)


def _job(link: Link, changes: Sequence[Change], data: bytes) -> list[Written]:
    try:
        made = calls.content(calls.raw(link, "jobs/ingest", "POST", json=_definition(changes[0])))
    except (calls.Rejected, calls.NotThere, MissingScope):
        # No such jobs for this user, or no field for our key: batches say of each record why.
        return _in_batches(link, changes)
    job = calls.long_id(str(made.get("id")))
    calls.raw(link, f"jobs/ingest/{job}/batches", "PUT", data=data, headers={"Content-Type": "text/csv"})
    calls.raw(link, f"jobs/ingest/{job}", "PATCH", json={"state": "UploadComplete"})
    left = _left(_ended(link, job))
    found = dict(_found(link, job, {_name(change): change for change in changes}, bool(changes[0].external_id)))
    return [found.get(one.key) or Written(one.key, one.external_id, error=left) for one in changes]


def _in_batches(link: Link, changes: Sequence[Change]) -> list[Written]:
    starts = range(0, len(changes), writing.BATCH)
    return [one for start in starts for one in writing.write(link, changes[start : start + writing.BATCH])]


def _found(link: Link, job: str, by_name: Mapping[str, Change], is_update: bool) -> Iterable[tuple[str, Written]]:
    """What became of each record that the results name, by key."""
    column = "Id" if is_update else writing.KEY
    for line in _results(link, job, "successfulResults", "sf__Id", "sf__Created", column):
        if change := by_name.get(_name_in(line, column)):
            is_created = line["sf__Created"] == "true"
            yield change.key, Written(change.key, calls.long_id(line["sf__Id"]), is_created)
    for line in _results(link, job, "failedResults", "sf__Error", column):
        if change := by_name.get(_name_in(line, column)):
            error = writing.told(change, _errors(line["sf__Error"]))
            yield change.key, writing.unasked(Written(change.key, change.external_id, error=error))


def _left(job: Mapping[str, Any]) -> RecordError:
    """Why the results do not name a record: Salesforce had no time for it, or refused the job, with its words."""
    if job.get("state") not in FAILED:
        return RecordError("busy", "Salesforce's bulk job left it unprocessed.", is_temporary=True)
    words = str(job.get("errorMessage") or "")
    _, is_unknown, field = words.partition("Field name not found : ")
    message = f"Salesforce ended the bulk job: {words or job['state']}."
    if not is_unknown:
        return RecordError("busy", message, str(job["state"]), is_temporary=True)
    return RecordError("missing_key_field" if field == writing.KEY else "unknown_field", message, "InvalidBatch", field)


def _definition(change: Change) -> dict[str, str]:
    body = {"object": change.object, "contentType": "CSV", "lineEnding": "LF"}
    if change.external_id:
        return {**body, "operation": "update"}
    return {**body, "operation": "upsert", "externalIdFieldName": writing.KEY}


def _name(change: Change) -> str:
    return change.external_id or change.key


def _name_in(line: Mapping[str, str], column: str) -> str:
    """What tells a result's line: the id it was sent with, or our key."""
    return calls.long_id(line[column]) if column == "Id" else line[column]


def _csv(changes: Sequence[Change]) -> bytes:
    bodies = [writing.record_body(change) for change in changes]
    columns = sorted({name for body in bodies for name in body})
    file = io.StringIO()
    # All in quotes: a value may hold a carriage return, which ends a line to some.
    lines = csv.DictWriter(file, columns, restval="", lineterminator="\n", quoting=csv.QUOTE_ALL)
    lines.writeheader()
    lines.writerows({name: _cell(value) for name, value in body.items()} for body in bodies)
    return file.getvalue().encode()


def _cell(value: Value) -> str:
    if value is None or value == "":
        return CLEARED
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ended(link: Link, job: str) -> dict[str, Any]:
    """The job once it has ended. Raises Temporary where that takes too long."""
    for seconds in LOOKS:
        time.sleep(seconds)
        state = calls.content(calls.raw(link, f"jobs/ingest/{job}"))
        if state.get("state") in FAILED | {"JobComplete"}:
            return state
    raise Temporary("Salesforce's bulk job takes longer than a minute.")


def _results(link: Link, job: str, which: str, *columns: str) -> list[dict[str, str]]:
    return calls.lines(calls.raw(link, f"jobs/ingest/{job}/{which}", headers={"Accept": "text/csv"}), *columns)


def _errors(text: str) -> list[dict[str, Any]]:
    """CODE:text:FIELD --, as a bulk job's result says it, in the form of other errors."""
    code, _, rest = text.partition(":")
    message, _, field = rest.rpartition(":")
    name = field.replace("--", "").split(",")[0].strip()
    return [{"statusCode": code, "message": message or rest, "fields": [name] if name else []}]
