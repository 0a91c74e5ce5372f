"""Linking an account: consent is begun, comes back, and becomes a grant; disconnecting ends it.

The state sent to the provider is random, used once, and bound to session, user, company, provider and type. PKCE S256
is used with every provider. https://www.rfc-editor.org/rfc/rfc9700
"""

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

import structlog
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_q.tasks import async_task

from integrations import administrators, channels, grants, outbound, owners, providers, sync_states, tokens
from integrations.contract import Account, Begun, ClientConfig, ConsentWanted, Refusal, Service, Tokens
from integrations.errors import BadConfig, IntegrationError, NeedsReconnect, Temporary, Unusable
from integrations.link_refusals import AdministratorNeeded, LinkRefused, OtherAccount, TooOften
from integrations.models import Channel, Integration, LinkAttempt, SyncRun, SyncState
from relationships import tenancy
from relationships.models import User

log = structlog.get_logger()

CONSENT_MINUTES = 15
BEGIN_AT_MOST = 10
"""So many consents may a user begin within CONSENT_MINUTES."""
SESSION_KEY = "link_secret"
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
REVOKE_FOR = timedelta(days=1)
"""For so long a provider in trouble is asked again to revoke; then the tokens are deleted all the same."""


def begin(
    user: User,
    provider_slug: str,
    integration_type: str,
    session: SessionBase,
    options: Mapping[str, str] = NO_OPTIONS,
) -> str:
    """Remember a consent that begins, and the address to send the browser to.

    ``options`` answer the service's questions. Raises LookupError, BadConfig, TooOften, CompanyAdminNeeded, or
    LinkRefused while an earlier link is still being ended and where the provider does not answer.
    """
    service = providers.service(provider_slug, integration_type)
    owners.check_may_link(user, service)
    config = providers.client_config(provider_slug)
    state = secrets.token_urlsafe(32)
    existing = owners.existing(user, provider_slug, service)
    _check_ended(existing, service, provider_slug)
    _check_pace(user)
    attempt = LinkAttempt(
        company_id=tenancy.current_company_id(),
        user=user,
        provider=provider_slug,
        integration_type=integration_type,
        state_digest=_digest(state),
        session_digest=_digest(_session_secret(session)),
        expires_at=timezone.now() + timedelta(minutes=CONSENT_MINUTES),
    )
    hint = existing.account_address if existing else user.email
    wanted = ConsentWanted(service, state, hint, claims=_claims(existing), options=options)
    begun = _begun(provider_slug, config, wanted)
    attempt.encrypted_verifier = tokens.encrypt(begun.kept.encode(), purpose="pkce", context=str(attempt.pk))
    attempt.save(force_insert=True)
    return outbound.rerouted(begun.url)


def _begun(provider_slug: str, config: ClientConfig, wanted: ConsentWanted) -> Begun:
    """The consent's address, for which some providers have to be asked. Raises LinkRefused where they do not answer."""
    provider, service = providers.get(provider_slug), wanted.service
    try:
        with outbound.session(provider, total_seconds=grants.TOKEN_SECONDS) as http:
            return provider.begin(config, http, wanted)
    except (BadConfig, Unusable):
        raise
    except IntegrationError as error:
        raise _refused(
            service, provider_slug, f"{provider.label} did not answer", str(error), "Nothing was linked. Try again."
        ) from error


def _check_pace(user: User) -> None:
    """Take one of the user's places in the shared cache. Raises TooOften, with the time when one is free again."""
    now, span = timezone.now(), timedelta(minutes=CONSENT_MINUTES)
    places = [f"link-begun:{user.pk}:{number}" for number in range(BEGIN_AT_MOST)]
    # Adding is one atomic step for all processes: however many ask at once, no place is taken twice.
    if any(cache.add(place, now, span.total_seconds()) for place in places):
        return
    again_at = min(cache.get_many(places).values(), default=now) + span
    raise TooOften(
        "That was begun too often",
        f"You began linking {BEGIN_AT_MOST} times within {CONSENT_MINUTES} minutes.",
        f"Nothing was changed. Try again after {timezone.localtime(again_at + timedelta(minutes=1)):%H:%M}.",
    )


