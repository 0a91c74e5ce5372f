"""Writes HubSpot's records in batches of 100, each record answered by itself.

A batch may be refused as a whole for one bad record: then it is halved until the bad one stands alone.
https://developers.hubspot.com/docs/api-reference/crm-objects-v3/guide
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from crm.contract import Change, Link, RecordError, Related, Written
from crm.hubspot import calls, paths, reading, records
from integrations.errors import MissingScope, ResourceGone

BATCH = 100
KEY = "lpxgp_sync_id"
KEY_FIELDS = {"companies": KEY, "contacts": KEY}

TYPES = {
    ("contacts", "companies"): 1,
    ("notes", "contacts"): 202,
    ("notes", "companies"): 190,
    ("tasks", "contacts"): 204,
    ("tasks", "companies"): 192,
    ("meetings", "contacts"): 200,
    ("meetings", "companies"): 188,
    ("emails", "contacts"): 198,
    ("emails", "companies"): 186,
}
"""Association types, which have a direction. Labels change, ids do not."""

CAUSES = {
    "PROPERTY_DOESNT_EXIST": "unknown_field",
    "READ_ONLY_VALUE": "no_permission",
    "INVALID_OPTION": "bad_choice",
    "INVALID_EMAIL": "bad_value",
    "INVALID_INTEGER": "bad_value",
    "INVALID_LONG": "bad_value",
    "INVALID_NUMBER": "bad_value",
    "INVALID_DATE": "bad_value",
    "INVALID_LENGTH": "too_long",
    "PROPERTY_VALUE_TOO_LONG": "too_long",
    "REQUIRED_PROPERTY": "required_missing",
    "REQUIRED_PROPERTIES": "required_missing",
    "REQUIRED_PROPERTY_MISSING": "required_missing",
    "OBJECT_NOT_FOUND": "gone",
    "CONFLICT": "duplicate",
    "MISSING_SCOPES": "no_permission",
}
EXISTING = re.compile(r"Existing ID: (\d+)")
DETAILS = re.compile(r"\[\{.*\}\]")
NAMED = re.compile(r'[Pp]roperty \\?"(\w+)\\?"')


def write(link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Write these changes of one object. Every one is answered, or the whole call raises."""
    object = changes[0].object
    written = _written(link, object, changes)
    return _associate(link, object, changes, written) if _relates_after(object, changes) else written


