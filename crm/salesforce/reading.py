"""Reads Salesforce's records: all of them by id or by a bulk job, changes by their system stamp.

Pages go on behind the last row instead of by Salesforce's query cursors, which end with their session. A row may show
up minutes after its stamp, when its transaction ends: so the next round begins an overlap earlier, and once a day a
whole day earlier.
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_getupdated.htm
"""

import csv
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from simple_salesforce.format import format_soql

from crm.contract import Link, ReadBatch, Record, RecordPage, Wanted
from crm.salesforce import calls, records
from integrations.errors import CursorExpired, Temporary, Wait

PAGE = 2000
BULK_FROM = 10_000
"""From so many records on the first load is a bulk job, which costs a few calls."""

OVERLAP = timedelta(minutes=5)
WIDE_EVERY = timedelta(days=1)
DELETIONS_KEPT = timedelta(days=15)
"""How long Salesforce remembers what was deleted."""

POLL = timedelta(seconds=5)


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
    at = json.loads(wanted.page) if wanted.page else _begun(link, wanted)
    return _bulk_page(link, wanted, at) if "job" in at else _page_by_id(link, wanted, at)


def changes(link: Link, wanted: Wanted) -> RecordPage:
    """A page of what changed or was deleted since the cursor, in order of stamp and id."""
    cursor = Cursor.parse(wanted.cursor)
    at = json.loads(wanted.page) if wanted.page else {"since": cursor.since.isoformat(), "id": ""}
    response = calls.raw(link, "queryAll/", params={"q": _changed(wanted, at)})
    now = records.moment(at["now"]) if "now" in at else calls.clock(response)
    if now - cursor.since > DELETIONS_KEPT:
        raise CursorExpired("Nothing was read for more than 15 days, and Salesforce forgets deletions after that.")
    if "now" not in at and now - cursor.wide > WIDE_EVERY:
        start = min(cursor.since, now - WIDE_EVERY)
        return RecordPage(
            (), next_page=json.dumps({"since": start.isoformat(), "id": "", "now": now.isoformat(), "wide": 1})
        )
    bodies = response.json()["records"]
    found, unreadable = records.split(wanted.object, bodies, link.details.get("user_id", ""))
    if len(bodies) == PAGE:
        last = {"since": bodies[-1]["SystemModstamp"], "id": bodies[-1]["Id"], "now": now.isoformat()}
        return RecordPage(found, unreadable, next_page=json.dumps(last | ({"wide": 1} if "wide" in at else {})))
    ended = Cursor(max(cursor.since, now - OVERLAP), now if "wide" in at else cursor.wide)
    return RecordPage(found, unreadable, next_cursor=str(ended))


def read(link: Link, wanted: Wanted, external_ids: Collection[str]) -> ReadBatch:
    """These records as they are now, deleted and merged ones too."""
    ids = sorted(calls.long_id(one) for one in external_ids)
    found = _selected(link, wanted, format_soql("Id IN {}", ids), "queryAll/")
    return ReadBatch(found, tuple(sorted(set(ids) - {one.external_id for one in found})))


def find(link: Link, wanted: Wanted, by: str, values: Collection[str]) -> tuple[Record, ...]:
    """Records whose field ``by`` has one of these values."""
    return _selected(link, wanted, format_soql("{:literal} IN {}", by, sorted(values)), "query/")


def _selected(link: Link, wanted: Wanted, condition: str, path: str) -> tuple[Record, ...]:
    answer = calls.rest(link, path, params={"q": f"{_select(wanted)} WHERE {condition}"})
    return records.split(wanted.object, answer["records"], link.details.get("user_id", ""))[0]


def _begun(link: Link, wanted: Wanted) -> dict[str, Any]:
    """How the first load goes on: by a bulk job where there is much. It remembers when it began."""
    response = calls.raw(link, "query/", params={"q": f"SELECT COUNT() FROM {wanted.object}"})  # noqa: S608
    began = {"now": calls.clock(response).isoformat()}
    if response.json()["totalSize"] < BULK_FROM:
        return {**began, "id": ""}
    body = {"operation": "query", "query": _select(wanted)}
    return {**began, "job": calls.rest(link, "jobs/query", "POST", json=body)["id"], "locator": ""}


def _page_by_id(link: Link, wanted: Wanted, at: Mapping[str, Any]) -> RecordPage:
    after = format_soql(" WHERE Id > {}", at["id"]) if at["id"] else ""
    query = f"{_select(wanted)}{after} ORDER BY Id LIMIT {PAGE}"
    bodies = calls.rest(link, "query/", params={"q": query})["records"]
    found, unreadable = records.split(wanted.object, bodies, link.details.get("user_id", ""))
    if len(bodies) == PAGE:
        return RecordPage(found, unreadable, next_page=json.dumps({**at, "id": bodies[-1]["Id"]}))
    return RecordPage(found, unreadable, next_cursor=_from(at))


def _bulk_page(link: Link, wanted: Wanted, at: Mapping[str, Any]) -> RecordPage:
    """A page of a bulk job's result. Raises Wait while the job still runs: nobody sleeps for it."""
    if not at["locator"]:
        _check_done(link, at["job"])
    params = {"maxRecords": str(PAGE)} | ({"locator": at["locator"]} if at["locator"] else {})
    response = calls.raw(link, f"jobs/query/{at['job']}/results", params=params, headers={"Accept": "text/csv"})
    lines = csv.DictReader(io.StringIO(response.content.decode()))
    found, unreadable = records.split(wanted.object, lines, link.details.get("user_id", ""))
    locator = response.headers.get("Sforce-Locator", "null")
    if locator != "null":
        return RecordPage(found, unreadable, next_page=json.dumps({**at, "locator": locator}))
    return RecordPage(found, unreadable, next_cursor=_from(at))


def _check_done(link: Link, job: str) -> None:
    state = calls.rest(link, f"jobs/query/{job}")["state"]
    if state in {"UploadComplete", "InProgress", "Open"}:
        raise Wait("Salesforce is still collecting the records.", timezone.now() + POLL)
    if state != "JobComplete":
        raise Temporary(f"Salesforce's bulk job ended as {state}.")


def _from(at: Mapping[str, Any]) -> str:
    """The cursor after a first load: from an overlap before it began."""
    began = records.moment(at["now"])
    return str(Cursor(began - OVERLAP, began))


def _select(wanted: Wanted) -> str:
    return f"SELECT {', '.join(records.read_fields(wanted.object, wanted.fields))} FROM {wanted.object}"  # noqa: S608


def _changed(wanted: Wanted, at: Mapping[str, Any]) -> str:
    since = records.moment(at["since"]).astimezone(UTC)
    condition = format_soql("SystemModstamp >= {}", since)
    if at["id"]:
        condition = format_soql("(SystemModstamp > {} OR (SystemModstamp = {} AND Id > {}))", since, since, at["id"])
    return f"{_select(wanted)} WHERE {condition} ORDER BY SystemModstamp, Id LIMIT {PAGE}"
