"""What cards and the Today page say of a link that does not read: nothing that contradicts its state."""

import re

import pytest
from django.test import Client

from integrations import linking
from integrations.models import Integration
from relationships import tenancy
from relationships.models import User
from tests.integrations.calendar.scene import at, meeting
from tests.pretend_google import Google, Link, follow_consent

pytestmark = pytest.mark.django_db
SETTINGS = "/settings/integrations/"


@pytest.fixture
def linked(google: Google, link: Link, alice: User) -> Integration:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    return link(alice)


def words(client: Client, address: str) -> str:
    page = re.sub(r"<[^>]+>", " ", client.get(address).content.decode())
    return re.sub(r"\s+([.,])", r" \1", " ".join(page.split()))


@pytest.mark.parametrize(("status", "is_said"), [("active", True), ("paused", False), ("stale", False)])
def test_only_a_link_that_reads_promises_updates(
    linked: Integration, as_alice: Client, status: str, is_said: bool
) -> None:
    Integration.unscoped.update(sync_status=status)
    assert ("Changes arrive at once" in words(as_alice, SETTINGS)) is is_said


def test_a_link_whose_calendars_are_being_listed_says_so(google: Google, as_alice: Client, alice: User) -> None:
    assert follow_consent(as_alice, google, alice.email).status_code == 302
    page = words(as_alice, SETTINGS)
    assert "Being listed" in page
    assert "None chosen yet" not in page


def test_while_it_is_deleted_nobody_is_asked_to_delete_it(linked: Integration, as_alice: Client) -> None:
    with tenancy.within(linked.company_id):
        linking.disconnect(linked, is_data_deleted=False)
    assert "What was imported stays: 1 event." in words(as_alice, SETTINGS)
    with tenancy.within(linked.company_id):
        linking.disconnect(linked, is_data_deleted=True)
    page = words(as_alice, SETTINGS)
    assert "What was imported is being deleted." in page
    assert "stays" not in page


def test_a_moment_is_followed_by_its_full_stop(linked: Integration, as_alice: Client) -> None:
    with tenancy.within(linked.company_id):
        linking.disconnect(linked, is_data_deleted=False)
    assert re.search(r"That was <time[^>]*>[^<]+</time>\.", as_alice.get(SETTINGS).content.decode())


def test_today_says_that_a_link_stopped_to_its_owner_alone(linked: Integration, as_alice: Client, bob: User) -> None:
    assert "is no longer read" not in words(as_alice, "/")
    Integration.unscoped.update(sync_status="stale", reason="The consent was withdrawn.")
    page = words(as_alice, "/")
    assert "Google Calendar is no longer read." in page
    assert "The consent was withdrawn." in page
    colleague = Client()
    colleague.force_login(bob, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert "is no longer read" not in words(colleague, "/")
