"""A change in Outlook arrives through Graph's notifications, which the live server agreed to when it asked for them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic, sleep
from typing import Any

import pytest
import requests
from django.utils import timezone
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from integrations import channels, jobs, linking
from integrations.contract import OpenedChannel
from integrations.models import Channel, Integration, SyncRun, SyncState
from integrations.providers.microsoft import subscriptions as graph_subscriptions
from relationships import tenancy
from relationships.models import Organization, OrganizationDomain, Touchpoint, User
from tests.integrations.calendar.test_sync import at
from tests.pretend_microsoft import Microsoft
from webhooks import drain, inbox, settling
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = {"calendar": "events", "email": "messages"}
PATHS = {"calendar": "/webhooks/calendar-event", "email": "/webhooks/email-received"}
Json = dict[str, Any]


@pytest.fixture
def pushed(microsoft: Microsoft, live_server: LiveServer, settings: Settings) -> Microsoft:
    """The pretend Microsoft, notifying the live server."""
    settings.PUBLIC_URL = live_server.url
    microsoft.http.delete(f"{microsoft.url}/control/faults", timeout=20)
    return microsoft


@pytest.fixture
def work_off(microsoft: Microsoft) -> Callable[[], None]:
    """Wait until every notification is done with, then do what the worker does, once round."""

    def run() -> None:
        deadline = monotonic() + 20
        while microsoft.get("idle")["pending"]:
            assert monotonic() < deadline, microsoft.get("pushes")
            sleep(0.02)
        while drain.run():
            pass
        microsoft.run_jobs()
        settling.settle()

    return run


def know(user: User) -> None:
    """Let the user's company know the firm that meets and writes."""
    firm = Organization.unscoped.create(company=user.company, name="Alder Pension")
    OrganizationDomain.unscoped.create(company=user.company, organization=firm, domain="alder.example")


def meet(microsoft: Microsoft, account: str, **more: Any) -> None:
    """Put a meeting with that firm into a calendar."""
    start = at(2)
    times = {"start": stamp(start), "end": stamp(start + timedelta(hours=1))}
    guests = [{"emailAddress": {"address": "lena@alder.example"}}]
    event = {"subject": "Pitch", "attendees": guests} | times | more
    microsoft.post("microsoft/events", account=account, events=[event])


def stamp(moment: Any) -> Json:
    return {"dateTime": moment.isoformat()[:19], "timeZone": "UTC"}


def write(microsoft: Microsoft, account: str) -> None:
    """Put a mail of that firm into a mailbox."""
    mail = {"from": "lena@alder.example", "to": account, "subject": "The fund"}
    microsoft.post("microsoft/messages", account=account, **mail)


def notify(microsoft: Microsoft, *ids: str, kind: str = "calendar", account: str = "", **more: Any) -> None:
    microsoft.post("microsoft/notify", account=account or "alice@acme.example", kind=KINDS[kind], ids=ids, **more)


def subscriptions(microsoft: Microsoft) -> list[Json]:
    return microsoft.get("microsoft/subscriptions")["subscriptions"]


def only(microsoft: Microsoft) -> Json:
    """The one subscription there is."""
    [one] = subscriptions(microsoft)
    return one


def notice(subscription: Json, **changes: Any) -> Json:
    """A notification as Graph makes it."""
    data = {"@odata.type": "#Microsoft.Graph.Event", "@odata.etag": 'W/"1"', "id": "AAMk1"}
    return {
        "subscriptionId": subscription["id"],
        "subscriptionExpirationDateTime": subscription["expiration"],
        "clientState": subscription["client_state"],
        "tenantId": subscription["tenant"],
        "changeType": "updated",
        "resource": "Users/1/Events/AAMk1",
        "resourceData": data,
    } | changes


def post(server: LiveServer, *items: Json, kind: str = "calendar") -> int:
    answer = requests.post(
        f"{server.url}{PATHS[kind]}/microsoft",
        data=json.dumps({"value": items}).encode(),
        headers={"Content-Type": "application/json"},
        timeout=20,
    )
    return answer.status_code


@pytest.mark.parametrize("kind", ["calendar", "email"])
def test_linking_subscribes_and_shakes_hands_meanwhile(
    pushed: Microsoft, alice: User, live_server: LiveServer, kind: str
) -> None:
    integration = pushed.link(alice, kind)
    channel = Channel.unscoped.get(integration=integration)
    assert (channel.state, channel.error) == ("live", "")
    assert channel.renew_at is not None
    assert timezone.now() + timedelta(hours=23) < channel.renew_at < timezone.now() + timedelta(hours=25)
    one = only(pushed)
    assert (one["id"], one["kind"], one["is_immutable"]) == (channel.resource_id, KINDS[kind], True)
    assert one["notification_url"] == one["lifecycle_url"]
    assert one["notification_url"].startswith(f"{live_server.url}{PATHS[kind]}/microsoft?")
    assert one["client_state"] == f"{channel.channel_id}.{channels.unseal(channel)}"
    assert len(one["client_state"]) <= 128


