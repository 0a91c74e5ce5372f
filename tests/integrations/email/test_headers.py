"""Headers as they really come: encoded words, groups, junk, and names that pretend to be addresses."""

import time
from email.header import Header
from email.headerregistry import Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.contract import Party
from integrations.email import headers
from relationships import addresses


def people(value: str, role: str = "to") -> list[tuple[str, str]]:
    """Name and address of everybody in one header."""
    return [(party.name, party.email) for party in headers.parties({role: [value]})]


def is_address(spec: str) -> bool:
    try:
        return bool(addresses.normalize(spec))
    except ValueError:
        return False


def of(**values: str) -> headers.Headers:
    """Headers by names written with underscores."""
    return headers.grouped((name.replace("_", "-"), value) for name, value in values.items())


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Alice Example <alice@lp.example>", [("Alice Example", "alice@lp.example")]),
        ("ALICE@LP.Example", [("", "alice@lp.example")]),
        ('"Doe, Jane" <jane@lp.example>, bob@lp.example', [("Doe, Jane", "jane@lp.example"), ("", "bob@lp.example")]),
        ("Doe, Jane <jane@lp.example>", [("Jane", "jane@lp.example")]),
        ("=?utf-8?q?J=C3=B6rg?= <joerg@lp.example>", [("Jörg", "joerg@lp.example")]),
        ('"=?utf-8?q?J=C3=B6rg?=" <joerg@lp.example>', [("Jörg", "joerg@lp.example")]),
        ("=?utf-8?q?Doe=2C_Jane?= <jane@lp.example>", [("Doe, Jane", "jane@lp.example")]),
        ("=?no-such-charset?q?J=F6rg?= <joerg@lp.example>", [("Jrg", "joerg@lp.example")]),
        ("undisclosed-recipients:;", []),
        ("Team: a@lp.example, b@lp.example;, c@lp.example", [("", f"{one}@lp.example") for one in "abc"]),
        ("a@lp.example; b@lp.example", [("", "a@lp.example"), ("", "b@lp.example")]),
        ("bob@lp.example (Bob, of the pension fund)", [("", "bob@lp.example")]),
        ("(a (b, c@x.example) d) bob@lp.example", [("", "bob@lp.example")]),
        ("Bob\r\n <bob@lp.example>", [("Bob", "bob@lp.example")]),
        ("Jörg <jörg@bücher.example>", [("Jörg", "jörg@xn--bcher-kva.example")]),
        ('Bob "The, Man" Smith <bob@lp.example>', [("Bob The, Man Smith", "bob@lp.example")]),
        ("Bob <bob@lp.example", [("Bob", "bob@lp.example")]),
        ('Bob "B <bob@lp.example>, carl@lp.example', [("Bob B", "bob@lp.example"), ("", "carl@lp.example")]),
        (",, ,a@lp.example,", [("", "a@lp.example")]),
        ("bob@localhost, bob@[192.0.2.1], bob, @lp.example, bob@, <>, a@b@lp.example", []),
        ("", []),
        ("\x00\ud800", []),
    ],
)
def test_addresses_are_found(value: str, found: list[tuple[str, str]]) -> None:
    assert people(value) == found


@pytest.mark.parametrize(
    "value",
    [
        '"alice@lp.example" <eve@spam.example>',
        "alice@lp.example <eve@spam.example>",
        "alice@lp.example<eve@spam.example>",
        "=?utf-8?q?alice=40lp=2Eexample?= <eve@spam.example>",
        "=?utf-8?q?alice@lp.example?= <eve@spam.example>",
        '"alice@lp.example, bob@lp.example" <eve@spam.example>',
        '"a\\"b <alice@lp.example>" <eve@spam.example>',
        "Alice <alice@lp.example> <eve@spam.example>",
        "Team: alice@lp.example <eve@spam.example>;",
        "(alice@lp.example) eve@spam.example",
    ],
)
def test_an_address_in_a_name_is_a_name(value: str) -> None:
    assert [party.email for party in headers.parties({"from": [value]})] == ["eve@spam.example"]


def test_an_encoded_word_is_no_address() -> None:
    assert people("=?utf-8?q?alice=40lp=2Eexample?=") == []


