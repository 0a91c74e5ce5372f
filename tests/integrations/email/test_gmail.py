"""The adapter alone: what Gmail sends becomes our words, and what makes no sense becomes Unreadable, never a crash."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from googleapiclient.errors import HttpError
from httplib2 import Response
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from integrations import providers
from integrations.contract import MailChanges, MailQuery, MailRef, Party, ResourceInfo
from integrations.email import plain_text
from integrations.email.gmail import history, reading, text
from integrations.errors import (
    BadConfig,
    CursorExpired,
    IntegrationError,
    MissingScope,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
    Unreadable,
)
from integrations.providers import google
from tests.integrations.email.canned import Canned, parts

FIXTURES = Path(__file__).parents[2] / "fixtures" / "google"
READONLY = "https://www.googleapis.com/auth/gmail.readonly"
METADATA = "https://www.googleapis.com/auth/gmail.metadata"
SINCE = datetime(2026, 8, 1, tzinfo=UTC)
NOW_MS, OLD_MS = "1793700000000", "1700000000000"
Json = dict[str, Any]

gmail = providers.mail_adapter("google")


def body(name: str) -> Json:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def headed(external_id: str = "1", /, **named: str) -> Json:
    """A message resource with these headers, in the inbox."""
    found = [{"name": name.replace("_", "-"), "value": value} for name, value in named.items()]
    return {
        "id": external_id,
        "threadId": "t1",
        "labelIds": ["INBOX"],
        "internalDate": NOW_MS,
        "payload": {"headers": found},
    }


# What is asked for.


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
    url = providers.get("google").authorize_url(config, service, "state", "v" * 43, "", force_consent=True)

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
        providers.get("google").exchange(providers.client_config("google"), Canned((200, granted)).session, "code", "v")


# Errors.


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


# The mailbox.


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


# Finding mail.


def test_searches_come_in_pieces_without_what_a_domain_covers() -> None:
    people = [f"p{number}@one.example" for number in range(30)] + ["x@firm.example", "y@firm.example"]
    queries = gmail.queries([READONLY], people, ["firm.example"], SINCE)

    assert [len(query.addresses) + len(query.domains) for query in queries] == [25, 6]
    assert {one for query in queries for one in query.addresses} == set(people[:30])
    assert [query.domains for query in queries] == [(), ("firm.example",)]
    assert all(query.since == SINCE for query in queries)
    assert gmail.queries([READONLY], [], [], SINCE) == gmail.queries([METADATA], [], [], SINCE) == ()


def test_where_nothing_can_be_searched_there_is_one_question_for_all_mail() -> None:
    assert gmail.queries([METADATA], ["a@one.example"], ["firm.example"], SINCE) == (MailQuery(SINCE),)


def test_a_search_names_from_to_and_cc_and_seconds() -> None:
    http = Canned((200, {"resultSizeEstimate": 0}))
    odd = 'a"b} OR in:spam@one.example'
    found = gmail.listing(http.session, "me", MailQuery(SINCE, ("a+b@one.example", odd), ("firm.example",)))

    assert (found.found, found.next_page) == ((), "")
    query = http.query()["q"][0]
    assert query == (
        "{from:a+b@one.example to:a+b@one.example cc:a+b@one.example "
        'from:"ab} OR in:spam@one.example" to:"ab} OR in:spam@one.example" cc:"ab} OR in:spam@one.example" '
        "from:firm.example to:firm.example cc:firm.example} "
        f"after:{int(SINCE.timestamp()) - 1} -in:chats -in:drafts"
    )
    assert http.query()["maxResults"] == ["500"]


def test_a_listing_goes_on_page_by_page_and_leaves_out_what_has_no_id() -> None:
    items = [{"id": "1", "threadId": "t"}, {"id": "2"}, {"threadId": "t"}, None, {"id": 5}, {"id": "a b"}, {"id": ""}]
    http = Canned((200, {"messages": items, "nextPageToken": "p2"}), (200, {"messages": []}))
    query = MailQuery(SINCE, ("a@one.example",))
    first = gmail.listing(http.session, "me", query)

    assert first.found == (MailRef("1", "t"), MailRef("2"))
    assert gmail.listing(http.session, "me", MailQuery(SINCE, query.addresses, (), first.next_page)).next_page == ""
    assert http.query()["pageToken"] == ["p2"]


@pytest.mark.parametrize("answer", [{"messages": {}}, {"messages": "x"}, {"messages": [], "nextPageToken": "p1"}])
def test_what_is_no_list_is_not_an_empty_one_nor_an_endless_one(answer: Json) -> None:
    with pytest.raises(Temporary):
        gmail.listing(Canned((200, answer)).session, "me", MailQuery(SINCE, ("a@one.example",), (), "p1"))


def test_a_page_that_google_forgot_begins_the_listing_again_once() -> None:
    forgotten = (400, {"error": {"code": 400, "message": "Invalid pageToken"}})
    http = Canned(forgotten, (200, {"messages": [{"id": "1"}], "nextPageToken": "p2"}), forgotten)
    again = gmail.listing(http.session, "me", MailQuery(SINCE, ("a@one.example",), (), "p9"))

    assert again.found == (MailRef("1"),)
    assert "pageToken" not in http.query(1)
    with pytest.raises(Permanent):
        gmail.listing(http.session, "me", MailQuery(SINCE, ("a@one.example",), (), again.next_page))
    assert http.query(2)["pageToken"] == ["p2"]


def probed(*moments: str) -> Any:
    return parts(*((200, {"id": "x", "internalDate": moment}) for moment in moments))


def page_of(count: int, token: str = "p2") -> tuple[int, Json]:
    return 200, {"messages": [{"id": str(number), "threadId": "t"} for number in range(count)], "nextPageToken": token}


def test_a_walk_through_all_mail_goes_on_while_it_is_young() -> None:
    http = Canned(page_of(120), probed(*[NOW_MS] * 4))
    found = gmail.listing(http.session, "me", MailQuery(SINCE))

    assert (len(found.found), found.next_page) == (120, "p2")
    assert "q" not in http.query(0)
    assert [path.partition("?")[0].rpartition("/")[2] for path in http.paths()] == ["0", "50", "100", "119"]
    assert "fields=id%2CinternalDate" in http.paths()[0]


def test_a_walk_leaves_out_old_stretches_and_ends_where_all_is_old() -> None:
    border = Canned(page_of(200), probed(NOW_MS, NOW_MS, OLD_MS, OLD_MS, OLD_MS))
    ended = Canned(page_of(200), probed(*[OLD_MS] * 5))

    found = gmail.listing(border.session, "me", MailQuery(SINCE))
    assert [ref.external_id for ref in found.found] == [str(number) for number in range(100)]
    assert found.next_page == "p2"
    last = gmail.listing(ended.session, "me", MailQuery(SINCE, page="p1"))
    assert (last.found, last.next_page) == ((), "")


def test_a_single_old_message_among_new_ones_ends_nothing() -> None:
    http = Canned(page_of(150), probed(NOW_MS, OLD_MS, NOW_MS, OLD_MS))

    assert len(gmail.listing(http.session, "me", MailQuery(SINCE)).found) == 149


def test_a_probe_that_is_gone_or_damaged_ends_nothing() -> None:
    http = Canned(page_of(120), parts((404, {}), (200, b"{"), (200, {"internalDate": "x"}), (410, {})))

    assert len(gmail.listing(http.session, "me", MailQuery(SINCE)).found) == 120


def test_a_walk_is_put_off_where_google_says_slow_down() -> None:
    http = Canned(page_of(1), parts((429, body("gmail_error_429_too_many_concurrent"), {"Retry-After": "3"})))

    with pytest.raises(RateLimited):
        gmail.listing(http.session, "me", MailQuery(SINCE))


def test_prices_are_those_of_what_is_asked(settings: Settings) -> None:
    prices = gmail.prices
    assert (prices.cursor, prices.listing, prices.changes) == (1, 5, 2)
    settings.GMAIL_SCOPE = "metadata"
    assert gmail.prices.listing == 5 + 11 * 20
    settings.GMAIL_UNITS_PER_MINUTE = 15000
    assert gmail.units_per_minute == 15000


# What happened.


def record(kind: str, external_id: str, labels: list[str] | None = None, now: list[str] | None = None) -> Json:
    """A record of history; ``labels`` are those that came or went, ``now`` those the message has after it."""
    message = {"id": external_id, "threadId": "t", **({"labelIds": now} if now is not None else {})}
    return {"id": "9", kind: [{"message": message, **({"labelIds": labels} if labels else {})}]}


def happened(*records: Json) -> MailChanges:
    return MailChanges(*history.happened(list(records)))


def test_captured_history_is_read() -> None:
    added = Canned((200, body("gmail_history_added_labels_fixture")))
    kinds = Canned((200, body("gmail_history_all_kinds_fixture")))

    page = gmail.changes(added.session, "me", "12340", "")
    assert page == MailChanges((MailRef("18d1234abcd", "18d1234abcd"),), (), "token123", "")
    every = gmail.changes(kinds.session, "me", "9", "token123")
    assert every.changed == (MailRef("m2", "t2"), MailRef("m4", "t4", is_relabelled=True), MailRef("m5", "t5"))
    assert every.vanished == ("m3",)
    query = added.query()
    assert query["startHistoryId"] == ["12340"]
    assert query["historyTypes"] == ["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"]
    assert kinds.query()["pageToken"] == ["token123"]


def test_history_without_its_key_is_empty_and_the_cursor_moves_on_the_last_page_only() -> None:
    http = Canned((200, {"historyId": "1710", "nextPageToken": "p2"}), (200, body("gmail_history_empty")))

    assert gmail.changes(http.session, "me", "1", "") == MailChanges((), (), "p2", "")
    assert gmail.changes(http.session, "me", "1", "p2") == MailChanges((), (), "", "1710")


@pytest.mark.parametrize("answer", [{}, {"historyId": None}, {"historyId": "x"}, {"history": [], "historyId": ""}])
def test_without_a_new_cursor_nothing_is_believed(answer: Json) -> None:
    with pytest.raises(Temporary):
        gmail.changes(Canned((200, answer)).session, "me", "1", "")


@pytest.mark.parametrize("name", ["404_history_too_old", "400_startHistoryId"])
def test_a_cursor_that_google_does_not_know_is_expired(name: str) -> None:
    with pytest.raises(CursorExpired):
        gmail.changes(Canned((int(name[:3]), body(f"gmail_error_{name}"))).session, "me", "1", "")


def test_the_last_word_on_a_message_counts_and_it_is_named_once() -> None:
    found = happened(
        record("messagesAdded", "a"),
        record("messagesAdded", "a"),
        record("messagesAdded", "b"),
        record("messagesDeleted", "b"),
        record("labelsAdded", "c", ["TRASH"]),
        record("labelsRemoved", "c", ["TRASH"]),
        record("labelsAdded", "a", ["IMPORTANT"]),
    )

    assert found == MailChanges((MailRef("a", "t"), MailRef("c", "t")), ("b",))


@pytest.mark.parametrize("label", ["DRAFT", "CHAT", "SPAM", "TRASH"])
def test_what_is_never_taken_is_not_even_read(label: str) -> None:
    assert happened(record("messagesAdded", "a", now=[label, "INBOX"])) == MailChanges(())
    assert happened(record("labelsAdded", "a", [label])) == MailChanges((), ("a",))
    assert happened(record("labelsRemoved", "a", [label])) == MailChanges((MailRef("a", "t"),))
    assert happened(record("labelsRemoved", "a", ["INBOX"], now=[label])) == MailChanges(())


def test_labels_that_do_not_matter_are_nothing_and_others_say_that_they_are_only_labels() -> None:
    for label in ("UNREAD", "STARRED", "CATEGORY_UPDATES", "Label_7"):
        assert happened(record("labelsAdded", "a", [label]), record("labelsRemoved", "b", [label])) == MailChanges(())
    for label in ("INBOX", "IMPORTANT", "SENT"):
        assert happened(record("labelsRemoved", "a", [label])).changed == (MailRef("a", "t", is_relabelled=True),)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "threadId", "message", "messages", "labelIds", "messagesAdded", "messagesDeleted", "labelsAdded"]
                + [
                    "labelsRemoved",
                    "payload",
                    "headers",
                    "name",
                    "value",
                    "internalDate",
                    "parts",
                    "body",
                    "data",
                    "mimeType",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(records=ANY_JSON)
@hypothesis_settings(deadline=None)
def test_no_history_causes_a_fault(records: Any) -> None:
    changed, vanished = history.happened(records)

    assert {ref.external_id for ref in changed}.isdisjoint(vanished)


# Reading.


def test_captured_messages_are_read() -> None:
    found = reading.message(body("gmail_message_full_headers"))

    assert found is not None
    assert (found.external_id, found.subject) == ("15ab4f9346f183c1", "FW: Available trucks!")
    assert found.sent_at == datetime(2017, 3, 9, 21, 32, 40, tzinfo=UTC)
    assert found.parties == (
        Party("from", "alice@example.com", "Alice Example"),
        Party("to", "desk@example.com", "desk@example.com"),
    )
    assert found.labels == ("inbox", "important")
    assert found.message_id.startswith("70BA03BE20B9E243")
    assert not found.is_sent
    bare = reading.message(body("gmail_message_metadata_filtered"))
    assert bare is not None
    assert (bare.subject, bare.parties, bare.automatic) == ("", (), "")


def test_the_date_header_is_not_asked() -> None:
    junk = body("gmail_message_unparsable_date") | {"internalDate": NOW_MS, "labelIds": ["INBOX"]}
    found = reading.message(junk)

    assert found is not None
    assert found.sent_at == datetime.fromtimestamp(int(NOW_MS) / 1000, UTC)
    assert found.message_id == "augvk-XXX-aplbz@host.example.net"


def test_spam_drafts_chats_and_the_bin_are_gone() -> None:
    assert reading.message(body("gmail_message_unparsable_date")) is None
    for label in ("DRAFT", "CHAT", "SPAM", "TRASH"):
        assert reading.message(headed() | {"labelIds": ["SENT", label]}) is None


def test_blind_copies_are_known_of_sent_mail_alone() -> None:
    named = {"From": "alice@acme.example", "To": "bob@lp.example", "Bcc": "dora@lp.example"}
    sent = reading.message(headed(**named) | {"labelIds": ["SENT", "INBOX", "UNREAD"]})
    received = reading.message(headed(**named))

    assert sent is not None
    assert received is not None
    assert sent.is_sent
    assert sent.labels == ("inbox", "sent")
    assert [party.role for party in sent.parties] == ["from", "to", "bcc"]
    assert [party.role for party in received.parties] == ["from", "to"]


def test_thread_and_kind_are_told() -> None:
    found = reading.message(
        headed(Message_ID="<3@a>", In_Reply_To="<2@a>", References="<1@a> <2@a>", Auto_Submitted="auto-replied")
    )

    assert found is not None
    assert (found.thread_id, found.message_id, found.in_reply_to) == ("t1", "3@a", "2@a")
    assert (found.references, found.automatic) == (("1@a", "2@a"), "auto_reply")


NO_MOMENTS: list[Any] = [None, "", "x", True, 1.5, [], "9" * 30, "-99999999999999"]
NO_IDS: list[Any] = [None, "", 5, "a b", "é", "x" * 300]


@pytest.mark.parametrize(
    "change",
    [{"internalDate": value} for value in NO_MOMENTS]
    + [{"id": value} for value in NO_IDS]
    + [{"payload": 5}, {"payload": {"headers": 5}}, {"payload": {"headers": ["x"]}}, {"labelIds": 5}],
)
def test_what_makes_no_sense_is_unreadable(change: Json) -> None:
    with pytest.raises(Unreadable):
        reading.message(headed() | change)


@given(item=ANY_JSON)
@hypothesis_settings(deadline=None)
def test_no_message_causes_a_fault(item: Any) -> None:
    try:
        found = reading.message(item)
    except Unreadable:
        return
    assert found is None or found.external_id


def test_a_thread_is_read_by_what_costs_less() -> None:
    def refs(count: int, thread: str) -> list[MailRef]:
        return [MailRef(f"{thread}{number}", thread) for number in range(count)]

    assert gmail.cost(refs(1, "a")) == 20
    assert gmail.cost(refs(2, "a")) == 40
    assert gmail.cost(refs(3, "a")) == gmail.cost(refs(50, "a")) == 40
    assert gmail.cost([*refs(3, "a"), *refs(2, "b"), MailRef("x"), MailRef("y"), MailRef("z")]) == 40 + 40 + 60
    assert gmail.cost([*refs(1, "a"), *refs(1, "a")]) == 20
    assert gmail.cost([]) == 0


def test_a_batch_asks_for_headers_and_nothing_else() -> None:
    thread = {"messages": [headed("a1"), headed("a2"), headed("a3"), headed("a4"), headed("other")]}
    http = Canned(parts((200, thread), (200, headed("b1", Subject="Hello"))))
    wanted = [MailRef(f"a{number}", "a") for number in (1, 2, 3, 4)] + [MailRef("b1", "b")]
    found = gmail.read(http.session, "me", wanted)

    assert [copy.external_id for copy in found.messages] == ["a1", "a2", "a3", "a4", "b1"]
    assert found.messages[-1].subject == "Hello"
    assert (found.again, found.missing, found.gone, found.unreadable) == ((), (), (), ())
    first, second = http.paths()
    assert first.startswith("/gmail/v1/users/me/threads/a?format=metadata&metadataHeaders=From&")
    assert second.startswith("/gmail/v1/users/me/messages/b1?format=metadata&metadataHeaders=From&")
    assert "snippet" not in first + second
    assert first.endswith("&fields=id%2Cmessages%28id%2CthreadId%2ClabelIds%2CinternalDate%2Cpayload%28headers%29%29")


def test_more_than_fifty_parts_are_several_batches() -> None:
    wanted = [MailRef(str(number)) for number in range(60)]
    http = Canned(
        parts(*((200, headed(str(n))) for n in range(50))), parts(*((200, headed(str(n))) for n in range(50, 60)))
    )

    assert len(gmail.read(http.session, "me", wanted).messages) == 60
    assert [len(http.paths(number)) for number in (0, 1)] == [50, 10]


def test_each_message_asked_for_ends_in_one_place() -> None:
    wanted = [MailRef(str(number), f"t{number}") for number in range(10)] + [MailRef(f"g{n}", "g") for n in range(3)]
    http = Canned(
        parts(
            (200, headed("0")),
            (200, headed("1") | {"labelIds": ["TRASH"]}),
            (200, headed("2") | {"internalDate": None}),
            (404, body("gmail_error_404_history_too_old")),
            (429, body("gmail_error_429_too_many_concurrent"), {"Retry-After": "9"}),
            (403, body("gmail_error_403_per_user_per_minute"), {"Retry-After": "30"}),
            (500, body("gmail_error_500_backendError")),
            (400, {"error": {"code": 400, "message": "Invalid id value"}}),
            (200, b'{"id": "8", "thr'),
            (200, headed("another")),
            (200, {"messages": [headed("g0"), headed("g1")]}),
        )
    )
    found = gmail.read(http.session, "me", wanted)

    assert [copy.external_id for copy in found.messages] == ["0", "g0", "g1"]
    assert found.gone == ("1",)
    assert [item.external_id for item in found.unreadable] == ["2", "7"]
    assert found.missing == ("3", "9", "g2")
    assert found.again == ("4", "5", "6", "8")
    assert found.retry_after == 30


def test_parts_that_did_not_come_are_asked_again() -> None:
    http = Canned(parts((200, headed("0"))))

    assert gmail.read(http.session, "me", [MailRef("0"), MailRef("1")]).again == ("1",)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("401_authError", TokenRefused), ("403_insufficient_scopes", MissingScope), ("403_domainPolicy", Permanent)],
)
def test_what_concerns_all_parts_is_raised(name: str, kind: type[IntegrationError]) -> None:
    refused = (int(name[:3]), body(f"gmail_error_{name}"))

    for http in (Canned(parts((200, headed("0")), refused)), Canned(refused)):
        with pytest.raises(kind):
            gmail.read(http.session, "me", [MailRef("0"), MailRef("1")])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((429, {}), RateLimited),
        ((503, b""), Temporary),
        ((200, b"", {"Content-Type": "multipart/mixed; boundary=x"}), Temporary),
        ((200, {}), Temporary),
        ((400, body("gmail_batch_400_too_many")), Permanent),
    ],
)
def test_a_batch_that_failed_as_a_whole_says_so(answer: Any, kind: type[IntegrationError]) -> None:
    with pytest.raises(kind):
        gmail.read(Canned(answer).session, "me", [MailRef("0")])


# The text of one mail.


def part(mime_type: str, content: str | bytes, charset: str = "UTF-8", **more: Any) -> Json:
    raw = content if isinstance(content, bytes) else content.encode()
    header = {"name": "Content-Type", "value": f'{mime_type}; charset="{charset}"'}
    data = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return {"mimeType": mime_type, "filename": "", "headers": [header], "body": {"data": data}, **more}


def test_the_text_is_the_plain_part() -> None:
    http = Canned((200, body("gmail_message_full_small")))

    assert gmail.text(http.session, "me", "183c702bfdbb3fc2") == "helloworld"
    assert http.query()["format"] == ["full"]
    assert http.query()["fields"] == ["payload"]


def test_an_attached_text_is_not_the_mails_text() -> None:
    attached = part("text/plain", "secret list", filename="list.txt")
    inner = {"mimeType": "multipart/alternative", "parts": [part("text/html", "<p>Hello</p>")]}

    assert text.of({"mimeType": "multipart/mixed", "parts": [attached, inner]}) == "Hello"
    assert text.of({"mimeType": "multipart/mixed", "parts": [attached]}) == ""
    assert text.of({}) == ""


@pytest.mark.parametrize(
    ("raw", "charset"),
    [
        ("Grüße".encode(), "utf-8"),
        ("Grüße".encode(), "iso-8859-1"),
        ("Grüße".encode("latin-1"), "iso-8859-1"),
        ("Grüße".encode("utf-16"), "utf-16"),
    ],
)
def test_texts_are_decoded_whether_or_not_google_did_it_before(raw: bytes, charset: str) -> None:
    assert text.of(part("text/plain", raw, charset)) == "Grüße"


def test_texts_in_encodings_of_ascii_letters_are_decoded() -> None:
    assert text.of(part("text/plain", "日本".encode("iso-2022-jp"), "ISO-2022-JP")) == "日本"
    assert text.of(part("text/plain", b"\xff\xfe\xff", "no-such-charset"))


def test_html_becomes_words_and_nothing_that_runs_or_loads() -> None:
    html = (
        "<html><head><title>T</title><style>p{}</style></head><body><p>Hello <b>world</b>,</p>"
        "<p>line<br>two &amp; three &lt;x&gt;</p><ul><li>a</li></ul><script>alert(1)</script>"
        '<img src="https://track.example/1"><a href="javascript:alert(2)">link</a><!-- no --><svg/>end</body></html>'
    )

    assert plain_text.of(html) == "Hello world,\n\nline\ntwo & three <x>\n\n- a\n\nlinkend"


@given(html=st.text(max_size=300))
def test_no_html_causes_a_fault(html: str) -> None:
    assert plain_text.of(html) == plain_text.of(html).strip()


@given(payload=st.dictionaries(st.sampled_from(["mimeType", "parts", "body", "headers", "filename"]), ANY_JSON))
@hypothesis_settings(deadline=None)
def test_no_payload_causes_a_fault(payload: Json) -> None:
    try:
        assert isinstance(gmail.text(Canned((200, {"payload": payload})).session, "me", "1"), str)
    except Unreadable as error:
        assert str(error)  # noqa: PT017


def test_a_text_that_is_gone_or_not_allowed_says_so() -> None:
    gone, refused = body("gmail_error_404_history_too_old"), body("gmail_error_403_metadata_scope_full")

    with pytest.raises(ResourceGone):
        gmail.text(Canned((404, gone)).session, "me", "1")
    with pytest.raises(MissingScope):
        gmail.text(Canned((403, refused)).session, "me", "1")


# Pushes.


def test_a_watch_asks_for_the_topic_and_is_renewed_daily(settings: Settings) -> None:
    settings.GOOGLE_PUBSUB_TOPIC = "projects/p/topics/t"
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
    expiration = str(int(ends_at.timestamp() * 1000))
    http = Canned(
        (200, body("gmail_profile") | {"emailAddress": "Alice@Example.com"}), (200, {"expiration": expiration})
    )
    opened = gmail.watch(http.session, "me", "channel", "secret", "https://hub.example.com/x", ends_at)

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
    opened = gmail.watch(http.session, "me", "c", "s", "a", datetime.now(UTC))

    assert opened.renew_at is not None
    assert opened.renew_at < opened.expires_at


def test_without_a_topic_or_permission_there_the_words_say_what_to_do(settings: Settings) -> None:
    refused = (403, body("gmail_error_403_pubsub_not_authorized"))
    wrong = (400, {"error": {"code": 400, "message": "Invalid topicName does not match projects/p/topics/*"}})

    with pytest.raises(BadConfig, match="GOOGLE_PUBSUB_TOPIC"):
        gmail.watch(Canned().session, "me", "c", "s", "a", SINCE)
    settings.GOOGLE_PUBSUB_TOPIC = "projects/p/topics/t"
    for answer, words in ((refused, "Publisher"), (wrong, "no topic")):
        with pytest.raises(BadConfig, match=words):
            gmail.watch(Canned((200, body("gmail_profile")), answer).session, "me", "c", "s", "a", SINCE)


@pytest.mark.parametrize("answer", [{}, {"expiration": None}, {"expiration": "soon"}, {"expiration": "9" * 30}])
def test_a_watch_without_an_end_is_none(settings: Settings, answer: Json) -> None:
    settings.GOOGLE_PUBSUB_TOPIC = "projects/p/topics/t"

    with pytest.raises(Temporary):
        gmail.watch(Canned((200, body("gmail_profile")), (200, answer)).session, "me", "c", "s", "a", SINCE)


def test_stop_ends_all_announcements() -> None:
    http = Canned((204, b""))
    gmail.stop(http.session, "channel", "alice@example.com")

    assert (http.asked[0].method, http.asked[0].url) == ("POST", "https://gmail.googleapis.com/gmail/v1/users/me/stop")