def test_an_installation_that_cannot_be_reached_says_so_and_polls(microsoft: Microsoft, alice: User) -> None:
    integration = microsoft.link(alice, "calendar")
    channel = Channel.unscoped.get(integration=integration)
    assert (channel.state, subscriptions(microsoft)) == ("failed", [])
    assert "could not reach this installation's public address" in channel.error
    integration.refresh_from_db()
    assert integration.sync_status == "active"


@pytest.mark.parametrize("kind", ["calendar", "email"])
def test_a_change_arrives(pushed: Microsoft, alice: User, work_off: Callable[[], None], kind: str) -> None:
    know(alice)
    integration = pushed.link(alice, kind)
    work_off()
    put = meet if kind == "calendar" else write
    put(pushed, alice.email)
    work_off()
    assert {(one.status, one.company_id) for one in Delivery.objects.all()} == {("done", alice.company_id)}
    assert Touchpoint.unscoped.get().company_id == alice.company_id
    run = SyncRun.unscoped.filter(state__integration=integration).latest("started_at")
    assert (run.trigger, run.kind, run.outcome) == ("push", "changes", "done")


def test_no_secret_of_a_subscription_is_stored(pushed: Microsoft, alice: User, work_off: Callable[[], None]) -> None:
    pushed.link(alice, "calendar")
    notify(pushed, "one")
    work_off()
    [delivery] = Delivery.objects.all()
    body = inbox.body_of(delivery)
    assert b"clientState" not in body
    assert channels.unseal(Channel.unscoped.get()).encode() not in body
    assert json.loads(body)["value"][0]["resourceData"]["id"] == "one"


def test_many_changes_of_one_moment_are_one_delivery_and_one_sync(
    pushed: Microsoft, alice: User, work_off: Callable[[], None]
) -> None:
    integration = pushed.link(alice, "calendar")
    work_off()
    runs = SyncRun.unscoped.filter(state__integration=integration).count()
    notify(pushed, *map(str, range(250)))
    work_off()
    assert 1 <= Delivery.objects.count() <= 250
    assert Delivery.objects.filter(status="done").count() == Delivery.objects.count()
    assert SyncRun.unscoped.filter(state__integration=integration).count() == runs + 1


@pytest.mark.parametrize(("fault", "deliveries"), [("doubled", 2), ("late", 2), ("reordered", 2), ("lost", 1)])
def test_doubled_late_shuffled_and_lost(
    pushed: Microsoft, alice: User, work_off: Callable[[], None], fault: str, deliveries: int
) -> None:
    know(alice)
    pushed.link(alice, "calendar")
    work_off()
    pushed.fault("push", fault, **({"seconds": 0.1} if fault in {"late", "reordered"} else {}))
    notify(pushed, "one")
    meet(pushed, alice.email)
    work_off()
    assert Delivery.objects.filter(status="done").count() == Delivery.objects.count() == deliveries
    assert Touchpoint.unscoped.get().title == "Pitch"


