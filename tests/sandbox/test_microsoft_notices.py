"""Notifications of the pretend Graph: what arrives, how often, and what a subscription is told of itself."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import quote

import pytest

from sandbox.microsoft import handshake, notices
from sandbox.server import Sandbox
from tests.sandbox.conftest import until
from tests.sandbox.graph import Graph, linked
from tests.sandbox.hook import ANNA, SECRET, Hook, later, listening, notify, order, settle, subscribe
from tests.sandbox.person import Scene

OTTO = "otto@contoso.example"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A live webhook address."""
    with listening() as hook:
        yield hook


@pytest.fixture
def anna(scene: Scene) -> Graph:
    """Anna of Contoso, who granted calendars and mail."""
    scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller")
    return linked(scene, ANNA, "Calendars.Read", "Mail.ReadBasic")


def void(_: object) -> None:
    """Nothing, whatever came of it."""


def test_a_notification_names_the_item_and_its_subscription(anna: Graph, hook: Hook) -> None:
    created = subscribe(anna, hook, IMMUTABLE)
    notify(anna.scene, "AAkALgAA-one", change="created")
    settle(anna.scene)
    [[item]] = hook.came
    account = anna.scene.post("microsoft/accounts", upn=ANNA)
    assert item["subscriptionId"] == created["id"]
    assert item["subscriptionExpirationDateTime"] == created["expirationDateTime"]
    assert item["clientState"] == SECRET
    assert item["tenantId"] == account["tenant"]
    assert item["changeType"] == "created"
    assert item["resource"] == f"Users/{account['oid']}/Events/AAkALgAA-one"
    assert item["resourceData"]["id"] == "AAkALgAA-one"
    assert item["resourceData"]["@odata.type"] == "#Microsoft.Graph.Event"
    assert item["resourceData"]["@odata.etag"].startswith('W/"')


@pytest.mark.parametrize("headers", [IMMUTABLE, {}], ids=["immutable", "plain"])
def test_what_happens_in_a_calendar_is_told_by_ids_that_lead_to_it(
    anna: Graph, hook: Hook, headers: dict[str, str]
) -> None:
    subscribe(anna, hook, headers)
    times = {"start": {"dateTime": "2027-03-10T08:00:00", "timeZone": "UTC"}}
    times["end"] = {"dateTime": "2027-03-10T09:00:00", "timeZone": "UTC"}
    [known_id] = anna.scene.post("microsoft/events", account=ANNA, events=[{"subject": "Pitch"} | times])["ids"]
    settle(anna.scene)
    anna.scene.post(
        "microsoft/events/change", account=ANNA, id=known_id, changes={"subject": "Second pitch"}, silent=True
    )
    anna.scene.post("microsoft/events/change", account=ANNA, id=known_id, changes={"subject": "Third pitch"})
    settle(anna.scene)
    assert [item["changeType"] for item in hook.items] == ["created", "updated"]
    [told_id] = {item["resourceData"]["id"] for item in hook.items}
    assert (told_id == known_id) is (headers == IMMUTABLE)
    found = anna.get(f"/me/events/{quote(told_id)}", headers=headers).json()
    assert (found["id"], found["subject"]) == (told_id, "Third pitch")
    anna.scene.post("microsoft/events/delete", account=ANNA, ids=[known_id])
    settle(anna.scene)
    assert hook.items[-1]["changeType"] == "deleted"
    assert hook.items[-1]["resourceData"]["id"] == told_id


def test_changes_of_one_moment_come_in_one_request(anna: Graph, hook: Hook) -> None:
    first, second = subscribe(anna, hook), subscribe(anna, hook, changeType="updated")
    subscribe(anna, hook, resource="/me/messages")
    notify(anna.scene, "one", "two", "three")
    settle(anna.scene)
    assert [len(request) for request in hook.came] == [6]
    assert {item["subscriptionId"] for item in hook.items} == {first["id"], second["id"]}
    notify(anna.scene, "many", times=150)
    settle(anna.scene)
    assert sorted(len(request) for request in hook.came[1:]) == [100, 100, 100]


def test_only_what_was_asked_for_is_told(anna: Graph, hook: Hook) -> None:
    subscribe(anna, hook, changeType="deleted")
    subscribe(anna, hook, resource="/me/mailFolders('inbox')/messages")
    anna.scene.post("microsoft/accounts", upn=OTTO)
    notify(anna.scene, "one", change="updated")
    notify(anna.scene, "two", account=OTTO, change="deleted")
    notify(anna.scene, "three", kind="messages", folder="sentitems")
    settle(anna.scene)
    assert hook.came == []
    notify(anna.scene, "four", change="deleted")
    settle(anna.scene)
    notify(anna.scene, "five", kind="messages", folder="Inbox")
    settle(anna.scene)
    assert [item["resourceData"]["id"] for item in hook.items] == ["four", "five"]


def test_what_is_not_accepted_comes_again(anna: Graph, hook: Hook) -> None:
    subscribe(anna, hook)
    hook.answers = [500, 404, 302]
    notify(anna.scene, "one", "two")
    settle(anna.scene)
    assert len(hook.came) == 4
    assert all(request == hook.came[0] for request in hook.came)
    assert [one["status"] for one in anna.scene.get("pushes")["last"]] == [500, 404, 302, 202]