def finish(user: User, provider_slug: str, answer: Mapping[str, str], session: SessionBase) -> Integration:
    """Turn the provider's answer into a grant, new or reconnected. Raises LinkRefused with what the user shall do.

    ``answer`` is the query that came back with the browser.
    """
    attempt = _claim(user, provider_slug, answer, session)
    service = providers.service(provider_slug, attempt.integration_type)
    owners.check_may_link(user, service)
    _check_answer(service, provider_slug, answer)
    try:
        granted, account = _exchange(attempt, provider_slug, answer)
    except NeedsReconnect as error:
        _keep_claims(user, service, provider_slug, error)
        raise _refused(service, provider_slug, "The consent was not accepted", str(error), "Start again.") from error
    except BadConfig as error:
        remedy = f"Tell the operator of this installation: docs/{provider_slug}.md has the steps."
        raise _refused(service, provider_slug, "This installation is not set up right", str(error), remedy) from error
    except Temporary as error:
        raise _refused(
            service, provider_slug, f"{service.label} did not answer", str(error), "Nothing was linked. Try again."
        ) from error
    except IntegrationError as error:
        raise _refused(service, provider_slug, "That did not work", str(error), "Start again.") from error
    _check_granted(service, provider_slug, granted)
    try:
        return _store(user, service, provider_slug, account, granted)
    except OtherAccount:
        _drop(provider_slug, account, granted)
        raise


def _claims(before: Integration | None) -> str:
    """What the provider demands of the next consent."""
    return before.claims if before else ""


def _keep_claims(user: User, service: Service, provider_slug: str, refused: NeedsReconnect) -> None:
    """Keep what the provider demands of the next consent, where there is a link to keep it with."""
    before = owners.existing(user, provider_slug, service)
    if before and refused.claims:
        Integration.objects.filter(pk=before.pk).update(claims=refused.claims)


def _claim(user: User, provider_slug: str, answer: Mapping[str, str], session: SessionBase) -> LinkAttempt:
    """Use up the state. Whatever does not fit exactly ends on one and the same page."""
    refused = LinkRefused(
        "This consent page is no longer good",
        "It was used already, is older than 15 minutes, or was begun in another browser.",
        "Nothing was changed. Start again from the integrations page.",
    )
    attempt = LinkAttempt.objects.filter(state_digest=_digest(answer.get("state", "")), user=user).first()
    if attempt is None or LinkAttempt.objects.filter(pk=attempt.pk).delete()[0] != 1:
        raise refused
    is_same_session = secrets.compare_digest(attempt.session_digest, _digest(_session_secret(session)))
    if not is_same_session or attempt.provider != provider_slug or attempt.expires_at < timezone.now():
        raise refused
    return attempt


def _check_answer(service: Service, provider_slug: str, answer: Mapping[str, str]) -> None:
    provider, error = providers.get(provider_slug), answer.get("error", "")
    if answer.get("iss") and not provider.is_issuer(answer["iss"]):
        raise _refused(
            service, provider_slug, "The answer came from elsewhere", "Its issuer is not the provider.", "Start again."
        )
    if why := provider.refusal(answer) if error else None:
        raise _worded(service, provider_slug, why)
    if error == "access_denied":
        raise _refused(
            service,
            provider_slug,
            "You did not allow it",
            f"On the consent page you chose not to give access to {service.label}, so nothing was linked.",
            "If that was a slip, start again.",
        )
    if error or not answer.get("code"):
        raise _refused(
            service,
            provider_slug,
            f"{service.label} was not linked",
            f"The provider ended the consent with “{error[:80] or 'no code'}”.",
            "Start again; if it happens twice, your administrator may have to allow this app.",
        )


