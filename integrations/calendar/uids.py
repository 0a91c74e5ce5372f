"""UIDs of events. Some calendars wrap them in a Global Object ID: hexadecimal, with the day of one occurrence in it.

https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxocal/1d3aac05-a7b9-45cc-a213-47f0a0a2c5c1
"""

from datetime import date

CLASS = "040000008200E00074C5B7101A82E008"
"""The sixteen bytes that every Global Object ID begins with."""

DAY = slice(16, 20)
"""The bytes of an occurrence's day; zero in the id of a single event, and of a series as a whole."""

DATA_AT = 40
FOREIGN = b"vCal-Uid\x01\x00\x00\x00"
"""What stands before the UID that another calendar's invitation brought."""


def plain(uid: str) -> str:
    """The UID that all copies of an event share: unwrapped, or in upper case and without a day. Others as they are."""
    whole = _bytes(uid)
    if not whole:
        return uid
    data = whole[DATA_AT:]
    if data.startswith(FOREIGN):
        return data.removeprefix(FOREIGN).split(b"\x00")[0].decode(errors="replace")
    return (whole[: DAY.start] + bytes(4) + whole[DAY.stop :]).hex().upper()


def day_of(uid: str) -> date | None:
    """The day that an occurrence was meant for, as the series' own zone counts it; None where it names none."""
    day = _bytes(uid)[DAY]
    try:
        return date(int.from_bytes(day[:2]), day[2], day[3])
    except (ValueError, IndexError):
        return None


def _bytes(uid: str) -> bytes:
    """The bytes of a Global Object ID, in either case; none of anything else."""
    if uid[: len(CLASS)].upper() != CLASS:
        return b""
    try:
        return bytes.fromhex(uid)
    except ValueError:
        return b""
