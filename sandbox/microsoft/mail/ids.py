"""The ids of one mailbox: a message has one that changes whenever it is moved, and one for good.

They differ from each other by little, at times only by the case of one letter, as real ones do.

https://learn.microsoft.com/graph/outlook-immutable-id
"""

import binascii
import hashlib
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

NORMAL, IMMUTABLE, FOLDER = "normal", "immutable", "folder"
TAIL = b"\x00\x00"


@dataclass(frozen=True)
class ItemId:
    """A message's id in both spellings."""

    normal: str
    immutable: str

    def spelled(self, *, is_immutable: bool) -> str:
        """The spelling a client asked for."""
        return self.immutable if is_immutable else self.normal


class Ids:
    """Writes and reads the ids of the mailbox of ``upn``; the same for an equal mailbox."""

    def __init__(self, upn: str) -> None:
        digest = hashlib.sha256(upn.encode()).digest()
        # The heads are as long as it takes to give the last six bits of a number a letter of their own.
        mailbox = str(uuid.UUID(bytes=digest[:16])).encode()
        self._heads = {
            NORMAL: b"\x00\x03\x24\x00" + mailbox + b"\x00\x46\x00\x00\x00\x00\x00\x00" + digest[:16] + b"\x07\x00\x00",
            IMMUTABLE: b"\x00\x09\x00\x2e\x00\x00" + digest[:16] + b"\x0f\x00\x00",
            FOLDER: b"\x00\x03\x24\x00" + mailbox + b"\x00\x2e\x00\x00\x00\x00\x00\x00" + digest[:16] + b"\x01\x00\x00",
        }
        self._conversation = b"\x00\x04\x24\x00" + mailbox + b"\x00\x10\x00"

    def folder(self, number: int) -> str:
        """A folder's id, the same in both spellings."""
        return self._written(FOLDER, number)

    def item(self, number: int, place: int) -> ItemId:
        """A message's ids: ``number`` is its own for good, ``place`` where it lies."""
        return ItemId(self._written(NORMAL, place), self._written(IMMUTABLE, number))

    def conversation(self, name: str) -> str:
        """The id of the conversation of that name."""
        return urlsafe_b64encode(self._conversation + hashlib.sha256(name.encode()).digest()[:16]).decode()

    def read(self, text: str) -> tuple[str, int]:
        """The kind and number of an id of this mailbox; an empty kind for anything else."""
        try:
            raw = urlsafe_b64decode(text.encode())
        except (binascii.Error, UnicodeEncodeError):
            return "", 0
        for kind, head in self._heads.items():
            number = int.from_bytes(raw[len(head) : -len(TAIL)])
            if raw.startswith(head) and self._written(kind, number) == text:
                return kind, number
        return "", 0

    def _written(self, kind: str, number: int) -> str:
        return urlsafe_b64encode(self._heads[kind] + (number % 2**64).to_bytes(8) + TAIL).decode()
