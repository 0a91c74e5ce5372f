"""What may be asked of HubSpot at all: reading, creating and updating a few kinds of records, tokens. Never an end.

No record is deleted, archived, merged or forgotten, no other kind is written, whatever the code above tries: the
transport asks before it sends.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests

API_HOST = "api.hubapi.com"
KIND = "(?:contacts|companies|notes|tasks|meetings|emails)"
SCHEMA = "(?:contacts|companies)"
DATED = r"20\d\d-\d\d"
ID = r"(?:[\w.@+-]|%40|%2B)+"
OBJECTS = rf"/crm/(?:v3/objects|objects/{DATED})"
LINKS = rf"/crm/(?:v4/objects|objects/{DATED})"

ALLOWED = {
    "POST": re.compile(
        rf"/oauth/v1/token|/oauth/{DATED}/token(?:/introspect|/revoke)?"
        rf"|{OBJECTS}/{KIND}(?:/search|/batch/(?:read|create|update|upsert))?"
        rf"|/crm/(?:v4/associations|associations/{DATED})/{KIND}/{KIND}/batch/(?:read|create|associate/default)"
        rf"|/crm/(?:v3/properties|properties/{DATED})/{SCHEMA}(?:/groups|/batch/(?:read|create))?",
        re.ASCII,
    ),
    "PATCH": re.compile(rf"{OBJECTS}/{KIND}/{ID}", re.ASCII),
    "PUT": re.compile(rf"{LINKS}/{KIND}/\d+/associations/(?:default/)?{KIND}/\d+", re.ASCII),
    "DELETE": re.compile(r"/oauth/v1/refresh-tokens/[\w.%-]+", re.ASCII),
}
"""The one thing that may be ended is our own refresh token."""
PARAMETERS = frozenset({"idProperty"})
READING_PARAMETERS = PARAMETERS | {"archived"}
TOKEN_IN_ADDRESS = re.compile(r"/oauth/v1/(?:access|refresh)-tokens/", re.ASCII)
SECRET_PARAMETERS = frozenset({"hapikey", "access_token"})


def is_allowed(request: requests.PreparedRequest) -> bool:
    """Whether it only reads, or creates, updates or associates what we may, or concerns our own tokens."""
    url = urlsplit(request.url or "")
    headers = {str(name).lower(): value for name, value in request.headers.items()}
    if url.netloc != API_HOST or any("method" in name for name in headers) or not _is_framed(headers, request.body):
        return False
    names = {name for name, _ in parse_qsl(url.query.replace(";", "&"), keep_blank_values=True)}
    if any("method" in name.lower() for name in names) or names & SECRET_PARAMETERS or _is_twisted(url.path):
        return False
    if request.method == "GET":
        return not request.body and not TOKEN_IN_ADDRESS.match(url.path)
    pattern = ALLOWED.get(request.method or "")
    known = READING_PARAMETERS if url.path.endswith("/batch/read") else PARAMETERS
    return pattern is not None and pattern.fullmatch(url.path) is not None and names <= known


def _is_twisted(path: str) -> bool:
    """Whether a server could take it for another path than it looks like."""
    return ".." in unquote(path) or "//" in path or "\\" in unquote(path)


def _is_framed(headers: dict[str, Any], body: object) -> bool:
    """Whether the body is as long as the headers say: what is left over would be read as a request of its own."""
    sent = body.encode() if isinstance(body, str) else body or b""
    if not isinstance(sent, bytes) or headers.keys() & {"transfer-encoding", "host"}:
        return False
    return headers.get("content-length", "0") == str(len(sent))
