"""The Prefer header: a client's wishes, each for one request only.

https://learn.microsoft.com/graph/outlook-immutable-id#how-do-i-use-immutable-ids
https://learn.microsoft.com/graph/api/event-get#support-various-time-zones
"""

import re
from dataclasses import dataclass

from werkzeug.wrappers import Request, Response

WISH = re.compile(r'([\w.\-]+)\s*(?:=\s*("[^"]*"|[^\s,;"]*))?')


@dataclass(frozen=True)
class Prefer:
    """What is asked for. ``time_zone`` is a Windows or IANA name as sent, ``is_text`` means bodies of messages without
    HTML; ``applied`` holds what may be confirmed.
    """

    time_zone: str = "UTC"
    max_page_size: int | None = None
    is_immutable: bool = False
    is_text: bool = False
    applied: tuple[str, ...] = ()


def read(request: Request) -> Prefer:
    """The wishes of one header or several, joined by commas; of a wish said twice the first. Unknown ones are left."""
    said: dict[str, str] = {}
    for name, value in WISH.findall(",".join(request.headers.getlist("Prefer"))):
        said.setdefault(name.lower(), value.strip('"'))
    zone, size = said.get("outlook.timezone", ""), said.get("odata.maxpagesize", "")
    is_immutable = said.get("idtype", "").lower() == "immutableid"
    is_sized = size.isascii() and size.isdecimal() and int(size) > 0
    is_text = said.get("outlook.body-content-type", "").lower() == "text"
    applied = [f'outlook.timezone="{zone}"'] if zone else []
    applied += ['IdType="ImmutableId"'] if is_immutable else []
    applied += [f"odata.maxpagesize={size}"] if is_sized else []
    applied += ['outlook.body-content-type="text"'] if is_text else []
    return Prefer(zone or "UTC", int(size) if is_sized else None, is_immutable, is_text, tuple(applied))


def applied(response: Response, prefer: Prefer, *also: str) -> Response:
    """The same answer, saying which wishes it follows; ``also`` is what it does unasked (``odata.track-changes``)."""
    if words := [*also, *prefer.applied]:
        response.headers["Preference-Applied"] = ", ".join(words)
    return response
