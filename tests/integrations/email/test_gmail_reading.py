"""Reading mail from Gmail: each message asked for ends in one place, and no form of answer causes a fault."""

import base64
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations import providers
from integrations.contract import MailRef, Party
from integrations.email import plain_text
from integrations.email.gmail import reading, text
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
from tests.integrations.email.canned import ANY_JSON, NOW_MS, Canned, Json, body, headed, parts

gmail = providers.mail_adapter("google")


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


@pytest.mark.parametrize("filename", ["", "offer.eml"])
def test_the_text_of_an_attached_mail_is_not_the_mails_text(filename: str) -> None:
    attached = {"mimeType": "message/rfc822", "filename": filename, "parts": [part("text/plain", "another's words")]}

    assert text.of({"mimeType": "multipart/mixed", "parts": [attached, part("text/html", "<p>Hello</p>")]}) == "Hello"
    assert text.of({"mimeType": "multipart/mixed", "parts": [attached]}) == ""


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


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<![if !mso]>a<![endif]><![<![b", "a"),
        ("<b title=\"x>y\" lang='>'>c</b> 1 < 2 <3", "c 1 < 2 <3"),
        ("<a don't>k</a> <p/>q", "k q"),
        ("a<script>if(a<b)'</x>'</scripted></SCRIPT >z", "az"),
        ("a<script>b", "a"),
        ("a<!-- b", "a"),
        ("a<!-->b<!--->c<!-- - --!>d", "abcd"),
        ("a<b title='", "a"),
        ("<head><meta><body>a", "a"),
    ],
)
def test_broken_html_is_read_as_a_browser_would(html: str, words: str) -> None:
    assert plain_text.of(html) == words


@pytest.mark.parametrize(
    "piece", ["<a ", "<a b=", "<a b='", '<a b="', "<!", "<!--", "<![", "</", "</s", "&", "=", "<b/"]
)
@pytest.mark.parametrize("begin", ["", "<a ", "<!--", "<script>"])
def test_junk_of_any_length_takes_no_time(begin: str, piece: str) -> None:
    started = time.process_time()
    plain_text.of(begin + piece * (400_000 // len(piece)))
    assert time.process_time() - started < 5


@given(
    html=st.text(max_size=300) | st.lists(st.sampled_from(["<", "!", "--", "[", "a", "=", "'", ">", "/"])).map("".join)
)
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
