"""Search at the pretend HubSpot: filters, order, ten thousand results, lag."""

from typing import Any

import pytest
from hubspot.crm.contacts import ApiException

from sandbox.clock import parse_instant
from tests.sandbox.hubspot_app import App, installed, recorded
from tests.sandbox.person import Json, Scene

STAMP = "lastmodifieddate"


@pytest.fixture
def app(scene: Scene) -> App:
    app = installed(scene)
    app.control("limits", max=100_000, search=100_000)
    return app


class Searcher:
    """HubSpot's client, with the filters of one group as arguments."""

    def __init__(self, app: App) -> None:
        self.api = app.client().crm.contacts.search_api

    def __call__(self, *filters: Json, **more: Any) -> Any:
        return self.api.do_search({"filterGroups": [{"filters": list(filters)}] if filters else [], **more})

    def ids(self, *filters: Json, **more: Any) -> list[str]:
        return [one.id for one in self(*filters, **more).results]

    def status(self, *filters: Json, **more: Any) -> int:
        with pytest.raises(ApiException) as caught:
            self(*filters, **more)
        status: int = caught.value.status
        return status


@pytest.fixture
def search(app: App) -> Searcher:
    return Searcher(app)


def where(name: str, operator: str, value: Any = None, **more: Any) -> Json:
    given = {"propertyName": name, "operator": operator}
    return given | ({} if value is None else {"value": value}) | more


def stamp_of(app: App, record_id: str) -> str:
    """Milliseconds since 1970, as text."""
    return str(round(parse_instant(app.stored()[record_id]["updatedAt"]).timestamp() * 1000))


def test_a_reply_is_as_recorded(app: App) -> None:
    app.put("companies", name="A test of names", city="Rome")
    token = app.link()["access_token"]
    wanted = recorded("search_companies")
    body = {
        "properties": ["name", "domain", "city", "industry", "createdate", "hs_lastmodifieddate"],
        "limit": 100,
        "filterGroups": [{"filters": [where("name", "CONTAINS_TOKEN", "test")]}],
    }
    shown = app.plain(token, "POST", "/crm/v3/objects/companies/search", json=body)
    assert not [name for name in shown.headers if name.startswith("X-HubSpot-RateLimit")]
    assert set(shown.json()) == set(wanted)
    assert set(shown.json()["results"][0]) == set(wanted["results"][0])
    assert set(shown.json()["results"][0]["properties"]) == set(wanted["results"][0]["properties"])


