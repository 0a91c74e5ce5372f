"""The ids of one mailbox's calendars and events, and both spellings of an event's.

https://learn.microsoft.com/graph/outlook-immutable-id
"""

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import date

NORMAL, IMMUTABLE, CALENDAR = b"\x00\x03\x24\x00", b"\x00\x09\x00\x2e\x00\x00", b"\x00\x03\x24\x01"
TAIL = b"\x00\x00"


@dataclass(frozen=True)
class Key:
    """What an event's id stands for: its number in the mailbox, and the day of an occurrence of it."""

    serial: int
    day: date | None = None


def calendar(upn: str, number: int) -> str:
    """A calendar's id, the same in both spellings."""
    return _written(CALENDAR, upn, number, None)


def spelled(upn: str, key: Key, *, is_immutable: bool) -> str:
    """An event's id in the spelling asked for."""
    return _written(IMMUTABLE if is_immutable else NORMAL, upn, key.serial, key.day)


def read(upn: str, text: str) -> Key | None:
    """What an id in either spelling stands for, None for one of another mailbox. ValueError if it is no id at all."""
    try:
        raw = urlsafe_b64decode(text.encode())
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("Id is malformed.") from error
    for head in (NORMAL, IMMUTABLE):
        begin = len(head) + 24
        serial, days = int.from_bytes(raw[begin : begin + 4]), int.from_bytes(raw[begin + 4 : begin + 8])
        key = Key(serial, date.fromordinal(days) if 0 < days < date.max.toordinal() else None)
        if _written(head, upn, key.serial, key.day) == text:
            return key
    return None


def _written(head: bytes, upn: str, number: int, day: date | None) -> str:
    mailbox = hashlib.sha256(upn.encode()).digest()[:24]
    ordinal = day.toordinal() if day else 0
    return urlsafe_b64encode(head + mailbox + number.to_bytes(4) + ordinal.to_bytes(4) + TAIL).decode()
