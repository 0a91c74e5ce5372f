"""Bulk API 2.0 at the pretend Salesforce, through the client's own handlers."""

import csv
import io
from typing import Any

import pytest
import requests

from tests.sandbox.person import Scene
from tests.sandbox.salesforce import ANNA, HOST, KEY, Lab, acme, recorded, refusal, rerouted


@pytest.fixture
def lab(scene: Scene) -> Lab:
    return acme(scene)


@pytest.fixture
def client(lab: Lab) -> Any:
    return lab.client()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_inserting(lab: Lab, client: Any) -> None:
    records = [{"LastName": f"Ash {number}", "Email": f"a{number}@alpine.example"} for number in range(500)]
    records.append({"LastName": "Wrong", "Email": "nonsense"})
    (job,) = client.bulk2.Contact.insert(records=records, wait=0)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (501, 1)
    good = rows(client.bulk2.Contact.get_successful_records(job["job_id"]))
    assert len(good) == 500
    assert {one["sf__Created"] for one in good} == {"true"}
    bad = rows(client.bulk2.Contact.get_failed_records(job["job_id"]))
    assert bad[0]["sf__Error"] == "INVALID_EMAIL_ADDRESS:Email: invalid email address: nonsense:Email --"
    assert bad[0]["LastName"] == "Wrong"
    assert rows(client.bulk2.Contact.get_unprocessed_records(job["job_id"])) == []
    assert len(lab.shown("Contact")) == 500


def test_updating_empty_cells_change_nothing_and_na_clears(lab: Lab, client: Any) -> None:
    (one,) = lab.create("Contact", {"LastName": "Ash", "Title": "CIO", "Department": "Investments"})
    client.bulk2.Contact.update(records=[{"Id": one, "LastName": "Birch", "Title": "", "Department": "#N/A"}], wait=0)
    found = lab.shown("Contact")[0]
    assert (found["LastName"], found["Title"], found["Department"]) == ("Birch", "CIO", None)


def test_upserting_by_a_key_with_parents_by_theirs(lab: Lab, client: Any) -> None:
    lab.add_key("Account", "Contact")
    (account,) = lab.create("Account", {"Name": "Alpine", KEY: "a-1"})
    record = {KEY: "c-1", "LastName": "Ash", f"Account.{KEY}": "a-1"}
    for created in ("true", "false"):
        (job,) = client.bulk2.Contact.upsert(records=[record], external_id_field=KEY, wait=0)
        good = rows(client.bulk2.Contact.get_successful_records(job["job_id"]))
        assert good[0]["sf__Created"] == created
    assert lab.shown("Contact")[0]["AccountId"] == account


def test_an_unknown_column_fails_the_job(lab: Lab, client: Any) -> None:
    with pytest.raises(Exception, match="Field name not found : Nonsense"):
        client.bulk2.Contact.insert(records=[{"LastName": "Ash", "Nonsense": "1"}], wait=0)
    assert lab.shown("Contact") == []


def test_querying_page_by_page(lab: Lab, client: Any) -> None:
    lab.order("bulk_records", object="Account", count=300)
    lab.order("bulk_records", object="Contact", count=2_500, parents="bulk")
    query = "SELECT Id, LastName, DoNotCall, Account.Name FROM Contact ORDER BY SystemModstamp"
    pages = [rows(page) for page in client.bulk2.Contact.query(query, max_records=1_000, wait=0)]
    assert [len(page) for page in pages] == [1_000, 1_000, 500]
    assert pages[0][0] | {"Id": ""} == {
        "Id": "",
        "LastName": "Last0",
        "DoNotCall": "false",
        "Account.Name": "Pension Fund 0",
    }


def test_the_job_is_as_recorded(lab: Lab, client: Any) -> None:
    body = {"operation": "queryAll", "query": "SELECT Id FROM Contact"}
    job = client.restful("jobs/query", method="POST", json=body)
    assert set(recorded("bulk2_query_job.json")) <= set(job)
    assert job["state"] == "UploadComplete"
    results = client.session.get(f"{client.base_url}jobs/query/{job['id']}/results", headers=client.headers)
    assert (results.headers["Sforce-Locator"], results.headers["Sforce-NumberOfRecords"]) == ("null", "0")


def test_a_job_takes_its_time(lab: Lab, client: Any, scene: Scene) -> None:
    scene.post("salesforce/jobs", polls=1)
    job = client.restful("jobs/query", method="POST", json={"operation": "query", "query": "SELECT Id FROM Contact"})
    with refusal(404):
        client.restful(f"jobs/query/{job['id']}/results")
    states = [client.restful(f"jobs/query/{job['id']}")["state"] for _ in range(2)]
    assert states == ["InProgress", "JobComplete"]


def test_data_comes_once_and_is_answered_with_201(lab: Lab, client: Any) -> None:
    job = client.restful("jobs/ingest", method="POST", json={"object": "Account", "operation": "insert"})
    session = rerouted(requests.Session(), lab.scene.url)
    session.headers["Authorization"] = f"Bearer {lab.token(ANNA)['access_token']}"
    address = f"https://{HOST}/{job['contentUrl']}"
    assert session.put(address, data=b"Name\nA\n").status_code == 201
    assert session.put(address, data=b"Name\nB\n").json()[0]["errorCode"] == "INVALIDJOBSTATE"
    client.restful(f"jobs/ingest/{job['id']}", method="PATCH", json={"state": "Aborted"})
    with refusal(400, "INVALIDJOBSTATE"):
        client.restful(f"jobs/ingest/{job['id']}", method="PATCH", json={"state": "UploadComplete"})
    assert client.restful(f"jobs/ingest/{job['id']}", method="DELETE") is None
    with refusal(404):
        client.restful(f"jobs/ingest/{job['id']}")
