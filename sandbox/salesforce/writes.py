"""Saving records: create, update, delete, undelete, upsert, merge, with everything that may be refused.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/using_resources_working_with_records.htm
"""

from dataclasses import dataclass
from typing import Any

from sandbox.salesforce import checks, derived, ids
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.catalogue import SETUP
from sandbox.salesforce.errors import ApiError, bad_json, is_deleted, no_rights, not_found
from sandbox.salesforce.fields import Field
from sandbox.salesforce.orgs import Org, Seen
from sandbox.salesforce.tables import Table
from sandbox.salesforce.values import stored

ASSIGNED = frozenset({"Account", "Contact", "Task", "Event", "Note", "ContentNote"})
# What goes with a record that is deleted: (object, field that points at it).
CASCADES = {
    "Account": [("Contact", "AccountId"), ("Task", "WhatId"), ("Event", "WhatId"), ("Note", "ParentId")],
    "Contact": [("Task", "WhoId"), ("Event", "WhoId"), ("Note", "ParentId")],
    "ContentNote": [("ContentDocumentLink", "ContentDocumentId")],
}
APP, APPS = "_app", "_apps"
"""In a row: the app that saved it last, and the apps that its values are from, by field."""
SCHEMA = frozenset({"FieldPermissions", "PermissionSetAssignment", "PermissionSet"})


@dataclass(frozen=True)
class Writer:
    """Who saves, and how: ``may_duplicate`` is the caller's wish to save in spite of a duplicate rule.

    ``app`` is the client id of the app that a user saves by, empty for one who does it by hand.

    ``is_system`` moves SystemModstamp alone, as automation does. Rights are not asked of it.
    """

    org: Org
    user_id: str
    may_duplicate: bool = False
    is_system: bool = False
    app: str = ""


def create(writer: Writer, name: str, given: dict[str, Any]) -> str:
    """A new record; its id."""
    org, table = writer.org, writer.org.tables[name]
    seen = org.seen(writer.user_id, name)
    changes = read(writer, name, given, is_new=True)
    defaults = {one.name: one.default for one in org.all_fields(name) if one.default is not None}
    row = {**defaults, **changes}
    if name in ASSIGNED and not row.get("OwnerId"):
        row["OwnerId"] = writer.user_id or None
    missing = [one.field.name for one in seen.values() if one.field.is_required and row.get(one.field.name) is None]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise ApiError("REQUIRED_FIELD_MISSING", message, missing)
    row["Id"] = table.new_id()
    row["CreatedDate"], row["CreatedById"] = org.now(), writer.user_id or None
    checks.check_locks(org, row["Id"], list(changes.values()))
    finish(writer, name, row, set(changes), "create")
    return str(row["Id"])


def update(writer: Writer, name: str, record_id: str, given: dict[str, Any]) -> None:
    """Change some fields of a record. Stamps move even if nothing is otherwise than before."""
    org = writer.org
    row = dict(existing(org, name, record_id))
    if org.access.is_row_fixed(writer.user_id, row["Id"]):
        raise no_rights("object id")
    changes = read(writer, name, given, is_new=False)
    checks.check_locks(org, row["Id"], [])
    row.update(changes)
    emptied = [
        key for key, one in org.seen(writer.user_id, name).items() if key in lowered(changes) and is_bare(one, row)
    ]
    if emptied:
        names = [org.seen(writer.user_id, name)[key].field.name for key in emptied]
        raise ApiError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", names)
    finish(writer, name, row, set(changes), "update")


def finish(writer: Writer, name: str, row: Row, changed: set[str], event: str) -> None:
    """Complete, check and save a row."""
    org = writer.org
    if name == "Event":
        realign(row, changed)
    derived.complete(org, name, row)
    checks.check(org, writer.may_duplicate, name, row, changed)
    row["SystemModstamp"] = org.now()
    if not writer.is_system or event == "create":
        row["LastModifiedDate"], row["LastModifiedById"] = org.now(), writer.user_id or None
        sign(writer, row)
    row[APPS] = signed_fields(writer, row, changed)
    org.save({key: value for key, value in row.items() if value is not None}, event)
    if name in SCHEMA:
        org.forget_schema()


def sign(writer: Writer, row: Row) -> None:
    """Note which app saved, for those who look on: no call tells."""
    row.pop(APP, None)
    if writer.app:
        row[APP] = writer.app


