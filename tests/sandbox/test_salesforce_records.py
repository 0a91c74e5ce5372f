"""Single records at the pretend Salesforce: saving, what is refused and how, upserts, keys."""

from base64 import b64encode
from typing import Any

import pytest
from simple_salesforce.exceptions import SalesforceMoreThanOneRecord
from simple_salesforce.format import format_external_id

from tests.sandbox.person import Json, Scene
from tests.sandbox.salesforce import ANNA, BEN, KEY, Lab, acme, recorded, refusal

LONG = "x" * 200


@pytest.fixture
def lab(scene: Scene) -> Lab:
    return acme(scene)


@pytest.fixture
def client(lab: Lab) -> Any:
    return lab.client()


def test_create_read_change_delete(lab: Lab, client: Any, scene: Scene) -> None:
    raw = client._call_salesforce("POST", f"{client.base_url}sobjects/Account/", json={"Name": " Alpine "})
    made = raw.json()
    assert (raw.status_code, set(made)) == (201, {"id", "success", "errors"})
    assert raw.headers["Location"] == f"/services/data/v62.0/sobjects/Account/{made['id']}"
    assert client.Account.get(made["id"])["Name"] == "Alpine"
    scene.post("clock", advance_seconds=5)
    assert client.Account.update(made["id"], {"Industry": "Finance", "Name": "Alpine"}) == 204
    found = client.Account.get(made["id"][:15])
    assert (found["Id"], found["Industry"], found["OwnerId"]) == (made["id"], "Finance", lab.org["users"][ANNA])
    assert found["SystemModstamp"] > found["CreatedDate"]
    assert found["SystemModstamp"].endswith(".000+0000")
    client.Account.update(made["id"], {"Industry": None})
    assert client.Account.get(made["id"])["Industry"] is None
    assert client.Account.delete(made["id"]) == 204
    for call in (client.Account.get, client.Account.delete):
        with refusal(404) as errors:
            call(made["id"])
        assert errors == recorded("errors.json")["ENTITY_IS_DELETED_404"]


def test_saving_the_same_values_moves_the_stamps(client: Any, scene: Scene) -> None:
    record_id = client.Account.create({"Name": "Alpine"})["id"]
    before = client.Account.get(record_id)
    scene.post("clock", advance_seconds=5)
    client.Account.update(record_id, {"Name": "Alpine"})
    after = client.Account.get(record_id)
    assert after["SystemModstamp"] > before["SystemModstamp"]
    assert after["LastModifiedDate"] == after["SystemModstamp"]