class TestFilters:
    @pytest.fixture
    def people(self, app: App) -> dict[str, str]:
        return {
            "anna": app.put(email="anna@acme.example", firstname="Anna", associatedcompanyid="5", closedate="1000"),
            "ben": app.put(email="ben@acme.example", firstname="Ben", associatedcompanyid="10", closedate="2000"),
            "cleo": app.put(email="cleo@other.example", firstname="Cleo", jobtitle="Managing Partner"),
        }

    @pytest.mark.parametrize(
        ("condition", "names"),
        [
            (where("firstname", "EQ", "anna"), "anna"),
            (where("firstname", "NEQ", "Anna"), "ben cleo"),
            (where("associatedcompanyid", "LT", "10"), "anna"),
            (where("associatedcompanyid", "LTE", "10"), "anna ben"),
            (where("associatedcompanyid", "GT", "5"), "ben"),
            (where("associatedcompanyid", "GTE", "5"), "anna ben"),
            (where("associatedcompanyid", "BETWEEN", "5", highValue="9"), "anna"),
            (where("closedate", "GTE", "2000"), "ben"),
            (where("firstname", "IN", values=["anna", "cleo"]), "anna cleo"),
            (where("firstname", "IN", values=["Anna", "cleo"]), "cleo"),
            (where("firstname", "NOT_IN", values=["anna"]), "ben cleo"),
            (where("jobtitle", "HAS_PROPERTY"), "cleo"),
            (where("jobtitle", "NOT_HAS_PROPERTY"), "anna ben"),
            (where("jobtitle", "CONTAINS_TOKEN", "partner"), "cleo"),
            (where("jobtitle", "CONTAINS_TOKEN", "part"), ""),
            (where("email", "CONTAINS_TOKEN", "*@acme.example"), "anna ben"),
            (where("email", "EQ", "ben@acme.example"), "ben"),
            (where("email", "IN", values=["ben@acme.example", "nobody@acme.example"]), "ben"),
        ],
    )
    def test_each(self, search: Searcher, people: dict[str, str], condition: Json, names: str) -> None:
        assert set(search.ids(condition)) == {people[name] for name in names.split()}

    def test_filters_of_a_group_go_together_and_groups_apart(self, search: Searcher, people: dict[str, str]) -> None:
        first = {"filters": [where("firstname", "EQ", "anna"), where("associatedcompanyid", "EQ", "5")]}
        never = {"filters": [where("firstname", "EQ", "ben"), where("associatedcompanyid", "EQ", "5")]}
        third = {"filters": [where("firstname", "EQ", "cleo")]}
        found = search(filterGroups=[first, never, third])
        assert ({one.id for one in found.results}, found.total) == ({people["anna"], people["cleo"]}, 2)

    @pytest.mark.parametrize(("query", "names"), [("ann", "anna"), ("acme", "anna ben"), ("cleo other", "cleo")])
    def test_a_query(self, search: Searcher, people: dict[str, str], query: str, names: str) -> None:
        assert set(search.ids(query=query)) == {people[name] for name in names.split()}

    def test_ids_merged_away_and_archived_ones_are_not_found(
        self, app: App, search: Searcher, people: dict[str, str]
    ) -> None:
        app.control("records/archive", ids=[people["cleo"]], silent=True)
        merged = app.control("records/merge", primary=people["anna"], other=people["ben"], silent=True)["id"]
        assert search.ids() == [merged]
        assert search.ids(where("hs_object_id", "EQ", people["anna"])) == []

    @pytest.mark.parametrize(
        "condition",
        [
            where("nonsense", "EQ", "1"),
            where("firstname", "LIKES", "1"),
            where("firstname", "EQ"),
            where("firstname", "IN", "anna"),
            where(STAMP, "GTE", "2026-03-12T10:00:00Z"),
            where("associatedcompanyid", "BETWEEN", "1"),
        ],
    )
    def test_what_is_not_understood(self, app: App, condition: Json) -> None:
        token = app.link()["access_token"]
        body = {"filterGroups": [{"filters": [condition]}]}
        assert app.plain(token, "POST", "/crm/v3/objects/contacts/search", json=body).status_code == 400

    def test_too_many(self, search: Searcher) -> None:
        one = where("firstname", "EQ", "a")
        assert search.status(*[one] * 7) == 400
        assert search.status(filterGroups=[{"filters": [one]}] * 6) == 400
        assert search.status(filterGroups=[{"filters": [one] * 5}] * 4) == 400
        assert search.status(where("firstname", "EQ", "a" * 3000)) == 400


def test_unique_properties_in_any_case(app: App, search: Searcher) -> None:
    app.control("properties", name="lpxgp_sync_id", unique=True)
    contact = app.put(email="a@x.example", lpxgp_sync_id="Key-A")
    assert search.ids(where("lpxgp_sync_id", "EQ", "Key-A")) == [contact]
    assert search.ids(where("lpxgp_sync_id", "IN", values=["key-a", "key-b"])) == [contact]
    assert search.ids(where("lpxgp_sync_id", "IN", values=["Key-A"])) == []


