"""How HubSpot signs what it sends, with the client's secret.

https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
"""

import base64
import hashlib
import hmac
import re

DECODED = {
    "3A": ":",
    "2F": "/",
    "3F": "?",
    "40": "@",
    "21": "!",
    "24": "$",
    "27": "'",
    "28": "(",
    "29": ")",
    "2A": "*",
    "2C": ",",
    "3B": ";",
}
ESCAPE = re.compile(f"%({'|'.join(DECODED)})", re.IGNORECASE)


def decoded(address: str) -> str:
    """The address with these twelve escapes undone, and no others."""
    return ESCAPE.sub(lambda found: DECODED[found[1].upper()], address)


def version_1(secret: str, body: bytes) -> str:
    """Hex SHA-256 of secret and body."""
    return hashlib.sha256(secret.encode() + body).hexdigest()


def version_3(secret: str, method: str, address: str, body: bytes, timestamp: str) -> str:
    """Base64 HMAC-SHA-256 of method, address, body and timestamp (milliseconds), with nothing between them."""
    source = method.encode() + decoded(address).encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), source, hashlib.sha256).digest()).decode()
