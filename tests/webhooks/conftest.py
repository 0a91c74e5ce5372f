"""A linked calendar with a live channel, and a post as Google makes it."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from integrations import channel_tokens
from integrations.models import Channel, Integration, PokedItem, SyncState
from relationships.models import User
from webhooks import views

Push = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def fresh_buckets() -> Iterator[None]:
    views._bucket.cache_clear()
    yield
    views._bucket.cache_clear()


@pytest.fixture
def integration(alice: User) -> Integration:
    return Integration.unscoped.create(
        company=alice.company,
        user=alice,
        provider="google",
        integration_type="calendar",
        encrypted_tokens=b"x",
        external_account_id="sub-1",
        account_address=alice.email,
    )


def make_state(integration: Integration, external_id: str = "alice@acme.example") -> SyncState:
    return SyncState.unscoped.create(
        company=integration.company,
        integration=integration,
        resource_type="calendar",
        external_id=external_id,
        is_chosen=True,
    )


def make_channel(watched: SyncState, **fields: Any) -> Channel:
    values = {
        "company": watched.company,
        "user": watched.integration.user,
        "integration": watched.integration,
        "sync_state": watched,
        "provider": watched.integration.provider,
        "channel_id": str(uuid.uuid4()),
        "channel_token": "encrypted",
        "resource_id": "resource-1",
        "expires_at": timezone.now() + timedelta(days=7),
        "state": Channel.State.LIVE,
    }
    return Channel.unscoped.create(**{**values, **fields})


def make_crm(user: User, provider: str, account: str, **fields: Any) -> Channel:
    """A company's CRM, linked by this user, with the channel that its pushes come by."""
    link = Integration.unscoped.create(
        company=user.company,
        user=None,
        linked_by=user,
        provider=provider,
        integration_type="crm",
        encrypted_tokens=b"x",
        external_account_id=account,
        account_address=f"{account} (CRM)",
    )
    state = make_state(link, account)
    SyncState.unscoped.filter(pk=state.pk).update(resource_type="crm")
    return make_channel(state, user=None, **{"resource_id": account, **fields})


def poked(channel: Channel) -> list[str]:
    """What pushes named of what this channel watches, sorted."""
    return sorted(PokedItem.unscoped.filter(state=channel.sync_state_id).values_list("name", flat=True))


@pytest.fixture
def state(integration: Integration) -> SyncState:
    return make_state(integration)


@pytest.fixture
def channel(state: SyncState) -> Channel:
    return make_channel(state)


def google_headers(channel: Channel, number: int | str = 10, **changes: str | None) -> dict[str, str]:
    """The headers of a push; a change of None leaves one out."""
    headers: dict[str, str | None] = {
        "X-Goog-Channel-ID": channel.channel_id,
        "X-Goog-Channel-Token": channel_tokens.make(channel.channel_id),
        "X-Goog-Channel-Expiration": "Tue, 19 Nov 2030 01:13:52 GMT",
        "X-Goog-Resource-ID": channel.resource_id,
        "X-Goog-Resource-URI": "https://www.googleapis.com/calendar/v3/calendars/alice%40acme.example/events",
        "X-Goog-Resource-State": "exists",
        "X-Goog-Message-Number": str(number),
        **changes,
    }
    return {name: value for name, value in headers.items() if value is not None}


@pytest.fixture
def push(client: Client) -> Push:
    """Post as Google does: no body, everything in headers, and this odd content type."""

    def post(
        channel: Channel,
        number: int | str = 10,
        *,
        path: str = "/webhooks/calendar-event",
        body: bytes = b"",
        content_type: str = "application/json; utf-8",
        **changes: str | None,
    ) -> HttpResponse:
        renamed = {name.replace("_", "-"): value for name, value in changes.items()}
        headers = google_headers(channel, number, **renamed)
        return client.post(path, data=body, content_type=content_type, headers=headers)  # type: ignore[return-value]

    return post
