"""Grants: their tokens, kept fresh by one process at a time, and what happens when one dies.

A refresh token that rotates may be redeemed once only. So whoever refreshes first takes a lease by conditional update;
the others wait and use the winner's token. The lease (60 s) outlives the token request (20 s at most).
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any, TypeVar

import requests
import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import OperationalError, transaction
from django.db.models import Q
from django.utils import timezone
from django_q.tasks import async_task
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from integrations import outbound, owners, providers, tokens
from integrations.contract import Tokens
from integrations.errors import BadConfig, NeedsReconnect, Temporary, TokenRefused
from integrations.models import Integration

log = structlog.get_logger()

T = TypeVar("T")

FRESH_FOR = timedelta(minutes=5)
LEASE = timedelta(seconds=60)
TOKEN_SECONDS = 20.0
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Access:
    """An access token, the version of the grant it belongs to, and what the provider says of the link."""

    token: str
    version: int
    details: Mapping[str, str] = field(default_factory=dict)


def seal(integration: Integration, values: dict[str, Any]) -> bytes:
    """Encrypt a grant's tokens for its own row and no other."""
    return tokens.encrypt(json.dumps(values).encode(), purpose="oauth-token", context=context(integration))


def unseal(integration: Integration) -> dict[str, Any]:
    """The grant's tokens. Raises tokens.CannotDecrypt."""
    return json.loads(tokens.decrypt(integration.encrypted_tokens, purpose="oauth-token", context=context(integration)))


def context(integration: Integration) -> str:
    """Whose tokens these are: part of the key that encrypts them."""
    return f"company={integration.company_id}|integration={integration.pk}|field=tokens"


