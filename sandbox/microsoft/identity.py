"""Who signed in: ID tokens of version 2.0, and the keys to check them with.

https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from sandbox.microsoft import errors
from sandbox.microsoft.state import Account
from sandbox.microsoft.tokens import ACCESS_SECONDS
from sandbox.providers import Call
from sandbox.signing import base64url, keys, sign


def id_token(account: Account, client_id: str, scopes: list[str], nonce: str, now: datetime) -> str:
    """Who signed in. ``email`` is what the tenant says: nobody verified it. A refresh has no nonce."""
    issued = int(now.timestamp())
    pairwise = hashlib.sha256(f"{account.tenant} {account.oid} {client_id}".encode()).digest()
    claims: dict[str, Any] = {
        "aud": client_id,
        "iss": f"https://login.microsoftonline.com/{account.tenant}/v2.0",
        "iat": issued,
        "nbf": issued,
        "exp": issued + ACCESS_SECONDS,
        "sub": base64url(pairwise),
        "tid": account.tenant,
        "ver": "2.0",
    }
    if "profile" in scopes:
        claims |= {"oid": account.oid, "name": account.name, "preferred_username": account.upn}
    if "email" in scopes and account.mail:
        claims["email"] = account.mail
    if nonce:
        claims["nonce"] = nonce
    return sign(claims)


def client_info(account: Account) -> str:
    """The account's id and tenant, as msal's cache keys accounts: base64url of JSON."""
    return base64url(json.dumps({"uid": account.oid, "utid": account.tenant}).encode())


def published_keys(call: Call) -> Response:
    """/discovery/v2.0/keys: a JWK set."""
    return errors.reply({"keys": [key.jwk for key in keys()]})
