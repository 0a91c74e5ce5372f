"""Reads HubSpot's records: everything by lists, changes by search, deletions by the list of what was archived.

Search ends after 10,000 rows, so it begins anew at the last stamp; it lags a few moments, so cursors lie a minute back.
https://developers.hubspot.com/docs/api-reference/search/guide
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from crm.contract import Link, ReadBatch, Record, RecordPage, Related, Wanted
from crm.hubspot import calls, paths, records
from integrations.errors import CursorExpired, ResourceGone

LIST_LIMIT = 100
SEARCH_LIMIT = 200
SEARCH_END = 10_000
OVERLAP = timedelta(seconds=60)
ARCHIVED_EVERY = timedelta(hours=1)
"""So often the list of what was archived is read; it has no filter, and pushes tell of deletions at once."""

PRIMARY = 1
"""The association type of a contact's primary company. https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide"""


@dataclass(frozen=True)
class Cursor:
    """Up to when changes and archived records were read, in milliseconds of HubSpot's clock."""

    since: int
    archived: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises CursorExpired for what we did not write."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise CursorExpired("The place where reading stopped cannot be read.") from error

    def __str__(self) -> str:
        return json.dumps({"since": self.since, "archived": self.archived})


def listing(link: Link, wanted: Wanted) -> RecordPage:
    """A page of everything there is. The cursor is from before the first page, by HubSpot's clock."""
    at = json.loads(wanted.page) if wanted.page else {}
    body = calls.get(link, paths.objects(wanted.object), _list_params(wanted, at.get("after")))
    found, unreadable = records.split(wanted.object, body.get("results") or [])
    began = at.get("began") or records.milliseconds(body["_now"] - OVERLAP)
    after = _after(body)
    if after:
        return RecordPage(found, unreadable, next_page=json.dumps({"after": after, "began": began}))
    return RecordPage(found, unreadable, next_cursor=str(Cursor(began, began)))


def changes(link: Link, wanted: Wanted) -> RecordPage:
    """A page of what changed since the cursor: by search first, then what was archived."""
    cursor = Cursor.parse(wanted.cursor)
    at = json.loads(wanted.page) if wanted.page else {"from": cursor.since}
    return _archived(link, wanted, cursor, at) if at.get("archived") else _searched(link, wanted, cursor, at)


def read(link: Link, wanted: Wanted, external_ids: Collection[str]) -> ReadBatch:
    """These records as they are now; of those that are not there it is asked whether they were archived or merged."""
    found = _batch(link, wanted, external_ids)
    missing = set(external_ids) - _known(found)
    if missing:
        found += tuple(replace(one, is_deleted=True) for one in _batch(link, wanted, missing, is_archived=True))
        missing -= _known(found)
    for external_id in sorted(missing):
        if survivor := _merged(link, wanted, external_id):
            found += (survivor,)
            missing.discard(external_id)
    return ReadBatch(_with_related(link, wanted.object, found), tuple(sorted(missing)))


def find(link: Link, wanted: Wanted, by: str, values: Collection[str]) -> tuple[Record, ...]:
    """Records whose property ``by`` has one of these values."""
    body = {
        "filterGroups": [
            {"filters": [{"propertyName": by, "operator": "IN", "values": sorted(map(str.lower, values))}]}
        ],
        "properties": _names(wanted),
        "limit": SEARCH_LIMIT,
    }
    answer = calls.post(link, paths.objects(wanted.object, "/search"), body)
    found, _ = records.split(wanted.object, answer.get("results") or [])
    return _with_related(link, wanted.object, found)


def associated(link: Link, source: str, ids: Iterable[str], target: str) -> dict[str, list[tuple[str, bool]]]:
    """For each of these records the ids it is associated with, and whether as its primary one."""
    body = {"inputs": [{"id": one} for one in ids]}
    answer = calls.post(link, paths.associations(source, target, "read"), body)
    return {
        str(one["from"]["id"]): [
            (str(each["toObjectId"]), any(kind.get("typeId") == PRIMARY for kind in each.get("associationTypes") or []))
            for each in one.get("to") or []
        ]
        for one in answer.get("results") or []
    }


def _searched(link: Link, wanted: Wanted, cursor: Cursor, at: Mapping[str, Any]) -> RecordPage:
    """A page of a search, in order of change. The next cursor is an overlap before the first page was asked for."""
    body = calls.post(link, paths.objects(wanted.object, "/search"), _search(wanted, at))
    results = body.get("results") or []
    found, unreadable = records.split(wanted.object, results)
    found = _with_related(link, wanted.object, found)
    now = at.get("now") or records.milliseconds(body["_now"] - OVERLAP)
    goes_on = _goes_on({**at, "now": now}, wanted.object, body)
    if goes_on is None and now - cursor.archived >= ARCHIVED_EVERY.total_seconds() * 1000:
        goes_on = {"archived": True, "now": now}
    if goes_on:
        return RecordPage(found, unreadable, next_page=json.dumps(goes_on))
    return RecordPage(found, unreadable, next_cursor=str(Cursor(max(cursor.since, now), cursor.archived)))


