"""What may be asked of Google at all: reading, asking for pushes, and the life of our own consent. All else is refused.

The transport asks before it sends, so this holds whatever the code above it tries.
"""

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

import requests

from integrations.email import batch

SEGMENT = r"(?:[\w.@+\-]|%[0-9A-Fa-f]{2})+"

POSTS = {
    "oauth2.googleapis.com": re.compile(r"/token|/revoke"),
    "www.googleapis.com": re.compile(
        rf"/calendar/v3/channels/stop|/calendar/v3/calendars/{SEGMENT}/events/watch", re.ASCII
    ),
    "gmail.googleapis.com": re.compile(r"/gmail/v1/users/me/(?:watch|stop)"),
}
BATCHES = {"gmail.googleapis.com": re.compile(r"/batch(?:/gmail/v1)?")}
TUNNELS = {"gmail.googleapis.com": re.compile(r"/gmail/v1/users/me/messages")}
"""Where a GET whose address is too long comes as a POST that says so: Google's client does that to long searches."""

OVERRIDE = "x-http-method-override"
FORM = "application/x-www-form-urlencoded"


def is_allowed(request: requests.PreparedRequest) -> bool:
    """Whether nothing at Google can change by this request, but our own channels and consent."""
    url = urlsplit(request.url or "")
    headers = {str(name).lower(): value for name, value in request.headers.items()}
    overrides = [name for name in headers if "method" in name]
    if _names_another_method(url.query) or not _is_framed(headers, request.body):
        return False
    if request.method == "GET":
        return not request.body and not overrides
    if request.method != "POST":
        return False
    if overrides:
        return overrides == [OVERRIDE] and headers[OVERRIDE] == "GET" and _is_tunnelled_get(url, headers, request.body)
    if _matches(BATCHES, url):
        paths = batch.asked(str(headers.get("content-type", "")), request.body)
        return bool(paths) and not url.query and not any(_names_another_method(urlsplit(path).query) for path in paths)
    return _matches(POSTS, url)


def _is_framed(headers: dict[str, str], body: object) -> bool:
    """Whether the body is as long as the headers say: what is left over would be read as a request of its own."""
    sent = body.encode() if isinstance(body, str) else body or b""
    if not isinstance(sent, bytes) or headers.keys() & {"transfer-encoding", "host"}:
        return False
    return headers.get("content-length", "0") == str(len(sent))


def _is_tunnelled_get(url: SplitResult, headers: dict[str, str], body: object) -> bool:
    is_form = headers.get("content-type") == FORM and isinstance(body, str)
    return is_form and not url.query and _matches(TUNNELS, url) and not _names_another_method(str(body))


def _matches(table: dict[str, re.Pattern[str]], url: SplitResult) -> bool:
    pattern = table.get(url.netloc)
    return pattern is not None and pattern.fullmatch(url.path) is not None


def _names_another_method(query: str) -> bool:
    """Google's servers also take a method and headers as parameters, such as ``$httpMethod``."""
    return any(name.startswith("$") or "method" in name.lower() for name, _ in parse_qsl(query.replace(";", "&"), True))
