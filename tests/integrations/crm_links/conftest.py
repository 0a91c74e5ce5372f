"""A company with an admin, and what a linked CRM needs here: no sync, and pushes that are only noted."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.test import Client
from django.utils import timezone

from integrations import jobs, kinds, providers
from integrations.contract import OpenedChannel, WatchRequest
from integrations.models import Integration
from relationships.models import Company, User
from tests.pretend_crm import Crm

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class Noted:
    """An adapter that opens its channel by itself, as a CRM's does."""

    is_single_watch = True

    def watch(self, http: requests.Session, wanted: WatchRequest) -> OpenedChannel:
        return OpenedChannel(wanted.external_id, "", timezone.now() + timedelta(days=3650))

    def stop(self, http: requests.Session, channel_id: str, resource_id: str) -> None:
        """Nothing to stop."""


@pytest.fixture(autouse=True)
def nothing_is_synced(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """Which resources would have been synced. These tests are about links."""
    synced: list[uuid.UUID] = []
    monkeypatch.setitem(jobs.SYNCS, "crm", synced.append)
    monkeypatch.setattr(providers, "push_adapter", lambda slug, integration_type: Noted())
    monkeypatch.setitem(kinds.KINDS, "crm", plain_kind(kinds.KINDS["crm"]))
    return synced


def plain_kind(kind: kinds.Kind) -> kinds.Kind:
    """A CRM of which nothing was imported."""
    return kinds.Kind(**{**vars(kind), "counts": lambda state_ids: {}, "delete_batch": lambda integration: False})


@pytest.fixture
def alice(acme: Company) -> User:
    """An admin of her company."""
    return User.objects.create_user(
        "alice@acme.example", "a-long-password", company=acme, name="Alice Ash", is_company_admin=True
    )


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


@pytest.fixture
def as_bob(bob: User) -> Client:
    """A colleague who is no admin."""
    return client_of(bob)


@pytest.fixture
def as_charlie(charlie: User) -> Client:
    """Somebody of another company, an admin there."""
    charlie.is_company_admin = True
    charlie.save()
    return client_of(charlie)


@pytest.fixture(params=["salesforce", "hubspot"])
def crm(request: pytest.FixtureRequest) -> Crm:
    found: Crm = request.getfixturevalue(request.param)
    return found


ACCOUNTS: dict[str, tuple[str, str]] = {
    "salesforce": ("admin@acme.example", "admin@other.example"),
    "hubspot": ("1001", "2002"),
}
HOSTS: dict[str, dict[str, Any]] = {"salesforce": {"login_host": "login.salesforce.com"}, "hubspot": {}}
Linked = Callable[..., Integration]


@pytest.fixture
def link(crm: Crm, alice: User) -> Linked:
    """Link the company's CRM as Alice."""

    def linked(user: User = alice, **form: Any) -> Integration:
        return crm.link(user, ACCOUNTS[crm.slug][0], **(HOSTS[crm.slug] | form))

    return linked
