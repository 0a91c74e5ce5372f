"""HubSpot's pushes: who signed them, whose they are, and what they name."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hubspot.utils.signature import Signature
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from integrations import poked_items
from integrations.contract import FORGET, IncomingRequest, Notice
from integrations.errors import Refused, Unreadable
from integrations.models import PokedItem, SyncState
from integrations.providers.hubspot import pushes
from relationships.models import User
from tests.webhooks.conftest import make_crm, poked
from webhooks import drain, failures, inbox
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db
FIXTURES = Path(__file__).parent.parent / "fixtures" / "hubspot"
PUBLISHED = json.loads((FIXTURES / "signature_vectors.json").read_text())["vectors"]
VECTORS = [one for one in PUBLISHED if one["version"] == "v3"]
RECORDED = (
    "batch_docs",
    "creation_own_write",
    "merge_and_association_fields",
    "old_shapes",
    "property_change_own_write",
)
PATH = "/webhooks/crm-contact/hubspot"
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
NOW = 1_790_000_000_000
Sends = Callable[..., Any]


@pytest.fixture(autouse=True)
def app(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://hub.example.com"
    settings.PROVIDER_CREDENTIALS = {"hubspot": {"client_id": "app-1", "client_secret": SECRET}}
    settings.HUBSPOT_APP_ID = "50780459"


def request_of(body: bytes, url: str, at_ms: int = NOW, **headers: Any) -> IncomingRequest:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return IncomingRequest("POST", url, names, body, datetime.fromtimestamp(at_ms / 1000, UTC))


def is_taken(request: IncomingRequest) -> bool:
    try:
        pushes._check_signature(request)
    except Refused:
        return False
    return True


def sign(body: bytes, timestamp: str, url: str = f"https://hub.example.com{PATH}", secret: str = SECRET) -> str:
    """As the documentation says, by other code than ours."""
    mac = hmac.new(secret.encode(), b"POST" + url.encode() + body + timestamp.encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


@pytest.fixture
def send(client: Client) -> Sends:
    """Post these events, signed now."""

    def post(events: Any, path: str = PATH, **changes: str | None) -> Any:
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        timestamp = str(int(datetime.now(UTC).timestamp() * 1000))
        headers: dict[str, str | None] = {
            "X-HubSpot-Signature": "v1 is sent beside it",
            "X-HubSpot-Signature-Version": "v1",
            "X-HubSpot-Signature-v3": sign(body, timestamp, f"https://hub.example.com{PATH}"),
            "X-HubSpot-Request-Timestamp": timestamp,
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        given = {name: value for name, value in headers.items() if value is not None}
        return client.post(path, body, content_type="application/json", headers=given)

    return post


def event(object_id: int = 51, what: str = "contact.propertyChange", **more: Any) -> dict[str, Any]:
    known = {"eventId": 1, "subscriptionId": 2, "portalId": 62515, "appId": 50780459, "occurredAt": NOW}
    named = {"propertyName": "email", "propertyValue": "jane.doe@fund.example"} if what.endswith("Change") else {}
    return known | named | {"subscriptionType": what, "attemptNumber": 0, "objectId": object_id} | more


def notice(*events: dict[str, Any]) -> Notice:
    return pushes.read("crm-contact", {}, json.dumps(events).encode())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["name"])
def test_the_published_signatures_are_ours(vector: dict[str, str], settings: Settings) -> None:
    at = int(vector["timestamp"])
    signed = {"x_hubspot_signature_v3": vector["expected"], "x_hubspot_request_timestamp": vector["timestamp"]}
    settings.PROVIDER_CREDENTIALS = {"hubspot": {"client_secret": vector["client_secret"]}}
    assert is_taken(request_of(vector["body"].encode(), vector["uri"], at, **signed))
    if wrong := vector.get("undecoded_signature_must_not_match"):
        assert not is_taken(
            request_of(vector["body"].encode(), vector["uri"], at, **signed | {"x_hubspot_signature_v3": wrong})
        )
    assert not is_taken(request_of(vector["body"].encode() + b" ", vector["uri"], at, **signed))
    assert not is_taken(request_of(vector["body"].encode(), vector["uri"] + "/", at, **signed))


plain = st.characters(codec="utf-8", exclude_characters="%")


@given(
    secret=st.text(plain, min_size=1),
    body=st.text(plain),
    path=st.text(st.characters(codec="ascii", exclude_characters="%")),
    timestamp=st.integers(0, 10**14).map(str),
)
def test_hubspots_client_signs_the_same(secret: str, body: str, path: str, timestamp: str) -> None:
    """Within what it can do: it takes text alone, and undoes no escapes."""
    theirs = Signature.get_signature(secret, body, "v3", f"https://hub.example.com/{path}", "POST", timestamp)
    ours = pushes.signature(secret, "POST", f"https://hub.example.com/{path}", body.encode(), timestamp)
    assert ours == theirs.encode()


def test_only_the_listed_escapes_are_undone() -> None:
    listed = "%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B"
    assert pushes.decoded(listed) == pushes.decoded(listed.lower()) == ":/?@!$'()*,;"
    for other in ("%20", "%26", "%3D", "%25", "%2B", "%23", "%5B", "%C3%A9", "%2", "%zz", "%253A"):
        assert pushes.decoded(other) == other


@pytest.mark.parametrize(
    ("skew", "is_good"),
    [(0, True), (300_000, True), (-300_000, True), (300_001, False), (-300_001, False), (365 * 86_400_000, False)],
)
def test_a_time_counts_on_both_sides(skew: int, is_good: bool) -> None:
    at, url = str(NOW + skew), "https://hub.example.com/x"
    headers = {"x_hubspot_signature_v3": sign(b"[]", at, url), "x_hubspot_request_timestamp": at}
    assert is_taken(request_of(b"[]", url, NOW, **headers)) is is_good


@pytest.mark.parametrize(
    "changes",
    [
        {"X_HubSpot_Signature_v3": None},
        {"X_HubSpot_Signature_v3": ""},
        {"X_HubSpot_Signature_v3": "é" * 44},
        {"X_HubSpot_Signature_v3": sign(b"[]", "1")},
        {"X_HubSpot_Request_Timestamp": None},
        {"X_HubSpot_Request_Timestamp": ""},
        {"X_HubSpot_Request_Timestamp": "1e12"},
        {"X_HubSpot_Request_Timestamp": "٣"},
        {"X_HubSpot_Request_Timestamp": "9" * 400},
        {"X_HubSpot_Request_Timestamp": "-1"},
        {"X_HubSpot_Request_Timestamp": "é"},
    ],
)
def test_what_is_not_signed_is_refused_and_learns_nothing(send: Sends, changes: dict[str, str | None]) -> None:
    answer = send([event()], **changes)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Refused."})
    assert not Delivery.objects.exists()


def test_nobody_is_believed_while_no_secret_is_set(send: Sends, settings: Settings, client: Client) -> None:
    settings.PROVIDER_CREDENTIALS = {"hubspot": {"client_id": "", "client_secret": ""}}
    timestamp = str(int(datetime.now(UTC).timestamp() * 1000))
    headers = {
        "X-HubSpot-Signature-v3": sign(b"[]", timestamp, secret=""),
        "X-HubSpot-Request-Timestamp": timestamp,
    }
    assert client.post(PATH, b"[]", content_type="application/json", headers=headers).status_code == 401


def test_what_a_proxy_says_of_the_address_does_not_count(send: Sends, alice: User) -> None:
    make_crm(alice, "hubspot", "62515")
    assert send([event()], X_Forwarded_Host="evil.example", X_Forwarded_Proto="http").status_code == 202
    assert send([event(52)], path="/webhooks/crm-contact").status_code == 401  # signed for the other address


def test_a_push_is_one_statement_and_names_what_changed(
    send: Sends, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    channel = make_crm(alice, "hubspot", "62515")
    with django_assert_num_queries(1):
        assert send([event(51), event(9001, "company.creation")]).status_code == 202
    delivery = Delivery.objects.get()
    assert (delivery.company_id, delivery.sync_state_id) == (alice.company_id, channel.sync_state_id)
    assert drain.run() == 1
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries.get().detail) == ("waiting", "HubSpot told of 2 changes.")
    assert poked(channel) == ["companies:9001", "contacts:51"]
    assert SyncState.unscoped.get(pk=channel.sync_state_id).dirty_mark == 1


def test_the_value_of_a_property_is_not_stored(send: Sends, alice: User) -> None:
    make_crm(alice, "hubspot", "62515")
    send([event(51, propertyName="phone", propertyValue="+49 30 1234567")])
    delivery = Delivery.objects.get()
    assert b"1234567" not in inbox.body_of(delivery)
    assert b"jane" not in inbox.body_of(delivery)
    shown = json.dumps(failures.payload_of(delivery))
    assert '"propertyName": "phone"' in shown
    assert delivery.headers == {}


def test_each_portal_gets_its_own_events_and_no_others(send: Sends, alice: User, charlie: User) -> None:
    mine, theirs = make_crm(alice, "hubspot", "62515"), make_crm(charlie, "hubspot", "777")
    answer = send(
        [event(51), event(88, portalId=777), event(1, portalId=999), event(2, portalId=True), event(3, portalId=None)]
    )
    assert answer.status_code == 202
    drain.run()
    assert (poked(mine), poked(theirs)) == (["contacts:51"], ["contacts:88"])
    bodies = {one.company_id: json.loads(inbox.body_of(one)) for one in Delivery.objects.all()}
    assert [one["portalId"] for one in bodies[charlie.company_id]] == [777]
    assert Delivery.objects.get(company=None).status == "ignored"


def test_the_same_events_again_are_known_whatever_their_order_and_attempt(send: Sends, alice: User) -> None:
    make_crm(alice, "hubspot", "62515")
    assert send([event(51), event(52)]).status_code == 202
    again = [event(52, attemptNumber=3, eventId=7), event(51, attemptNumber=3)]
    assert send(again).status_code == 200
    assert send([event(51, propertyValue="other@fund.example"), event(52)]).status_code == 202
    assert Delivery.objects.count() == 2


def test_an_empty_list_is_acknowledged(send: Sends) -> None:
    assert send([]).status_code == 200
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'"x"', b"[", b"\xff", b"[" * 100_000, b"[" + b"{}," * 1_000 + b"{}]"])
def test_what_is_no_list_of_events_is_not_readable(send: Sends, body: bytes) -> None:
    assert send(body).status_code == 400


def test_a_merge_names_all_whom_it_concerns_and_an_association_where_it_begins() -> None:
    merge = event(30, "contact.merge", primaryObjectId=10, mergedObjectIds=[20, 21], newObjectId=30)
    linked = event(0, "contact.associationChange", fromObjectId=11, toObjectId=9001)
    assert set(notice(merge, linked).items) == {
        "contacts:10",
        "contacts:20",
        "contacts:21",
        "contacts:30",
        "contacts:11",
    }


def test_objects_may_be_named_by_their_type() -> None:
    said = notice(
        event(1, "object.creation", objectTypeId="0-1"),
        event(2, "object.deletion", objectTypeId="0-2"),
        event(3, "object.creation", objectTypeId="0-46"),
        event(4, "object.creation", objectTypeId="0-3"),
        event(541935488729, "company.restore"),
        event(6, "deal.creation"),
        event(7, "contact.sneezed"),
    )
    assert said.items == ("contacts:1", "companies:2", "notes:3", "companies:541935488729")
    assert said.detail == "HubSpot told of 4 changes; 3 not read from there."


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_events_are_read(name: str) -> None:
    said = pushes.read("crm-contact", {}, (FIXTURES / f"webhook_{name}.json").read_bytes())
    assert said.is_change
    assert said.items


def test_what_is_not_read_is_ignored_with_words() -> None:
    said = notice(event(1, "deal.creation"), event(2, "object.merge"))
    assert (said.is_change, said.items) == (False, ())
    assert said.detail == "HubSpot told of deal.creation, object.merge, which is not read from there."
    assert notice(event(1, "deal.creation") | {"subscriptionType": None}).is_change is False


def test_our_own_writes_are_named_and_told_apart() -> None:
    ours: dict[str, Any] = {"changeSource": "INTEGRATION", "sourceId": "50780459"}
    said = notice(event(1, **ours), event(2, **ours | {"sourceId": 50780459}), event(3, **ours | {"sourceId": "1"}))
    assert said.items == ("contacts:1", "contacts:2", "contacts:3")
    assert said.detail == "HubSpot told of 3 changes; 2 written by us."


def test_without_an_app_id_nothing_is_taken_for_ours(settings: Settings) -> None:
    settings.HUBSPOT_APP_ID = ""
    assert notice(event(1, changeSource="INTEGRATION", sourceId="")).detail == "HubSpot told of 1 change."


def test_an_import_is_left_to_the_cursor_but_for_what_it_ends() -> None:
    said = notice(
        *(event(number, "contact.creation", changeSource="IMPORT") for number in range(50)),
        event(77, "contact.deletion", changeSource="IMPORT"),
        event(78, "contact.privacyDeletion", changeSource="IMPORT"),
    )
    assert said.is_change
    assert said.items == ("contacts:77", f"{FORGET}contacts:78")
    assert "50 of an import" in said.detail


def test_a_storm_leaves_no_names_behind(send: Sends, alice: User) -> None:
    channel = make_crm(alice, "hubspot", "62515")
    for start in range(0, 1_100, 100):
        send([event(number) for number in range(start + 1, start + 101)])
        drain.run()
    assert len(poked(channel)) == 0
    assert SyncState.unscoped.get(pk=channel.sync_state_id).is_dirty
    send([event(5)])
    drain.run()
    assert poked(channel) == ["contacts:5"]


def test_no_storm_takes_what_was_deleted_for_privacy_along(send: Sends, alice: User) -> None:
    channel = make_crm(alice, "hubspot", "62515")
    told = [f"{FORGET}contacts:77", f"{FORGET}contacts:78"]
    send([event(77, "contact.privacyDeletion")])
    drain.run()
    for start in range(0, 1_100, 100):
        send([event(number) for number in range(start + 1, start + 101)])
        if start == 500:
            send([event(78, "contact.privacyDeletion"), event(78, "contact.deletion")])
        drain.run()
    assert poked(channel) == told
    poked_items.add({channel.sync_state_id: [f"contacts:{number}" for number in range(1_001)] + told})
    assert poked(channel) == told, "nor one that comes at once"


@given(st.lists(st.dictionaries(st.sampled_from([*pushes.KEY, *pushes.KEPT, "eventType"]), st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.floats(), st.lists(st.integers(), max_size=3),
    st.sampled_from(["contact.merge", "company.creation", "object.restore", "0-1", "IMPORT", "INTEGRATION"]),
))))  # fmt: skip
def test_any_events_are_read_or_unreadable(events: list[dict[str, Any]]) -> None:
    try:
        said = notice(*events)
    except Unreadable:
        return
    for item in said.items:
        kind, _, number = item.removeprefix(FORGET).partition(":")
        assert kind in {"contacts", "companies", "notes"}
        assert number.isdigit()


def test_what_is_named_again_is_as_new(send: Sends, alice: User) -> None:
    """So that a sync which is just reading it does not forget it."""
    channel = make_crm(alice, "hubspot", "62515")
    send([event(51), event(52)])
    drain.run()
    first = dict(PokedItem.unscoped.values_list("name", "at"))
    send([event(51, occurredAt=NOW + 1)])
    drain.run()
    again = dict(PokedItem.unscoped.values_list("name", "at"))
    assert again["contacts:51"] > first["contacts:51"]
    assert again["contacts:52"] == first["contacts:52"]
    assert poked(channel) == ["contacts:51", "contacts:52"]
