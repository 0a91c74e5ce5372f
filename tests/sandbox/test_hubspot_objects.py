"""Records of the pretend HubSpot, one by one, through HubSpot's own client."""

from typing import Any

import pytest
from hubspot.crm.companies import ApiException as CompaniesError
from hubspot.crm.contacts import ApiException
from hubspot.crm.objects.notes import ApiException as NotesError

from tests.sandbox.hubspot_app import App, error_of, installed, recorded
from tests.sandbox.person import Json, Scene

KINDS = ["contacts", "companies", "notes", "tasks", "meetings", "calls", "emails"]
WHEN = "2026-03-12T10:00:00Z"


@pytest.fixture
def app(scene: Scene) -> App:
    return installed(scene)


@pytest.fixture
def client(app: App) -> Any:
    return app.client()


@pytest.fixture
def token(app: App) -> str:
    token: str = app.link()["access_token"]
    return token


def stamp(app: App, record_id: str, kind: str = "contacts") -> str:
    found: str = app.stored(kind)[record_id]["updatedAt"]
    return found


def api_of(client: Any, kind: str) -> Any:
    """The client's basic API of a kind."""
    home = client.crm if kind in ("contacts", "companies") else client.crm.objects
    return getattr(home, kind).basic_api


def minimal(kind: str) -> Json:
    given = {"contacts": {"email": "a@b.example"}, "companies": {"name": "Acme"}}
    return {"properties": given.get(kind, {"hs_timestamp": WHEN})}


@pytest.mark.parametrize("kind", KINDS)
def test_a_life_of_every_kind(client: Any, app: App, kind: str) -> None:
    api = api_of(client, kind)
    made = api.create(minimal(kind))
    assert int(made.id) > 2**32
    assert made.properties["hs_object_id"] == made.id
    owner = app.scene.get("hubspot/portals")["portals"][0]["owners"][0]["id"]
    assert api.update(made.id, {"properties": {"hubspot_owner_id": owner}}).properties["hubspot_owner_id"] == owner
    assert api.get_by_id(made.id, properties=["hubspot_owner_id"]).properties["hubspot_owner_id"] == owner
    assert [one.id for one in api.get_page().results] == [made.id]
    api.archive(made.id)
    assert api.get_page().results == []
    assert [one.id for one in api.get_page(archived=True).results] == [made.id]


@pytest.mark.parametrize("base", ["/crm/v3/objects/contacts", "/crm/objects/2026-09/contacts", "/crm/v3/objects/0-1"])
def test_statuses_on_every_path(app: App, token: str, base: str) -> None:
    made = app.plain(token, "POST", base, json=minimal("contacts"))
    assert made.status_code == 201
    one = f"{base}/{made.json()['id']}"
    assert app.plain(token, "GET", base).status_code == 200
    assert app.plain(token, "GET", one).status_code == 200
    assert app.plain(token, "PATCH", one, json={"properties": {"city": "Rome"}}).status_code == 200
    assert app.plain(token, "POST", f"{base}/search", json={}).status_code == 200
    gone = app.plain(token, "DELETE", one)
    assert (gone.status_code, gone.content) == (204, b"")
    assert app.plain(token, "DELETE", one).status_code == 204
    missing = app.plain(token, "GET", one)
    assert (missing.status_code, missing.json()["category"]) == (404, "OBJECT_NOT_FOUND")


