"""Push channels: opened after linking, renewed with overlap, stopped on disconnect, healed where they lapse.

A channel is a row before the provider is asked, so that its first push finds it. Who opens, renews or stops one has
claimed it by a conditional update or a unique row: doing it twice is impossible.

Where a provider keeps a single watch per account (``PushAdapter.is_single_watch``) nothing can overlap: the same row is
watched again, and the watch is stopped only when no other link of that account, of whichever company, lives.

What changed while nothing was pushed is announced by nobody: whoever gets a channel after a gap, or anew, is looked at.
"""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django_q.tasks import async_task

from integrations import channel_tokens, clock, grants, providers, signing_secrets, sync_states, tokens
from integrations.contract import OpenedChannel, WatchRequest
from integrations.errors import IntegrationError, NeedsReconnect, Permanent, ResourceGone, Temporary
from integrations.models import Channel, Integration, SyncRun, SyncState

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
    ended = Channel.unscoped.filter(sync_state=state, state__in=[Channel.State.FAILED, Channel.State.EXPIRED])
    is_late = replaces is None and ended.exists()
    channel = _begin(state, replaces)
    if channel is None:
        return None
    opened = _ask(state, channel)
    if isinstance(opened, str):
        _fail(channel, opened)
    else:
        _go_live(channel, opened)
        is_begun = state.dirty_mark > 0
        if is_late or (is_begun and replaces is None and _is_single(state.integration)):
            # What changed since the last sync, and before this moment, was announced by nobody.
            sync_states.poke([state.pk], trigger=SyncRun.Trigger.POLL)
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
    is_single = _is_single(state.integration)
    if is_single and (reopened := _reopen(state)):
        return reopened
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
        resource_id=_first_name(state) if is_single else "",
        replaces=replaces,
    )
    row.channel_token = seal(row, secret)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return None
    return row


def _first_name(state: SyncState) -> str:
    """What pushes of a single watch call the resource until the provider says otherwise."""
    if is_opened_here(state.integration):
        return state.external_id
    return state.integration.account_address.lower()


def is_opened_here(integration: Integration) -> bool:
    """Whether a channel is a row of ours alone: somebody has to switch pushes on at the provider, who does not tell us.

    So it is with what is linked for a whole company.
    """
    return providers.service(integration.provider, integration.integration_type).is_company_wide


def _is_single(integration: Integration) -> bool:
    return providers.push_adapter(integration.provider, integration.integration_type).is_single_watch


def _reopen(state: SyncState) -> Channel | None:
    """The row of a single watch that lapsed or was refused, to be asked for once more; None where there is none."""
    ended = Channel.unscoped.filter(sync_state=state, state__in=[Channel.State.FAILED, Channel.State.EXPIRED])
    for channel in ended.order_by("-created_at")[:1]:
        now_opening = {"state": Channel.State.OPENING, "created_at": timezone.now(), "expires_at": None}
        try:
            with transaction.atomic():
                if ended.filter(pk=channel.pk).update(**now_opening, error=""):
                    return channel
        except IntegrityError:
            return None
    return None


def _ask(state: SyncState, channel: Channel) -> OpenedChannel | str:
    """Ask the provider for pushes: its answer, or in words why there is none."""
    service = providers.service(channel.provider, state.integration.integration_type)
    address = f"{settings.PUBLIC_URL}/webhooks/{service.webhook_type}/{channel.provider}"
    adapter = providers.push_adapter(channel.provider, state.integration.integration_type)
    until = timezone.now() + LIFETIME
    try:
        known = channel.resource_id if channel.expires_at else ""
        wanted = WatchRequest(
            state.external_id, channel.channel_id, unseal(channel), address, until, known, channel.token_key_id
        )
        return grants.ask(state.integration, lambda http: adapter.watch(http, wanted))
    except IntegrationError as error:
        if isinstance(error, Permanent):
            log.warning("channel.refused", state=str(state.pk), why=str(error))
        return str(error)
    except Exception as error:
        # A bug met by one channel must not keep all others from renewal: it is kept with its kind, and logged.
        log.exception("channel.bug", state=str(state.pk))
        return f"A fault of our own ({type(error).__name__}) stopped it."


