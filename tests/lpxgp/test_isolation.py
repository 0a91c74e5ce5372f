"""No company sees another's rows: every address that names a row, read from the URL resolver, and every tenant's table.

A new address with an argument fails here until it has a line in ``ROWS`` (which row of Acme it shows) or in ``NO_ROW``
(why it names none).
"""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from integrations.email.models import EmailMessage, EmailThread, SavedMail
from integrations.models import Integration, SyncState
from relationships import tenancy
from relationships.models import BlockRule, FollowUp, Person, Task, Touchpoint, User
from tests.lpxgp.addresses import Address, addresses

Row = Callable[[User], dict[str, Any]]


def person(alice: User) -> dict[str, Any]:
    return {"pk": Person.unscoped.create(company=alice.company, display_name="Lena Park").pk}


def meeting(alice: User) -> dict[str, Any]:
    touchpoint = Touchpoint.unscoped.create(
        company=alice.company,
        kind=Touchpoint.Kind.MEETING,
        unique_key=uuid.uuid4().hex,
        title="Fund III update",
        occurred_at=timezone.now(),
    )
    touchpoint.users.add(alice)
    return {"pk": touchpoint.pk}


def task(alice: User) -> dict[str, Any]:
    return {"pk": Task.unscoped.create(company=alice.company, assignee=alice, title="Send the deck").pk}


def follow_up(alice: User) -> dict[str, Any]:
    at = timezone.now()
    owed = FollowUp.unscoped.create(
        company=alice.company, user=alice, touchpoint_id=meeting(alice)["pk"], side="ours", since_at=at, due_at=at
    )
    return {"pk": owed.pk}


def rule(alice: User) -> dict[str, Any]:
    return {
        "pk": BlockRule.unscoped.create(company=alice.company, user=alice, kind="domain", value="private.example").pk
    }


def integration(alice: User, kind: str = "calendar", resource: str = "calendar") -> dict[str, Any]:
    linked = Integration.unscoped.create(
        company=alice.company,
        user=alice,
        provider="google",
        integration_type=kind,
        encrypted_tokens=b"",
        external_account_id="118",
        account_address="alice@acme.example",
    )
    SyncState.unscoped.create(
        company=alice.company, integration=linked, resource_type=resource, external_id="primary", name="Alice"
    )
    return {"pk": linked.pk}


def mail(alice: User) -> dict[str, Any]:
    state = SyncState.unscoped.get(integration=integration(alice, "email", "mailbox")["pk"])
    thread = EmailThread.unscoped.create(company=alice.company, state=state, external_id="t1")
    message = EmailMessage.unscoped.create(
        company=alice.company,
        state=state,
        thread=thread,
        external_id="m1",
        unique_key="m1",
        thread_key="m1",
        subject="Fund III terms",
        sent_at=timezone.now(),
    )
    return {"pk": message.pk}


def saved_mail(alice: User) -> dict[str, Any]:
    saved = SavedMail.unscoped.create(
        company=alice.company, user=alice, unique_key="m1", sent_at=timezone.now(), encrypted_text=b""
    )
    return {"pk": saved.pk}


def company_wide(alice: User) -> dict[str, Any]:
    """Her company's CRM, of which she is an admin."""
    User.objects.filter(pk=alice.pk).update(is_company_admin=True)
    found = integration(alice, "crm", "crm")
    Integration.unscoped.filter(pk=found["pk"]).update(user=None, provider="salesforce")
    return found


ROWS: dict[str, Row] = {
    "integrations:card": integration,
    "integrations:choose": integration,
    "integrations:disconnect": integration,
    "integrations:history": integration,
    "integrations:message": mail,
    "integrations:pause": integration,
    "integrations:push_secret": company_wide,
    "integrations:pushes": company_wide,
    "integrations:resume": integration,
    "integrations:save_mail": mail,
    "integrations:saved_mail": saved_mail,
    "integrations:sync": integration,
    "relationships:follow_up": follow_up,
    "relationships:person": person,
    "relationships:rule": rule,
    "relationships:meeting": meeting,
    "relationships:task": task,
}
"""By name of the address: makes a row of Alice's and returns the address's arguments."""

