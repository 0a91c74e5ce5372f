"""What the pretend HubSpot sends: signed lists of events, shuffled, doubled, lost and tried again."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from hubspot.exceptions import InvalidSignatureTimestampError
from hubspot.utils.signature import Signature

from sandbox.hubspot import signatures
from tests.sandbox.conftest import Receiver, until
from tests.sandbox.hubspot_app import CLIENT, SECRET, App, installed, recorded
from tests.sandbox.person import Json, Scene


@pytest.fixture
def app(scene: Scene) -> App:
    """An app that is linked."""
    app = installed(scene)
    app.link()
    return app


@pytest.fixture
def hook(app: App, receiver: Receiver) -> Receiver:
    """Where its webhooks go."""
    app.scene.post("hubspot/webhooks", target=receiver.url, retry_seconds=0.01)
    return receiver


def settled(app: App) -> None:
    until(lambda: app.scene.get("idle")["pending"] == 0)


def events(app: App, hook: Receiver) -> list[Json]:
    """All that came, when nothing is on its way any more."""
    settled(app)
    return [event for body in hook.bodies for event in json.loads(body)]


def kinds(found: list[Json]) -> list[str]:
    return sorted(one["subscriptionType"] for one in found)


def app_id(app: App) -> int:
    number: int = app.scene.get(f"hubspot/clients/app?client_id={CLIENT}")["app_id"]
    return number


class TestEvents:
    def test_a_creation_by_hand(self, app: App, hook: Receiver) -> None:
        contact = app.put(silent=False, email="eva@x.example", city="Rome")
        found = events(app, hook)
        assert kinds(found) == ["contact.creation", "contact.propertyChange", "contact.propertyChange"]
        created = next(one for one in found if one["subscriptionType"] == "contact.creation")
        assert set(created) == set(recorded("webhook_creation_own_write")[0])
        assert (created["objectId"], created["portalId"], created["appId"]) == (int(contact), app.portal, app_id(app))
        assert (created["changeFlag"], created["changeSource"], created["attemptNumber"]) == ("CREATED", "CRM_UI", 0)
        assert created["sourceId"].startswith("userId:")
        assert abs(created["occurredAt"] - time.time() * 1000) < 60_000

    def test_an_own_write_comes_back(self, app: App, hook: Receiver) -> None:
        contact = app.put(email="eva@x.example")
        app.client().crm.contacts.basic_api.update(contact, {"properties": {"email": "eva@y.example"}})
        (event,) = events(app, hook)
        wanted = recorded("webhook_property_change_own_write")[0]
        assert set(event) - {"isSensitive"} == set(wanted)
        assert (event["propertyName"], event["propertyValue"]) == ("email", "eva@y.example")
        assert (event["changeSource"], event["sourceId"]) == ("INTEGRATION", str(app_id(app)))

    def test_a_write_of_the_same_tells_nothing(self, app: App, hook: Receiver) -> None:
        contact = app.put(email="eva@x.example")
        app.client().crm.contacts.basic_api.update(contact, {"properties": {"email": "eva@x.example"}})
        app.change(contact, silent=False, email="EVA@x.example")
        assert events(app, hook) == []

    def test_clearing_tells_an_empty_value(self, app: App, hook: Receiver) -> None:
        contact = app.put(email="eva@x.example", city="Rome")
        app.change(contact, silent=False, city="")
        assert [one["propertyValue"] for one in events(app, hook)] == [""]

    def test_one_write_has_one_event_id(self, app: App, hook: Receiver) -> None:
        contact = app.put(email="eva@x.example")
        app.change(contact, silent=False, city="Rome", state="RM")
        found = events(app, hook)
        assert len(found) == 2
        assert len({one["eventId"] for one in found}) == 1
        assert len({one["subscriptionId"] for one in found}) == 2

    def test_bin_and_back(self, app: App, hook: Receiver) -> None:
        firm = app.put("companies", name="Acme")
        app.control("records/archive", type="companies", ids=[firm])
        app.control("records/restore", type="companies", ids=[firm])
        assert kinds(events(app, hook)) == ["company.deletion", "company.restore"]

    def test_deleted_for_good_is_told_twice(self, app: App, hook: Receiver) -> None:
        contact = app.put(email="eva@x.example")
        app.control("records/gdpr_delete", ids=[contact])
        assert kinds(events(app, hook)) == ["contact.deletion", "contact.privacyDeletion"]

    def test_a_merge(self, app: App, hook: Receiver) -> None:
        first, second = app.put(email="a@x.example"), app.put(email="b@x.example", city="Rome")
        merged = app.control("records/merge", primary=first, other=second)["id"]
        (event,) = events(app, hook)
        assert set(event) == set(recorded("webhook_merge_and_association_fields")[0])
        assert (event["primaryObjectId"], event["mergedObjectIds"]) == (int(first), [int(second)])
        assert event["newObjectId"] == event["objectId"] == int(merged)
        assert event["numberOfPropertiesMoved"] == 1

    def test_a_primary_company_is_told_twice_from_each_end(self, app: App, hook: Receiver) -> None:
        contact, firm = app.put(email="a@x.example"), app.put("companies", name="Acme")
        app.control("records/associate", id=contact, to_type="companies", to_id=firm, type_id=1)
        found = events(app, hook)
        assert kinds(found) == ["company.associationChange"] * 2 + ["contact.associationChange"] * 2
        mine = [one for one in found if one["subscriptionType"] == "contact.associationChange"]
        assert all(set(one) == set(recorded("webhook_merge_and_association_fields")[1]) for one in mine)
        assert {one["isPrimaryAssociation"] for one in mine} == {True, False}
        ends = {(one["fromObjectId"], one["toObjectId"], one["associationType"]) for one in mine}
        assert ends == {(int(contact), int(firm), "CONTACT_TO_COMPANY")}

    def test_removed_associations(self, app: App, hook: Receiver) -> None:
        contact, firm = app.put(email="a@x.example"), app.put("companies", name="Acme")
        app.control("records/associate", id=contact, to_type="companies", to_id=firm, silent=True)
        app.client().crm.associations.v4.basic_api.archive("contacts", contact, "companies", firm)
        assert {one["associationRemoved"] for one in events(app, hook)} == {True}

    def test_what_is_logged_is_not_told_of(self, app: App, hook: Receiver) -> None:
        app.put("notes", silent=False, hs_timestamp="1773300826615")
        assert events(app, hook) == []

    def test_the_generic_style(self, app: App, hook: Receiver) -> None:
        app.scene.post("hubspot/webhooks", style="generic")
        app.put("companies", silent=False, name="Acme")
        found = events(app, hook)
        assert kinds(found) == ["object.creation", "object.propertyChange"]
        assert {one["objectTypeId"] for one in found} == {"0-2"}

    def test_only_properties_subscribed_to(self, app: App, hook: Receiver) -> None:
        app.scene.post("hubspot/webhooks", properties=["city"])
        contact = app.put(email="a@x.example")
        app.change(contact, silent=False, city="Rome", state="RM")
        assert [one["propertyName"] for one in events(app, hook)] == ["city"]

    def test_events_without_a_change(self, app: App, hook: Receiver) -> None:
        contact = app.put(email="a@x.example")
        app.control("push", ids=[contact], property="city", value="Rome", times=2)
        app.control("push", ids=[7], event="deletion")
        assert kinds(events(app, hook)) == ["contact.deletion", "contact.propertyChange", "contact.propertyChange"]

    def test_silence(self, app: App, hook: Receiver) -> None:
        app.put(email="a@x.example")
        assert events(app, hook) == []


class TestWho:
    def test_only_who_let_the_app_in(self, app: App, hook: Receiver) -> None:
        other = App(app.scene, app.scene.post("hubspot/portals", name="Other", domain="o.example")["id"])
        other.put(silent=False, email="a@x.example")
        assert events(app, hook) == []
        other.link()
        other.put(silent=False, email="b@x.example")
        assert {one["portalId"] for one in events(app, hook)} == {other.portal}

    def test_nobody_after_it_was_uninstalled(self, app: App, hook: Receiver) -> None:
        app.control("revoke")
        app.put(silent=False, email="a@x.example")
        assert events(app, hook) == []

    def test_each_client_has_its_target(self, app: App, receiver: Receiver) -> None:
        App(app.scene, app.portal, client_id="app-2").link()
        app.scene.post("hubspot/webhooks", target=receiver.url, client_id="app-2")
        app.put(silent=False, email="a@x.example")
        found = events(app, receiver)
        assert len({one["appId"] for one in found}) == 1
        assert found[0]["appId"] != app_id(app)

    def test_a_target_taken_away(self, app: App, hook: Receiver) -> None:
        app.scene.post("hubspot/webhooks", target="")
        app.put(silent=False, email="a@x.example")
        assert events(app, hook) == []


class TestDelivery:
    def test_at_most_a_hundred_in_one_request(self, app: App, hook: Receiver) -> None:
        people = [{"properties": {"email": f"{number}@x.example"}} for number in range(120)]
        app.control("records", records=people)
        assert len(events(app, hook)) == 240
        assert sorted(len(json.loads(body)) for body in hook.bodies) == [40, 100, 100]

    def test_doubled(self, app: App, hook: Receiver) -> None:
        app.scene.post("hubspot/webhooks", duplicate=True)
        app.put(silent=False, email="a@x.example")
        assert kinds(events(app, hook)) == ["contact.creation"] * 2 + ["contact.propertyChange"] * 2

    def test_shuffled(self, app: App, hook: Receiver) -> None:
        app.scene.post("hubspot/webhooks", shuffle=True, properties=["none"])
        people = [{"properties": {"email": f"{number}@x.example"}} for number in range(60)]
        ids = [int(one) for one in app.control("records", records=people)["ids"]]
        came = [one["objectId"] for one in events(app, hook)]
        assert came != ids
        assert sorted(came) == ids

    @pytest.mark.parametrize(("kind", "times"), [("lost", 0), ("doubled", 2), ("late", 1), ("reordered", 1)])
    def test_faults_take_single_events(self, app: App, hook: Receiver, kind: str, times: int) -> None:
        contact = app.put(email="a@x.example")
        app.scene.post("faults", operation="push", kind=kind, account=str(app.portal), seconds=0.05)
        app.change(contact, silent=False, city="Rome")
        app.change(contact, silent=False, state="RM")
        names = [one["propertyName"] for one in events(app, hook)]
        assert (names.count("city"), names.count("state")) == (times, 1)

    @pytest.mark.parametrize("status", [500, 404, 301])
    def test_tried_again_whatever_the_answer(self, app: App, hook: Receiver, status: int) -> None:
        hook.answers = [status, status]
        app.put(silent=False, email="a@x.example")
        found = events(app, hook)
        assert [one["attemptNumber"] for one in found if one["subscriptionType"] == "contact.creation"] == [0, 1, 2]

    def test_given_up_after_ten_more(self, app: App, hook: Receiver) -> None:
        app.scene.post("hubspot/webhooks", retry_seconds=0.0001)
        hook.answers = [500] * 20
        app.put(silent=False, email="a@x.example")
        settled(app)
        assert len(hook.bodies) == 11
        assert json.loads(hook.bodies[-1])[0]["attemptNumber"] == 10


class TestSignatures:
    def one(self, app: App, hook: Receiver, **options: Any) -> tuple[dict[str, str], str]:
        """Headers and body of a delivery with a letter that is not ASCII."""
        app.scene.post("hubspot/webhooks", **options)
        app.put("companies", silent=False, name="Müller & Söhne")
        settled(app)
        return hook.came[0], hook.bodies[0].decode()

    def is_good(self, headers: dict[str, str], body: str, address: str) -> bool:
        """HubSpot's own check. It knows nothing of escapes in addresses, and ours has none."""
        return Signature.is_valid(
            headers["X-HubSpot-Signature-v3"],
            SECRET,
            body,
            address,
            "POST",
            "v3",
            headers["X-HubSpot-Request-Timestamp"],
        )

    def test_by_hubspots_own_check(self, app: App, hook: Receiver) -> None:
        headers, body = self.one(app, hook)
        assert "Müller" in body
        assert self.is_good(headers, body, hook.url)
        assert not self.is_good(headers, body + " ", hook.url)
        assert headers["X-HubSpot-Signature-Version"] == "v1"
        assert Signature.is_valid(headers["X-HubSpot-Signature"], SECRET, body, signature_version="v1")

    def test_by_the_public_address(self, app: App, hook: Receiver) -> None:
        public = "https://hub.example.com/webhooks/crm-contact/hubspot"
        headers, body = self.one(app, hook, signed_as=public)
        assert self.is_good(headers, body, public)
        assert not self.is_good(headers, body, hook.url)

    def test_with_the_secret_of_the_registered_client(self, app: App, hook: Receiver) -> None:
        app.scene.post("hubspot/clients", client_id=CLIENT, client_secret="another")
        headers, body = self.one(app, hook)
        wanted = hashlib.sha256(b"another" + body.encode()).hexdigest()
        assert headers["X-HubSpot-Signature"] == wanted

    def test_each_try_is_signed_anew(self, app: App, hook: Receiver) -> None:
        hook.answers = [500]
        self.one(app, hook)
        assert len(hook.came) == 2
        for headers, body in zip(hook.came, hook.bodies, strict=True):
            assert self.is_good(headers, body.decode(), hook.url)

    def test_real_time_whatever_the_sandboxs_clock_says(self, app: App, hook: Receiver) -> None:
        app.scene.post("clock", advance_seconds=86_400)
        headers, body = self.one(app, hook)
        assert self.is_good(headers, body, hook.url)

    def test_forged(self, app: App, hook: Receiver) -> None:
        headers, body = self.one(app, hook, forge="signature")
        assert not self.is_good(headers, body, hook.url)

    def test_stale(self, app: App, hook: Receiver) -> None:
        headers, body = self.one(app, hook, forge="stale")
        with pytest.raises(InvalidSignatureTimestampError):
            self.is_good(headers, body, hook.url)

    def test_from_the_future_which_hubspots_own_check_lets_pass(self, app: App, hook: Receiver) -> None:
        headers, body = self.one(app, hook, forge="future")
        assert int(headers["X-HubSpot-Request-Timestamp"]) > time.time() * 1000 + 3_000_000
        assert self.is_good(headers, body, hook.url)

    def test_none(self, app: App, hook: Receiver) -> None:
        headers, _ = self.one(app, hook, forge="none")
        assert not [name for name in headers if name.startswith("X-HubSpot")]


VECTORS = [one for one in recorded("signature_vectors")["vectors"] if one["version"] != "v2"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: str(one["name"]))
def test_published_vectors(vector: Json) -> None:
    secret, body = vector["client_secret"], vector["body"].encode()
    if vector["version"] == "v1":
        assert signatures.version_1(secret, body) == vector["expected"]
        return
    made = signatures.version_3(secret, vector["method"], vector["uri"], body, vector["timestamp"])
    assert made == vector["expected"]
    plain = vector["method"] + vector["uri"] + vector["body"] + vector["timestamp"]
    undecoded = base64.b64encode(hmac.new(secret.encode(), plain.encode(), hashlib.sha256).digest()).decode()
    assert (made == undecoded) == ("decoded_uri" not in vector)


@pytest.mark.parametrize("order", [{"style": "loud"}, {"forge": "paper"}, {"volume": 11}])
def test_options_that_are_none(app: App, order: Json) -> None:
    answer = app.scene.http.post(f"{app.scene.url}/control/hubspot/webhooks", json=order, timeout=20)
    assert answer.status_code == 400
