"""What only Salesforce has: where one logs in, sandboxes, and organizations that move."""

import html
from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client

from integrations import channels, grants
from integrations.errors import NeedsReconnect
from integrations.models import Channel, Integration
from relationships.models import User
from tests.pretend_crm import Crm

UAT = "admin@acme.example.uat"


def test_the_page_asks_first_where_one_logs_in(salesforce: Crm, as_alice: Client) -> None:
    page = as_alice.get("/oauth/start/salesforce/crm").content.decode()

    assert "Where do you log in to Salesforce?" in page
    assert page.count('name="login_host"') == 3
    assert 'value="login.salesforce.com"' in page


@pytest.mark.parametrize(
    ("form", "host"),
    [
        ({"login_host": "login.salesforce.com"}, "login.salesforce.com"),
        ({"login_host": "test.salesforce.com"}, "test.salesforce.com"),
        ({"login_host": "my-domain", "login_host_typed": "https://Acme.my.salesforce.com/"}, "acme.my.salesforce.com"),
    ],
)
def test_consent_is_asked_for_where_one_logs_in(
    salesforce: Crm, as_alice: Client, form: dict[str, str], host: str
) -> None:
    assert salesforce.begin(as_alice, **form).startswith(f"{salesforce.url}/salesforce/{host}/services/oauth2/")


@pytest.mark.parametrize("typed", ["", "acme.evil.example", "https://acme.my.salesforce.com@evil.example", "127.0.0.1"])
def test_what_is_no_my_domain_is_said_beside_the_field(salesforce: Crm, as_alice: Client, typed: str) -> None:
    form = {"login_host": "my-domain", "login_host_typed": typed}
    answer = as_alice.post("/oauth/start/salesforce/crm", form)
    page = answer.content.decode()

    assert answer.status_code == 400
    assert 'aria-invalid="true"' in page
    assert "acme.my.salesforce.com" in page
    assert 'value="my-domain" id="login_host-typed" aria-describedby="login_host-typed-help" checked' in page


@pytest.mark.parametrize("value", ["evil.example", "typed", "acme.my.salesforce.com"])
def test_a_choice_that_is_none_is_refused(salesforce: Crm, as_alice: Client, value: str) -> None:
    assert as_alice.post("/oauth/start/salesforce/crm", {"login_host": value}).status_code == 400


def test_a_sandbox_is_marked_as_one(salesforce: Crm, alice: User, as_alice: Client) -> None:
    integration = salesforce.link(alice, UAT, login_host="test.salesforce.com")

    assert integration.details["login_host"] == "test.salesforce.com"
    assert integration.details["instance_url"] == "https://acme--uat.sandbox.my.salesforce.com"
    assert "Sandbox</span>" in as_alice.get("/settings/integrations/").content.decode()


def test_it_is_refreshed_where_one_logged_in(salesforce: Crm, alice: User) -> None:
    integration = salesforce.link(
        alice, UAT, login_host="my-domain", login_host_typed="acme--uat.sandbox.my.salesforce.com"
    )
    access = grants.fresh(integration.pk, refused=grants.fresh(integration.pk))

    assert integration.expires_at is None
    assert integration.details["login_host"] == "acme--uat.sandbox.my.salesforce.com"
    with grants.session(integration, access) as http:
        answer = http.get(f"{access.details['instance_url']}/services/data/v62.0/limits")
    assert answer.status_code == 200


def test_the_sandboxes_login_knows_no_production_org(salesforce: Crm, as_alice: Client) -> None:
    address = salesforce.begin(as_alice, login_host="test.salesforce.com")
    page = salesforce.http.get(address, timeout=20).text

    assert UAT in page
    assert "admin@other.example" not in page


def test_an_inactive_user_stops_the_link_with_words(salesforce: Crm, alice: User) -> None:
    integration = salesforce.link(alice, "admin@acme.example", login_host="login.salesforce.com")
    salesforce.post("orgs", org="acme", users=[{"username": "admin@acme.example", "active": False}])
    with pytest.raises(NeedsReconnect, match="no longer active"):
        grants.fresh(integration.pk, refused=grants.fresh(integration.pk))

    assert Integration.unscoped.get().sync_status == Integration.Status.STALE


def test_an_admin_finds_the_address_for_outbound_messages(
    salesforce: Crm, alice: User, as_alice: Client, as_bob: Client
) -> None:
    integration = salesforce.link(alice, "admin@acme.example", login_host="login.salesforce.com")
    page = f"/settings/integrations/{integration.pk}/pushes/"
    channel = Channel.unscoped.get()
    shown = html.unescape(as_alice.get(page).content.decode())

    assert f"{settings.PUBLIC_URL}/webhooks/crm-contact/salesforce/{channel.channel_id}/" in shown
    assert quote(channels.unseal(channel), safe="") in shown
    assert page in as_alice.get("/settings/integrations/").content.decode()
    assert as_bob.get(page).status_code == 404
    assert page not in as_bob.get("/settings/integrations/").content.decode()


def test_after_disconnecting_the_page_of_the_address_leads_back_to_connect_it(
    salesforce: Crm, alice: User, as_alice: Client
) -> None:
    integration = salesforce.link(alice, "admin@acme.example", login_host="login.salesforce.com")
    as_alice.post(f"/settings/integrations/{integration.pk}/disconnect/", {"imported": "keep"})
    answer = as_alice.get(f"/settings/integrations/{integration.pk}/pushes/", follow=True)
    assert answer.redirect_chain == [("/settings/integrations/", 302)]
    assert "Salesforce is disconnected. Connect it to arrange instant updates." in answer.content.decode()
