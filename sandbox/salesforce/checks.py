"""What keeps a record from being saved: locks, foreign keys, unique fields, and the admin's rules."""

from typing import Any

from sandbox.salesforce import conditions, ids
from sandbox.salesforce.blocks import Row
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.fields import Field
from sandbox.salesforce.orgs import Org
from sandbox.salesforce.paths import View
from sandbox.salesforce.rules import DuplicateRule

ANY_VERSION = "62.0"
KNOWN_ELSEWHERE = frozenset({"00Q", "006", "500", "800", "00G"})
"""Ids of objects this sandbox does not have: leads, opportunities, cases, contracts, queues."""


def check(org: Org, may_duplicate: bool, name: str, row: Row, changed: set[str]) -> None:
    """Everything at once, in Salesforce's order: references, duplicates, the admin's rules, unique fields."""
    fields = {one.name: one for one in org.all_fields(name)}
    for key in changed:
        if row.get(key) is not None and fields[key].type == "reference":
            check_reference(org, fields[key], row[key])
    for rule in org.validation_rules:
        if rule.name == name and conditions.holds(View(org, ""), name, rule.when, row):
            raise ApiError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, [rule.field] if rule.field else [])
    for duplicate in org.duplicate_rules:
        if duplicate.name == name and not (may_duplicate and duplicate.allow_save):
            check_duplicates(org, duplicate, row, changed)
    for key in changed:
        if row.get(key) is not None and fields[key].unique:
            check_unique(org, name, fields[key], row)


def check_reference(org: Org, field: Field, target_id: str) -> None:
    """The target is there, and of an object the field may point at."""
    table = org.table_of(target_id)
    if table is None or table.kind.name not in field.references:
        message = f"{field.label}: id value of incorrect type: {target_id}"
        is_ours = table is not None or target_id[:3] in KNOWN_ELSEWHERE
        raise ApiError("FIELD_INTEGRITY_EXCEPTION" if is_ours else "MALFORMED_ID", message, [field.name])
    row = table.newest(target_id)
    if row is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
    if row.get("IsDeleted"):
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted", [])


def check_unique(org: Org, name: str, field: Field, row: Row) -> None:
    """No other record, deleted ones aside, has the value."""
    table = org.tables[name]
    others = [table.get(number) for number in table.find(field.name, row[field.name])]
    others += table.pending.values()
    for other in others:
        if other is None or other["Id"] == row["Id"] or other.get("IsDeleted"):
            continue
        if same(field, other.get(field.name), row[field.name]):
            where = f"{field.name} duplicates value on record with id: {other['Id'][:15]}"
            raise ApiError("DUPLICATE_VALUE", f"duplicate value found: {where}", [])


def same(field: Field, one: Any, other: Any) -> bool:
    """Whether two values of a unique field collide."""
    return str(one) == str(other) if field.case_sensitive else str(one).lower() == str(other).lower()


def check_duplicates(org: Org, rule: DuplicateRule, row: Row, changed: set[str]) -> None:
    """A duplicate rule looks at the record when one of its fields changes."""
    if not changed & set(rule.fields) or any(row.get(key) is None for key in rule.fields):
        return
    table = org.tables[rule.name]
    found = []
    for number in table.find(rule.fields[0], row[rule.fields[0]]):
        other = table.get(number)
        if other is None or other["Id"] == row["Id"] or other.get("IsDeleted"):
            continue
        if all(str(other.get(key)).lower() == str(row[key]).lower() for key in rule.fields):
            found.append(other["Id"])
    if found:
        result = duplicate_result(rule, found)
        raise ApiError("DUPLICATES_DETECTED", rule.message, duplicateResut=result)


def duplicate_result(rule: DuplicateRule, found: list[str]) -> dict[str, Any]:
    """What stands in the error, under a key that Salesforce misspells."""
    records = [
        {
            "additionalInformation": [],
            "fieldDiffs": [],
            "matchConfidence": 100.0,
            "record": {
                "attributes": {
                    "type": rule.name,
                    "url": f"/services/data/v{ANY_VERSION}/sobjects/{rule.name}/{record_id}",
                },
                "Id": record_id,
            },
        }
        for record_id in found
    ]
    match = {
        "entityType": rule.name,
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": records,
        "rule": f"{rule.rule}_match",
        "size": len(records),
        "success": True,
    }
    return {
        "allowSave": rule.allow_save,
        "duplicateRule": rule.rule,
        "duplicateRuleEntityType": rule.name,
        "errorMessage": rule.message,
        "matchResults": [match],
    }


def check_locks(org: Org, record_id: str, values: list[Any]) -> None:
    """Somebody else holds the record, or one it points at."""
    locks = org.locks
    if locks.times <= 0:
        return
    touched = [record_id, *(value for value in values if ids.is_id(value))]
    held = [one for one in touched if locks.ids is None or one in locks.ids]
    if held:
        locks.times -= 1
        message = f"unable to obtain exclusive access to this record or 1 records: {held[-1]}"
        raise ApiError("UNABLE_TO_LOCK_ROW", message, [])
