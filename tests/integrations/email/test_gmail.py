"""The Gmail adapter and its provider: what is asked for, what errors mean, whose mailbox it is, and pushes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from googleapiclient.errors import HttpError
from httplib2 import Response
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from integrations import providers
from integrations.contract import ConsentWanted, ResourceInfo, WatchRequest
from integrations.errors import (
    BadConfig,
    IntegrationError,
    MissingScope,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
)
from integrations.providers import google
from tests.integrations.email.canned import Canned, Json, body

READONLY = "https://www.googleapis.com/auth/gmail.readonly"
METADATA = "https://www.googleapis.com/auth/gmail.metadata"
SINCE = datetime(2026, 8, 1, tzinfo=UTC)
ASKED = WatchRequest("me", "c", "s", "a", SINCE)

gmail = providers.mail_adapter("google")


def test_mail_asks_for_one_permission_and_no_other(settings: Settings) -> None:
    identity = ["openid", "https://www.googleapis.com/auth/userinfo.email"]
    for word, name in (("readonly", READONLY), ("metadata", METADATA)):
        settings.GMAIL_SCOPE = word
        service = providers.service("google", "email")
        assert [scope.name for scope in service.scopes] == [*identity, name]
        assert all(scope.is_required for scope in service.scopes)
        assert (service.label, service.resource, service.webhook_type) == ("Gmail", "mailbox", "email-received")
        assert service.reads
        assert service.kept
        assert service.never_reads


def test_consent_is_asked_for_by_itself_and_not_added_to_another(settings: Settings) -> None:
    settings.PROVIDER_CREDENTIALS = {"google": {"client_id": "c", "client_secret": "s"}}
    config, service = providers.client_config("google"), providers.service("google", "email")
    url = providers.get("google").begin(config, Canned().session, ConsentWanted(service, "state")).url

    assert "include_granted_scopes=false" in url
    assert "gmail.readonly" in url
    assert "gmail.metadata" not in url
    assert "calendar" not in url


def test_a_grant_that_holds_both_permissions_is_refused_with_words(settings: Settings) -> None:
    settings.PROVIDER_CREDENTIALS = {"google": {"client_id": "c", "client_secret": "s"}}
    granted = {
        "access_token": "a",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": f"openid {READONLY} {METADATA}",
    }

    with pytest.raises(Permanent, match="myaccount.google.com/connections"):
        providers.get("google").exchange(
            providers.client_config("google"), Canned((200, granted)).session, {"code": "code"}, "v"
        )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("400_startHistoryId", Permanent),
        ("401_authError", TokenRefused),
        ("403_dailyLimitExceeded", RateLimited),
        ("403_domainPolicy", Permanent),
        ("403_insufficient_scopes", MissingScope),
        ("403_metadata_scope_full", MissingScope),
        ("403_metadata_scope_q", MissingScope),
        ("403_per_user_per_minute", RateLimited),
        ("403_pubsub_not_authorized", BadConfig),
        ("403_rateLimitExceeded", RateLimited),
        ("403_userRateLimitExceeded", RateLimited),
        ("404_history_too_old", ResourceGone),
        ("429_resource_exhausted", RateLimited),
        ("429_too_many_concurrent", RateLimited),
        ("500_backendError", Temporary),
    ],
)
def test_each_error_carries_its_consequence(name: str, kind: type[IntegrationError]) -> None:
    status, content = int(name[:3]), json.dumps(body(f"gmail_error_{name}")).encode()
    error = HttpError(Response({"status": str(status)}), content, uri="https://gmail.googleapis.com/gmail/v1/x")

    for found in (google.translated(error), google.meant(status, {}, content, is_mail=True)):
        assert type(found) is kind
        assert str(found)[0].isupper()
        assert str(found).endswith(".")
        assert "calendar" not in str(found).lower()


@given(
    content=st.one_of(
        st.binary(max_size=80),
        st.recursive(
            st.none() | st.text(),
            lambda x: (
                st.lists(x) | st.dictionaries(st.sampled_from(["error", "errors", "details", "reason", "message"]), x)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
    status=st.integers(400, 599),
)
@hypothesis_settings(deadline=None)
def test_no_error_of_google_causes_a_fault(content: bytes, status: int) -> None:
    assert str(google.meant(status, {}, content, is_mail=True))


def test_the_mailbox_is_named_by_its_address() -> None:
    http = Canned((200, body("gmail_profile")), (200, body("gmail_profile")))

    assert list(gmail.mailboxes(http.session)) == [ResourceInfo("me", "alice@example.com", "", True, "reader")]
    assert gmail.cursor(http.session, "me") == "4178212"


@pytest.mark.parametrize("answer", [{}, {"emailAddress": "x"}, {"historyId": "x", "emailAddress": ""}])
def test_a_profile_without_its_facts_is_no_profile(answer: Json) -> None:
    http = Canned((200, answer), (200, answer))

    with pytest.raises(Temporary):
        list(gmail.mailboxes(http.session))
    with pytest.raises(Temporary):
        gmail.cursor(http.session, "me")


def test_own_addresses_are_those_one_may_send_as() -> None:
    answer = body("gmail_sendAs_list")
    answer["sendAs"] += [{"sendAsEmail": "Pending@Example.com", "verificationStatus": "pending"}, {}, None]

    assert gmail.own_addresses(Canned((200, answer)).session, [READONLY]) == ("alice@example.com", "sales@example.com")


def test_with_headers_only_own_addresses_must_be_learnt() -> None:
    http = Canned()

    with pytest.raises(MissingScope):
        gmail.own_addresses(http.session, [METADATA])
    assert http.asked == []


def test_a_watch_asks_for_the_topic_and_is_renewed_daily(settings: Settings) -> None:
    settings.GOOGLE_PUBSUB_TOPIC = "projects/p/topics/t"
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
    expiration = str(int(ends_at.timestamp() * 1000))
    http = Canned(
        (200, body("gmail_profile") | {"emailAddress": "Alice@Example.com"}), (200, {"expiration": expiration})
    )
    opened = gmail.watch(http.session, WatchRequest("me", "channel", "secret", "https://hub.example.com/x", ends_at))

    assert (opened.resource_id, opened.expires_at) == ("alice@example.com", ends_at)
    assert opened.renew_at is not None
    assert timedelta(hours=23) < opened.renew_at - datetime.now(UTC) <= timedelta(days=1)
    sent = json.loads(http.asked[-1].body or b"")
    assert sent == {"topicName": "projects/p/topics/t", "labelIds": ["INBOX", "SENT"], "labelFilterBehavior": "include"}
    assert "secret" not in str(http.asked[-1].body)
    assert gmail.is_single_watch


def test_a_watch_that_ends_soon_is_renewed_sooner(settings: Settings) -> None:
    settings.GOOGLE_PUBSUB_TOPIC = "projects/p/topics/t"
    soon = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
    http = Canned((200, body("gmail_profile")), (200, {"historyId": 1, "expiration": soon}))
    opened = gmail.watch(http.session, ASKED)

    assert opened.renew_at is not None
    assert opened.renew_at < opened.expires_at


def test_without_a_topic_or_permission_there_the_words_say_what_to_do(settings: Settings) -> None:
    refused = (403, body("gmail_error_403_pubsub_not_authorized"))
    wrong = (400, {"error": {"code": 400, "message": "Invalid topicName does not match projects/p/topics/*"}})

    with pytest.raises(BadConfig, match="GOOGLE_PUBSUB_TOPIC"):
        gmail.watch(Canned().session, ASKED)
    settings.GOOGLE_PUBSUB_TOPIC = "projects/p/topics/t"
    for answer, words in ((refused, "Publisher"), (wrong, "no topic")):
        with pytest.raises(BadConfig, match=words):
            gmail.watch(Canned((200, body("gmail_profile")), answer).session, ASKED)


@pytest.mark.parametrize("answer", [{}, {"expiration": None}, {"expiration": "soon"}, {"expiration": "9" * 30}])
def test_a_watch_without_an_end_is_none(settings: Settings, answer: Json) -> None:
    settings.GOOGLE_PUBSUB_TOPIC = "projects/p/topics/t"

    with pytest.raises(Temporary):
        gmail.watch(Canned((200, body("gmail_profile")), (200, answer)).session, ASKED)


def test_stop_ends_all_announcements() -> None:
    http = Canned((204, b""))
    gmail.stop(http.session, "channel", "alice@example.com")

    assert (http.asked[0].method, http.asked[0].url) == ("POST", "https://gmail.googleapis.com/gmail/v1/users/me/stop")
