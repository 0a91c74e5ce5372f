"""The secret of each push channel. It carries a MAC of ours, so checking one costs no database query.

Its form is ``<key id>.<nonce>.<MAC>``, 78 characters: providers take 128 and more.
"""

import base64
import hashlib
import hmac
import secrets
from functools import cache

from django.conf import settings

from integrations import tokens


def make(channel_id: str) -> str:
    """A new secret for this channel, signed with the newest key."""
    return _token(settings.TOKEN_ENCRYPTION_KEYS[0], channel_id, secrets.token_urlsafe(16))


def is_signed(channel_id: str, token: str) -> bool:
    """Whether we made this secret for this channel. Takes the same time for every wrong one."""
    key_id, _, rest = token.partition(".")
    nonce = rest.partition(".")[0]
    given = token.encode("utf-8", "replace")
    masters = [master for master in settings.TOKEN_ENCRYPTION_KEYS if tokens.key_id_of(master) == key_id]
    master = masters[0] if masters else settings.TOKEN_ENCRYPTION_KEYS[0]
    return hmac.compare_digest(_token(master, channel_id, nonce).encode("utf-8", "replace"), given)


def key_id(token: str) -> str:
    """Which key signed it: once that key is removed, pushes of its channel are refused."""
    return token.partition(".")[0]


def _token(master: bytes, channel_id: str, nonce: str) -> str:
    message = f"{channel_id}|{nonce}".encode("utf-8", "replace")
    mac = hmac.new(_key(master), message, hashlib.sha256).digest()
    return f"{tokens.key_id_of(master)}.{nonce}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


@cache
def _key(master: bytes) -> bytes:
    """Kept, since each push is proved by it and few of them exist."""
    return tokens.derive(master, "channel-token", "")
