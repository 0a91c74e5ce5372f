"""Google's discovery documents, as bundled with Google's own Python client: fields and scopes come from there.

https://developers.google.com/discovery/v1/reference/apis
"""

import json
from functools import cache
from typing import Any

from googleapiclient import discovery_cache

from sandbox.control import ControlError

VERSIONS = {"calendar": "v3", "gmail": "v1"}


@cache
def document(name: str, version: str) -> dict[str, Any]:
    """The discovery document of an API, such as calendar v3."""
    loaded: dict[str, Any] = json.loads(discovery_cache.get_static_doc(name, version))
    return loaded


@cache
def scopes_for(operation: str) -> frozenset[str]:
    """The scopes of which one is enough for a method, such as ``calendar.events.list``."""
    api, *resources, method = operation.split(".")
    described = document_of(api)
    for resource in resources:
        described = described["resources"][resource]
    return frozenset(described["methods"][method]["scopes"])


def document_of(api: str) -> dict[str, Any]:
    """The discovery document of ``calendar`` or ``gmail``."""
    return document(api, VERSIONS[api])


def schema_of(name: str, api: str = "calendar") -> dict[str, Any]:
    """One schema of an API, such as ``Event``."""
    schema: dict[str, Any] = document_of(api)["schemas"][name]
    return schema


def resolved(schema: dict[str, Any], api: str = "calendar") -> dict[str, Any]:
    """The schema a ``$ref`` points at, or the schema itself."""
    return schema_of(schema["$ref"], api) if "$ref" in schema else schema


def property_of(schema: dict[str, Any], name: str, api: str = "calendar") -> dict[str, Any] | None:
    """The schema of a field; None if Google has no such field. Arrays are looked through."""
    schema = resolved(schema, api)
    while schema.get("type") == "array":
        schema = resolved(schema["items"], api)
    found: dict[str, Any] | None = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
    return None if found is None else resolved(found, api)


def check_fields(value: Any, schema: dict[str, Any], path: str = "event") -> None:
    """Refuse a field Google's resource does not have, so that no answer can hold one."""
    if isinstance(value, list):
        for one in value:
            check_fields(one, schema, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            found = property_of(schema, name)
            if found is None:
                raise ControlError(f"Google has no field {path}.{name}")
            check_fields(inner, found, f"{path}.{name}")
