"""Setting the scene at the pretend HubSpot: portals, many records, saved worlds, orders that are no good."""

from pathlib import Path
from time import monotonic

import pytest

from sandbox.server import Sandbox
from tests.sandbox.hubspot_app import SECRET, App, installed
from tests.sandbox.person import Json, Scene


@pytest.fixture
def app(scene: Scene) -> App:
    return installed(scene)


class TestManyRecords:
    def test_a_hundred_thousand_contacts_within_seconds(self, app: App) -> None:
        app.control("limits", max=100_000, search=100_000)
        begun = monotonic()
        made = app.control("bulk_records", count=100_000)
        assert (made["count"], int(made["last_id"]) - int(made["first_id"])) == (100_000, 99_999)
        assert monotonic() - begun < 15
        token = app.link()["access_token"]
        begun = monotonic()
        page = app.plain(token, "GET", f"/crm/v3/objects/contacts?limit=100&after={int(made['first_id']) + 50_000}")
        assert len(page.json()["results"]) == 100
        since = {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "0"}
        body = {"filterGroups": [{"filters": [since]}], "sorts": ["lastmodifieddate"], "limit": 200}
        found = app.plain(token, "POST", "/crm/v3/objects/contacts/search", json=body).json()
        assert (found["total"], len(found["results"])) == (100_000, 200)
        assert monotonic() - begun < 3

    def test_of_every_kind(self, app: App) -> None:
        for kind in ("companies", "notes", "tasks", "meetings", "calls", "emails"):
            app.control("bulk_records", type=kind, count=3, days=1)
            assert len(app.stored(kind)) == 3

    def test_contacts_work_for_companies(self, app: App) -> None:
        app.control("bulk_records", type="companies", count=2)
        app.control("bulk_records", count=5, companies=2, domain="lp.example")
        firms = app.stored("companies")
        assert [one["properties"]["num_associated_contacts"] for one in firms.values()] == ["3", "2"]
        people = app.stored().values()
        assert {one["properties"]["associatedcompanyid"] for one in people} == set(firms)
        assert all(one["properties"]["email"].endswith("@lp.example") for one in people)

    def test_twice_does_not_repeat_addresses(self, app: App) -> None:
        for _ in range(2):
            app.control("bulk_records", count=30)
        assert len({one["properties"]["email"] for one in app.stored().values()}) == 60

    def test_until_a_moment(self, app: App) -> None:
        app.control("bulk_records", count=2, days=0, until="2026-01-02T03:04:05.678Z")
        assert {one["updatedAt"] for one in app.stored().values()} == {"2026-01-02T03:04:05.678Z"}


class TestRecords:
    def test_with_company_and_about_whom(self, app: App) -> None:
        firm = app.put("companies", name="Acme")
        given: Json = {"properties": {"email": "a@x.example"}, "company": firm}
        contact = app.control("records", records=[given], silent=True)["ids"][0]
        note = {"properties": {"hs_timestamp": "1773300826615"}, "contacts": [contact], "companies": [firm]}
        made = app.control("records", type="notes", records=[note], silent=True)["ids"][0]
        assert app.stored()[contact]["properties"]["associatedcompanyid"] == firm
        assert set(app.stored("notes")[made]["associations"]) == {"contacts", "companies"}

    def test_by_whom(self, app: App) -> None:
        given = [{"properties": {"email": "a@x.example"}}]
        second = app.scene.get("hubspot/portals")["portals"][0]["owners"][1]
        contact = app.control("records", records=given, by=second["email"], silent=True)["ids"][0]
        assert app.stored()[contact]["properties"]["hs_object_source_id"] == f"userId:{second['user_id']}"

    def test_by_nobody(self, app: App) -> None:
        given = [{"properties": {"email": "a@x.example"}}]
        made = app.control("records", records=given, source="INTEGRATION", source_id="999", silent=True)["ids"][0]
        values = app.stored()[made]["properties"]
        assert (values["hs_object_source"], values["hs_object_source_id"]) == ("INTEGRATION", "999")

    def test_with_more_addresses(self, app: App) -> None:
        given: Json = {"properties": {"email": "a@x.example"}, "more_emails": ["A@Y.example", "a@z.example"]}
        made = app.control("records", records=[given], silent=True)["ids"][0]
        assert app.stored()[made]["properties"]["hs_additional_emails"] == "a@y.example;a@z.example"
        api = app.client().crm.contacts.basic_api
        assert api.get_by_id("a@y.example", id_property="email").id == made
        changed = api.update(made, {"properties": {"email": "a@z.example"}})
        assert changed.properties["email"] == "a@z.example"
        assert app.stored()[made]["properties"]["hs_additional_emails"] == "a@y.example"

    def test_the_clock_moves_stamps(self, app: App) -> None:
        app.scene.post("clock", set="2030-01-01T00:00:00Z")
        contact = app.put(email="a@x.example")
        assert app.stored()[contact]["updatedAt"].startswith("2030-01-01T00:00:0")

    def test_ids_of_two_kinds_may_be_the_same(self, app: App) -> None:
        assert app.put(email="a@x.example") == app.put("companies", name="Acme")


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("records", {"portal": 1, "records": []}),
        ("records", {"type": "deals", "records": []}),
        ("records", {"records": [{"properties": {"nonsense": "1"}}]}),
        ("records", {"records": [{"id": "1", "properties": {}}]}),
        ("records/archive", {"ids": ["1"]}),
        ("records/merge", {"primary": "1", "other": "2"}),
        ("records/associate", {"id": "1", "to_type": "companies", "to_id": "2", "type_id": 280}),
        ("clients", {"client_id": "a"}),
        ("properties/remove", {"name": "nonsense"}),
    ],
)
def test_orders_that_are_no_good(app: App, path: str, order: Json) -> None:
    url = f"{app.scene.url}/control/hubspot/{path}"
    answer = app.scene.http.post(url, json={"portal": app.portal} | order, timeout=20)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_portals_are_changed_in_place(app: App) -> None:
    again = app.scene.post("hubspot/portals", id=app.portal, name="Acme Capital", time_zone="Europe/Berlin")
    assert again["id"] == app.portal
    (known,) = app.scene.get("hubspot/portals")["portals"]
    assert (known["name"], known["domain"], known["time_zone"]) == ("Acme Capital", "acme.example", "Europe/Berlin")
    assert len(known["owners"]) == 2


