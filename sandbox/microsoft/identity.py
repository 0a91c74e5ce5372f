"""Who signed in: ID tokens of version 2.0, and the keys to check them with.

https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
"""

import hashlib
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from sandbox.microsoft import errors
from sandbox.microsoft.state import Account
from sandbox.microsoft.tokens import ACCESS_SECONDS, Code
from sandbox.providers import Call
from sandbox.signing import base64url, keys, sign


def id_token(account: Account, code: Code, now: datetime) -> str:
    """The ID token of a sign-in. ``email`` is what the tenant says: nobody verified it."""
    issued = int(now.timestamp())
    pairwise = hashlib.sha256(f"{account.tenant} {account.oid} {code.client_id}".encode()).digest()
    claims: dict[str, Any] = {
        "aud": code.client_id,
        "iss": f"https://login.microsoftonline.com/{account.tenant}/v2.0",
        "iat": issued,
        "nbf": issued,
        "exp": issued + ACCESS_SECONDS,
        "sub": base64url(pairwise),
        "tid": account.tenant,
        "ver": "2.0",
    }
    if "profile" in code.scopes:
        claims |= {"oid": account.oid, "name": account.name, "preferred_username": account.upn}
    if "email" in code.scopes and account.mail:
        claims["email"] = account.mail
    if code.nonce:
        claims["nonce"] = code.nonce
    return sign(claims)


def published_keys(call: Call) -> Response:
    """/discovery/v2.0/keys: a JWK set."""
    return errors.reply({"keys": [key.jwk for key in keys()]})
