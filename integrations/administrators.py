"""Asking an administrator to allow the app, where the provider lets nobody else: the link, his answer, the news of it.

The answer proves only that somebody came back from the provider with the link's state. Nothing is linked by it: the
member consents as ever, and the provider decides.
"""

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused
from urllib.parse import quote

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from integrations import outbound, providers, tokens
from integrations.errors import BadConfig
from integrations.models import AdminRequest
from relationships import tenancy
from relationships.models import User

log = structlog.get_logger()

GOOD_FOR = timedelta(days=30)
PURPOSE = "admin-request"
NO = frozenset({"access_denied", "consent_required"})
"""What an administrator's no is called; all other errors are trouble on the way."""


@dataclass(frozen=True)
class Asked:
    """A request as a page shows it. ``link`` is what the member sends; empty where it cannot be made any more."""

    row: AdminRequest
    link: str

    @property
    def until(self) -> datetime:
        """When the link ends."""
        return self.row.asked_at + GOOD_FOR

    @property
    def letter(self) -> str:
        """The address of a mail with the link in it, for the member's own mail program."""
        service = providers.service(self.row.provider, self.row.integration_type)
        provider = providers.get(self.row.provider)
        subject = f"Please allow LPxGP Integrations to read {service.label}"
        allowed = "\n".join(f"- {scope.meaning}" for scope in service.scopes)
        body = (
            f"Hello,\n\nI would like to connect {service.label} with LPxGP Integrations. It only reads. At "
            f"{provider.label}, our organization lets administrators alone allow that. With this link you can:\n\n"
            f"{self.link}\n\nIt asks for:\n{allowed}\n"
        )
        # Lines end as in mail: https://www.rfc-editor.org/rfc/rfc6068#section-5
        lines = body.replace("\n", "\r\n")
        return f"mailto:?subject={quote(subject)}&body={quote(lines)}"


def ask(user: User, provider_slug: str, integration_type: str) -> None:
    """Make a link for the member's administrator, unless there is a good one. Raises LookupError where the provider or
    its administrators have no such thing."""
    if not may_ask(provider_slug, integration_type):
        raise LookupError(f"{provider_slug} knows no consent of administrators, or is not set up.")
    before = AdminRequest.objects.filter(user=user, provider=provider_slug, integration_type=integration_type)
    with transaction.atomic():
        # Two tabs may ask at once: the second finds the link of the first.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if before.filter(granted_at=None, asked_at__gt=timezone.now() - GOOD_FOR).exists():
            return
        before.delete()
        state = secrets.token_urlsafe(32)
        row = AdminRequest(
            company_id=tenancy.current_company_id(),
            user=user,
            provider=provider_slug,
            integration_type=integration_type,
            state_digest=_digest(state),
        )
        row.encrypted_state = tokens.encrypt(state.encode(), purpose=PURPOSE, context=context(row))
        row.save(force_insert=True)


def may_ask(provider_slug: str, integration_type: str) -> bool:
    """Whether administrators can allow it for everybody. Raises LookupError where there is nothing to allow."""
    service = providers.service(provider_slug, integration_type)
    if not providers.is_set_up(provider_slug):
        return False
    return bool(providers.get(provider_slug).admin_consent_url(providers.client_config(provider_slug), service, ""))


def may_return(provider_slug: str) -> bool:
    """Whether there is a provider of this name whose administrators can allow anything."""
    if provider_slug not in providers.slugs():
        return False
    return any(may_ask(provider_slug, service.type) for service in providers.get(provider_slug).services)


def context(row: AdminRequest) -> str:
    """Whose state it is: part of the key that encrypts it."""
    return f"company={row.company_id}|request={row.pk}"


def asked(user: User) -> dict[tuple[str, str], Asked]:
    """What the member has asked for, by provider and type."""
    rows = AdminRequest.objects.filter(user=user, asked_at__gt=timezone.now() - GOOD_FOR)
    return {(row.provider, row.integration_type): Asked(row, _link(row)) for row in rows}


def _link(row: AdminRequest) -> str:
    try:
        state = tokens.decrypt(row.encrypted_state, purpose=PURPOSE, context=context(row)).decode()
        service = providers.service(row.provider, row.integration_type)
        config = providers.client_config(row.provider)
    except (tokens.CannotDecrypt, LookupError, BadConfig) as error:
        log.warning("admin_request.no_link", request=str(row.pk), why=str(error))
        return ""
    return outbound.rerouted(providers.get(row.provider).admin_consent_url(config, service, state))


def returned(provider_slug: str, answer: Mapping[str, str]) -> str:
    """Note what an administrator answered: "allowed", "refused", "trouble", or "unknown" where the link is no good.

    A yes uses the link up. A no does not: it may have been a slip. The answer names a tenant, which anybody may write.
    """
    rows = AdminRequest.unscoped.filter(
        provider=provider_slug,
        state_digest=_digest(answer.get("state", "")),
        granted_at=None,
        asked_at__gt=timezone.now() - GOOD_FOR,
    )
    error = answer.get("error", "")
    if error:
        is_no = error in NO
        found = rows.update(refused_at=timezone.now()) if is_no else rows.count()
        return ("refused" if is_no else "trouble") if found else "unknown"
    if answer.get("admin_consent", "").lower() != "true":
        return "unknown"
    with transaction.atomic():
        if not rows.update(granted_at=timezone.now(), refused_at=None):
            return "unknown"
        async_task("integrations.jobs.tell_allowed")
    return "allowed"


def tell_allowed() -> int:
    """Mail each member whose administrator said yes, once; returns how many were told. May run twice, or be killed."""
    told = 0
    waiting = AdminRequest.unscoped.filter(granted_at__isnull=False, told_at=None, user__is_active=True)
    for row in waiting.select_related("user"):
        if AdminRequest.unscoped.filter(pk=row.pk, told_at=None).update(told_at=timezone.now()) != 1:
            continue
        try:
            _mail(row)
        except SMTPRecipientsRefused:
            log.warning("admin_request.not_told", request=str(row.pk))
            continue
        except OSError:
            # The mail server is down: give the claim back, so that the next sweep tells him.
            AdminRequest.unscoped.filter(pk=row.pk).update(told_at=None)
            raise
        told += 1
    return told


def _mail(row: AdminRequest) -> None:
    label = providers.service(row.provider, row.integration_type).label
    send_mail(
        f"{label} can be connected now",
        f"Hello {row.user.get_short_name()},\n\n"
        f"your administrator has allowed {label} for your organization. What is left is your own consent:\n"
        f"{settings.PUBLIC_URL}/settings/integrations/\n",
        None,
        [row.user.email],
    )


def forget(user_id: uuid.UUID, provider_slug: str, integration_type: str) -> None:
    """Drop what was asked for a link that stands now."""
    AdminRequest.objects.filter(user=user_id, provider=provider_slug, integration_type=integration_type).delete()


def forget_old() -> None:
    """Delete requests whose link is no longer good."""
    AdminRequest.unscoped.filter(asked_at__lt=timezone.now() - GOOD_FOR).delete()


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
