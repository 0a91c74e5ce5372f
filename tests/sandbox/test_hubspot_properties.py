"""Properties, owners and account info of the pretend HubSpot."""

from typing import Any

import pytest
from hubspot.crm.companies import ApiException as CompaniesError
from hubspot.crm.properties import ApiException

from tests.sandbox.hubspot_app import App, error_of, installed, recorded
from tests.sandbox.person import Json, Scene

SCORE = {
    "name": "lpxgp_match_score",
    "label": "Match score",
    "type": "number",
    "fieldType": "number",
    "groupName": "companyinformation",
}


@pytest.fixture
def app(scene: Scene) -> App:
    return installed(scene)


@pytest.fixture
def token(app: App) -> str:
    token: str = app.link()["access_token"]
    return token


@pytest.fixture
def api(app: App) -> Any:
    return app.client().crm.properties.core_api


class TestList:
    def test_what_is_recorded_is_there(self, app: App, token: str) -> None:
        shown = app.plain(token, "GET", "/crm/v3/properties/companies").json()["results"]
        ours = {one["name"]: one for one in shown}
        wanted = {one["name"]: one for one in recorded("properties_companies")["results"]}
        assert set(wanted) - set(ours) <= {"hs_all_owner_ids", "hs_object_source_detail_1"}
        for name in set(wanted) & set(ours):
            assert (ours[name]["type"], ours[name]["fieldType"]) == (wanted[name]["type"], wanted[name]["fieldType"])
            asked = ours[name]["modificationMetadata"]["readOnlyValue"]
            assert asked == wanted[name]["modificationMetadata"]["readOnlyValue"], name
            assert ours[name].get("referencedObjectType") == wanted[name].get("referencedObjectType")

    def test_hubspots_client_reads_them(self, api: Any) -> None:
        found = {one.name: one for one in api.get_all("contacts").results}
        assert found["lastmodifieddate"].modification_metadata.read_only_value
        assert not found["email"].modification_metadata.read_only_value
        assert found["hubspot_owner_id"].external_options
        assert api.get_by_name("contacts", "lifecyclestage").options[0].value == "subscriber"
        with pytest.raises(ApiException) as caught:
            api.get_by_name("contacts", "nonsense")
        assert caught.value.status == 404

    def test_reading_is_for_those_who_read_records_too(self, app: App) -> None:
        token = app.link("crm.objects.companies.read")["access_token"]
        assert app.plain(token, "GET", "/crm/v3/properties/companies").ok
        assert app.plain(token, "GET", "/crm/v3/properties/contacts").status_code == 403


class TestCreate:
    def test_a_group_and_a_property(self, app: App, token: str, api: Any) -> None:
        groups = app.client().crm.properties.groups_api
        made = groups.create("companies", {"name": "lpxgp", "label": "LPxGP", "displayOrder": -1})
        assert made.name == "lpxgp"
        assert "lpxgp" in {one.name for one in groups.get_all("companies").results}
        made = api.create("companies", SCORE | {"groupName": "lpxgp"})
        assert (made.name, made.hubspot_defined) == ("lpxgp_match_score", False)
        company = app.put("companies", name="Acme")
        written = app.client().crm.companies.basic_api.update(company, {"properties": {"lpxgp_match_score": 87.5}})
        assert written.properties["lpxgp_match_score"] == "87.5"

    def test_an_answer_is_as_recorded(self, app: App, token: str) -> None:
        wanted = recorded("property_create")
        asked = {name: wanted[name] for name in ("name", "label", "type", "fieldType", "groupName", "description")}
        shown = app.plain(token, "POST", "/crm/v3/properties/contacts", json=asked)
        assert shown.status_code == 201
        assert set(wanted) - {"updatedUserId"} <= set(shown.json())
        assert {name: shown.json()[name] for name in asked} == asked

    def test_what_is_unique(self, app: App, api: Any) -> None:
        key = SCORE | {"name": "lpxgp_sync_id", "type": "string", "fieldType": "text", "hasUniqueValue": True}
        assert api.create("companies", key).has_unique_value
        batch = app.client().crm.companies.batch_api
        given = {"id": "org-1", "idProperty": "lpxgp_sync_id", "properties": {"name": "Acme"}}
        assert batch.upsert({"inputs": [given]}).results[0].new

    def test_not_more_than_ten_are_unique(self, api: Any) -> None:
        for number in range(10):
            api.create("companies", SCORE | {"name": f"key_{number}", "hasUniqueValue": True})
        with pytest.raises(ApiException) as caught:
            api.create("companies", SCORE | {"name": "key_10", "hasUniqueValue": True})
        assert caught.value.status == 400

    @pytest.mark.parametrize(
        ("changes", "status"),
        [({"name": "domain"}, 409), ({"name": "Big"}, 400), ({"groupName": "none"}, 400), ({"label": ""}, 400)],
    )
    def test_what_is_no_good(self, app: App, token: str, changes: Json, status: int) -> None:
        answer = app.plain(token, "POST", "/crm/v3/properties/companies", json=SCORE | changes)
        assert answer.status_code == status

    def test_a_group_twice(self, app: App, token: str) -> None:
        group = {"name": "lpxgp", "label": "LPxGP"}
        path = "/crm/v3/properties/contacts/groups"
        assert [app.plain(token, "POST", path, json=group).status_code for _ in range(2)] == [201, 409]

    @pytest.mark.parametrize(("base", "status"), [("/crm/v3/properties", 201), ("/crm/properties/2026-09", 200)])
    def test_several_at_once(self, app: App, token: str, base: str, status: int) -> None:
        path = f"{base}/companies/batch/create"
        assert app.plain(token, "POST", path, json={"inputs": [SCORE]}).status_code == status
        again = app.plain(token, "POST", path, json={"inputs": [SCORE, SCORE | {"name": "other"}]})
        assert (again.status_code, len(again.json()["results"]), again.json()["numErrors"]) == (207, 1, 1)

    def test_hubspots_client_creates_several(self, app: App) -> None:
        reply = app.client().crm.properties.batch_api.create("companies", {"inputs": [SCORE]})
        assert [one.name for one in reply.results] == ["lpxgp_match_score"]