def signed_fields(writer: Writer, row: Row, changed: set[str]) -> dict[str, str] | None:
    """Which app gave which fields their values, if any did."""
    kept = {name: app for name, app in row.get(APPS, {}).items() if name not in changed}
    return kept | (dict.fromkeys(sorted(changed), writer.app) if writer.app else {}) or None


def realign(row: Row, changed: set[str]) -> None:
    """Which of an event's times hold when some of them change."""
    if "ActivityDateTime" in changed and "StartDateTime" not in changed:
        row["StartDateTime"] = row["ActivityDateTime"]
    if "EndDateTime" in changed:
        row["DurationInMinutes"] = None
    elif {"StartDateTime", "ActivityDateTime", "DurationInMinutes"} & changed:
        row["EndDateTime"] = None


def upsert(
    writer: Writer, name: str, key: Field, value: str, given: dict[str, Any], *, may_create: bool = True
) -> tuple[str, bool]:
    """Update the one record that has a value in a key field, or create it; its id, and whether it was created."""
    found = matching(writer.org, name, key, value)
    if len(found) > 1:
        raise Several(found)
    if found:
        update(writer, name, found[0], given)
        return found[0], False
    if not may_create or key.type == "id":
        raise not_found()
    return create(writer, name, {**given, key.name: value}), True


class Several(Exception):
    """More than one record has the key's value; ``found`` are their ids."""

    def __init__(self, found: list[str]) -> None:
        super().__init__("several records match")
        self.found = found


def matching(org: Org, name: str, key: Field, value: str) -> list[str]:
    """The ids of live records with a value in a key field."""
    table = org.tables[name]
    if key.type == "id":
        row = table.newest(value) if ids.is_id(value) else None
        return [row["Id"]] if row and not row.get("IsDeleted") else []
    candidates = [table.get(number) for number in table.find(key.name, value)]
    candidates += table.pending.values()
    wanted = value if key.case_sensitive else value.lower()
    return sorted(
        {
            row["Id"]
            for row in candidates
            if row and not row.get("IsDeleted") and folded(row.get(key.name), key) == wanted
        }
    )


def folded(value: Any, key: Field) -> str:
    """A key's value as keys are compared."""
    return str(value) if key.case_sensitive else str(value).lower()


def delete(writer: Writer, record_id: str, cause: str = "") -> None:
    """Into the Recycle Bin, with what hangs on it. ``cause`` is the record it hangs on."""
    org = writer.org
    table = org.table_of(record_id)
    if table is None:
        raise not_found()
    row = dict(existing(org, table.kind.name, record_id))
    if org.access.is_row_fixed(writer.user_id, row["Id"]):
        raise no_rights("object id")
    if table.kind.name in SETUP:
        table.purge(int(table.number_of(row["Id"]) or 0))
        org.forget_schema()
        return
    checks.check_locks(org, row["Id"], [])
    for child, key in CASCADES.get(table.kind.name, []):
        for child_id in live_children(org.tables[child], key, row["Id"]):
            delete(writer, child_id, row["Id"])
    bin_row(writer, table, row, cause)


def bin_row(writer: Writer, table: Table, row: Row, cause: str = "", master: str = "") -> None:
    """Mark a row as deleted, and log it."""
    org = writer.org
    row["IsDeleted"], row["SystemModstamp"] = True, org.now()
    row["LastModifiedDate"], row["LastModifiedById"] = org.now(), writer.user_id or None
    sign(writer, row)
    if cause:
        row["_cause"] = cause
    if master:
        row["MasterRecordId"] = master
    table.log.append((org.now(), row["Id"]))
    org.save(row, "delete")


def live_children(table: Table, key: str, parent_id: str) -> list[str]:
    """The ids of live records that point at a record."""
    rows = (table.get(number) for number in table.find(key, parent_id))
    return [row["Id"] for row in rows if row and not row.get("IsDeleted")]


def undelete(writer: Writer, record_id: str) -> None:
    """Out of the Recycle Bin, with what went in together with it."""
    org = writer.org
    table = org.table_of(record_id)
    row = table.newest(record_id) if table else None
    if table is None or row is None or not row.get("IsDeleted"):
        raise ApiError("UNDELETE_FAILED", "Entity is not in the recycle bin", [])
    kept = {key: value for key, value in row.items() if key not in {"IsDeleted", "MasterRecordId", "_cause"}}
    kept["SystemModstamp"] = kept["LastModifiedDate"] = org.now()
    kept["LastModifiedById"] = writer.user_id
    sign(writer, kept)
    table.log = [entry for entry in table.log if entry[1] != row["Id"]]
    org.save(kept, "undelete")
    for child, _ in CASCADES.get(table.kind.name, []):
        binned = [org.tables[child].get(number) for _, number in list(org.tables[child].bin())]
        for one in binned:
            if one and one.get("_cause") == row["Id"]:
                undelete(writer, one["Id"])