def _exchange(attempt: LinkAttempt, provider_slug: str, answer: Mapping[str, str]) -> tuple[Tokens, Account]:
    provider = providers.get(provider_slug)
    kept = tokens.decrypt(attempt.encrypted_verifier, purpose="pkce", context=str(attempt.pk)).decode()
    with outbound.session(provider, total_seconds=grants.TOKEN_SECONDS) as http:
        return provider.exchange(providers.client_config(provider_slug), http, answer, kept)


def _check_granted(service: Service, provider_slug: str, granted: Tokens) -> None:
    """Partial consent: without a required permission nothing can be read, so nothing is linked."""
    missing = [scope for scope in service.scopes if scope.is_required and scope.name not in granted.scopes]
    if missing:
        raise _refused(
            service,
            provider_slug,
            "One permission is missing",
            "The consent leaves this out: " + "; ".join(scope.meaning for scope in missing) + ".",
            "Start again and allow it; if the consent page has a box for it, tick it. Without it there is nothing to "
            "read.",
        )


def _check_ended(before: Integration | None, service: Service, provider_slug: str) -> None:
    """A new grant must not meet the end of the old one: revoking that would end both, deleting its data too."""
    if before is not None and (before.is_revocation_due or before.is_deletion_due):
        raise _refused(
            service,
            provider_slug,
            f"{service.label} is still being disconnected",
            "The last link is just being ended, which takes a moment.",
            "Nothing was linked. Start again in a minute.",
        )


def _check_account(before: Integration, service: Service, provider_slug: str, account: Account) -> None:
    """A reconnect keeps cursors and history, so it must be the same account. Raises OtherAccount."""
    if before.external_account_id == account.id:
        return
    if before.sync_status == Integration.Status.REVOKED and not SyncState.objects.filter(integration=before).exists():
        return
    raise OtherAccount(
        "That is another account",
        f"{'Your company' if service.is_company_wide else 'You'} linked {before.account_address} before, and you now "
        f"consented as {account.address}.",
        f"Start again and choose {before.account_address}. To use the other, disconnect this one and delete its "
        "imported data first.",
        provider_slug,
        service.type,
    )


def _drop(provider_slug: str, account: Account, granted: Tokens) -> None:
    """Give a grant back that will not be used, unless it is somebody's who linked that account on purpose."""
    if Integration.unscoped.filter(provider=provider_slug, external_account_id=account.id).exists():
        return
    provider = providers.get(provider_slug)
    try:
        with outbound.session(provider, total_seconds=grants.TOKEN_SECONDS) as http:
            config = providers.client_config(provider_slug)
            provider.revoke(config, http, granted.refresh_token or granted.access_token, granted.details)
    except IntegrationError as error:
        log.warning("link.drop_failed", provider=provider_slug, why=str(error))


def _store(user: User, service: Service, provider_slug: str, account: Account, granted: Tokens) -> Integration:
    """Save the grant, and have it read. A reconnected one keeps its id, cursors, channels and history."""
    with transaction.atomic():
        # Two tabs may come back at once: one after the other, and the second finds what the first has stored.
        owners.lock(user, service)
        integration = _reconnected(user, service, provider_slug, account) or Integration(
            company_id=tenancy.current_company_id(),
            user=owners.owner(user, service),
            provider=provider_slug,
            integration_type=service.type,
        )
        refresh_token = granted.refresh_token or _old_refresh_token(integration, account)
        if not refresh_token:
            raise _refused(
                service,
                provider_slug,
                "No lasting access was given",
                "The provider sent no refresh token, so the link would end within the hour.",
                f"Remove this app at {service.provider_page}, then start again.",
            )
        values = {"access_token": granted.access_token, "refresh_token": refresh_token}
        integration.encrypted_tokens = grants.seal(integration, values)
        integration.expires_at, integration.scopes = granted.expires_at, list(granted.scopes)
        integration.external_account_id, integration.account_address = account.id, account.address
        integration.linked_by, integration.details = user if service.is_company_wide else None, dict(granted.details)
        integration.sync_status, integration.reason, integration.claims = Integration.Status.ACTIVE, "", ""
        integration.status_changed_at, integration.told_at = timezone.now(), None
        integration.lease = integration.lease_until = None
        integration.version += 1
        integration.save()
        administrators.forget(user.pk, provider_slug, service.type)
        async_task("integrations.jobs.after_link", str(integration.pk))
    return integration


