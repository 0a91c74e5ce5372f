"""$batch of the pretend Graph: many calls in one, each with its own headers, faults and answer."""

from base64 import b64decode
from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.graph import Graph, linked, refusal
from tests.sandbox.hook import listening
from tests.sandbox.person import Scene

ANNA = "anna@contoso.example"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
Json = dict[str, Any]


@pytest.fixture
def anna(scene: Scene) -> Graph:
    """Anna of Contoso, who granted everything that is read."""
    scene.post("microsoft/accounts", upn=ANNA, name="Anna Keller")
    return linked(scene, ANNA, "Calendars.Read", "Mail.ReadBasic", "User.Read")


def mails(graph: Graph, count: int) -> list[str]:
    """Ids of mails in the inbox, as they are without a wish."""
    graph.scene.post("microsoft/messages", account=ANNA, messages=[{"subject": str(one)} for one in range(count)])
    return [one["id"] for one in graph.get(f"/me/messages?$top={count}&$select=id").json()["value"]]


def get(name: str, url: str, **more: Any) -> Json:
    return {"id": name, "method": "GET", "url": url, **more}


def test_twenty_answers_in_another_order_each_by_its_id(anna: Graph) -> None:
    ids = mails(anna, 19)
    orders = [get(str(number), f"/me/messages/{quote(one)}?$select=subject") for number, one in enumerate(ids)]
    answer = anna.post("/$batch", {"requests": [*orders, get("last", "me/messages/nothing")]})
    found = answer.json()["responses"]
    assert len(found) == 20
    assert [one["id"] for one in found] != [*(order["id"] for order in orders), "last"]
    by_name = {one["id"]: one for one in found}
    assert [by_name[order["id"]]["body"]["id"] for order in orders] == ids
    assert all(by_name[order["id"]]["headers"]["Content-Type"].startswith("application/json") for order in orders)
    assert by_name["last"]["status"] == 404
    assert by_name["last"]["body"]["error"]["code"] == "ErrorItemNotFound"


def test_wishes_are_not_inherited(anna: Graph) -> None:
    mails(anna, 1)
    url = "/me/messages?%24select=id"
    answer = anna.post(
        "/$batch", {"requests": [get("plain", url), get("own", url, headers=IMMUTABLE)]}, headers=IMMUTABLE
    )
    plain, own = ({one["id"]: one for one in answer.json()["responses"]}[name] for name in ("plain", "own"))
    [plain_id], [own_id] = ([one["id"] for one in item["body"]["value"]] for item in (plain, own))
    assert plain_id != own_id
    assert "Preference-Applied" not in plain["headers"]
    assert "ImmutableId" in own["headers"]["Preference-Applied"]


def test_a_fault_hits_single_parts_with_their_own_wait(anna: Graph) -> None:
    ids = mails(anna, 4)
    anna.scene.post("faults", operation="graph.messages.get", kind="rate_limit_429", after=1, times=2, retry_after="7")
    anna.scene.post("faults", operation="graph.me.get", kind="html_200")
    orders = [get(str(number), f"/me/messages/{quote(one)}") for number, one in enumerate(ids)]
    found = anna.batch(*orders, get("me", "/me"))
    assert [found[order["id"]]["status"] for order in orders] == [200, 429, 429, 200]
    assert found["1"]["headers"]["Retry-After"] == "7"
    assert "Retry-After" not in found["0"]["headers"]
    assert b64decode(found["me"]["body"]).startswith(b"<!doctype html>")
    counts = anna.scene.get("requests")["counts"]
    assert (counts["graph.batch"], counts["graph.messages.get"]) == (1, 4)


def test_a_mailbox_has_its_limits_within_a_batch(anna: Graph) -> None:
    ids = mails(anna, 3)
    anna.scene.post("microsoft/throttle", account=ANNA, requests=2)
    found = anna.batch(*(get(str(number), f"/me/messages/{quote(one)}") for number, one in enumerate(ids)))
    assert sorted(one["status"] for one in found.values()) == [200, 200, 429]
    assert found["2"]["body"]["error"]["code"] == "ApplicationThrottled"
    assert int(found["2"]["headers"]["Retry-After"]) > 0


