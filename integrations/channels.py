"""Push channels: opened after linking, renewed with overlap, stopped on disconnect, healed where they lapse.

A channel is a row before the provider is asked, so that its first push finds it. Who opens, renews or stops one has
claimed it by a conditional update or a unique row: doing it twice is impossible.
"""

import uuid
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations import channel_tokens, clock, grants, providers, tokens
from integrations.errors import IntegrationError, NeedsReconnect, Permanent, ResourceGone, Temporary
from integrations.models import Channel, Integration, SyncState

log = structlog.get_logger()

LIFETIME = timedelta(days=7)
"""What is asked for; the provider may grant less."""

OPENING_FOR = timedelta(minutes=2)
"""An opening that took longer was interrupted: its row is given up, and another is opened."""

RETRY_AFTER = timedelta(minutes=15)
KEEP_ENDED = timedelta(days=30)
MISSED_LIMIT = 2
"""After this many polls that found what no push announced, the channel is replaced."""


def open_channel(state_id: uuid.UUID, replaces: Channel | None = None) -> Channel | None:
    """Ask the provider to push changes of this resource. None where another process is doing so already.

    A failure is kept on the row with its reason; polling goes on meanwhile.
    """
    state = SyncState.unscoped.select_related("integration").get(pk=state_id)
    channel = _begin(state, replaces)
    if channel is None:
        return None
    try:
        _ask(state, channel)
    except IntegrationError as error:
        _fail(channel, str(error))
        if isinstance(error, Permanent):
            log.warning("channel.refused", state=str(state_id), why=str(error))
    except Exception as error:
        # A bug met by one channel must not keep all others from renewal: it is kept with its kind, and logged.
        log.exception("channel.bug", state=str(state_id))
        _fail(channel, f"A fault of our own ({type(error).__name__}) stopped it.")
    channel.refresh_from_db()
    return channel


def _fail(channel: Channel, why: str) -> None:
    Channel.unscoped.filter(pk=channel.pk).update(
        state=Channel.State.FAILED, error=why, renew_at=None, attempts=channel.attempts + 1, replaces=None
    )


def ensure(state_id: uuid.UUID) -> None:
    """Open a channel unless the resource has one that lives, or must not be read."""
    if _wanted().filter(pk=state_id).exclude(_has_channel(timezone.now())).exists():
        open_channel(state_id)


def _begin(state: SyncState, replaces: Channel | None) -> Channel | None:
    """The row of a new channel; the database allows one opening per resource and one replacement per channel."""
    channel_id = str(uuid.uuid4())
    secret = channel_tokens.make(channel_id)
    row = Channel(
        company_id=state.company_id,
        user_id=state.integration.user_id,
        integration=state.integration,
        sync_state=state,
        provider=state.integration.provider,
        channel_id=channel_id,
        token_key_id=channel_tokens.key_id(secret),
        replaces=replaces,
    )
    row.channel_token = seal(row, secret)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return None
    return row


def _ask(state: SyncState, channel: Channel) -> None:
    service = providers.service(channel.provider, state.integration.integration_type)
    address = f"{settings.PUBLIC_URL}/webhooks/{service.webhook_type}/{channel.provider}"
    adapter = providers.push_adapter(channel.provider, state.integration.integration_type)
    with grants.session(state.integration, grants.fresh(state.integration_id)) as http:
        opened = adapter.watch(
            http, state.external_id, channel.channel_id, unseal(channel), address, timezone.now() + LIFETIME
        )
    life = opened.expires_at - timezone.now()
    row = Channel.unscoped.filter(pk=channel.pk)
    row.update(resource_id=opened.resource_id, resource_uri=opened.resource_uri, expires_at=opened.expires_at)
    is_wanted = row.filter(state=Channel.State.OPENING).update(
        state=Channel.State.LIVE,
        # At half of its life, so that days of trouble pass before one lapses.
        renew_at=timezone.now() + timedelta(seconds=clock.jittered(life.total_seconds() / 2)),
    )
    if not is_wanted:
        # Disconnected, or given up as too slow, while the provider answered.
        row.update(state=Channel.State.STOPPING)
        stop(row.select_related("integration", "sync_state").get())


def renew_due() -> int:
    """Replace channels that are due, open missing ones, end those no longer wanted; returns how many were opened."""
    now = timezone.now()
    _give_up_interrupted(now)
    _expire_lapsed(now)
    opened = 0
    due = Channel.unscoped.filter(state=Channel.State.LIVE).filter(
        Q(renew_at__lte=now) | Q(sync_state__missed_pushes__gte=MISSED_LIMIT)
    )
    for old in due.filter(replacement__isnull=True, sync_state__in=_wanted()).order_by("renew_at"):
        opened += _renew(old)
    for state_id in _wanted().exclude(_has_channel(now)).values_list("pk", flat=True):
        channel = open_channel(state_id)
        opened += channel is not None and channel.state == Channel.State.LIVE
    stop_due()
    return opened