def test_each_try_comes_later_than_the_one_before_it(anna: Graph, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    original = notices.until_accepted

    def noted(status: int | str, tries: int) -> float | None:
        waits.append(original(status, tries))
        return None if waits[-1] is None else 0.0

    monkeypatch.setattr(notices, "until_accepted", noted)
    subscribe(anna, hook)
    hook.answers = [503] * 4
    notify(anna.scene, "one")
    settle(anna.scene)
    delays = [wait for wait in waits if wait is not None]
    assert (len(delays), waits[-1]) == (4, None)
    assert all(later_one == 2 * earlier for earlier, later_one in itertools.pairwise(delays))


def test_after_four_hours_it_gives_up_and_says_so(anna: Graph, hook: Hook) -> None:
    created = subscribe(anna, hook)
    hook.answers = [503] * 50
    notify(anna.scene, "one")
    until(lambda: len(hook.came) >= 2)
    anna.scene.post("clock", advance_seconds=4 * 3_600)
    hook.answers.clear()
    settle(anna.scene)
    last = hook.came[-1][0]
    assert (last["lifecycleEvent"], last["subscriptionId"]) == ("missed", created["id"])


def test_who_does_not_answer_in_time_hears_it_again(anna: Graph, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (notices.FIRST_SECONDS, notices.AGAIN_SECONDS, handshake.PATIENCE_SECONDS) == (3, 10, 10)
    monkeypatch.setattr(notices, "FIRST_SECONDS", 0.2)
    monkeypatch.setattr(handshake, "PATIENCE_SECONDS", 0.2)
    subscribe(anna, hook)
    has_come_again = Event()
    # The first answer comes only after the second try; that one has more time.
    hook.before_answer = lambda: has_come_again.set() if len(hook.came) > 1 else void(has_come_again.wait(10))
    notify(anna.scene, "one")
    settle(anna.scene)
    assert [one["status"] for one in anna.scene.get("pushes")["last"]] == ["unreachable", 202]
    assert hook.came[0] == hook.came[1]
    is_given_up = Event()
    hook.during = lambda: void(is_given_up.wait(10))
    refused = anna.post("/subscriptions", order(anna.scene, hook, changeType="created"))
    is_given_up.set()
    assert refused.json()["error"]["message"] == "Subscription validation request timed out."


def test_faults_on_the_way(anna: Graph, hook: Hook) -> None:
    subscribe(anna, hook)
    anna.scene.post("faults", operation="push", kind="lost")
    notify(anna.scene, "lost", "two")
    settle(anna.scene)
    assert [item["resourceData"]["id"] for item in hook.items] == ["two"]
    anna.scene.post("faults", operation="push", kind="doubled", account=ANNA)
    notify(anna.scene, "three")
    settle(anna.scene)
    assert [item["resourceData"]["id"] for item in hook.items] == ["two", "three", "three"]
    for kind in ("reordered", "late"):
        hook.came.clear()
        anna.scene.post("faults", operation="push", kind=kind, seconds=0.3)
        notify(anna.scene, "four", "five")
        settle(anna.scene)
        assert [item["resourceData"]["id"] for item in hook.items] == ["five", "four"]


def test_a_pause_loses_changes_until_it_is_lifted(anna: Graph, hook: Hook) -> None:
    path = f"/subscriptions/{subscribe(anna, hook)['id']}"
    lifted = [
        lambda: anna.post(f"{path}/reauthorize"),
        lambda: anna.call("PATCH", path, json={"expirationDateTime": later(anna.scene, 9_000)}),
    ]
    for lift, status in zip(lifted, (204, 200), strict=True):
        hook.came.clear()
        assert anna.scene.post("microsoft/lifecycle", account=ANNA, event="reauthorizationRequired") == {"sent": 1}
        notify(anna.scene, "lost")
        settle(anna.scene)
        [[event]] = hook.came
        assert event["lifecycleEvent"] == "reauthorizationRequired"
        assert event["clientState"] == SECRET
        assert not {"resource", "resourceData", "changeType"} & set(event)
        assert lift().status_code == status
        notify(anna.scene, "heard")
        settle(anna.scene)
        assert hook.items[-1]["resourceData"]["id"] == "heard"


def test_a_removed_one_says_so_and_is_gone(anna: Graph, hook: Hook) -> None:
    created = subscribe(anna, hook)
    subscribe(anna, hook, resource="/me/messages", lifecycleNotificationUrl=None)
    assert anna.scene.post("microsoft/lifecycle", account=ANNA, event="subscriptionRemoved") == {"sent": 1}
    settle(anna.scene)
    assert [(one["lifecycleEvent"], one["subscriptionId"]) for one in hook.items] == [
        ("subscriptionRemoved", created["id"])
    ]
    assert anna.get("/subscriptions").json()["value"] == []
    subscribe(anna, hook)
    anna.scene.post("microsoft/lifecycle", account=ANNA, event="missed")
    settle(anna.scene)
    assert hook.items[-1]["lifecycleEvent"] == "missed"
    assert len(anna.get("/subscriptions").json()["value"]) == 1


def test_with_the_grant_the_subscription_goes(anna: Graph, hook: Hook) -> None:
    subscribe(anna, hook)
    anna.scene.post("microsoft/revoke", account=ANNA)
    settle(anna.scene)
    assert [item["lifecycleEvent"] for item in hook.items] == ["subscriptionRemoved"]
    assert anna.get("/subscriptions").json()["value"] == []


def test_they_outlive_a_restart(hook: Hook, tmp_path: Path) -> None:
    with Sandbox(state_file=tmp_path / "state.json") as first:
        scene = Scene(first.url)
        scene.post("microsoft/accounts", upn=ANNA)
        subscribe(linked(scene, ANNA, "Calendars.Read"), hook)
    with Sandbox(state_file=tmp_path / "state.json") as second:
        scene = Scene(second.url)
        notify(scene, "one")
        settle(scene)
    assert [item["resourceData"]["id"] for item in hook.items] == ["one"]
