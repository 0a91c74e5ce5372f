"""Associations at the pretend HubSpot: types have directions, primary brings the plain one along."""

from typing import Any

import pytest
from hubspot.crm.association_type import AssociationType
from hubspot.crm.associations.v4 import ApiException

from sandbox.hubspot.links import BUILT_IN
from tests.sandbox.hubspot_app import App, installed, recorded
from tests.sandbox.person import Json, Scene

PRIMARY = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]


@pytest.fixture
def app(scene: Scene) -> App:
    return installed(scene)


@pytest.fixture
def v4(app: App) -> Any:
    return app.client().crm.associations.v4


@pytest.fixture
def firm(app: App) -> str:
    return app.put("companies", name="Acme")


@pytest.fixture
def contact(app: App) -> str:
    return app.put(email="eva@x.example")


def types(v4: Any, start: str, start_id: str, end: str) -> dict[str, list[int]]:
    """The numbers of the types a record is associated by, by the other end's id."""
    page = v4.basic_api.get_page(start, start_id, end)
    return {one.to_object_id: [spec.type_id for spec in one.association_types] for one in page.results}


def test_numbers_are_those_of_hubspots_client() -> None:
    for one in BUILT_IN:
        start, end = (name.rstrip("s").upper().replace("COMPANIE", "COMPANY") for name in (one.start, one.end))
        name = f"{'PRIMARY_' if one.is_primary else ''}{start}_TO_{end}"
        assert getattr(AssociationType, name) == one.number


class TestOneByOne:
    def test_plain_in_both_directions(self, v4: Any, contact: str, firm: str) -> None:
        reply = v4.basic_api.create_default("contacts", contact, "companies", firm)
        assert {one.association_spec.association_type_id for one in reply.results} == {279, 280}
        assert types(v4, "contacts", contact, "companies") == {firm: [279]}
        assert types(v4, "companies", firm, "contacts") == {contact: [280]}

    def test_primary_brings_the_plain_one_along(self, app: App, v4: Any, contact: str, firm: str) -> None:
        reply = v4.basic_api.create("contacts", contact, "companies", firm, PRIMARY)
        assert reply.labels == ["Contact with Primary Company"]
        token = app.link()["access_token"]
        shown = app.plain(token, "GET", f"/crm/v4/objects/contacts/{contact}/associations/companies").json()
        wanted = recorded("associations_v4")["GET /crm/v4/objects/contacts/1/associations/companies 200"]
        assert shown["results"][0]["associationTypes"] == wanted["results"][0]["associationTypes"]
        assert shown["results"][0]["toObjectId"] == int(firm)
        assert types(v4, "companies", firm, "contacts") == {contact: [2, 280]}
        assert app.stored()[contact]["properties"]["associatedcompanyid"] == firm

    def test_there_is_one_primary_company(self, app: App, v4: Any, contact: str, firm: str) -> None:
        other = app.put("companies", name="Other")
        for company in (firm, other):
            v4.basic_api.create("contacts", contact, "companies", company, PRIMARY)
        assert types(v4, "contacts", contact, "companies") == {firm: [279], other: [1, 279]}
        back = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 2}]
        v4.basic_api.create("companies", firm, "contacts", contact, back)
        assert types(v4, "contacts", contact, "companies") == {firm: [1, 279], other: [279]}

    def test_a_type_leads_one_way(self, v4: Any, contact: str, firm: str) -> None:
        wrong = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 280}]
        with pytest.raises(ApiException) as caught:
            v4.basic_api.create("contacts", contact, "companies", firm, wrong)
        assert caught.value.status == 400

    def test_taken_away(self, v4: Any, contact: str, firm: str) -> None:
        v4.basic_api.create("contacts", contact, "companies", firm, PRIMARY)
        v4.basic_api.archive("contacts", contact, "companies", firm)
        assert types(v4, "contacts", contact, "companies") == {}
        assert types(v4, "companies", firm, "contacts") == {}

    def test_nobody(self, v4: Any, contact: str) -> None:
        with pytest.raises(ApiException) as caught:
            v4.basic_api.create_default("contacts", contact, "companies", "1")
        assert caught.value.status == 404

    def test_what_was_archived_is_not_shown_until_restored(self, app: App, v4: Any, contact: str, firm: str) -> None:
        v4.basic_api.create_default("contacts", contact, "companies", firm)
        app.control("records/archive", type="companies", ids=[firm], silent=True)
        assert types(v4, "contacts", contact, "companies") == {}
        app.control("records/restore", type="companies", ids=[firm], silent=True)
        assert types(v4, "contacts", contact, "companies") == {firm: [279]}

    def test_companies_count_their_contacts(self, app: App, v4: Any, contact: str, firm: str) -> None:
        before = app.stored("companies")[firm]["updatedAt"]
        app.scene.post("clock", advance_seconds=60)
        v4.basic_api.create_default("contacts", contact, "companies", firm)
        after = app.stored("companies")[firm]
        assert after["properties"]["num_associated_contacts"] == "1"
        assert after["updatedAt"] > before
        app.control("records/archive", ids=[contact], silent=True)
        assert app.stored("companies")[firm]["properties"]["num_associated_contacts"] == "0"


