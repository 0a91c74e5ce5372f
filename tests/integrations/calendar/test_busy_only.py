"""A calendar of which only free and busy times are shared: read when chosen, and no meetings come of it."""

from collections.abc import Callable

import pytest
from django.test import Client

from integrations import cards, resources
from integrations.calendar.models import CalendarEvent
from integrations.models import SetAside, SyncState
from relationships import tenancy
from relationships.models import Person, PersonAddress, Touchpoint, User
from tests.integrations.calendar.scene import ALICE, BOB, LP, at, meeting
from tests.pretend_google import Google, Link

pytestmark = pytest.mark.django_db
WORDS = "Only free and busy times are shared with you"


def test_busy_blocks_are_read_and_make_no_meetings(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: Callable[[], int]
) -> None:
    person = Person.unscoped.create(company=alice.company, display_name="Lena")
    PersonAddress.build(person, LP).save()
    google.put(BOB, meeting("open", at(1), BOB, LP), meeting("hidden", at(2), BOB, LP, visibility="private"))
    google.post("google/calendars", account=ALICE, id=BOB, accessRole="freeBusyReader", summary="Bob")
    integration = link(alice)
    assert WORDS not in as_alice.get("/settings/integrations/").content.decode()

    bobs = SyncState.unscoped.get(integration=integration, external_id=BOB)
    with tenancy.within(integration.company_id):
        resources.choose(integration, [bobs.pk])
    run_jobs()

    events = CalendarEvent.unscoped.filter(state=bobs)
    assert events.count() == 2
    assert set(events.values_list("title", "verdict")) == {("", "private")}
    assert not SetAside.unscoped.exists()
    assert not Touchpoint.unscoped.exists()
    with tenancy.within(integration.company_id):
        assert cards.for_integration(integration).counts["meetings"] == 0
    assert WORDS in as_alice.get("/settings/integrations/").content.decode()
