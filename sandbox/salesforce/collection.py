"""Up to 200 records in one call.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from werkzeug.wrappers import Response

from sandbox.salesforce import errors, ids, queries, writes
from sandbox.salesforce.api import Ask
from sandbox.salesforce.errors import ApiError, bad_json, not_found
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.paths import View
from sandbox.salesforce.tables import Table

MOST_RECORDS, MOST_READ, MOST_CHUNKS = 200, 2_000, 10
ROLLED_BACK = ApiError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
Result = dict[str, Any]
Save = Callable[[Any], Result]


def create(ask: Ask) -> Response:
    """POST composite/sobjects."""

    def save(record: Any) -> Result:
        table, given = typed(ask, record)
        return {"id": writes.create(ask.writer, table.kind.name, given), "success": True, "errors": []}

    return each(ask, save)


def update(ask: Ask) -> Response:
    """PATCH composite/sobjects: every record brings its id."""

    def save(record: Any) -> Result:
        table, given = typed(ask, record)
        record_id = taken(given, "Id")
        if record_id is None:
            raise ApiError("MISSING_ARGUMENT", "Id not specified in an update call", [])
        row = table.newest(ids.to18(record_id)) if ids.is_id(record_id) else None
        if row is None:
            # A collection says another thing here than a single record's address does.
            raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
        writes.update(ask.writer, table.kind.name, row["Id"], given)
        return {"id": row["Id"], "success": True, "errors": []}

    return each(ask, save)


def upsert(ask: Ask) -> Response:
    """PATCH composite/sobjects/X/Key__c: every record brings its key."""
    table = ask.table(ask.args["name"])
    one = ask.org.seen(ask.user_id, table.kind.name).get(ask.args["key"].lower())
    if one is None or not (one.field.can_match or one.field.type == "id"):
        raise not_found("Provided external ID field does not exist or is not accessible: " + ask.args["key"])
    key = one.field

    def save(record: Any) -> Result:
        found, given = typed(ask, record)
        if found is not table:
            raise ApiError("INVALID_TYPE", "All records must be of the type in the address", [])
        value = taken(given, key.name)
        if not value:
            raise ApiError("MISSING_ARGUMENT", f"{key.name} not specified", [])
        try:
            record_id, is_created = writes.upsert(ask.writer, table.kind.name, key, str(value), given)
        except writes.Several:
            message = f"{key.name}: more than one record found for external id field: {value}"
            raise ApiError("DUPLICATE_EXTERNAL_ID", message, [key.name]) from None
        return {"id": record_id, "success": True, "errors": [], "created": is_created}

    return each(ask, save, failed={"created": False})


def delete(ask: Ask) -> Response:
    """DELETE composite/sobjects?ids=."""
    wanted = [one.strip() for one in ask.request.args.get("ids", "").split(",") if one.strip()]

    def save(record_id: Any) -> Result:
        if not ids.is_id(record_id):
            raise ApiError("MALFORMED_ID", f"malformed id {record_id}", [])
        row = ask.org.row(ids.to18(record_id))
        if row is None:
            raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
        writes.delete(ask.writer, row["Id"])
        return {"id": row["Id"], "success": True, "errors": []}

    is_all_or_none = ask.request.args.get("allOrNone", "false") == "true"
    check_size(len(wanted), MOST_RECORDS)
    return errors.reply(saved(ask.org, wanted, save, is_all_or_none=is_all_or_none))


def read(ask: Ask) -> Response:
    """POST composite/sobjects/X: records by ids, null for those that are not there."""
    table, body = ask.table(ask.args["name"]), ask.json_object()
    return records_of(ask, table, body.get("ids") or [], body.get("fields") or [])


def read_by_address(ask: Ask) -> Response:
    """GET composite/sobjects/X?ids=&fields=."""
    args = ask.request.args
    wanted = [one for one in args.get("ids", "").split(",") if one]
    return records_of(
        ask, ask.table(ask.args["name"]), wanted, [one for one in args.get("fields", "").split(",") if one]
    )


def records_of(ask: Ask, table: Table, wanted: Sequence[str], names: Sequence[str]) -> Response:
    """The records, in the order asked for."""
    check_size(len(wanted), MOST_READ)
    if not wanted or not names:
        raise ApiError("MALFORMED_QUERY", "ids and fields are required")
    view, found = View(ask.org, ask.user_id), []
    paths = [(name, view.path(table.kind.name, name)) for name in names]
    for record_id in wanted:
        row = table.newest(ids.to18(record_id)) if ids.is_id(record_id) else None
        is_there = row is not None and not row.get("IsDeleted")
        found.append(queries.record(view, table.kind.name, paths, row, ask.version) if row and is_there else None)
    return errors.reply(found)


def each(ask: Ask, save: Save, failed: Result | None = None) -> Response:
    """Save the records of the body one by one; the results come in their order, with status 200."""
    body = ask.json_object()
    records = body.get("records")
    if not isinstance(records, list):
        raise bad_json("The request must have a list of records")
    check_size(len(records), MOST_RECORDS)
    kinds = [type_of(one) for one in records]
    if len(list(groupby(kinds))) > MOST_CHUNKS:
        message = f"Cannot have more than {MOST_CHUNKS} chunks of records of one type: sort the records by type"
        raise ApiError("LIMIT_EXCEEDED", message)
    return errors.reply(saved(ask.org, records, save, is_all_or_none=bool(body.get("allOrNone")), failed=failed))


def saved(
    org: Org, records: Sequence[Any], save: Save, *, is_all_or_none: bool, failed: Result | None = None
) -> list[Result]:
    """The result of each record. With all or none, one that fails takes the others with it."""
    results: list[Result] = []
    with org.all_or_nothing():
        mark = org.mark()
        for record in records:
            try:
                with org.all_or_nothing():
                    results.append(save(record))
            except ApiError as error:
                results.append({"success": False, "errors": [error.item()], **(failed or {})})
        if is_all_or_none and not all(one["success"] for one in results):
            org.roll_back(mark)
            return [rolled_back(one, failed) for one in results]
    return results


def rolled_back(result: Result, failed: Result | None) -> Result:
    """What was saved is not, and says why."""
    return {"success": False, "errors": [ROLLED_BACK.item()], **(failed or {})} if result["success"] else result


def type_of(record: Any) -> str:
    """The type a record says; empty if it says none."""
    attributes = record.get("attributes") if isinstance(record, dict) else None
    return str(attributes.get("type")) if isinstance(attributes, dict) else ""


def typed(ask: Ask, record: Any) -> tuple[Table, dict[str, Any]]:
    """A record's table, and its fields; attributes come first and name the type."""
    attributes = record.get("attributes") if isinstance(record, dict) else None
    if not isinstance(attributes, dict) or next(iter(record)) != "attributes":
        message = "Nested object for polymorphic foreign key must have an attributes field before any other fields."
        raise bad_json(message)
    name = str(attributes.get("type"))
    table = ask.org.table(name)
    if table is None or ask.org.access.is_object_hidden(ask.user_id, table.kind.name):
        raise queries.unknown_type(name)
    return table, {key: value for key, value in record.items() if key != "attributes"}


def taken(given: dict[str, Any], name: str) -> Any:
    """Take a field out, however its letters are."""
    key = next((one for one in given if one.lower() == name.lower()), None)
    return given.pop(key) if key else None


def check_size(count: int, most: int) -> None:
    """Not too many records in one call."""
    if count > most:
        message = f"The limit of {most} records has been exceeded. The number of records passed is {count}."
        raise ApiError("LIMIT_EXCEEDED", message)
