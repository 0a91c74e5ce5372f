"""Encrypts secrets for the database: Fernet under a key derived per record, with the id of its master key in front.

A ciphertext is ``<key id>|<Fernet token>``. The key of each is HKDF-SHA256(master, purpose and context), so one that is
moved to another row, company or field does not decrypt. Fernet: https://github.com/fernet/spec/blob/master/Spec.md
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class CannotDecrypt(Exception):
    """The ciphertext is damaged, belongs elsewhere, or its key is no longer in TOKEN_ENCRYPTION_KEY."""


def encrypt(plain: bytes, *, purpose: str, context: str) -> bytes:
    """Encrypt under the newest key, bound to ``purpose`` (what it is) and ``context`` (whose it is)."""
    master = settings.TOKEN_ENCRYPTION_KEYS[0]
    token = Fernet(derived_key(master, purpose, context)).encrypt(plain)
    return key_id_of(master).encode() + b"|" + token


def decrypt(cipher: bytes | memoryview, *, purpose: str, context: str) -> bytes:
    """The plain bytes. Raises CannotDecrypt, with words an operator can act on and nothing secret."""
    key_id, _, token = bytes(cipher).partition(b"|")
    master = _masters().get(key_id.decode("ascii", "replace"))
    if master is None:
        raise CannotDecrypt(
            f"Its key {key_id[:8]!r} is not in TOKEN_ENCRYPTION_KEY: put that key back behind the new one."
        )
    return open_fernet(derived_key(master, purpose, context), token)


def open_fernet(key: bytes, token: bytes, ttl: int | None = None, now: int | None = None) -> bytes:
    """Decrypt one Fernet token, refusing any spelling but the canonical one (the library accepts stray characters).

    ``ttl`` is in seconds; ``now`` is a Unix time and needs ``ttl``. Raises CannotDecrypt.
    """
    try:
        if base64.urlsafe_b64encode(base64.b64decode(token, altchars=b"-_", validate=True)) != token:
            raise CannotDecrypt("The ciphertext is damaged.")
        if ttl is not None and now is not None:
            return Fernet(key).decrypt_at_time(token, ttl, now)
        return Fernet(key).decrypt(token, ttl)
    except (InvalidToken, binascii.Error, ValueError) as error:
        raise CannotDecrypt("The ciphertext is damaged, or was made for another record.") from error


def derived_key(master: bytes, purpose: str, context: str) -> bytes:
    """The Fernet key of one record, from the master key, what it is for and whose it is."""
    return base64.urlsafe_b64encode(derive(master, purpose, context))


def derive(master: bytes, purpose: str, context: str) -> bytes:
    """32 bytes for this purpose and context alone (RFC 5869)."""
    info = f"lpxgp|{purpose}|v1|{context}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master)


def key_id_of(master: bytes) -> str:
    """A name for a master key that tells nothing about it."""
    return hashlib.sha256(b"lpxgp key id" + master).hexdigest()[:8]


def key_id(cipher: bytes | memoryview) -> str:
    """Which key a ciphertext was made with, without decrypting it."""
    return bytes(cipher).partition(b"|")[0].decode("ascii", "replace")


def current_key_id() -> str:
    """The id of the newest key: the one that encrypts."""
    return key_id_of(settings.TOKEN_ENCRYPTION_KEYS[0])


def _masters() -> Mapping[str, bytes]:
    return {key_id_of(master): master for master in settings.TOKEN_ENCRYPTION_KEYS}
