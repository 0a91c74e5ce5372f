"""Staff see how links are doing, and never a secret."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django_q.models import OrmQ

from integrations import channels, grants
from integrations.calendar.models import CalendarEvent
from integrations.models import Channel
from relationships.models import User
from tests.integrations.calendar.test_sync import at, meeting
from tests.pretend_google import Google, Link, state_of

pytestmark = pytest.mark.django_db

LISTS = (
    "integrations/integration",
    "integrations/syncstate",
    "integrations/syncrun",
    "integrations/setaside",
    "integrations/channel",
    "integrations/linkattempt",
    "integrations/heartbeat",
    "calendar/calendarevent",
    "calendar/contactslook",
)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_opens_and_can_be_searched(
    google: Google, link: Link, alice: User, as_staff: Client, path: str
) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example"))
    link(alice)
    assert as_staff.get(f"/admin/{path}/").status_code == 200
    assert as_staff.get(f"/admin/{path}/?q=alice").status_code == 200


def test_no_page_of_a_link_or_channel_shows_a_secret(google: Google, link: Link, alice: User, as_staff: Client) -> None:
    integration = link(alice)
    channel = Channel.unscoped.get()
    values = grants.unseal(integration)
    secrets = [values["access_token"], values["refresh_token"], channels.unseal(channel), channel.channel_token]
    pages = [
        f"/admin/integrations/integration/{integration.pk}/change/",
        f"/admin/integrations/channel/{channel.pk}/change/",
        f"/admin/integrations/syncstate/{channel.sync_state_id}/change/",
        "/admin/integrations/integration/",
        "/settings/integrations/",
    ]
    for page in pages:
        html = as_staff.get(page).content.decode()
        assert not [secret for secret in secrets if secret in html], page


@pytest.mark.parametrize(
    "lookup",
    [
        "integrations/channel/?channel_token__startswith",
        "integrations/integration/?encrypted_tokens__startswith",
        "integrations/linkattempt/?state_digest__startswith",
        "integrations/syncstate/?cursor__startswith",
        "calendar/calendarevent/?title__startswith",
    ],
)
def test_nobody_guesses_what_is_not_shown(as_staff: Client, lookup: str) -> None:
    assert as_staff.get(f"/admin/{lookup}=a").status_code == 400


def test_an_events_content_is_its_owners(google: Google, link: Link, alice: User, as_staff: Client) -> None:
    google.put(alice.email, meeting("one", at(1), alice.email, "x@else.example", summary="Quite secret"))
    state = state_of(link(alice))
    event = CalendarEvent.unscoped.get(state=state)
    assert event.title == "Quite secret"
    html = as_staff.get(f"/admin/calendar/calendarevent/{event.pk}/change/").content.decode()
    assert "Quite secret" not in html


def test_staff_ask_for_a_sync(google: Google, link: Link, alice: User, as_staff: Client) -> None:
    state = state_of(link(alice))
    as_staff.post("/admin/integrations/syncstate/", {"action": "sync_now", "_selected_action": [str(state.pk)]})
    state.refresh_from_db()
    assert state.is_dirty
    assert OrmQ.objects.count() == 1


def test_the_command_asks_for_a_sync_of_what_it_names(google: Google, link: Link, alice: User) -> None:
    state = state_of(link(alice))
    call_command("sync_now", account=alice.email)
    state.refresh_from_db()
    assert state.is_dirty
    with pytest.raises(CommandError, match="Nothing that is linked"):
        call_command("sync_now", account="nobody@acme.example")
