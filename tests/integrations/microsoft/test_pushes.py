"""What Graph's requests say, and what they prove."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations import channel_tokens, providers
from integrations.contract import Claim, IncomingRequest
from integrations.errors import Refused, Unreadable

graph = providers.get("microsoft")
URL = "https://crm.example/webhooks/calendar-event/microsoft?signed=k1"
NOW = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)
CHANNEL = "7d1f7a0e-8a0a-4a6e-9f4e-3a1f6b0c2d11"
STATE = f"{CHANNEL}.{channel_tokens.make(CHANNEL)}"
TOKEN = "Validation: Testing client application reachability for subscription Request-Id: 1f1e0f40-0d3c"
Json = dict[str, Any]


def request(*items: Any, query: str = "", body: bytes | None = None, at: datetime = NOW) -> IncomingRequest:
    sent = json.dumps({"value": items}).encode() if body is None else body
    return IncomingRequest("POST", URL + query, {"content-type": "application/json"}, sent, at)


def asks(token: str, body: bytes = b"") -> IncomingRequest:
    return request(query=f"&validationToken={token}", body=body)


def change(etag: str | None = 'W/"1"', external_id: str = "AAMk1", **changes: Any) -> Json:
    data = {"@odata.type": "#Microsoft.Graph.Message", "@odata.etag": etag, "id": external_id}
    return {
        "subscriptionId": "7f105c7d",
        "subscriptionExpirationDateTime": "2016-11-20T23:53:45.9356913+05:30",
        "clientState": STATE,
        "changeType": "created",
        "resource": f"users/ddfcd489@bb8775a4/messages/{external_id}",
        "tenantId": "bb8775a4",
        "resourceData": data,
    } | changes


def event(name: str, **changes: Any) -> Json:
    return {
        "subscriptionId": "7f105c7d",
        "clientState": STATE,
        "tenantId": "bb8775a4",
        "lifecycleEvent": name,
    } | changes


def verify(*items: Any, at: datetime = NOW) -> tuple[Claim, ...]:
    return graph.verify(request(*items, at=at), channel_tokens.is_signed)


def key(*items: Any, at: datetime = NOW) -> str:
    [claim] = verify(*items, at=at)
    return claim.dedupe_key


@pytest.mark.parametrize("encode", [quote, quote_plus])
def test_a_handshake_is_answered_decoded(encode: Any) -> None:
    asked = asks(encode(TOKEN))
    assert graph.recognises(asked)
    assert graph.handshake(asked) == TOKEN


def test_markup_is_sent_back_as_it_is_for_the_answer_is_plain_text() -> None:
    assert graph.handshake(asks(quote("<script>alert(1)</script>"))) == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "token",
    ["", "a" * 1_001, "%0d%0aSet-Cookie:%20a=b", "%00", "%ff%fe", "%E2%80%AE", "a&validationToken=b"],
)
def test_what_graph_would_not_ask_is_not_answered(token: str) -> None:
    with pytest.raises(Unreadable):
        graph.handshake(asks(token))


def test_other_requests_are_no_handshakes() -> None:
    for asked in (
        request(change()),
        request(query="&validationTokens=a", body=b""),
        request(query="&a=validationToken"),
    ):
        assert graph.handshake(asked) is None


@given(st.text(max_size=1_200))
def test_any_question(token: str) -> None:
    asked = asks(quote(token, errors="surrogatepass"))
    try:
        assert graph.handshake(asked) == token
    except Unreadable:
        assert not token or len(token) > 1_000 or not (token.isascii() and token.isprintable())


def test_it_recognises_its_own() -> None:
    assert graph.recognises(request(change()))
    assert graph.recognises(request(event("missed")))
    assert not graph.recognises(request(body=b""))
    assert not graph.recognises(request(body=b'{"message": {"data": ""}, "subscription": "projects/a"}'))


def test_a_change_proves_its_channel_and_names_its_subscription() -> None:
    [claim] = verify(change())
    assert (claim.channel_id, claim.resource_id, claim.by_resource) == (CHANNEL, "7f105c7d", True)
    assert claim.headers == {}
    assert claim.body is not None
    assert b"clientState" not in claim.body
    assert json.loads(claim.body)["value"][0]["resourceData"]["id"] == "AAMk1"


def test_one_claim_for_each_subscription_with_its_own_part() -> None:
    other = "9c1b7a0e-0000-4a6e-9f4e-3a1f6b0c2d11"
    theirs = change(subscriptionId="other", clientState=f"{other}.{channel_tokens.make(other)}")
    claims = verify(change(), theirs, change(external_id="AAMk2"), event("missed"))
    assert [(one.resource_id, one.channel_id) for one in claims] == [
        ("7f105c7d", CHANNEL), ("other", other), ("7f105c7d", CHANNEL)
    ]  # fmt: skip
    bodies = [json.loads(one.body or b"")["value"] for one in claims]
    assert [len(items) for items in bodies] == [2, 1, 1]
    assert {item["subscriptionId"] for item in bodies[0]} == {"7f105c7d"}
    assert bodies[2][0]["lifecycleEvent"] == "missed"
    assert len({one.dedupe_key for one in claims}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"clientState": None},
        {"clientState": ""},
        {"clientState": "x"},
        {"clientState": 7},
        {"clientState": {"a": 1}},
        {"clientState": STATE + "x"},
        {"clientState": STATE[:-1]},
        {"clientState": CHANNEL + "."},
        {"clientState": f"another.{STATE.partition('.')[2]}"},
        {"subscriptionId": None},
        {"subscriptionId": ""},
        {"subscriptionId": 7},
        {"subscriptionId": "x" * 201},
    ],
)
def test_what_proves_nothing_is_dropped_and_alone_refused(changes: Json) -> None:
    with pytest.raises(Refused):
        verify(change(**changes))
    [claim] = verify(change(**changes, external_id="forged"), change())
    assert b"forged" not in (claim.body or b"")


def test_no_notifications_prove_nothing() -> None:
    with pytest.raises(Refused):
        verify()


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b'{"value": {}}', b'{"value": [7]}', b'{"values": []}'])
def test_what_is_no_list_of_notifications(body: bytes) -> None:
    with pytest.raises((Unreadable, ValueError)):
        graph.verify(request(body=body), channel_tokens.is_signed)
    with pytest.raises((Unreadable, ValueError)):
        graph.read("calendar-event", {}, body)


def test_more_than_graph_ever_sends_is_not_looked_through() -> None:
    with pytest.raises(Unreadable):
        graph.verify(request(*[{}] * 2_001), channel_tokens.is_signed)


def test_the_same_said_twice_has_one_key() -> None:
    assert key(change()) == key(change(), at=NOW + timedelta(hours=4))
    assert key(change(), change(external_id="AAMk2")) == key(change(external_id="AAMk2"), change())
    assert key(event("missed")) == key(event("missed"), at=NOW + timedelta(seconds=59))


def test_what_differs_has_another_key() -> None:
    keys = [
        key(change()),
        key(change('W/"2"')),
        key(change(external_id="AAMk2")),
        key(change(changeType="updated")),
        key(change(subscriptionId="other")),
        key(change(None)),
        key(change(None), at=NOW + timedelta(minutes=2)),
        key(change(resourceData=None)),
        key(event("missed")),
        key(event("missed"), at=NOW + timedelta(minutes=5)),
        key(event("subscriptionRemoved")),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("items", "is_change", "channel"),
    [
        ([change(), change(external_id="AAMk2")], True, ""),
        ([event("missed")], True, ""),
        ([event("reauthorizationRequired")], True, "renew"),
        ([event("subscriptionRemoved")], True, "gone"),
        ([event("missed"), event("reauthorizationRequired"), event("subscriptionRemoved")], True, "gone"),
        ([event("somethingNew")], False, ""),
        ([event("somethingNew"), event("missed")], True, ""),
    ],
)
def test_what_follows_from_it(items: list[Json], is_change: bool, channel: str) -> None:
    [claim] = verify(*items)
    notice = graph.read("email-received", claim.headers, claim.body or b"")
    assert (notice.is_change, notice.channel) == (is_change, channel)
    assert notice.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.sampled_from(["subscriptionId", "changeType", "lifecycleEvent", "resourceData", "resource", "id"]), JSON
    )
)
def test_any_notification_of_ours_is_stored_and_read(values: Json) -> None:
    if not (isinstance(values.get("subscriptionId", ""), str) and 0 < len(values.get("subscriptionId", "x")) < 200):
        values.pop("subscriptionId")
    [claim] = verify({"subscriptionId": "7f105c7d"} | values | {"clientState": STATE})
    assert len(claim.dedupe_key) == 64
    assert graph.read("calendar-event", claim.headers, claim.body or b"").detail


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body(body: bytes) -> None:
    with pytest.raises((Refused, Unreadable, ValueError)):
        graph.verify(request(body=body), channel_tokens.is_signed)