class TestShapes:
    def test_a_page_is_as_recorded(self, app: App, token: str) -> None:
        app.put(firstname="Eva", email="e@x.example")
        wanted = recorded("contacts_page")["results"][0]
        names = ",".join(wanted["properties"])
        shown = app.plain(token, "GET", f"/crm/v3/objects/contacts?limit=100&properties={names}").json()
        assert set(shown) == {"results"}
        assert set(shown["results"][0]) == set(wanted)
        assert set(shown["results"][0]["properties"]) == set(wanted["properties"])
        assert shown["results"][0]["properties"]["jobtitle"] is None
        assert shown["results"][0]["url"].startswith("https://app-eu1.hubspot.com/contacts/")

    def test_few_properties_are_shown_unless_named(self, app: App, client: Any) -> None:
        contact = app.put(firstname="Eva", city="Rome")
        shown = client.crm.contacts.basic_api.get_by_id(contact).properties
        names = {"createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"}
        assert set(shown) == names
        company = app.put("companies", name="Acme")
        shown = client.crm.companies.basic_api.get_by_id(company).properties
        assert set(shown) == {"createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"}

    def test_unknown_names_are_not_shown(self, app: App, token: str) -> None:
        contact = app.put(firstname="Eva")
        path = f"/crm/v3/objects/contacts/{contact}?properties=nonsense,city&properties=state"
        shown = app.plain(token, "GET", path).json()["properties"]
        assert set(shown) == {"city", "state", "createdate", "hs_object_id", "lastmodifieddate"}

    def test_a_creation_shows_what_is_set(self, client: Any) -> None:
        given = recorded("contact_create")["properties"]
        names = ["email", "lastname", "phone", "company", "website"]
        made = client.crm.contacts.basic_api.create({"properties": {name: given[name] for name in names}})
        source = ("hs_object_source", "hs_object_source_id", "hs_object_source_label")
        assert made.properties["hs_email_domain"] == given["hs_email_domain"]
        assert {*names, *source, "createdate", "lastmodifieddate"} <= set(made.properties)
        assert all(isinstance(value, str) for value in made.properties.values())

    def test_a_change_shows_what_it_touched_and_a_few(self, app: App, client: Any) -> None:
        contact = app.put(firstname="Eva", city="Rome", email="e@x.example")
        shown = client.crm.contacts.basic_api.update(contact, {"properties": {"city": "Bonn"}}).properties
        assert shown["city"] == "Bonn"
        assert not {"email", "firstname"} & set(shown)
        assert {"hs_object_id", "createdate", "lastmodifieddate", "hs_object_source"} <= set(shown)


class TestPages:
    def test_the_client_reads_all(self, app: App, client: Any) -> None:
        app.control("bulk_records", count=250)
        found = client.crm.contacts.get_all(properties=["email"])
        assert len({one.id for one in found}) == 250
        assert app.scene.get("requests")["counts"]["hubspot.contacts.list"] == 3

    def test_the_last_page_has_no_next(self, app: App, client: Any) -> None:
        app.control("bulk_records", count=4)
        api = client.crm.contacts.basic_api
        first = api.get_page(limit=2)
        assert first.paging.next.after == first.results[-1].id
        second = api.get_page(limit=2, after=first.paging.next.after)
        assert second.paging is None
        assert len({one.id for one in [*first.results, *second.results]}) == 4

    @pytest.mark.parametrize("query", ["limit=101", "limit=0", "limit=51&propertiesWithHistory=email", "after=x"])
    def test_too_much(self, app: App, token: str, query: str) -> None:
        answer = app.plain(token, "GET", f"/crm/v3/objects/contacts?{query}")
        assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")

    def test_an_address_too_long(self, app: App, token: str) -> None:
        answer = app.plain(token, "GET", "/crm/v3/objects/contacts?properties=" + "x," * 5000)
        assert answer.status_code == 414