def _goes_on(at: Mapping[str, Any], object: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where a search goes on; None at its end.

    At 10,000 rows it begins anew at the last stamp; where all of them have one stamp, by id within it.
    """
    results, after = body.get("results") or [], _after(body)
    if after and int(after) < SEARCH_END:
        return {**at, "after": after}
    if after:
        last = _last_stamp(object, results)
        if last > at["from"]:
            return {"from": last, "now": at["now"]}
        return {"from": at["from"], "now": at["now"], "id": str(results[-1]["id"])}
    return {"from": at["from"] + 1, "now": at["now"]} if "id" in at else None


def _search(wanted: Wanted, at: Mapping[str, Any]) -> dict[str, Any]:
    stamp = records.stamp_field(wanted.object)
    if "id" in at:
        filters = [
            {"propertyName": stamp, "operator": "EQ", "value": str(at["from"])},
            {"propertyName": "hs_object_id", "operator": "GT", "value": at["id"]},
        ]
        order = "hs_object_id"
    else:
        filters = [{"propertyName": stamp, "operator": "GTE", "value": str(at["from"])}]
        order = stamp
    return {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
        "properties": _names(wanted),
        "limit": SEARCH_LIMIT,
        **({"after": at["after"]} if "after" in at else {}),
    }


def _last_stamp(object: str, results: list[Any]) -> int:
    moment = records.moment((results[-1].get("properties") or {}).get(records.stamp_field(object)))
    return records.milliseconds(moment) if moment else 0


def _archived(link: Link, wanted: Wanted, cursor: Cursor, at: Mapping[str, Any]) -> RecordPage:
    """A page of what was archived; only what was so since the last look is passed on."""
    params = {**_list_params(wanted, at.get("after")), "archived": "true"}
    params.pop("associations", None)
    body = calls.get(link, paths.objects(wanted.object), params)
    found, unreadable = records.split(wanted.object, body.get("results") or [])
    recent = tuple(one for one in found if one.modified_at and records.milliseconds(one.modified_at) >= cursor.archived)
    if after := _after(body):
        return RecordPage(recent, unreadable, next_page=json.dumps({**at, "after": after}))
    return RecordPage(recent, unreadable, next_cursor=str(Cursor(max(cursor.since, at["now"]), at["now"])))


def _batch(link: Link, wanted: Wanted, ids: Collection[str], is_archived: bool = False) -> tuple[Record, ...]:
    body = {"properties": _names(wanted), "inputs": [{"id": one} for one in sorted(ids)]}
    params = {"archived": "true"} if is_archived else None
    answer = calls.post(link, paths.objects(wanted.object, "/batch/read"), body, params)
    return records.split(wanted.object, answer.get("results") or [])[0]


def _merged(link: Link, wanted: Wanted, external_id: str) -> Record | None:
    """The record that an id leads to after a merge: asked one by one it still resolves."""
    try:
        body = calls.get(
            link, f"{paths.objects(wanted.object)}/{external_id}", {"properties": ",".join(_names(wanted))}
        )
    except ResourceGone:
        return None
    found = records.record(wanted.object, body)
    return replace(found, aliases=tuple({*found.aliases, external_id} - {found.external_id}))


def _known(found: Iterable[Record]) -> set[str]:
    return {name for one in found for name in (one.external_id, *one.aliases)}


def _with_related(link: Link, object: str, found: tuple[Record, ...]) -> tuple[Record, ...]:
    """The records with what they belong to, which search and batches leave out: one call per 100 and kind."""
    if not found:
        return found
    related: dict[str, list[Related]] = {}
    for target in records.targets(object):
        for ids in _hundreds(one.external_id for one in found if not one.is_deleted):
            for source, others in associated(link, object, ids, target).items():
                ordered = sorted(others, key=lambda other: not other[1])
                related.setdefault(source, []).extend(Related(records.KINDS[target], one) for one, _ in ordered)
    return tuple(replace(one, related=tuple(related.get(one.external_id, ()))) for one in found)


def _hundreds(ids: Iterable[str]) -> Iterator[list[str]]:
    asked = list(ids)
    for start in range(0, len(asked), LIST_LIMIT):
        yield asked[start : start + LIST_LIMIT]


def _names(wanted: Wanted) -> list[str]:
    return sorted({*wanted.fields, *records.always_read(wanted.object)})


def _list_params(wanted: Wanted, after: str | None) -> dict[str, Any]:
    params: dict[str, Any] = {"limit": LIST_LIMIT, "properties": ",".join(_names(wanted))}
    if targets := records.targets(wanted.object):
        params["associations"] = ",".join(targets)
    return {**params, "after": after} if after else params


def _after(body: Mapping[str, Any]) -> str:
    return str(((body.get("paging") or {}).get("next") or {}).get("after") or "")
