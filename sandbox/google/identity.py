"""Who signed in: ID tokens, the keys to check them with, and the two userinfo endpoints.

https://developers.google.com/identity/openid-connect/openid-connect
"""

import hashlib
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from sandbox.google import errors
from sandbox.google.calendar import bearer
from sandbox.google.scopes import EMAIL, OPENID, PROFILE
from sandbox.google.state import Account, google_of
from sandbox.google.tokens import ACCESS_SECONDS
from sandbox.providers import Call
from sandbox.signing import Key, base64url, keys, sign

ISSUER = "https://accounts.google.com"
PICTURE = "https://lh3.googleusercontent.com/a/default"


def id_token(
    account: Account, client_id: str, scopes: list[str], access_token: str, nonce: str, now: datetime, signer: Key
) -> str:
    """The ID token that goes with an access token."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "azp": client_id,
        "aud": client_id,
        "sub": account.sub,
        "at_hash": base64url(hashlib.sha256(access_token.encode()).digest()[:16]),
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + ACCESS_SECONDS + 1,
    }
    if account.hd:
        claims["hd"] = account.hd
    if EMAIL in scopes:
        claims |= {"email": account.email, "email_verified": account.is_verified}
    if PROFILE in scopes:
        claims |= names(account) | {"picture": PICTURE}
    if nonce:
        claims["nonce"] = nonce
    return sign(claims, signer)


def names(account: Account) -> dict[str, str]:
    """The profile's names; a one-word name has no family name."""
    given, _, family = account.name.partition(" ")
    shown = {"name": account.name, "given_name": given}
    return shown | ({"family_name": family} if family else {})


def pem_certs(call: Call) -> Response:
    """/oauth2/v1/certs: certificates by key id."""
    return published({key.kid: key.certificate for key in keys(google_of(call.world).signing_key)})


def jwk_certs(call: Call) -> Response:
    """/oauth2/v3/certs: a JWK set."""
    return published({"keys": [key.jwk for key in keys(google_of(call.world).signing_key)]})


def published(content: dict[str, Any]) -> Response:
    """Keys may be kept for hours."""
    response = errors.reply(content)
    response.headers["Cache-Control"] = "public, max-age=20000, must-revalidate, no-transform"
    return response


def userinfo(call: Call) -> Response:
    """oauth2/v2/userinfo: ``id``, ``email``, ``verified_email``."""
    return info(call, "id", "verified_email")


def openid_userinfo(call: Call) -> Response:
    """The OpenID Connect spelling: ``sub``, ``email``, ``email_verified``."""
    return info(call, "sub", "email_verified")


def info(call: Call, id_name: str, verified_name: str) -> Response:
    """What the token's scopes let the client know of its user."""
    google = google_of(call.world)
    with call.world.lock:
        token = google.tokens.find_access(bearer(call.request))
        account = google.accounts.get(token.email) if token else None
    if token is None or account is None:
        return errors.dead_token().response()
    if not {OPENID, EMAIL, PROFILE} & set(token.scopes):
        return errors.scope_missing("oauth2.v2.Userinfo.Get").response()
    shown: dict[str, Any] = {id_name: account.sub}
    if EMAIL in token.scopes:
        shown |= {"email": account.email, verified_name: account.is_verified}
    if PROFILE in token.scopes:
        shown |= names(account) | {"picture": PICTURE}
    if account.hd:
        shown["hd"] = account.hd
    return errors.reply(shown)
