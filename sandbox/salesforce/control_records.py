"""Records and fields by order: what people and automation in the org do. Functions behind /control/salesforce/…"""

from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request

from sandbox.control import ControlError, required
from sandbox.providers import Control
from sandbox.salesforce import conditions, ids, queries, tooling, writes
from sandbox.salesforce.blocks import TEMPLATES, Block
from sandbox.salesforce.control import finished, org_of, split, table_of
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.paths import View
from sandbox.salesforce.rules import DuplicateRule, ValidationRule
from sandbox.salesforce.state import Salesforce, salesforce_of
from sandbox.salesforce.tables import Table
from sandbox.salesforce.writes import Writer
from sandbox.world import World

MOST_SHOWN = 5_000
VERSION = "62.0"
PARENT_FIELDS = {"Contact": "AccountId", "Task": "WhatId", "Event": "WhatId"}
BY_SYSTEM = "system"


Work = Callable[[Org, Writer, dict[str, Any]], Any]


def by_hand(work: Work) -> Control:
    """A control that does what a person does; what Salesforce refuses is the order's error."""

    def control(world: World, request: Request) -> Any:
        org, body = org_of(world, request)
        try:
            return carried_out(salesforce_of(world), org, body, work)
        except ApiError as error:
            raise ControlError(f"{error.code}: {error.message}") from error

    return control


def carried_out(salesforce: Salesforce, org: Org, body: dict[str, Any], work: Work) -> Any:
    """Do it all or not at all, then push what changed. ApiError where Salesforce refuses."""
    with org.all_or_nothing():
        result = work(org, writer_of(org, body), body)
    finished(salesforce, org, body)
    return result


def writer_of(org: Org, body: dict[str, Any]) -> Writer:
    """Who does it: ``by`` a user by name, the first one without, or ``system`` for automation."""
    by = str(body.get("by") or "")
    if by == BY_SYSTEM:
        return Writer(org, "", may_duplicate=True, is_system=True)
    users = org.users()
    if not users:
        raise ControlError(f"{org.host} has no users yet")
    return Writer(org, (org.user(by) if by else users[0])["Id"], may_duplicate=True)


def create(org: Org, writer: Writer, body: dict[str, Any]) -> Any:
    """{"org", "object", "records": [fields], "by"?, "silent"?}: new records; their ids."""
    name = table_of(org, required(body, "object")).kind.name
    return {"ids": [writes.create(writer, name, given) for given in body["records"]]}


def update(org: Org, writer: Writer, body: dict[str, Any]) -> Any:
    """{"org", "id" or "ids", "fields", "by"?, "silent"?}: the same change to records."""
    for table, record_id in targets(org, body):
        writes.update(writer, table.kind.name, record_id, body["fields"])
    return {"ok": True}


def delete(org: Org, writer: Writer, body: dict[str, Any]) -> Any:
    """{"org", "id" or "ids", "by"?, "silent"?}: into the Recycle Bin."""
    for _, record_id in targets(org, body):
        writes.delete(writer, record_id)
    return {"ok": True}


def undelete(org: Org, writer: Writer, body: dict[str, Any]) -> Any:
    """{"org", "id" or "ids", "by"?, "silent"?}: out of the Recycle Bin."""
    for _, record_id in targets(org, body):
        writes.undelete(writer, record_id)
    return {"ok": True}


def merge(org: Org, writer: Writer, body: dict[str, Any]) -> Any:
    """{"org", "winner", "losers", "fields"?, "by"?, "silent"?}."""
    table = table_for(org, required(body, "winner"))
    if table.kind.name not in {"Account", "Contact"}:
        raise ControlError(f"{table.kind.name} cannot be merged")
    losers = [ids.to18(one) for one in body["losers"]]
    writes.merge(writer, table.kind.name, ids.to18(body["winner"]), losers, body.get("fields") or {})
    return {"ok": True}


def empty_bin(world: World, request: Request) -> Any:
    """{"org", "forget_log"?}: what was deleted is gone for good; the log of deletions may go too."""
    org, body = org_of(world, request)
    org.empty_bin(org.now() + 1)
    if body.get("forget_log"):
        org.log_starts = org.now()
        for table in org.tables.values():
            table.log.clear()
    return {"ok": True}


def show(world: World, request: Request) -> Any:
    """?org=&object=[&id=][&deleted=true]: the first 5,000 records with every field, oldest change first."""
    args = request.args
    org = salesforce_of(world).org(args.get("org", ""))
    org.settle()
    table = table_of(org, args.get("object", ""))
    numbers = table.ordered(None, None, is_deleted=False)
    if args.get("deleted") == "true":
        numbers = [*numbers, *table.ordered(None, None, is_deleted=True)]
    if args.get("id"):
        numbers = [number for number in [table.number_of(args["id"])] if number is not None]
    view, seen = View(org, ""), org.seen("", table.kind.name)
    found = queries.rows(table, numbers[:MOST_SHOWN])
    records = [queries.whole(table.kind.name, seen, row, VERSION, view) for _, row in found]
    return {"count": table.count(), "records": records}


