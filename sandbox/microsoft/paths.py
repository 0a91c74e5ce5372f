"""Graph's paths: any case, keys in slashes or brackets.

https://learn.microsoft.com/graph/api/resources/mailfolder
"""

import re

PREFIX = "/microsoft-graph/"
NAMES = (
    "me",
    "calendar",
    "calendars",
    "calendarView",
    "childFolders",
    "delta",
    "events",
    "instances",
    "mailFolders",
    "messages",
    "reauthorize",
    "subscriptions",
    "$batch",
)
CANONICAL = {name.lower(): name for name in NAMES}
BRACKETED = re.compile(r"^(\w+)\((?:'(.*)')?\)$")


def canonical(path: str) -> str:
    """``/Me/mailfolders('inbox')/messages/delta()`` as ``/me/mailFolders/inbox/messages/delta``; keys as they are."""
    if not path.startswith(PREFIX):
        return path
    return "/".join(part for segment in path.split("/") for part in parts_of(segment))


def parts_of(segment: str) -> list[str]:
    """A segment's name in the spelling of the routes, and its key if it has one in brackets."""
    segment = segment.removeprefix("microsoft.graph.")
    bracketed = BRACKETED.match(segment)
    if bracketed is None or bracketed[1].lower() not in CANONICAL:
        return [CANONICAL.get(segment.lower(), segment)]
    return [CANONICAL[bracketed[1].lower()], *([bracketed[2]] if bracketed[2] else [])]