class TestValues:
    def test_all_are_text(self, client: Any) -> None:
        owner = {"annualrevenue": 12.5, "is_public": True, "name": "Acme", "closedate": 1773300826615}
        made = client.crm.companies.basic_api.create({"properties": owner}).properties
        assert made["annualrevenue"] == "12.5"
        assert made["is_public"] == "true"
        assert made["closedate"] == "2026-03-12T07:33:46.615Z"

    def test_dates_are_midnight_or_written_out(self, app: App, client: Any, token: str) -> None:
        app.control("properties", type="companies", name="founded_on", data_type="date", fieldType="date")
        api = client.crm.companies.basic_api
        made = api.create({"properties": {"name": "A", "founded_on": "1572480000000"}})
        assert made.properties["founded_on"] == "2019-10-31"
        assert (
            api.update(made.id, {"properties": {"founded_on": "2020-01-02"}}).properties["founded_on"] == "2020-01-02"
        )
        with pytest.raises(CompaniesError) as caught:
            api.update(made.id, {"properties": {"founded_on": "1572480000001"}})
        assert error_of(caught)["errors"][0]["code"] == "INVALID_DATE"

    def test_an_empty_text_clears_and_null_does_not(self, app: App, token: str) -> None:
        contact = app.put(firstname="Eva", city="Rome", state="RM")
        path = f"/crm/v3/objects/contacts/{contact}"
        assert app.plain(token, "PATCH", path, json={"properties": {"city": "", "state": None}}).ok
        assert "city" not in app.stored()[contact]["properties"]
        assert app.stored()[contact]["properties"]["state"] == "RM"

    def test_addresses_are_lower_cased(self, client: Any) -> None:
        made = client.crm.contacts.basic_api.create({"properties": {"email": "Eva.Klein@X.Example"}})
        assert made.properties["email"] == "eva.klein@x.example"

    @pytest.mark.parametrize(
        ("properties", "code"),
        [
            ({"nonsense": "1"}, "PROPERTY_DOESNT_EXIST"),
            ({"lifecyclestage": "friend"}, "INVALID_OPTION"),
            ({"hs_buying_role": "CHAMPION;KING"}, "INVALID_OPTION"),
            ({"email": "no address"}, "INVALID_EMAIL"),
            ({"hs_object_id": "1"}, "READ_ONLY_VALUE"),
            ({"lastmodifieddate": "1"}, "READ_ONLY_VALUE"),
            ({"closedate": "soon"}, "INVALID_DATE"),
            ({"associatedcompanyid": "many"}, "INVALID_INTEGER"),
            ({"hubspot_owner_id": "1"}, "INVALID_OWNER_ID"),
        ],
    )
    def test_what_is_no_good(self, app: App, client: Any, properties: Json, code: str) -> None:
        contact = app.put(firstname="Eva")
        with pytest.raises(ApiException) as caught:
            client.crm.contacts.basic_api.update(contact, {"properties": {"city": "Rome"} | properties})
        assert caught.value.status == 400
        body = error_of(caught)
        assert set(recorded("error_validation")) <= set(body)
        assert body["category"] == "VALIDATION_ERROR"
        assert body["errors"][0]["code"] == code
        assert body["message"].startswith('Property values were not valid: [{"isValid":false,')
        assert "city" not in app.stored()[contact]["properties"]

    def test_what_is_required(self, client: Any) -> None:
        with pytest.raises(NotesError) as caught:
            client.crm.objects.notes.basic_api.create({"properties": {"hs_note_body": "Hello"}})
        assert error_of(caught)["context"] == {"properties": ["hs_timestamp"]}
        with pytest.raises(ApiException):
            client.crm.contacts.basic_api.create({"properties": {"city": "Rome"}})

    @pytest.mark.parametrize("body", ["[]", "x", '{"properties": 1}'])
    def test_a_body_that_is_none(self, app: App, token: str, body: str) -> None:
        assert app.plain(token, "POST", "/crm/v3/objects/contacts", data=body).status_code == 400

    def test_bodies_of_emails_need_a_scope(self, app: App) -> None:
        given = {"properties": {"hs_timestamp": WHEN, "hs_email_subject": "Hi", "hs_email_text": "Secret"}}
        app.control("records", type="emails", records=[given], silent=True)
        names = ["hs_email_text", "hs_email_subject"]
        plain = app.client().crm.objects.emails.basic_api.get_page(properties=names).results[0].properties
        assert (plain["hs_email_subject"], plain["hs_email_text"]) == ("Hi", None)
        trusted = app.client("crm.objects.contacts.read", "sales-email-read").crm.objects.emails.basic_api
        assert trusted.get_page(properties=names).results[0].properties["hs_email_text"] == "Secret"


