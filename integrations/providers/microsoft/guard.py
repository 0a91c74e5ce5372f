"""What may be asked of Microsoft at all: reading, our own subscriptions, and tokens. All else is refused.

The transport asks before it sends, so this holds whatever the code above it tries.
"""

import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

LOGIN, GRAPH = "login.microsoftonline.com", "graph.microsoft.com"
SEGMENT = r"[\w.\-]+"
SUBSCRIPTION = rf"/v1\.0/subscriptions/{SEGMENT}"

CHANGES = {
    ("POST", LOGIN): re.compile(rf"/{SEGMENT}/oauth2/v2\.0/token", re.ASCII),
    ("POST", GRAPH): re.compile(rf"/v1\.0/subscriptions|{SUBSCRIPTION}/reauthorize", re.ASCII),
    ("PATCH", GRAPH): re.compile(SUBSCRIPTION, re.ASCII),
    ("DELETE", GRAPH): re.compile(SUBSCRIPTION, re.ASCII),
}
BATCH = "/v1.0/$batch"
ITEM_KEYS = {"id", "method", "url", "headers"}


def is_allowed(request: requests.PreparedRequest) -> bool:
    """Whether nothing at Microsoft can change by this request, but our own subscriptions and tokens."""
    url = urlsplit(request.url or "")
    headers = {str(name).lower(): value for name, value in request.headers.items()}
    if _is_overridden(headers) or not _is_framed(headers, request.body):
        return False
    if request.method == "GET":
        return not request.body
    if request.method == "POST" and url.netloc == GRAPH and unquote(url.path) == BATCH:
        return not url.query and _is_reading_batch(request.body)
    pattern = CHANGES.get((request.method or "", url.netloc))
    return pattern is not None and pattern.fullmatch(url.path) is not None and not url.query


def _is_overridden(headers: dict[str, Any]) -> bool:
    """Servers may take another method from a header."""
    return any("method" in name for name in headers)


def _is_framed(headers: dict[str, Any], body: object) -> bool:
    """Whether the body is as long as the headers say: what is left over would be read as a request of its own."""
    sent = body.encode() if isinstance(body, str) else body or b""
    if not isinstance(sent, bytes) or headers.keys() & {"transfer-encoding", "host"}:
        return False
    return headers.get("content-length", "0") == str(len(sent))


def _is_reading_batch(body: object) -> bool:
    """Whether each request in it is a GET without a body, below Graph's own root."""
    try:
        asked = json.loads(body) if isinstance(body, bytes | str) else None
    except (ValueError, RecursionError):
        return False
    if not isinstance(asked, dict) or asked.keys() != {"requests"} or not isinstance(asked["requests"], list):
        return False
    return bool(asked["requests"]) and all(_is_reading(item) for item in asked["requests"])


def _is_reading(item: object) -> bool:
    if not isinstance(item, dict) or not item.keys() <= ITEM_KEYS or item.get("method") != "GET":
        return False
    headers, url = item.get("headers", {}), item.get("url")
    if not isinstance(headers, dict) or _is_overridden({str(name).lower(): "" for name in headers}):
        return False
    return isinstance(url, str) and url.startswith("/") and not url.startswith("//") and ".." not in unquote(url)
