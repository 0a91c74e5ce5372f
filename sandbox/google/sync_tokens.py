"""Sync tokens and page tokens: opaque to the client, bound to the calendar, the user and the parameters.

https://developers.google.com/workspace/calendar/api/guides/sync
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from sandbox.google import errors

MOST_DAYS = 28


@dataclass(frozen=True)
class SyncToken:
    """Changes after ``number``.

    ``origin`` is the world, list and user it is for, ``rules`` the bound parameters, ``at`` when it was given and
    ``time_min`` the first call's, which bounds the instances of series (both in seconds since 1970).
    """

    origin: str
    rules: str
    number: int
    at: float
    time_min: float | None = None

    def text(self) -> str:
        """As the client sees it."""
        return encoded(asdict(self))

    @classmethod
    def parse(cls, text: str, origin: str, rules: str, now: float) -> Self:
        """410 for a token that is unknown, void or old; 400 for one of other parameters."""
        try:
            token = cls(**decoded(text))
        except (ValueError, TypeError):
            raise errors.full_sync_required() from None
        if token.origin != origin or now - token.at > MOST_DAYS * 86_400:
            raise errors.full_sync_required()
        if token.rules != rules:
            raise errors.invalid("syncToken", "Invalid sync token value.")
        return token


@dataclass(frozen=True)
class PageToken:
    """Where the next page begins: behind item ``index`` of change ``number``, in the list as of change ``upto``.

    ``now`` is when the first page was asked for, in seconds since 1970.
    """

    origin: str
    rules: str
    number: int
    index: int
    upto: int
    now: float

    def text(self) -> str:
        """As the client sees it."""
        return encoded(asdict(self))

    @classmethod
    def parse(cls, text: str, origin: str, rules: str) -> Self:
        """400 for a token of another list, user or query."""
        wrong = errors.invalid("pageToken", "Invalid page token value.")
        try:
            token = cls(**decoded(text))
        except (ValueError, TypeError):
            raise wrong from None
        if token.origin != origin or token.rules != rules:
            raise wrong
        return token


def digest(*parts: object) -> str:
    """Anything as a short text to compare."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def encoded(content: Mapping[str, Any]) -> str:
    """Fields as one opaque text."""
    return urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()


def decoded(text: str) -> dict[str, Any]:
    """The fields again; ValueError or TypeError for a text that is no token."""
    fields: dict[str, Any] = {**json.loads(urlsafe_b64decode(text.encode()))}
    return fields
