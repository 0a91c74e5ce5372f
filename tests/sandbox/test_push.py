"""Push channels: what arrives at the webhook address, in which order, and when it stops."""

from typing import Any
from uuid import uuid4

import pytest
from googleapiclient.errors import HttpError

from tests.sandbox.conftest import ALICE, BOB, Receiver, until
from tests.sandbox.person import Json, Scene, timed

SLOT = ("2027-03-10T08:00:00Z", "2027-03-10T09:00:00Z")


def watch(calendar: Any, receiver: Receiver, **more: Any) -> Json:
    """Open a channel on the user's own calendar."""
    body = {"id": str(uuid4()), "type": "web_hook", "address": receiver.url, "token": "token-1"} | more
    reply: Json = calendar.events().watch(calendarId="primary", body=body).execute()
    return reply


def settle(scene: Scene) -> None:
    """Wait until every message is done with."""
    until(lambda: scene.get("idle")["pending"] == 0)


def test_sync_then_exists_with_googles_headers(scene: Scene, receiver: Receiver) -> None:
    reply = watch(scene.calendar(ALICE), receiver)
    assert isinstance(reply["expiration"], str)
    scene.put(ALICE, timed("one", *SLOT), silent=False)
    sync, exists = receiver.wait_for(2)
    assert (sync["X-Goog-Resource-State"], sync["X-Goog-Message-Number"]) == ("sync", "1")
    assert exists["X-Goog-Resource-State"] == "exists"
    assert exists["X-Goog-Channel-ID"] == reply["id"]
    assert exists["X-Goog-Resource-ID"] == reply["resourceId"]
    assert exists["X-Goog-Resource-URI"] == reply["resourceUri"]
    assert exists["X-Goog-Channel-Token"] == "token-1"
    assert exists["Content-Type"] == "application/json; utf-8"
    assert exists["X-Goog-Channel-Expiration"].endswith("GMT")
    assert receiver.bodies == [b"", b""]


def test_numbers_rise_with_gaps(scene: Scene, receiver: Receiver) -> None:
    watch(scene.calendar(ALICE), receiver)
    scene.post("google/push", calendar=ALICE, times=5)
    receiver.wait_for(6)
    assert receiver.numbers == sorted(set(receiver.numbers))
    assert receiver.numbers != list(range(1, 7))


def test_one_message_for_each_change_none_for_silent_ones(scene: Scene, receiver: Receiver) -> None:
    watch(scene.calendar(ALICE), receiver)
    scene.put(ALICE, timed("silent", *SLOT))
    scene.put(ALICE, timed("one", *SLOT), timed("two", *SLOT), silent=False)
    scene.post("google/events/cancel", calendar=ALICE, ids=["one"])
    settle(scene)
    assert len(receiver.came) == 4


def test_a_colleagues_calendar_pushes_too(scene: Scene, receiver: Receiver) -> None:
    watch(scene.calendar(BOB), receiver)
    scene.put(ALICE, timed("pitch", *SLOT, attendees=[{"email": BOB}]), silent=False)
    assert receiver.wait_for(2)[1]["X-Goog-Resource-State"] == "exists"


def test_sync_may_overtake_the_reply(scene: Scene, receiver: Receiver) -> None:
    scene.post("google/push_options", sync_before_reply=True)
    watch(scene.calendar(ALICE), receiver)
    assert len(receiver.came) == 1


def test_server_errors_are_retried_others_are_final(scene: Scene, receiver: Receiver) -> None:
    receiver.answers = [503, 500, 200, 404, 302, 429]
    watch(scene.calendar(ALICE), receiver)
    scene.post("google/push", calendar=ALICE, times=3)
    settle(scene)
    assert receiver.numbers[:3] == [1, 1, 1]
    assert len(set(receiver.numbers[3:])) == 3
    counts = scene.get("pushes")["counts"]
    assert counts == {"sent": 4, "retried": 2, "accepted": 1, "refused": 3, "lost": 0}
    assert [one["status"] for one in scene.get("pushes")["last"]] == [503, 500, 200, 404, 302, 429]


def test_a_receiver_that_comes_up_late_gets_the_message(scene: Scene, receiver: Receiver) -> None:
    scene.post("google/push_options", sync_before_reply=False)
    watch(scene.calendar(ALICE), receiver, address="http://127.0.0.1:1/nobody")
    until(lambda: scene.get("pushes")["counts"]["retried"] >= 1)
    assert scene.get("pushes")["last"][0]["status"] == "unreachable"
    assert scene.get("idle")["pending"] == 1


