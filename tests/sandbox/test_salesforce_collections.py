"""Many records in one call: collections, composites and graphs."""

from typing import Any

import pytest

from tests.sandbox.person import Json, Scene
from tests.sandbox.salesforce import KEY, Lab, acme, recorded, refusal


@pytest.fixture
def lab(scene: Scene) -> Lab:
    return acme(scene)


@pytest.fixture
def client(lab: Lab) -> Any:
    return lab.client()


def account(**fields: Any) -> Json:
    return {"attributes": {"type": "Account"}, **fields}


def send(client: Any, method: str, records: list[Json], rest: str = "", **more: Any) -> list[Json]:
    found: list[Json] = client.restful(f"composite/sobjects{rest}", method=method, json={"records": records, **more})
    return found


def used(client: Any) -> int:
    """Calls counted so far, this one aside."""
    limits = client.limits()["DailyApiRequests"]
    return int(limits["Max"] - limits["Remaining"])


def test_results_come_in_order_and_count_as_one_call(lab: Lab, client: Any) -> None:
    before = used(client)
    found = send(client, "POST", [account(Name="A"), account(), account(Name="C")])
    assert used(client) - before == 2
    assert [one["success"] for one in found] == [True, False, True]
    assert set(found[0]) == {"id", "success", "errors"}
    assert found[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [Name]",
                "fields": ["Name"],
            }
        ],
    }
    assert [one["Name"] for one in lab.shown("Account")] == ["A", "C"]


def test_an_update_of_what_is_not_there_is_as_recorded(client: Any) -> None:
    wanted = recorded("collections_update_error.json")
    assert send(client, "PATCH", wanted["_request"]["data"]["records"]) == wanted["body"]


def test_a_record_without_a_type_is_as_recorded(lab: Lab, client: Any) -> None:
    lab.add_key("Account")
    wanted = recorded("collections_upsert_error.json")
    assert send(client, "PATCH", [{KEY: "a-1", "Name": "A"}], f"/Account/{KEY}") == wanted["body"]


def test_all_or_none(lab: Lab, client: Any) -> None:
    found = send(client, "POST", [account(Name="A"), account()], allOrNone=True)
    assert [one["errors"][0]["statusCode"] for one in found] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "REQUIRED_FIELD_MISSING",
    ]
    assert lab.shown("Account") == []


def test_upserts(lab: Lab, client: Any) -> None:
    lab.add_key("Account")
    records = [account(**{KEY: f"a-{number}", "Name": str(number)}) for number in range(200)]
    assert all(one["created"] for one in send(client, "PATCH", records, f"/Account/{KEY}"))
    again = send(client, "PATCH", [*records[:2], account(Name="no key"), account(**{KEY: "a-200"})], f"/Account/{KEY}")
    assert [one["created"] for one in again] == [False] * 4
    assert [one["success"] for one in again] == [True, True, False, False]
    assert len(lab.shown("Account")) == 200


def test_not_more_than_200_and_not_more_than_10_chunks(client: Any) -> None:
    with refusal(400, "LIMIT_EXCEEDED"):
        send(client, "POST", [account(Name="A")] * 201)
    contact = {"attributes": {"type": "Contact"}, "LastName": "A"}
    with refusal(400, "LIMIT_EXCEEDED"):
        send(client, "POST", [account(Name="A"), contact] * 6)
    assert all(one["success"] for one in send(client, "POST", [account(Name="A"), contact] * 5))


def test_deleting(client: Any) -> None:
    ids = [one["id"] for one in send(client, "POST", [account(Name="A"), account(Name="B")])]
    params = {"ids": ",".join([ids[0], "001000000000000AAA", ids[0]]), "allOrNone": "false"}
    found = client.restful("composite/sobjects", method="DELETE", params=params)
    assert found[0] == {"id": ids[0], "success": True, "errors": []}
    assert [one["errors"][0]["statusCode"] for one in found[1:]] == ["INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED"]
    assert client.query("SELECT COUNT() FROM Account")["totalSize"] == 1


