"""Custom fields, permissions on them, and what an admin may do."""

from typing import Any

import pytest

from tests.sandbox.person import Json, Scene
from tests.sandbox.salesforce import ANNA, BEN, KEY, KEY_METADATA, Lab, acme, refusal


@pytest.fixture
def lab(scene: Scene) -> Lab:
    return acme(scene)


@pytest.fixture
def client(lab: Lab) -> Any:
    return lab.client()


def add_field(client: Any, full_name: str, **metadata: Any) -> Json:
    data = {"FullName": full_name, "Metadata": KEY_METADATA | metadata}
    made: Json = client.toolingexecute("sobjects/CustomField", method="POST", data=data)
    return made


def permit(client: Any, username: str, field: str, *, is_edit: bool = True) -> None:
    """As an integration gives a user a field: a permission set, its permission, its assignment."""
    made = client.PermissionSet.create({"Name": "LPxGP", "Label": "LPxGP"})["id"]
    name = field.partition(".")[0]
    client.FieldPermissions.create(
        {
            "ParentId": made,
            "SobjectType": name,
            "Field": field,
            "PermissionsRead": True,
            "PermissionsEdit": is_edit,
        }
    )
    user = client.query(f"SELECT Id FROM User WHERE Username = '{username}'")["records"][0]["Id"]
    client.PermissionSetAssignment.create({"PermissionSetId": made, "AssigneeId": user})


def names(client: Any, name: str) -> set[str]:
    return {one["name"] for one in getattr(client, name).describe()["fields"]}


def test_a_new_field_is_invisible_until_it_is_permitted(lab: Lab, client: Any) -> None:
    made = add_field(client, f"Account.{KEY}")
    assert made["success"]
    assert made["id"].startswith("00N")
    assert KEY not in names(client, "Account")
    with refusal(400, "INVALID_FIELD"):
        client.Account.create({"Name": "A", KEY: "a-1"})
    permit(client, ANNA, f"Account.{KEY}")
    found = next(one for one in client.Account.describe()["fields"] if one["name"] == KEY)
    assert (found["externalId"], found["unique"], found["length"], found["custom"]) == (True, True, 64, True)
    assert found["updateable"]
    assert client.Account.create({"Name": "A", KEY: "a-1"})["success"]
    assert KEY not in names(lab.client(BEN), "Account")


def test_permission_to_read_is_not_permission_to_write(lab: Lab, client: Any) -> None:
    add_field(client, f"Account.{KEY}")
    permit(client, ANNA, f"Account.{KEY}", is_edit=False)
    assert KEY in names(client, "Account")
    with refusal(400, "INVALID_FIELD_FOR_INSERT_UPDATE"):
        client.Account.create({"Name": "A", KEY: "a-1"})


def test_fields_of_activities_are_made_at_activity(lab: Lab, client: Any) -> None:
    with refusal(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"):
        add_field(client, f"Task.{KEY}")
    add_field(client, f"Activity.{KEY}")
    permit(client, ANNA, f"Task.{KEY}")
    assert KEY in names(client, "Task")
    assert KEY not in names(client, "Event")


def test_what_is_refused(lab: Lab, client: Any) -> None:
    add_field(client, f"Account.{KEY}")
    for full_name, metadata, code in (
        (f"Account.{KEY}", {}, "DUPLICATE_DEVELOPER_NAME"),
        ("Account.Name", {}, "FIELD_INTEGRITY_EXCEPTION"),
        (f"Nonsense.{KEY}", {}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Contact.X__c", {"label": ""}, "REQUIRED_FIELD_MISSING"),
        ("Contact.X__c", {"length": 0}, "REQUIRED_FIELD_MISSING"),
        ("Contact.X__c", {"type": "Number"}, "REQUIRED_FIELD_MISSING"),
    ):
        with refusal(400, code):
            add_field(client, full_name, **metadata)
    with refusal(403, "INSUFFICIENT_ACCESS_OR_READONLY"):
        add_field(lab.client(BEN), "Contact.X__c")


def test_kinds_of_fields(lab: Lab, client: Any) -> None:
    kinds: dict[str, tuple[Json, Any]] = {
        "LPxGP_Match_Score__c": ({"type": "Number", "precision": 5, "scale": 2}, 87.5),
        "LPxGP_Summary__c": ({"type": "LongTextArea", "length": 32_000, "visibleLines": 5}, "long"),
        "LPxGP_Last_Synced__c": ({"type": "DateTime"}, "2027-03-10T08:00:00.000+0000"),
        "Is_Lp__c": ({"type": "Checkbox", "defaultValue": False}, True),
        "Stage__c": (
            {
                "type": "Picklist",
                "valueSet": {
                    "restricted": True,
                    "valueSetDefinition": {
                        "value": [{"fullName": "Warm", "label": "Warm"}, {"fullName": "Cold", "label": "Cold"}]
                    },
                },
            },
            "Warm",
        ),
    }
    for name, (metadata, _) in kinds.items():
        lab.order("fields", field=f"Account.{name}", metadata={"label": name, **metadata})
    record = {name: value for name, (_, value) in kinds.items()}
    made = client.Account.create({"Name": "A", **record})["id"]
    found = client.Account.get(made)
    assert {name: found[name] for name in record} == record
    with refusal(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"):
        client.Account.update(made, {"Stage__c": "Hot"})
    with refusal(400, "NUMBER_OUTSIDE_VALID_RANGE"):
        client.Account.update(made, {"LPxGP_Match_Score__c": 1_000})


def test_fields_are_found_by_tooling(lab: Lab, client: Any) -> None:
    made = add_field(client, f"Account.{KEY}")
    query = "SELECT Id, DeveloperName FROM CustomField WHERE TableEnumOrId = 'Account'"
    found = client.toolingexecute(f"query/?q={query.replace(' ', '+')}")
    assert [(one["Id"], f"{one['DeveloperName']}__c") for one in found["records"]] == [(made["id"], KEY)]
    assert client.toolingexecute(f"sobjects/CustomField/{made['id']}")["FullName"] == f"Account.{KEY}"


def test_profiles_own_permission_sets(lab: Lab, client: Any) -> None:
    query = "SELECT PermissionSet.Profile.Name FROM PermissionSetAssignment WHERE PermissionSet.IsOwnedByProfile = true"
    found = client.query(query)["records"]
    assert {one["PermissionSet"]["Profile"]["Name"] for one in found} == {"System Administrator", "Standard User"}


def test_a_key_is_asked_for_by_upserts_only_when_visible(lab: Lab, client: Any) -> None:
    add_field(client, f"Account.{KEY}")
    with refusal(404, "NOT_FOUND"):
        client.Account.upsert(f"{KEY}/a-1", {"Name": "A"})
    lab.add_key("Contact")
    assert client.Contact.upsert(f"{KEY}/c-1", {"LastName": "A"}) == 201


def test_a_user_whose_time_zone_salesforce_does_not_know_is_refused_in_words(lab: Lab) -> None:
    users = [{"username": "zoe@acme.example", "time_zone": "Europe/Atlantis"}]
    answer = lab.scene.http.post(
        f"{lab.scene.url}/control/salesforce/orgs", json={"org": "acme", "users": users}, timeout=20
    )
    assert answer.status_code == 400
    assert "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" in answer.json()["error"]
