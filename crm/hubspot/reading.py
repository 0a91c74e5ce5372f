"""Reads HubSpot's records: everything by lists, changes by search, deletions by the list of what was archived.

Each page of a search begins at the last one's last stamp: what changes meanwhile moves to the end, and would shift what
numbered pages hold; nor is the end after 10,000 rows ever met. Search lags a few moments, so cursors lie a minute back.
https://developers.hubspot.com/docs/api-reference/search/guide
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from crm.contract import Link, ReadBatch, Record, RecordPage, Related, UnreadableRecord, Wanted
from crm.hubspot import calls, paths, records
from integrations.errors import CursorExpired, Temporary

LIST_LIMIT = 100
SEARCH_LIMIT = 200
LONGEST_ADDRESS = 6_000
"""Characters of names in an address, of which HubSpot refuses some 8,000."""

LOOKED_UP = 50
"""So many ids that batches do not know are asked for one by one, whether they were merged."""

OVERLAP = timedelta(seconds=60)
ARCHIVED_EVERY = timedelta(hours=1)
"""So often the list of archived firms and people is read; it has no filter, and pushes tell of deletions at once.

A note that was archived changes nothing here: it is found when it is written to, or by the nightly comparison."""

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
    body, found, unreadable = _listed(link, wanted, at.get("after"))
    began = at.get("began") or records.milliseconds(body["_now"] - OVERLAP)
    if place := after(body):
        return RecordPage(found, unreadable, next_page=json.dumps({"after": place, "began": began}))
    return RecordPage(found, unreadable, next_cursor=str(Cursor(began, began)))


def changes(link: Link, wanted: Wanted) -> RecordPage:
    """A page of what changed since the cursor: by search first, then what was archived."""
    cursor = Cursor.parse(wanted.cursor)
    at = json.loads(wanted.page) if wanted.page else {"from": cursor.since}
    return _archived(link, wanted, cursor, at) if at.get("archived") else _searched(link, wanted, cursor, at)


def read(link: Link, wanted: Wanted, external_ids: Collection[str]) -> ReadBatch:
    """These records as they are now; of those that are not there it is asked whether they were archived or merged.

    Of very many that are not there, some are left open: neither found nor missing.
    """
    ids = {one for one in external_ids if records.is_id(one)}
    found, unreadable = _batch(link, wanted, ids)
    missing = ids - _seen(found, unreadable)
    if missing:
        archived, unreadable = _batch(link, wanted, missing, is_archived=True)
        found += tuple(replace(one, is_deleted=True) for one in archived)
        missing -= _seen(archived, unreadable)
    asked = sorted(missing)[:LOOKED_UP]
    survivors = {old: new for old in asked if (new := _survivor(link, wanted.object, old))}
    if survivors:
        merged, _ = _batch(link, wanted, set(survivors.values()) - {one.external_id for one in found})
        found = tuple(_known_as(one, survivors) for one in found + merged)
    missing = {one for one in asked if one not in survivors} | {one for one in external_ids if one not in ids}
    return ReadBatch(_with_related(link, wanted.object, found), tuple(sorted(missing)))


def associated(link: Link, source: str, ids: Iterable[str], target: str) -> dict[str, list[tuple[str, bool]]]:
    """For each of these records the ids it is associated with, and whether as its primary one."""
    inputs: list[dict[str, str]] = [{"id": one} for one in ids]
    found: dict[str, list[tuple[str, bool]]] = {}
    while inputs:
        answer = calls.post(link, paths.associations(source, target, "read"), {"inputs": inputs[:LIST_LIMIT]})
        inputs = inputs[LIST_LIMIT:]
        for one in calls.rows(answer):
            name = str(one["from"]["id"])
            found.setdefault(name, []).extend(_end(each) for each in one.get("to") or [])
            if place := after(one):
                inputs.append({"id": name, "after": place})
    return found


def _end(each: Mapping[str, Any]) -> tuple[str, bool]:
    return str(each["toObjectId"]), any(kind.get("typeId") == PRIMARY for kind in each.get("associationTypes") or [])


def _searched(link: Link, wanted: Wanted, cursor: Cursor, at: Mapping[str, Any]) -> RecordPage:
    """A page of a search, in order of change. The next cursor is an overlap before the first page was asked for."""
    body = calls.post(link, paths.objects(wanted.object, "/search"), _search(wanted, at))
    found, unreadable = records.split(wanted.object, calls.rows(body))
    now = at.get("now") or records.milliseconds(body["_now"] - OVERLAP)
    goes_on = _goes_on({**at, "now": now}, found, is_last=not after(body))
    is_due = now - cursor.archived >= ARCHIVED_EVERY.total_seconds() * 1000
    if goes_on is None and is_due and wanted.object in records.KINDS:
        goes_on = {"archived": True, "now": now}
    found = _with_related(link, wanted.object, found)
    if goes_on:
        return RecordPage(found, unreadable, next_page=json.dumps(goes_on))
    return RecordPage(found, unreadable, next_cursor=str(Cursor(max(cursor.since, now), cursor.archived)))


def _goes_on(at: Mapping[str, Any], found: Sequence[Record], is_last: bool) -> dict[str, Any] | None:
    """Where a search goes on; None at its end. A page that is all of one stamp is followed by all of that, by id."""
    if is_last:
        return {"from": at["from"] + 1, "now": at["now"]} if "id" in at else None
    stamps = [records.milliseconds(one.modified_at) for one in found if one.modified_at]
    if not stamps:
        raise Temporary("HubSpot sent a page of changes that cannot be read at all.")
    if "id" in at:
        return {**at, "id": max((one.external_id for one in found), key=int)}
    last = max(stamps)
    return {"from": last, "now": at["now"]} if last > at["from"] else {**at, "id": "0"}


def _search(wanted: Wanted, at: Mapping[str, Any]) -> dict[str, Any]:
    stamp = records.stamp_field(wanted.object)
    if "id" in at:
        filters = [
            {"propertyName": stamp, "operator": "GTE", "value": str(at["from"])},
            {"propertyName": stamp, "operator": "LTE", "value": str(at["from"])},
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
    }


def _archived(link: Link, wanted: Wanted, cursor: Cursor, at: Mapping[str, Any]) -> RecordPage:
    """A page of what was archived; only what was so since the last look is passed on."""
    body, found, unreadable = _listed(link, wanted, at.get("after"), is_archived=True)
    recent = tuple(one for one in found if one.modified_at and records.milliseconds(one.modified_at) >= cursor.archived)
    recent = tuple(replace(one, is_deleted=True) for one in recent)
    if place := after(body):
        return RecordPage(recent, unreadable, next_page=json.dumps({**at, "after": place}))
    return RecordPage(recent, unreadable, next_cursor=str(Cursor(max(cursor.since, at["now"]), at["now"])))


def _listed(
    link: Link, wanted: Wanted, place: str | None, is_archived: bool = False
) -> tuple[dict[str, Any], tuple[Record, ...], tuple[UnreadableRecord, ...]]:
    """A page of a list. Where the names of what is read are too long for its address, the page is read by its ids."""
    names = ",".join(_names(wanted))
    is_wide = len(names) > LONGEST_ADDRESS
    params = {"limit": LIST_LIMIT, "properties": records.stamp_field(wanted.object) if is_wide else names}
    targets = records.targets(wanted.object)
    params |= {"archived": "true"} if is_archived else {"associations": ",".join(targets)} if targets else {}
    body = calls.get(link, paths.objects(wanted.object), params | ({"after": place} if place else {}))
    found, unreadable = records.split(wanted.object, calls.rows(body))
    if is_wide and not is_archived:
        found, more = _batch(link, wanted, [one.external_id for one in found])
        found, unreadable = _with_related(link, wanted.object, found), unreadable + more
    return body, found, unreadable


def _batch(
    link: Link, wanted: Wanted, ids: Collection[str], is_archived: bool = False
) -> tuple[tuple[Record, ...], tuple[UnreadableRecord, ...]]:
    """The records of these ids that are there."""
    if not ids:
        return (), ()
    body = {"properties": _names(wanted), "inputs": [{"id": one} for one in sorted(ids)]}
    params = {"archived": "true"} if is_archived else None
    answer = calls.post(link, paths.objects(wanted.object, "/batch/read"), body, params)
    return records.split(wanted.object, calls.rows(answer))


def _seen(found: Iterable[Record], unreadable: Iterable[UnreadableRecord]) -> set[str]:
    """Every id that is accounted for: by a record, one that it had before, or one that cannot be read."""
    names = {name for one in found for name in (one.external_id, *one.aliases)}
    return names | {one.external_id for one in unreadable}


def _survivor(link: Link, object: str, external_id: str) -> str:
    """The id of the record that an id leads to after a merge: asked one by one it still resolves. Or nothing."""
    try:
        body = calls.get(link, f"{paths.objects(object)}/{external_id}", {"properties": records.stamp_field(object)})
    except calls.NotThere:
        return ""
    return str(body.get("id") or "")


def _known_as(one: Record, survivors: Mapping[str, str]) -> Record:
    """The record with the ids that led to it."""
    old = {name for name, new in survivors.items() if new == one.external_id}
    return replace(one, aliases=tuple(sorted({*one.aliases, *old} - {one.external_id})))


def _with_related(link: Link, object: str, found: tuple[Record, ...]) -> tuple[Record, ...]:
    """The records with what they belong to, which search and batches leave out: one call per 100 and kind."""
    related: dict[str, list[Related]] = {}
    living = [one.external_id for one in found if not one.is_deleted]
    for target in records.targets(object) if living else ():
        for source, others in associated(link, object, living, target).items():
            ordered = sorted(others, key=lambda other: not other[1])
            related.setdefault(source, []).extend(Related(records.KINDS[target], one) for one, _ in ordered)
    return tuple(replace(one, related=tuple(related.get(one.external_id, ()))) for one in found)


def _names(wanted: Wanted) -> list[str]:
    return sorted({*wanted.fields, *records.always_read(wanted.object)})


def after(body: Mapping[str, Any]) -> str:
    """Where the next page begins; nothing after the last one."""
    return str(((body.get("paging") or {}).get("next") or {}).get("after") or "")