def _reconnected(user: User, service: Service, provider_slug: str, account: Account) -> Integration | None:
    """The user's earlier link, locked and with its resources due; None where there is none. Raises LinkRefused."""
    before = owners.existing(user, provider_slug, service)
    if before is None:
        return None
    # Its resources are locked first and it second, as by a sync that ends: so neither waits for the other. They are
    # due now, whether or not they can be listed again.
    states = SyncState.objects.filter(integration=before)
    states.update(next_attempt_at=None, failures=0, queued_at=None)
    states.filter(is_chosen=True).update(next_poll_at=timezone.now())
    channels.forget_refusals(before)
    if before.sync_status == Integration.Status.STALE:
        channels.renew_all(before)
    before = Integration.objects.select_for_update(no_key=True).get(pk=before.pk)
    _check_ended(before, service, provider_slug)
    _check_account(before, service, provider_slug, account)
    return before


def _old_refresh_token(integration: Integration, account: Account) -> str:
    """The refresh token of the same account's earlier consent, which lives on where the new reply has none."""
    if not integration.encrypted_tokens or integration.external_account_id != account.id:
        return ""
    try:
        return grants.unseal(integration).get("refresh_token") or ""
    except tokens.CannotDecrypt:
        return ""


def pause(integration: Integration, reason: str = "You paused it.") -> None:
    """Stop reading without ending the link."""
    Integration.objects.filter(pk=integration.pk, sync_status__in=["active", "syncing", "error"]).update(
        sync_status=Integration.Status.PAUSED, reason=reason, status_changed_at=timezone.now()
    )


def resume(integration: Integration) -> None:
    """Go on where it was paused; what happened meanwhile is read now."""
    rows = Integration.objects.filter(pk=integration.pk, sync_status=Integration.Status.PAUSED)
    if rows.update(sync_status=Integration.Status.ACTIVE, reason="", status_changed_at=timezone.now()):
        poke_all(integration, SyncRun.Trigger.MANUAL)


def poke_all(integration: Integration, trigger: str) -> None:
    """Ask for a sync of everything chosen."""
    chosen = SyncState.objects.filter(integration=integration, is_chosen=True)
    sync_states.poke(list(chosen.values_list("pk", flat=True)), trigger=trigger)


def disconnect(integration: Integration, is_data_deleted: bool, reason: str = "You disconnected it.") -> None:
    """End the link: syncs stop now; a job stops the channels, revokes the grant and deletes the tokens.

    Imported data stays unless ``is_data_deleted``. Needs ``tenancy.within`` its company.
    """
    with transaction.atomic():
        # First its resources, whose holds end here: what a sync has not stored yet is never stored.
        SyncState.objects.filter(integration=integration).update(
            next_poll_at=None, next_attempt_at=None, held_by=None, held_until=None
        )
        channels.want_stopped(integration)
        row = Integration.objects.select_for_update(no_key=True).get(pk=integration.pk)
        row.sync_status, row.reason, row.status_changed_at = Integration.Status.REVOKED, reason, timezone.now()
        # It was demanded of a consent that is over.
        row.claims = ""
        row.is_revocation_due = bool(row.encrypted_tokens)
        row.is_deletion_due = row.is_deletion_due or is_data_deleted
        changed = ["sync_status", "reason", "status_changed_at", "claims", "is_revocation_due", "is_deletion_due"]
        row.save(update_fields=changed)
        queue_ends(row)


