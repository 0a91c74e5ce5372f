"""Writes Salesforce's records 200 at a time, each answered by itself, and by a bulk job above 2,000.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from simple_salesforce.format import format_external_id, format_soql

from crm.contract import Change, Link, RecordError, Written
from crm.salesforce import calls, records
from integrations.errors import MissingScope, Temporary

BATCH = 200
KEY = "LPxGP_Sync_Id__c"
KEY_FIELDS = {"Account": KEY, "Contact": KEY, "Task": KEY, "Event": KEY}
NOT_UPDATEABLE = {"Task": {"TaskSubtype"}, "Note": {"ParentId"}}
"""What Salesforce takes at a creation only."""

MARK = re.compile(r"\s*Ref LPxGP-(?P<key>[0-9a-f-]{8,36})\s*$")
MARKED = {"Note": "Body"}
"""The text that carries our key where there is no field for it."""
MARK_LENGTH = 60
"""What the mark takes of the text's length, and a little more."""

CAUSES = {
    "INVALID_FIELD": "unknown_field",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "no_permission",
    "INSUFFICIENT_ACCESS_OR_READONLY": "no_permission",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "no_permission",
    "INSUFFICIENT_ACCESS": "no_permission",
    "INVALID_TYPE": "no_permission",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "rule",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "rule",
    "FIELD_FILTER_VALIDATION_EXCEPTION": "rule",
    "REQUIRED_FIELD_MISSING": "required_missing",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "bad_choice",
    "STRING_TOO_LONG": "too_long",
    "INVALID_EMAIL_ADDRESS": "bad_value",
    "INVALID_TYPE_ON_FIELD_IN_RECORD": "bad_value",
    "NUMBER_OUTSIDE_VALID_RANGE": "bad_value",
    "JSON_PARSER_ERROR": "bad_value",
    "FIELD_INTEGRITY_EXCEPTION": "bad_value",
    "DUPLICATES_DETECTED": "duplicate",
    "DUPLICATE_VALUE": "duplicate",
    "DUPLICATE_EXTERNAL_ID": "duplicate",
    "MALFORMED_ID": "gone",
    "INVALID_CROSS_REFERENCE_KEY": "gone",
    "ENTITY_IS_DELETED": "gone",
    "NOT_FOUND": "gone",
    "UNABLE_TO_LOCK_ROW": "busy",
    "SERVER_UNAVAILABLE": "busy",
    "QUERY_TIMEOUT": "busy",
    "OPERATION_TOO_LARGE": "no_permission",
    "REQUEST_LIMIT_EXCEEDED": "limit",
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": "busy",
}
TEMPORARY = {"busy", "limit"}
WITH_ID = re.compile(r"record with id: ([a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?)\b")
COLUMN = re.compile(r"No such column '(\w+)'|Unable to create/update fields: (\w+)")
HALF = re.compile("[\ud800-\udfff]")
"""Half a character. Its other half would have made one of them."""

UNTOLD = {"JSON_PARSER_ERROR"}
"""Errors of one record that refuse the whole call, and do not say of which."""

ALONE = 10
"""So many duplicates of a batch are sent once more by themselves: only then Salesforce names what is in the way."""

LOOKED_BACK = timedelta(days=1)
"""How far two clocks may be apart when a note is looked for that was made at a time of ours."""


