"""Reads Salesforce's records: all of them by id or by a bulk job, changes by their system stamp.

Pages go on behind the last row instead of by Salesforce's query cursors, which end with their session. A row may show
up minutes after its stamp, when its transaction ends: so the next round begins an overlap earlier, and once a day more
than a day earlier.
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_getupdated.htm
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import requests
import structlog
from django.utils import timezone
from simple_salesforce.format import format_soql

from crm.contract import Link, ReadBatch, Record, RecordPage, UnreadableRecord, Wanted
from crm.salesforce import calls, records
from integrations.errors import CursorExpired, IntegrationError, Temporary, Wait

log = structlog.get_logger()

T = TypeVar("T")

PAGE, LONG = 2000, {"Note": 500}
"""Records in one page, and in one of those whose texts are so long that 2,000 of them would not fit one answer."""

SMALLEST, NARROWEST = 20, 300
"""Records in a page, and seconds of changes, below which a query that takes too long is not made smaller."""

BULK_FROM = 10_000
"""From so many records on the first load is a bulk job, which costs a few calls."""

OVERLAP = timedelta(minutes=5)
WIDE_EVERY, WIDE_OVERLAP = timedelta(days=1), timedelta(hours=1)
"""How often everything since the last wide reading is read again, and how much longer than that a row may show late."""

DELETIONS_KEPT = timedelta(days=15)
"""How long Salesforce remembers what was deleted."""

SOONEST, LATEST = timedelta(seconds=5), timedelta(minutes=2)
"""How long to leave a bulk job alone: a quarter of the time that it took so far, within these."""

RUNNING = {"Open", "UploadComplete", "InProgress"}

_hidden: WeakKeyDictionary[requests.Session, dict[str, set[str]]] = WeakKeyDictionary()
"""Fields that a connection may not see though they are asked for, by object: its next queries do without."""


@dataclass(frozen=True)
class Cursor:
    """Up to when changes were read, and when a whole day was read again (``wide``), by Salesforce's clock."""

    since: datetime
    wide: datetime

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises CursorExpired for what we did not write."""
        try:
            stored = json.loads(text)
            return cls(records.moment(stored["since"]), records.moment(stored["wide"]))
        except (ValueError, TypeError, KeyError) as error:
            raise CursorExpired("The place where reading stopped cannot be read.") from error

    def __str__(self) -> str:
        return json.dumps({"since": self.since.isoformat(), "wide": self.wide.isoformat()})


def listing(link: Link, wanted: Wanted) -> RecordPage:
    """A page of everything there is, in order of id, or of a bulk job's result."""
    if not wanted.page:
        at = _begun(link, wanted)
        if "job" in at:
            # Nothing of it is read yet, but the job is remembered: it is not begun anew while it runs.
            return RecordPage((), next_page=json.dumps(at))
    else:
        at = json.loads(wanted.page)
    return _bulk_page(link, wanted, at) if "job" in at else _page_by_id(link, wanted, at)


def changes(link: Link, wanted: Wanted) -> RecordPage:
    """A page of what changed or was deleted since the cursor, in order of stamp and id."""
    cursor = Cursor.parse(wanted.cursor)
    at = json.loads(wanted.page) if wanted.page else {"since": cursor.since.isoformat(), "id": ""}
    try:
        response = _asked(link, wanted, _since(at, _size(wanted)), "queryAll/")
    except calls.GIVEN_UP as error:
        return RecordPage((), next_page=json.dumps(_narrower(at, error)))
    now = records.moment(at["now"]) if "now" in at else calls.clock(response)
    if now - cursor.since > DELETIONS_KEPT:
        raise CursorExpired("Nothing was read for more than 15 days, and Salesforce forgets deletions after that.")
    if "now" not in at and now - cursor.wide > WIDE_EVERY:
        start = min(cursor.since, cursor.wide - WIDE_OVERLAP)
        return RecordPage(
            (), next_page=json.dumps({"since": start.isoformat(), "id": "", "now": now.isoformat(), "wide": 1})
        )
    found, unreadable, last = _page(link, wanted, response, _size(wanted))
    if last:
        place = {**at, "since": last["SystemModstamp"], "id": last["Id"], "now": now.isoformat()}
        return RecordPage(found, unreadable, next_page=json.dumps(place))
    if (end := _end(at)) and end <= now:
        place = {**at, "since": end.isoformat(), "id": "", "now": now.isoformat(), "seconds": at["seconds"] * 2}
        return RecordPage(found, unreadable, next_page=json.dumps(place))
    ended = Cursor(max(cursor.since, now - OVERLAP), now if "wide" in at else cursor.wide)
    return RecordPage(found, unreadable, next_cursor=str(ended))


