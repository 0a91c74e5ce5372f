"""SOQL at the pretend Salesforce."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from simple_salesforce.format import format_soql

from tests.sandbox.person import Json, Scene
from tests.sandbox.salesforce import ANNA, Lab, acme, recorded, refusal

START = "2027-03-10T08:00:00Z"


@pytest.fixture
def lab(scene: Scene) -> Lab:
    """Three accounts, saved ten seconds apart, and two contacts."""
    scene.post("clock", set=START)
    lab = acme(scene)
    for name, city, revenue in (("Alpine", "Zurich", 3e6), ("Baltic", None, 1e6), ("celtic", "Dublin", None)):
        account = {"Name": name, "BillingCity": city, "AnnualRevenue": revenue}
        lab.create("Account", {key: value for key, value in account.items() if value})
        scene.post("clock", advance_seconds=10)
    alpine = lab.shown("Account")[0]["Id"]
    lab.create("Contact", {"LastName": "O'Hara", "Email": "Ohara@Alpine.example", "AccountId": alpine})
    lab.create("Contact", {"LastName": "Birch", "Birthdate": "1990-05-06"})
    return lab


@pytest.fixture
def client(lab: Lab) -> Any:
    return lab.client()


def names(client: Any, rest: str, name: str = "Account") -> list[str]:
    key = "Name" if name == "Account" else "LastName"
    return [one[key] for one in client.query(f"SELECT {key} FROM {name} {rest}")["records"]]


def test_a_record_is_as_recorded(client: Any) -> None:
    found = client.query("select id, name, billingcity, systemmodstamp from account where billingcity = null")
    assert (found["totalSize"], found["done"]) == (1, True)
    record = found["records"][0]
    assert list(record) == ["attributes", "Id", "Name", "BillingCity", "SystemModstamp"]
    assert record["attributes"] == {"type": "Account", "url": f"/services/data/v62.0/sobjects/Account/{record['Id']}"}
    assert record["BillingCity"] is None
    assert record["SystemModstamp"] == "2027-03-10T08:00:10.000+0000"


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [
        ("WHERE Name = 'ALPINE'", ["Alpine"]),
        ("WHERE Name != 'alpine' ORDER BY Name", ["Baltic", "celtic"]),
        ("WHERE Name LIKE '%lti_' ORDER BY Name", ["Baltic", "celtic"]),
        ("WHERE BillingCity IN ('Zurich', 'Dublin') ORDER BY Name DESC", ["celtic", "Alpine"]),
        ("WHERE BillingCity NOT IN ('Zurich')", ["Baltic", "celtic"]),
        ("WHERE BillingCity != null AND (AnnualRevenue > 2000000 OR Name = 'celtic')", ["Alpine", "celtic"]),
        ("WHERE NOT Name = 'Alpine' AND AnnualRevenue = null", ["celtic"]),
        ("WHERE AnnualRevenue <= 3e6", None),
        ("WHERE AnnualRevenue >= 1000000 ORDER BY AnnualRevenue", ["Baltic", "Alpine"]),
        ("ORDER BY AnnualRevenue", ["celtic", "Baltic", "Alpine"]),
        ("ORDER BY AnnualRevenue NULLS LAST, Name", ["Baltic", "Alpine", "celtic"]),
        ("ORDER BY AnnualRevenue DESC", ["Alpine", "Baltic", "celtic"]),
        ("ORDER BY Name LIMIT 1 OFFSET 1", ["Baltic"]),
        ("WHERE SystemModstamp > 2027-03-10T08:00:00Z ORDER BY SystemModstamp, Id", ["Baltic", "celtic"]),
        ("WHERE SystemModstamp >= 2027-03-10T09:00:00.000+01:00 AND SystemModstamp < 2027-03-10T08:00:10Z", ["Alpine"]),
        ("WHERE SystemModstamp <= 2027-03-10T08:00:10Z ORDER BY SystemModstamp DESC", ["Baltic", "Alpine"]),
        ("WHERE CreatedDate = TODAY AND Name = 'Alpine'", ["Alpine"]),
        ("WHERE CreatedDate < LAST_N_DAYS:3", []),
        ("WHERE Owner.Username = 'anna@acme.example' AND IsDeleted = false LIMIT 2", ["Alpine", "Baltic"]),
    ],
)
def test_conditions_and_orders(client: Any, rest: str, wanted: list[str] | None) -> None:
    if wanted is None:
        with refusal(400, "MALFORMED_QUERY"):
            names(client, rest)
    else:
        assert names(client, rest) == wanted


def test_texts_are_escaped_and_dates_are_days(client: Any) -> None:
    assert names(client, format_soql("WHERE LastName = {}", "O'Hara"), "Contact") == ["O'Hara"]
    assert names(client, "WHERE Birthdate > 1990-05-05", "Contact") == ["Birch"]
    assert names(client, "WHERE Email = 'OHARA@alpine.example'", "Contact") == ["O'Hara"]


def test_times_as_the_client_writes_them(client: Any) -> None:
    after = datetime(2027, 3, 10, 8, 0, 0, 999_999, tzinfo=UTC)
    assert names(client, format_soql("WHERE SystemModstamp > {}", after)) == ["Baltic", "celtic"]


def test_parents_are_objects_or_null(client: Any) -> None:
    found = client.query("SELECT LastName, Account.Name, Account.Owner.Name FROM Contact ORDER BY LastName DESC")[
        "records"
    ]
    assert found[0]["Account"]["Name"] == "Alpine"
    assert found[0]["Account"]["attributes"]["type"] == "Account"
    assert found[0]["Account"]["Owner"]["Name"] == "Anna Ash"
    assert found[1]["Account"] is None
    assert names(client, "WHERE Account.BillingCity = 'zurich'", "Contact") == ["O'Hara"]


def test_polymorphic_parents(lab: Lab, client: Any) -> None:
    contact = lab.shown("Contact")[0]["Id"]
    lab.create("Task", {"Subject": "Call", "WhoId": contact, "WhatId": lab.shown("Account")[1]["Id"]})
    task = client.query("SELECT Who.Name, Who.Type, What.Type, Account.Name FROM Task WHERE Who.Type = 'Contact'")[
        "records"
    ][0]
    assert (task["Who"]["Name"], task["Who"]["Type"]) == ("O'Hara", "Contact")
    assert (task["What"]["Type"], task["Account"]["Name"]) == ("Account", "Baltic")


def test_ids_of_15_letters_are_found_and_18_come_back(client: Any) -> None:
    record = client.query("SELECT Id FROM Account LIMIT 1")["records"][0]
    found = client.query(f"SELECT Id FROM Account WHERE Id = '{record['Id'][:15]}'")
    assert found["records"][0]["Id"] == record["Id"]
    assert client.Account.get(record["Id"][:15])["Id"] == record["Id"]


def test_counting(client: Any) -> None:
    assert client.query("SELECT COUNT() FROM Account WHERE Name LIKE 'a%'") == {
        "totalSize": 1,
        "done": True,
        "records": [],
    }


def test_pages(lab: Lab, client: Any) -> None:
    lab.order("bulk_records", object="Account", count=4_500)
    query = "SELECT Id, Name FROM Account ORDER BY SystemModstamp, Id"
    first = client.query(query)
    assert set(first) == set(recorded("query_page_1.json")["body"])
    assert (first["totalSize"], first["done"], len(first["records"])) == (4_503, False, 2_000)
    assert first["nextRecordsUrl"].startswith("/services/data/v62.0/query/0r8")
    # A record that changes meanwhile neither comes twice nor goes missing.
    lab.order("records/update", id=first["records"][5]["Id"], fields={"Name": "Later"})
    second = client.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    last = client.query_more(second["nextRecordsUrl"], identifier_is_url=True)
    assert set(last) == set(recorded("query_page_2.json")["body"])
    assert (last["totalSize"], len(last["records"])) == (4_503, 503)
    ids = {one["Id"] for page in (first, second, last) for one in page["records"]}
    assert len(ids) == 4_503
    assert sum(1 for _ in client.query_all_iter(query)) == 4_503


def test_the_size_of_a_page_is_wished_for(lab: Lab, client: Any) -> None:
    lab.order("bulk_records", object="Account", count=900)
    for wish, size in ((300, 300), (1, 200), (99_999, 903)):
        headers = {"Sforce-Query-Options": f"batchSize={wish}"}
        assert len(client.query("SELECT Id FROM Account", headers=headers)["records"]) == size


def test_somebody_elses_cursor_is_invalid(lab: Lab, client: Any) -> None:
    lab.order("bulk_records", object="Account", count=3_000)
    page = client.query("SELECT Id FROM Account")["nextRecordsUrl"]
    with refusal(400, "INVALID_QUERY_LOCATOR"):
        lab.client("ben@acme.example").query_more(page, identifier_is_url=True)


@pytest.mark.parametrize(
    ("query", "code", "part"),
    [
        ("SELECT Id, FullName FROM Account", "INVALID_FIELD", "No such column 'FullName' on entity 'Account'"),
        ("SELECT Id, Nobody.Name FROM Account", "INVALID_FIELD", "relationship 'Nobody'"),
        ("SELECT Id FROM Nonsense", "INVALID_TYPE", "sObject type 'Nonsense' is not supported"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Account WHERE Name = Alpine", "MALFORMED_QUERY", "unexpected token: 'Alpine'"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY", "'or'"),
        ("SELECT Id FROM Account WHERE Name = 'a", "MALFORMED_QUERY", ""),
        ("SELECT Id FROM Account WHERE Description = 'a'", "INVALID_FIELD", "can not be filtered"),
        (
            "SELECT Id FROM Account WHERE CreatedDate > '2027-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "not be enclosed in quotes",
        ),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "should be enclosed in quotes"),
        ("SELECT Id FROM Account WHERE Id = 'nonsense'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field"),
        ("SELECT Id FROM ContentDocumentLink", "MALFORMED_QUERY", "Implementation restriction"),
        ("SELECT Id FROM CustomField", "INVALID_TYPE", ""),
        ("", "MALFORMED_QUERY", ""),
    ],
)
def test_what_is_wrong_with_a_query(client: Any, query: str, code: str, part: str) -> None:
    with refusal(400, code) as errors:
        client.query(query)
    assert part in errors[0]["message"]


def test_an_address_can_be_too_long(client: Any) -> None:
    with refusal(414):
        client.query(f"SELECT Id FROM Account WHERE Id IN ({','.join(['001000000000000AAA'] * 900)})")


def test_the_place_of_an_error_is_marked(client: Any) -> None:
    with refusal(400, "INVALID_FIELD") as errors:
        client.query("SELECT Id, FullName FROM Account")
    lines = errors[0]["message"].splitlines()
    assert lines[1].index("FullName") == lines[2].index("^")
    assert lines[3] == "ERROR at Row:1:Column:12"


def test_a_hundred_thousand_are_quick(lab: Lab, client: Any) -> None:
    """No page reads more than itself, and nothing is copied for records that nobody touched."""
    lab.order("bulk_records", object="Account", count=20_000)
    lab.order("bulk_records", object="Contact", count=100_000, parents="bulk", per_second=500)
    begun = datetime.now(UTC)
    since = "WHERE SystemModstamp >= 2027-03-10T07:58:00Z ORDER BY SystemModstamp, Id"
    query = f"SELECT Id, Email, Account.Name FROM Contact {since}"
    page = client.query(query)
    following: Json = client.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    assert datetime.now(UTC) - begun < timedelta(seconds=5)
    assert 60_000 < page["totalSize"] < 100_000
    stamps = [one["Id"] for one in [*page["records"], *following["records"]]]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == 4_000
    chosen = [one["Id"] for one in page["records"][:200]]
    body = {"records": [{"attributes": {"type": "Contact"}, "id": one, "Title": "CIO"} for one in chosen]}
    assert all(one["success"] for one in client.restful("composite/sobjects", method="PATCH", json=body))
    assert client.query("SELECT COUNT() FROM Contact WHERE Title = 'CIO'")["totalSize"] == 200
    assert client.query("SELECT COUNT() FROM Contact")["totalSize"] == 100_002
    assert client.query(f"SELECT Email FROM Contact WHERE Id = '{chosen[7]}'")["records"][0]["Email"].startswith(
        "contact"
    )
    assert ANNA in str(lab.shown("User"))