REFUSED: list[tuple[str, Json, str, list[str] | None]] = [
    ("Account", {}, "REQUIRED_FIELD_MISSING", ["Name"]),
    ("Contact", {"FirstName": "Ada"}, "REQUIRED_FIELD_MISSING", ["LastName"]),
    ("Contact", {"LastName": "A", "Title": LONG}, "STRING_TOO_LONG", ["Title"]),
    ("Contact", {"LastName": "A", "Email": "nonsense"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
    ("Contact", {"LastName": "A", "foo__c": 1}, "INVALID_FIELD", None),
    (
        "Contact",
        {"LastName": "A", "CreatedDate": "2027-01-01T00:00:00Z"},
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        ["CreatedDate"],
    ),
    ("Contact", {"LastName": "A", "Birthdate": "soon"}, "JSON_PARSER_ERROR", None),
    ("Contact", {"LastName": 5}, "JSON_PARSER_ERROR", None),
    ("Contact", {"LastName": "A", "AccountId": "nonsense"}, "MALFORMED_ID", ["AccountId"]),
    ("Contact", {"LastName": "A", "AccountId": "001000000000001AAA"}, "MALFORMED_ID", ["AccountId"]),
    ("Account", {"Name": "A", "AnnualRevenue": 1e19}, "NUMBER_OUTSIDE_VALID_RANGE", ["AnnualRevenue"]),
    ("Task", {"CallType": "Sideways"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["CallType"]),
    ("Event", {"Subject": "A"}, "REQUIRED_FIELD_MISSING", []),
]


@pytest.mark.parametrize(("name", "record", "code", "fields"), REFUSED)
def test_what_is_refused(client: Any, name: str, record: Json, code: str, fields: list[str] | None) -> None:
    with refusal(400, code) as errors:
        getattr(client, name).create(record)
    assert errors[0].get("fields") == fields


def test_refusals_are_as_recorded(lab: Lab, client: Any) -> None:
    wanted = recorded("errors.json")
    with refusal(400) as errors:
        client.Account.create({"Industry": "Finance"})
    assert errors == wanted["REQUIRED_FIELD_MISSING_400"]
    with refusal(400) as errors:
        client.Contact.create({"LastName": "A", "foo__c": 1})
    assert errors == wanted["INVALID_FIELD_400_write"]
    with refusal(404) as errors:
        client.Account.get("001000000000001AAA")
    assert errors == wanted["NOT_FOUND_404"]


def test_a_reference_to_another_object_or_to_nothing(lab: Lab, client: Any) -> None:
    account = client.Account.create({"Name": "Alpine"})["id"]
    for wrong, code in (
        (lab.org["users"][ANNA], "FIELD_INTEGRITY_EXCEPTION"),
        (f"{account[:6]}zzzzzzzzz", "INVALID_CROSS_REFERENCE_KEY"),
    ):
        with refusal(400, code):
            client.Contact.create({"LastName": "A", "AccountId": wrong})
    client.Account.delete(account)
    with refusal(400, "ENTITY_IS_DELETED"):
        client.Contact.create({"LastName": "A", "AccountId": account})


def test_a_required_field_cannot_be_emptied(client: Any) -> None:
    record_id = client.Contact.create({"LastName": "Ash"})["id"]
    with refusal(400, "REQUIRED_FIELD_MISSING"):
        client.Contact.update(record_id, {"LastName": ""})


def test_an_admin_makes_a_field_required(lab: Lab, client: Any) -> None:
    lab.order("fields", field="Contact.Email", required=True)
    with refusal(400, "REQUIRED_FIELD_MISSING") as errors:
        client.Contact.create({"LastName": "Ash"})
    assert errors[0]["fields"] == ["Email"]
    found = next(one for one in client.Contact.describe()["fields"] if one["name"] == "Email")
    assert found["createable"]
    assert not found["nillable"]
    assert not found["defaultedOnCreate"]


def test_picklists_are_open_until_they_are_restricted(lab: Lab, client: Any) -> None:
    client.Account.create({"Name": "A", "Industry": "Private equity"})
    lab.order("fields", field="Account.Industry", restricted=True, picklist=["Finance"])
    with refusal(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST") as errors:
        client.Account.create({"Name": "B", "Industry": "Private equity"})
    assert errors[0]["message"] == "Industry: bad value for restricted picklist field: Private equity"


def test_a_validation_rule_speaks_in_the_admins_words(lab: Lab, client: Any) -> None:
    rule = {"object": "Account", "when": "AnnualRevenue < 0", "message": "Umsatz fehlt", "field": "AnnualRevenue"}
    lab.order("validation_rules", rules=[rule])
    client.Account.create({"Name": "A", "AnnualRevenue": 5})
    with refusal(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION") as errors:
        client.Account.create({"Name": "A", "AnnualRevenue": -5})
    assert (errors[0]["message"], errors[0]["fields"]) == ("Umsatz fehlt", ["AnnualRevenue"])


def test_duplicates_are_reported_under_a_misspelt_key(lab: Lab, client: Any) -> None:
    first = client.Contact.create({"LastName": "Ash", "Email": "ada@alpine.example"})["id"]
    lab.order("duplicate_rules", rules=[{"object": "Contact", "fields": ["Email"]}])
    record = {"LastName": "Ash", "Email": "ADA@alpine.example"}
    with refusal(400, "DUPLICATES_DETECTED") as errors:
        client.Contact.create(record)
    wanted = recorded("error_duplicates_detected.json")
    assert set(errors[0]) == set(wanted[0])
    result, shape = errors[0]["duplicateResut"], wanted[0]["duplicateResut"]
    assert set(result) == set(shape)
    assert set(result["matchResults"][0]) == set(shape["matchResults"][0])
    assert result["matchResults"][0]["matchRecords"][0]["record"]["Id"] == first
    assert client.Contact.create(record, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"})["success"]
    lab.order("duplicate_rules", rules=[{"object": "Contact", "fields": ["Email"], "allow_save": False}])
    with refusal(400, "DUPLICATES_DETECTED"):
        client.Contact.create(record, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"})


def test_locked_rows(lab: Lab, client: Any) -> None:
    account = client.Account.create({"Name": "Alpine"})["id"]
    lab.order("lock_rows", ids=[account], times=2)
    for call in (
        lambda: client.Account.update(account, {"Name": "B"}),
        lambda: client.Contact.create({"LastName": "Ash", "AccountId": account}),
    ):
        with refusal(400, "UNABLE_TO_LOCK_ROW") as errors:
            call()
        assert account in errors[0]["message"]
    client.Account.update(account, {"Name": "B"})


def test_rows_that_are_not_to_be_edited(lab: Lab) -> None:
    (account,) = lab.create("Account", {"Name": "Alpine"})
    lab.order("access", user=BEN, readonly_ids=[account])
    client = lab.client(BEN)
    with refusal(403, "INSUFFICIENT_ACCESS_OR_READONLY"):
        client.Account.update(account, {"Name": "B"})
    with refusal(403, "INSUFFICIENT_ACCESS_OR_READONLY"):
        client.Account.delete(account)
    lab.client(ANNA).Account.update(account, {"Name": "B"})


def test_upsert_by_a_key(lab: Lab, client: Any) -> None:
    lab.add_key("Account")
    key = format_external_id(KEY, "a/1ü")
    made = client.Account.upsert(key, {"Name": "Alpine"}, raw_response=True)
    wanted = recorded("upsert_created.json")
    assert (made.status_code, set(made.json())) == (wanted["_status"], set(wanted["body"]))
    assert made.json()["created"] is True
    again = client.Account.upsert(key, {"Name": "Alpine II"}, raw_response=True)
    wanted = recorded("upsert_updated.json")
    assert (again.status_code, again.json()["created"]) == (wanted["_status"], wanted["body"]["created"])
    assert again.json()["id"] == made.json()["id"]
    assert client.Account.get_by_custom_id(KEY, "a/1ü")["Name"] == "Alpine II"
    with refusal(400, "INVALID_FIELD"):
        client.Account.upsert(key, {"Name": "A", KEY: "a/1ü"})
    with refusal(404, "NOT_FOUND"):
        client.Account.upsert(f"{format_external_id(KEY, 'new')}?updateOnly=true", {"Name": "A"})
    with refusal(404, "NOT_FOUND"):
        client.Account.upsert("Industry/Finance", {"Name": "A"})


def test_two_matches_are_listed_and_nothing_is_written(lab: Lab, client: Any) -> None:
    ids = lab.create("Contact", *[{"LastName": name, "Email": "info@alpine.example"} for name in "AB"])
    with pytest.raises(SalesforceMoreThanOneRecord) as caught:
        client.Contact.upsert("Email/info@alpine.example", {"LastName": "C"})
    content: Any = caught.value.content
    assert content == [f"/services/data/v62.0/sobjects/Contact/{one}" for one in sorted(ids)]
    assert {one["LastName"] for one in lab.shown("Contact")} == {"A", "B"}


def test_a_unique_key_is_unique_whatever_its_case_until_deleted(lab: Lab, client: Any) -> None:
    lab.add_key("Contact")
    first = client.Contact.create({"LastName": "A", KEY: "k-1"})["id"]
    with refusal(400, "DUPLICATE_VALUE") as errors:
        client.Contact.create({"LastName": "B", KEY: "K-1"})
    assert errors[0]["message"] == f"duplicate value found: {KEY} duplicates value on record with id: {first[:15]}"
    client.Contact.delete(first)
    client.Contact.create({"LastName": "B", KEY: "K-1"})


def test_a_parent_by_its_key(lab: Lab, client: Any) -> None:
    lab.add_key("Account")
    account = client.Account.create({"Name": "Alpine", KEY: "a-1"})["id"]
    made = client.Contact.create({"LastName": "Ash", "Account": {KEY: "a-1"}})["id"]
    assert client.Contact.get(made)["AccountId"] == account
    with refusal(400, "INVALID_FIELD") as errors:
        client.Contact.create({"LastName": "Ash", "Account": {KEY: "a-2"}})
    assert f"Foreign key external ID: a-2 not found for field {KEY} in entity Account" in errors[0]["message"]
    what = {"attributes": {"type": "Account"}, KEY: "a-1"}
    assert client.Task.get(client.Task.create({"What": what})["id"])["WhatId"] == account


def test_if_unmodified_since(lab: Lab, client: Any, scene: Scene) -> None:
    record_id = client.Account.create({"Name": "Alpine"})["id"]
    scene.post("clock", advance_seconds=10)
    since = {
        "If-Unmodified-Since": client.session.get(
            f"{client.base_url}sobjects/Account/{record_id}", headers=client.headers
        ).headers["Last-Modified"]
    }
    client.Account.update(record_id, {"Name": "B"}, headers=since)
    with refusal(412):
        client.Account.update(record_id, {"Name": "C"}, headers=since)
    assert client.Account.get(record_id)["Name"] == "B"


def test_tasks(lab: Lab, client: Any) -> None:
    account = client.Account.create({"Name": "Alpine"})["id"]
    contact = client.Contact.create({"LastName": "Ash", "AccountId": account})["id"]
    task = client.Task.create({"Subject": "Call", "WhoId": contact, "ActivityDate": "2027-03-10"})["id"]
    found = client.Task.get(task)
    assert (found["Status"], found["Priority"], found["TaskSubtype"]) == ("Not Started", "Normal", "Task")
    assert (found["AccountId"], found["ActivityDate"], found["IsClosed"]) == (account, "2027-03-10", False)
    client.Task.update(task, {"Status": "Completed"})
    found = client.Task.get(task)
    assert found["IsClosed"]
    assert found["CompletedDateTime"]
    with refusal(400, "INVALID_FIELD_FOR_INSERT_UPDATE"):
        client.Task.update(task, {"TaskSubtype": "Call"})
    with refusal(400, "REQUIRED_FIELD_MISSING"):
        client.Task.update(task, {"Status": None})


def test_events_keep_start_end_and_length_together(client: Any) -> None:
    record = {"Subject": "Visit", "StartDateTime": "2027-03-10T09:00:00+01:00", "DurationInMinutes": 45}
    event = client.Event.create(record)["id"]
    found = client.Event.get(event)
    assert (found["StartDateTime"], found["EndDateTime"]) == (
        "2027-03-10T08:00:00.000+0000",
        "2027-03-10T08:45:00.000+0000",
    )
    client.Event.update(event, {"EndDateTime": "2027-03-10T10:00:00Z"})
    assert client.Event.get(event)["DurationInMinutes"] == 120
    client.Event.update(event, {"StartDateTime": "2027-03-11T08:00:00Z"})
    assert client.Event.get(event)["EndDateTime"] == "2027-03-11T10:00:00.000+0000"
    with refusal(400, "FIELD_INTEGRITY_EXCEPTION"):
        client.Event.update(event, {"EndDateTime": "2027-03-10T10:00:00Z"})


def test_notes(lab: Lab, client: Any) -> None:
    account = client.Account.create({"Name": "Alpine"})["id"]
    note = client.Note.create({"ParentId": account, "Title": "Call", "Body": "Went well"})["id"]
    assert client.Note.get(note)["Body"] == "Went well"
    content = b64encode(b"Went &lt;well&gt;").decode()
    modern = client.ContentNote.create({"Title": "Call", "Content": content})["id"]
    assert modern.startswith("069")
    assert client.ContentNote.get(modern)["TextPreview"] == "Went <well>"
    with refusal(400, "JSON_PARSER_ERROR"):
        client.ContentNote.create({"Title": "Call", "Content": "not base 64!"})
    client.ContentDocumentLink.create({"ContentDocumentId": modern, "LinkedEntityId": account, "ShareType": "V"})
    query = (
        f"SELECT ContentDocumentId, ContentDocument.Title FROM ContentDocumentLink WHERE LinkedEntityId = '{account}'"
    )
    assert client.query(query)["records"][0]["ContentDocument"]["Title"] == "Call"


def test_some_fields_only(client: Any) -> None:
    record_id = client.Account.create({"Name": "Alpine"})["id"]
    found = client.restful(f"sobjects/Account/{record_id}", params={"fields": "Name,Industry"})
    assert list(found) == ["attributes", "Name", "Industry"]


def test_texts_are_trimmed_and_addresses_in_small_letters(client: Any) -> None:
    made = client.Contact.create({"LastName": " Ash ", "Email": "Ada@Alpine.example", "Title": "  "})["id"]
    found = client.Contact.get(made)
    assert (found["LastName"], found["Email"], found["Title"]) == ("Ash", "ada@alpine.example", None)


def test_a_body_that_is_no_json(client: Any) -> None:
    with refusal(400, "JSON_PARSER_ERROR"):
        client._call_salesforce("POST", f"{client.base_url}sobjects/Account/", data="{")