def _promise(channel: Channel, opened: OpenedChannel) -> dict[str, Any]:
    """What the provider promised, as columns."""
    half = (opened.expires_at - timezone.now()).total_seconds() / 2
    return {
        "resource_id": opened.resource_id or channel.resource_id,
        "resource_uri": opened.resource_uri,
        "expires_at": opened.expires_at,
        # At half of its life unless the provider asks for sooner, so that days of trouble pass before one lapses.
        "renew_at": opened.renew_at or timezone.now() + timedelta(seconds=clock.jittered(half)),
    }


def _go_live(channel: Channel, opened: OpenedChannel) -> None:
    row = Channel.unscoped.filter(pk=channel.pk)
    row.update(**_promise(channel, opened))
    _tell_sharers(channel, opened)
    if not row.filter(state=Channel.State.OPENING).update(state=Channel.State.LIVE, attempts=0):
        # Disconnected, or given up as too slow, while the provider answered.
        row.update(state=Channel.State.STOPPING)
        stop(row.select_related("integration", "sync_state").get())


def renew_due() -> int:
    """Replace channels that are due, open missing ones, end those no longer wanted; returns how many were opened."""
    now = timezone.now()
    _give_up_interrupted(now)
    _expire_lapsed(now)
    opened = 0
    # One that is tried again soon anyway is not tried each minute because it misses pushes.
    misses = Q(sync_state__missed_pushes__gte=MISSED_LIMIT, renew_at__gt=now + RETRY_AFTER)
    due = Channel.unscoped.filter(Q(renew_at__lte=now) | misses, state=Channel.State.LIVE)
    due = due.filter(replacement__isnull=True, sync_state__in=_wanted()).order_by("renew_at")
    for old in due.select_related("integration", "sync_state__integration"):
        opened += _watch_again(old) if _is_single(old.integration) else _renew(old)
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


def _watch_again(channel: Channel) -> int:
    """Renew a single watch in its own row. Renewed in vain it lives on until it expires, and is tried again."""
    row = Channel.unscoped.filter(pk=channel.pk, state=Channel.State.LIVE)
    if not row.filter(renew_at=channel.renew_at).update(renew_at=timezone.now() + RETRY_AFTER):
        return 0
    _sign_anew(channel)
    opened = _ask(channel.sync_state, channel)
    if isinstance(opened, str):
        row.update(error=opened, attempts=channel.attempts + 1)
        return 0
    with transaction.atomic():
        SyncState.unscoped.filter(pk=channel.sync_state_id).update(missed_pushes=0)
        # A watch that lapsed, or waited for this renewal, kept its news to itself.
        sync_states.poke([channel.sync_state_id], trigger=SyncRun.Trigger.POLL)
        renewed = row.update(**_promise(channel, opened), error="", attempts=0)
    _tell_sharers(channel, opened)
    return renewed


def _sign_anew(channel: Channel) -> None:
    """A watch that is renewed in its row for years must outlive the key that signed its secret."""
    if channel.token_key_id == tokens.current_key_id():
        return
    secret = channel_tokens.make(channel.channel_id)
    channel.channel_token, channel.token_key_id = seal(channel, secret), channel_tokens.key_id(secret)
    channel.save(update_fields=["channel_token", "token_key_id"])


def _tell_sharers(channel: Channel, opened: OpenedChannel) -> None:
    """Where the provider had to begin a new watch, whoever else hung on the old one asks again at once."""
    if channel.expires_at and channel.resource_id not in {"", opened.resource_id}:
        left = watching(channel.provider, channel.resource_id).filter(state=Channel.State.LIVE)
        left.exclude(pk=channel.pk).update(renew_at=timezone.now())


def hurry(provider: str, channel_ids: Collection[str]) -> None:
    """Renew these as soon as may be: their provider is about to end them."""
    rows = Channel.unscoped.filter(provider=provider, channel_id__in=channel_ids, state=Channel.State.LIVE)
    rows.update(renew_at=timezone.now())


def renew_all(integration: Integration) -> None:
    """Renew all of a grant that was dead: its channels may have died with it, and nobody would have said so.

    Needs ``tenancy.within`` its company.
    """
    Channel.objects.filter(integration=integration, state=Channel.State.LIVE).update(renew_at=timezone.now())


