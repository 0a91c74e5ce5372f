"""What Salesforce may be asked: every forbidden call is stopped before it leaves, whoever makes it."""

import json
from typing import Any

import pytest
import requests

from integrations import outbound, providers
from integrations.errors import Permanent

PROVIDER = providers.get("salesforce")
ORG = "https://acme.my.salesforce.com"
DATA = f"{ORG}/services/data/v62.0"
RECORD = "001dM00000abcdEQAQ"


def prepared(method: str, url: str, body: Any = None, **headers: str) -> requests.PreparedRequest:
    return requests.Request(method, url, headers=headers, **({"json": body} if body is not None else {})).prepare()


def records(*kinds: str) -> dict[str, Any]:
    return {"allOrNone": False, "records": [{"attributes": {"type": kind}, "Name": "x"} for kind in kinds]}


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", f"{DATA}/query?q=SELECT+Id+FROM+Account", None),
        ("GET", f"{DATA}/queryAll?q=SELECT+Id+FROM+Account", None),
        ("GET", f"{DATA}/sobjects/Contact/describe", None),
        ("GET", f"{DATA}/sobjects/Contact/deleted/?start=2026-01-01T00:00:00%2B00:00", None),
        ("GET", f"{DATA}/limits", None),
        ("GET", f"{DATA}/jobs/query/750dM00000abcdEQAQ/results?maxRecords=1000", None),
        ("GET", f"{ORG}/services/data", None),
        ("POST", f"{DATA}/sobjects/Task/", {"Subject": "x"}),
        ("POST", f"{DATA}/sobjects/Note", {"Title": "x"}),
        ("PATCH", f"{DATA}/sobjects/Account/{RECORD}", {"Name": "x"}),
        ("PATCH", f"{DATA}/sobjects/Account/LPxGP_Sync_Id__c/a%2Fb-1", {"Name": "x"}),
        ("POST", f"{DATA}/composite/sobjects", records("Task", "Event")),
        ("PATCH", f"{DATA}/composite/sobjects", records("Account")),
        ("PATCH", f"{DATA}/composite/sobjects/Contact/LPxGP_Sync_Id__c", records("Contact", "Contact")),
        ("POST", f"{DATA}/jobs/query", {"operation": "query", "query": "SELECT Id FROM Contact"}),
        ("POST", f"{DATA}/jobs/ingest", {"operation": "upsert", "object": "Account"}),
        ("PATCH", f"{DATA}/jobs/ingest/750dM00000abcdEQAQ", {"state": "UploadComplete"}),
        ("PUT", f"{DATA}/jobs/ingest/750dM00000abcdEQAQ/batches", None),
        ("POST", f"{DATA}/tooling/sobjects/CustomField/", {"FullName": "Account.LPxGP_Summary__c", "Metadata": {}}),
        ("POST", f"{DATA}/sobjects/FieldPermissions/", {"Field": "Account.LPxGP_Summary__c", "ParentId": "0PS"}),
        ("POST", "https://login.salesforce.com/services/oauth2/token", None),
        ("POST", f"{ORG}/services/oauth2/revoke", None),
    ],
)
def test_reading_creating_and_updating_what_we_may_is_let_through(method: str, url: str, body: Any) -> None:
    assert PROVIDER.is_allowed(prepared(method, url, body))


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("DELETE", f"{DATA}/sobjects/Account/{RECORD}", None),
        ("DELETE", f"{DATA}/composite/sobjects?ids={RECORD}", None),
        ("DELETE", f"{DATA}/jobs/query/750dM00000abcdEQAQ", None),
        ("PUT", f"{DATA}/sobjects/Account/{RECORD}", {"Name": "x"}),
        ("HEAD", f"{DATA}/limits", None),
        ("POST", f"{DATA}/sobjects/Account/{RECORD}?_HttpMethod=DELETE", {}),
        ("GET", f"{DATA}/sobjects/Account/{RECORD}?_HttpMethod=DELETE", None),
        ("POST", f"{DATA}/sobjects/User", {"Username": "x"}),
        ("POST", f"{DATA}/sobjects/PermissionSetAssignment", {"AssigneeId": "x"}),
        ("POST", f"{DATA}/sobjects/Opportunity", {}),
        ("POST", f"{DATA}/sobjects/FieldPermissions", {"Field": "Account.AnnualRevenue"}),
        ("POST", f"{DATA}/sobjects/FieldPermissions", {}),
        ("PATCH", f"{DATA}/sobjects/User/005dM00000awSFJQA2", {"IsActive": False}),
        ("PATCH", f"{DATA}/sobjects/Account/Name/Acme", {"Name": "x"}),
        ("PATCH", f"{DATA}/sobjects/Account/../User/{RECORD}", {}),
        ("POST", f"{DATA}/composite/sobjects", records("Account", "User")),
        ("POST", f"{DATA}/composite/sobjects", {"records": [{"Name": "no kind"}]}),
        ("POST", f"{DATA}/composite/sobjects", {"records": []}),
        ("POST", f"{DATA}/composite/sobjects", {"records": "x"}),
        ("PATCH", f"{DATA}/composite/sobjects/Contact/LPxGP_Sync_Id__c", records("Account")),
        ("PATCH", f"{DATA}/composite/sobjects/Contact/Email", records("Contact")),
        ("POST", f"{DATA}/composite", {"compositeRequest": [{"method": "DELETE", "url": "x"}]}),
        ("POST", f"{DATA}/composite/batch", {"batchRequests": [{"method": "DELETE", "url": "x"}]}),
        ("POST", f"{DATA}/composite/graph", {"graphs": []}),
        ("POST", f"{DATA}/jobs/ingest", {"operation": "delete", "object": "Account"}),
        ("POST", f"{DATA}/jobs/ingest", {"operation": "hardDelete", "object": "Account"}),
        ("POST", f"{DATA}/jobs/ingest", {"operation": "update", "object": "User"}),
        ("PATCH", f"{DATA}/jobs/ingest/750dM00000abcdEQAQ", {"state": "Aborted", "object": "User"}),
        ("POST", f"{DATA}/tooling/sobjects/CustomField", {"FullName": "Account.Mine__c", "Metadata": {}}),
        ("POST", f"{DATA}/tooling/sobjects/ApexClass", {"Body": "x"}),
        ("POST", f"{DATA}/tooling/executeAnonymous", {}),
        ("POST", f"{ORG}/services/apexrest/anything", {}),
        ("POST", f"{ORG}/services/Soap/u/62.0", None),
        ("POST", "https://login.salesforce.com/services/data/v62.0/sobjects/Task", {"Subject": "x"}),
        ("POST", f"{ORG}/services/oauth2/token?x=1", None),
    ],
)
def test_all_else_never_leaves(method: str, url: str, body: Any) -> None:
    with pytest.raises(Permanent, match="stopped on its way"):
        outbound.session(PROVIDER, "token").send(prepared(method, url, body))


