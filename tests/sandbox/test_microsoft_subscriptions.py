"""Subscriptions of the pretend Graph: how one comes about, how it is kept, and how it ends."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from sandbox.clock import parse_instant
from sandbox.microsoft import subscription_calls
from tests.sandbox.graph import Graph, linked, refusal
from tests.sandbox.hook import ANNA, SECRET, Hook, good, later, listening, notify, order, settle, subscribe
from tests.sandbox.person import Scene

OTTO = "otto@contoso.example"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
Json = dict[str, Any]


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


def test_both_addresses_are_asked_while_the_create_call_is_open(anna: Graph, hook: Hook) -> None:
    open_while_asked: list[bool] = []
    # The control API takes the world's lock: it answers, so the call that waits does not hold it.
    hook.during = lambda: open_while_asked.append(anna.scene.get("microsoft/subscriptions")["subscriptions"] == [])
    created = subscribe(anna, hook)
    assert hook.handshakes == ["/webhooks/calendar-event?", "/webhooks/calendar-event?lifecycle=1&"]
    assert open_while_asked == [True, True]
    assert created["clientState"] == SECRET
    assert created["expirationDateTime"].endswith("0Z")
    assert len(created["expirationDateTime"].partition(".")[2]) == len("0000000Z")
    assert created["changeType"] == "created,updated,deleted"


@pytest.mark.parametrize(
    "answer",
    [
        lambda token: (202, "text/plain", token),
        lambda token: (200, "application/json", token),
        lambda token: (200, "text/plain", token.replace(" ", "+")),
        lambda token: (200, "text/plain", ""),
        lambda token: (302, "text/plain", token),
        lambda token: (500, "text/plain", token),
    ],
    ids=["accepted", "json", "still encoded", "empty", "elsewhere", "broken"],
)
def test_a_wrong_handshake_makes_no_subscription(anna: Graph, hook: Hook, answer: Any) -> None:
    hook.shake = answer
    refused = anna.post("/subscriptions", order(anna.scene, hook))
    assert refusal(refused) == (400, "InvalidRequest")
    assert "must respond with 200 OK" in refused.json()["error"]["message"]
    assert anna.get("/subscriptions").json()["value"] == []


def test_the_lifecycle_address_must_shake_hands_too(anna: Graph, hook: Hook) -> None:
    hook.shake = lambda token: good(token) if len(hook.handshakes) == 1 else (404, "text/plain", token)
    assert refusal(anna.post("/subscriptions", order(anna.scene, hook))) == (400, "InvalidRequest")
    assert len(hook.handshakes) == 2


def test_nobody_at_the_address(anna: Graph, hook: Hook) -> None:
    body = order(anna.scene, hook, notificationUrl="http://127.0.0.1:1/nobody")
    assert refusal(anna.post("/subscriptions", body)) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"notificationUrl": None}, "InvalidRequest"),
        ({"resource": None}, "InvalidRequest"),
        ({"changeType": None}, "InvalidRequest"),
        ({"expirationDateTime": None}, "InvalidRequest"),
        ({"changeType": "created,renamed"}, "InvalidRequest"),
        ({"notificationUrl": "http://crm.example/hook"}, "InvalidRequest"),
        ({"lifecycleNotificationUrl": "ftp://127.0.0.1/hook"}, "InvalidRequest"),
        ({"clientState": "s" * 129}, "InvalidRequest"),
        ({"expirationDateTime": "2099-01-01T00:00:00"}, "InvalidRequest"),
        ({"expirationDateTime": "tomorrow"}, "InvalidRequest"),
        ({"expirationDateTime": "2099-01-01T00:00:00Z"}, "ExtensionError"),
        ({"expirationDateTime": "2016-11-20T18:23:45.9356913Z"}, "ExtensionError"),
        ({"resource": "/me/contacts"}, "InvalidRequest"),
        ({"resource": "/users/otto@contoso.example/events"}, "InvalidRequest"),
        ({"includeResourceData": True}, "InvalidRequest"),
        ({"clientstate": "misspelled"}, "InvalidRequest"),
    ],
)
def test_orders_that_are_refused_before_anybody_is_asked(anna: Graph, hook: Hook, changes: Json, code: str) -> None:
    assert refusal(anna.post("/subscriptions", order(anna.scene, hook, **changes))) == (400, code)
    assert hook.handshakes == []


def test_a_body_that_is_no_object_is_refused(anna: Graph) -> None:
    for data in (b"", b"[]", b"{"):
        assert refusal(anna.call("POST", "/subscriptions", data=data)) == (400, "InvalidRequest")


def test_under_45_minutes_is_raised_and_a_week_is_taken(anna: Graph, hook: Hook) -> None:
    short = subscribe(anna, hook, expirationDateTime=later(anna.scene, 1))
    minutes = (parse_instant(short["expirationDateTime"]) - parse_instant(anna.scene.get("health")["now"])) / timedelta(
        minutes=1
    )
    assert 44.5 < minutes <= 45
    assert subscribe(anna, hook, resource="/me/messages", expirationDateTime=later(anna.scene, 10_080))["id"]


@pytest.mark.parametrize(
    ("scopes", "resource", "is_taken"),
    [
        (["Calendars.Read"], "/me/events", True),
        (["Mail.ReadBasic"], "/me/events", False),
        (["Mail.ReadBasic"], "me/mailFolders('inbox')/messages", True),
        (["Mail.Read"], "/me/messages", True),
        (["Calendars.Read"], "/me/messages", False),
    ],
)
def test_each_resource_needs_its_scope(
    scene: Scene, hook: Hook, scopes: list[str], resource: str, is_taken: bool
) -> None:
    scene.post("microsoft/accounts", upn=ANNA)
    answer = linked(scene, ANNA, *scopes).post("/subscriptions", order(scene, hook, resource=resource))
    assert answer.status_code == (201 if is_taken else 403)
    assert is_taken or refusal(answer) == (403, "ErrorAccessDenied")


def test_without_a_token_nothing(anna: Graph, hook: Hook) -> None:
    stranger = Graph(anna.office, "")
    assert refusal(stranger.post("/subscriptions", order(anna.scene, hook)))[0] == 401
    assert refusal(stranger.get("/subscriptions")) == (401, "InvalidAuthenticationToken")


def test_the_same_wish_twice_is_a_conflict_that_names_the_first(anna: Graph, hook: Hook) -> None:
    first = subscribe(anna, hook)
    again = order(anna.scene, hook, resource="me/events", changeType="updated,deleted,created")
    refused = anna.post("/subscriptions", again)
    assert refusal(refused) == (409, "Conflict")
    assert first["id"] in refused.json()["error"]["message"]
    assert len(hook.handshakes) == 2
    subscribe(anna, hook, changeType="created")
    subscribe(anna, hook, resource="/me/messages")
    subscribe(anna, hook, resource="/me/mailFolders/inbox/messages")
    same = order(anna.scene, hook, resource="/me/mailfolders('Inbox')/messages")
    assert refusal(anna.post("/subscriptions", same)) == (409, "Conflict")
    subscribe(linked(anna.scene, ANNA, "Calendars.Read", client_id="client-2"), hook)


def test_what_is_shown_never_holds_the_client_state(anna: Graph, hook: Hook) -> None:
    created = subscribe(anna, hook)
    [listed] = anna.get("/subscriptions").json()["value"]
    assert listed == anna.get(f"/subscriptions/{created['id']}").json()
    assert listed["clientState"] is None
    assert SECRET not in anna.get("/subscriptions").text
    assert {name: listed[name] for name in ("id", "resource", "notificationUrl", "lifecycleNotificationUrl")} == {
        name: created[name] for name in ("id", "resource", "notificationUrl", "lifecycleNotificationUrl")
    }


def test_subscriptions_of_others_do_not_exist(anna: Graph, hook: Hook) -> None:
    path = f"/subscriptions/{subscribe(anna, hook)['id']}"
    anna.scene.post("microsoft/accounts", upn=OTTO)
    for other in (
        linked(anna.scene, OTTO, "Calendars.Read"),
        linked(anna.scene, ANNA, "Calendars.Read", client_id="client-2"),
    ):
        assert other.get("/subscriptions").json()["value"] == []
        for method in ("GET", "PATCH", "DELETE"):
            assert refusal(other.call(method, path, json={})) == (404, "ResourceNotFound")
        assert other.post(f"{path}/reauthorize").status_code == 404
    assert anna.get(path).ok


def test_it_is_renewed_to_the_same_limits_and_nothing_else_changes(anna: Graph, hook: Hook) -> None:
    path = f"/subscriptions/{subscribe(anna, hook, expirationDateTime=later(anna.scene, 100))['id']}"
    renewed = anna.call("PATCH", path, json={"expirationDateTime": later(anna.scene, 9_000)})
    assert renewed.status_code == 200
    assert renewed.json()["expirationDateTime"] == anna.get(path).json()["expirationDateTime"]
    too_far = anna.call("PATCH", path, json={"expirationDateTime": later(anna.scene, 10_081)})
    assert refusal(too_far) == (400, "ExtensionError")
    elsewhere = anna.call("PATCH", path, json={"lifecycleNotificationUrl": f"{hook.url}/else"})
    assert refusal(elsewhere) == (400, "InvalidRequest")
    anna.scene.post("clock", advance_seconds=3_000)
    assert anna.get(path).ok


def test_a_deleted_or_expired_one_is_gone_and_silent(anna: Graph, hook: Hook) -> None:
    first, second = subscribe(anna, hook)["id"], subscribe(anna, hook, resource="/me/messages")["id"]
    assert anna.call("DELETE", f"/subscriptions/{first}").status_code == 204
    assert refusal(anna.call("DELETE", f"/subscriptions/{first}")) == (404, "ResourceNotFound")
    anna.scene.post("microsoft/subscriptions/expire", subscription=second)
    assert anna.call("PATCH", f"/subscriptions/{second}", json={}).status_code == 404
    third = subscribe(anna, hook, expirationDateTime=later(anna.scene, 45))["id"]
    anna.scene.post("clock", advance_seconds=46 * 60)
    notify(anna.scene, "one")
    settle(anna.scene)
    assert hook.came == []
    again = linked(anna.scene, ANNA, "Calendars.Read")
    assert again.get(f"/subscriptions/{third}").status_code == 404


def test_a_mailbox_has_so_many(anna: Graph, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    assert subscription_calls.MOST_PER_MAILBOX == 1_000
    monkeypatch.setattr(subscription_calls, "MOST_PER_MAILBOX", 1)
    subscribe(anna, hook)
    refused = anna.post("/subscriptions", order(anna.scene, hook, resource="/me/messages"))
    assert refusal(refused) == (403, "ErrorQuotaExceeded")


def test_a_folder_must_exist_and_goes_by_either_name(anna: Graph, hook: Hook) -> None:
    missing = order(anna.scene, hook, resource="/me/mailFolders('AAMkNothing')/messages")
    assert refusal(anna.post("/subscriptions", missing)) == (404, "ErrorItemNotFound")
    sent_id = anna.get("/me/mailFolders/sentitems").json()["id"]
    subscribe(anna, hook, IMMUTABLE, resource="/me/mailFolders/inbox/messages")
    subscribe(anna, hook, resource=f"/me/mailFolders('{sent_id}')/messages", changeType="created")
    anna.scene.post("microsoft/messages", account=ANNA, **{"from": OTTO}, to=ANNA)
    settle(anna.scene)
    anna.scene.post("microsoft/messages", account=ANNA, **{"from": ANNA}, to=OTTO, folder="sentitems")
    settle(anna.scene)
    inbox, sent = (item["resourceData"]["id"] for item in hook.items)
    assert [inbox, sent] == [
        anna.get("/me/mailFolders/inbox/messages", headers=IMMUTABLE).json()["value"][0]["id"],
        anna.get("/me/mailFolders/sentitems/messages").json()["value"][0]["id"],
    ]


def test_controls_say_what_they_do_not_understand(anna: Graph) -> None:
    for path, body in (
        ("lifecycle", {"account": ANNA, "event": "explode"}),
        ("lifecycle", {"account": "nobody@contoso.example", "event": "missed"}),
        ("notify", {"account": ANNA, "kind": "contacts", "ids": ["one"]}),
    ):
        answer = requests.post(f"{anna.scene.url}/control/microsoft/{path}", json=body, timeout=20)
        assert answer.status_code == 400
        assert answer.json()["error"]


def test_faults_and_the_front_page_know_subscriptions(anna: Graph, hook: Hook) -> None:
    anna.scene.post("faults", operation="graph.subscriptions.create", kind="error_503", retry_after="3")
    refused = anna.post("/subscriptions", order(anna.scene, hook))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "3")
    subscribe(anna, hook)
    assert "Graph subscriptions" in anna.scene.http.get(anna.scene.url, timeout=20).text