class TestStamps:
    def test_a_write_of_the_same_moves_nothing(self, app: App, client: Any) -> None:
        contact = app.put(email="eva@x.example", city="Rome")
        before = stamp(app, contact)
        app.scene.post("clock", advance_seconds=60)
        api = client.crm.contacts.basic_api
        same = api.update(contact, {"properties": {"city": "Rome", "email": "EVA@x.example", "state": ""}})
        assert same.properties["lastmodifieddate"] == before == stamp(app, contact)
        moved = api.update(contact, {"properties": {"city": "Bonn"}})
        assert moved.properties["lastmodifieddate"] > before

    def test_contacts_have_another_stamp_than_the_rest(self, app: App, token: str) -> None:
        contact, task = app.put(firstname="Eva"), app.put("tasks", hs_timestamp=WHEN)
        shown = app.plain(token, "GET", f"/crm/v3/objects/contacts/{contact}?properties=hs_lastmodifieddate").json()
        assert "hs_lastmodifieddate" not in shown["properties"]
        shown = app.plain(token, "GET", f"/crm/v3/objects/tasks/{task}").json()
        assert shown["properties"]["hs_lastmodifieddate"] == shown["updatedAt"]

    def test_logging_about_somebody_moves_his_stamp(self, app: App, client: Any) -> None:
        contact = app.put(firstname="Eva")
        before = stamp(app, contact)
        app.scene.post("clock", advance_seconds=60)
        note = {
            "properties": {"hs_timestamp": WHEN, "hs_note_body": "<p>Hello</p>"},
            "associations": [
                {"to": {"id": contact}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]}
            ],
        }
        made = client.crm.objects.notes.basic_api.create(note)
        assert made.properties["hs_body_preview"] == "Hello"
        assert stamp(app, contact) > before
        assert app.stored()[contact]["properties"]["num_notes"] == "1"

    def test_a_task_that_is_done(self, client: Any) -> None:
        api = client.crm.objects.tasks.basic_api
        task = api.create({"properties": {"hs_timestamp": WHEN, "hs_task_status": "NOT_STARTED"}})
        done = api.update(task.id, {"properties": {"hs_task_status": "COMPLETED"}})
        shown = api.get_by_id(done.id, properties=["hs_task_is_completed", "hs_task_completion_date"]).properties
        assert shown["hs_task_is_completed"] == "1"
        assert shown["hs_task_completion_date"]

    def test_who_wrote_what_when(self, app: App, client: Any) -> None:
        contact = app.put(firstname="Eva", city="Rome")
        client.crm.contacts.basic_api.update(contact, {"properties": {"city": "Bonn"}})
        app_id = app.scene.get(f"hubspot/clients/app?client_id={app.client_id}")["app_id"]
        shown = client.crm.contacts.basic_api.get_by_id(contact, properties_with_history=["city", "firstname"])
        now, before = shown.properties_with_history["city"]
        assert (now.value, now.source_type, now.source_id) == ("Bonn", "INTEGRATION", str(app_id))
        assert (before.value, before.source_type) == ("Rome", "CRM_UI")
        assert before.source_id == f"userId:{before.updated_by_user_id}"
        assert [one.value for one in shown.properties_with_history["firstname"]] == ["Eva"]

    def test_who_made_it(self, app: App, client: Any) -> None:
        app_id = app.scene.get(f"hubspot/clients/app?client_id={app.client_id}")["app_id"]
        made = client.crm.contacts.basic_api.create({"properties": {"email": "a@x.example"}}).properties
        assert (made["hs_object_source"], made["hs_object_source_id"]) == ("INTEGRATION", str(app_id))
        by_hand = app.put(email="b@x.example")
        assert app.stored()[by_hand]["properties"]["hs_object_source"] == "CRM_UI"


