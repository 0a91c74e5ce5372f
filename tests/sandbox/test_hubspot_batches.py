"""Batches at the pretend HubSpot: a hundred at once, what fails alone and what fails together."""

from typing import Any

import pytest
from hubspot.crm.companies import ApiException as CompaniesError
from hubspot.crm.contacts import ApiException

from tests.sandbox.hubspot_app import App, error_of, installed, recorded
from tests.sandbox.person import Json, Scene

KEY = "lpxgp_sync_id"
BAD = {"lifecyclestage": "friend"}


@pytest.fixture
def app(scene: Scene) -> App:
    return installed(scene)


@pytest.fixture
def batch(app: App) -> Any:
    return app.client().crm.contacts.batch_api


def person(number: int, **more: str) -> Json:
    return {"properties": {"email": f"p{number}@x.example", **more}}


def traced(*inputs: Json) -> Json:
    return {"inputs": [one | {"objectWriteTraceId": f"trace-{number}"} for number, one in enumerate(inputs)]}


@pytest.mark.parametrize("base", ["/crm/v3/objects/contacts", "/crm/objects/2026-09/contacts"])
def test_statuses_on_both_paths(app: App, base: str) -> None:
    token = app.link()["access_token"]
    app.control("properties", name=KEY, unique=True)

    def send(what: str, *inputs: Json) -> int:
        return app.plain(token, "POST", f"{base}/batch/{what}", json={"inputs": list(inputs)}).status_code

    assert send("create", person(1)) == 201
    made = {"id": next(iter(app.stored()))}
    assert send("read", made) == 200
    assert send("read", made, {"id": "1"}) == 207
    assert send("update", made | {"properties": {"city": "Rome"}}) == 200
    assert send("upsert", {"id": "k1", "idProperty": KEY, "properties": {"firstname": "Eva"}}) == 200
    assert send("archive", made, {"id": "1"}) == 204


class TestCreate:
    def test_a_hundred_in_another_order(self, app: App, batch: Any) -> None:
        reply = batch.create({"inputs": [person(number) for number in range(100)]})
        assert reply.status == "COMPLETE"
        assert len(app.stored()) == 100
        addresses = [one.properties["email"] for one in reply.results]
        assert set(addresses) == {f"p{number}@x.example" for number in range(100)}
        assert addresses[0] != "p0@x.example"

    @pytest.mark.parametrize("count", [0, 101])
    def test_too_many_and_none(self, app: App, batch: Any, count: int) -> None:
        with pytest.raises(ApiException) as caught:
            batch.create({"inputs": [person(number) for number in range(count)]})
        assert caught.value.status == 400
        assert app.stored() == {}

    def test_all_or_nothing(self, app: App, batch: Any) -> None:
        with pytest.raises(ApiException) as caught:
            batch.create({"inputs": [person(1), person(2, **BAD)]})
        assert (caught.value.status, error_of(caught)["errors"][0]["code"]) == (400, "INVALID_OPTION")
        assert app.stored() == {}

    def test_unless_every_one_has_a_trace_of_its_own(self, app: App, batch: Any) -> None:
        reply = batch.create(traced(person(1), person(2, **BAD), person(3)))
        assert {one.object_write_trace_id for one in reply.results} == {"trace-0", "trace-2"}
        assert reply.num_errors == 1
        assert reply.errors[0].context == {"objectWriteTraceId": ["trace-1"]}
        assert reply.errors[0].category == recorded("batch_create_207")["errors"][0]["category"]
        assert len(app.stored()) == 2

    @pytest.mark.parametrize("traces", [["a", "a"], ["a", ""]])
    def test_traces_that_are_not_enough(self, app: App, batch: Any, traces: list[str]) -> None:
        inputs = [person(number, **BAD) | {"objectWriteTraceId": one} for number, one in enumerate(traces)]
        with pytest.raises(ApiException):
            batch.create({"inputs": inputs})

    def test_a_taken_address(self, app: App, batch: Any) -> None:
        taken = app.put(email="p1@x.example")
        with pytest.raises(ApiException) as caught:
            batch.create({"inputs": [person(1), person(2)]})
        assert caught.value.status == 409
        assert error_of(caught)["message"].endswith(f"Existing ID: {taken}")
        reply = batch.create(traced(person(1), person(2)))
        assert [one.category for one in reply.errors] == ["CONFLICT"]
        assert len(reply.results) == 1

    def test_an_address_twice_in_one_batch(self, app: App, batch: Any) -> None:
        with pytest.raises(ApiException) as caught:
            batch.create({"inputs": [person(1), person(1)]})
        assert caught.value.status == 409
        assert app.stored() == {}

    def test_with_associations(self, app: App, batch: Any) -> None:
        firm = app.put("companies", name="Acme")
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]
        batch.create({"inputs": [person(1) | {"associations": [{"to": {"id": firm}, "types": types}]}]})
        contact = next(iter(app.stored().values()))
        assert contact["associations"]["companies"]["results"] == [{"id": firm, "type": "contact_to_company_unlabeled"}]


