"""Finds HubSpot's records whose creation was answered by nothing.

https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from crm.contract import Change, Link, Written
from crm.hubspot import calls, paths, reading, records, writing

MOST_READ = 2_000
"""So many records of one kind on what the lost ones belong to are read to find them, the newest first; and found by
search, for those that belong to nothing or to what has more."""

LOOKS = {"emails": ("hs_timestamp", "hs_email_subject")}
"""What a mail that was made lately is known by: its text, with our mark, is shown to nobody who did not ask for the
right to read all mail, and we do not."""

LOOKED_BACK = timedelta(minutes=5)
"""How far two clocks may be apart when a record is looked for that was made at a time of ours."""


def recover(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Which of these creations are there after all: by our key, or by the mark in their text.

    None where the property for our key is missing: what needs it is then refused when it is written.
    """
    if object not in writing.KEY_FIELDS:
        return _by_mark(link, object, changes)
    try:
        return _by_key(link, object, changes)
    except calls.Rejected:
        return ()


def _by_key(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    key = writing.KEY_FIELDS[object]
    body = {"idProperty": key, "properties": [key], "inputs": [{"id": change.key} for change in changes]}
    answer = calls.post(link, paths.objects(object, "/batch/read"), body)
    wanted = {change.key for change in changes}
    found = [(writing.own_key(object, one), one) for one in calls.rows(answer)]
    return tuple(
        Written(name, str(one["id"]), is_created=True, modified_at=records.moment(one.get("updatedAt")))
        for name, one in found
        if name in wanted
    )


def _by_mark(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Look through what the relations of each hold, a list that lags nothing; for what is left, by search."""
    body = records.BODIES.get(object)
    if body is None:
        return ()
    found: dict[str, Written] = {}
    held = sorted(_held(link, object, changes), key=int, reverse=True)[:MOST_READ]
    for start in range(0, len(held), writing.BATCH):
        asked = {
            "properties": [body, *LOOKS.get(object, ())],
            "inputs": [{"id": one} for one in held[start : start + writing.BATCH]],
        }
        answer = calls.post(link, paths.objects(object, "/batch/read"), asked)
        found |= _marked(object, calls.rows(answer), changes)
        if len(found) == len(changes):
            return tuple(found.values())
    return tuple((_by_search(link, object, body, changes) | found).values())


def _held(link: Link, object: str, changes: Sequence[Change]) -> set[str]:
    """Ids of the records of this kind that hang on the first thing each change relates to."""
    firsts = {one for change in changes for one in change.related[:1]}
    held: set[str] = set()
    for kind in sorted({one.kind for one in firsts}):
        ids = sorted(one.external_id for one in firsts if one.kind == kind)
        for ends in reading.associated(link, records.OBJECTS[kind], ids, object).values():
            held |= {one for one, _ in ends}
    return held


def _by_search(link: Link, object: str, body: str, changes: Sequence[Change]) -> dict[str, Written]:
    """Look through what was made since these were planned. A search: it does not see the last moments."""
    planned = [change.planned_at for change in changes if change.planned_at]
    if len(planned) < len(changes):
        return {}
    since = records.milliseconds(min(planned) - LOOKED_BACK)
    asked: dict[str, Any] = {
        "filterGroups": [{"filters": [{"propertyName": "hs_createdate", "operator": "GTE", "value": str(since)}]}],
        "sorts": [{"propertyName": "hs_createdate", "direction": "ASCENDING"}],
        "properties": [body, *LOOKS.get(object, ())],
        "limit": reading.SEARCH_LIMIT,
    }
    found: dict[str, Written] = {}
    for start in range(0, MOST_READ, reading.SEARCH_LIMIT):
        answer = calls.post(link, paths.objects(object, "/search"), {**asked, "after": str(start)})
        found |= _marked(object, calls.rows(answer), changes)
        if len(found) == len(changes) or not reading.after(answer):
            break
    return found


def _marked(object: str, bodies: Sequence[Mapping[str, Any]], changes: Sequence[Change]) -> dict[str, Written]:
    wanted = {change.key for change in changes}
    looks: dict[tuple[Any, ...] | None, Change] = {
        look: change for change in changes if (look := _look(object, change.values))
    }
    found: dict[str, Written] = {}
    for one in bodies:
        key, alike = records.mark_of(object, one), looks.get(_look(object, one.get("properties") or {}))
        if not key and alike and _is_recent(one, alike):
            key = alike.key
        if key in wanted:
            found[key] = writing.taken(object, key, one, is_created=True)
    return found


def _look(object: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """When a mail was sent and its subject; None where one of them is not known, or it is no mail."""
    if object not in LOOKS:
        return None
    sent_at, subject = (values.get(name) for name in LOOKS[object])
    moment = records.moment(sent_at)
    return (moment, subject) if moment and subject else None


def _is_recent(body: Mapping[str, Any], change: Change) -> bool:
    made_at = records.moment(body.get("createdAt"))
    return bool(made_at and change.planned_at and made_at >= change.planned_at - LOOKED_BACK)
