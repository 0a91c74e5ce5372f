"""Reading mail from Outlook: each message asked for ends in one place, and no form of answer causes a fault."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations import providers
from integrations.contract import MailRef, Party
from integrations.email.outlook import folders, reading
from integrations.errors import (
    IntegrationError,
    MissingScope,
    Permanent,
    RateLimited,
    ResourceGone,
    Temporary,
    TokenRefused,
    Unreadable,
)
from tests.integrations.email.canned import Canned, Json
from tests.integrations.email.canned_graph import NOW, READ_FOLDERS, asked, batch, body, headed, who

outlook = providers.mail_adapter("microsoft")
PLACES = {"inbox-id": "inbox", "sent-id": "sent", "archive-id": folders.OTHER, "bin-id": folders.NEVER}


INBOX = {"parentFolderId": "inbox-id"}


def read(item: Json) -> Any:
    return reading.message(str(item.get("id")), item, PLACES)


def refs(*names: str) -> list[MailRef]:
    return [MailRef(name) for name in names]


def test_documented_messages_are_read() -> None:
    whole = body("message_full") | {
        "internetMessageHeaders": body("message_internet_headers")["internetMessageHeaders"]
    }
    found = read(whole)

    assert (found.external_id, found.thread_id) == ("AAMkADhMGAAA=", "AAQkADOUpag6yWs=")
    assert found.subject == "9/9/2018: concert"
    assert found.sent_at == datetime(2018, 9, 9, 3, 15, 8, tzinfo=UTC)
    assert found.message_id == "MWHPR6E1BE060@MWHPR1120.namprd22.prod.outlook.com"
    assert found.parties == (
        Party("from", "adelev@contoso.onmicrosoft.com", "Adele Vance"),
        Party("to", "alexw@contoso.onmicrosoft.com", "Alex Wilber"),
    )
    assert (found.labels, found.is_sent) == ((), False)
    assert found.automatic == "auto_reply", "multipart/report is what machines send"
    assert "Nevada" not in repr(found)


def test_a_message_without_headers_is_read_by_its_fields() -> None:
    sent = headed(
        parentFolderId="sent-id",
        subject="Terms",
        internetMessageId="<7@acme.example>",
        bccRecipients=[who("dora@lp.example", "Dora")],
        toRecipients=[who("bob@lp.example")],
    ) | {"from": who("alice@acme.example", "Alice Ash")}
    del sent["internetMessageHeaders"]
    found = read(sent)

    assert (found.message_id, found.in_reply_to, found.references, found.automatic) == ("7@acme.example", "", (), "")
    assert (found.is_sent, found.labels) == (True, ("sent",))
    assert found.parties == (
        Party("from", "alice@acme.example", "Alice Ash"),
        Party("to", "bob@lp.example"),
        Party("bcc", "dora@lp.example", "Dora"),
    )
    filed = read(sent | {"parentFolderId": "archive-id"})
    assert (filed.is_sent, filed.parties) == (False, found.parties)
    received = read(sent | {"internetMessageHeaders": [{"name": "To", "value": "bob@lp.example"}]} | INBOX)
    assert [party.role for party in received.parties] == ["from", "to"]


def test_what_is_no_address_of_mail_is_left_out() -> None:
    found = read(
        headed(
            toRecipients=[
                {"emailAddress": {"name": "Carl", "address": "/O=EXCHANGELABS/OU=EXCHANGE/CN=RECIPIENTS/CN=CARL"}},
                {"emailAddress": {"name": "A list of one's own"}},
                {"emailAddress": None},
                who("BOB@LP.example", "Bob\u202e\x00 B"),
                who("bob@lp.example"),
            ],
            sender=who("assistant@lp.example"),
        )
    )
    assert found.parties == (Party("from", "assistant@lp.example"), Party("to", "bob@lp.example", "Bob B"))


def test_what_answers_what_and_what_kind_it_is_are_told() -> None:
    headers = {"In_Reply_To": "<2@a>", "References": "<1@a> <2@a>", "Auto_Submitted": "auto-replied"}
    found = read(headed(headers=headers, importance="high"))

    assert (found.in_reply_to, found.references, found.automatic) == ("2@a", ("1@a", "2@a"), "auto_reply")
    assert found.labels == ("inbox", "important")
    assert read(headed() | {"@odata.type": "#microsoft.graph.eventMessageRequest"}).automatic == "invitation"
    assert read(headed() | {"@odata.type": "#microsoft.graph.eventMessage"}).automatic == "invitation"
    assert read(headed() | {"@odata.type": "#microsoft.graph.message"}).automatic == ""


def test_drafts_and_what_lies_where_nobody_is_read_are_gone() -> None:
    assert read(headed(isDraft=True)) is None
    assert read(headed(parentFolderId="bin-id")) is None


@pytest.mark.parametrize("moment", [None, "", 7, "0001-01-01T00:00:00Z", "yesterday", "2026-11-03T10:00:00"])
def test_without_a_date_a_message_is_unreadable(moment: object) -> None:
    with pytest.raises(Unreadable):
        read(headed(receivedDateTime=moment))


def test_each_message_ends_in_one_place() -> None:
    canned = Canned(
        batch(
            (200, headed("good")),
            (404, body("error_404_item_not_found")),
            (429, body("error_429_mailbox_concurrency"), {"Retry-After": "9"}),
            (504, body("error_504_unknown")),
            (200, headed("undated", receivedDateTime=None)),
            (200, headed("draft", isDraft=True)),
            (200, "no object"),
            (400, body("error_400_inefficient_filter")),
        ),
        READ_FOLDERS,
    )
    names = ["good", "lost", "slow", "late", "undated", "draft", "odd", "bad", "left out"]
    found = outlook.read(canned.session, "me", refs(*names))

    assert [copy.external_id for copy in found.messages] == ["good"]
    assert found.missing == ("lost",)
    assert set(found.again) == {"slow", "late", "odd", "left out"}
    assert found.retry_after == 9
    assert {item.external_id for item in found.unreadable} == {"undated", "bad"}
    assert found.gone == ("draft",)


def test_the_ids_of_folders_are_asked_for_once_and_rare_ones_when_needed() -> None:
    canned = Canned(
        batch((200, headed("1"))),
        READ_FOLDERS,
        batch((200, headed("2"))),
        batch((200, headed("3", parentFolderId="deep-id"))),
        batch((200, {"id": "root-id"}), *((404, {}) for _ in range(3)), (200, {"id": "bin-id"}), (404, {}), (404, {})),
        batch((200, {"parentFolderId": "middle-id"})),
        batch((200, {"parentFolderId": "bin-id"})),
    )
    http = canned.session

    assert outlook.read(http, "me", refs("1")).messages[0].labels == ("inbox",)
    assert outlook.read(http, "me", refs("2")).messages[0].labels == ("inbox",)
    assert len(canned.asked) == 3
    assert outlook.read(http, "me", refs("3")).gone == ("3",)
    assert canned.answers == []


def test_a_batch_asks_for_heads_by_immutable_ids_and_for_no_text() -> None:
    canned = Canned(batch((200, headed("A/+="))), READ_FOLDERS)
    outlook.read(canned.session, "me", refs("A/+="))
    (item,) = asked(canned, 0)

    assert item["url"].startswith("/me/messages/A%2F%2B%3D?$select=")
    assert 'IdType="ImmutableId"' in item["headers"]["Prefer"]
    assert "body" not in item["url"].lower()
    assert "internetMessageHeaders" in item["url"]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([(401, body("error_401_token_expired")), (200, headed("2"))], TokenRefused),
        ([(403, body("error_403_access_denied")), (403, body("error_403_access_denied"))], MissingScope),
        ([(404, {"error": {"code": "MailboxNotEnabledForRESTAPI"}})] * 2, Permanent),
    ],
)
def test_what_concerns_all_is_raised(answers: list[Any], error: type[IntegrationError]) -> None:
    canned = Canned(batch(*answers), READ_FOLDERS)
    with pytest.raises(error):
        outlook.read(canned.session, "me", refs("1", "2"))


def test_what_is_refused_for_one_message_holds_up_no_other() -> None:
    canned = Canned(batch((403, body("error_403_access_denied")), (200, headed("2"))), READ_FOLDERS)
    found = outlook.read(canned.session, "me", refs("1", "2"))
    assert [item.external_id for item in found.unreadable] == ["1"]
    assert len(found.messages) == 1


def test_a_batch_that_fails_as_a_whole_is_told() -> None:
    slow = Canned((429, body("error_429_mailbox_concurrency"), {"Retry-After": "5"}))
    with pytest.raises(RateLimited) as caught:
        outlook.read(slow.session, "me", refs("1"))
    assert caught.value.retry_after == 5


def test_a_batch_that_fails_takes_nothing_from_those_before_it() -> None:
    names = [str(number) for number in range(50)]
    whole = batch(*((200, headed(name)) for name in names[:20]))
    failed = (429, body("error_429_mailbox_concurrency"), {"Retry-After": "5"})
    found = outlook.read(Canned(whole, failed, READ_FOLDERS).session, "me", refs(*names))
    assert [copy.external_id for copy in found.messages] == names[:20]
    assert (set(found.again), found.retry_after) == (set(names[20:]), 5)

    with pytest.raises(TokenRefused):
        outlook.read(Canned(whole, (401, body("error_401_token_expired"))).session, "me", refs(*names))


def test_a_text_comes_plain_and_only_where_it_is_shown() -> None:
    html = {
        "body": {"contentType": "html", "content": "<html><body><p>Dear\r\nAlice</p><style>x</style></body></html>"}
    }
    assert outlook.text(Canned((200, html)).session, "me", "1") == "Dear Alice"
    plain = {"body": {"contentType": "text", "content": "1 < 2\r\n\x00&amp;"}}
    assert outlook.text(Canned((200, plain)).session, "me", "1") == "1 < 2\n&amp;"
    assert outlook.text(Canned((200, {"body": None})).session, "me", "1") == ""
    with pytest.raises(MissingScope):
        outlook.text(Canned((200, {"id": "1"})).session, "me", "1")
    with pytest.raises(Unreadable):
        outlook.text(Canned((200, {"body": 7})).session, "me", "1")
    with pytest.raises(ResourceGone):
        outlook.text(Canned((404, body("error_404_item_not_found"))).session, "me", "1")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(NOW),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "conversationId", "from", "toRecipients", "emailAddress", "address", "name", "value"]
                + ["internetMessageHeaders", "receivedDateTime", "parentFolderId", "isDraft", "subject", "importance"]
                + ["@odata.type", "internetMessageId", "responses", "status", "headers", "body", "@removed"]
                + ["@odata.nextLink", "@odata.deltaLink"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(item=ANY_JSON)
@hypothesis_settings(max_examples=150, deadline=None)
def test_no_message_causes_a_fault(item: Any) -> None:
    if not isinstance(item, dict):
        item = headed(subject=item, toRecipients=item, internetMessageHeaders=item)
    try:
        found = read(item)
    except Unreadable:
        return
    assert found is None or found.sent_at.tzinfo is not None


@given(answer=ANY_JSON, listed=ANY_JSON)
@hypothesis_settings(max_examples=150, deadline=None)
def test_no_answer_causes_a_fault(answer: Any, listed: Any) -> None:
    wrapped = {"responses": [{"id": "1", "status": 200, "body": answer}]}
    for content in (answer, wrapped):
        canned = Canned((200, content), (200, listed), (200, listed), (200, listed))
        try:
            found = outlook.read(canned.session, "me", refs("1"))
        except (Temporary, Permanent):
            continue
        assert len(found.messages) + len(found.unreadable) + len(found.gone) + len(found.again) == 1