def write(link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Write these changes of one object. Every one is answered, or the whole call raises.

    Sorted by what they belong to, so that two batches do not wait for one parent's lock.
    """
    whole, broken = parted(changes)
    ordered = sorted(whole, key=lambda change: [one.external_id for one in change.related])
    return broken + (_named(link, ordered, _sent(link, ordered)) if ordered else ())


def parted(changes: Sequence[Change]) -> tuple[list[Change], tuple[Written, ...]]:
    """Those that can be sent, and the others with the reason: half a character is nothing that text can be made of."""
    broken = {change.key: name for change in changes if (name := _broken(change))}
    whole = [change for change in changes if change.key not in broken]
    words = "The text holds half a character, as one that was cut in the middle of an emoji does: write it anew."
    return whole, tuple(
        Written(one.key, one.external_id, error=RecordError("bad_value", words, field=broken[one.key]))
        for one in changes
        if one.key in broken
    )


def _broken(change: Change) -> str:
    """The name of a field whose text no encoding takes; or nothing."""
    return next((name for name, value in change.values.items() if HALF.search(str(value))), "")


def recover(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Which of these creations are there after all: by our key, or by the mark in their text.

    None where we may not see the field that tells: what needs it is then refused when it is written.
    """
    try:
        found = _keyed(link, object, changes) if object in KEY_FIELDS else _marked(link, object, changes)
    except calls.TooLarge as error:
        raise Temporary(str(error)) from error
    except (calls.Rejected, MissingScope):
        return ()
    wanted = {change.key for change in changes}
    return tuple(Written(key, calls.long_id(str(body["Id"])), is_created=True) for key, body in found if key in wanted)


def record_body(change: Change) -> dict[str, Any]:
    """The fields of one record as Salesforce takes them, its parents, id and key among them."""
    object = change.object
    values: dict[str, Any] = {**change.values, **_parents(change)}
    if change.external_id:
        left_out = NOT_UPDATEABLE.get(object, set())
        values = {"Id": change.external_id} | {name: value for name, value in values.items() if name not in left_out}
    elif object in KEY_FIELDS:
        values[KEY] = change.key
    if (text := MARKED.get(object)) and text in change.values:
        values[text] = f"{change.values[text] or ''}\n\nRef LPxGP-{change.key}"
    return values


def error_of(errors: Sequence[Mapping[str, Any]]) -> RecordError:
    """What Salesforce's errors of one record say: the first one counts. Its words are kept as they are."""
    one = errors[0] if errors else {}
    code, message = str(one.get("statusCode") or one.get("errorCode") or ""), str(one.get("message") or "")
    cause = CAUSES.get(code, "unknown")
    if cause in {"unknown_field", "no_permission"} and KEY in message:
        cause = "missing_key_field"
    elif code == "DUPLICATE_VALUE" and KEY in message:
        # Two made the same record at the same moment: the next try finds it by our key.
        cause = "busy"
    return RecordError(cause, message, code, _field(one, message), cause in TEMPORARY, _existing(one, message))


def mark_of(text: Any) -> str:
    """The key in a text's mark, or nothing."""
    found = MARK.search(str(text or ""))
    return found["key"] if found else ""


def without_mark(text: str) -> str:
    """The text as its author wrote it."""
    return MARK.sub("", text)


def _call(change: Change) -> tuple[str, str]:
    if change.external_id:
        return "composite/sobjects", "PATCH"
    if change.object in KEY_FIELDS:
        return f"composite/sobjects/{change.object}/{KEY}", "PATCH"
    return "composite/sobjects", "POST"


def _body(change: Change) -> dict[str, Any]:
    return {"attributes": {"type": change.object}, **record_body(change)}


def _parents(change: Change) -> dict[str, str]:
    """Who it belongs to: the first of each kind, which is all that Salesforce has a field for."""
    fields = records.PARENTS.get(change.object, {})
    found: dict[str, str] = {}
    for related in sorted(change.related, key=lambda one: one.kind != "person"):
        if name := fields.get(related.kind):
            found.setdefault(name, related.external_id)
    return found


def _sent(link: Link, changes: Sequence[Change]) -> list[Written]:
    path, method = _call(changes[0])
    body = {"allOrNone": False, "records": [_body(change) for change in changes]}
    try:
        answer = calls.rest(link, path, method, json=body)
    except calls.Rejected as error:
        if len(changes) > 1 and error.codes & UNTOLD:
            half = len(changes) // 2
            return _sent(link, changes[:half]) + _sent(link, changes[half:])
        return [Written(one.key, one.external_id, error=_whole(error, path)) for one in changes]
    except (MissingScope, calls.NotThere) as error:
        return [Written(one.key, one.external_id, error=_whole(error, path)) for one in changes]
    if not isinstance(answer, list) or len(answer) != len(changes):
        raise Temporary("Salesforce's answer does not say what became of each record.")
    return [_written(change, result) for change, result in zip(changes, answer, strict=True)]


def _written(change: Change, result: Mapping[str, Any]) -> Written:
    if not result.get("success"):
        return Written(change.key, change.external_id, error=told(change, result.get("errors") or []))
    external_id = calls.long_id(str(result.get("id") or change.external_id))
    return Written(change.key, external_id, is_created=bool(result.get("created", not change.external_id)))


def told(change: Change, errors: Sequence[Mapping[str, Any]]) -> RecordError:
    """What errors of one change say. What is new cannot be gone: its parent is."""
    error = error_of(errors)
    parents = records.PARENTS.get(change.object, {}).values()
    is_parent = not change.external_id or error.field in parents
    return replace(error, cause="parent_missing") if error.cause == "gone" and is_parent else error


def _named(link: Link, changes: Sequence[Change], written: Sequence[Written]) -> tuple[Written, ...]:
    """The same, with the ids of records that are in the way: only calls for one record tell them. Of those that there
    were too many for, another try asks."""
    by_key = {change.key: change for change in changes}
    unnamed = [one.key for one in written if _is_unnamed(one) and not by_key[one.key].external_id]
    told_alone = {key: _alone(link, by_key[key]) for key in unnamed[:ALONE] if by_key[key].object in KEY_FIELDS}
    return tuple(told_alone.get(one.key) or (unasked(one) if one.key in unnamed else one) for one in written)


def unasked(written: Written) -> Written:
    """The same creation, where a duplicate was refused that nobody named: to be tried once more, by itself."""
    error = written.error
    is_unnamed = error is not None and _is_unnamed(written) and not written.external_id
    return replace(written, error=replace(error, is_temporary=True)) if error and is_unnamed else written


def _is_unnamed(written: Written) -> bool:
    error = written.error
    return error is not None and error.code == "DUPLICATES_DETECTED" and not error.existing_id


def _alone(link: Link, change: Change) -> Written:
    path = f"sobjects/{calls.checked(change.object)}/{format_external_id(KEY, change.key)}"
    body = {name: value for name, value in record_body(change).items() if name != KEY}
    try:
        answer = calls.rest(link, path, "PATCH", json=body)
    except calls.Rejected as error:
        return Written(change.key, error=told(change, error.errors))
    except (MissingScope, calls.NotThere) as error:
        return Written(change.key, error=_whole(error, path))
    return _written(change, answer or {})


def _keyed(link: Link, object: str, changes: Sequence[Change]) -> list[tuple[str, Any]]:
    select = format_soql("SELECT Id, {:literal} FROM {:literal}", KEY, calls.checked(object))
    parts = calls.parts(one.key for one in changes)
    wheres = [format_soql(" WHERE {:literal} IN {}", KEY, part) for part in parts]
    return [(str(one[KEY]), one) for where in wheres for one in calls.query(link, select + where)]


def _marked(link: Link, object: str, changes: Sequence[Change]) -> list[tuple[str, Any]]:
    parents = sorted({parent for change in changes for parent in _parents(change).values()})
    if object not in MARKED or not parents:
        return []
    planned = [change.planned_at for change in changes if change.planned_at]
    is_known = len(planned) == len(changes)
    since = format_soql(" AND CreatedDate >= {}", min(planned) - LOOKED_BACK) if is_known else ""
    queries = [format_soql("SELECT Id, Body FROM Note WHERE ParentId IN {}", part) for part in calls.parts(parents)]
    return [(mark_of(one.get("Body")), one) for query in queries for one in calls.query(link, query + since)]


def _field(error: Mapping[str, Any], message: str) -> str:
    if fields := error.get("fields"):
        return str(fields[0])
    found = COLUMN.search(message)
    return (found[1] or found[2]) if found else ""


def _whole(error: Exception, path: str) -> RecordError:
    """Why the call was refused as a whole, for each of its records. Without our key's field there is no such path."""
    if isinstance(error, calls.Rejected):
        return error_of(error.errors)
    if isinstance(error, calls.NotThere):
        is_keyless = KEY in path
        return RecordError("missing_key_field" if is_keyless else "gone", str(error), "NOT_FOUND", KEY * is_keyless)
    return RecordError("no_permission", str(error))


def _existing(error: Mapping[str, Any], message: str) -> str:
    """The record that is in the way; Salesforce misspells the key of its list. Some are named to nobody."""
    result = error.get("duplicateResut") or error.get("duplicateResult") or {}
    for match in result.get("matchResults") or []:
        for one in match.get("matchRecords") or []:
            external_id = str((one.get("record") or {}).get("Id") or "")
            if calls.ID.fullmatch(external_id):
                return calls.long_id(external_id)
    found = WITH_ID.search(message)
    return calls.long_id(found[1]) if found else ""
