"""Several calls in one: multipart/mixed requests, each part an HTTP request, and as many answers.

https://developers.google.com/workspace/gmail/api/guides/batch
"""

import secrets
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from http import HTTPStatus
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from sandbox import inner
from sandbox.google import errors
from sandbox.google.calendar import bearer
from sandbox.google.state import google_of
from sandbox.providers import Call, Route

GMAIL, APIS = "/google-gmail", "/google-apis"


@dataclass(frozen=True)
class Endpoint:
    """Where batches of one API go: ``host`` is the sandbox's prefix for the API's host, ``paths`` those it takes."""

    host: str
    paths: str
    most: int


GMAIL_BATCH = Endpoint(GMAIL, "/gmail/v1/", 100)
CALENDAR_BATCH = Endpoint(APIS, "/calendar/v3/", 1000)


def gmail(call: Call) -> Response:
    """A batch of Gmail calls."""
    return answer(call, GMAIL_BATCH)


def calendar(call: Call) -> Response:
    """A batch of Calendar calls."""
    return answer(call, CALENDAR_BATCH)


ROUTES = [
    Route("POST", f"{GMAIL}/batch", "gmail.batch", gmail),
    Route("POST", f"{GMAIL}/batch/gmail/v1", "gmail.batch", gmail),
    Route("POST", f"{APIS}/batch/calendar/v3", "calendar.batch", calendar),
]


def answer(call: Call, endpoint: Endpoint) -> Response:
    """All parts in the order asked; a part's trouble is its own. The outer token, if there is one, must live."""
    token = bearer(call.request)
    with call.world.lock:
        if token and google_of(call.world).tokens.find_access(token) is None:
            return errors.dead_token().response()
    parts = parts_of(call.request)
    if not parts:
        return refused("Failed to parse batch request, error: 0 items. Received batch body: (0) bytes redacted")
    if len(parts) > endpoint.most:
        return refused(f"Inner request count exceeds the limit. Received: {len(parts)}, Limit: {endpoint.most}")
    boundary = f"batch_{secrets.token_urlsafe(24)}"
    written = [written_part(part, part_answer(call, endpoint, part), boundary) for part in parts]
    body = b"".join(written) + f"--{boundary}--\r\n".encode()
    response = Response(body, 200, content_type=f"multipart/mixed; boundary={boundary}")
    response.headers["Vary"] = "Origin, X-Origin, Referer"
    return response


def refused(message: str) -> Response:
    """The whole batch is no good."""
    return errors.reply({"error": {"code": 400, "message": message}}, 400)


def parts_of(request: Request) -> list[Message]:
    """The parts of the request; none if it is no multipart/mixed."""
    kind = request.headers.get("Content-Type", "")
    if not kind.lower().startswith("multipart/mixed"):
        return []
    whole = b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.get_data()
    tree = BytesParser(policy=compat32).parsebytes(whole)
    return [part for part in tree.get_payload() if isinstance(part, Message)] if tree.is_multipart() else []


def part_answer(call: Call, endpoint: Endpoint, part: Message) -> Response:
    """What the call in a part is answered."""
    request = inner_request(call.request, endpoint, part)
    if request is None:
        return refused("Failed to parse batch request: a part is no HTTP request for this API.")
    return call.answer(request)


def inner_request(outer: Request, endpoint: Endpoint, part: Message) -> Request | None:
    """The request in a part, the outer headers beneath its own; None if it cannot be read."""
    raw = part.get_payload(decode=True)
    if part.get_content_type() != "application/http" or not isinstance(raw, bytes):
        return None
    line, _, rest = raw.lstrip().replace(b"\r\n", b"\n").partition(b"\n")
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        return None
    path, _, query = words[1].partition("?")
    path = path.removeprefix(endpoint.host)
    if not path.startswith(endpoint.paths):
        return None
    head, _, body = rest.partition(b"\n\n")
    own = BytesParser(policy=compat32).parsebytes(head + b"\n\n", headersonly=True)
    headers = {name: value for name, value in outer.headers.items() if not name.lower().startswith("content-")}
    headers |= {name.title(): str(value) for name, value in own.items()}
    return inner.request(words[0], endpoint.host + unquote(path), query, headers, body)


def written_part(part: Message, response: Response, boundary: str) -> bytes:
    """An answer as a part: CRLF, a reason behind the status, the id of the part it answers."""
    wanted = str(part.get("Content-ID") or "").replace("\r\n", "").strip()
    name = f"Content-ID: <response-{wanted.removeprefix('<')}\r\n" if wanted else ""
    body = response.get_data()
    headers = {name: value for name, value in response.headers.items() if name.lower() not in {"date", "server"}}
    if response.status_code == 204:
        headers.pop("Content-Type", None)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reason = HTTPStatus(response.status_code).phrase
    return (
        (
            f"--{boundary}\r\nContent-Type: application/http\r\n{name}\r\n"
            f"HTTP/1.1 {response.status_code} {reason}\r\n{head}\r\n"
        ).encode()
        + body
        + b"\r\n"
    )