def forget_refusals(integration: Integration) -> None:
    """Let what was refused a channel ask for one at once: a new consent may have removed the cause.

    Needs ``tenancy.within`` its company.
    """
    refused = Channel.objects.filter(integration=integration, state=Channel.State.FAILED)
    refused.update(state=Channel.State.EXPIRED)


def lost(provider: str, channel_ids: Collection[str]) -> None:
    """The provider ended these by itself: others are opened at once."""
    rows = Channel.unscoped.filter(provider=provider, channel_id__in=channel_ids, state=Channel.State.LIVE)
    with transaction.atomic():
        state_ids = list(rows.values_list("sync_state_id", flat=True))
        rows.update(state=Channel.State.EXPIRED, error="The provider ended it.")
        for state_id in state_ids:
            async_task("integrations.jobs.open_channel", str(state_id))


def watching(provider: str, resource_id: str) -> QuerySet[Channel]:
    """The channels that watch this resource now, of whichever company."""
    rows = Channel.unscoped.filter(
        provider=provider, resource_id=resource_id, state__in=[Channel.State.OPENING, Channel.State.LIVE]
    )
    return rows.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()))


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
    """End one channel at the provider: 1 where it ended. One that never got its resource id ends by expiring.

    A single watch is left running while another link of the account needs it.
    """
    others = watching(channel.provider, channel.resource_id).exclude(pk=channel.pk)
    is_single = _is_single(channel.integration)
    try:
        if channel.resource_id and not (is_single and (others.exists() or _is_being_adopted(channel))):
            adapter = providers.push_adapter(channel.provider, channel.integration.integration_type)
            grants.ask(channel.integration, lambda http: adapter.stop(http, channel.channel_id, channel.resource_id))
            if is_single:
                # Whoever linked the account just now may have been stopped with it: asked for again at once.
                others.filter(state=Channel.State.LIVE).update(renew_at=timezone.now())
    except Temporary as error:
        Channel.unscoped.filter(pk=channel.pk).update(error=str(error), attempts=channel.attempts + 1)
        if channel.expires_at is None or channel.expires_at > timezone.now():
            return 0
    except (ResourceGone, NeedsReconnect, Permanent) as error:
        # It ended already, or the grant it hangs on is dead: stray pushes are refused, since it is not live.
        log.info("channel.stop", channel=channel.channel_id, why=str(error))
    return Channel.unscoped.filter(pk=channel.pk, state=Channel.State.STOPPING).update(state=Channel.State.STOPPED)


def _is_being_adopted(channel: Channel) -> bool:
    """Whether another link of the account is just asking for the same single watch: its id is not on that row yet."""
    link = channel.integration
    return Channel.unscoped.filter(
        provider=channel.provider,
        state=Channel.State.OPENING,
        integration__integration_type=link.integration_type,
        integration__external_account_id=link.external_account_id,
    ).exists()


def own_address(channel: Channel) -> str:
    """The address that proves a push by itself, for who sets pushes up by hand: a secret. Raises
    tokens.CannotDecrypt."""
    service = providers.service(channel.provider, channel.integration.integration_type)
    path = f"/webhooks/{service.webhook_type}/{channel.provider}/{channel.channel_id}/{quote(unseal(channel), safe='')}"
    return settings.PUBLIC_URL + path


def replace_secret(channel: Channel, instead_of: str) -> bool:
    """Have pushes of this channel signed with a new secret; the one of this id, if any, counts no more from now on.

    Whether it was still that one: asked twice, or by two at once, one secret is made. Needs ``tenancy.within``.
    """
    row = Channel.objects.filter(pk=channel.pk, signing_id=instead_of)
    is_replaced = row.update(signing_id=signing_secrets.new_id()) == 1
    channel.refresh_from_db(fields=["signing_id"])
    return is_replaced


def seal(channel: Channel, secret: str) -> str:
    """Encrypt a channel's secret for its own row."""
    return tokens.encrypt(secret.encode(), purpose="channel-secret", context=context(channel)).decode()


def unseal(channel: Channel) -> str:
    """A channel's secret. Raises tokens.CannotDecrypt."""
    return tokens.decrypt(channel.channel_token.encode(), purpose="channel-secret", context=context(channel)).decode()


def context(channel: Channel) -> str:
    """Whose secret it is: part of the key that encrypts it."""
    return f"company={channel.company_id}|channel={channel.pk}"