def test_reading_by_ids(client: Any) -> None:
    record_id = client.Account.create({"Name": "A"})["id"]
    params = {"ids": f"{record_id},001000000000000AAA", "fields": "Id,Name"}
    found = client.restful("composite/sobjects/Account", params=params)
    assert [one and one["Name"] for one in found] == ["A", None]
    body = {"ids": [record_id], "fields": ["Name", "Owner.Name"]}
    found = client.restful("composite/sobjects/Account", method="POST", json=body)
    assert found[0]["Owner"]["Name"] == "Anna Ash"


def test_one_record_of_many_is_locked(lab: Lab, client: Any) -> None:
    ids = [one["id"] for one in send(client, "POST", [account(Name=name) for name in "ABC"])]
    lab.order("lock_rows", ids=[ids[1]], times=1)
    found = send(client, "PATCH", [account(id=one, Industry="Finance") for one in ids])
    item = recorded("errors.json")["collection_item_UNABLE_TO_LOCK_ROW"]
    assert found[1]["errors"][0]["statusCode"] == item["errors"][0]["statusCode"]
    assert set(found[1]) == set(item)
    assert [one["success"] for one in found] == [True, False, True]


def test_duplicates_in_a_collection(lab: Lab, client: Any) -> None:
    lab.order("duplicate_rules", rules=[{"object": "Account", "fields": ["Name"]}])
    found = send(client, "POST", [account(Name="A"), account(Name="a")])
    assert found[1]["errors"][0]["statusCode"] == "DUPLICATES_DETECTED"


def part(name: str, method: str, url: str, body: Json | None = None) -> Json:
    return {"referenceId": name, "method": method, "url": f"/services/data/v62.0/{url}", "body": body}


def test_a_composite_uses_what_came_before(lab: Lab, client: Any) -> None:
    before = used(client)
    parts = [
        part("account", "POST", "sobjects/Account", {"Name": "A"}),
        part("contact", "POST", "sobjects/Contact", {"LastName": "Ash", "AccountId": "@{account.id}"}),
        part("found", "GET", "query/?q=SELECT+Id,Account.Name+FROM+Contact+WHERE+Id='@{contact.id}'"),
        part("again", "PATCH", "sobjects/Account/@{found.records[0].Id}", {"Name": "B"}),
        part("lost", "GET", "sobjects/Account/@{nobody.id}"),
    ]
    found = client.restful("composite", method="POST", json={"compositeRequest": parts})["compositeResponse"]
    assert used(client) - before == 2
    assert [one["httpStatusCode"] for one in found] == [201, 201, 200, 404, 400]
    assert found[0]["httpHeaders"]["Location"].endswith(found[0]["body"]["id"])
    assert found[2]["body"]["records"][0]["Account"]["Name"] == "A"
    assert found[4]["body"][0]["errorCode"] == "PROCESSING_HALTED"


def test_a_composite_all_or_none(lab: Lab, client: Any) -> None:
    parts = [part("a", "POST", "sobjects/Account", {"Name": "A"}), part("b", "POST", "sobjects/Contact", {})]
    body = {"compositeRequest": parts, "allOrNone": True}
    found = client.restful("composite", method="POST", json=body)["compositeResponse"]
    assert [one["body"][0]["errorCode"] for one in found] == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert lab.shown("Account") == []


def test_a_composite_has_25_parts_at_most(client: Any) -> None:
    with refusal(400, "LIMIT_EXCEEDED"):
        client.restful("composite", method="POST", json={"compositeRequest": [part("a", "GET", "limits")] * 26})


def test_a_graph_is_as_recorded(lab: Lab, client: Any) -> None:
    wanted = recorded("composite_graph.json")
    found = client.restful("composite/graph", method="POST", json=wanted["_request"]["data"])
    ours = found["graphs"][0]["graphResponse"]["compositeResponse"][0]
    theirs = wanted["body"]["graphs"][0]["graphResponse"]["compositeResponse"][0]
    assert (set(ours), ours["httpStatusCode"], set(ours["body"])) == (
        set(theirs),
        theirs["httpStatusCode"],
        set(theirs["body"]),
    )
    assert found["graphs"][0]["isSuccessful"] is True
    assert len(lab.shown("Account")) == 1