@pytest.mark.parametrize(
    ("kind", "contact_type", "company_type"),
    [("notes", 202, 190), ("tasks", 204, 192), ("meetings", 200, 188), ("emails", 198, 186), ("calls", 194, 182)],
)
def test_what_is_logged_comes_with_its_associations(
    app: App, v4: Any, contact: str, firm: str, kind: str, contact_type: int, company_type: int
) -> None:
    wanted = [(contact, contact_type), (firm, company_type)]
    associations = [
        {"to": {"id": end}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}]}
        for end, number in wanted
    ]
    api = getattr(app.client().crm.objects, kind).basic_api
    made = api.create({"properties": {"hs_timestamp": "1773300826615"}, "associations": associations})
    assert types(v4, kind, made.id, "contacts") == {contact: [contact_type]}
    assert types(v4, kind, made.id, "companies") == {firm: [company_type]}
    listed = api.get_page(associations=["contacts", "companies"]).results[0].associations
    one, two = kind.rstrip("s"), "contact"
    assert [(end.id, end.type) for end in listed["contacts"].results] == [(contact, f"{one}_to_{two}")]


def test_an_association_to_nobody_keeps_the_record_from_being_made(app: App) -> None:
    token = app.link()["access_token"]
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}
    note = {"properties": {"hs_timestamp": "1"}, "associations": [{"to": {"id": "1"}, "types": [kind]}]}
    assert app.plain(token, "POST", "/crm/v3/objects/notes", json=note).status_code == 400
    assert app.stored("notes") == {}


def test_lists_show_both_types_by_their_old_names(app: App, v4: Any, contact: str, firm: str) -> None:
    v4.basic_api.create("contacts", contact, "companies", firm, PRIMARY)
    page = app.client().crm.contacts.basic_api.get_page(associations=["companies", "notes"])
    assert set(page.results[0].associations) == {"companies"}
    assert [one.type for one in page.results[0].associations["companies"].results] == [
        "contact_to_company",
        "contact_to_company_unlabeled",
    ]