def test_what_comes_before_the_answer_to_our_request_is_not_lost(
    pushed: Microsoft, alice: User, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, answers = channels._go_live, []

    def go_live(*arguments: Any) -> None:
        answers.append(post(live_server, notice(only(pushed))))
        original(*arguments)

    monkeypatch.setattr(channels, "_go_live", go_live)
    pushed.link(alice, "calendar")
    assert answers == [202]
    assert Delivery.objects.get().company_id == alice.company_id


def test_who_does_not_know_the_state_is_refused(pushed: Microsoft, alice: User, live_server: LiveServer) -> None:
    channel = Channel.unscoped.get(integration=pushed.link(alice, "calendar"))
    one = only(pushed)
    for state in ("", None, 7, ["a"], "guess", f"{channel.channel_id}.", f"{channel.channel_id}.k.n.m", "." * 128,
                  one["client_state"] + "x", one["client_state"].replace("-", "", 1)):  # fmt: skip
        assert post(live_server, notice(one, clientState=state)) == 401, state
    assert not Delivery.objects.exists()


def test_forged_ones_among_good_ones_are_dropped(pushed: Microsoft, alice: User, live_server: LiveServer) -> None:
    pushed.link(alice, "calendar")
    one = only(pushed)
    forged = notice(one, clientState="guess", resourceData={"id": "forged"})
    assert post(live_server, forged, notice(one), forged) == 202
    assert b"forged" not in inbox.body_of(Delivery.objects.get())


def test_a_subscription_that_nobody_knows_is_acknowledged(
    pushed: Microsoft, alice: User, live_server: LiveServer
) -> None:
    pushed.link(alice, "calendar")
    assert post(live_server, notice(only(pushed), subscriptionId="7f105c7d-2dc5-4530-97cd-4e7ae6534c07")) == 200
    assert (Delivery.objects.get().status, Delivery.objects.get().error) == ("ignored", inbox.NOBODY_WATCHES)


def test_one_request_of_several_subscriptions(
    pushed: Microsoft, alice: User, bob: User, charlie: User, live_server: LiveServer
) -> None:
    pushed.post("microsoft/accounts", upn=charlie.email)
    linked = [pushed.link(user, "calendar") for user in (alice, bob, charlie)]
    every = subscriptions(pushed)
    items = [notice(one, resourceData={"id": f"{number} of {one['account']}"}) for one in every for number in range(3)]
    assert post(live_server, *items) == 202
    assert post(live_server, *items) == 200
    found = {one.sync_state.integration_id: one for one in Delivery.objects.all()}  # type: ignore[union-attr]
    assert set(found) == {integration.pk for integration in linked}
    for integration in linked:
        delivery = found[integration.pk]
        said = [item["resourceData"]["id"] for item in json.loads(inbox.body_of(delivery))["value"]]
        assert said == [f"{number} of {integration.account_address}" for number in range(3)]
        assert delivery.company_id == integration.company_id


def test_two_companies_with_one_account_share_a_subscription(
    pushed: Microsoft, alice: User, charlie: User, work_off: Callable[[], None]
) -> None:
    know(alice)
    know(charlie)
    first, second = (pushed.link(user, "calendar", alice.email) for user in (alice, charlie))
    one = only(pushed)
    assert set(Channel.unscoped.values_list("resource_id", "state")) == {(one["id"], "live")}
    meet(pushed, alice.email)
    work_off()
    assert set(Delivery.objects.values_list("company", "status")) == {
        (alice.company_id, "done"),
        (charlie.company_id, "done"),
    }
    assert Touchpoint.unscoped.count() == 2

    disconnect(pushed, first)
    assert only(pushed)["id"] == one["id"]
    assert Channel.unscoped.get(integration=first).state == "stopped"
    notify(pushed, "after")
    work_off()
    assert Delivery.objects.latest("received_at").company_id == charlie.company_id

    disconnect(pushed, second)
    assert subscriptions(pushed) == []


def test_a_subscription_that_is_being_adopted_is_not_stopped(
    pushed: Microsoft, alice: User, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id is not on the other's row yet, which would be live without any."""
    first, original = pushed.link(alice, "calendar"), graph_subscriptions.watch

    def watch(*arguments: Any) -> OpenedChannel:
        monkeypatch.setattr(graph_subscriptions, "watch", original)
        opened = original(*arguments)
        with tenancy.within(first.company_id):
            linking.disconnect(first, is_data_deleted=False)
        jobs.end_grant(str(first.pk))
        return opened

    monkeypatch.setattr(graph_subscriptions, "watch", watch)
    second = pushed.link(charlie, "calendar", alice.email)
    assert Channel.unscoped.get(integration=first).state == "stopped"
    assert Channel.unscoped.get(integration=second).resource_id == only(pushed)["id"]


def disconnect(microsoft: Microsoft, integration: Integration) -> None:
    with tenancy.within(integration.company_id):
        linking.disconnect(integration, is_data_deleted=False)
    microsoft.run_jobs()


def test_several_calendars_of_one_account_share_a_subscription(
    pushed: Microsoft, alice: User, work_off: Callable[[], None]
) -> None:
    pushed.post("microsoft/calendars", account=alice.email, name="Team")
    integration = pushed.link(alice, "calendar")
    SyncState.unscoped.filter(integration=integration).update(is_chosen=True)
    channels.renew_due()
    one = only(pushed)
    assert list(Channel.unscoped.values_list("resource_id", flat=True)) == [one["id"]] * 2
    notify(pushed, "one")
    work_off()
    assert Delivery.objects.filter(status="done").values("sync_state").distinct().count() == 2

    channel = Channel.unscoped.first()
    assert channel is not None
    Channel.unscoped.filter(pk=channel.pk).update(state="stopping")
    assert channels.stop_due() == 1
    assert only(pushed)["id"] == one["id"]


def test_reauthorization_renews_at_once_and_looks_after_what_the_pause_kept(
    pushed: Microsoft, alice: User, work_off: Callable[[], None]
) -> None:
    know(alice)
    pushed.link(alice, "calendar")
    work_off()
    before = only(pushed)
    pushed.post("microsoft/lifecycle", account=alice.email, event="reauthorizationRequired")
    work_off()
    assert only(pushed)["is_paused"]
    meet(pushed, alice.email)
    channels.renew_due()
    work_off()
    after = only(pushed)
    assert (after["id"], after["is_paused"]) == (before["id"], False)
    assert pushed.requests_of("graph.subscriptions.create") == 1
    assert Touchpoint.unscoped.get().title == "Pitch"
    assert Channel.unscoped.get().state == "live"


def test_a_removed_subscription_is_made_anew_and_the_gap_is_read(
    pushed: Microsoft, alice: User, charlie: User, work_off: Callable[[], None]
) -> None:
    know(alice)
    for user in (alice, charlie):
        pushed.link(user, "calendar", alice.email)
    work_off()
    before = only(pushed)
    pushed.post("microsoft/lifecycle", account=alice.email, event="subscriptionRemoved")
    meet(pushed, alice.email)
    work_off()
    after = only(pushed)
    assert after["id"] != before["id"]
    assert set(Channel.unscoped.values_list("resource_id", "state", "error")) == {(after["id"], "live", "")}
    assert Touchpoint.unscoped.get().company_id == alice.company_id
    assert Delivery.objects.filter(status="done").count() == 2
    notify(pushed, "after")
    work_off()
    assert Delivery.objects.filter(status="done").count() == 4


def test_missed_notifications_are_read_by_a_sync(pushed: Microsoft, alice: User, work_off: Callable[[], None]) -> None:
    know(alice)
    pushed.link(alice, "email")
    work_off()
    pushed.fault("push", "lost")
    write(pushed, alice.email)
    work_off()
    assert not Touchpoint.unscoped.exists()
    pushed.post("microsoft/lifecycle", account=alice.email, event="missed")
    work_off()
    assert Touchpoint.unscoped.count() == 1
    assert Delivery.objects.get().status == "done"
    assert pushed.requests_of("graph.subscriptions.update") == 0


def test_the_same_lifecycle_event_twice_is_one(pushed: Microsoft, alice: User, live_server: LiveServer) -> None:
    pushed.link(alice, "calendar")
    one = only(pushed)
    event = {name: value for name, value in notice(one).items() if name in {"subscriptionId", "clientState"}}
    said = [post(live_server, event | {"lifecycleEvent": "missed"}) for _ in range(3)]
    assert said[0] == 202
    # Ten minutes may end just between two of them.
    assert said.count(200) >= 1
    assert Delivery.objects.count() == said.count(202)


def test_a_dead_grant_holds_what_comes_and_subscribes_again_after(
    pushed: Microsoft, alice: User, work_off: Callable[[], None]
) -> None:
    pushed.link(alice, "calendar")
    work_off()
    Integration.unscoped.update(expires_at=timezone.now())
    pushed.post("microsoft/revoke", account=alice.email)
    work_off()
    assert Integration.unscoped.get().sync_status == "stale"
    assert subscriptions(pushed) == []
    assert Delivery.objects.get().status == "held"

    pushed.link(alice, "calendar")
    channels.renew_due()
    work_off()
    assert only(pushed)["id"] == Channel.unscoped.get(state="live").resource_id
    assert Delivery.objects.get().status == "done"


def test_all_of_a_storm_is_accepted(
    pushed: Microsoft, alice: User, bob: User, live_server: LiveServer, work_off: Callable[[], None]
) -> None:
    for user in (alice, bob):
        pushed.link(user, "calendar")
    every = subscriptions(pushed)
    work_off()

    def send(number: int) -> int:
        items = [notice(one, resourceData={"@odata.etag": f'W/"{number}"', "id": f"{number}"}) for one in every]
        return post(live_server, *items * 20)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(120)))
    assert set(answers) == {202}
    assert Delivery.objects.count() == 240
    runs = SyncRun.unscoped.count()
    work_off()
    assert set(Delivery.objects.values_list("status", flat=True)) == {"done"}
    # 240 in batches of 200: each calendar is read twice at most.
    assert SyncRun.unscoped.count() <= runs + 4
