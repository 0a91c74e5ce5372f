"""Single records.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_retrieve.htm
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_upsert.htm
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from werkzeug.wrappers import Response

from sandbox.salesforce import errors, queries, writes
from sandbox.salesforce.api import Ask
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.errors import ApiError, not_found
from sandbox.salesforce.fields import Field
from sandbox.salesforce.paths import View, no_column


def create(ask: Ask) -> Response:
    """POST sobjects/X."""
    table = ask.table(ask.args["name"])
    record_id = writes.create(ask.writer, table.kind.name, ask.json_object())
    place = ask.path(f"sobjects/{table.kind.name}/{record_id}")
    return errors.reply({"id": record_id, "success": True, "errors": []}, 201, Location=place)


def get(ask: Ask) -> Response:
    """GET sobjects/X/ID, with ``fields`` for some of them only."""
    return shown(ask, ask.args["record_id"])


def get_by_key(ask: Ask) -> Response:
    """GET sobjects/X/Key__c/VALUE."""
    table = ask.table(ask.args["name"])
    found = writes.matching(ask.org, table.kind.name, key_field(ask), ask.args["value"])
    if len(found) > 1:
        return several(ask, found)
    if not found:
        raise not_found()
    return shown(ask, found[0])


def shown(ask: Ask, record_id: str) -> Response:
    """A record as this user sees it."""
    table = ask.table(ask.args["name"])
    row = writes.existing(ask.org, table.kind.name, record_id)
    if is_unchanged(ask, row):
        return errors.empty(304)
    seen = ask.org.seen(ask.user_id, table.kind.name)
    if wanted := ask.request.args.get("fields"):
        names = [name.strip() for name in wanted.split(",")]
        for name in names:
            if name.lower() not in seen:
                raise no_column(name, table.kind.name)
        seen = {name.lower(): seen[name.lower()] for name in names}
    content = queries.whole(table.kind.name, seen, row, ask.version, View(ask.org, ask.user_id))
    return errors.reply(content, Last_Modified=http_date(row["LastModifiedDate"]))


def update(ask: Ask) -> Response:
    """PATCH sobjects/X/ID: 204, whether or not anything is otherwise now."""
    table = ask.table(ask.args["name"])
    record_id = ask.args["record_id"]
    check_unmodified(ask, writes.existing(ask.org, table.kind.name, record_id))
    given = ask.json_object()
    if "id" in writes.lowered(given):
        raise ApiError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    writes.update(ask.writer, table.kind.name, record_id, given)
    return errors.empty()


def delete(ask: Ask) -> Response:
    """DELETE sobjects/X/ID."""
    table = ask.table(ask.args["name"])
    row = writes.existing(ask.org, table.kind.name, ask.args["record_id"])
    check_unmodified(ask, row)
    writes.delete(ask.writer, row["Id"])
    return errors.empty()


def upsert(ask: Ask) -> Response:
    """PATCH sobjects/X/Key__c/VALUE: 201 with created true, 200 with false, or 300 with the addresses of several."""
    table, given, key = ask.table(ask.args["name"]), ask.json_object(), key_field(ask)
    if key.name.lower() in writes.lowered(given):
        raise ApiError("INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.")
    may_create = ask.request.args.get("updateOnly", "false") != "true"
    try:
        record_id, is_created = writes.upsert(
            ask.writer, table.kind.name, key, ask.args["value"], given, may_create=may_create
        )
    except writes.Several as error:
        return several(ask, error.found)
    content = {"id": record_id, "success": True, "errors": [], "created": is_created}
    place = ask.path(f"sobjects/{table.kind.name}/{record_id}")
    return errors.reply(content, 201 if is_created else 200, Location=place)


def several(ask: Ask, found: list[str]) -> Response:
    """More than one record has the key."""
    table = ask.table(ask.args["name"])
    return errors.reply([ask.path(f"sobjects/{table.kind.name}/{one}") for one in found], 300)


def key_field(ask: Ask) -> Field:
    """The field in the address; ApiError if it finds no records."""
    table = ask.table(ask.args["name"])
    one = ask.org.seen(ask.user_id, table.kind.name).get(ask.args["key"].lower())
    if one is None or not (one.field.can_match or one.field.type == "id"):
        raise not_found("Provided external ID field does not exist or is not accessible: " + ask.args["key"])
    return one.field


def check_unmodified(ask: Ask, row: Row) -> None:
    """If-Unmodified-Since: somebody else was quicker."""
    since = header_time(ask, "If-Unmodified-Since")
    if since is not None and row["LastModifiedDate"] > since:
        raise ApiError("PRECONDITION_FAILED", "The record was modified since the time given", status=412)


def is_unchanged(ask: Ask, row: Row) -> bool:
    """If-Modified-Since: there is nothing new."""
    since = header_time(ask, "If-Modified-Since")
    return since is not None and int(row["LastModifiedDate"]) <= since


def header_time(ask: Ask, name: str) -> int | None:
    """A header's time in seconds since 1970; None without one that can be read."""
    try:
        return int(parsedate_to_datetime(ask.request.headers.get(name, "")).timestamp())
    except ValueError:
        return None


def http_date(seconds: int) -> str:
    """As HTTP writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