class TestByAddress:
    def test_read_and_written(self, app: App, client: Any) -> None:
        contact = app.put(email="eva@x.example")
        api = client.crm.contacts.basic_api
        assert api.get_by_id("Eva@x.example", id_property="email").id == contact
        assert api.update("eva@x.example", {"properties": {"city": "Rome"}}, id_property="email").id == contact
        with pytest.raises(ApiException) as caught:
            api.get_by_id("nobody@x.example", id_property="email")
        assert caught.value.status == 404

    def test_a_taken_address(self, app: App, client: Any) -> None:
        contact = app.put(email="eva@x.example")
        with pytest.raises(ApiException) as caught:
            client.crm.contacts.basic_api.create({"properties": {"email": "EVA@X.example"}})
        assert caught.value.status == 409
        wanted = recorded("errors")["CONFLICT_409"]
        assert error_of(caught) | {"correlationId": wanted["correlationId"]} == wanted | {
            "message": f"Contact already exists. Existing ID: {contact}"
        }

    def test_a_unique_property(self, app: App, client: Any) -> None:
        app.control("properties", type="companies", name="lpxgp_sync_id", unique=True)
        company = app.put("companies", name="Acme", lpxgp_sync_id="org-1")
        api = client.crm.companies.basic_api
        assert api.get_by_id("org-1", id_property="lpxgp_sync_id").id == company
        with pytest.raises(CompaniesError) as caught:
            api.create({"properties": {"name": "Other", "lpxgp_sync_id": "org-1"}})
        assert (caught.value.status, error_of(caught)["errors"][0]["code"]) == (400, "CONFLICTING_UNIQUE_VALUE")
        with pytest.raises(CompaniesError) as caught:
            api.get_by_id("Acme", id_property="name")
        assert caught.value.status == 400

    def test_the_address_of_an_archived_contact_is_free(self, app: App, client: Any) -> None:
        api = client.crm.contacts.basic_api
        first = app.put(email="eva@x.example")
        api.archive(first)
        second = api.create({"properties": {"email": "eva@x.example"}})
        assert second.id != first
        refused = app.scene.http.post(
            f"{app.scene.url}/control/hubspot/records/restore", json={"portal": app.portal, "ids": [first]}, timeout=20
        )
        assert refused.status_code == 400


class TestMerge:
    def test_both_become_a_third(self, app: App, client: Any) -> None:
        first = app.put(email="eva@x.example", city="Rome")
        second = app.put(email="eva@y.example", city="Bonn", state="NRW")
        api = client.crm.contacts.basic_api
        merged = api.merge({"primaryObjectId": first, "objectIdToMerge": second})
        assert merged.id not in (first, second)
        names = ["hs_merged_object_ids", "hs_additional_emails", "email", "city", "state"]
        for asked in (first, second, merged.id):
            shown = api.get_by_id(asked, properties=names)
            assert shown.id == merged.id
        assert shown.properties["hs_merged_object_ids"] == f"{first};{second}"
        assert (shown.properties["email"], shown.properties["hs_additional_emails"]) == (
            "eva@x.example",
            "eva@y.example",
        )
        assert (shown.properties["city"], shown.properties["state"]) == ("Rome", "NRW")
        assert [one.id for one in api.get_page().results] == [merged.id]

    def test_both_addresses_lead_to_it_and_stay_taken(self, app: App, client: Any) -> None:
        first, second = app.put(email="eva@x.example"), app.put(email="eva@y.example")
        merged = app.control("records/merge", primary=first, other=second, silent=True)["id"]
        api = client.crm.contacts.basic_api
        assert api.get_by_id("eva@y.example", id_property="email").id == merged
        with pytest.raises(ApiException) as caught:
            api.create({"properties": {"email": "eva@y.example"}})
        assert error_of(caught)["message"].endswith(merged)

    def test_a_change_by_an_old_id_reaches_it(self, app: App, client: Any) -> None:
        first, second = app.put(email="eva@x.example"), app.put(email="eva@y.example")
        merged = app.control("records/merge", primary=first, other=second, silent=True)["id"]
        third = app.put(email="eva@z.example")
        last = app.control("records/merge", primary=merged, other=third, silent=True)["id"]
        written = client.crm.contacts.basic_api.update(second, {"properties": {"city": "Rome"}})
        assert written.id == last
        wanted = f"{first};{second};{merged};{third}"
        assert app.stored()[last]["properties"]["hs_merged_object_ids"] == wanted

    def test_associations_move_along(self, app: App, client: Any) -> None:
        firm = app.put("companies", name="Acme")
        other = app.put("companies", name="Other")
        first, second = app.put(email="a@x.example"), app.put(email="b@x.example")
        app.control("records/associate", id=first, to_type="companies", to_id=firm, type_id=1, silent=True)
        app.control("records/associate", id=second, to_type="companies", to_id=other, type_id=1, silent=True)
        merged = client.crm.contacts.basic_api.merge({"primaryObjectId": first, "objectIdToMerge": second}).id
        linked = app.stored()[merged]["associations"]["companies"]["results"]
        assert {(one["id"], one["type"]) for one in linked} == {
            (firm, "contact_to_company"),
            (firm, "contact_to_company_unlabeled"),
            (other, "contact_to_company_unlabeled"),
        }

    def test_not_with_itself_and_not_with_nobody(self, app: App, client: Any) -> None:
        contact = app.put(email="eva@x.example")
        for other, status in ((contact, 400), ("1", 404)):
            with pytest.raises(ApiException) as caught:
                client.crm.contacts.basic_api.merge({"primaryObjectId": contact, "objectIdToMerge": other})
            assert caught.value.status == status


