"""How changes are found: stamps, deletions, merges, and what commits late."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox.person import Scene
from tests.sandbox.salesforce import BEN, Lab, acme, refusal

START = "2027-03-10T08:00:00Z"
BEFORE, AFTER = datetime(2027, 3, 10, 7, 0, tzinfo=UTC), datetime(2027, 3, 10, 9, 0, tzinfo=UTC)


@pytest.fixture
def lab(scene: Scene) -> Lab:
    scene.post("clock", set=START)
    return acme(scene)


@pytest.fixture
def client(lab: Lab) -> Any:
    return lab.client()


def later(lab: Lab, seconds: float = 60) -> None:
    lab.scene.post("clock", advance_seconds=seconds)


def found(client: Any, query: str, *, is_all: bool = False) -> list[str]:
    return [one["Id"] for one in client.query(query, include_deleted=is_all)["records"]]


def test_deleted_records_are_seen_by_query_all(lab: Lab, client: Any) -> None:
    kept, gone = lab.create("Account", {"Name": "A"}, {"Name": "B"})
    client.Account.delete(gone)
    assert found(client, "SELECT Id FROM Account") == [kept]
    assert found(client, "SELECT Id FROM Account WHERE IsDeleted = true", is_all=True) == [gone]
    assert set(found(client, "SELECT Id FROM Account ORDER BY SystemModstamp", is_all=True)) == {kept, gone}
    assert found(client, "SELECT Id FROM Account WHERE IsDeleted = true ALL ROWS") == [gone]
    later(lab, 16 * 86_400)
    fresh = lab.client()
    assert found(fresh, "SELECT Id FROM Account WHERE IsDeleted = true", is_all=True) == []


def test_the_log_of_deletions(lab: Lab, client: Any) -> None:
    (gone,) = lab.create("Contact", {"LastName": "A"})
    client.Contact.delete(gone)
    later(lab, 3_600)
    answer = client.Contact.deleted(BEFORE, AFTER)
    assert answer["deletedRecords"] == [{"id": gone, "deletedDate": "2027-03-10T08:00:00.000+0000"}]
    assert answer["latestDateCovered"] == "2027-03-10T09:00:00.000+0000"
    lab.order("records/empty_bin")
    assert client.Contact.deleted(BEFORE, AFTER)["deletedRecords"]
    assert found(client, "SELECT Id FROM Contact", is_all=True) == []
    lab.order("records/empty_bin", forget_log=True)
    with refusal(400, "INVALID_REPLICATION_DATE"):
        client.Contact.deleted(BEFORE, AFTER)


def test_the_log_reaches_back_15_days_and_a_span_is_a_minute_long(client: Any) -> None:
    for start in (datetime(2027, 2, 20, tzinfo=UTC), AFTER):
        with refusal(400, "INVALID_REPLICATION_DATE"):
            client.Contact.deleted(start, AFTER)


def test_updated_goes_by_the_system_stamp(lab: Lab, client: Any) -> None:
    old, new = lab.create("Contact", {"LastName": "A"}, {"LastName": "B"})
    later(lab, 7_000)
    lab.order("records/update", id=new, fields={"Title": "CIO"}, by="system")
    later(lab, 120)
    client = lab.client()
    start, end = datetime(2027, 3, 10, 9, 30, tzinfo=UTC), datetime(2027, 3, 10, 10, 30, tzinfo=UTC)
    assert client.Contact.updated(start, end)["ids"] == [new]
    assert old not in client.Contact.updated(start, end)["ids"]


def test_automation_moves_the_system_stamp_alone(lab: Lab, client: Any) -> None:
    (record,) = lab.create("Account", {"Name": "A"}, by=BEN)
    before = client.Account.get(record)
    later(lab)
    lab.order("records/update", id=record, fields={"Industry": "Finance"}, by="system")
    after = client.Account.get(record)
    assert after["SystemModstamp"] > before["SystemModstamp"]
    assert after["LastModifiedDate"] == before["LastModifiedDate"]
    assert after["LastModifiedById"] == lab.org["users"][BEN]


def test_a_merge(lab: Lab, client: Any) -> None:
    winner, loser = lab.create("Account", {"Name": "A"}, {"Name": "B"})
    (child,) = lab.create("Contact", {"LastName": "Ash", "AccountId": loser})
    before = client.Contact.get(child)
    later(lab)
    lab.order("records/merge", winner=winner, losers=[loser], fields={"Industry": "Finance"})
    query = "SELECT Id, IsDeleted, MasterRecordId FROM Account WHERE IsDeleted = true"
    (gone,) = client.query(query, include_deleted=True)["records"]
    assert (gone["Id"], gone["MasterRecordId"]) == (loser, winner)
    after = client.Contact.get(child)
    assert after["AccountId"] == winner
    assert after["SystemModstamp"] == before["SystemModstamp"]
    kept = client.Account.get(winner)
    assert (kept["Industry"], kept["SystemModstamp"]) == ("Finance", "2027-03-10T08:01:00.000+0000")
    with refusal(404, "ENTITY_IS_DELETED"):
        client.Account.update(loser, {"Name": "C"})


def test_what_hangs_on_a_record_goes_and_comes_with_it(lab: Lab, client: Any) -> None:
    (account,) = lab.create("Account", {"Name": "A"})
    contact, other = lab.create(
        "Contact", {"LastName": "A", "AccountId": account}, {"LastName": "B", "AccountId": account}
    )
    (task,) = lab.create("Task", {"Subject": "Call", "WhoId": contact})
    client.Contact.delete(other)
    client.Account.delete(account)
    assert client.query("SELECT COUNT() FROM Contact")["totalSize"] == 0
    assert client.query("SELECT COUNT() FROM Task")["totalSize"] == 0
    later(lab)
    lab.order("records/undelete", id=account)
    back = client.query("SELECT Id, SystemModstamp, IsDeleted FROM Contact")["records"]
    assert [(one["Id"], one["IsDeleted"]) for one in back] == [(contact, False)]
    assert back[0]["SystemModstamp"] == "2027-03-10T08:01:00.000+0000"
    assert found(client, "SELECT Id FROM Task") == [task]


def test_what_commits_late_appears_behind_the_cursor(lab: Lab, client: Any) -> None:
    (known,) = lab.create("Account", {"Name": "A"})
    lab.order("commit_lag", seconds=90)
    (late,) = lab.create("Account", {"Name": "B"})
    lab.order("records/update", id=known, fields={"Name": "C"})
    later(lab)
    lab.order("commit_lag", seconds=0.001)
    (prompt,) = lab.create("Account", {"Name": "D"})
    assert client.Account.get(late)["Name"] == "B"
    later(lab, 1)
    query = "SELECT Id, Name, SystemModstamp FROM Account ORDER BY SystemModstamp, Id"
    seen = {one["Id"]: one for one in client.query(query)["records"]}
    assert set(seen) == {known, prompt}
    assert seen[known]["Name"] == "A"
    cursor = max(one["SystemModstamp"] for one in seen.values())
    assert client.Account.updated(BEFORE, AFTER)["latestDateCovered"] <= "2027-03-10T08:01:01.000+0000"
    later(lab, 60)
    seen = {one["Id"]: one for one in client.query(query)["records"]}
    assert seen[late]["SystemModstamp"] == "2027-03-10T08:00:00.000+0000" < cursor
    assert seen[known]["Name"] == "C"


def test_what_is_rolled_back_never_commits(lab: Lab, client: Any) -> None:
    (known,) = lab.create("Account", {"Name": "A"})
    lab.order("commit_lag", seconds=60)
    good = {"attributes": {"type": "Account"}, "id": known, "Name": "B"}
    bad = {"attributes": {"type": "Account"}, "id": known, "Name": ""}
    for records in ([good], [{**good, "Name": "C"}, bad]):
        body = {"records": records, "allOrNone": True}
        client.restful("composite/sobjects", method="PATCH", json=body)
    assert client.Account.get(known)["Name"] == "B"
    lab.order("commit_lag", seconds=0)
    assert [one["Name"] for one in lab.shown("Account")] == ["B"]


def test_everything_waiting_commits_by_order(lab: Lab, client: Any) -> None:
    lab.order("commit_lag", seconds=3_600)
    (late,) = lab.create("Account", {"Name": "B"})
    assert found(client, "SELECT Id FROM Account") == []
    assert lab.order("commit_lag", seconds=0)["waiting"] == 0
    assert found(client, "SELECT Id FROM Account") == [late]


def test_records_made_in_bulk_can_be_changed_merged_and_deleted(lab: Lab, client: Any) -> None:
    first = lab.order("bulk_records", object="Contact", count=1_000, values={"Title": "No {n}"})["first_id"]
    query = "SELECT Id, Title FROM Contact ORDER BY SystemModstamp, Id LIMIT 4"
    a, b, c, _ = found(client, query)
    assert a == first
    later(lab)
    client.Contact.update(a, {"Title": "CIO"})
    client.Contact.delete(b)
    lab.order("records/merge", winner=a, losers=[c])
    assert client.Contact.get(a)["Title"] == "CIO"
    assert client.query("SELECT COUNT() FROM Contact")["totalSize"] == 998
    newest = client.query("SELECT Id FROM Contact ORDER BY SystemModstamp DESC LIMIT 1")["records"]
    assert newest[0]["Id"] == a
    assert set(found(client, "SELECT Id FROM Contact WHERE IsDeleted = true", is_all=True)) == {b, c}
    assert client.query("SELECT COUNT() FROM Contact WHERE Email = 'contact7@pension7.example'")["totalSize"] == 1