def test_each_role_names_each_person_once_whatever_the_case_of_the_header() -> None:
    found = headers.parties(
        headers.grouped(
            [
                ("FROM", "Alice <alice@acme.example>"),
                ("to", "Bob <bob@lp.example>, BOB@lp.example"),
                ("To", "carl@lp.example"),
                ("CC", "bob@lp.example"),
                ("Bcc", "dora@lp.example"),
                ("X-To", "eve@lp.example"),
            ]
        )
    )

    assert found == (
        Party("from", "alice@acme.example", "Alice"),
        Party("to", "bob@lp.example", "Bob"),
        Party("to", "carl@lp.example"),
        Party("cc", "bob@lp.example"),
        Party("bcc", "dora@lp.example"),
    )


def test_of_two_senders_the_first_counts() -> None:
    assert [one.email for one in headers.parties({"from": ["a@lp.example", "b@lp.example"]})] == ["a@lp.example"]


def test_no_more_than_a_thousand_people_are_taken() -> None:
    crowd = ", ".join(f"person{number}@lp.example" for number in range(3000))

    assert len(people(crowd)) == headers.MAX_PARTIES


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Re: Fund IV", "Re: Fund IV"),
        ("=?utf-8?q?R=C3=BCckfrage?=", "Rückfrage"),
        ("=?utf-8?q?R=C3=BCck?=\r\n =?utf-8?b?ZnJhZ2U=?= Fund", "Rückfrage Fund"),
        ("Rückfrage", "Rückfrage"),
        ("  two\r\n\tlines ", "two lines"),
        ("=?utf-8?b?!!!?=", ""),
        ("fdp\u202egpj.exe\x07", "fdpgpj.exe"),
        ("", ""),
    ],
)
def test_subjects_are_one_line_that_can_be_read(value: str, found: str) -> None:
    assert headers.subject({"subject": [value]}) == found


@given(text=st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=60))
@settings(deadline=None)
def test_a_subject_survives_its_encoding(text: str) -> None:
    encoded = Header(text, "utf-8").encode()

    assert headers.subject({"subject": [encoded]}) == headers.cleaned(text)
    assert headers.subject({"subject": [headers.cleaned(text)]}) in {
        headers.cleaned(text),
        headers.subject({"subject": [text]}),
    }


def test_ids_are_opaque_text_without_brackets() -> None:
    named = of(
        Message_Id="<A.b+c@host>", In_Reply_To='Your mail of Monday <x@y> "z"', References="<1@a>\r\n <2@a><3@a> <1@a>"
    )

    assert headers.message_id(named) == "A.b+c@host"
    assert headers.in_reply_to(named) == "x@y"
    assert headers.references(named) == ("1@a", "2@a", "3@a")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("no-brackets@host", "no-brackets@host"),
        ("no brackets here", "no brackets here"),
        ("", ""),
        ("<>", ""),
        ("<a@b", "a@b"),
    ],
)
def test_odd_message_ids(value: str, found: str) -> None:
    assert headers.message_id({"message-id": [value]}) == found


def test_of_a_long_list_of_references_the_first_and_the_newest_stay() -> None:
    ids = [f"{number}@a" for number in range(500)]
    found = headers.references({"references": [" ".join(f"<{one}>" for one in ids)]})

    assert found == (ids[0], *ids[1 - headers.MAX_REFERENCES :])


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (of(Subject="Hello"), ""),
        (of(Auto_Submitted="no"), ""),
        (of(Auto_Submitted="auto-replied"), "auto_reply"),
        (of(Auto_Submitted="Auto-Generated; type=x"), "auto_reply"),
        (of(X_Autoreply="yes"), "auto_reply"),
        (of(Precedence="auto_reply"), "auto_reply"),
        (of(Return_Path="<>"), "auto_reply"),
        (of(Content_Type='multipart/report; report-type="delivery-status"'), "auto_reply"),
        (of(Return_Path="<bob@lp.example>"), ""),
        (of(List_Id="News <news.lp.example>"), "list"),
        (of(List_Unsubscribe="<mailto:x@lp.example>"), "list"),
        (of(Precedence="Bulk"), "list"),
        (of(Precedence="first-class"), ""),
        (of(Content_Type="text/calendar; method=REQUEST"), "invitation"),
        (of(Content_Type='text/calendar; charset="utf-8"; method="REPLY"'), "invitation"),
        (of(Content_Type="multipart/alternative; boundary=x; method=REQUEST"), "invitation"),
        (of(Content_Class="urn:content-classes:calendarmessage"), "invitation"),
        (
            of(Sender="Google Calendar <calendar-notification@google.com>", Auto_Submitted="auto-generated"),
            "invitation",
        ),
        (of(X_MS_Exchange_Calendar_Series_Instance_Id="BAAAAIIA4AB0x"), "invitation"),
        (of(X_MS_Exchange_Calendar_Originator_Id="alice"), "invitation"),
        (of(Content_Type="multipart/mixed; boundary=method"), ""),
        (of(Subject="Precedence: bulk"), ""),
    ],
)
def test_what_a_machine_wrote_says_so(named: headers.Headers, why: str) -> None:
    assert headers.automatic(named) == why


