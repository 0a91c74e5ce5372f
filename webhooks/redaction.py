"""What staff may see of a delivery: its form, without secrets and without people's addresses.

The result is plain JSON that every database takes: no NUL, no half surrogates, no infinite numbers, no deep nesting.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MASK = "•••"
DEEPEST = 20
LONGEST_TEXT = 2_000
LONGEST_BODY = 64 * 1024
MOST_ITEMS = 200

SECRET_KEY = re.compile(
    r"token|secret|authori[sz]ation|session|passw|passphrase|cookie|signature|credential"
    r"|api[-_ ]?key|client[-_]?state|jwt",
    re.IGNORECASE,
)
SECRET_TEXT = re.compile(
    r"(ya29\.|1//)[\w.\-]{10,}|eyJ[\w-]{8,}\.[\w.-]+|\bBearer\s+\S+|\b00D\w{12,15}![\w.]+|\bpat-[\w-]{10,}"
    r"|\b[0-9a-f]{8}\.[\w-]{22}\.[\w-]{43}"
)
SECRET_PARAMETER = re.compile(r"([?&][^=&\s]*(?:token|secret|signature|code|key|state)[^=&\s]*=)[^&\s]+", re.IGNORECASE)
ADDRESS = re.compile(r"[^\s@<>\"'(),:;/\\=]+?(@|%40)(?=[\w-]+(?:\.[\w-]+)+)")


def payload(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Headers and body as a page may show them."""
    return {"headers": redacted(dict(headers)), "body": _body(body)}


def redacted(value: Any, depth: int = 0) -> Any:
    """``value`` with what stands under a secret's name masked, and addresses without their local part."""
    if depth > DEEPEST:
        return "… nested deeper than is shown"
    if isinstance(value, dict):
        pairs = list(value.items())[:MOST_ITEMS]
        return {
            _text(str(key)): MASK if SECRET_KEY.search(str(key)) and item else redacted(item, depth + 1)
            for key, item in pairs
        }
    if isinstance(value, list):
        return [redacted(item, depth + 1) for item in value[:MOST_ITEMS]]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > 2**63:
        return f"a number of {value.bit_length()} bits"
    return value


def _body(body: bytes) -> Any:
    if not body:
        return None
    if len(body) > LONGEST_BODY:
        return f"{len(body)} bytes, too long to show"
    try:
        return redacted(json.loads(body))
    except (ValueError, RecursionError):
        # No JSON: its form is unknown, and so is where its secrets stand.
        return f"{len(body)} bytes that are no JSON"


def _text(text: str) -> str:
    clean = text.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST_TEXT]
    clean = SECRET_PARAMETER.sub(rf"\1{MASK}", SECRET_TEXT.sub(MASK, clean))
    return ADDRESS.sub(rf"{MASK}\1", clean)
