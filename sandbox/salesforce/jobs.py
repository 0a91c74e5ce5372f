"""Bulk API 2.0: jobs that take or give many records as CSV.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0.htm
"""

import csv
import io
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce import ids, queries, writes
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.values import moment_text

LINES = {"LF": "\n", "CRLF": "\r\n"}
COLUMNS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
OPERATIONS = frozenset({"insert", "update", "upsert", "delete"})
NULL = "#N/A"
MOST_BYTES = 150_000_000
PAGE = 50_000


@dataclass
class Job:
    """An ingest or a query. ``polls`` answers more still say InProgress. ``results`` are lists of CSV cells."""

    id: str
    org: str
    user_id: str
    app: str
    operation: str
    name: str
    created: int
    key: str = ""
    query: str = ""
    separator: str = "COMMA"
    line_ending: str = "LF"
    state: str = "Open"
    polls: int = 0
    message: str = ""
    data: bytes = b""
    good: list[dict[str, str]] = field(default_factory=list)
    bad: list[dict[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    found: queries.Found | None = None

    @property
    def is_query(self) -> bool:
        """Whether it gives records instead of taking them."""
        return bool(self.query)

    def show(self, version: str) -> dict[str, Any]:
        """The job as JSON."""
        kind = "query" if self.is_query else "ingest"
        content = {
            "id": self.id,
            "operation": self.operation,
            "object": self.name,
            "createdById": self.user_id,
            "createdDate": moment_text(self.created),
            "systemModstamp": moment_text(self.created),
            "state": "InProgress" if self.state == "JobComplete" and self.polls > 0 else self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(version),
            "lineEnding": self.line_ending,
            "columnDelimiter": self.separator,
            "jobType": "V2Query" if self.is_query else "V2Ingest",
        }
        if self.key:
            content["externalIdFieldName"] = self.key
        if self.message:
            content["errorMessage"] = self.message
        if kind == "ingest":
            content["contentUrl"] = f"services/data/v{version}/jobs/ingest/{self.id}/batches"
        if self.state in {"JobComplete", "Failed"}:
            done = self.found.total if self.found else len(self.good) + len(self.bad)
            content |= {"numberRecordsProcessed": done, "numberRecordsFailed": len(self.bad), "retries": 0}
            content["totalProcessingTime"] = 100
        return content

    def csv_of(self, rows: list[dict[str, str]], columns: list[str]) -> bytes:
        """Rows as CSV in the job's own manner."""
        out = io.StringIO()
        writer = csv.DictWriter(
            out,
            columns,
            delimiter=COLUMNS[self.separator],
            lineterminator=LINES[self.line_ending],
            quoting=csv.QUOTE_ALL,
        )
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode()


class Jobs:
    """The jobs by id."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._last = 0
        self.polls = 0

    def clear(self) -> None:
        """Forget all."""
        self._jobs.clear()
        self.polls = 0

    def add(self, org: Org, **details: Any) -> Job:
        """A new job."""
        self._last += 1
        job = Job(id=ids.make("750", org.tag, self._last), org=org.host, created=org.now(), **details)
        self._jobs[job.id] = job
        return job

    def get(self, org: Org, job_id: str) -> Job:
        """A job of an org; ApiError if there is none."""
        job = self._jobs.get(ids.to18(job_id)) if ids.is_id(job_id) else None
        if job is None or job.org != org.host:
            raise ApiError("NOT_FOUND", "The requested resource does not exist", status=404)
        return job

    def remove(self, job: Job) -> None:
        """Forget one."""
        del self._jobs[job.id]


def ingest(org: Org, job: Job) -> None:
    """Save the rows of a job's CSV one by one."""
    text = job.data.decode("utf-8-sig", "replace")
    reader = csv.DictReader(io.StringIO(text), delimiter=COLUMNS[job.separator])
    job.columns = list(reader.fieldnames or [])
    seen = org.seen(job.user_id, job.name)
    unknown = [name for name in job.columns if name and "." not in name and name.lower() not in seen]
    if unknown:
        job.state, job.message = "Failed", f"InvalidBatch : Field name not found : {unknown[0]}"
        return
    for line in reader:
        try:
            with org.all_or_nothing():
                record_id, is_created = save(org, job, line)
            job.good.append({"sf__Id": record_id, "sf__Created": str(is_created).lower(), **line})
        except ApiError as error:
            fields = " ".join(error.fields or []) or "--"
            why = f"{error.code}:{error.message}:{fields if fields == '--' else fields + ' --'}"
            job.bad.append({"sf__Id": "", "sf__Error": why, **line})
    job.state = "JobComplete"


def save(org: Org, job: Job, line: dict[str, str]) -> tuple[str, bool]:
    """One row. An empty cell changes nothing, #N/A clears."""
    given: dict[str, Any] = {}
    for name, cell in line.items():
        relation, _, key = name.partition(".")
        value = None if cell == NULL else cell
        if cell:
            given[relation] = {key: value} if key else value
    writer = writes.Writer(org, job.user_id, app=job.app)
    record_id = str(given.pop("Id", "") or "")
    if job.operation == "insert":
        return writes.create(writer, job.name, given), True
    if job.operation == "upsert" and job.key != "Id":
        match = org.seen(job.user_id, job.name)[job.key.lower()].field
        try:
            return writes.upsert(writer, job.name, match, str(given.pop(match.name, "")), given)
        except writes.Several:
            raise ApiError(
                "DUPLICATE_EXTERNAL_ID", "more than one record found for external id field", [match.name]
            ) from None
    row = writes.existing(org, job.name, record_id)
    if job.operation == "delete":
        writes.delete(writer, row["Id"])
    else:
        writes.update(writer, job.name, row["Id"], given)
    return str(row["Id"]), False
