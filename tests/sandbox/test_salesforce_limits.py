"""Limits, faults, and the state of the pretend Salesforce."""

from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.server import Sandbox
from tests.sandbox.person import Scene
from tests.sandbox.salesforce import ANNA, HOST, KEY, Lab, acme, recorded, refusal


@pytest.fixture
def lab(scene: Scene) -> Lab:
    return acme(scene)


@pytest.fixture
def client(lab: Lab) -> Any:
    return lab.client()


def test_every_reply_says_how_many_calls_there_were(lab: Lab, client: Any) -> None:
    client.query("SELECT Id FROM User")
    assert client.api_usage["api-usage"].used == 1
    with refusal(400):
        client.query("SELECT Nonsense FROM User")
    assert client.limits()["DailyApiRequests"] == {"Max": 15_000, "Remaining": 14_997}
    assert client.api_usage["api-usage"].used == 3
    answer = client.session.get(f"{client.base_url}query/?q=x", headers=client.headers)
    assert (answer.status_code, answer.headers["Sforce-Limit-Info"]) == (400, "api-usage=4/15000")


def test_the_two_meanings_of_a_limit(lab: Lab, client: Any) -> None:
    wanted = recorded("errors.json")
    lab.order("limits", max=100, used=99, concurrent=1)
    with refusal(403) as errors:
        client.query("SELECT Id FROM User")
    assert errors == wanted["REQUEST_LIMIT_EXCEEDED_403_concurrent"]
    client.query("SELECT Id FROM User")
    with refusal(403) as errors:
        client.query("SELECT Id FROM User")
    assert errors == wanted["REQUEST_LIMIT_EXCEEDED_403"]
    assert client.api_usage["api-usage"].total == 100
    lab.scene.post("clock", advance_seconds=86_400)
    fresh = lab.client()
    fresh.query("SELECT Id FROM User")
    assert fresh.api_usage["api-usage"].used == 1


@pytest.mark.parametrize(
    ("kind", "status", "code", "message"),
    [
        ("rate_limit_403", 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests"),
        ("rate_limit_429", 403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn"),
        ("forbidden_403", 403, "API_DISABLED_FOR_ORG", ""),
        ("not_found_404", 404, "NOT_FOUND", ""),
        ("gone_410", 400, "INVALID_QUERY_LOCATOR", ""),
        ("error_500", 500, "UNKNOWN_EXCEPTION", ""),
        ("error_503", 503, "SERVER_UNAVAILABLE", ""),
    ],
)
def test_faults_speak_salesforce(client: Any, lab: Lab, kind: str, status: int, code: str, message: str) -> None:
    lab.scene.post("faults", operation="salesforce.query", kind=kind, account=ANNA)
    with refusal(status, code) as errors:
        client.query("SELECT Id FROM User")
    assert message in errors[0]["message"]
    client.query("SELECT Id FROM User")


def test_a_reply_gets_lost_and_the_work_is_done(lab: Lab, client: Any) -> None:
    lab.add_key("Account")
    lab.scene.post("faults", operation="salesforce.records.*", kind="half_page")
    with pytest.raises(requests.RequestException):
        client.Account.upsert(f"{KEY}/a-1", {"Name": "A"})
    assert client.Account.upsert(f"{KEY}/a-1", {"Name": "A"}) == 200
    assert len(lab.shown("Account")) == 1


def test_slow_and_too_slow(lab: Lab, client: Any) -> None:
    lab.scene.post("faults", operation="salesforce.query", kind="slow", seconds=0.2)
    assert client.query("SELECT Id FROM User")["totalSize"] == 2
    lab.scene.post("faults", operation="salesforce.query", kind="timeout", seconds=5)
    with pytest.raises(requests.Timeout):
        client.session.get(f"{client.base_url}query/?q=SELECT+Id+FROM+User", headers=client.headers, timeout=0.3)


def test_a_page_of_html_is_no_answer(lab: Lab, client: Any) -> None:
    lab.scene.post("faults", operation="salesforce.query", kind="html_200")
    with pytest.raises(requests.JSONDecodeError):
        client.query("SELECT Id FROM User")


def test_unknown_paths_are_salesforces_own(lab: Lab, client: Any) -> None:
    with refusal(404, "NOT_FOUND"):
        client.restful("nonsense/at/all")


def test_orders_that_cannot_be_carried_out(lab: Lab) -> None:
    for path, order in (
        ("records", {"org": HOST, "object": "Nonsense", "records": []}),
        ("records", {"org": HOST, "object": "Account", "records": [{}]}),
        ("records", {"org": "nobody", "object": "Account", "records": []}),
        ("records/delete", {"org": HOST, "id": "nonsense"}),
        ("records/merge", {"org": HOST, "winner": lab.org["users"][ANNA], "losers": []}),
        ("bulk_records", {"org": HOST, "object": "User", "count": 5}),
        ("fields", {"org": HOST, "field": "Account.Nonsense__c", "required": True}),
        ("validation_rules", {"org": HOST, "rules": [{"object": "Account", "when": "x", "message": "y"}]}),
        ("revoke", {"org": HOST, "user": 5, "nonsense": 1} | {"org": "nobody"}),
    ):
        answer = lab.scene.http.post(f"{lab.scene.url}/control/salesforce/{path}", json=order, timeout=20)
        assert answer.status_code == 400, path
        assert answer.json()["error"]


def test_the_front_page_shows_orgs(lab: Lab) -> None:
    lab.create("Account", {"Name": "A"})
    page = lab.scene.http.get(lab.scene.url, timeout=20).text
    assert HOST in page
    assert "1 Account" in page


def test_the_world_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    with Sandbox(state_file=file) as sandbox:
        lab = acme(Scene(sandbox.url))
        lab.add_key("Account")
        (account, gone) = lab.create("Account", {"Name": "A", KEY: "a-1"}, {"Name": "B"})
        lab.order("bulk_records", object="Contact", count=300, parents=[account])
        first = lab.shown("Contact")[0]["Id"]
        lab.order("records/update", id=first, fields={"Title": "CIO"})
        lab.order("records/delete", id=gone)
        lab.order("apex_callout", object="Account", address="http://127.0.0.1:9/", secret="s")
        lab.order("access", hide_fields=["Contact.Phone"])
        token = lab.token()
        lab.scene.http.close()
    with Sandbox(state_file=file) as sandbox:
        again = Lab(Scene(sandbox.url), lab.org)
        client = again.client(token=token["access_token"])
        assert client.Account.get_by_custom_id(KEY, "a-1")["Id"] == account
        assert client.Contact.get(first)["Title"] == "CIO"
        assert client.query("SELECT COUNT() FROM Contact")["totalSize"] == 300
        assert (
            client.query("SELECT COUNT() FROM Account WHERE IsDeleted = true", include_deleted=True)["totalSize"] == 1
        )
        assert "Phone" not in {one["name"] for one in client.Contact.describe()["fields"]}
        assert again.client(token=token["access_token"]).Account.create({"Name": "C"})["id"] not in (account, gone)
        again.scene.http.close()


def test_an_empty_world(lab: Lab, client: Any) -> None:
    lab.scene.post("reset")
    with refusal(401):
        client.query("SELECT Id FROM User")
    assert lab.scene.get("salesforce/orgs") == {"orgs": []}
