"""Which hosts are Salesforce's: nothing else that is typed or answered is ever sent a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import Unusable
from integrations.providers.salesforce import hosts, to18


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("acme.my.salesforce.com", "acme.my.salesforce.com"),
        ("  https://Acme.My.Salesforce.com/  ", "acme.my.salesforce.com"),
        ("https://acme.my.salesforce.com/home/home.jsp?x=1", "acme.my.salesforce.com"),
        ("acme--test.sandbox.my.salesforce.com", "acme--test.sandbox.my.salesforce.com"),
        ("acme-dev-ed.develop.my.salesforce.com", "acme-dev-ed.develop.my.salesforce.com"),
        ("acme.my.salesforce.com:443", "acme.my.salesforce.com"),
        ("ａcme.my.salesforce.com", "acme.my.salesforce.com"),
    ],
)
def test_a_my_domain_is_found_in_what_is_typed(typed: str, host: str) -> None:
    assert hosts.own(typed) == host


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "acme",
        "acme.salesforce.com",
        "my.salesforce.com",
        ".my.salesforce.com",
        "acme.my.salesforce.com.evil.example",
        "evil.example/acme.my.salesforce.com",
        "evil.example#.my.salesforce.com",
        "evil.example?.my.salesforce.com",
        "evil.example\\.my.salesforce.com",
        "http://acme.my.salesforce.com",
        "ftp://acme.my.salesforce.com",
        "https://user@acme.my.salesforce.com",
        "https://acme.my.salesforce.com@evil.example",
        "https://acme.my.salesforce.com:8443",
        "acme.my.salesforce.com:99999999",
        "acme.lightning.force.com",
        "acme.evil.my.salesforce.com",
        "a.b.sandbox.my.salesforce.com",
        "acme--test.my.salesforce.com",
        "-acme.my.salesforce.com",
        "acme-.my.salesforce.com",
        "acme_corp.my.salesforce.com",
        "äcme.my.salesforce.com",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "acme.my.salesforce.com\n.evil.example",
        "x" * 300 + ".my.salesforce.com",
    ],
)
def test_all_else_is_refused_in_words(typed: str) -> None:
    with pytest.raises(Unusable, match="acme.my.salesforce.com"):
        hosts.own(typed)


@given(st.text(max_size=80) | st.from_regex(r"[a-z./:@#?\\-]{0,30}\.my\.salesforce\.com[/:@a-z]{0,9}"))
def test_whatever_is_typed_ends_at_salesforce_or_nowhere(typed: str) -> None:
    try:
        host = hosts.own(typed)
    except Unusable:
        return
    assert hosts.is_own(host)
    assert host.endswith(".my.salesforce.com")
    assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        17,
        "https://evil.example",
        "http://acme.my.salesforce.com",
        "https://acme.my.salesforce.com.evil.example",
        "https://acme.my.salesforce.com@evil.example",
        "https://acme.my.salesforce.com:8443",
        "https://acme.my.salesforce.com/path",
        "https://acme.my.salesforce.com?x",
        "https://169.254.169.254",
        "https://[::1]",
        "https://[",
    ],
)
def test_an_address_of_an_answer_is_taken_from_salesforce_alone(url: object) -> None:
    assert hosts.instance(url) == ""


def test_an_organizations_own_address_is_taken() -> None:
    assert hosts.instance("https://acme.my.salesforce.com") == "https://acme.my.salesforce.com"
    assert (
        hosts.instance("https://acme--uat.sandbox.my.salesforce.com/") == "https://acme--uat.sandbox.my.salesforce.com"
    )


@pytest.mark.parametrize(
    ("short", "long"),
    [("00DdM00000vfgTu", "00DdM00000vfgTuUAI"), ("005dM00000awSFJ", "005dM00000awSFJQA2")],
)
def test_an_id_of_fifteen_characters_becomes_one_of_eighteen(short: str, long: str) -> None:
    assert (to18(short), to18(long)) == (long, long)