class TestPages:
    def test_two_hundred_at_most_ten_unless_said(self, app: App, search: Searcher) -> None:
        app.control("bulk_records", count=250)
        assert len(search().results) == 10
        assert len(search(limit=200).results) == 200
        assert search.status(limit=201) == 400

    def test_all_by_offset(self, app: App, search: Searcher) -> None:
        app.control("bulk_records", count=250)
        found, after = [], None
        while True:
            page = search(where(STAMP, "GTE", "0"), sorts=[STAMP], limit=100, **({"after": after} if after else {}))
            found += [one.id for one in page.results]
            assert page.total == 250
            if page.paging is None:
                break
            after = page.paging.next.after
        assert found == list(app.stored())
        assert after == "200"

    def test_not_beyond_ten_thousand(self, app: App, search: Searcher) -> None:
        app.control("bulk_records", count=10_100)
        last = search(limit=200, after="9800")
        assert (last.total, len(last.results), last.paging.next.after) == (10_100, 200, "10000")
        assert search.status(limit=200, after="10000") == 400

    def test_more_than_ten_thousand_in_one_millisecond_by_id(self, app: App, search: Searcher) -> None:
        made = app.control("bulk_records", count=10_100, days=0)
        stamp = stamp_of(app, made["first_id"])
        last_seen = str(int(made["first_id"]) + 9_999)
        rest = search(
            where(STAMP, "EQ", stamp), where("hs_object_id", "GT", last_seen), sorts=["hs_object_id"], limit=200
        )
        assert (rest.total, rest.results[-1].id) == (100, made["last_id"])

    def test_order(self, app: App, search: Searcher) -> None:
        ids = [app.put(email=f"{name}@x.example", firstname=name) for name in ("b", "c", "a")]
        nameless = app.put(email="z@x.example")
        assert search.ids(sorts=["firstname"]) == [ids[2], ids[0], ids[1], nameless]
        down = {"propertyName": "firstname", "direction": "DESCENDING"}
        token = app.link()["access_token"]
        body = {"sorts": [down]}
        shown = app.plain(token, "POST", "/crm/v3/objects/contacts/search", json=body).json()["results"]
        assert [one["id"] for one in shown] == [ids[1], ids[0], ids[2], nameless]
        assert search.ids(sorts=["-hs_object_id"]) == [nameless, *ids[::-1]]
        assert search.status(sorts=["firstname", "email"]) == 400
        assert search.status(sorts=["nonsense"]) == 400

    def test_by_stamp_after_changes(self, app: App, search: Searcher) -> None:
        ids = []
        for number in range(4):
            ids.append(app.put(email=f"{number}@x.example"))
            app.scene.post("clock", advance_seconds=1)
        app.change(ids[1], city="Rome")
        assert search.ids(where(STAMP, "GTE", stamp_of(app, ids[2])), sorts=[STAMP]) == [ids[2], ids[3], ids[1]]
        assert search.ids(where(STAMP, "LT", stamp_of(app, ids[2])), sorts=[STAMP]) == [ids[0]]
        between = where(STAMP, "BETWEEN", stamp_of(app, ids[2]), highValue=stamp_of(app, ids[3]))
        assert search.ids(between, sorts=[f"-{STAMP}"]) == [ids[3], ids[2]]


class TestLag:
    def test_new_records_come_late_with_their_early_stamp(self, app: App, search: Searcher) -> None:
        app.control("search_lag", seconds=30)
        first = app.put(email="a@x.example")
        assert search.ids() == []
        app.scene.post("clock", advance_seconds=31)
        second = app.put(email="b@x.example")
        assert search.ids() == [first]
        assert stamp_of(app, first) < stamp_of(app, second)

    def test_changes_come_late(self, app: App, search: Searcher) -> None:
        contact = app.put(email="a@x.example", city="Rome")
        before = stamp_of(app, contact)
        app.control("search_lag", seconds=30)
        app.scene.post("clock", advance_seconds=60)
        app.change(contact, city="Bonn")
        assert search.ids(where("city", "EQ", "rome")) == [contact]
        assert search.ids(where("city", "EQ", "bonn")) == []
        assert search.ids(where(STAMP, "GT", before)) == []
        app.scene.post("clock", advance_seconds=31)
        assert search.ids(where("city", "EQ", "bonn")) == [contact]
        assert search.ids(where(STAMP, "GT", before)) == [contact]

    def test_archived_ones_are_gone_at_once(self, app: App, search: Searcher) -> None:
        contact = app.put(email="a@x.example", city="Rome")
        app.control("search_lag", seconds=30)
        app.change(contact, city="Bonn")
        app.control("records/archive", ids=[contact], silent=True)
        assert search.ids() == []

    def test_the_list_knows_at_once(self, app: App) -> None:
        app.control("search_lag", seconds=30)
        contact = app.put(email="a@x.example")
        assert [one.id for one in app.client().crm.contacts.basic_api.get_page().results] == [contact]
