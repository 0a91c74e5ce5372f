"""Encryption of secrets: the Fernet specification's vectors, binding to a record, rotation, damage."""

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from integrations import channel_tokens, tokens

# https://github.com/fernet/spec at 8a21920: its generate, verify and (in a file) its eleven invalid vectors.
SECRET = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
VALID = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
NOW = int(datetime.fromisoformat("1985-10-26T01:20:01-07:00").timestamp())
INVALID = json.loads((Path(__file__).parent.parent / "fixtures" / "fernet" / "invalid.json").read_text())


def test_the_specifications_token_opens() -> None:
    assert tokens.open_fernet(SECRET.encode(), VALID.encode(), ttl=60, now=NOW) == b"hello"


def test_the_specifications_token_is_generated() -> None:
    generated = Fernet(SECRET)._encrypt_from_parts(b"hello", NOW - 1, bytes(range(16)))
    assert generated == VALID.encode()


@pytest.mark.parametrize("vector", INVALID, ids=[vector["desc"] for vector in INVALID])
def test_the_specifications_invalid_tokens_are_refused(vector: dict[str, Any]) -> None:
    now = int(datetime.fromisoformat(vector["now"]).timestamp())
    with pytest.raises(tokens.CannotDecrypt):
        tokens.open_fernet(vector["secret"].encode(), vector["token"].encode(), ttl=vector["ttl_sec"], now=now)


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(VALID + "A", id="characters after the padding"),
        pytest.param(VALID[:10] + "\n" + VALID[10:], id="a stray character inside"),
        pytest.param(VALID[:-3] + chr(ord(VALID[-3]) + 1) + "==", id="padding bits that are not zero"),
        pytest.param(VALID.rstrip("="), id="padding cut off"),
        pytest.param("", id="nothing"),
    ],
)
def test_only_the_canonical_spelling_opens(spoilt: str) -> None:
    with pytest.raises(tokens.CannotDecrypt):
        tokens.open_fernet(SECRET.encode(), spoilt.encode(), ttl=60, now=NOW)


def test_a_ciphertext_opens_for_its_own_record_only() -> None:
    cipher = tokens.encrypt(b"secret", purpose="oauth-token", context="company=1|integration=2")

    assert tokens.decrypt(cipher, purpose="oauth-token", context="company=1|integration=2") == b"secret"
    for purpose, context in [("oauth-token", "company=1|integration=3"), ("mfa", "company=1|integration=2")]:
        with pytest.raises(tokens.CannotDecrypt):
            tokens.decrypt(cipher, purpose=purpose, context=context)


def test_an_old_key_opens_and_the_newest_encrypts(settings: Settings) -> None:
    old, new = b"o" * 32, b"n" * 32
    settings.TOKEN_ENCRYPTION_KEYS = [old]
    cipher = tokens.encrypt(b"secret", purpose="p", context="c")
    settings.TOKEN_ENCRYPTION_KEYS = [new, old]

    assert tokens.decrypt(cipher, purpose="p", context="c") == b"secret"
    assert tokens.key_id(cipher) == tokens.key_id_of(old)
    assert tokens.key_id(tokens.encrypt(b"x", purpose="p", context="c")) == tokens.key_id_of(new)


def test_a_missing_key_is_named_and_the_secret_is_not(settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [b"o" * 32]
    cipher = tokens.encrypt(b"top secret", purpose="p", context="c")
    settings.TOKEN_ENCRYPTION_KEYS = [b"n" * 32]

    with pytest.raises(tokens.CannotDecrypt, match=tokens.key_id_of(b"o" * 32)) as caught:
        tokens.decrypt(cipher, purpose="p", context="c")
    assert "top secret" not in str(caught.value)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_never_an_error_of_another_kind(garbage: bytes) -> None:
    with pytest.raises(tokens.CannotDecrypt):
        tokens.decrypt(garbage, purpose="p", context="c")


@given(st.binary(max_size=500), st.text(max_size=50))
def test_what_goes_in_comes_out(plain: bytes, context: str) -> None:
    context = context.encode("utf-8", "ignore").decode()
    cipher = tokens.encrypt(plain, purpose="p", context=context)
    assert tokens.decrypt(cipher, purpose="p", context=context) == plain
    assert base64.urlsafe_b64decode(cipher.partition(b"|")[2])


@given(st.text(max_size=80), st.text(max_size=120))
def test_no_text_passes_as_a_channel_secret(channel_id: str, token: str) -> None:
    assert not channel_tokens.is_signed(channel_id, token)


def test_a_channel_secret_belongs_to_its_channel(settings: Settings) -> None:
    token = channel_tokens.make("channel-1")

    assert channel_tokens.is_signed("channel-1", token)
    assert not channel_tokens.is_signed("channel-2", token)
    assert len(token) <= 128
    assert channel_tokens.make("channel-1") != token
    settings.TOKEN_ENCRYPTION_KEYS = [b"n" * 32, *settings.TOKEN_ENCRYPTION_KEYS]
    assert channel_tokens.is_signed("channel-1", token)
    settings.TOKEN_ENCRYPTION_KEYS = [b"n" * 32]
    assert not channel_tokens.is_signed("channel-1", token)