def test_what_depends_on_a_failure_is_not_done(anna: Graph) -> None:
    chain = [get("1", "/me"), get("2", "/me/nothing", dependsOn=["1"]), get("3", "/me", dependsOn=["2"])]
    found = anna.batch(*chain, get("4", "/me", dependsOn=["3"]))
    assert [found[name]["status"] for name in "1234"] == [200, 404, 424, 424]
    found = anna.batch(get("1", "/me", dependsOn=["9"]), get("2", "/me", dependsOn=["9"]), get("9", "/me"))
    assert {one["status"] for one in found.values()} == {200}
    assert anna.scene.get("requests")["counts"]["graph.me.get"] == 4


@pytest.mark.parametrize(
    "orders",
    [
        [],
        None,
        [get("1", "/me"), get("1", "/me")],
        [get("", "/me")],
        [get("1", "https://graph.microsoft.com/v1.0/me")],
        [{"id": "1", "method": "FETCH", "url": "/me"}],
        [{"id": "1", "method": "POST", "url": "/subscriptions", "body": {}}],
        [get("1", "/me", headers="none")],
        ["/me"],
        [get("1", "/me", dependsOn=["1"])],
        [get("1", "/me", dependsOn=["unknown"])],
        [get("1", "/me"), get("2", "/me"), get("3", "/me", dependsOn=["1"]), get("4", "/me", dependsOn=["2"])],
    ],
)
def test_batches_that_cannot_be_run(anna: Graph, orders: Any) -> None:
    assert refusal(anna.post("/$batch", {"requests": orders})) == (400, "BadRequest")
    assert "graph.me.get" not in anna.scene.get("requests")["counts"]


def test_no_more_than_twenty_and_no_batch_within(anna: Graph) -> None:
    many = anna.post("/$batch", {"requests": [get(str(number), "/me") for number in range(21)]})
    assert refusal(many) == (400, "MaximumValueExceeded")
    inside = {
        "id": "1",
        "method": "POST",
        "url": "/%24batch",
        "body": {},
        "headers": {"Content-Type": "application/json"},
    }
    assert anna.batch(inside)["1"]["status"] == 400
    assert refusal(anna.call("POST", "/$batch", data=b"[")) == (400, "BadRequest")


def test_the_version_does_not_belong_into_a_url(anna: Graph) -> None:
    assert anna.batch(get("1", "/v1.0/me"))["1"]["status"] == 404


def test_a_dead_token_ends_all_of_it(anna: Graph) -> None:
    assert refusal(Graph(anna.office, "dead").post("/$batch", {"requests": [get("1", "/me")]}))[0] == 401
    assert anna.batch(get("1", "/me", headers={"authorization": "Bearer dead"}))["1"]["status"] == 401


def test_bodies_go_in_and_nothing_comes_out_of_a_deletion(anna: Graph) -> None:
    with listening() as hook:
        body = {
            "changeType": "updated",
            "notificationUrl": hook.url,
            "resource": "/me/events",
            "expirationDateTime": anna.scene.get("health")["now"].replace("Z", "0000Z"),
        }
        order = {
            "id": "new",
            "method": "POST",
            "url": "/subscriptions",
            "body": body,
            "headers": {"content-type": "application/json"},
        }
        assert anna.batch(order)["new"]["body"]["error"]["code"] == "ExtensionError"
        later = anna.scene.post("clock", advance_seconds=-3_600)["now"]
        assert later < body["expirationDateTime"]
        created = anna.batch(order)["new"]
    assert (created["status"], hook.handshakes) == (201, ["/?"])
    gone = anna.batch({"id": "gone", "method": "DELETE", "url": f"/subscriptions/{created['body']['id']}"})["gone"]
    assert gone["status"] == 204
    assert "body" not in gone
