"""Keys that ID tokens are signed with, and how JOSE writes things."""

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


@dataclass(frozen=True)
class Key:
    """A signing key and its certificate."""

    kid: str
    private: rsa.RSAPrivateKey

    @property
    def certificate(self) -> str:
        """Self-signed X.509 in PEM."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox.invalid")])
        start = datetime.now(UTC) - timedelta(days=365)
        builder = x509.CertificateBuilder(name, name, self.private.public_key(), 1, start, start + timedelta(days=7300))
        return builder.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as an item of a JWK set."""
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
def key(number: int) -> Key:
    """The key of a number, made once per process."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = hashlib.sha256(str(private.public_key().public_numbers().n).encode()).hexdigest()[:40]
    return Key(name, private)


def keys(first: int = 0) -> list[Key]:
    """Two keys: providers publish the next one before they sign with it."""
    return [key(first), key(first + 1)]


def base64url(raw: bytes) -> str:
    """base64url without padding, as JOSE writes it."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: dict[str, Any], signer: Key | None = None) -> str:
    """A JWT, RS256, by the first key unless another is given."""
    used = signer or key(0)
    pem = used.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    signed: bytes = google_jwt.encode(crypt.RSASigner.from_string(pem, used.kid), claims)
    return signed.decode()