def recover(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Which of these creations are there after all: by our key, or by the mark in what their relations hold."""
    if key := KEY_FIELDS.get(object):
        body = {"idProperty": key, "properties": [key], "inputs": [{"id": change.key} for change in changes]}
        answer = calls.post(link, paths.objects(object, "/batch/read"), body)
        return tuple(
            Written(str(one["properties"][key]), str(one["id"]), modified_at=records.moment(one.get("updatedAt")))
            for one in answer.get("results") or []
        )
    return _by_mark(link, object, changes)


def _written(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    try:
        return _sent(link, object, changes)
    except MissingScope as error:
        return tuple(Written(one.key, error=RecordError("no_permission", str(error))) for one in changes)
    except ResourceGone as error:
        return tuple(Written(one.key, error=RecordError("gone", str(error))) for one in changes)
    except calls.Rejected as error:
        if len(changes) == 1:
            return (Written(changes[0].key, error=_error(error.body)),)
        half = len(changes) // 2
        return _written(link, object, changes[:half]) + _written(link, object, changes[half:])


def _sent(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """One call. Answers are matched by id, by our key, or by the trace that we gave each input: their order is free."""
    verb = _verb(object, changes)
    answer = calls.post(
        link, paths.objects(object, f"/batch/{verb}"), {"inputs": [_input(one, verb) for one in changes]}
    )
    by_key = {one.key: one for one in changes}
    by_id = {one.external_id: one.key for one in changes if one.external_id}
    found = {}
    for body in answer.get("results") or []:
        key = by_id.get(str(body["id"])) or str(body.get("objectWriteTraceId") or "") or _own_key(object, body)
        if key in by_key:
            found[key] = _taken(object, key, body, is_created=verb == "create" or bool(body.get("new")))
    for error in answer.get("errors") or []:
        for key in _keys_of(error, by_id):
            found.setdefault(key, Written(key, error=_error(error)))
    lost = RecordError("unknown", "HubSpot's answer does not say what became of it.", is_temporary=True)
    return tuple(found.get(one.key) or Written(one.key, error=lost) for one in changes)


def _verb(object: str, changes: Sequence[Change]) -> str:
    if changes[0].external_id:
        return "update"
    return "upsert" if object in KEY_FIELDS else "create"


def _input(change: Change, verb: str) -> dict[str, Any]:
    values = records.marked(change.object, records.sent(change.values), change.key, is_creation=verb == "create")
    if verb == "update":
        return {"id": change.external_id, "properties": values, "objectWriteTraceId": change.key}
    if verb == "upsert":
        key = KEY_FIELDS[change.object]
        return {
            "id": change.key,
            "idProperty": key,
            "properties": {**values, key: change.key},
            "objectWriteTraceId": change.key,
        }
    related = [_inline(change.object, one) for one in change.related if _type(change.object, one)]
    return {"properties": values, "associations": related, "objectWriteTraceId": change.key}


def _inline(object: str, related: Related) -> dict[str, Any]:
    return {"to": {"id": related.external_id}, "types": [_association(object, related)]}


def _association(object: str, related: Related) -> dict[str, Any]:
    return {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _type(object, related)}


def _type(object: str, related: Related) -> int | None:
    return TYPES.get((object, records.OBJECTS.get(related.kind, "")))


def _own_key(object: str, body: Mapping[str, Any]) -> str:
    properties = body.get("properties") or {}
    return str(properties.get(KEY_FIELDS.get(object, "")) or "") or records.mark_of(object, body)


def _taken(object: str, key: str, body: Mapping[str, Any], is_created: bool) -> Written:
    record = records.record(object, body)
    return Written(key, record.external_id, is_created, record.modified_at, record.values)


def _keys_of(error: Mapping[str, Any], by_id: Mapping[str, str]) -> list[str]:
    """Whom an error of a batch concerns: by our trace, or by the ids it names."""
    context = error.get("context") or {}
    traces = [str(one) for one in context.get("objectWriteTraceId") or []]
    return traces or [by_id[str(one)] for one in context.get("ids") or context.get("id") or [] if str(one) in by_id]


def _error(body: Mapping[str, Any]) -> RecordError:
    """What an error says of one record. HubSpot puts the details as JSON into the text of its message."""
    message = str(body.get("message") or "HubSpot refused it.")
    detail = _detail(body, message)
    code = str(detail.get("error") or detail.get("code") or body.get("category") or "")
    field = str(detail.get("name") or next(iter((detail.get("context") or {}).get("propertyName") or []), ""))
    named = NAMED.search(message)
    existing = EXISTING.search(message)
    return RecordError(
        cause="duplicate" if existing else _cause(code, message),
        message=str(detail.get("localizedErrorMessage") or detail.get("message") or message),
        code=code,
        field=field or (named[1] if named else ""),
        existing_id=existing[1] if existing else "",
    )


def _cause(code: str, message: str) -> str:
    if KEY in message:
        return "missing_key_field"
    return CAUSES.get(code, "bad_value" if code == "VALIDATION_ERROR" else "unknown")


def _detail(body: Mapping[str, Any], message: str) -> Mapping[str, Any]:
    if errors := body.get("errors"):
        return errors[0] if isinstance(errors[0], dict) else {}
    found = DETAILS.search(message)
    try:
        return json.loads(found[0])[0] if found else {}
    except (ValueError, IndexError):
        return {}


def _relates_after(object: str, changes: Sequence[Change]) -> bool:
    """Whether relations need a call of their own: only a plain creation takes them along."""
    return _verb(object, changes) != "create" and any(one.related for one in changes)


def _associate(link: Link, object: str, changes: Sequence[Change], written: tuple[Written, ...]) -> tuple[Written, ...]:
    """Relate what was written; where that fails the record is kept, and its relations are tried again."""
    ids = {one.key: one.external_id for one in written if not one.error}
    failed: dict[str, RecordError] = {}
    for target in records.targets(object):
        wanted = {
            (change.key, one.external_id): _association(object, one)
            for change in changes
            for one in change.related
            if change.key in ids and records.OBJECTS.get(one.kind) == target
        }
        failed |= _related(link, object, target, ids, wanted) if wanted else {}
    return tuple(replace(one, error=failed[one.key]) if one.key in failed else one for one in written)


def _related(
    link: Link, object: str, target: str, ids: Mapping[str, str], wanted: Mapping[tuple[str, str], dict[str, Any]]
) -> dict[str, RecordError]:
    inputs = [{"from": {"id": ids[key]}, "to": {"id": other}, "types": [kind]} for (key, other), kind in wanted.items()]
    try:
        answer = calls.post(link, paths.associations(object, target, "create"), {"inputs": inputs})
    except (calls.Rejected, MissingScope, ResourceGone) as error:
        return {key: RecordError("parent_missing", str(error), is_temporary=True) for key, _ in wanted}
    keys = {external_id: key for key, external_id in ids.items()}
    named = [
        (keys.get(str(one)), error)
        for error in answer.get("errors") or []
        for one in (error.get("context") or {}).get("fromObjectId") or []
    ]
    return {
        key: RecordError("parent_missing", str(error.get("message")), is_temporary=True) for key, error in named if key
    }


def _by_mark(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Look through what the relations of each hold: a list that, unlike the search, lags nothing."""
    body = records.BODIES.get(object)
    if body is None:
        return ()
    held = {one for change in changes for one in _held(link, object, change)}
    wanted = {change.key for change in changes}
    found = []
    for start in range(0, len(ordered := sorted(held, key=int, reverse=True)), BATCH):
        found += _marked(link, object, body, ordered[start : start + BATCH], wanted)
    return tuple(found)


def _held(link: Link, object: str, change: Change) -> Collection[str]:
    """Ids of the records of this kind that hang on the first thing the change relates to."""
    for related in change.related[:1]:
        source = records.OBJECTS[related.kind]
        listed = reading.associated(link, source, [related.external_id], object)
        return [one for one, _ in listed.get(related.external_id, ())]
    return []


def _marked(link: Link, object: str, body: str, ids: Sequence[str], wanted: Collection[str]) -> list[Written]:
    asked = {"properties": [body], "inputs": [{"id": one} for one in ids]}
    answer = calls.post(link, paths.objects(object, "/batch/read"), asked)
    found = [(records.mark_of(object, one), one) for one in answer.get("results") or []]
    return [_taken(object, key, one, is_created=True) for key, one in found if key in wanted]
