"""Signs that no database of ours keeps, taken out of a CRM's answer before anybody reads it.

A text that a CRM cut in the middle of an emoji ends in half a character. PostgreSQL refuses that, and NUL as well, and
with them the whole page; SQLite stores it, and never gives its row back.
"""

import re

NUL, REPLACEMENT = b"\0", rb"\ufffd"
MAY_BE_ODD = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
"""Whole characters first: a pair of halves is one."""


def without(answer: bytes) -> bytes:
    """The same answer, JSON or lines of a table, with every half character replaced and without NUL."""
    if NUL in answer:
        answer = answer.replace(NUL, b"")
    return ESCAPE.sub(_mended, answer) if MAY_BE_ODD.search(answer) else answer


def _mended(found: re.Match[bytes]) -> bytes:
    escape = found[0]
    if escape == rb"\u0000":
        return b""
    is_half = len(escape) == 6 and MAY_BE_ODD.match(escape) is not None
    return REPLACEMENT if is_half else escape