class TestChange:
    def test_options_and_label_but_not_uniqueness(self, api: Any) -> None:
        given = SCORE | {"name": "tier", "type": "enumeration", "fieldType": "select"}
        api.create("companies", given | {"options": [{"label": "A", "value": "a", "hidden": False, "displayOrder": 0}]})
        changed = api.update(
            "companies", "tier", {"label": "Tier", "options": [{"label": "B", "value": "b", "hidden": False}]}
        )
        assert (changed.label, [one.value for one in changed.options]) == ("Tier", ["b"])

    def test_uniqueness_cannot_be_turned_on(self, app: App, token: str, api: Any) -> None:
        api.create("companies", SCORE)
        path = "/crm/v3/properties/companies/lpxgp_match_score"
        assert app.plain(token, "PATCH", path, json={"hasUniqueValue": True}).status_code == 400

    def test_hubspots_own_stay(self, app: App, token: str) -> None:
        assert app.plain(token, "PATCH", "/crm/v3/properties/companies/name", json={"label": "x"}).status_code == 400
        assert app.plain(token, "DELETE", "/crm/v3/properties/companies/name").status_code == 400

    def test_an_archived_one_takes_no_values(self, app: App, api: Any) -> None:
        api.create("companies", SCORE)
        api.archive("companies", "lpxgp_match_score")
        assert [one.name for one in api.get_all("companies", archived=True).results] == ["lpxgp_match_score"]
        company = app.put("companies", name="Acme")
        with pytest.raises(CompaniesError) as caught:
            app.client().crm.companies.basic_api.update(company, {"properties": {"lpxgp_match_score": "1"}})
        assert error_of(caught)["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"


class TestByHand:
    def test_an_admin_changes_what_may_be_written(self, app: App) -> None:
        api = app.client().crm.companies.basic_api
        company = app.put("companies", name="Acme")
        app.control("properties", type="companies", name="city", read_only=True)
        with pytest.raises(CompaniesError) as caught:
            api.update(company, {"properties": {"city": "Rome"}})
        assert error_of(caught)["errors"][0]["code"] == "READ_ONLY_VALUE"
        app.control("properties", type="companies", name="city", read_only=False, options=["Rome"])
        assert api.update(company, {"properties": {"city": "Rome"}}).properties["city"] == "Rome"

    def test_an_admin_takes_an_option_away(self, app: App) -> None:
        app.control("properties", type="companies", name="type", options=["PARTNER", {"value": "LP", "label": "LP"}])
        api = app.client().crm.companies.basic_api
        assert api.create({"properties": {"name": "A", "type": "LP"}}).properties["type"] == "LP"
        with pytest.raises(CompaniesError):
            api.create({"properties": {"name": "A", "type": "VENDOR"}})

    def test_an_admin_removes_a_property_with_its_values(self, app: App, token: str) -> None:
        app.control("properties", type="companies", name="tier")
        company = app.put("companies", name="Acme", tier="1")
        app.control("properties/remove", type="companies", name="tier")
        shown = app.plain(token, "GET", f"/crm/v3/objects/companies/{company}?properties=tier,name").json()
        assert set(shown["properties"]) == {"createdate", "hs_lastmodifieddate", "hs_object_id", "name"}


class TestOwners:
    def test_as_recorded(self, app: App, token: str) -> None:
        shown = app.plain(token, "GET", "/crm/v3/owners?limit=100").json()
        wanted = recorded("owners")
        assert set(shown) == set(wanted)
        assert set(shown["results"][0]) == set(wanted["results"][0])

    def test_hubspots_client_reads_them(self, app: App) -> None:
        api = app.client().crm.owners.owners_api
        first, second = api.get_page().results
        assert (first.email, first.first_name, second.last_name) == ("ann.ash@acme.example", "Ann", "Birch")
        assert first.id != str(first.user_id)
        assert api.get_by_id(int(first.id)).email == first.email
        assert [one.id for one in api.get_page(email="ben.birch@acme.example").results] == [second.id]
        page = api.get_page(limit=1)
        assert [one.id for one in api.get_page(limit=1, after=page.paging.next.after).results] == [second.id]

    def test_who_left(self, app: App) -> None:
        gone = {"email": "ben.birch@acme.example", "archived": True}
        app.scene.post("hubspot/portals", id=app.portal, owners=[gone])
        api = app.client().crm.owners.owners_api
        assert [one.email for one in api.get_page().results] == ["ann.ash@acme.example"]
        assert [one.email for one in api.get_page(archived=True).results] == ["ben.birch@acme.example"]

    def test_on_a_dated_path(self, app: App, token: str) -> None:
        assert len(app.plain(token, "GET", "/crm/owners/2026-09").json()["results"]) == 2


def test_whose_portal_it_is(app: App, token: str) -> None:
    wanted = recorded("account_info")
    shown = app.plain(token, "GET", "/account-info/v3/details")
    assert set(shown.json()) == set(wanted)
    assert shown.json()["uiDomain"] == wanted["uiDomain"]
    assert shown.json()["utcOffsetMilliseconds"] in (-14_400_000, -18_000_000)
    assert shown.headers["X-HubSpot-RateLimit-Max"] == "110"