def test_faults_of_delivery(scene: Scene, receiver: Receiver) -> None:
    watch(scene.calendar(ALICE), receiver)
    receiver.wait_for(1)
    scene.post("faults", operation="push", kind="lost")
    scene.post("google/push", calendar=ALICE)
    scene.post("faults", operation="push", kind="doubled")
    scene.post("google/push", calendar=ALICE)
    settle(scene)
    doubled = receiver.numbers[1:]
    assert len(doubled) == 2
    assert len(set(doubled)) == 1
    scene.post("faults", operation="push", kind="reordered", seconds=1)
    scene.post("google/push", calendar=ALICE, times=2)
    settle(scene)
    first, second = receiver.numbers[3:]
    assert first > second
    assert scene.get("pushes")["counts"]["lost"] == 1


def test_the_same_message_many_times(scene: Scene, receiver: Receiver) -> None:
    watch(scene.calendar(ALICE), receiver)
    scene.post("google/push", calendar=ALICE, times=3, distinct=False)
    settle(scene)
    assert len(set(receiver.numbers[1:])) == 1
    assert len(receiver.numbers) == 4


def test_stop_needs_both_ids_and_the_same_user(scene: Scene, receiver: Receiver) -> None:
    alice, bob = scene.calendar(ALICE), scene.calendar(BOB)
    reply = watch(alice, receiver)
    ids = {"id": reply["id"], "resourceId": reply["resourceId"]}
    for service, body in ((alice, ids | {"resourceId": "else"}), (bob, ids), (alice, {"id": "else"})):
        with pytest.raises(HttpError) as error:
            service.channels().stop(body=body).execute()
        assert error.value.status_code == 404
    assert alice.channels().stop(body=ids).execute() == ""
    settle(scene)
    before = len(receiver.came)
    scene.put(ALICE, timed("one", *SLOT), silent=False)
    settle(scene)
    assert len(receiver.came) == before


def test_channels_of_one_calendar_share_the_resource_and_both_fire(scene: Scene, receiver: Receiver) -> None:
    calendar = scene.calendar(ALICE)
    first, second = watch(calendar, receiver), watch(calendar, receiver)
    assert first["resourceId"] == second["resourceId"]
    scene.put(ALICE, timed("one", *SLOT), silent=False)
    assert len(receiver.wait_for(4)) == 4


def test_an_expired_channel_is_silent(scene: Scene, receiver: Receiver) -> None:
    calendar = scene.calendar(ALICE)
    watch(calendar, receiver, params={"ttl": "3600"})
    settle(scene)
    scene.post("clock", advance_seconds=3601)
    scene.put(ALICE, timed("one", *SLOT), silent=False)
    settle(scene)
    assert len(receiver.came) == 1
    watch(scene.calendar(ALICE), receiver)
    settle(scene)
    scene.post("google/channels/expire", calendar=ALICE)
    scene.put(ALICE, timed("two", *SLOT), silent=False)
    settle(scene)
    assert len(receiver.came) == 2
    assert [one["is_live"] for one in scene.get("google/channels")["channels"]] == [False, False]


def test_the_default_life_is_a_week_and_a_wish_is_capped(scene: Scene, receiver: Receiver) -> None:
    calendar = scene.calendar(ALICE)
    scene.post("clock", set="2027-03-01T00:00:00Z")
    calendar = scene.calendar(ALICE)
    start = 1_803_859_200_000
    assert 0 <= int(watch(calendar, receiver)["expiration"]) - start - 604_800_000 < 20_000
    long = int(watch(calendar, receiver, params={"ttl": "99999999"})["expiration"])
    assert 0 <= long - start - 30 * 86_400_000 < 20_000
    wished = start + 3_600_000
    assert watch(calendar, receiver, expiration=str(wished))["expiration"] == str(wished)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"address": "ftp://127.0.0.1/x"}, "push.webhookUrlNotHttps"),
        ({"id": "not allowed!"}, "invalid"),
        ({"id": "x" * 65}, "invalid"),
        ({"token": "x" * 257}, "invalid"),
        ({"type": "mail"}, "invalid"),
        ({"expiration": "1"}, "invalid"),
    ],
)
def test_channels_google_refuses(scene: Scene, receiver: Receiver, more: dict[str, str], reason: str) -> None:
    with pytest.raises(HttpError) as error:
        watch(scene.calendar(ALICE), receiver, **more)
    assert (error.value.status_code, error.value.error_details[0]["reason"]) == (400, reason)


def test_a_channel_id_is_good_once(scene: Scene, receiver: Receiver) -> None:
    calendar = scene.calendar(ALICE)
    reply = watch(calendar, receiver)
    with pytest.raises(HttpError) as error:
        watch(calendar, receiver, id=reply["id"])
    assert error.value.error_details[0]["reason"] == "channelIdNotUnique"
