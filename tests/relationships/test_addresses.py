import pytest
from hypothesis import given
from hypothesis import strategies as st

from relationships import addresses

LABELS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,10}[a-zA-Z0-9])?", fullmatch=True)
DOMAINS = st.builds(".".join, st.lists(LABELS, min_size=2, max_size=4))
LOCALS = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCXYZ0123456789.+_-'éßİ", min_size=1, max_size=30)
EMAILS = st.builds("{}@{}".format, LOCALS, DOMAINS | st.sampled_from(["gmail.com", "GoogleMail.com"]))


@given(EMAILS)
def test_normalizing_twice_changes_nothing(email: str) -> None:
    once = addresses.normalize(email)
    assert addresses.normalize(once) == once == once.lower()


@given(EMAILS)
def test_match_key_is_the_same_for_every_spelling_of_case_and_space(email: str) -> None:
    key = addresses.match_key(email)
    assert addresses.match_key(key) == key
    assert addresses.match_key(f"  {addresses.normalize(email).upper()} ") == addresses.match_key(
        addresses.normalize(email).upper()
    )


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_refused_in_words(text: str) -> None:
    try:
        address = addresses.normalize(text)
    except ValueError:
        return
    assert address.count("@") == 1
    assert len(address) <= addresses.MAX_EMAIL
    assert addresses.domain_of(address) == address.split("@")[1]


@given(DOMAINS)
def test_parents_begin_with_the_domain_and_end_with_what_was_registered(domain: str) -> None:
    try:
        name = addresses.normalize_domain(domain)
    except ValueError:
        return
    parents = addresses.with_parents(name)
    assert all(name == parent or name.endswith(f".{parent}") for parent in parents)
    assert list(parents) == sorted(parents, key=len, reverse=True)
    assert all("." in parent for parent in parents)


@pytest.mark.parametrize(
    ("email", "key"),
    [
        ("J.ane.D.oe+news@GMAIL.com", "janedoe@gmail.com"),
        ("jane.doe@googlemail.com", "janedoe@gmail.com"),
        ("jane.doe+lp@alder.example", "jane.doe+lp@alder.example"),
        ("+tag@gmail.com", "+tag@gmail.com"),
        ("...@gmail.com", "...@gmail.com"),
        ("Jane@BÜCHER.example", "jane@xn--bcher-kva.example"),
        ("jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"),
        ("jane@alder.example.", "jane@alder.example"),
    ],
)
def test_match_key(email: str, key: str) -> None:
    assert addresses.match_key(email) == key


@pytest.mark.parametrize(
    "text",
    ["", "jane", "@alder.example", "jane@", "jane@localhost", "a@b@alder.example", "ja ne@alder.example", "Doe, Jane",
     "jane@alder..example", "jane@-alder.example", "jane@[10.0.0.1]",
     "Jane <jane@alder.example>", "jane\n@alder.example",
     "jane@" + "a" * 64 + ".example", "j" * 250 + "@alder.example"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        addresses.normalize(text)


@pytest.mark.parametrize(
    "domain", ["gmail.com", "GMAIL.COM.", "hey.com", "web.de", "yahoo.co.jp", "me.com", "mail.gmail.com"]
)
def test_free_mail(domain: str) -> None:
    assert addresses.is_free_mail(domain)


@pytest.mark.parametrize("domain", ["alder.example", "notgmail.com", "gmail.com.evil.example", "", "com", "no domain"])
def test_a_firms_domain_is_no_free_mail(domain: str) -> None:
    assert not addresses.is_free_mail(domain)


@pytest.mark.parametrize(
    ("domain", "parents"),
    [
        ("ir.bigpension.org", ["ir.bigpension.org", "bigpension.org"]),
        ("a.b.pension.co.uk", ["a.b.pension.co.uk", "b.pension.co.uk", "pension.co.uk"]),
        ("co.uk", []),
        ("alder.example", ["alder.example"]),
    ],
)
def test_parents(domain: str, parents: list[str]) -> None:
    assert list(addresses.with_parents(domain)) == parents
