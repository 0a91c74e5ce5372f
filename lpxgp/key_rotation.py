"""Moves everything that is encrypted to the newest key of TOKEN_ENCRYPTION_KEY, row by row.

Each row is an update of its own that only happens while the row is still what was read: the command may be killed and
run again, beside a working product. An old key may be removed once it counts 0 here.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import Model, QuerySet

from integrations import administrators, channels, grants, tokens
from integrations.email import saved
from integrations.email.models import SavedMail
from integrations.models import AdminRequest, Channel, Integration, LinkAttempt
from webhooks import inbox
from webhooks.models import Delivery

BATCH = 500
Reseal = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Store:
    """One column that holds ciphertexts: which rows, and what a row's ciphertexts are bound to."""

    name: str
    rows: QuerySet[Any]
    column: str
    purpose: str
    context: Callable[[Any], str]


@dataclass
class Count:
    """What became of one store: rows by key before, moved, and those that no key opens."""

    name: str
    by_key: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    unreadable: int = 0


def stores() -> list[Store]:
    """Everything this product encrypts."""
    return [
        Store("account tokens", Integration.unscoped.all(), "encrypted_tokens", "oauth-token", grants.context),
        Store("channel secrets", Channel.unscoped.all(), "channel_token", "channel-secret", channels.context),
        Store("begun consents", LinkAttempt.unscoped.all(), "encrypted_verifier", "pkce", lambda row: str(row.pk)),
        Store(
            "links for administrators",
            AdminRequest.unscoped.all(),
            "encrypted_state",
            administrators.PURPOSE,
            administrators.context,
        ),
        Store("webhook bodies", Delivery.objects.all(), "body", inbox.BODY_PURPOSE, inbox.body_context),
        Store("saved mails", SavedMail.unscoped.all(), "encrypted_text", saved.PURPOSE, saved.context),
        Store("second factors", Authenticator.objects.all(), "data", "mfa", lambda row: "totp"),
    ]


def rotate(is_dry_run: bool) -> Iterator[Count]:
    """Count, and unless it is a dry run move, every ciphertext that is not under the newest key."""
    for store in stores():
        yield _rotate_store(store, is_dry_run)


def _rotate_store(store: Store, is_dry_run: bool) -> Count:
    count = Count(store.name)
    last: Any = None
    while True:
        rows = store.rows.order_by("pk")
        batch = list((rows.filter(pk__gt=last) if last is not None else rows)[:BATCH])
        if not batch:
            return count
        for row in batch:
            _rotate_row(store, row, count, is_dry_run)
        last = batch[-1].pk


def _rotate_row(store: Store, row: Model, count: Count, is_dry_run: bool) -> None:
    old = getattr(row, store.column)
    ciphers = list(_ciphers(old))
    count.by_key.update(tokens.key_id(cipher) for cipher in ciphers)
    if is_dry_run or all(tokens.key_id(cipher) == tokens.current_key_id() for cipher in ciphers):
        return
    context = store.context(row)

    def reseal(cipher: bytes) -> bytes:
        plain = tokens.decrypt(cipher, purpose=store.purpose, context=context)
        return tokens.encrypt(plain, purpose=store.purpose, context=context)

    try:
        new = _resealed(old, reseal)
    except tokens.CannotDecrypt:
        count.unreadable += 1
        return
    count.moved += store.rows.filter(pk=row.pk, **{store.column: old}).update(**{store.column: new})


def _ciphers(value: Any) -> Iterator[bytes]:
    """The ciphertexts in a column: bytes, text, or values of a JSON object."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _ciphers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ciphers(item)
    elif isinstance(value, str) and "|" in value:
        yield value.encode()
    elif isinstance(value, bytes | memoryview) and value:
        yield bytes(value)


def _resealed(value: Any, reseal: Reseal) -> Any:
    """The same value with every ciphertext in it sealed anew."""
    if isinstance(value, dict):
        return {name: _resealed(item, reseal) for name, item in value.items()}
    if isinstance(value, list):
        return [_resealed(item, reseal) for item in value]
    if isinstance(value, str) and "|" in value:
        return reseal(value.encode()).decode()
    if isinstance(value, bytes | memoryview) and value:
        return reseal(bytes(value))
    return value
