"""Who signed in: ID tokens, the keys to check them with, and the two userinfo endpoints.

https://developers.google.com/identity/openid-connect/openid-connect
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt
from google.auth import jwt as google_jwt
from werkzeug.wrappers import Response

from sandbox.google import errors
from sandbox.google.calendar import bearer
from sandbox.google.scopes import EMAIL, OPENID, PROFILE
from sandbox.google.state import Account, google_of
from sandbox.google.tokens import ACCESS_SECONDS
from sandbox.providers import Call

ISSUER = "https://accounts.google.com"


@dataclass(frozen=True)
class Key:
    """A signing key and its certificate."""

    kid: str
    private: rsa.RSAPrivateKey

    @property
    def certificate(self) -> str:
        """Self-signed X.509 in PEM, as /oauth2/v1/certs gives it."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox.invalid")])
        start = datetime.now(UTC) - timedelta(days=365)
        builder = x509.CertificateBuilder(name, name, self.private.public_key(), 1, start, start + timedelta(days=7300))
        return builder.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as /oauth2/v3/certs gives it."""
        numbers = self.private.public_key().public_numbers()
        return {
            "kid": self.kid,
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "n": base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
            "e": base64url(numbers.e.to_bytes(3, "big")),
        }


@cache
def keys() -> list[Key]:
    """Two keys, made once per process: Google publishes the next one before it signs with it."""
    privates = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    return [
        Key(hashlib.sha256(str(key.public_key().public_numbers().n).encode()).hexdigest()[:40], key) for key in privates
    ]


def base64url(raw: bytes) -> str:
    """base64url without padding, as JOSE writes it."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: dict[str, Any]) -> str:
    """A JWT, RS256, by the current key."""
    key = keys()[0]
    pem = key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    signed: bytes = google_jwt.encode(crypt.RSASigner.from_string(pem, key.kid), claims)
    return signed.decode()


def id_token(account: Account, client_id: str, scopes: list[str], access_token: str, nonce: str, now: datetime) -> str:
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
        claims |= {"email": account.email, "email_verified": True}
    if PROFILE in scopes:
        claims |= names(account)
    if nonce:
        claims["nonce"] = nonce
    return sign(claims)


def names(account: Account) -> dict[str, str]:
    """The profile's names; a one-word name has no family name."""
    given, _, family = account.name.partition(" ")
    shown = {"name": account.name, "given_name": given}
    return shown | ({"family_name": family} if family else {})


def pem_certs(call: Call) -> Response:
    """/oauth2/v1/certs: certificates by key id."""
    return errors.reply({key.kid: key.certificate for key in keys()})


def jwk_certs(call: Call) -> Response:
    """/oauth2/v3/certs: a JWK set."""
    return errors.reply({"keys": [key.jwk for key in keys()]})


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
        shown |= {"email": account.email, verified_name: True}
    if PROFILE in token.scopes:
        shown |= names(account) | {"picture": "https://lh3.googleusercontent.com/a/default"}
    if account.hd:
        shown["hd"] = account.hd
    return errors.reply(shown)
