"""The calls of Bulk API 2.0.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
"""

from typing import Any

from werkzeug.wrappers import Response

from sandbox.salesforce import errors, jobs, queries
from sandbox.salesforce.api import Ask
from sandbox.salesforce.errors import ApiError, not_found
from sandbox.salesforce.jobs import Job
from sandbox.salesforce.soql import Parser

CSV = "text/csv"
END = "null"


def create_ingest(ask: Ask) -> Response:
    """POST jobs/ingest."""
    given = ask.json_object()
    table, operation = ask.table(str(given.get("object"))), str(given.get("operation"))
    if operation not in jobs.OPERATIONS:
        raise ApiError("INVALIDJOB", f"InvalidJob : Invalid operation: {operation}")
    key = str(given.get("externalIdFieldName") or "")
    if operation == "upsert":
        one = ask.org.seen(ask.user_id, table.kind.name).get(key.lower())
        if one is None or not (one.field.can_match or one.field.type == "id"):
            raise ApiError(
                "INVALIDJOB",
                f"InvalidJob : Field name provided, {key} does not match an External ID for {table.kind.name}",
            )
        key = one.field.name
    job = ask.salesforce.jobs.add(
        ask.org, user_id=ask.user_id, app=ask.app, operation=operation, name=table.kind.name, key=key, **manner(given)
    )
    return errors.reply(job.show(ask.version))


def manner(given: dict[str, Any]) -> dict[str, str]:
    """How the CSV is written."""
    separator, ending = str(given.get("columnDelimiter") or "COMMA"), str(given.get("lineEnding") or "LF")
    if separator not in jobs.COLUMNS or ending not in jobs.LINES:
        raise ApiError("INVALIDJOB", "InvalidJob : Unknown columnDelimiter or lineEnding")
    return {"separator": separator, "line_ending": ending}


def upload(ask: Ask) -> Response:
    """PUT jobs/ingest/ID/batches: once, and answered with 201."""
    job, data = ingest_of(ask), ask.request.get_data()
    if job.state != "Open" or job.data:
        raise ApiError("INVALIDJOBSTATE", "InvalidJobState : Data was uploaded already")
    if len(data) > jobs.MOST_BYTES:
        raise ApiError("INVALIDJOB", "InvalidJob : The data is too large", status=413)
    job.data = data
    return Response(b"", 201)


def change(ask: Ask) -> Response:
    """PATCH jobs/…/ID: UploadComplete starts it, Aborted ends it."""
    job, state = job_of(ask), str(ask.json_object().get("state"))
    if state == "Aborted":
        job.state = state
    elif state == "UploadComplete" and job.state == "Open":
        job.state = state
        answer = errors.reply(job.show(ask.version))
        jobs.ingest(ask.org, job)
        job.polls = ask.salesforce.jobs.polls
        return answer
    else:
        raise ApiError("INVALIDJOBSTATE", f"InvalidJobState : Cannot go from {job.state} to {state}")
    return errors.reply(job.show(ask.version))


def get(ask: Ask) -> Response:
    """GET jobs/…/ID."""
    job = job_of(ask)
    answer = errors.reply(job.show(ask.version))
    job.polls = max(0, job.polls - 1)
    return answer


def delete(ask: Ask) -> Response:
    """DELETE jobs/…/ID."""
    ask.salesforce.jobs.remove(job_of(ask))
    return errors.empty()


def results(ask: Ask) -> Response:
    """GET jobs/ingest/ID/successfulResults, failedResults or unprocessedrecords."""
    job, which = ingest_of(ask), ask.args["which"].lower()
    if which == "successfulresults":
        content = job.csv_of(job.good, ["sf__Id", "sf__Created", *job.columns])
    elif which == "failedresults":
        content = job.csv_of(job.bad, ["sf__Id", "sf__Error", *job.columns])
    elif which == "unprocessedrecords":
        content = job.data if job.state in {"Failed", "Aborted"} else job.csv_of([], job.columns)
    else:
        raise not_found()
    return Response(content, 200, content_type=CSV)


def create_query(ask: Ask) -> Response:
    """POST jobs/query."""
    given = ask.json_object()
    operation, text = str(given.get("operation")), str(given.get("query"))
    if operation not in {"query", "queryAll"}:
        raise ApiError("INVALIDJOB", f"InvalidJob : Invalid operation: {operation}")
    found = queries.run(ask.org, ask.user_id, text, is_all=operation == "queryAll", is_unhurried=True)
    if not found.paths or Parser(text).query().offset:
        raise ApiError("API_ERROR", "Invalid query for bulk: COUNT and OFFSET are not supported")
    job = ask.salesforce.jobs.add(
        ask.org, user_id=ask.user_id, app=ask.app, operation=operation, name=found.name, query=text, **manner(given)
    )
    job.found, job.state = found, "UploadComplete"
    answer = errors.reply(job.show(ask.version))
    job.state, job.polls = "JobComplete", ask.salesforce.jobs.polls
    return answer


def query_results(ask: Ask) -> Response:
    """GET jobs/query/ID/results?locator&maxRecords. The last page's locator is the word null."""
    job = job_of(ask)
    if job.found is None or job.polls:
        raise not_found()
    args = ask.request.args
    locator = args.get("locator") or ""
    start = int(locator) if locator.isdecimal() else 0
    size = int(args["maxRecords"]) if args.get("maxRecords", "").isdecimal() else jobs.PAGE
    records = queries.page(ask.org, job.found, start, size, ask.version)
    columns = [path for path, _ in job.found.paths]
    rows = [{column: cell(record, column) for column in columns} for record in records]
    response = Response(job.csv_of(rows, columns), 200, content_type=CSV)
    response.headers["Sforce-NumberOfRecords"] = str(len(rows))
    response.headers["Sforce-Locator"] = str(start + size) if start + size < job.found.total else END
    return response


def cell(record: dict[str, Any], path: str) -> str:
    """A field as CSV has it: empty for null."""
    here: Any = record
    for step in path.split("."):
        found = {key.lower(): value for key, value in here.items()} if isinstance(here, dict) else {}
        here = found.get(step.lower())
    if here is None:
        return ""
    return str(here).lower() if isinstance(here, bool) else str(here)


def job_of(ask: Ask) -> Job:
    """The job in the address; it must be of the kind the address says."""
    job = ask.salesforce.jobs.get(ask.org, ask.args["job_id"])
    if job.is_query is not ("/jobs/query/" in ask.request.path):
        raise not_found()
    return job


def ingest_of(ask: Ask) -> Job:
    """An ingest."""
    job = job_of(ask)
    if job.is_query:
        raise not_found()
    return job
