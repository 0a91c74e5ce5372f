"""A change at the provider becomes a touchpoint here: it pushes to the live server, and the inbox does the rest."""

from collections.abc import Callable
from time import monotonic, sleep

import pytest
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from integrations import channels
from integrations.models import Channel, SyncRun
from relationships.models import Organization, OrganizationDomain, Touchpoint, User
from tests.integrations.calendar.test_sync import at, meeting
from tests.pretend_google import Google, Link, state_of
from webhooks import drain, replay, settling
from webhooks.models import Delivery, WebhookFailure

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pushed(google: Google, live_server: LiveServer, settings: Settings) -> Google:
    """The pretend Google, pushing to the live server."""
    settings.PUBLIC_URL = live_server.url
    google.http.delete(f"{google.url}/control/faults")
    return google


def wait(google: Google) -> None:
    """Until every push was answered."""
    deadline = monotonic() + 15
    while google.get("idle")["pending"]:
        assert monotonic() < deadline, google.get("pushes")
        sleep(0.02)


def work_off(run_jobs: Callable[[], int]) -> None:
    """What the worker does, once round."""
    while drain.run():
        pass
    run_jobs()
    settling.settle()


def test_a_new_meeting_arrives_by_push(pushed: Google, link: Link, alice: User, run_jobs: Callable[[], int]) -> None:
    organization = Organization.unscoped.create(company=alice.company, name="Alder Pension")
    OrganizationDomain.unscoped.create(company=alice.company, organization=organization, domain="alder.example")
    integration = link(alice)
    wait(pushed)
    work_off(run_jobs)
    assert Delivery.objects.get().status == "ignored"

    pushed.post("google/events", calendar=alice.email, events=[meeting("new", at(2), alice.email, "x@alder.example")])
    wait(pushed)
    delivery = Delivery.objects.latest("received_at")
    assert delivery.status == "received"
    work_off(run_jobs)

    delivery.refresh_from_db()
    assert (delivery.status, delivery.company_id) == ("done", alice.company_id)
    assert Touchpoint.unscoped.get().title == "Meeting new"
    run = SyncRun.unscoped.filter(state=state_of(integration)).latest("started_at")
    assert (run.trigger, run.kind, run.changed) == ("push", "changes", 1)
    assert "channel-token" not in str(delivery.headers)


def test_many_pushes_cost_one_sync(pushed: Google, link: Link, alice: User, run_jobs: Callable[[], int]) -> None:
    integration = link(alice)
    wait(pushed)
    work_off(run_jobs)
    runs = SyncRun.unscoped.filter(state=state_of(integration)).count()
    pushed.post("google/push", calendar=alice.email, times=60)
    wait(pushed)

    assert Delivery.objects.filter(status="received").count() == 60
    work_off(run_jobs)

    assert SyncRun.unscoped.filter(state=state_of(integration)).count() == runs + 1
    assert Delivery.objects.filter(status="done").count() == 60


def test_doubled_and_shuffled_pushes_are_one_row_each(
    pushed: Google, link: Link, alice: User, run_jobs: Callable[[], int]
) -> None:
    link(alice)
    wait(pushed)
    pushed.fault("push", "doubled", times=None)
    pushed.post("google/push", calendar=alice.email, times=5)
    wait(pushed)

    assert Delivery.objects.count() == 6


def test_a_sync_that_fails_for_good_fails_its_delivery_and_a_replay_mends_it(
    pushed: Google, link: Link, alice: User, staff: User, run_jobs: Callable[[], int]
) -> None:
    linked = link(alice)
    wait(pushed)
    work_off(run_jobs)
    pushed.fault("calendar.events.list", "forbidden_403", times=1)
    pushed.post("google/events", calendar=alice.email, events=[meeting("new", at(2), alice.email, "x@alder.example")])
    wait(pushed)
    work_off(run_jobs)

    failure = WebhookFailure.objects.get()
    assert (failure.resolved, failure.delivery.status) == (False, "failed")
    assert "Google refuses access" in str(failure.error)
    causes = [group.cause for group in replay.plan(Delivery.objects.filter(pk=failure.delivery_id)).groups]
    assert causes == [failure.error] == [state_of(linked).last_error]

    replay.replay(failure.delivery, asked_by=staff, reason="Access was granted again.")
    work_off(run_jobs)
    failure.refresh_from_db()
    assert (failure.resolved, failure.delivery.status) == (True, "done")


def test_a_replay_that_fails_otherwise_says_the_newest_cause(
    pushed: Google, link: Link, alice: User, staff: User, run_jobs: Callable[[], int]
) -> None:
    link(alice)
    wait(pushed)
    work_off(run_jobs)
    pushed.fault("calendar.events.list", "forbidden_403", times=1)
    pushed.post("google/push", calendar=alice.email)
    wait(pushed)
    work_off(run_jobs)
    pushed.fault("calendar.events.list", "forbidden_403", times=1)

    failure = WebhookFailure.objects.get()
    cause = (failure.error, failure.fingerprint)
    WebhookFailure.objects.update(error="Something else.", fingerprint="other")
    replay.replay(failure.delivery, asked_by=staff, reason="Once more.")
    work_off(run_jobs)

    failure = WebhookFailure.objects.get()
    assert not failure.resolved
    assert (failure.error, failure.fingerprint) == cause


def test_a_forged_push_is_refused_and_a_stopped_channel_unknown(
    pushed: Google, link: Link, alice: User, live_server: LiveServer
) -> None:
    link(alice)
    wait(pushed)
    before = Delivery.objects.count()
    channel = Channel.unscoped.get()
    headers = {
        "X-Goog-Channel-ID": channel.channel_id,
        "X-Goog-Channel-Token": "guess",
        "X-Goog-Resource-ID": channel.resource_id,
        "X-Goog-Resource-State": "exists",
        "X-Goog-Message-Number": "99",
    }
    answer = pushed.http.post(f"{live_server.url}/webhooks/calendar-event/google", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert Delivery.objects.count() == before


def test_a_channel_we_gave_up_is_stopped_when_it_pushes(
    pushed: Google, link: Link, alice: User, run_jobs: Callable[[], int]
) -> None:
    link(alice)
    wait(pushed)
    Channel.unscoped.update(state="expired", resource_id="")
    pushed.post("google/push", calendar=alice.email)
    wait(pushed)

    assert Channel.unscoped.get().state == "stopping"
    assert channels.stop_due() == 1
    assert pushed.requests_of("calendar.channels.stop") == 1
    assert pushed.get("google/channels")["channels"] == []
