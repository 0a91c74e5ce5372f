"""What the pretend Salesforce says of itself: versions, limits, objects and fields."""

import pytest
import requests

from tests.sandbox.person import Json, Scene
from tests.sandbox.salesforce import BEN, HOST, acme, recorded, refusal

PARTS = (
    "type",
    "length",
    "createable",
    "updateable",
    "nillable",
    "defaultedOnCreate",
    "restrictedPicklist",
    "soapType",
)


def fields_of(described: Json) -> dict[str, Json]:
    return {one["name"]: one for one in described["fields"]}


@pytest.mark.parametrize("name", ["Account", "Task"])
def test_fields_are_as_recorded(scene: Scene, name: str) -> None:
    found = acme(scene).client().restful(f"sobjects/{name}/describe")
    wanted = recorded(f"describe_{name.lower()}.json")
    wanted = wanted.get("body", wanted)
    ours, theirs = fields_of(found), fields_of(wanted)
    shared = ours.keys() & theirs.keys()
    assert len(shared) >= 22
    assert set(ours["Id"]) == set(theirs["Id"])
    for field in shared:
        assert {part: ours[field][part] for part in PARTS} == {part: theirs[field][part] for part in PARTS}, field
        assert ours[field]["label"] == theirs[field]["label"]
        if theirs[field]["picklistValues"] and name == "Task":
            assert [one["value"] for one in ours[field]["picklistValues"]] == [
                one["value"] for one in theirs[field]["picklistValues"]
            ]
    assert {key: found[key] for key in ("keyPrefix", "label", "labelPlural", "mergeable")} == {
        key: wanted[key] for key in ("keyPrefix", "label", "labelPlural", "mergeable")
    }


def test_versions_are_for_anybody_and_not_counted(scene: Scene) -> None:
    acme(scene)
    answer = requests.get(f"{scene.url}/salesforce/{HOST}/services/data", timeout=20)
    assert answer.json()[-4:] == recorded("versions.json")["body"]
    assert "Sforce-Limit-Info" not in answer.headers
    assert scene.get("salesforce/orgs")["orgs"][0]["used"] == 0


def test_objects_and_basics(scene: Scene) -> None:
    lab = acme(scene)
    lab.create("Account", {"Name": "Alpine Pension"})
    client = lab.client()
    described = client.describe()
    assert described is not None
    assert {"Account", "Contact", "Task", "Event", "User"} <= {one["name"] for one in described["sobjects"]}
    assert client.Account.metadata()["recentItems"][0]["Name"] == "Alpine Pension"
    with refusal(404, "NOT_FOUND"):
        client.Nonsense.describe()


def test_an_old_version_is_unknown(scene: Scene) -> None:
    lab = acme(scene)
    client = lab.client()
    client.base_url = client.base_url.replace("v62.0", "v12.0")
    with refusal(404, "NOT_FOUND"):
        client.limits()


def test_describe_is_cached_by_its_date(scene: Scene) -> None:
    lab = acme(scene)
    client = lab.client()
    scene.post("clock", advance_seconds=60)
    address = f"{client.base_url}sobjects/Account/describe"
    first = client.session.get(address, headers=client.headers)
    same = client.headers | {"If-Modified-Since": first.headers["Last-Modified"]}
    again = client.session.get(address, headers=same)
    assert (again.status_code, again.content) == (304, b"")
    scene.post("clock", advance_seconds=60)
    lab.add_key("Account")
    assert client.session.get(address, headers=same).status_code == 200


def test_hidden_fields_are_absent_and_fixed_ones_say_so(scene: Scene) -> None:
    lab = acme(scene)
    lab.order("access", user=BEN, hide_fields=["Contact.Phone"], readonly_fields=["Contact.Title"])
    bens, annas = (fields_of(lab.client(user).Contact.describe()) for user in (BEN, "anna@acme.example"))
    assert "Phone" not in bens
    assert (bens["Title"]["createable"], bens["Title"]["updateable"]) == (False, False)
    assert annas["Phone"]["updateable"]
    client = lab.client(BEN)
    with refusal(400, "INVALID_FIELD"):
        client.query("SELECT Phone FROM Contact")
    with refusal(400, "INVALID_FIELD"):
        client.Contact.create({"LastName": "Ash", "Phone": "1"})
    with refusal(400, "INVALID_FIELD_FOR_INSERT_UPDATE") as errors:
        client.Contact.create({"LastName": "Ash", "Title": "CIO"})
    assert errors[0]["fields"] == ["Title"]
    wanted = recorded("errors.json")["INVALID_FIELD_FOR_INSERT_UPDATE_400"][0]["message"]
    assert errors[0]["message"] == wanted.replace("Provider__c", "Title")


def test_a_hidden_object_is_not_there(scene: Scene) -> None:
    lab = acme(scene)
    lab.order("access", user=BEN, hide_objects=["ContentNote"])
    client = lab.client(BEN)
    with refusal(400, "INVALID_TYPE"):
        client.query("SELECT Id FROM ContentNote")
    with refusal(404, "NOT_FOUND"):
        client.ContentNote.describe()


def test_compound_fields_are_read_only(scene: Scene) -> None:
    client = acme(scene).client()
    fields = fields_of(client.Contact.describe())
    assert not fields["Name"]["createable"]
    assert fields["LastName"]["compoundFieldName"] == "Name"
    made = client.Contact.create({"FirstName": "Ada", "LastName": "Ash", "MailingCity": "Zurich"})
    found = client.Contact.get(made["id"])
    assert (found["Name"], found["MailingAddress"]["city"]) == ("Ada Ash", "Zurich")
    with refusal(400, "INVALID_FIELD_FOR_INSERT_UPDATE"):
        client.Contact.update(made["id"], {"Name": "Bob Birch"})
