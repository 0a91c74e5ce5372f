"""iCalUId: Outlook's Global Object IDs, and the UIDs of other calendars wrapped in one.

https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxocal/1d3aac05-a7b9-45cc-a213-47f0a0a2c5c1
"""

import hashlib
from datetime import UTC, date, datetime

CLASS = bytes.fromhex("040000008200E00074C5B7101A82E008")
FOREIGN = b"vCal-Uid\x01\x00\x00\x00"
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
DATE_AT = slice(32, 40)
"""Where the hexadecimal text holds the day of an occurrence."""


def own(seed: str, created_at: datetime) -> str:
    """The id of something made in Outlook; the same ``seed`` (who, what) gives the same id."""
    ticks = int((created_at - EPOCH).total_seconds()) * 10_000_000
    return _written(ticks, hashlib.sha256(seed.encode()).digest()[:16])


def wrapped(uid: str) -> str:
    """The id of something another calendar's invitation brought."""
    return _written(0, FOREIGN + uid.encode() + b"\x00")


def of_occurrence(ical_uid: str, day: date) -> str:
    """An occurrence's own id: that of its series, with its day written into it."""
    whole = ical_uid if is_global_object_id(ical_uid) else wrapped(ical_uid)
    stamp = f"{day.year:04X}{day.month:02X}{day.day:02X}"
    return whole[: DATE_AT.start] + stamp + whole[DATE_AT.stop :]


def is_global_object_id(ical_uid: str) -> bool:
    """Whether it is one of Outlook's, not a plain UID."""
    return ical_uid.upper().startswith(CLASS.hex().upper())


def _written(ticks: int, data: bytes) -> str:
    parts = CLASS, bytes(4), ticks.to_bytes(8, "little"), bytes(8), len(data).to_bytes(4, "little"), data
    return b"".join(parts).hex().upper()
