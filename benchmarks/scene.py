"""A company with a linked Google account, its calendars and their push channels."""

import uuid
from datetime import timedelta

from django.utils import timezone

from integrations import channel_tokens, grants
from integrations.models import Channel, Integration, SyncState
from relationships.models import Company, User
from webhooks.models import Delivery

OWNER = "owner@acme.example"
RESOURCE = "resource-1"


def link(calendars: int) -> list[SyncState]:
    """A new company, one user's grant that needs no refresh, and its chosen calendars."""
    company = Company.objects.create(name=f"Acme {uuid.uuid4().hex[:8]}")
    user = User.objects.create_user(f"{uuid.uuid4().hex[:8]}-{OWNER}", company=company, name="Olive Owner")
    integration = Integration(
        company=company,
        user=user,
        provider="google",
        integration_type="calendar",
        external_account_id=f"sub-{company.pk}",
        account_address=OWNER,
        expires_at=timezone.now() + timedelta(days=1),
        resources_listed_at=timezone.now(),
    )
    integration.encrypted_tokens = grants.seal(integration, {"access_token": "benchmark", "refresh_token": "none"})
    integration.save()
    states = [
        SyncState(
            company=company,
            integration=integration,
            resource_type="calendar",
            external_id=f"calendar-{number}@acme.example",
            is_chosen=True,
            dirty_mark=1,
        )
        for number in range(calendars)
    ]
    return SyncState.unscoped.bulk_create(states)


def open_channels(states: list[SyncState]) -> list[Channel]:
    """A live channel for each."""
    channels = [
        Channel(
            company_id=state.company_id,
            integration_id=state.integration_id,
            sync_state=state,
            provider="google",
            channel_id=str(uuid.uuid4()),
            channel_token="not used here",
            resource_id=RESOURCE,
            expires_at=timezone.now() + timedelta(days=7),
            state=Channel.State.LIVE,
        )
        for state in states
    ]
    return Channel.unscoped.bulk_create(channels)


def push_headers(channel: Channel) -> dict[str, str]:
    """A push as Google sends it, but for its number, which ``load`` adds."""
    return {
        "Content-Type": "application/json; utf-8",
        "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
        "X-Goog-Channel-ID": channel.channel_id,
        "X-Goog-Channel-Token": channel_tokens.make(channel.channel_id),
        "X-Goog-Channel-Expiration": "Tue, 19 Nov 2030 01:13:52 GMT",
        "X-Goog-Resource-ID": channel.resource_id,
        "X-Goog-Resource-URI": "https://www.googleapis.com/calendar/v3/calendars/owner%40acme.example/events?alt=json",
        "X-Goog-Resource-State": "exists",
    }


def deliver(channels: list[Channel], count: int, first: int = 0) -> None:
    """Put ``count`` accepted pushes into the inbox, spread evenly over the channels, in one transaction."""
    now = timezone.now()
    Delivery.objects.bulk_create(
        (
            Delivery(
                company_id=channel.company_id,
                provider="google",
                webhook_type="calendar-event",
                dedupe_key=f"{channel.channel_id}:{number}",
                channel_id=channel.channel_id,
                sync_state_id=channel.sync_state_id,
                headers={"x-goog-resource-state": "exists", "x-goog-message-number": str(number)},
                next_attempt_at=now,
                received_at=now,
            )
            for number in range(first, first + count)
            for channel in [channels[number % len(channels)]]
        ),
        batch_size=1000,
    )
