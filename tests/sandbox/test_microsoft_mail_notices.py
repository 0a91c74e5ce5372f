"""What subscribers hear of mail, and mail by $batch."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sandbox.clock import parse_instant
from tests.sandbox.conftest import until
from tests.sandbox.graph import Graph
from tests.sandbox.hook import Hook, listening
from tests.sandbox.outlook import ANNA, BEN, IMMUTABLE, mailbox, move, put, put_all, read
from tests.sandbox.person import Json, Scene


@pytest.fixture
def anna(scene: Scene) -> Graph:
    """Anna's mailbox."""
    return mailbox(scene)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A live webhook address."""
    with listening() as hook:
        yield hook


def subscribe(graph: Graph, hook: Hook, resource: str, prefer: str = IMMUTABLE) -> None:
    now = parse_instant(graph.scene.get("health")["now"])
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": f"{hook.url}/webhooks/email-received",
        "resource": resource,
        "expirationDateTime": (now + timedelta(days=1)).isoformat(),
        "clientState": "secret",
    }
    answer = graph.post("/subscriptions", body, headers={"Prefer": prefer} if prefer else {})
    assert answer.status_code == 201, answer.text


def told(hook: Hook, count: int) -> list[tuple[str, str]]:
    """What came so far: the kind of change and the id, once there are so many."""
    until(lambda: len(hook.items) >= count)
    return sorted((item["changeType"], item["resourceData"]["id"]) for item in hook.items)


def test_every_change_is_told_with_the_id_that_was_asked_for(anna: Graph, hook: Hook) -> None:
    subscribe(anna, hook, "/me/messages")
    message_id = put(anna, subject="Terms")
    anna.scene.post("microsoft/messages/mark", account=ANNA, id=message_id)
    anna.scene.post("microsoft/messages/delete", account=ANNA, id=message_id)
    assert told(hook, 3) == [("created", message_id), ("deleted", message_id), ("updated", message_id)]


@pytest.mark.parametrize("folder", ["inbox", "id"])
def test_a_move_leaves_one_folder_and_enters_another(anna: Graph, hook: Hook, folder: str) -> None:
    inbox = read(anna, "/me/mailFolders/inbox")["id"]
    subscribe(anna, hook, f"/me/mailFolders('{inbox if folder == 'id' else folder}')/messages", prefer="")
    subscribe(anna, hook, "/me/mailFolders/archive/messages")
    message_id = put(anna, subject="Terms")
    normal = read(anna, f"/me/messages/{message_id}")["id"]
    move(anna, message_id, "archive")
    assert told(hook, 3) == sorted([("created", normal), ("deleted", normal), ("created", message_id)])


def test_nobody_is_told_what_happens_silently(anna: Graph, hook: Hook) -> None:
    subscribe(anna, hook, "/me/messages")
    anna.scene.post("microsoft/messages", account=ANNA, subject="Quiet", silent=True)
    anna.scene.post("microsoft/messages/bulk", account=ANNA, count=5)
    sent = anna.scene.post("microsoft/messages/send", account=BEN, to=ANNA, subject="Loud")
    received = next(one["id"] for one in sent["copies"] if one["account"] == ANNA)
    assert told(hook, 1) == [("created", received)]


def test_mails_by_batch_say_for_themselves_which_ids_they_want(anna: Graph) -> None:
    ids = put_all(anna, {"subject": "One"}, {"subject": "Two"})
    parts: list[Json] = [{"id": one, "method": "GET", "url": f"/me/messages/{one}?$select=subject"} for one in ids]
    parts[1]["headers"] = {"Prefer": IMMUTABLE}
    answers = anna.batch(*parts, {"id": "none", "method": "GET", "url": "/me/messages/none"})
    assert [answers[one]["body"]["subject"] for one in ids] == ["One", "Two"]
    assert [answers[one]["body"]["id"] == one for one in ids] == [False, True]
    assert (answers["none"]["status"], answers["none"]["body"]["error"]["code"]) == (404, "ErrorItemNotFound")
