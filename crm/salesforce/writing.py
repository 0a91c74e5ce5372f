"""Writes Salesforce's records 200 at a time, each answered by itself, and by a bulk job above 2,000.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from simple_salesforce.format import format_soql

from crm.contract import Change, Link, RecordError, Written
from crm.salesforce import calls, records
from integrations.errors import MissingScope, ResourceGone

BATCH = 200
KEY = "LPxGP_Sync_Id__c"
KEY_FIELDS = {"Account": KEY, "Contact": KEY, "Task": KEY, "Event": KEY}
NOT_UPDATEABLE = {"Task": {"TaskSubtype"}, "Note": {"ParentId"}}
"""What Salesforce takes at a creation only."""

MARK = re.compile(r"\s*Ref LPxGP-(?P<key>[0-9a-f-]{8,36})\s*$")
MARKED = {"Note": "Body"}
"""The text that carries our key where there is no field for it."""

CAUSES = {
    "INVALID_FIELD": "unknown_field",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "no_permission",
    "INSUFFICIENT_ACCESS_OR_READONLY": "no_permission",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "no_permission",
    "INSUFFICIENT_ACCESS": "no_permission",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "rule",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "rule",
    "REQUIRED_FIELD_MISSING": "required_missing",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "bad_choice",
    "STRING_TOO_LONG": "too_long",
    "INVALID_EMAIL_ADDRESS": "bad_value",
    "INVALID_TYPE_ON_FIELD_IN_RECORD": "bad_value",
    "NUMBER_OUTSIDE_VALID_RANGE": "bad_value",
    "JSON_PARSER_ERROR": "bad_value",
    "DUPLICATES_DETECTED": "duplicate",
    "DUPLICATE_VALUE": "duplicate",
    "INVALID_CROSS_REFERENCE_KEY": "gone",
    "ENTITY_IS_DELETED": "gone",
    "NOT_FOUND": "gone",
    "UNABLE_TO_LOCK_ROW": "busy",
    "REQUEST_LIMIT_EXCEEDED": "limit",
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": "busy",
}
TEMPORARY = {"busy", "limit"}
WITH_ID = re.compile(r"record with id: (\w{15,18})")
NO_KEY = {"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "NOT_FOUND"}


def write(link: Link, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Write these changes of one object. Every one is answered, or the whole call raises.

    Sorted by what they belong to, so that two batches do not wait for one parent's lock.
    """
    ordered = sorted(changes, key=lambda change: [one.external_id for one in change.related])
    object = ordered[0].object
    path, method = _call(ordered[0])
    body = {"allOrNone": False, "records": [_body(change) for change in ordered]}
    try:
        answer = calls.rest(link, path, method, json=body)
    except (calls.Rejected, MissingScope, ResourceGone) as error:
        return tuple(Written(one.key, error=_whole(error, path)) for one in ordered)
    return tuple(_written(object, change, result) for change, result in zip(ordered, answer or [], strict=True))


def recover(link: Link, object: str, changes: Sequence[Change]) -> tuple[Written, ...]:
    """Which of these creations are there after all: by our key, or by the mark in their text."""
    if object in KEY_FIELDS:
        query = format_soql(
            "SELECT Id, {:literal} FROM {:literal} WHERE {:literal} IN {}",
            KEY,
            object,
            KEY,
            [one.key for one in changes],
        )
        found = [(str(one[KEY]), one) for one in _queried(link, query)]
    elif object in MARKED:
        parents = [one.external_id for change in changes for one in change.related[:1]]
        if not parents:
            return ()
        query = format_soql("SELECT Id, Body FROM Note WHERE ParentId IN {}", parents)
        found = [(mark_of(one.get("Body")), one) for one in _queried(link, query)]
    else:
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
    fields = one.get("fields") or []
    cause = CAUSES.get(code, "unknown")
    field = str(fields[0]) if fields else ""
    if cause in {"unknown_field", "no_permission"} and KEY in {field, *message.split()}:
        cause = "missing_key_field"
    return RecordError(cause, message, code, field, cause in TEMPORARY, _existing(one, message))


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


def _queried(link: Link, query: str) -> list[Mapping[str, Any]]:
    return list(calls.ask(lambda: calls.client(link).query(query))["records"])


def _written(object: str, change: Change, result: Mapping[str, Any]) -> Written:
    if not result.get("success"):
        return Written(change.key, change.external_id, error=error_of(result.get("errors") or []))
    external_id = calls.long_id(str(result.get("id") or change.external_id))
    return Written(change.key, external_id, is_created=bool(result.get("created", not change.external_id)))


def _whole(error: Exception, path: str) -> RecordError:
    """Why the call was refused as a whole, for each of its records. Without our key's field there is no such path."""
    if isinstance(error, calls.Rejected):
        found = error_of(error.errors)
        is_keyless = path.endswith(KEY) and found.code in NO_KEY
        return RecordError("missing_key_field", found.message, found.code, KEY) if is_keyless else found
    if isinstance(error, ResourceGone) and path.endswith(KEY):
        return RecordError("missing_key_field", str(error), "NOT_FOUND", KEY)
    return RecordError("no_permission", str(error))


def _existing(error: Mapping[str, Any], message: str) -> str:
    """The record that is in the way; Salesforce misspells the key of its list."""
    result = error.get("duplicateResut") or error.get("duplicateResult") or {}
    for match in result.get("matchResults") or []:
        for one in match.get("matchRecords") or []:
            return calls.long_id(str(one["record"]["Id"]))
    found = WITH_ID.search(message)
    return calls.long_id(found[1]) if found else ""
