"""A change in the pretend CRM is pushed as the real one pushes, and pokes the company's sync with the record's name."""

import json
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from integrations import channels, jobs, signing_secrets
from integrations.models import Channel, Integration, SyncState
from relationships.models import User
from tests.pretend_crm import Crm
from tests.webhooks.conftest import poked
from webhooks import drain, inbox
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
ORG = {"org": "acme"}
SETTLE_SECONDS = 20
Linked = Callable[..., Channel]


@pytest.fixture
def link(alice: User, live_server: LiveServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Linked:
    """Link Alice's company; its sync is another matter. Its channel is then live."""
    settings.PUBLIC_URL = live_server.url
    monkeypatch.setitem(jobs.SYNCS, "crm", lambda state_id: None)
    User.objects.filter(pk=alice.pk).update(is_company_admin=True)
    alice.refresh_from_db()

    def linked(crm: Crm, account: str, **form: str) -> Channel:
        integration = crm.link(alice, account, **form)
        channel = Channel.unscoped.select_related("integration").get(integration=integration)
        assert (channel.state, channel.resource_id) == ("live", integration.external_account_id)
        SyncState.unscoped.update(done_mark=0, dirty_mark=0)
        return channel

    return linked


def settle(crm: Crm) -> None:
    """Wait until every push is done with."""
    deadline = monotonic() + SETTLE_SECONDS
    while crm.get("idle")["pending"]:
        assert monotonic() < deadline, "pushes are still on their way"
        sleep(0.02)


def last_statuses(crm: Crm) -> list[Any]:
    return [one["status"] for one in crm.get("pushes")["last"]]


def check_poked(channel: Channel, *names: str) -> None:
    """All that came is worked off, and has named these."""
    while drain.run():
        pass
    assert poked(channel) == sorted(names)
    state = SyncState.unscoped.get(pk=channel.sync_state_id)
    assert state.is_dirty
    assert state.last_push_at is not None
    assert set(Delivery.objects.values_list("status", "company_id")) == {("waiting", channel.company_id)}


def test_a_change_in_hubspot_names_its_record(hubspot: Crm, link: Linked, live_server: LiveServer) -> None:
    channel = link(hubspot, "1001")
    hubspot.post("webhooks", target=f"{live_server.url}/webhooks/crm-contact/hubspot")
    record = {"properties": {"email": "lena@alder.example", "firstname": "Lena"}}
    made = hubspot.post("records", portal=1001, type="contacts", records=[record])
    settle(hubspot)
    assert set(last_statuses(hubspot)) == {202}
    check_poked(channel, f"contacts:{made['ids'][0]}")
    for delivery in Delivery.objects.all():
        assert b"lena" not in inbox.body_of(delivery).lower()


def test_hubspots_webhooks_doubled_and_shuffled_are_taken_once(
    hubspot: Crm, link: Linked, live_server: LiveServer
) -> None:
    channel = link(hubspot, "1001")
    target = f"{live_server.url}/webhooks/crm-contact/hubspot"
    hubspot.post("webhooks", target=target, duplicate=True, shuffle=True, style="generic")
    hubspot.post("push", portal=1001, type="contacts", ids=[51, 52, 53])
    settle(hubspot)
    assert set(last_statuses(hubspot)) <= {200, 202}
    check_poked(channel, "contacts:51", "contacts:52", "contacts:53")


@pytest.mark.parametrize("forge", ["signature", "stale", "future", "none"])
def test_what_hubspot_did_not_sign_now_is_refused(
    hubspot: Crm, link: Linked, live_server: LiveServer, forge: str
) -> None:
    link(hubspot, "1001")
    target = f"{live_server.url}/webhooks/crm-contact/hubspot"
    hubspot.post("webhooks", target=target, forge=forge, retry_seconds=0.001)
    hubspot.post("push", portal=1001, type="contacts", ids=[51])
    settle(hubspot)
    assert set(last_statuses(hubspot)) == {401}
    assert not Delivery.objects.exists()


def test_apex_names_what_changed_in_salesforce(salesforce: Crm, link: Linked, live_server: LiveServer) -> None:
    channel = link(salesforce, "admin@acme.example", login_host="login.salesforce.com")
    address = f"{live_server.url}/webhooks/crm-contact/salesforce"
    Channel.unscoped.update(signing_id=signing_secrets.new_id())
    channel.refresh_from_db()
    secret = signing_secrets.secret(channel.channel_id, channel.signing_id)
    salesforce.post("apex_callout", **ORG, object="Contact", address=address, secret=secret)
    record_id = contact(salesforce)
    settle(salesforce)
    assert set(last_statuses(salesforce)) == {202}
    check_poked(channel, f"Contact:{record_id}")


def test_an_outbound_message_is_acknowledged_as_salesforce_wants_it(salesforce: Crm, link: Linked) -> None:
    channel = link(salesforce, "admin@acme.example", login_host="login.salesforce.com")
    address = channels.own_address(channel)
    fields = ["Id", "LastName", "Email"]
    salesforce.post("outbound_messages", **ORG, object="Contact", address=address, fields=fields, session=True)
    record_id = contact(salesforce)
    settle(salesforce)
    assert set(last_statuses(salesforce)) == {200}
    check_poked(channel, f"Contact:{record_id}")
    kept = json.loads(inbox.body_of(Delivery.objects.get()))
    assert kept == {"organizationId": channel.resource_id, "records": [{"object": "Contact", "id": record_id}]}


def test_another_organizations_message_is_refused_at_this_address(salesforce: Crm, link: Linked) -> None:
    channel = link(salesforce, "admin@acme.example", login_host="login.salesforce.com")
    address = channels.own_address(channel)
    made = salesforce.post("outbound_messages", org="other", object="Contact", address=address)
    contact(salesforce, "other")
    deadline = monotonic() + SETTLE_SECONDS
    while not last_statuses(salesforce):
        assert monotonic() < deadline
        sleep(0.02)
    salesforce.post("notices/remove", id=made["id"])
    settle(salesforce)
    assert set(last_statuses(salesforce)) == {404}
    assert not Delivery.objects.exists()


def test_the_page_that_shows_the_address_shows_one_that_works(
    salesforce: Crm, link: Linked, alice: User, as_alice: Client
) -> None:
    channel = link(salesforce, "admin@acme.example", login_host="login.salesforce.com")
    integration = Integration.unscoped.get()
    page = as_alice.get(f"/settings/integrations/{integration.pk}/pushes/").content.decode()
    assert channels.own_address(channel) in page


def contact(crm: Crm, org: str = "acme") -> str:
    """A person makes a contact in Salesforce; its id."""
    fields = {"LastName": "Adler", "Email": "lena@alder.example"}
    return str(crm.post("records", org=org, object="Contact", records=[fields])["ids"][0])