class TestEnds:
    def test_archived_and_restored(self, app: App, client: Any) -> None:
        contact = app.put(email="eva@x.example")
        api = client.crm.contacts.basic_api
        api.archive(contact)
        bin_ = api.get_by_id(contact, archived=True)
        assert bin_.archived
        assert bin_.archived_at
        before = app.stored(archived="1")[contact]["updatedAt"]
        app.scene.post("clock", advance_seconds=60)
        app.control("records/restore", ids=[contact], silent=True)
        assert api.get_by_id("eva@x.example", id_property="email").id == contact
        assert stamp(app, contact) > before

    @pytest.mark.parametrize("by", [{"idProperty": "email", "objectId": "eva@x.example"}, {}])
    def test_deleted_for_good(self, app: App, client: Any, by: Json) -> None:
        contact = app.put(email="eva@x.example")
        client.crm.contacts.basic_api.purge({"objectId": contact} | by)
        assert app.stored() == {}
        assert app.stored(archived="1") == {}


class TestScopes:
    @pytest.mark.parametrize(
        ("method", "path", "wanted"),
        [
            ("GET", "/crm/v3/objects/companies", "crm.objects.companies.read"),
            ("POST", "/crm/v3/objects/contacts", "crm.objects.contacts.write"),
            ("POST", "/crm/v3/objects/notes", "crm.objects.contacts.write"),
            ("POST", "/crm/v3/properties/companies", "crm.schemas.companies.write"),
            ("POST", "/crm/v3/properties/contacts/groups", "crm.schemas.contacts.write"),
            ("GET", "/crm/v3/owners/", "crm.objects.owners.read"),
            ("GET", "/crm/v4/objects/contacts/1/associations/companies", "crm.objects.companies.read"),
        ],
    )
    def test_what_was_not_granted(self, app: App, method: str, path: str, wanted: str) -> None:
        token = app.link("oauth", "crm.objects.contacts.read")["access_token"]
        answer = app.plain(token, method, path, json={})
        assert (answer.status_code, answer.json()["category"]) == (403, "MISSING_SCOPES")
        assert answer.json()["errors"][0]["context"] == {"requiredGranularScopes": [wanted]}

    def test_notes_ride_on_contacts(self, app: App) -> None:
        api = app.client("crm.objects.contacts.read").crm.objects.notes.basic_api
        assert api.get_page().results == []
