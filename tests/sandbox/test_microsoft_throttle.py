"""Limits of the pretend Outlook: four requests at once and ten thousand in ten minutes, per app and mailbox."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.graph import Graph, linked, refusal
from tests.sandbox.person import Json, Scene

ANNA, OTTO = "anna@contoso.example", "otto@contoso.example"
MESSAGES = "/me/messages?$top=1"


@pytest.fixture
def anna(scene: Scene) -> Graph:
    """Anna of Contoso, who granted her mail."""
    scene.post("microsoft/accounts", upn=ANNA)
    scene.post("microsoft/accounts", upn=OTTO)
    return linked(scene, ANNA, "Mail.ReadBasic", "User.Read")


def use(scene: Scene, account: str) -> Json:
    [found] = [one for one in scene.get("microsoft/throttle")["uses"] if one["account"] == account]
    return found


def test_a_fifth_request_in_flight_is_refused_others_are_not(anna: Graph) -> None:
    scene = anna.scene
    others = [linked(scene, OTTO, "Mail.ReadBasic"), linked(scene, ANNA, "Mail.ReadBasic", client_id="client-2")]
    scene.post("latency", milliseconds=1_500)
    callers = [*[anna] * 6, *others]
    with ThreadPoolExecutor(len(callers)) as pool:
        answers = list(pool.map(lambda caller: caller.get(MESSAGES), callers))
    assert sorted(answer.status_code for answer in answers[:6]) == [200, 200, 200, 200, 429, 429]
    assert [answer.status_code for answer in answers[6:]] == [200, 200]
    [refused, _] = [answer for answer in answers if answer.status_code == 429]
    assert refusal(refused) == (429, "ApplicationThrottled")
    assert "MailboxConcurrency" in refused.json()["error"]["message"]
    assert refused.headers["Retry-After"] == "1"
    scene.post("latency", milliseconds=0)
    assert anna.get(MESSAGES).ok
    uses = {(one["account"], one["refused"], one["most_in_flight"]) for one in scene.get("microsoft/throttle")["uses"]}
    assert uses == {(ANNA, 2, 4), (OTTO, 0, 1), (ANNA, 0, 1)}


def test_requests_are_counted_in_ten_minutes_and_early_ones_count_too(anna: Graph) -> None:
    scene = anna.scene
    scene.post("microsoft/throttle", account=ANNA, requests=3)
    assert [anna.get(MESSAGES).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert 590 < int(anna.get(MESSAGES).headers["Retry-After"]) <= 600
    assert (use(scene, ANNA)["requests"], use(scene, ANNA)["refused"]) == (6, 3)
    scene.post("clock", advance_seconds=601)
    assert anna.get(MESSAGES).ok
    scene.post("microsoft/throttle", account=ANNA, requests=1, seconds=5)
    assert [anna.get(MESSAGES).status_code for _ in range(2)] == [200, 429]
    assert int(anna.get(MESSAGES).headers["Retry-After"]) <= 5
    scene.post("microsoft/throttle", account=ANNA)
    assert anna.get(MESSAGES).ok


def test_only_the_mailbox_counts(anna: Graph) -> None:
    anna.scene.post("microsoft/throttle", account=ANNA, requests=1)
    for path in ("/me", "/subscriptions", "/me", MESSAGES):
        assert anna.get(path).ok
    assert anna.get(MESSAGES).status_code == 429
    assert Graph(anna.office, "dead").get(MESSAGES).status_code == 401
    assert use(anna.scene, ANNA)["total"] == 1


def test_one_alone_is_let_in_where_one_is_allowed_and_a_fault_lets_go(anna: Graph) -> None:
    anna.scene.post("microsoft/throttle", account=ANNA, at_once=1)
    anna.scene.post("faults", operation="graph.messages.list", kind="error_503", times=2)
    assert [anna.get(MESSAGES).status_code for _ in range(4)] == [503, 503, 200, 200]
    assert use(anna.scene, ANNA)["in_flight"] == 0