def _narrower(at: Mapping[str, Any], error: IntegrationError) -> dict[str, Any]:
    """The same place of changes, for a quarter of the time that was asked about. Raises the error where that is little
    already."""
    since = records.moment(at["since"])
    seconds = at.get("seconds") or int((timezone.now() - since).total_seconds())
    if seconds <= NARROWEST:
        raise error
    return {**at, "seconds": max(seconds // 4, NARROWEST)}


def _end(at: Mapping[str, Any]) -> datetime | None:
    """Up to when changes are asked for, in whole seconds as queries are; None for all of them."""
    since = records.moment(at["since"]).replace(microsecond=0)
    return since + timedelta(seconds=at["seconds"]) if "seconds" in at else None


def read(link: Link, wanted: Wanted, external_ids: Collection[str]) -> ReadBatch:
    """These records as they are now, deleted and merged ones too. What can be no such id is missing."""
    is_id = {one: records.is_id(wanted.object, one) for one in external_ids}
    ids = sorted({calls.long_id(one) for one, is_good in is_id.items() if is_good})
    found = _selected(link, wanted, ids)
    missing = {one for one, is_good in is_id.items() if not is_good} | set(ids) - {str(one.get("Id")) for one in found}
    return ReadBatch(_split(link, wanted, found)[0], tuple(sorted(missing)))


def _selected(link: Link, wanted: Wanted, ids: Iterable[str]) -> list[Any]:
    """The records with these ids, by as many queries as it takes."""
    found = []
    for some in calls.parts(ids):
        found += _visible(link, wanted, partial(_every, link, format_soql(" WHERE Id IN {}", some)))
    return found


def _every(link: Link, where: str, select: str) -> list[Any]:
    return calls.query(link, select + where, "queryAll/")


def _begun(link: Link, wanted: Wanted) -> dict[str, Any]:
    """How the first load goes on: by a bulk job where there is much and nobody waits. It remembers when it began."""
    try:
        response = _asked_all(link, wanted, "COUNT()")
        count = int(calls.content(response).get("totalSize") or 0)
    except calls.GIVEN_UP:
        response, count = _asked_all(link, wanted, "Id", " LIMIT 1"), BULK_FROM
    began = {"now": calls.clock(response).isoformat()}
    if wanted.is_prompt or count < BULK_FROM:
        return {**began, "id": ""}
    job = _visible(link, wanted, lambda select: _ordered(link, select))
    return {**began, "job": job, "locator": ""}


def _asked_all(link: Link, wanted: Wanted, what: str, limit: str = "") -> requests.Response:
    query = f"SELECT {what} FROM {calls.checked(wanted.object)}{limit}"  # noqa: S608
    return calls.raw(link, "query/", params={"q": query})


def _ordered(link: Link, query: str) -> str:
    job = calls.content(calls.raw(link, "jobs/query", "POST", json={"operation": "query", "query": query}))
    return calls.long_id(str(job.get("id")))


def _page_by_id(link: Link, wanted: Wanted, at: Mapping[str, Any]) -> RecordPage:
    after = format_soql(" WHERE Id > {}", at["id"]) if at["id"] else ""
    size = at.get("size") or _size(wanted)
    try:
        response = _asked(link, wanted, f"{after} ORDER BY Id LIMIT {size}")
    except calls.GIVEN_UP:
        if size <= SMALLEST:
            raise
        return RecordPage((), next_page=json.dumps({**at, "size": max(size // 4, SMALLEST)}))
    found, unreadable, last = _page(link, wanted, response, size)
    if last:
        larger = {"size": min(size * 2, _size(wanted))} if "size" in at else {}
        return RecordPage(found, unreadable, next_page=json.dumps({**at, "id": last["Id"], **larger}))
    return RecordPage(found, unreadable, next_cursor=_from(at))


def _page(
    link: Link, wanted: Wanted, response: requests.Response, size: int
) -> tuple[tuple[Record, ...], tuple[UnreadableRecord, ...], Mapping[str, Any] | None]:
    """A page's records, and its last one where others follow. Of wide records Salesforce sends fewer than asked."""
    body = calls.content(response)
    bodies = calls.rows(body)
    found, unreadable = _split(link, wanted, bodies)
    goes_on = bodies and (len(bodies) >= size or not body.get("done", True))
    return found, unreadable, bodies[-1] if goes_on else None


def _bulk_page(link: Link, wanted: Wanted, at: Mapping[str, Any]) -> RecordPage:
    """A page of a bulk job's result. Raises Wait while the job still runs: nobody sleeps for it.

    Where the job failed, or is forgotten by now, everything is read by pages instead.
    """
    try:
        if not at["locator"]:
            _check_done(link, at)
        params = {"maxRecords": str(_size(wanted))} | ({"locator": at["locator"]} if at["locator"] else {})
        path = f"jobs/query/{calls.long_id(at['job'])}/results"
        response = calls.raw(link, path, params=params, headers={"Accept": "text/csv"})
    except (calls.NotThere, calls.Rejected) as error:
        log.warning("salesforce.bulk_query_lost", object=wanted.object, error=str(error))
        return RecordPage((), next_page=json.dumps({"now": at["now"], "id": ""}))
    lines = calls.lines(response, "Id", "SystemModstamp")
    if response.headers.get("Sforce-NumberOfRecords") != str(len(lines)) or "Sforce-Locator" not in response.headers:
        raise Temporary("Salesforce sent half a bulk result.")
    found, unreadable = _split(link, wanted, lines)
    locator = response.headers["Sforce-Locator"]
    if locator != "null":
        return RecordPage(found, unreadable, next_page=json.dumps({**at, "locator": locator}))
    return RecordPage(found, unreadable, next_cursor=_from(at))


def _check_done(link: Link, at: Mapping[str, Any]) -> None:
    """Raises Wait while the job runs, NotThere where it failed."""
    job = calls.content(calls.raw(link, f"jobs/query/{calls.long_id(at['job'])}"))
    if job.get("state") in RUNNING:
        now = timezone.now()
        patience = min(max((now - records.moment(at["now"])) / 4, SOONEST), LATEST)
        raise Wait("Salesforce is still collecting the records.", now + patience)
    if job.get("state") != "JobComplete":
        raise calls.NotThere(f"Salesforce's bulk job ended as {job.get('state')}: {job.get('errorMessage')}")


def _from(at: Mapping[str, Any]) -> str:
    """The cursor after a first load: from an overlap before it began."""
    began = records.moment(at["now"])
    return str(Cursor(began - OVERLAP, began))


def _asked(link: Link, wanted: Wanted, condition: str, path: str = "query/") -> requests.Response:
    return _visible(link, wanted, lambda select: calls.raw(link, path, params={"q": select + condition}))


def _visible(link: Link, wanted: Wanted, ask: Callable[[str], T]) -> T:
    """The answer to a SELECT. Where that is refused for a field, once more without those that are hidden from us.

    Their values are then absent from the records. Raises Rejected where no hidden field is to blame.
    """
    hidden = _hidden.setdefault(link.http, {}).setdefault(wanted.object, set())
    try:
        return ask(_select(wanted, hidden))
    except calls.Rejected as error:
        gone = _not_described(link, wanted) - hidden if "INVALID_FIELD" in error.codes else set()
        if not gone:
            raise
    log.warning("salesforce.fields_hidden", object=wanted.object, fields=sorted(gone))
    hidden |= gone
    return ask(_select(wanted, hidden))


def _not_described(link: Link, wanted: Wanted) -> set[str]:
    known = {str(one["name"]) for one in calls.described(link, wanted.object)}
    return set(records.read_fields(wanted.object, wanted.fields)) - known


def _select(wanted: Wanted, hidden: set[str]) -> str:
    names = [one for one in records.read_fields(wanted.object, wanted.fields) if one not in hidden]
    return f"SELECT {', '.join(names)} FROM {calls.checked(wanted.object)}"  # noqa: S608


def _since(at: Mapping[str, Any], size: int) -> str:
    since = records.moment(at["since"]).astimezone(UTC)
    condition = format_soql("SystemModstamp >= {}", since)
    if at["id"]:
        condition += format_soql(" AND (SystemModstamp > {} OR Id > {})", since, at["id"])
    if end := _end(at):
        condition += format_soql(" AND SystemModstamp < {}", end)
    return f" WHERE {condition} ORDER BY SystemModstamp, Id LIMIT {size}"


def _size(wanted: Wanted) -> int:
    return min(PAGE, LONG.get(wanted.object, PAGE))


def _split(
    link: Link, wanted: Wanted, bodies: Iterable[Any]
) -> tuple[tuple[Record, ...], tuple[UnreadableRecord, ...]]:
    return records.split(wanted.object, bodies, link.details.get("user_id", ""))
