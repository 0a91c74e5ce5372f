"""A contact, a linked mailbox in memory, and an hour that does not end in the middle of a test."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from integrations import grants, providers, sync_states
from integrations.email import sync as mail_sync
from integrations.models import Integration, SyncRun, SyncState
from relationships.models import Company, Organization, OrganizationDomain, Person, PersonAddress, User
from tests.integrations.email.memory import LP, MemoryMail

LinkMemory = Callable[..., SyncState]
Sync = Callable[..., SyncRun]


@pytest.fixture(autouse=True)
def noon() -> Iterator[time_machine.Traveller]:
    """Every test begins at ten past noon of today; its clock ticks."""
    with time_machine.travel(
        datetime.now(UTC).replace(hour=12, minute=10, second=0, microsecond=0), tick=True
    ) as clock:
        yield clock


@pytest.fixture
def alder(acme: Company) -> Organization:
    organization = Organization.unscoped.create(company=acme, name="Alder Pension")
    OrganizationDomain.unscoped.create(company=acme, organization=organization, domain="alder.example")
    return organization


@pytest.fixture
def lena(acme: Company, alder: Organization) -> Person:
    person = Person.unscoped.create(company=acme, display_name="Lena Alder", organization=alder)
    PersonAddress.unscoped.create(company=acme, person=person, email=LP, match_key=LP, is_primary=True)
    return person


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryMail]:
    """Mailboxes by the name of their provider."""
    boxes: dict[str, MemoryMail] = {}
    monkeypatch.setattr(providers, "mail_adapter", boxes.__getitem__)
    monkeypatch.setattr(grants, "session", lambda integration, access: _NoSession())
    return boxes


class _NoSession:
    def __enter__(self) -> "_NoSession":
        return self

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture
def box(boxes: dict[str, MemoryMail]) -> MemoryMail:
    """Alice's mailbox."""
    return boxes.setdefault("alice", MemoryMail())


@pytest.fixture
def link_memory(boxes: dict[str, MemoryMail]) -> LinkMemory:
    """Link a mailbox in memory: each user's is named by the user's first name."""

    def link(user: User) -> SyncState:
        name = user.get_short_name().lower()
        boxes.setdefault(name, MemoryMail())
        integration = Integration(
            company=user.company,
            user=user,
            provider=name,
            integration_type="email",
            external_account_id=f"account-{name}",
            account_address=user.email,
            expires_at=timezone.now() + timedelta(days=300),
        )
        integration.encrypted_tokens = grants.seal(integration, {"access_token": "access", "refresh_token": "refresh"})
        integration.save()
        return SyncState.unscoped.create(
            company=user.company, integration=integration, resource_type="mailbox", external_id="me", is_chosen=True
        )

    return link


@pytest.fixture
def sync() -> Sync:
    """Ask for a sync and run it; the last run's record."""

    def sync(state: SyncState, trigger: str = SyncRun.Trigger.MANUAL) -> SyncRun:
        sync_states.poke([state.pk], trigger=trigger)
        mail_sync.run(state.pk)
        state.refresh_from_db()
        return SyncRun.unscoped.filter(state=state).latest("started_at")

    return sync