def fresh(integration_id: uuid.UUID, refused: Access | None = None) -> Access:
    """An access token good for five minutes or more; with ``refused``, a newer one than that.

    Raises NeedsReconnect (and marks the grant stale) where it is dead, Temporary where it cannot be had now, BadConfig
    where the installation's client is refused.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        integration = Integration.unscoped.get(pk=integration_id)
        access = _usable(integration, refused)
        if access:
            return access
        lease = uuid.uuid4()
        if _take_lease(integration, lease):
            return _refresh(integration, lease)
        if time.monotonic() > deadline:
            raise Temporary("Another process is still refreshing this account's access.")
        time.sleep(random.uniform(0.05, 0.25))  # noqa: S311


def session(integration: Integration, access: Access) -> requests.Session:
    """A session that speaks for this grant. One per thread."""
    return outbound.session(providers.get(integration.provider), access.token)


def ask(integration: Integration, question: Callable[[requests.Session], T]) -> T:
    """What the provider answers to ``question``; with a newer token once more where the first one is refused."""
    access = fresh(integration.pk)
    try:
        with session(integration, access) as http:
            return question(http)
    except TokenRefused:
        access = fresh(integration.pk, refused=access)
    with session(integration, access) as http:
        return question(http)


def _usable(integration: Integration, refused: Access | None) -> Access | None:
    ended = integration.sync_status == Integration.Status.REVOKED and not integration.is_revocation_due
    if ended or integration.sync_status == Integration.Status.STALE:
        raise NeedsReconnect(integration.reason or "The account is disconnected.")
    if refused is not None and integration.version == refused.version:
        return None
    if integration.expires_at is not None and integration.expires_at - timezone.now() < FRESH_FOR:
        return None
    return Access(_opened(integration)["access_token"], integration.version, integration.details)


def _opened(integration: Integration) -> dict[str, Any]:
    """The tokens. A grant that cannot be decrypted is stale: only its key or a new consent helps."""
    try:
        return unseal(integration)
    except tokens.CannotDecrypt as error:
        reason = f"The stored access cannot be decrypted. {error}"
        mark_stale(integration.pk, integration.version, reason)
        raise NeedsReconnect(reason) from error


def _take_lease(integration: Integration, lease: uuid.UUID) -> bool:
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    rows = Integration.unscoped.filter(free, pk=integration.pk, version=integration.version)
    return rows.update(lease=lease, lease_until=now + LEASE) == 1


def _refresh(integration: Integration, lease: uuid.UUID) -> Access:
    """Redeem the refresh token under the lease and save the answer before anything else happens."""
    provider = providers.get(integration.provider)
    old = _opened(integration)
    try:
        http = outbound.session(provider, total_seconds=TOKEN_SECONDS)
        config = providers.client_config(integration.provider)
        refresh_token = old.get("refresh_token") or ""
        answer = provider.refresh(config, http, refresh_token, integration.scopes, integration.details)
    except NeedsReconnect as error:
        mark_stale(integration.pk, integration.version, str(error), error.claims)
        raise
    except BadConfig as error:
        _release(integration, lease)
        set_reason(integration.pk, Integration.Status.ERROR, f"{error} The operator of this installation must act.")
        raise
    except BaseException:
        _release(integration, lease)
        raise
    return _save(integration, old, answer)


@retry(
    retry=retry_if_exception_type(OperationalError),
    stop=stop_after_attempt(5),
    wait=wait_exponential(multiplier=0.1, max=2),
    reraise=True,
)
def _save(integration: Integration, old: dict[str, Any], answer: Tokens) -> Access:
    """Store the new tokens in a transaction of their own. A reply without refresh token keeps the old one.

    The version fences, not the lease: a lease that ran out while the database was busy must not cost a rotated token,
    which nobody could redeem again.
    """
    values = {
        "access_token": answer.access_token,
        "refresh_token": answer.refresh_token or old.get("refresh_token"),
    }
    details = {**integration.details, **answer.details}
    with transaction.atomic():
        rows = Integration.unscoped.filter(pk=integration.pk, version=integration.version).update(
            encrypted_tokens=seal(integration, values),
            expires_at=answer.expires_at,
            details=details,
            version=integration.version + 1,
            lease=None,
            lease_until=None,
        )
    if rows != 1:
        # Somebody linked anew or refreshed meanwhile: theirs is stored, and this token is good for now.
        return Access(answer.access_token, integration.version, details)
    return Access(answer.access_token, integration.version + 1, details)


def _release(integration: Integration, lease: uuid.UUID) -> None:
    Integration.unscoped.filter(pk=integration.pk, lease=lease).update(lease=None, lease_until=None)


def mark_stale(integration_id: uuid.UUID, version: int, reason: str, claims: str = "") -> None:
    """The grant is dead: stop its syncs, hold its work, and tell the user once. Nothing is deleted.

    ``claims`` is what the provider demands of the next consent.

    Does nothing where the tokens changed meanwhile: then another process refreshed first, and the grant lives.
    """
    rows = Integration.unscoped.filter(pk=integration_id, version=version).exclude(
        sync_status__in=[Integration.Status.STALE, Integration.Status.REVOKED]
    )
    with transaction.atomic():
        changed = rows.update(
            sync_status=Integration.Status.STALE,
            reason=reason,
            claims=claims,
            status_changed_at=timezone.now(),
            lease=None,
            lease_until=None,
        )
        if changed:
            async_task("integrations.jobs.tell_stale")


def set_reason(integration_id: uuid.UUID, status: str, reason: str) -> None:
    """Say how a living grant is doing. A paused, stale or revoked one keeps its state."""
    Integration.unscoped.filter(pk=integration_id, sync_status__in=["active", "syncing", "error"]).exclude(
        sync_status=status, reason=reason
    ).update(sync_status=status, reason=reason, status_changed_at=timezone.now())


def tell_stale() -> int:
    """Mail each user whose grant died, once per death, and the admins of a company whose own did; returns of how many
    grants was told. May run twice, or be killed."""
    told = 0
    waiting = Integration.unscoped.filter(sync_status=Integration.Status.STALE, told_at__isnull=True)
    for integration in waiting.select_related("user").order_by("status_changed_at"):
        rows = Integration.unscoped.filter(pk=integration.pk, told_at__isnull=True).update(told_at=timezone.now())
        if rows != 1:
            continue
        try:
            _mail_stale(integration)
        except SMTPRecipientsRefused:
            # His address is refused: trying again would change nothing, and keep those behind him from being told.
            log.warning("stale.not_told", integration=str(integration.pk))
            continue
        except OSError:
            # The mail server is down: give the claim back, so that the next sweep tells him.
            Integration.unscoped.filter(pk=integration.pk).update(told_at=None)
            raise
        told += 1
    return told


def _mail_stale(integration: Integration) -> None:
    label = providers.service(integration.provider, integration.integration_type).label
    readers = owners.readers(integration)
    send_mail(
        f"{label} needs to be reconnected",
        f"Hello {', '.join(reader.get_short_name() for reader in readers)},\n\n"
        f"{label} ({integration.account_address}) is no longer read: {integration.reason}\n\n"
        "Nothing was lost: reconnect, and what happened meanwhile is read then.\n"
        f"{settings.PUBLIC_URL}/settings/integrations/\n",
        None,
        [reader.email for reader in readers],
    )
