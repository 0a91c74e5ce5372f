"""Page tokens and delta tokens: opaque to the client, kept here with what they stand for.

https://learn.microsoft.com/graph/delta-query-overview#state-tokens
"""

import re
import secrets
from base64 import b64encode
from typing import Any, Protocol
from urllib.parse import quote

from sandbox.microsoft.errors import GraphError

SHAPE = re.compile(r"^[A-Za-z0-9+/]{44}$")
MOST_KEPT = 5_000
"""Outlook's tokens have no fixed life: the oldest ones fall out of a cache."""


class Cursors:
    """Tokens by their text, oldest first: the kind and the values each stands for."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, dict[str, Any]]] = {}

    def reset(self) -> None:
        """No tokens."""
        self.kept.clear()

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {token: [kind, values] for token, (kind, values) in self.kept.items()}

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.kept = {token: (kind, values) for token, (kind, values) in saved.items()}


class Keeper(Protocol):
    """Who keeps the tokens."""

    cursors: Cursors


def issue(microsoft: Keeper, kind: str, values: dict[str, Any]) -> str:
    """A token for ``values`` (JSON, small: up to 5,000 are kept), to be found again under the same ``kind``.

    It holds characters that must be escaped in an address, as real ones do: see ``link``.
    """
    kept = microsoft.cursors.kept
    while len(kept) >= MOST_KEPT:
        del kept[next(iter(kept))]
    token = b64encode(secrets.token_bytes(33)).decode()
    kept[token] = (kind, values)
    return token


def find(microsoft: Keeper, kind: str, token: str) -> dict[str, Any]:
    """What a token stands for. GraphError: 410 for one that was forgotten, 400 for one of another kind, or junk."""
    found = microsoft.cursors.kept.get(token)
    if found is not None and found[0] == kind:
        return found[1]
    if found is not None or not SHAPE.match(token):
        raise GraphError(400, "InvalidDeltaToken", f"The value '{token}' of parameter '$deltaToken' is invalid.")
    message = "The sync state generation is not found; generation=605;[highest=841][841][839][840]."
    raise GraphError(410, "SyncStateNotFound", message)


def forget(microsoft: Keeper, kind: str = "", **values: Any) -> int:
    """Forget tokens: of one kind or of all, those that stand for all of ``values``. How many that were."""

    def is_meant(owner: str, held: dict[str, Any]) -> bool:
        return kind in ("", owner) and all(held.get(name) == value for name, value in values.items())

    kept = microsoft.cursors.kept
    meant = [token for token, (owner, held) in kept.items() if is_meant(owner, held)]
    for token in meant:
        del kept[token]
    return len(meant)


def link(address: str, option: str, token: str) -> str:
    """``address`` (no query) with its token escaped; ``option`` is ``$skiptoken`` or ``$deltatoken``."""
    return f"{address}?{option}={quote(token, safe='')}"
