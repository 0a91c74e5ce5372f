"""Rotation: everything moves to the newest key, may be interrupted, and counts what is left."""

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from integrations import channels, grants, tokens
from integrations.models import Channel, Integration
from lpxgp import key_rotation
from relationships.models import User
from tests.pretend_google import Google, Link
from webhooks import inbox
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
NEW = b"n" * 32


@pytest.fixture
def filled(google: Google, link: Link, alice: User) -> Integration:
    """A link with its channel, a second factor, and a delivery with a body."""
    integration = link(alice)
    TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
    delivery = Delivery(provider="any", webhook_type="any", dedupe_key="1")
    delivery.body = tokens.encrypt(b"hello", purpose=inbox.BODY_PURPOSE, context=str(delivery.pk))
    delivery.save()
    return integration


def rotate(*options: str) -> str:
    out = StringIO()
    call_command("rotate_token_keys", *options, stdout=out)
    return out.getvalue()


def key_ids() -> set[str]:
    stored = [bytes(row.encrypted_tokens) for row in Integration.unscoped.all()]
    stored += [row.channel_token.encode() for row in Channel.unscoped.all()]
    stored += [bytes(row.body) for row in Delivery.objects.exclude(body=b"")]
    stored += [row.data["secret"].encode() for row in Authenticator.objects.filter(type="totp")]
    return {tokens.key_id(cipher) for cipher in stored}


def test_everything_moves_to_the_newest_key(filled: Integration, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, *settings.TOKEN_ENCRYPTION_KEYS]

    report = rotate()

    assert key_ids() == {tokens.key_id_of(NEW)}
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    filled.refresh_from_db()
    assert grants.unseal(filled)["refresh_token"]
    assert channels.unseal(Channel.unscoped.get())
    assert inbox.body_of(Delivery.objects.get(provider="any")) == b"hello"
    assert "account tokens" in report
    assert "moved 1" in report


def test_a_dry_run_counts_and_changes_nothing(filled: Integration, settings: Settings) -> None:
    before, old = key_ids(), tokens.current_key_id()
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, *settings.TOKEN_ENCRYPTION_KEYS]

    report = rotate("--dry-run")

    assert key_ids() == before
    assert f"{old}: 1" in report


def test_a_second_run_finds_nothing_to_do(filled: Integration, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, *settings.TOKEN_ENCRYPTION_KEYS]
    rotate()
    assert sum(count.moved for count in key_rotation.rotate(is_dry_run=False)) == 0


def test_what_no_key_opens_is_counted_and_fails_the_command(filled: Integration, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(CommandError, match="cannot be opened"):
        rotate()


def test_a_row_that_changed_meanwhile_is_left_for_the_next_run(
    filled: Integration, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, *settings.TOKEN_ENCRYPTION_KEYS]
    decrypt = tokens.decrypt

    def refreshed_meanwhile(cipher: bytes, *, purpose: str, context: str) -> bytes:
        if purpose == "oauth-token":
            Integration.unscoped.filter(pk=filled.pk).update(
                encrypted_tokens=grants.seal(filled, {"access_token": "x"})
            )
        return decrypt(cipher, purpose=purpose, context=context)

    monkeypatch.setattr(key_rotation.tokens, "decrypt", refreshed_meanwhile)
    (moved, *_) = [count.moved for count in key_rotation.rotate(is_dry_run=False)]
    monkeypatch.undo()

    filled.refresh_from_db()
    assert (moved, grants.unseal(filled)) == (0, {"access_token": "x"})
