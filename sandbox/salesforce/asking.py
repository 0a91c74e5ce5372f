"""query, queryAll, the next page, and what was changed or deleted in a span of time.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getdeleted.htm
"""

import re
from typing import Any

from werkzeug.wrappers import Response

from sandbox.salesforce import errors, queries
from sandbox.salesforce.api import Ask
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.orgs import BIN_DAYS, DAY
from sandbox.salesforce.queries import Found
from sandbox.salesforce.soql import malformed
from sandbox.salesforce.values import moment_of, moment_text

SMALLEST_PAGE, LARGEST_PAGE = 200, 2_000
PAGE_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
UPDATED_DAYS = 30
MOST_IDS = 600_000
REPLICATION_ERROR = "INVALID_REPLICATION_DATE"


def query(ask: Ask) -> Response:
    """GET query?q=: live records."""
    return first_page(ask, is_all=False)


def query_all(ask: Ask) -> Response:
    """GET queryAll?q=: deleted and merged ones too, as long as they are in the Recycle Bin."""
    return first_page(ask, is_all=True)


def tooling_query(ask: Ask) -> Response:
    """GET tooling/query?q=."""
    return first_page(ask, is_all=False, is_tooling=True)


def first_page(ask: Ask, *, is_all: bool, is_tooling: bool = False) -> Response:
    """Run the query and show its first page."""
    text = ask.request.args.get("q", "")
    if not text:
        raise malformed("SOQL statement is missing: the parameter q is empty")
    found = queries.run(ask.org, ask.user_id, text, is_all=is_all, is_tooling=is_tooling)
    if not found.paths:
        return errors.reply({"totalSize": found.total, "done": True, "records": []})
    size = page_size(ask)
    name = ask.salesforce.cursors.keep(found) if found.total > size else ""
    return errors.reply(page(ask, found, name, 0, size))


def next_page(ask: Ask) -> Response:
    """GET query/NAME-START."""
    name, _, start = ask.args["cursor"].rpartition("-")
    found = ask.salesforce.cursors.get(name, ask.user_id)
    if not start.isdecimal():
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return errors.reply(page(ask, found, name, int(start), page_size(ask)))


def page(ask: Ask, found: Found, name: str, start: int, size: int) -> dict[str, Any]:
    """One page; the last one says no next address."""
    records = queries.page(ask.org, found, start, size, ask.version)
    end = start + size
    content: dict[str, Any] = {"totalSize": found.total, "done": end >= found.total}
    if end < found.total:
        content["nextRecordsUrl"] = ask.path(f"query/{name}-{end}")
    return {**content, "records": records}


def page_size(ask: Ask) -> int:
    """2,000 unless the header wishes for fewer, but not for fewer than 200."""
    wished = PAGE_SIZE.search(ask.request.headers.get("Sforce-Query-Options", ""))
    return min(LARGEST_PAGE, max(SMALLEST_PAGE, int(wished[1]))) if wished else LARGEST_PAGE


def deleted(ask: Ask) -> Response:
    """GET sobjects/X/deleted?start&end: from the log, which may have been cut."""
    table = ask.table(ask.args["name"])
    start, end = span(ask, BIN_DAYS)
    if start < ask.org.log_starts // 60 * 60:
        raise ApiError(REPLICATION_ERROR, "The deletion log does not reach back to the start date")
    entries = [(at, record_id) for at, record_id in table.log if start <= at < end]
    if len(entries) > MOST_IDS:
        raise ApiError("EXCEEDED_ID_LIMIT", "Too many ids", status=403)
    earliest = max(ask.org.log_starts, ask.org.now() - BIN_DAYS * DAY)
    content = {
        "deletedRecords": [{"id": record_id, "deletedDate": moment_text(at)} for at, record_id in entries],
        "earliestDateAvailable": moment_text(earliest),
        "latestDateCovered": moment_text(covered(ask, end)),
    }
    return errors.reply(content)


def updated(ask: Ask) -> Response:
    """GET sobjects/X/updated?start&end: ids by SystemModstamp."""
    table = ask.table(ask.args["name"])
    start, end = span(ask, UPDATED_DAYS)
    numbers = table.ordered(start, end, is_deleted=False)
    if len(numbers) > MOST_IDS:
        raise ApiError("EXCEEDED_ID_LIMIT", "Too many ids", status=403)
    found = [row["Id"] for _, row in queries.rows(table, numbers)]
    return errors.reply({"ids": found, "latestDateCovered": moment_text(covered(ask, end))})


def covered(ask: Ask, end: int) -> int:
    """Up to when nothing can come late: where the oldest running transaction began."""
    begun = [int(one.at - ask.org.lag_seconds) for one in ask.org.late]
    return min([end, ask.org.now(), *begun])


def span(ask: Ask, days: int) -> tuple[int, int]:
    """The parameters start and end; their seconds do not count."""
    try:
        start, end = (moment_of(ask.request.args[name].replace(" ", "+")) // 60 * 60 for name in ("start", "end"))
    except (KeyError, ValueError):
        raise ApiError("INVALID_FIELD", "start and end must be dates with times, yyyy-MM-ddTHH:mm:ss+00:00") from None
    if start < ask.org.now() - days * DAY:
        raise ApiError(REPLICATION_ERROR, f"startDate cannot be more than {days} days ago")
    if end - start < 60:
        raise ApiError(REPLICATION_ERROR, "endDate must be at least one minute after startDate")
    return start, end