def test_the_front_page_tells_of_it(app: App) -> None:
    app.link()
    page = app.scene.http.get(app.scene.url, timeout=20).text
    assert "HubSpot portals" in page
    assert str(app.portal) in page


def test_reset_empties_it(app: App) -> None:
    app.link()
    app.scene.post("reset")
    assert app.scene.get("hubspot/portals") == {"portals": []}


def test_a_saved_world_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Sandbox(state_file=file) as sandbox:
        app = installed(Scene(sandbox.url))
        app.scene.post("hubspot/clients", client_id=app.client_id, client_secret=SECRET, app_id=42)
        app.scene.post("hubspot/webhooks", target="http://127.0.0.1:9/none", style="generic")
        app.control("properties", type="companies", name="lpxgp_sync_id", unique=True)
        app.control("labels", type="contacts", to_type="companies", label="Employee")
        firm = app.put("companies", name="Acme", lpxgp_sync_id="org-1")
        first, second = app.put(email="a@x.example"), app.put(email="b@x.example")
        merged = app.control("records/merge", primary=first, other=second, silent=True)["id"]
        app.control("records/associate", id=merged, to_type="companies", to_id=firm, type_id=1, silent=True)
        gone = app.put(email="c@x.example")
        app.control("records/archive", ids=[gone], silent=True)
        token = app.link()
        before = [app.stored(), app.stored("companies"), app.stored(archived="1")]
        portals, webhooks = app.scene.get("hubspot/portals"), app.scene.get("hubspot/webhooks")
        app.scene.http.close()
    with Sandbox(state_file=file) as sandbox:
        app = App(Scene(sandbox.url), app.portal)
        assert [app.stored(), app.stored("companies"), app.stored(archived="1")] == before
        assert (app.scene.get("hubspot/portals"), app.scene.get("hubspot/webhooks")) == (portals, webhooks)
        client = app.client(token=token["access_token"])
        assert client.crm.contacts.basic_api.get_by_id(first).id == merged
        assert client.crm.companies.basic_api.get_by_id("org-1", id_property="lpxgp_sync_id").id == firm
        assert app.session().refresh_token(app.token_url, refresh_token=token["refresh_token"])["hub_id"] == app.portal
        assert app.put(email="d@x.example") not in (first, second, merged, gone)
        app.scene.http.close()


def test_a_portal_in_no_time_zone_is_refused_in_words(scene: Scene) -> None:
    answer = scene.http.post(f"{scene.url}/control/hubspot/portals", json={"time_zone": "Europe/Atlantis"}, timeout=20)
    assert (answer.status_code, answer.json()["error"]) == (400, "there is no time zone Europe/Atlantis")