def _renew(old: Channel) -> int:
    """Open the successor first, stop the old one after: for a moment both push, which the inbox takes as duplicates."""
    new = open_channel(old.sync_state_id, replaces=old)
    if new is None or new.state != Channel.State.LIVE:
        Channel.unscoped.filter(pk=old.pk).update(renew_at=timezone.now() + RETRY_AFTER)
        return 0
    with transaction.atomic():
        # The state first, as where a link ends or a calendar is dropped: so neither waits for the other.
        SyncState.unscoped.filter(pk=old.sync_state_id).update(missed_pushes=0)
        Channel.unscoped.filter(pk=old.pk, state=Channel.State.LIVE).update(state=Channel.State.STOPPING)
    return 1


def _wanted() -> QuerySet[SyncState]:
    """Resources that are read and may be pushed: chosen, of a grant that works."""
    return SyncState.unscoped.filter(
        is_chosen=True, is_gone=False, integration__sync_status__in=["active", "syncing", "error"]
    )


def _has_channel(now: datetime) -> Q:
    """Has one that lives or is being opened, or failed to get one so recently that asking again would be rude."""
    channels = Channel.unscoped.filter(sync_state=OuterRef("pk"))
    alive = channels.filter(state__in=[Channel.State.OPENING, Channel.State.LIVE])
    refused = channels.filter(state=Channel.State.FAILED, created_at__gt=now - RETRY_AFTER)
    return Q(Exists(alive)) | Q(Exists(refused))


def _give_up_interrupted(now: datetime) -> None:
    """An opening whose process died. If the provider opened it after all, its pushes are refused until it expires."""
    Channel.unscoped.filter(state=Channel.State.OPENING, created_at__lt=now - OPENING_FOR).update(
        state=Channel.State.EXPIRED, error="Opening it was interrupted.", replaces=None
    )


def _expire_lapsed(now: datetime) -> None:
    """Channels that ended without a successor: seen here, shown on the card, and opened anew by the same sweep."""
    Channel.unscoped.filter(state=Channel.State.LIVE, expires_at__lte=now).update(
        state=Channel.State.EXPIRED, error="It lapsed before it could be renewed."
    )


def want_stopped(integration: Integration) -> None:
    """Mark every channel of this grant to be stopped."""
    Channel.unscoped.filter(integration=integration, state__in=[Channel.State.OPENING, Channel.State.LIVE]).update(
        state=Channel.State.STOPPING
    )


def stop_stray(provider: str, channel_id: str, resource_id: str) -> None:
    """Have a channel stopped that pushes although we gave it up, such as one whose opening was interrupted.

    The push names the resource, which stopping needs and the interrupted opening never learnt.
    """
    given_up = [Channel.State.EXPIRED, Channel.State.FAILED]
    Channel.unscoped.filter(provider=provider, channel_id=channel_id, state__in=given_up).update(
        state=Channel.State.STOPPING, resource_id=resource_id
    )


def forget_ended() -> int:
    """Delete the rows of channels that ended long ago, when the provider's own promise has run out too."""
    ended = [Channel.State.STOPPED, Channel.State.EXPIRED, Channel.State.FAILED]
    return Channel.unscoped.filter(state__in=ended, created_at__lt=timezone.now() - KEEP_ENDED).delete()[0]


def stop_due() -> int:
    """Stop the channels that are to be stopped; returns how many ended. Trouble is retried until they expire."""
    ended = 0
    for channel in Channel.unscoped.filter(state=Channel.State.STOPPING).select_related("integration", "sync_state"):
        ended += stop(channel)
    return ended


def stop(channel: Channel) -> int:
    """End one channel at the provider: 1 where it ended. One that never got its resource id ends by expiring."""
    try:
        if channel.resource_id:
            adapter = providers.push_adapter(channel.provider, channel.integration.integration_type)
            with grants.session(channel.integration, grants.fresh(channel.integration_id)) as http:
                adapter.stop(http, channel.channel_id, channel.resource_id)
    except Temporary as error:
        Channel.unscoped.filter(pk=channel.pk).update(error=str(error), attempts=channel.attempts + 1)
        if channel.expires_at is None or channel.expires_at > timezone.now():
            return 0
    except (ResourceGone, NeedsReconnect, Permanent) as error:
        # It ended already, or the grant it hangs on is dead: stray pushes are refused, since it is not live.
        log.info("channel.stop", channel=channel.channel_id, why=str(error))
    return Channel.unscoped.filter(pk=channel.pk, state=Channel.State.STOPPING).update(state=Channel.State.STOPPED)


def seal(channel: Channel, secret: str) -> str:
    """Encrypt a channel's secret for its own row."""
    return tokens.encrypt(secret.encode(), purpose="channel-secret", context=context(channel)).decode()


def unseal(channel: Channel) -> str:
    """A channel's secret. Raises tokens.CannotDecrypt."""
    return tokens.decrypt(channel.channel_token.encode(), purpose="channel-secret", context=context(channel)).decode()


def context(channel: Channel) -> str:
    """Whose secret it is: part of the key that encrypts it."""
    return f"company={channel.company_id}|channel={channel.pk}"