ANY = st.text(st.characters(exclude_categories=()), max_size=200)
HEADERISH = st.lists(
    st.one_of(
        st.sampled_from(
            [
                '"',
                "(",
                ")",
                "<",
                ">",
                ",",
                ";",
                ":",
                "@",
                "\\",
                "=?utf-8?q?",
                "=?utf-8?b?",
                "?=",
                "\r\n ",
                "a",
                "b.example",
            ]
        ),
        ANY,
    ),
    max_size=40,
).map("".join)


@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from(["From", "to", "CC", "Subject", "Message-ID", "References", "Sender", "List-Id"]), HEADERISH
        ),
        max_size=8,
    )
)
@settings(deadline=None, max_examples=400)
def test_whatever_stands_in_a_header_nothing_is_raised_and_all_can_be_stored(pairs: list[tuple[str, str]]) -> None:
    named = headers.grouped(pairs)
    found = headers.parties(named)

    assert headers.automatic(named) in {"", "auto_reply", "list", "invitation"}
    assert len({(party.role, party.email) for party in found}) == len(found)
    assert all(addresses.normalize(party.email) == party.email for party in found)
    texts = [headers.subject(named), headers.message_id(named), headers.in_reply_to(named), *headers.references(named)]
    texts += [party.name for party in found] + [party.email for party in found]
    assert all("\x00" not in text and text == text.encode("utf-8", "ignore").decode() for text in texts)
    assert all(len(text) <= headers.MAX_ID for text in texts)


LOCALS = st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,20}[a-z0-9]", fullmatch=True).filter(lambda text: ".." not in text)
NAMES = st.text(st.characters(categories=["L", "N"], include_characters=' ,.;:<>@"\\()'), max_size=30)


@given(crowd=st.lists(st.tuples(NAMES, LOCALS), min_size=1, max_size=8, unique_by=lambda one: one[1]))
@settings(deadline=None)
def test_whoever_is_written_by_the_rules_is_read_again(crowd: list[tuple[str, str]]) -> None:
    value = ", ".join(str(Address(name, local, "lp.example")) for name, local in crowd)

    assert [email for _, email in people(value)] == [f"{local}@lp.example" for _, local in crowd]


@given(piece=st.from_regex(headers.SIMPLE, fullmatch=True, alphabet=st.characters(exclude_categories=["Cs"])))
@settings(deadline=None, max_examples=300)
def test_what_is_simply_written_is_read_as_the_standard_library_reads_it(piece: str) -> None:
    by_parser = [
        (addresses.normalize(spec), headers.cleaned(name)) for spec, name in headers.parsed(piece) if is_address(spec)
    ]
    assert [(party.email, party.name) for party in headers.parties({"to": [piece]})] == by_parser


@pytest.mark.parametrize(
    "junk",
    ["(" * 100_000, '"' * 100_000, "<" * 100_000, "," * 200_000, '"\\' * 100_000, "(\\" * 100_000, "a:" * 100_000]
    + [
        "=?utf-8?q?" * 20_000,
        "a@" * 100_000,
        ('"' * 480 + "@,") * 400,
        ("(" * 480 + "@,") * 400,
        "<a@b.example> " * 14_000,
        "<a> " * 50_000,
    ],
    ids=lambda junk: junk[:12],
)
def test_junk_of_any_length_is_read_in_no_time(junk: str) -> None:
    began = time.process_time()
    headers.parties(headers.grouped([("To", junk)]))
    headers.subject(headers.grouped([("Subject", junk)]))
    headers.references(headers.grouped([("References", junk)]))

    assert time.process_time() - began < 5
