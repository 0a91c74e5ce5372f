"""A calendar that went and came back is read as before, if it was chosen, and everything missed meanwhile is found."""

from collections.abc import Callable

import pytest

from integrations import jobs, resources, runs, sync_states
from integrations.calendar.models import CalendarEvent
from integrations.errors import Permanent
from integrations.models import Channel, Integration, SyncRun, SyncState
from relationships import tenancy
from relationships.models import User
from tests.integrations.calendar.scene import ALICE, LP, at, live, meeting
from tests.pretend_google import GOOGLE_SCOPES, Google, Link

pytestmark = pytest.mark.django_db
TEAM = "team"
Hide = Callable[[bool], None]


@pytest.fixture
def linked(google: Google, link: Link, alice: User, run_jobs: Callable[[], int]) -> Integration:
    """Alice's own calendar and the team's, both chosen and read."""
    google.post("google/calendars", account=ALICE, id=TEAM, summary="Team")
    google.put(TEAM, meeting("offsite", at(1), LP), meeting("review", at(2), LP))
    integration = link(alice)
    choose(integration, ALICE, TEAM)
    run_jobs()
    assert live(team(integration)) == {"offsite", "review"}
    return integration


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Hide:
    """Let the team's calendar vanish from the provider's list, or come back."""
    original = resources._listed

    def hide(is_hidden: bool) -> None:
        def listed(integration: Integration) -> object:
            return [one for one in original(integration) if one.is_primary or not is_hidden]

        monkeypatch.setattr(resources, "_listed", listed)

    return hide


def team(integration: Integration) -> SyncState:
    return SyncState.unscoped.get(integration=integration, external_id=TEAM)


def choose(integration: Integration, *external_ids: str) -> None:
    with tenancy.within(integration.company_id):
        states = SyncState.objects.filter(integration=integration, external_id__in=external_ids)
        resources.choose(integration, list(states.values_list("pk", flat=True)))


def test_it_is_chosen_again_with_its_history_and_a_full_round(
    linked: Integration, google: Google, hide: Hide, run_jobs: Callable[[], int]
) -> None:
    before = team(linked)
    kept = CalendarEvent.unscoped.get(state=before, external_id="offsite").pk
    hide(True)
    jobs.list_resources(str(linked.pk))
    assert (team(linked).is_gone, team(linked).is_chosen) == (True, False)
    google.cancel(TEAM, "review")
    google.put(TEAM, meeting("new", at(3), LP))

    hide(False)
    jobs.list_resources(str(linked.pk))
    run_jobs()

    after = team(linked)
    assert (after.pk, after.is_gone, after.is_chosen) == (before.pk, False, True)
    assert CalendarEvent.unscoped.get(state=after, external_id="offsite").pk == kept
    assert live(after) == {"offsite", "new"}
    newest = SyncRun.unscoped.filter(state=after).latest("started_at")
    assert (newest.kind, newest.outcome) == ("full", "done")
    jobs.renew_channels()
    assert Channel.unscoped.filter(sync_state=after, state="live").count() == 1


def test_one_that_was_gone_while_it_was_read_comes_back_too(
    linked: Integration, google: Google, run_jobs: Callable[[], int]
) -> None:
    google.fault("calendar.events.list", "not_found_404")
    sync_states.poke([team(linked).pk])
    run_jobs()
    assert (team(linked).is_gone, team(linked).is_chosen) == (True, False)

    jobs.list_resources(str(linked.pk))
    run_jobs()

    assert (team(linked).is_gone, team(linked).is_chosen, team(linked).last_error) == (False, True, "")


def test_one_that_was_unticked_before_it_went_stays_unticked(
    linked: Integration, hide: Hide, run_jobs: Callable[[], int]
) -> None:
    choose(linked, ALICE)
    run_jobs()
    for is_hidden in (True, False):
        hide(is_hidden)
        jobs.list_resources(str(linked.pk))
        run_jobs()
    assert (team(linked).is_gone, team(linked).is_chosen) == (False, False)


@pytest.mark.parametrize("error", [None, Permanent("No.")])
def test_one_that_was_unticked_while_it_was_read_stays_unticked(
    linked: Integration, hide: Hide, error: Permanent | None
) -> None:
    def work(held: runs.Held) -> None:
        choose(linked, ALICE)
        if error:
            raise error

    sync_states.poke([team(linked).pk])
    runs.sync(team(linked).pk, work)
    for is_hidden in (True, False):
        hide(is_hidden)
        jobs.list_resources(str(linked.pk))

    assert (team(linked).is_gone, team(linked).is_chosen, team(linked).held_by) == (False, False, None)
    assert SyncRun.unscoped.filter(state=team(linked)).latest("started_at").outcome == "interrupted"
    linked.refresh_from_db()
    assert linked.sync_status == "active"


def test_one_that_went_before_its_first_sync_ended_is_read_when_it_is_back(
    linked: Integration, hide: Hide, run_jobs: Callable[[], int]
) -> None:
    SyncState.unscoped.filter(pk=team(linked).pk).update(next_poll_at=None, last_success_at=None)
    for is_hidden in (True, False):
        hide(is_hidden)
        jobs.list_resources(str(linked.pk))
    assert team(linked).is_chosen


def test_taking_back_the_leave_to_list_and_giving_it_again_loses_no_choice(
    linked: Integration, link: Link, alice: User
) -> None:
    link(alice, scopes=GOOGLE_SCOPES[:3])
    assert team(linked).is_gone
    link(alice)
    assert (team(linked).is_gone, team(linked).is_chosen) == (False, True)