@pytest.mark.parametrize("name", ["OwnerId", "ownerid", "Owner"])
def test_no_record_is_handed_over(name: str) -> None:
    ours, other = records("Account", "Account"), {name: "005dM00000awSFJQA2"}
    ours["records"][1] |= other
    assert not PROVIDER.is_allowed(prepared("PATCH", f"{DATA}/composite/sobjects", ours))
    assert not PROVIDER.is_allowed(prepared("POST", f"{DATA}/sobjects/Task", {"Subject": "x", **other}))
    assert not PROVIDER.is_allowed(prepared("PATCH", f"{DATA}/sobjects/Account/{RECORD}", other))
    for head in (f'Id,"{name}"', f"Id;{name}.Alias\r", f"\ufeff{name}"):
        table = f"{head}\n{RECORD},005dM00000awSFJQA2\n".encode()
        upload = requests.Request("PUT", f"{DATA}/jobs/ingest/750dM00000abcdEQAQ/batches", data=table).prepare()
        assert not PROVIDER.is_allowed(upload)


def test_a_table_of_what_we_may_write_is_let_through() -> None:
    table = b"LPxGP_Sync_Id__c,Name\n1,OwnerId\n"
    assert PROVIDER.is_allowed(
        requests.Request("PUT", f"{DATA}/jobs/ingest/750dM00000abcdEQAQ/batches", data=table).prepare()
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-Method-Override": "DELETE"},
        {"Host": "evil.example"},
        {"Transfer-Encoding": "chunked"},
    ],
)
def test_a_header_changes_neither_method_nor_frame(headers: dict[str, str]) -> None:
    assert not PROVIDER.is_allowed(prepared("POST", f"{DATA}/sobjects/Task", {"Subject": "x"}, **headers))


def test_what_is_not_json_is_no_record() -> None:
    for body in ("[" * 20_000, "x", json.dumps([1]), "null"):
        request = requests.Request("POST", f"{DATA}/sobjects/Task", data=body).prepare()
        assert not PROVIDER.is_allowed(request)
