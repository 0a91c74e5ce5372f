"""Texts out of a provider's answer, in a form that every database takes."""

from typing import Any

from integrations.errors import Unreadable

MAX_ID = 1024
"""No provider's ids are longer, in characters."""

MAX_ADDRESS = 320
"""Longer is no address, and would not fit into an index."""


def text(value: Any, limit: int = 1000) -> str:
    """Text that every database takes: no NUL, no lone surrogates, no longer than ``limit``."""
    return str(value).replace("\x00", "").encode("utf-8", "ignore").decode()[:limit]


def address(value: Any) -> str:
    """An address in lower case."""
    return text(value, MAX_ADDRESS).strip().lower()


def event_id(value: Any) -> str:
    """An id as it stands: a shortened or cleaned one might be another event's. Raises Unreadable."""
    found = str(value)
    if not found or found != text(found, MAX_ID):
        raise Unreadable("Its id has an unknown form.")
    return found


def id_of(item: Any) -> str:
    """By what an item that cannot be read is set aside."""
    return text(item.get("id", "?"), MAX_ID) if isinstance(item, dict) else "?"