def queue_ends(integration: Integration) -> None:
    """Queue what is left to do for a link that was disconnected."""
    if integration.is_revocation_due:
        async_task("integrations.jobs.end_grant", str(integration.pk))
    if integration.is_deletion_due:
        async_task("integrations.jobs.delete_imported", str(integration.pk))


def end_of_inactive() -> None:
    """Disconnect the accounts of members whose sign-in was switched off: they could not do it themselves any more."""
    rows = Integration.unscoped.filter(user__is_active=False).exclude(sync_status=Integration.Status.REVOKED)
    for integration in rows:
        with tenancy.within(integration.company_id):
            disconnect(integration, is_data_deleted=False, reason="The member's sign-in was switched off.")


def end_grant(integration_id: uuid.UUID) -> None:
    """Stop channels, revoke at the provider, delete the tokens. May run twice; trouble is retried for a day."""
    integration = Integration.unscoped.filter(pk=integration_id, is_revocation_due=True).first()
    if integration is None:
        return
    is_late = timezone.now() - integration.status_changed_at >= REVOKE_FOR
    stopping = Channel.unscoped.filter(integration=integration, state=Channel.State.STOPPING)
    for channel in stopping.select_related("integration", "sync_state"):
        channels.stop(channel)
    if stopping.exists() and not is_late:
        return
    # Read again: stopping a channel may have refreshed the tokens, and another job may have been quicker.
    integration.refresh_from_db()
    if not integration.is_revocation_due:
        return
    try:
        _revoke(integration)
    except (Temporary, BadConfig) as error:
        log.warning("disconnect.retry", integration=str(integration_id), why=str(error))
        if not is_late:
            return
    stopping.update(state=Channel.State.STOPPED)
    # Only while they are the tokens that were revoked: newer ones are ended by the next sweep.
    Integration.unscoped.filter(
        pk=integration_id, sync_status=Integration.Status.REVOKED, version=integration.version
    ).update(encrypted_tokens=b"", expires_at=None, is_revocation_due=False, version=integration.version + 1)


def others_of_account(integration: Integration) -> QuerySet[Integration]:
    """The other links of the same account, whoever's, that live: a provider ends all its consents together."""
    rows = Integration.unscoped.filter(
        provider=integration.provider, external_account_id=integration.external_account_id
    )
    return rows.exclude(pk=integration.pk).exclude(sync_status=Integration.Status.REVOKED)


def _revoke(integration: Integration) -> None:
    """End the grant at the provider, unless that would end another link of the same account too."""
    provider = providers.get(integration.provider)
    if others_of_account(integration).exists():
        return
    try:
        values = grants.unseal(integration)
    except tokens.CannotDecrypt as error:
        log.warning("disconnect.unreadable", integration=str(integration.pk), why=str(error))
        return
    with outbound.session(provider, total_seconds=grants.TOKEN_SECONDS) as http:
        token = values.get("refresh_token") or values["access_token"]
        provider.revoke(providers.client_config(integration.provider), http, token, integration.details)


def _worded(service: Service, provider_slug: str, why: Refusal) -> LinkRefused:
    """A refusal in the provider's own words."""
    kind = AdministratorNeeded if why.needs_admin else LinkRefused
    refused = kind(why.title, why.what, why.remedy, provider_slug, service.type)
    refused.may_ask_admin = why.may_ask_admin
    return refused


def _refused(service: Service, provider_slug: str, title: str, what: str, remedy: str) -> LinkRefused:
    return LinkRefused(title, what, remedy, provider_slug, service.type)


def _session_secret(session: SessionBase) -> str:
    """A secret of this browser session: a state that is carried to another browser is worth nothing there."""
    if SESSION_KEY not in session:
        session[SESSION_KEY] = secrets.token_urlsafe(32)
    return str(session[SESSION_KEY])


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