def merge(writer: Writer, name: str, winner_id: str, loser_ids: list[str], given: dict[str, Any]) -> None:
    """The losers go, their children move to the winner without stamps of their own, the winner is saved."""
    org, table = writer.org, writer.org.tables[name]
    winner = existing(org, name, winner_id)
    for loser_id in loser_ids:
        loser = dict(existing(org, name, loser_id))
        for child in org.tables.values():
            for one in child.kind.fields:
                if one.type == "reference" and name in one.references and one.name != "MasterRecordId":
                    reparent(child, one.name, loser["Id"], winner["Id"])
        bin_row(writer, table, loser, master=winner["Id"])
    update(writer, name, winner["Id"], given)


def reparent(table: Table, key: str, old: str, new: str) -> None:
    """Point records elsewhere. Nothing tells that they changed."""
    for number in table.find(key, old):
        row = table.get(number)
        if row:
            table.put({**row, key: new})


def existing(org: Org, name: str, record_id: str) -> Row:
    """A live record; ApiError if it is deleted, or none of this object."""
    if not ids.is_id(record_id):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {record_id}")
    row = org.tables[name].newest(ids.to18(record_id))
    if row is None:
        raise not_found("The requested resource does not exist")
    if row.get("IsDeleted"):
        raise is_deleted()
    return row


def read(writer: Writer, name: str, given: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
    """The values a caller gives, as a row has them. Hidden fields are unknown, fixed ones refused."""
    seen = writer.org.seen(writer.user_id, name)
    changes, fixed = {}, []
    for key, value in given.items():
        if key == "attributes":
            continue
        parent = parent_field(seen, key) if isinstance(value, dict) else None
        one = seen.get(parent.name.lower() if parent else key.lower())
        if one is None:
            raise ApiError("INVALID_FIELD", f"No such column '{key}' on sobject of type {name}")
        if not (one.is_editable and (one.field.createable if is_new else one.field.updateable)):
            fixed.append(one.field.name)
            continue
        changes[one.field.name] = parent_id(writer.org, parent, value) if parent else stored(one.field, value)
    if fixed:
        message = (
            f"Unable to create/update fields: {', '.join(fixed)}. Please check the security settings of this field and "
            "verify that it is read/write for your profile or permission set."
        )
        raise ApiError("INVALID_FIELD_FOR_INSERT_UPDATE", message, fixed)
    return changes


def parent_field(seen: dict[str, Seen], relation: str) -> Field | None:
    """The reference field of a relationship."""
    for one in seen.values():
        if one.field.relationship.lower() == relation.lower():
            return one.field
    return None


def parent_id(org: Org, field: Field, value: dict[str, Any]) -> str:
    """The id of a parent that is named by a key of its own: ``{"Account": {"Key__c": "A-1"}}``."""
    kind = str(value.get("attributes", {}).get("type", "")) if next(iter(value), "") == "attributes" else ""
    if len(field.references) > 1 and not kind:
        raise bad_json(
            "Nested object for polymorphic foreign key must have an attributes field before any other fields."
        )
    table = org.table(kind or field.references[0])
    keys = [(key, found) for key, found in value.items() if key != "attributes"]
    if table is None or len(keys) != 1:
        raise bad_json(f"The value provided for foreign key reference {field.relationship} is not a nested SObject")
    key = next((one for one in org.all_fields(table.kind.name) if one.name.lower() == keys[0][0].lower()), None)
    if key is None or not key.can_match:
        raise ApiError("INVALID_FIELD", f"{keys[0][0]} is not an External ID or indexed field on {table.kind.name}")
    found = matching(org, table.kind.name, key, str(keys[0][1]))
    if len(found) != 1:
        message = f"Foreign key external ID: {keys[0][1]} not found for field {key.name} in entity {table.kind.name}"
        raise ApiError("INVALID_FIELD", message, [])
    return found[0]


def lowered(changes: dict[str, Any]) -> set[str]:
    """Names in small letters."""
    return {name.lower() for name in changes}


def is_bare(one: Seen, row: Row) -> bool:
    """Whether a field that needs a value has none."""
    return not one.field.nillable and one.field.type != "boolean" and row.get(one.field.name) is None