NO_ROW: dict[str, str] = {
    "integrations:start": "begins a consent of the signed-in member, whoever that is",
    "integrations:callback": "its one-time state is bound to session and user",
    "integrations:ask_administrator": "shows the signed-in member's own link, whoever that is",
    "integrations:administrator_returned": "public: its one-time state names the request, and the page names nobody",
    "webhook": "providers' servers call it; nobody is signed in",
    "provider_webhook": "providers' servers call it; nobody is signed in",
    "channel_webhook": "providers' servers call it; nobody is signed in",
}

WITH_ARGUMENTS = sorted(
    {address for address in addresses() if address.converters and not address.route.startswith("admin/")},
    key=lambda address: address.route,
)
WITH_ROWS = [address for address in WITH_ARGUMENTS if address.name in ROWS]


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def every_row() -> dict[str, list[Any]]:
    """All rows of all tenants' tables, to see whether anything changed."""
    return {model._meta.label: list(model.unscoped.order_by("pk").values()) for model in tenant_models()}


def tenant_models() -> list[type[tenancy.TenantModel]]:
    return [model for model in apps.get_models() if issubclass(model, tenancy.TenantModel)]


@pytest.mark.parametrize("address", WITH_ARGUMENTS, ids=lambda address: address.route)
def test_every_address_with_an_argument_is_registered_here(address: Address) -> None:
    assert address.name in ROWS or address.name in NO_ROW, (
        f"/{address.route} ({address.name}) takes an argument: name the row it shows in ROWS, or say in NO_ROW why none"
    )


def test_the_registry_names_no_address_that_is_gone() -> None:
    assert {*ROWS, *NO_ROW} <= {address.name for address in addresses()}


@pytest.mark.parametrize("address", WITH_ROWS, ids=lambda address: address.route)
class TestStrangers:
    def test_what_alice_sees_does_not_exist_for_charlie(self, address: Address, alice: User, charlie: User) -> None:
        values = {name: str(value) for name, value in ROWS[address.name](alice).items()}
        path = address.filled(values)
        missing = address.filled(
            values | {name: str(uuid.uuid4()) for name, kind in address.converters if kind == "uuid"}
        )
        assert sign_in(alice).get(path).status_code in {200, 405}

        before = every_row()
        stranger = sign_in(charlie)
        statuses = set()
        for method in ("get", "post", "put", "patch", "delete"):
            hidden, absent = getattr(stranger, method)(path), getattr(stranger, method)(missing)
            statuses.add(hidden.status_code)
            assert hidden.status_code in {404, 405}, f"{method} of {path}"
            assert hidden.status_code == absent.status_code
            assert self._comparable(hidden.content, path) == self._comparable(absent.content, missing)
        assert 404 in statuses
        assert every_row() == before

    def test_a_visitor_is_sent_to_sign_in(self, address: Address, alice: User, client: Client) -> None:
        values = {name: str(value) for name, value in ROWS[address.name](alice).items()}
        response = client.get(address.filled(values))
        assert response.status_code in {302, 405}
        if response.status_code == 302:
            assert response["Location"].startswith("/accounts/login/")

    def _comparable(self, content: bytes, path: str) -> bytes:
        """The page without what differs by nature: its own address and the form token."""
        return re.sub(rb"\b[A-Za-z0-9]{64}\b", b"TOKEN", content.replace(path.encode(), b"PATH"))


@pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model._meta.label)
def test_a_tenants_table_is_closed_without_a_company(model: type[tenancy.TenantModel]) -> None:
    with pytest.raises(tenancy.NoCompany):
        model.objects.all()


def test_a_table_with_a_company_is_closed_or_known() -> None:
    """Rows that exist before their company is known are the inbox's; members' pages never read them."""
    open_tables = {
        model._meta.label
        for model in apps.get_models()
        if not issubclass(model, tenancy.TenantModel)
        and any(field.name == "company" for field in model._meta.get_fields() if not field.auto_created)
    }
    assert open_tables == {"relationships.User", "webhooks.Delivery", "webhooks.WebhookFailure"}
