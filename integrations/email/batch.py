"""Many reading requests in one call: multipart/mixed, written and read by hand.

https://developers.google.com/workspace/gmail/api/guides/batch

Only GET requests can be written. ``asked`` accepts nothing but what ``written`` writes, byte for byte, so no other way
of reading the same bytes can find another request in them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrations.errors import Temporary

BOUNDARY = "batch_of_reads"
CONTENT_TYPE = f'multipart/mixed; boundary="{BOUNDARY}"'
PATH = r"/[\w\-./~%?&=+,():;@!$'*]*"
"""What a path with its query may hold: no blank and no line break, so that no request hides in it."""

WHOLE = re.compile(
    rf"(?:--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <read \+ \d+>\r\n\r\n"
    rf"GET {PATH} HTTP/1\.1\r\n\r\n\r\n)+--{BOUNDARY}--\r\n",
    re.ASCII,
)
GETS = re.compile(rf"^GET ({PATH}) HTTP/1\.1\r$", re.ASCII | re.MULTILINE)
WRITABLE = re.compile(PATH, re.ASCII)
ANSWERED = re.compile(rb"\bread ?\+ ?(\d{1,6})>")
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


@dataclass(frozen=True)
class Part:
    """The answer to one of the requests. Header names are lower-cased."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def written(paths: Sequence[str]) -> bytes:
    """The body that asks for these paths, each with its query and without a host. Its type is ``CONTENT_TYPE``.

    Authorisation is that of the call itself. Raises ValueError for a path that is none.
    """
    parts = []
    for number, path in enumerate(paths):
        if not WRITABLE.fullmatch(path):
            raise ValueError(f"{path[:80]!r} is no path of a request.")
        parts.append(
            f"--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <read + {number}>\r\n\r\n"
            f"GET {path} HTTP/1.1\r\n\r\n\r\n"
        )
    return "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode()


def asked(content_type: str, body: object) -> list[str]:
    """The paths that a batch of GET requests asks for; none where it is anything else than ``written`` makes."""
    if content_type != CONTENT_TYPE or not isinstance(body, bytes):
        return []
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        return []
    return GETS.findall(text) if WHOLE.fullmatch(text) else []


def answers(content_type: str, body: bytes, count: int) -> list[Part | None]:
    """The answer to each of the ``count`` requests in their order; None where it is missing or damaged.

    Raises Temporary where the whole is no answer to a batch.
    """
    found = re.search(r'boundary="?([^";\s]+)', content_type)
    if not content_type.lower().startswith("multipart/mixed") or found is None:
        raise Temporary("The answer to a batch has no parts.")
    parts: list[Part | None] = [None] * count
    # The first piece is what stands before the first part, the last what follows the closing delimiter.
    for piece in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:]:
        if piece.startswith(b"--"):
            return parts
        number, part = _part(piece)
        if part is not None and number < count and parts[number] is None:
            parts[number] = part
    raise Temporary("The answer to a batch came by half.")


def _part(piece: bytes) -> tuple[int, Part | None]:
    """Which request a part answers, and the answer."""
    outer, _, rest = piece.partition(b"\r\n\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    status_line, _, lines = head.partition(b"\r\n")
    number, status = ANSWERED.search(outer), STATUS.match(status_line)
    if number is None or status is None:
        return 0, None
    headers = {}
    for line in lines.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(number[1]), Part(int(status[1]), headers, body)
