"""Every error of Graph and of the token service as one of ours, and what no error may do."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from integrations import outbound, providers
from integrations.errors import (
    BadConfig,
    CursorExpired,
    IntegrationError,
    MissingScope,
    NeedsReconnect,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
)
from integrations.providers.microsoft import client, errors, refusals
from integrations.providers.microsoft.errors import Conflict
from tests.integrations.email.canned import Canned
from tests.pretend_microsoft import Microsoft

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "microsoft"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "message", "innerError", "innererror", "error_codes", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def body(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def error(code: str, **inner: Any) -> bytes:
    return json.dumps({"error": {"code": code, "message": "", **inner}}).encode()


class TestGraph:
    @pytest.mark.parametrize(
        ("name", "status", "kind"),
        [
            ("error_400_inefficient_filter", 400, Permanent),
            ("error_400_invalid_delta_token", 400, CursorExpired),
            ("error_400_subscription_validation", 400, Permanent),
            ("error_401_token_expired", 401, TokenRefused),
            ("error_403_access_denied", 403, MissingScope),
            ("error_404_item_not_found", 404, ResourceGone),
            ("error_409_duplicate_subscription", 409, Conflict),
            ("error_410_resync_required_drive", 410, CursorExpired),
            ("error_410_sync_state_not_found", 410, CursorExpired),
            ("error_429_mailbox_concurrency", 429, RateLimited),
            ("error_501_not_implemented", 501, Permanent),
            ("error_504_unknown", 504, Temporary),
        ],
    )
    def test_an_answer_that_was_seen(self, name: str, status: int, kind: type[IntegrationError]) -> None:
        assert type(errors.meant(status, {}, body(name))) is kind

    @pytest.mark.parametrize(
        ("status", "content", "kind", "words"),
        [
            (404, error("MailboxNotEnabledForRESTAPI"), Permanent, "no mailbox"),
            (400, error("syncStateNotFound"), CursorExpired, "where we stopped"),
            (400, error("BadRequest", innerError={"code": "SyncStateInvalid"}), CursorExpired, "where we stopped"),
            (400, error("x", innererror={"code": "y", "innererror": {"code": "RESYNCREQUIRED"}}), CursorExpired, ""),
            (403, error("ErrorAccessDenied", innerError={"code": "unheardOf"}), MissingScope, "not granted"),
            (503, error("ApplicationThrottled"), RateLimited, "slow down"),
            (503, error("", innerError={"code": "ErrorServerBusy"}), RateLimited, "slow down"),
            (400, error("RequestBroker--ParseUri"), Permanent, "requestbroker--parseuri"),
            (400, b"", Permanent, "HTTP 400"),
            (400, body("error_400_subscription_validation"), Permanent, "public address"),
            (401, b"", TokenRefused, ""),
            (403, b"", MissingScope, ""),
            (404, b"<html>", ResourceGone, ""),
            (409, b"", Conflict, ""),
            (410, b"", CursorExpired, ""),
            (424, b"", Temporary, ""),
            (429, b"", RateLimited, ""),
            (500, b"", Temporary, ""),
            (502, b"<html>", Temporary, ""),
            (509, b"", RateLimited, ""),
        ],
    )
    def test_the_innermost_code_that_is_known_decides_then_the_status(
        self, status: int, content: bytes, kind: type[IntegrationError], words: str
    ) -> None:
        found = errors.meant(status, {}, content)

        assert type(found) is kind
        assert words in str(found)

    @pytest.mark.parametrize(("header", "seconds"), [("120", 120.0), ("", None), ("soon", None)])
    def test_it_says_how_long_to_wait(self, header: str, seconds: float | None) -> None:
        found = errors.meant(429, {"Retry-After": header}, body("error_429_mailbox_concurrency"))

        assert isinstance(found, RateLimited)
        assert found.retry_after == seconds

    @given(st.integers(400, 599), JSON)
    def test_no_body_is_too_odd(self, status: int, content: object) -> None:
        assert isinstance(errors.meant(status, {}, json.dumps(content).encode()), IntegrationError)

    @given(st.integers(400, 599), st.binary(max_size=40))
    def test_no_bytes_are_too_odd(self, status: int, content: bytes) -> None:
        assert isinstance(errors.meant(status, {}, content), IntegrationError)

    def test_nested_without_end_ends(self) -> None:
        content: Any = {"code": "x"}
        for _ in range(5000):
            content = {"code": "x", "innerError": content}

        assert isinstance(errors.meant(400, {}, {"error": content}), Permanent)
        assert isinstance(errors.meant(400, {}, b'{"error":' * 100_000), Permanent)


class TestTokenService:
    @pytest.mark.parametrize(
        ("name", "kind", "words"),
        [
            ("token_error_50076_interaction_required", NeedsReconnect, "prove again"),
            ("token_error_50173_revoked", NeedsReconnect, "password was reset"),
            ("token_error_65001_consent_required", NeedsReconnect, "withdrawn"),
            ("token_error_7000215_invalid_client", BadConfig, "client id and secret"),
            ("token_error_700082_inactive_90_days", NeedsReconnect, "90 days"),
            ("token_error_70011_invalid_scope", BadConfig, "permission"),
        ],
    )
    def test_an_answer_that_was_seen(self, name: str, kind: type[IntegrationError], words: str) -> None:
        found = errors.token_error(json.loads(body(name)))

        assert type(found) is kind
        assert words in str(found)

    def test_a_number_alone_decides_nothing(self) -> None:
        """Microsoft asks not to branch on numbers: they only choose words."""
        assert type(errors.token_error({"error": "temporarily_unavailable", "error_codes": [50173]})) is Temporary

    @pytest.mark.parametrize("claims", ["", "{", "[]", '"x"', 5, None, "[" * 100_000, json.dumps({"x": "y" * 4000})])
    def test_a_demand_that_is_none_is_forgotten(self, claims: Any) -> None:
        """It would spoil the address of the next consent."""
        found = errors.token_error({"error": "interaction_required", "claims": claims})

        assert isinstance(found, NeedsReconnect)
        assert found.claims == ""

    def test_an_expired_secret_is_named(self) -> None:
        found = errors.token_error({"error": "invalid_client", "error_codes": [7000222]})

        assert isinstance(found, BadConfig)
        assert "expired" in str(found)

    @given(st.dictionaries(st.sampled_from(["error", "suberror", "claims", "error_codes", "trace_id"]), JSON))
    def test_no_reply_is_too_odd(self, reply: dict[str, Any]) -> None:
        assert isinstance(errors.token_error(reply), IntegrationError)


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "needs_admin", "may_ask_admin"),
        [
            ("authorize_redirect_error_90094_admin_query", True, False),
            ("authorize_redirect_error_cancelled_query", False, True),
        ],
    )
    def test_an_answer_that_was_seen(self, name: str, needs_admin: bool, may_ask_admin: bool) -> None:
        found = refusals.meant(json.loads(body(name)))

        assert found is not None
        assert (found.needs_admin, found.may_ask_admin) == (needs_admin, may_ask_admin)

    @pytest.mark.parametrize(
        "answer",
        [
            {"error": "consent_required", "error_description": ""},
            {"error": "access_denied", "error_description": "AADSTS90095: Admin consent is required."},
            {"error": "consent_required", "error_description": "AADSTS90094: x\r\nTrace ID: AADSTS1"},
        ],
    )
    def test_only_an_administrator_may(self, answer: dict[str, str]) -> None:
        found = refusals.meant(answer)

        assert found is not None
        assert found.needs_admin

    def test_what_is_not_known_is_left_to_the_engine(self) -> None:
        assert refusals.meant({"error": "made_up"}) is None
        assert refusals.meant({}) is None


class TestCalls:
    @pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b"null", b"{", b"\xff", b"[" * 100_000])
    def test_what_is_no_object_is_trouble_for_now(self, content: bytes) -> None:
        session = Canned((200, content)).session
        if content:
            with pytest.raises(Temporary, match="JSON"):
                client.graph(session, "GET", "/me/events")
        else:
            assert client.graph(session, "DELETE", "/subscriptions/1") == {}

    def test_every_request_wants_lasting_ids_and_utc(self) -> None:
        canned = Canned((200, {}), (200, {}))
        client.graph(canned.session, "GET", "/me/calendarView/delta", page_size=500)
        client.graph(canned.session, "PATCH", "/subscriptions/1", body={"expirationDateTime": "x"})

        assert [request.headers["Prefer"] for request in canned.asked] == [
            'IdType="ImmutableId", outlook.timezone="UTC", odata.maxpagesize=500',
            'IdType="ImmutableId", outlook.timezone="UTC"',
        ]
        assert canned.asked[1].headers["Content-Type"] == "application/json"

    def test_a_link_is_followed_to_the_letter(self) -> None:
        link = "https://graph.microsoft.com/v1.0/me/calendarView/delta?$deltatoken=R0us%2BmuqL..'x'%3D&$Y=1"
        canned = Canned((200, {}))
        client.graph(canned.session, "GET", link)

        assert canned.asked[0].url == link

    @pytest.mark.parametrize(
        "link",
        [
            "https://graph.microsoft.com.evil.example/v1.0/me",
            "https://graph.microsoft.com@evil.example/v1.0/me",
            "http://graph.microsoft.com/v1.0/me",
            "https://login.microsoftonline.com/common",
            "//evil.example/me",
            "me",
            "",
        ],
    )
    def test_a_link_that_leads_elsewhere_gets_nothing(self, link: str) -> None:
        canned = Canned()
        if link.startswith("//"):
            assert client.absolute(link) == "https://graph.microsoft.com/v1.0//evil.example/me"
            return
        with pytest.raises(Permanent, match="not Graph's"):
            client.graph(canned.session, "GET", link)
        assert canned.asked == []


class TestBatches:
    def test_each_item_has_its_answer_whatever_the_order(self) -> None:
        answers = json.loads(body("batch_response_mixed_status"))["responses"]
        replies = [{**answer, "id": str(number)} for number, answer in enumerate(reversed(answers), start=1)]
        canned = Canned((200, {"responses": list(reversed(replies))}))
        wanted = {f"key {number}": f"/me/events/{number}" for number in range(1, len(answers) + 1)}
        found = dict(client.batch(canned.session, wanted))

        assert list(found) == list(wanted)
        for key, reply in zip(wanted, replies, strict=True):
            assert isinstance(found[key], IntegrationError) is (reply["status"] >= 400)

    def test_an_item_has_an_error_and_a_wait_of_its_own(self) -> None:
        throttled = json.loads(body("error_429_mailbox_concurrency"))
        answers = [
            {"id": "2", "status": 429, "headers": {"Retry-After": "9"}, "body": throttled},
            {"id": "1", "status": 200, "headers": {}, "body": {"id": "a"}},
            {"id": "4", "status": 404, "body": json.loads(body("error_404_item_not_found"))},
            "no answer",
        ]
        wanted = {name: f"/me/messages/{name}" for name in "abcd"}
        found = dict(client.batch(Canned((200, {"responses": answers})).session, wanted))

        assert found["a"] == {"id": "a"}
        assert isinstance(found["b"], RateLimited)
        assert found["b"].retry_after == 9.0
        assert isinstance(found["c"], Temporary), "an answer that is missing"
        assert isinstance(found["d"], ResourceGone)

    def test_twenty_at_a_time(self) -> None:
        def replies(count: int) -> dict[str, Any]:
            return {"responses": [{"id": str(n), "status": 200, "body": {}} for n in range(1, count + 1)]}

        canned = Canned((200, replies(20)), (200, replies(20)), (200, replies(5)))
        found = dict(client.batch(canned.session, {str(n): f"/me/messages/{n}" for n in range(45)}, page_size=7))
        asked = [json.loads(request.body or b"")["requests"] for request in canned.asked]

        assert len(found) == 45
        assert [len(batch) for batch in asked] == [20, 20, 5]
        assert {item["headers"]["Prefer"] for batch in asked for item in batch} == {client.prefer(7)}
        assert {item["method"] for batch in asked for item in batch} == {"GET"}

    def test_a_batch_that_fails_as_a_whole_fails(self) -> None:
        with pytest.raises(RateLimited):
            list(client.batch(Canned((429, b"")).session, {"a": "/me/messages/a"}))

    def test_links_within_a_batch_lose_origin_and_version(self) -> None:
        canned = Canned((200, {"responses": []}))
        list(client.batch(canned.session, {"a": "https://graph.microsoft.com/v1.0/me/events/1/instances?$skip=2"}))

        assert json.loads(canned.asked[0].body or b"")["requests"][0]["url"] == "/me/events/1/instances?$skip=2"
        with pytest.raises(Permanent, match="another version"):
            list(client.batch(Canned().session, {"a": "https://graph.microsoft.com/beta/me"}))

    @given(st.lists(JSON, max_size=4))
    def test_no_answer_is_too_odd(self, answers: list[object]) -> None:
        found = dict(client.batch(Canned((200, {"responses": answers})).session, {"a": "/x", "b": "/y"}))

        assert set(found) == {"a", "b"}


def test_a_session_that_reaches_microsoft_says_what_it_got(microsoft: Microsoft) -> None:
    """Through the real transport: no token, no answer."""
    with client_session() as http, pytest.raises(TokenRefused):
        client.graph(http, "GET", "/me/events")


def client_session() -> requests.Session:
    return outbound.session(providers.get("microsoft"), "no token of theirs")
