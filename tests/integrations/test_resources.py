"""Which calendars there are, which are read, and what is left when the user says delete."""

import pytest
from django.test import Client
from django_q.models import OrmQ

from crm import rows
from integrations import jobs, resources
from integrations.calendar import imported
from integrations.calendar.models import CalendarEvent
from integrations.models import Channel, Integration, SyncState
from integrations.providers import google as google_provider
from relationships import tenancy
from relationships.models import Note, Organization, Person, PersonAddress, Touchpoint, User
from tests.integrations.calendar.scene import ALICE, BOB, LP, RunJobs, at, live, meeting, sync
from tests.integrations.conftest import GOOGLE_SCOPES, Google, Json, Link, state_of

pytestmark = pytest.mark.django_db
WITHOUT_LIST = GOOGLE_SCOPES[:3]


@pytest.fixture(autouse=True)
def lena(alice: User) -> Person:
    organization = Organization.unscoped.create(company=alice.company, name="Alder Pension")
    person = Person.unscoped.create(company=alice.company, display_name="Lena", organization=organization)
    PersonAddress.build(person, LP).save()
    return person


def states(integration: Integration) -> dict[str, SyncState]:
    return {row.external_id: row for row in SyncState.unscoped.filter(integration=integration)}


def test_all_calendars_are_offered_and_the_primary_one_is_read(google: Google, link: Link, alice: User) -> None:
    google.post("google/calendars", account=ALICE, id="team", summary="Team")
    google.put("team", meeting("offsite", at(1), LP))

    integration = link(alice)

    found = states(integration)
    assert {name: row.is_chosen for name, row in found.items()} == {ALICE: True, "team": False}
    assert (found["team"].name, found["team"].is_primary) == ("Team", False)
    assert live(found["team"]) == set()


