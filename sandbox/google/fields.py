"""Partial answers: the ``fields`` parameter.

https://developers.google.com/workspace/calendar/api/guides/performance#partial-response
"""

import re
from typing import Any

from sandbox.google import errors
from sandbox.google.schema import property_of, schema_of

Mask = dict[str, Any]
TOKENS = re.compile(r"[A-Za-z0-9_*]+|[(),/]")


def parse(text: str, schema_name: str, api: str = "calendar") -> Mask:
    """``items(id,start/dateTime),nextPageToken`` → nested names; 400 for a field the answer does not have."""
    tokens = TOKENS.findall(text)
    if "".join(tokens) != text.replace(" ", ""):
        raise refused(text)
    mask = selection(tokens, text)
    if tokens:
        raise refused(text)
    check(mask, schema_of(schema_name, api), api)
    return mask


def selection(tokens: list[str], text: str) -> Mask:
    """Names separated by commas, up to a closing bracket or the end."""
    mask: Mask = {}
    while True:
        level = mask
        while True:
            if not tokens or not re.match(r"[\w*]", tokens[0]):
                raise refused(text)
            level = level.setdefault(tokens.pop(0), {})
            if not tokens or tokens[0] != "/":
                break
            tokens.pop(0)
        if tokens and tokens[0] == "(":
            tokens.pop(0)
            level.update(selection(tokens, text))
            if not tokens or tokens.pop(0) != ")":
                raise refused(text)
        if not tokens or tokens[0] != ",":
            return mask
        tokens.pop(0)


def check(mask: Mask, schema: dict[str, Any], api: str) -> None:
    """400 for a name the schema does not have."""
    for name, inner in mask.items():
        if name == "*":
            continue
        found = property_of(schema, name, api)
        if found is None:
            raise refused(name)
        check(inner, found, api)


def apply(mask: Any, value: Any) -> Any:
    """The masked part of an answer; an empty mask lets all through."""
    if isinstance(value, list):
        return [apply(mask, one) for one in value]
    if not isinstance(value, dict) or not mask:
        return value
    inner = mask.get("*", {})
    return {key: apply(mask.get(key, inner), one) for key, one in value.items() if key in mask or "*" in mask}


def refused(selection_text: str) -> errors.ApiError:
    """The selection names something the answer does not have, or cannot be read."""
    message = f"Invalid field selection {selection_text}"
    return errors.ApiError(400, "invalidParameter", message, location="fields")