class TestBatches:
    def pair(self, contact: str, firm: str, number: int = 279) -> Json:
        kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}
        return {"from": {"id": contact}, "to": {"id": firm}, "types": [kind]}

    def test_hubspots_client_writes_and_reads(self, app: App, v4: Any, contact: str, firm: str) -> None:
        lonely = app.put(email="b@x.example")
        made = v4.batch_api.create("contacts", "companies", {"inputs": [self.pair(contact, firm, 1)]})
        assert (made.status, made.results[0].labels) == ("COMPLETE", ["Contact with Primary Company"])
        inputs = {"inputs": [{"id": contact}, {"id": lonely}]}
        reply = v4.batch_api.get_page("contacts", "companies", inputs)
        assert [one._from.id for one in reply.results] == [contact]
        assert reply.errors[0].context["fromObjectId"] == [lonely]
        v4.batch_api.archive("contacts", "companies", {"inputs": [{"from": {"id": contact}, "to": [{"id": firm}]}]})
        assert types(v4, "contacts", contact, "companies") == {}

    def test_without_errors_it_is_200(self, app: App, v4: Any, contact: str, firm: str) -> None:
        v4.basic_api.create_default("contacts", contact, "companies", firm)
        token = app.link()["access_token"]
        path, body = "/crm/v4/associations/contacts/companies/batch/read", {"inputs": [{"id": contact}]}
        answer = app.plain(token, "POST", path, json=body)
        assert answer.status_code == 200
        assert "errors" not in answer.json()

    def test_by_default(self, v4: Any, contact: str, firm: str) -> None:
        pair = {"from": {"id": contact}, "to": {"id": firm}}
        reply = v4.batch_api.create_default("contacts", "companies", {"inputs": [pair]})
        assert len(reply.results) == 2
        assert types(v4, "contacts", contact, "companies") == {firm: [279]}

    def test_only_a_label(self, v4: Any, contact: str, firm: str) -> None:
        v4.basic_api.create("contacts", contact, "companies", firm, PRIMARY)
        v4.batch_api.archive_labels("contacts", "companies", {"inputs": [self.pair(contact, firm, 1)]})
        assert types(v4, "contacts", contact, "companies") == {firm: [279]}

    def test_what_is_missing_makes_it_207(self, v4: Any, contact: str, firm: str) -> None:
        inputs = {"inputs": [self.pair(contact, firm), self.pair(contact, "1")]}
        reply = v4.batch_api.create("contacts", "companies", inputs)
        assert (len(reply.results), reply.num_errors) == (1, 1)

    @pytest.mark.parametrize(
        ("base", "created", "archived"),
        [("/crm/v4/associations", 201, 204), ("/crm/associations/2026-09", 200, 200)],
    )
    def test_statuses_drift(self, app: App, contact: str, firm: str, base: str, created: int, archived: int) -> None:
        token = app.link()["access_token"]

        def send(what: str, one: Json) -> int:
            path = f"{base}/contacts/companies/batch/{what}"
            return app.plain(token, "POST", path, json={"inputs": [one]}).status_code

        assert send("create", self.pair(contact, firm)) == created
        assert send("read", {"id": contact}) == 200
        assert send("archive", {"from": {"id": contact}, "to": [{"id": firm}]}) == archived

    def test_one_by_one_on_dated_paths(self, app: App, contact: str, firm: str) -> None:
        token = app.link()["access_token"]
        base = f"/crm/objects/2026-09/contacts/{contact}/associations"
        assert app.plain(token, "PUT", f"{base}/default/companies/{firm}").status_code == 200
        assert app.plain(token, "PUT", f"{base}/companies/{firm}", json=PRIMARY).status_code == 201
        shown = app.plain(token, "GET", f"{base}/companies").json()["results"]
        assert [one["typeId"] for one in shown[0]["associationTypes"]] == [1, 279]
        assert app.plain(token, "DELETE", f"{base}/0-2/{firm}").status_code == 204
        assert app.plain(token, "GET", f"{base}/companies").json() == {"results": []}


class TestLabels:
    def test_what_there_is(self, app: App) -> None:
        app.control("labels", type="contacts", to_type="companies", label="Employee")
        token = app.link()["access_token"]
        shown = app.plain(token, "GET", "/crm/v4/associations/contacts/companies/labels").json()
        assert shown == recorded("associations_v4")["GET /crm/v4/associations/contacts/companies/labels 200"]

    def test_the_users_own(self, app: App, v4: Any, contact: str, firm: str) -> None:
        number = app.control("labels", type="contacts", to_type="companies", label="Employee")["type_id"]
        given = [{"associationCategory": "USER_DEFINED", "associationTypeId": number}]
        assert v4.basic_api.create("contacts", contact, "companies", firm, given).labels == ["Employee"]
        assert types(v4, "contacts", contact, "companies") == {firm: [279, number]}
        with pytest.raises(ApiException):
            v4.basic_api.create("contacts", contact, "companies", firm, [given[0] | PRIMARY[0], {"x": 1}])


def test_pages_of_ends(app: App, firm: str) -> None:
    app.control("bulk_records", count=30, companies=1)
    token = app.link()["access_token"]
    base = f"/crm/v4/objects/companies/{firm}/associations/contacts?limit=20"
    first = app.plain(token, "GET", base).json()
    second = app.plain(token, "GET", f"{base}&after={first['paging']['next']['after']}").json()
    assert (len(first["results"]), len(second["results"]), "paging" in second) == (20, 10, False)