def test_choosing_another_calendar_reads_it_and_dropping_one_stops_its_pushes(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.post("google/calendars", account=ALICE, id="team", summary="Team")
    google.put("team", meeting("offsite", at(1), LP))
    integration = link(alice)
    found = states(integration)

    with tenancy.within(integration.company_id):
        resources.choose(integration, [found["team"].pk])
    run_jobs()

    assert live(found["team"]) == {"offsite"}
    found = states(integration)
    assert {name: row.is_chosen for name, row in found.items()} == {ALICE: False, "team": True}
    assert found[ALICE].next_poll_at is None
    dropped = Channel.unscoped.filter(sync_state=found[ALICE])
    assert not dropped.filter(state__in=["opening", "live"]).exists()


def test_without_leave_to_list_the_main_calendar_is_read(google: Google, link: Link, alice: User) -> None:
    google.put(ALICE, meeting("call", at(1), ALICE, LP))

    integration = link(alice, scopes=WITHOUT_LIST)

    assert {name: row.is_primary for name, row in states(integration).items()} == {ALICE: True}
    assert live(state_of(integration)) == {"call"}


def test_a_listing_that_fails_is_said_and_done_again_with_the_first_sync(
    google: Google, link: Link, alice: User, run_jobs: RunJobs
) -> None:
    google.put(ALICE, meeting("call", at(1), ALICE, LP))
    google.fault("calendar.calendarList.list", "error_503")
    integration = link(alice)
    assert states(integration) == {}
    integration.refresh_from_db()
    assert integration.reason.startswith("Your calendars could not be listed:")

    jobs.list_resources(str(integration.pk))
    run_jobs()

    assert live(state_of(integration)) == {"call"}
    integration.refresh_from_db()
    assert (integration.sync_status, integration.reason) == ("active", "")


def test_a_token_refused_while_listing_is_refreshed(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)
    google.post("google/expire_access_tokens")

    assert resources.refresh(integration) == [state_of(integration).pk]


def test_a_calendar_no_longer_offered_is_kept_unread_and_may_come_back(
    google: Google, link: Link, alice: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.post("google/calendars", account=ALICE, id="team", summary="Team")
    google.put("team", meeting("offsite", at(1), LP))
    integration = link(alice)
    with tenancy.within(integration.company_id):
        resources.choose(integration, [row.pk for row in states(integration).values()])
    run_jobs()
    original = resources._listed
    monkeypatch.setattr(resources, "_listed", lambda one: [info for info in original(one) if info.is_primary])

    resources.refresh(integration)

    team = states(integration)["team"]
    assert (team.is_gone, team.is_chosen) == (True, False)
    assert live(team) == {"offsite"}
    monkeypatch.setattr(resources, "_listed", original)
    resources.refresh(integration)
    assert not states(integration)["team"].is_gone


@pytest.mark.parametrize("answer", [{}, {"items": None}, {"items": [], "nextPageToken": "again"}])
def test_an_odd_answer_is_no_empty_list_of_calendars(
    google: Google, link: Link, alice: User, monkeypatch: pytest.MonkeyPatch, answer: Json
) -> None:
    integration = link(alice)
    monkeypatch.setattr(google_provider, "run", lambda request, http: answer)

    resources.refresh(integration)

    state = state_of(integration)
    assert (state.is_gone, state.is_chosen) == (False, True)
    integration.refresh_from_db()
    assert integration.reason.startswith("Your calendars could not be listed:")


def test_listing_twice_changes_nothing(google: Google, link: Link, alice: User) -> None:
    integration = link(alice)
    before = SyncState.unscoped.values().get(integration=integration)
    OrmQ.objects.all().delete()

    resources.refresh(Integration.unscoped.get(pk=integration.pk))

    assert SyncState.unscoped.values().get(integration=integration) == before
    assert OrmQ.objects.count() == 0


def test_deleting_takes_ones_own_meetings_and_leaves_notes_and_colleagues_copies(
    google: Google, link: Link, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported, "DELETE_BATCH", 2)
    google.put(
        ALICE,
        meeting("own", at(1), ALICE, LP),
        meeting("noted", at(2), ALICE, LP),
        meeting("shared", at(3), ALICE, BOB, LP),
        meeting("alone", at(4)),
    )
    integration = link(alice)
    link(bob)
    touchpoints = {row.title: row for row in Touchpoint.unscoped.all()}
    note = Note.unscoped.create(
        company=alice.company, touchpoint=touchpoints["Meeting noted"], author=alice, text="Wants the deck"
    )

    resources.delete_imported(integration.pk)
    assert CalendarEvent.unscoped.filter(state__integration=integration).count() == 4

    Integration.unscoped.filter(pk=integration.pk).update(sync_status="revoked")
    resources.delete_imported(integration.pk)
    resources.delete_imported(integration.pk)

    left = {row.title: row for row in Touchpoint.unscoped.all()}
    assert set(left) == {"Meeting noted", "Meeting shared"}
    assert left["Meeting noted"].cancelled_at is not None
    assert left["Meeting noted"].is_orphaned, "nobody called it off"
    assert left["Meeting shared"].cancelled_at is None
    assert set(left["Meeting shared"].users.values_list("email", flat=True)) == {BOB}
    note.refresh_from_db()
    assert note.touchpoint_id == left["Meeting noted"].pk
    assert not SyncState.unscoped.filter(integration=integration).exists()


def test_a_meeting_that_was_deleted_with_its_calendar_is_called_off_nowhere(
    google: Google, link: Link, alice: User, as_alice: Client, run_jobs: RunJobs
) -> None:
    google.put(ALICE, meeting("held", at(1), ALICE, LP), meeting("off", at(2), ALICE, LP))
    integration = link(alice)
    for row in Touchpoint.unscoped.all():
        Note.unscoped.create(company=alice.company, touchpoint=row, author=alice, text=f"On {row.title}")
    google.cancel(ALICE, "off")
    sync(state_of(integration), run_jobs)
    Integration.unscoped.filter(pk=integration.pk).update(sync_status="revoked")
    resources.delete_imported(integration.pk)

    held, off = (Touchpoint.unscoped.get(title=title) for title in ("Meeting held", "Meeting off"))
    assert (held.is_orphaned, off.is_orphaned) == (True, False)
    shown, gone = (as_alice.get(f"/meetings/{row.pk}/").content.decode() for row in (held, off))
    assert "On Meeting held" in shown
    assert "Not in a linked calendar" in shown
    assert "Cancelled" not in shown
    assert "cancelled" not in shown
    assert "Cancelled" in gone
    with tenancy.within(held.company_id):
        told = rows.values("meeting", [held.pk, off.pk])
    assert [told[row.pk]["meeting.title"] for row in (held, off)] == ["Meeting held", "Cancelled: Meeting off"]

    again = link(alice)
    held.refresh_from_db()
    assert (again.pk != integration.pk, held.cancelled_at, held.is_orphaned) == (False, None, False)


def test_a_member_sees_and_chooses_only_own_calendars(
    google: Google, link: Link, alice: User, bob: User, as_alice: Client
) -> None:
    bobs = link(bob)

    assert as_alice.get(f"/settings/integrations/{bobs.pk}/calendars/").status_code == 404
