"""Secrets that a company's own code at a provider signs its pushes with: one per channel, made anew on request.

A secret is ``<channel id>.<key id>.<nonce>.<MAC>``. Its name, all but the MAC, comes with each push: so it is made
again from the name and our key, stored nowhere, and a forged push costs no database query. Its id (key id and nonce)
stands on the channel's row and says which secret counts: another id takes the place of a secret.
"""

import base64
import hashlib
import hmac
import re
import secrets
from functools import cache

from django.conf import settings

from integrations import tokens

NAME = re.compile(r"([0-9a-f-]{36})\.([0-9a-f]{8}\.[\w-]{22})", re.ASCII)


def new_id() -> str:
    """The id of a secret that nobody had before, made with the newest key."""
    return f"{tokens.current_key_id()}.{secrets.token_urlsafe(16)}"


def is_current(signing_id: str) -> bool:
    """Whether it is made with the newest key. Once its own is taken out, what it signs is refused."""
    return signing_id.partition(".")[0] == tokens.current_key_id()


def parse(name: str) -> tuple[str, str] | None:
    """The channel's id and the secret's id of a secret's name; None if it is no such name."""
    found = NAME.fullmatch(name)
    return (found[1], found[2]) if found else None


def secret(channel_id: str, signing_id: str) -> str:
    """The secret of this channel and id. Of a key that is gone something that nobody can know."""
    key_id = signing_id.partition(".")[0]
    masters = [master for master in settings.TOKEN_ENCRYPTION_KEYS if tokens.key_id_of(master) == key_id]
    name = f"{channel_id}.{signing_id}"
    mac = hmac.new(_key(masters[0]) if masters else secrets.token_bytes(32), name.encode(), hashlib.sha256).digest()
    return f"{name}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


@cache
def _key(master: bytes) -> bytes:
    """Kept, since each signed push is proved by it and few of them exist."""
    return tokens.derive(master, "signing-secret", "")
