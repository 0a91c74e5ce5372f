"""The standard objects, read from the tables in objects/.

A table's first line names the object's prefix and labels; each further one is a field: name, label, type with its
length (or its targets), a few words, and the values of a picklist.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.salesforce.fields import NUMBERS, Field

FOLDER = Path(__file__).parent / "objects"
SETUP = frozenset({"Profile", "PermissionSet", "PermissionSetAssignment", "FieldPermissions", "Organization"})
"""Objects without a Recycle Bin, an owner or activities."""

IDS_LABELLED = {"Task": "Activity", "Event": "Activity"}


@dataclass(frozen=True)
class Kind:
    """An object: Account, Contact … ``fields`` are those every org has."""

    name: str
    prefix: str
    label: str
    plural: str
    is_tooling: bool
    fields: tuple[Field, ...] = field(repr=False)


@cache
def kinds() -> dict[str, Kind]:
    """Every standard object by name."""
    return {path.stem: read(path) for path in sorted(FOLDER.glob("*.txt"))}


def read(path: Path) -> Kind:
    """One table."""
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    words = head.removeprefix("# keyPrefix ").split(".")[0].split(", ")
    label, plural = words[1].removeprefix("labels ").split(" / ")
    fields = [
        system_id(IDS_LABELLED.get(path.stem, label)),
        *system_fields(path.stem),
        *(parsed(line) for line in lines if "|" in line),
    ]
    return Kind(path.stem, words[0], label, plural, "tooling" in words, tuple(fields))


def parsed(line: str) -> Field:
    """One line of a table."""
    name, label, kind, rest, *values = (part.strip() for part in line.split("|"))
    flags = set(rest.split())
    choices = [value.strip() for value in values[0].split(";")] if values else []
    default = next((value[1:] for value in choices if value.startswith("*")), None)
    base: dict[str, Any] = typed(kind)
    is_boolean = base["type"] == "boolean"
    is_fixed = "ro" in flags
    return Field(
        name=name,
        label=label,
        createable=not is_fixed,
        updateable=not is_fixed and "createonly" not in flags,
        nillable="nillable" in flags or not ({"required", "defaulted"} & flags or is_boolean),
        defaulted="defaulted" in flags or is_boolean,
        default=False if is_boolean else default,
        picklist=tuple(value.removeprefix("*") for value in choices),
        restricted="restricted" in flags,
        compound=next((flag[3:] for flag in flags if flag.startswith("in=")), ""),
        id_lookup="idlookup" in flags,
        name_field="name" in flags,
        **base,
    )


def typed(text: str) -> dict[str, Any]:
    """``string 80``, ``currency 18 0`` or ``reference User Owner``."""
    kind, *rest = text.split()
    if kind == "reference":
        return {"type": kind, "length": 18, "references": tuple(rest[0].split(",")), "relationship": rest[1]}
    if kind in NUMBERS:
        sizes = [int(size) for size in rest] or [18, 6]
        return {"type": kind, "precision": sizes[0], "scale": sizes[1] if len(sizes) > 1 else 0}
    return {"type": kind, "length": int(rest[0]) if rest else 0}


def system_id(label: str) -> Field:
    """The record's id."""
    return Field("Id", f"{label} ID", "id", 18, createable=False, updateable=False, nillable=False, defaulted=True)


def system_fields(name: str) -> Iterator[Field]:
    """The fields that Salesforce itself fills in."""
    fixed: dict[str, Any] = {"createable": False, "updateable": False, "nillable": False, "defaulted": True}
    user: dict[str, Any] = {"type": "reference", "length": 18, "references": ("User",)}
    if name not in SETUP | {"User", "CustomField"}:
        yield Field("IsDeleted", "Deleted", "boolean", default=False, **fixed)
    yield Field("CreatedDate", "Created Date", "datetime", **fixed)
    yield Field("CreatedById", "Created By ID", relationship="CreatedBy", **user, **fixed)
    yield Field("LastModifiedDate", "Last Modified Date", "datetime", **fixed)
    yield Field("LastModifiedById", "Last Modified By ID", relationship="LastModifiedBy", **user, **fixed)
    yield Field("SystemModstamp", "System Modstamp", "datetime", **fixed)
