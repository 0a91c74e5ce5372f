"""What only HubSpot has: two generations of addresses, and permissions that may be left out."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from integrations import grants
from integrations.errors import BadConfig
from integrations.models import Integration
from integrations.providers.hubspot import offers
from relationships.models import User
from tests.pretend_crm import Crm


@pytest.mark.parametrize("generation", ["2026-09", "v3"])
def test_it_is_linked_refreshed_and_ended_in_both_generations(
    hubspot: Crm, alice: User, as_alice: Client, settings: Settings, generation: str
) -> None:
    settings.HUBSPOT_API_GENERATION = generation
    integration = hubspot.link(alice, "1001")
    assert integration.external_account_id == "1001"
    assert integration.expires_at is not None
    assert timedelta(minutes=25) < integration.expires_at - timezone.now() <= timedelta(minutes=30)

    assert grants.fresh(integration.pk, refused=grants.fresh(integration.pk)).version == integration.version + 1
    as_alice.post(f"/settings/integrations/{integration.pk}/disconnect/", {"imported": "keep"})
    hubspot.run_jobs()
    assert bytes(Integration.unscoped.get().encrypted_tokens) == b""
    assert hubspot.requests_of("hubspot.token.info") == 0, "no token stands in an address"


def test_the_domain_and_the_number_name_the_account(hubspot: Crm, alice: User) -> None:
    integration = hubspot.link(alice, "1001")

    assert integration.account_address == "acme.example (account 1001)"
    assert integration.details["app_id"] == str(hubspot.get("hubspot/clients/app?client_id=hubspot-client")["app_id"])


def test_what_was_left_out_is_said_and_can_be_granted(hubspot: Crm, alice: User, as_alice: Client) -> None:
    hubspot.follow(as_alice, "1001")
    page = as_alice.get("/settings/integrations/").content.decode()

    assert "Not granted: Create our properties of contacts" in page
    assert page.count("Grant them") == 1
    hubspot.follow(as_alice, "1001", scopes=offers.OPTIONAL)
    assert "Not granted" not in as_alice.get("/settings/integrations/").content.decode()
    assert set(offers.OPTIONAL) <= set(Integration.unscoped.get().scopes)


def test_a_wrong_secret_is_the_operators_matter(hubspot: Crm, alice: User, settings: Settings) -> None:
    integration = hubspot.link(alice, "1001")
    hubspot.post("clients", client_id="hubspot-client", client_secret="another")
    with pytest.raises(BadConfig, match="HUBSPOT_CLIENT_SECRET"):
        grants.fresh(integration.pk, refused=grants.fresh(integration.pk))

    integration.refresh_from_db()
    assert integration.sync_status == Integration.Status.ERROR
    assert "operator" in integration.reason
