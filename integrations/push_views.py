"""How a company's admin has its provider tell us of changes: by an address that is a secret, or signed with one."""

import uuid

import structlog
from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.db.models import Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from integrations import channels, providers, signing_secrets, tokens
from integrations.models import Channel, Integration, SyncState
from integrations.views import own_link
from relationships.views import members_only

log = structlog.get_logger()


@members_only
@require_GET
def pushes(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """How instant updates are switched on where somebody has to do it at the provider: the address, and the steps."""
    integration = own_link(request, pk)
    service = providers.service(integration.provider, integration.integration_type)
    if not service.push_steps:
        raise Http404
    if integration.sync_status == Integration.Status.REVOKED:
        messages.warning(request, f"{service.label} is disconnected. Connect it to arrange instant updates.")
        return redirect("integrations:settings")
    return _pushes_page(request, integration)


@members_only
@require_POST
def push_secret(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Show what a company's own code signs its pushes with; with ``instead_of``, after a new one took its place."""
    integration = own_link(request, pk)
    if not providers.service(integration.provider, integration.integration_type).signed_push_steps:
        raise Http404
    return _secret_page(request, integration)


@reauthentication_required
def _secret_page(request: HttpRequest, integration: Integration) -> HttpResponse:
    """For an admin who just proved again who he is."""
    channel = get_object_or_404(_live_channels(integration))
    instead_of = request.POST.get("instead_of")
    # Compared here first: whoever sends what no page offered may send what no database takes.
    if instead_of == channel.signing_id and channels.replace_secret(channel, instead_of):
        log.info("channel.secret_replaced", channel=channel.channel_id)
    return _pushes_page(request, integration, is_secret_shown=signing_secrets.is_current(channel.signing_id))


def _pushes_page(request: HttpRequest, integration: Integration, *, is_secret_shown: bool = False) -> HttpResponse:
    channel = _live_channels(integration).first()
    try:
        address = channels.own_address(channel) if channel else ""
    except tokens.CannotDecrypt:
        address = ""
    context = {
        "integration": integration,
        "service": providers.service(integration.provider, integration.integration_type),
        "provider": providers.get(integration.provider),
        "channel": channel,
        "address": address,
        "is_secret_current": channel is not None and signing_secrets.is_current(channel.signing_id),
        "secret": signing_secrets.secret(channel.channel_id, channel.signing_id) if channel and is_secret_shown else "",
        "last_push_at": SyncState.objects.filter(integration=integration).aggregate(at=Max("last_push_at"))["at"],
    }
    return render(request, "integrations/pushes.html", context)


def _live_channels(integration: Integration) -> QuerySet[Channel]:
    """Its one channel, if it lives."""
    rows = Channel.objects.filter(integration=integration, state=Channel.State.LIVE)
    return rows.select_related("integration")
