"""Writes HubSpot's records in batches of 100, each record answered by itself.

A batch may be refused as a whole for one bad record: then it is halved until the bad one stands alone.
https://developers.hubspot.com/docs/api-reference/crm-objects-v3/guide
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from crm.contract import Change, Link, RecordError, Related, Written
from crm.hubspot import calls, paths, records
from integrations.errors import MissingScope

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
    "INVALID_OWNER_ID": "bad_choice",
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
OF_FIELDS = {"unknown_field", "missing_key_field", "no_permission"}
"""Causes that befall every record with the field, so that it need not be found out of each."""

EXISTING = re.compile(r"Existing ID: (\d+)")
DETAILS = re.compile(r"\[\{.*\}\]")
NAMED = re.compile(r'[Pp]roperty \\?"(\w+)\\?"')


def write(link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Write these changes of one object. Every one is answered, or the whole call raises."""
    object = changes[0].object
    written = _written(link, object, changes)
    return _associate(link, object, changes, written) if _relates_after(object, changes) else written


def _written(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    try:
        return _sent(link, object, changes)
    except MissingScope as error:
        return _refused(changes, RecordError("no_permission", str(error), "MISSING_SCOPES"))
    except calls.NotThere as error:
        return tuple(
            Written(one.key, one.external_id, error=RecordError("gone" if one.external_id else "unknown", str(error)))
            for one in changes
        )
    except calls.Rejected as error:
        told = _error(error.body)
        if len(changes) == 1:
            return _refused(changes, told)
        concerned, others = _concerned(object, changes, told)
        if concerned:
            return _refused(concerned, told) + (_written(link, object, others) if others else ())
        half = len(changes) // 2
        return _written(link, object, changes[:half]) + _written(link, object, changes[half:])


def _refused(changes: Sequence[Change], error: RecordError) -> tuple[Written, ...]:
    return tuple(Written(one.key, one.external_id, error=error) for one in changes)


def _concerned(object: str, changes: Sequence[Change], error: RecordError) -> tuple[list[Change], list[Change]]:
    """Those that have the field which nobody may write, or the choice that is none, and the others."""
    if error.cause == "bad_choice":
        refused = error.message.partition(" was not one of")[0].strip("\"' ")
        return _parted(changes, lambda one: str(one.values.get(error.field)) == refused)
    if error.cause not in OF_FIELDS:
        return [], list(changes)
    if error.cause == "missing_key_field" and not changes[0].external_id:
        return list(changes), []
    return _parted(changes, lambda one: error.field in one.values)


def _parted(changes: Sequence[Change], is_meant: Callable[[Change], bool]) -> tuple[list[Change], list[Change]]:
    return [one for one in changes if is_meant(one)], [one for one in changes if not is_meant(one)]


def _sent(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """One call. Answers are matched by id, by our key, or by the trace that we gave each input: their order is free."""
    verb = _verb(object, changes)
    answer = calls.post(
        link, paths.objects(object, f"/batch/{verb}"), {"inputs": [_input(one, verb) for one in changes]}
    )
    by_key = {one.key: one for one in changes}
    by_id = {one.external_id: one.key for one in changes if one.external_id}
    found = {}
    for body in calls.rows(answer):
        key = by_id.get(str(body["id"])) or str(body.get("objectWriteTraceId") or "") or own_key(object, body)
        if key in by_key:
            found[key] = taken(object, key, body, is_created=verb == "create" or bool(body.get("new")))
    for error in answer.get("errors") or []:
        for key in _keys_of(error, by_id):
            if change := by_key.get(key):
                found.setdefault(key, Written(key, change.external_id, error=_error(error)))
    lost = RecordError("busy", "HubSpot's answer does not say what became of it.", is_temporary=True)
    return tuple(found.get(one.key) or Written(one.key, one.external_id, error=lost) for one in changes)


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


def own_key(object: str, body: Mapping[str, Any]) -> str:
    """Our key in an answer's record, in its property or in the mark of its text; or nothing."""
    properties = body.get("properties") or {}
    return str(properties.get(KEY_FIELDS.get(object, "")) or "") or records.mark_of(object, body)


def taken(object: str, key: str, body: Mapping[str, Any], is_created: bool) -> Written:
    """What was written, also where the rest of the answer cannot be read."""
    try:
        record = records.record(object, body)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Written(key, str(body["id"]), is_created)
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
    listed = body.get("errors")
    if not listed and (found := DETAILS.search(message)):
        try:
            listed = json.loads(found[0])
        except ValueError:
            return {}
    return listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}


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
    """Why the relations of some could not be told, by key. A call that is refused as a whole is halved."""
    inputs = [{"from": {"id": ids[key]}, "to": {"id": other}, "types": [kind]} for (key, other), kind in wanted.items()]
    try:
        answer = calls.post(link, paths.associations(object, target, "create"), {"inputs": inputs})
    except calls.Rejected as error:
        if len(wanted) == 1:
            return {key: _unrelated(str(error)) for key, _ in wanted}
        pairs, half = list(wanted.items()), len(wanted) // 2
        first, second = dict(pairs[:half]), dict(pairs[half:])
        return _related(link, object, target, ids, first) | _related(link, object, target, ids, second)
    except (MissingScope, calls.NotThere) as error:
        return {key: _unrelated(str(error)) for key, _ in wanted}
    errors = answer.get("errors") or []
    if not errors:
        return {}
    # HubSpot promises no way to tell which error is whose: what is not among the results was not done.
    done = {(_end_id(one, "from"), _end_id(one, "to")) for one in answer.get("results") or []}
    words = "; ".join(dict.fromkeys(str(one.get("message")) for one in errors))
    return {key: _unrelated(words) for key, other in wanted if (ids[key], other) not in done}


def _unrelated(words: str) -> RecordError:
    return RecordError("parent_missing", words, is_temporary=True)


def _end_id(result: Mapping[str, Any], end: str) -> str:
    """One end of an association in an answer, in the form of either generation."""
    return str(result.get(f"{end}ObjectId") or (result.get(end) or {}).get("id") or "")