class TestRead:
    def test_what_is_missing_makes_it_207(self, app: App, batch: Any) -> None:
        contact = app.put(email="a@x.example", city="Rome")
        reply = batch.read({"inputs": [{"id": contact}, {"id": "1"}, {"id": "2"}], "properties": ["city"]})
        assert [one.properties["city"] for one in reply.results] == ["Rome"]
        assert [one.category for one in reply.errors] == ["OBJECT_NOT_FOUND"]
        assert reply.errors[0].context == {"ids": ["1", "2"]}

    def test_by_a_unique_property(self, app: App, batch: Any) -> None:
        contact = app.put(email="a@x.example")
        reply = batch.read({"inputs": [{"id": "A@x.example"}], "idProperty": "email", "properties": ["email"]})
        assert [one.id for one in reply.results] == [contact]

    def test_merged_ids_show_what_became_of_them(self, app: App, batch: Any) -> None:
        first, second = app.put(email="a@x.example"), app.put(email="b@x.example")
        merged = app.control("records/merge", primary=first, other=second, silent=True)["id"]
        reply = batch.read({"inputs": [{"id": first}, {"id": second}], "properties": ["email"]})
        assert [one.id for one in reply.results] == [merged]

    def test_archived_ones(self, app: App, batch: Any) -> None:
        contact = app.put(email="a@x.example")
        app.control("records/archive", ids=[contact], silent=True)
        reply = batch.read({"inputs": [{"id": contact}], "properties": ["email"]}, archived=True)
        assert [one.archived for one in reply.results] == [True]

    def test_fewer_with_history(self, app: App, batch: Any) -> None:
        body: Json = {"inputs": [{"id": str(number)} for number in range(51)], "propertiesWithHistory": ["email"]}
        with pytest.raises(ApiException):
            batch.read(body)


class TestUpdate:
    def test_what_is_missing_does_not_stop_the_rest(self, app: App, batch: Any) -> None:
        contact = app.put(email="a@x.example")
        inputs = [{"id": "1", "properties": {"city": "Rome"}}, {"id": contact, "properties": {"city": "Rome"}}]
        reply = batch.update({"inputs": inputs})
        assert [one.id for one in reply.results] == [contact]
        assert reply.errors[0].context == {"ids": ["1"]}
        assert app.stored()[contact]["properties"]["city"] == "Rome"

    def test_a_bad_value_stops_all(self, app: App, batch: Any) -> None:
        ids = [app.put(email="a@x.example"), app.put(email="b@x.example")]
        inputs = [{"id": ids[0], "properties": {"city": "Rome"}}, {"id": ids[1], "properties": BAD}]
        with pytest.raises(ApiException):
            batch.update({"inputs": inputs})
        assert "city" not in app.stored()[ids[0]]["properties"]
        reply = batch.update(traced(*inputs))
        assert (len(reply.results), len(reply.errors)) == (1, 1)

    def test_the_same_values_move_no_stamp(self, app: App, batch: Any) -> None:
        contact = app.put(email="a@x.example", city="Rome")
        before = app.stored()[contact]["updatedAt"]
        app.scene.post("clock", advance_seconds=60)
        batch.update({"inputs": [{"id": contact, "properties": {"city": "Rome"}}]})
        assert app.stored()[contact]["updatedAt"] == before

    def test_one_record_twice(self, app: App, batch: Any) -> None:
        contact = app.put(email="a@x.example")
        one = {"id": contact, "properties": {"city": "Rome"}}
        with pytest.raises(ApiException) as caught:
            batch.update({"inputs": [one, one]})
        assert "Duplicate IDs" in error_of(caught)["message"]


class TestUpsert:
    @pytest.fixture
    def companies(self, app: App) -> Any:
        app.control("properties", type="companies", name=KEY, unique=True)
        return app.client().crm.companies.batch_api

    def upsert(self, companies: Any, key: str, **properties: str) -> Any:
        given = {"id": key, "idProperty": KEY, "properties": properties}
        return companies.upsert({"inputs": [given]}).results[0]

    def test_created_once_and_changed_afterwards(self, app: App, companies: Any) -> None:
        made = self.upsert(companies, "org-1", name="Acme", city="Rome")
        again = self.upsert(companies, "org-1", city="Bonn")
        assert (made.new, again.new, again.id) == (True, False, made.id)
        stored = app.stored("companies")[made.id]["properties"]
        assert (stored["name"], stored["city"], stored[KEY]) == ("Acme", "Bonn", "org-1")

    def test_a_property_that_is_not_unique(self, companies: Any) -> None:
        with pytest.raises(CompaniesError) as caught:
            companies.upsert({"inputs": [{"id": "Acme", "idProperty": "name", "properties": {}}]})
        assert caught.value.status == 400

    def test_by_address_what_is_not_sent_is_lost(self, app: App, batch: Any) -> None:
        contact = app.put(email="a@x.example", city="Rome", jobtitle="Partner")
        given = {"id": "a@x.example", "idProperty": "email", "properties": {"city": "Bonn"}}
        assert not batch.upsert({"inputs": [given]}).results[0].new
        stored = app.stored()[contact]["properties"]
        assert stored["city"] == "Bonn"
        assert "jobtitle" not in stored

    def test_a_bad_value_beside_good_ones(self, app: App, companies: Any) -> None:
        good = {"id": "org-1", "idProperty": KEY, "properties": {"name": "Acme"}}
        bad = {"id": "org-2", "idProperty": KEY, "properties": {"name": "Bad", "nonsense": "1"}}
        with pytest.raises(CompaniesError):
            companies.upsert({"inputs": [good, bad]})
        assert app.stored("companies") == {}
        reply = companies.upsert(traced(good, bad))
        assert (len(reply.results), reply.errors[0].context["objectWriteTraceId"]) == (1, ["trace-1"])


def test_archive_minds_no_strangers(app: App, batch: Any) -> None:
    contact = app.put(email="a@x.example")
    batch.archive({"inputs": [{"id": contact}, {"id": "1"}, {"id": contact}]})
    assert app.stored() == {}
    assert list(app.stored(archived="1")) == [contact]
