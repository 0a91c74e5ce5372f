"""Calls of Microsoft Graph over our transport: one by one, and twenty in a batch.

https://learn.microsoft.com/graph/use-the-api
https://learn.microsoft.com/graph/json-batching
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from integrations.contract import JsonObject
from integrations.errors import IntegrationError, Permanent, Temporary
from integrations.providers.microsoft.errors import meant

ORIGIN = "https://graph.microsoft.com"
ROOT = f"{ORIGIN}/v1.0"
BATCH_SIZE = 20
"""So many requests does Graph take in one batch."""


def graph(
    http: requests.Session,
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    body: JsonObject | None = None,
    page_size: int | None = None,
) -> JsonObject:
    """One call; what Graph answered, empty where it says nothing (204).

    ``url`` begins behind the version (``/me/events``), or is a link out of an answer, which is followed to the letter
    and only to Graph. Raises errors of ours; Conflict where there is one already.
    """
    answer = http.request(
        method,
        absolute(url),
        params=dict(params) if params else None,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Prefer": prefer(page_size)} | ({"Content-Type": "application/json"} if body is not None else {}),
        allow_redirects=False,
    )
    if answer.status_code >= 400:
        raise meant(answer.status_code, answer.headers, answer.content)
    return _object(answer.content) if answer.content else {}


def batch(
    http: requests.Session, wanted: Mapping[str, str], *, page_size: int | None = None
) -> Iterator[tuple[str, JsonObject | IntegrationError]]:
    """GET many addresses, twenty at a time: for each key of ``wanted`` what Graph answered, or why it did not.

    Each item has an error and a Retry-After of its own. Raises errors of ours where a batch fails as a whole.
    """
    keys = list(wanted)
    for start in range(0, len(keys), BATCH_SIZE):
        yield from _one_batch(http, {key: wanted[key] for key in keys[start : start + BATCH_SIZE]}, page_size)


def _one_batch(
    http: requests.Session, wanted: Mapping[str, str], page_size: int | None
) -> Iterator[tuple[str, JsonObject | IntegrationError]]:
    """Answers come in any order. The ids are ours: keys may be longer than Graph likes, or differ in case only."""
    keys = {str(number): key for number, key in enumerate(wanted, start=1)}
    headers = {"Prefer": prefer(page_size)}
    asked = [
        {"id": number, "method": "GET", "url": _relative(wanted[key]), "headers": headers}
        for number, key in keys.items()
    ]
    found = {
        str(item.get("id")): item
        for item in _list(graph(http, "POST", "/$batch", body={"requests": asked}).get("responses"))
    }
    for number, key in keys.items():
        yield key, _item(found.get(number))


def _item(answer: JsonObject | None) -> JsonObject | IntegrationError:
    """What one answer within a batch says, or the error it is."""
    status = answer.get("status") if answer else None
    if answer is None or not isinstance(status, int):
        return Temporary("Microsoft left out an answer of a batch.")
    headers, body = answer.get("headers"), answer.get("body")
    if status >= 400:
        return meant(status, headers if isinstance(headers, dict) else {}, body if isinstance(body, dict) else {})
    return body if isinstance(body, dict) else Temporary("Microsoft's answer could not be read as JSON.")


def prefer(page_size: int | None = None) -> str:
    """The Prefer header of every request: ids that survive moves, times in UTC, and so many items on a page."""
    wishes = ['IdType="ImmutableId"', 'outlook.timezone="UTC"']
    return ", ".join(wishes + [f"odata.maxpagesize={page_size}"] * (page_size is not None))


def absolute(url: str) -> str:
    """The whole address. Raises Permanent for a link that leads elsewhere: it would be given our token."""
    if url.startswith("/"):
        return ROOT + url
    if not url.startswith(f"{ORIGIN}/"):
        raise Permanent("Microsoft's answer links to an address that is not Graph's.")
    return url


def _relative(url: str) -> str:
    """As items of a batch name addresses: without origin and version."""
    whole = absolute(url)
    if not whole.startswith(f"{ROOT}/"):
        raise Permanent("Microsoft's answer links to another version of Graph.")
    return whole.removeprefix(ROOT)


def _object(content: bytes) -> JsonObject:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Temporary("Microsoft's answer could not be read as JSON.") from error
    if not isinstance(value, dict):
        raise Temporary("Microsoft's answer could not be read as JSON.")
    return value


def _list(value: Any) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
