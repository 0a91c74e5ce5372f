"""Fields that Salesforce computes: names, addresses, and what follows from an activity's other fields."""

import html
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.salesforce.blocks import Row
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.orgs import ACTIVITIES, Org

PARTS = ("street", "city", "state", "postalCode", "country", "latitude", "longitude")
CLOSED = "Completed"


def full_name(row: Row) -> str:
    """First and last name."""
    return " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part)


def address(prefix: str) -> Callable[[Row], dict[str, Any] | None]:
    """The compound of an address's fields; null if all are."""

    def compound(row: Row) -> dict[str, Any] | None:
        found = {part: row.get(f"{prefix}{part[0].upper()}{part[1:]}") for part in PARTS}
        return {**found, "geocodeAccuracy": None} if any(found.values()) else None

    return compound


COMPUTED: dict[tuple[str, str], Callable[[Row], Any]] = {
    ("Contact", "Name"): full_name,
    ("User", "Name"): full_name,
    ("Account", "BillingAddress"): address("Billing"),
    ("Account", "ShippingAddress"): address("Shipping"),
    ("Contact", "MailingAddress"): address("Mailing"),
    ("Task", "IsClosed"): lambda row: row.get("Status") == CLOSED,
    ("Task", "IsHighPriority"): lambda row: row.get("Priority") == "High",
    ("PermissionSetAssignment", "IsActive"): lambda row: True,
}


def value(name: str, row: Row, field_name: str) -> Any:
    """A field of a row, computed or as it is stored."""
    compute = COMPUTED.get((name, field_name))
    return compute(row) if compute else row.get(field_name)


def complete(org: Org, name: str, row: Row) -> None:
    """Fill in what follows from a row about to be saved."""
    if name in ACTIVITIES:
        row["AccountId"] = account_of(org, row)
    if name == "Task":
        row["CompletedDateTime"] = (row.get("CompletedDateTime") or org.now()) if row["Status"] == CLOSED else None
    elif name == "Event":
        span(row)
    elif name == "ContentNote":
        preview(row)


def account_of(org: Org, row: Row) -> str | None:
    """The account an activity belongs to: what it is about, or its person's."""
    for key in ("WhatId", "WhoId"):
        target = org.row(row[key]) if row.get(key) else None
        if target is not None and key == "WhatId" and target["Id"].startswith("001"):
            return str(target["Id"])
        if target is not None and key == "WhoId":
            account: str | None = target.get("AccountId")
            return account
    return None


def span(row: Row) -> None:
    """An event's start, end and length agree; an all-day event has days."""
    start = row.get("StartDateTime") if row.get("StartDateTime") is not None else row.get("ActivityDateTime")
    if start is None and row.get("ActivityDate"):
        start = int(datetime.fromisoformat(row["ActivityDate"]).replace(tzinfo=UTC).timestamp())
    minutes, end = row.get("DurationInMinutes"), row.get("EndDateTime")
    if start is None or (minutes is None and end is None):
        raise ApiError(
            "REQUIRED_FIELD_MISSING", "Required fields are missing: [DurationInMinutes, ActivityDateTime]", []
        )
    if end is None:
        end = start + int(minutes or 0) * 60
    if end < start:
        raise ApiError("FIELD_INTEGRITY_EXCEPTION", "Event duration cannot be negative", ["DurationInMinutes"])
    row["StartDateTime"], row["ActivityDateTime"], row["EndDateTime"] = start, start, end
    row["DurationInMinutes"] = (end - start) // 60
    row["ActivityDate"] = datetime.fromtimestamp(start, UTC).date().isoformat()
    row["EndDate"] = datetime.fromtimestamp(end, UTC).date().isoformat()


def preview(row: Row) -> None:
    """The first letters of a note, and what kind of file it is."""
    raw = b64decode(row.get("Content") or "")
    row["TextPreview"] = html.unescape(raw.decode("utf-8", "replace"))[:255] or None
    row["ContentSize"], row["FileType"], row["FileExtension"] = len(raw), "SNOTE", "snote"