def bulk(world: World, request: Request) -> Any:
    """{"org", "object", "count", "values"?, "parents"?, "per_second"?, "seconds_ago"?, "by"?}: many records, silently.

    ``values`` are fields with {n} for the record's place, laid over the usual ones. ``parents`` are ids given in turn,
    or "bulk" for the accounts made so before. They were saved ``per_second``, the last of them now, or ``seconds_ago``.
    """
    org, body = org_of(world, request)
    table = table_of(org, required(body, "object"))
    name, count, pace = table.kind.name, int(body["count"]), int(body.get("per_second", 100))
    if name not in TEMPLATES or count < 1 or pace < 1:
        raise ControlError("object must be Account, Contact or Task, count and per_second at least 1")
    known = {one.name: one for one in org.all_fields(name)}
    values = TEMPLATES[name] | (body.get("values") or {})
    if unknown := [key for key in values if key not in known]:
        raise ControlError(f"no field {unknown[0]} on {name}")
    last = org.now() - int(body.get("seconds_ago", 0))
    block = Block(
        prefix=table.kind.prefix,
        tag=org.tag,
        first=table.next_number,
        count=count,
        stamp=last - (count - 1) // pace,
        per_second=pace,
        user_id=writer_of(org, body).user_id,
        values=values,
        **parents_of(org, name, body.get("parents") or []),
    )
    table.add_block(block)
    return {"count": count, "first_id": block.row(block.first)["Id"]}


def parents_of(org: Org, name: str, given: Any) -> dict[str, Any]:
    """Which parents the records of a block have."""
    if not given or name not in PARENT_FIELDS:
        return {}
    if given != BY_BULK:
        return {"parent_field": PARENT_FIELDS[name], "parents": [ids.to18(one) for one in given]}
    accounts = org.tables["Account"]
    if not accounts.blocks:
        raise ControlError("there are no accounts made in bulk")
    block = accounts.blocks[-1]
    return {
        "parent_field": PARENT_FIELDS[name],
        "parent_prefix": block.prefix,
        "parent_first": block.first,
        "parent_count": block.count,
    }


BY_BULK = "bulk"


def set_field(world: World, request: Request) -> Any:
    """{"org", "field": "Account.X__c", …}: adds a field, or changes one there is.

    New with "metadata" as in Tooling ({"label", "type", "length"…}), seen by everybody unless "granted_only". Changes:
    "required", "label", "length", "picklist" (values), "restricted", "unique", "external_id".
    """
    org, body = org_of(world, request)
    full_name = required(body, "field")
    if "metadata" in body:
        try:
            names, field = tooling.read(
                org, full_name, body["metadata"], is_granted_only=bool(body.get("granted_only"))
            )
        except ApiError as error:
            raise ControlError(f"{error.code}: {error.message}") from error
        return {"id": tooling.add(org, names, field)}
    name, field_name = split(full_name)
    changes: dict[str, Any] = {
        key: body[key] for key in ("label", "length", "restricted", "unique", "external_id") if key in body
    }
    if "required" in body:
        changes["nillable"] = not body["required"]
    if "picklist" in body:
        changes["picklist"] = tuple(str(one) for one in body["picklist"])
    org.change_field(table_of(org, name).kind.name, field_name, **changes)
    return {"ok": True}


def set_validation_rules(world: World, request: Request) -> Any:
    """{"org", "rules": [{"object", "when", "message", "field"?}]}: the org's rules from now on.

    A record for which ``when``, a condition in SOQL, is true is refused.
    """
    org, body = org_of(world, request)
    rules = []
    for one in body["rules"]:
        name = table_of(org, required(one, "object")).kind.name
        try:
            conditions.question(View(org, ""), name, conditions.Parser(required(one, "when")).condition())
        except ApiError as error:
            raise ControlError(f"{error.code}: {error.message}") from error
        rules.append(ValidationRule(name, one["when"], required(one, "message"), str(one.get("field") or "")))
    org.validation_rules = rules
    return {"count": len(rules)}


def set_duplicate_rules(world: World, request: Request) -> Any:
    """{"org", "rules": [{"object", "fields", "allow_save"?, "message"?, "rule"?}]}: the org's rules from now on."""
    org, body = org_of(world, request)
    org.duplicate_rules = [
        DuplicateRule(
            name=table_of(org, required(one, "object")).kind.name,
            fields=[str(name) for name in one["fields"]],
            allow_save=bool(one.get("allow_save", True)),
            message=str(one.get("message") or DUPLICATE_MESSAGE),
            rule=str(one.get("rule") or f"Standard_{one['object']}_Duplicate_Rule"),
        )
        for one in body["rules"]
    ]
    return {"count": len(org.duplicate_rules)}


DUPLICATE_MESSAGE = "You're creating a duplicate record. We recommend you use an existing record instead."


def targets(org: Org, body: dict[str, Any]) -> list[tuple[Table, str]]:
    """The records an order names."""
    wanted = body["ids"] if "ids" in body else [required(body, "id")]
    return [(table_for(org, one), ids.to18(one)) for one in wanted]


def table_for(org: Org, record_id: str) -> Table:
    """The table of an id; ControlError if there is none."""
    found = org.table_of(ids.to18(record_id)) if ids.is_id(record_id) else None
    if found is None:
        raise ControlError(f"no object for {record_id}")
    return found


CONTROLS: dict[str, Control] = {
    "POST records": by_hand(create),
    "GET records": show,
    "POST records/update": by_hand(update),
    "POST records/delete": by_hand(delete),
    "POST records/undelete": by_hand(undelete),
    "POST records/merge": by_hand(merge),
    "POST records/empty_bin": empty_bin,
    "POST bulk_records": bulk,
    "POST fields": set_field,
    "POST validation_rules": set_validation_rules,
    "POST duplicate_rules": set_duplicate_rules,
}
