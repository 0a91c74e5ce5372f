"""Google's discovery documents as JSON Schema: does an answer hold what Google promises, and nothing else?

The documents come bundled with Google's own Python client, so this works without a network.
"""

import json
import re
from functools import cache
from typing import Any

from googleapiclient import discovery_cache
from jsonschema import Draft202012Validator, FormatChecker

NUMBER_IN_TEXT = {"int64": r"^-?\d+$", "uint64": r"^\d+$"}
FORMATS = {"date-time", "date"}


@cache
def document(api: str, version: str) -> dict[str, Any]:
    """A bundled discovery document, such as that of calendar v3."""
    loaded: dict[str, Any] = json.loads(discovery_cache.get_static_doc(api, version))
    return loaded


def converted(schema: dict[str, Any]) -> dict[str, Any]:
    """One discovery schema as JSON Schema, closed: unknown fields are errors."""
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kind = schema.get("type", "any")
    if kind == "any":
        return {}
    result: dict[str, Any] = {"type": kind}
    if kind == "object":
        result["properties"] = {name: converted(one) for name, one in schema.get("properties", {}).items()}
        extra = schema.get("additionalProperties")
        result["additionalProperties"] = converted(extra) if extra else False
    elif kind == "array":
        result["items"] = converted(schema["items"])
    elif schema.get("format") in NUMBER_IN_TEXT and kind == "string":
        result["pattern"] = NUMBER_IN_TEXT[schema["format"]]
    elif schema.get("format") in FORMATS:
        result["format"] = schema["format"]
    if "enum" in schema:
        result["enum"] = schema["enum"]
    return result


@cache
def validator(api: str, version: str, schema_name: str) -> Draft202012Validator:
    """A validator for one schema, such as ``Events``."""
    schemas = {name: converted(one) for name, one in document(api, version)["schemas"].items()}
    whole = {"$ref": f"#/$defs/{schema_name}", "$defs": schemas}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def check(api: str, version: str, schema_name: str, answer: Any) -> None:
    """Fail with every place where an answer is not what Google's schema allows."""
    problems = [
        f"{error.json_path}: {error.message}" for error in validator(api, version, schema_name).iter_errors(answer)
    ]
    assert not problems, f"{schema_name} of {api} {version}: " + "; ".join(problems)


@cache
def methods(api: str, version: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """HTTP verb, path pattern and answer schema of every method that answers with JSON."""
    described = document(api, version)
    found = [method for resource in described["resources"].values() for method in methods_of(resource)]
    return tuple(
        (method["httpMethod"], pattern(described["servicePath"] + method["path"]), method["response"]["$ref"])
        for method in found
        if "response" in method
    )


def methods_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """A resource's methods and those of the resources within it."""
    inner = [method for each in resource.get("resources", {}).values() for method in methods_of(each)]
    return [*resource.get("methods", {}).values(), *inner]


def pattern(path: str) -> re.Pattern[str]:
    """A path template as a pattern for the end of a real path."""
    return re.compile("/" + re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$")


def check_answer(verb: str, path: str, answer: Any) -> None:
    """Check an answer by the request that brought it. A path no method has fails too."""
    for api, version in (("calendar", "v3"), ("gmail", "v1"), ("oauth2", "v2")):
        for method_verb, method_path, schema_name in methods(api, version):
            if method_verb == verb and method_path.search(path):
                check(api, version, schema_name, answer)
                return
    raise AssertionError(f"no method of Google answers {verb} {path}")
