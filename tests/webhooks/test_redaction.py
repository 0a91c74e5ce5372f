"""What staff may see: no secret, no local part, and nothing a database or a page cannot take."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import failures, redaction

MASK = redaction.MASK


@pytest.mark.parametrize(
    "name",
    ["token", "X-Goog-Channel-Token", "client_secret", "Authorization", "sessionId", "SessionID", "password", "api_key",
     "clientState", "X-HubSpot-Signature-v3", "Cookie", "validationTokens"],
)  # fmt: skip
def test_what_stands_under_a_secrets_name_is_masked(name: str) -> None:
    assert redaction.redacted({name: "abc", "deep": [{name: {"x": 1}}]}) == {name: MASK, "deep": [{name: MASK}]}


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("write to jane.doe+lp@fund.example now", f"write to {MASK}@fund.example now"),
        ("https://x.example/calendars/alice%40acme.example/events", f"https://x.example/calendars/{MASK}%40acme.example/events"),
        ("Bearer abc.def", MASK),
        ("ya29.a0AfH6SMBxxxxxxxxxxxx", MASK),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.sig", MASK),
        ("https://x.example/?alt=json&token=abc", f"https://x.example/?alt=json&token={MASK}"),
        ("plain words, 10:30", "plain words, 10:30"),
    ],
)  # fmt: skip
def test_secrets_and_addresses_in_text_are_masked(given_text: str, shown: str) -> None:
    assert redaction.redacted(given_text) == shown


@pytest.mark.parametrize(
    "body",
    [b"", b"[" * 200_000, b"[" * 500 + b"]" * 500, b"\xff", b"<x/>", b'{"a": NaN}',
     b'{"a": "\\u0000\\ud800"}', b"9" * 4000, b'"' + b"x" * 100_000 + b'"'],
)  # fmt: skip
def test_every_body_has_a_form_that_can_be_stored(body: bytes) -> None:
    shown = json.dumps(redaction.payload({"a": "b"}, body), allow_nan=False)
    shown.encode()
    assert "\\u0000" not in shown
    assert "\\ud800" not in shown


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_shown_without_half_surrogates_or_infinities(value: object) -> None:
    json.dumps(redaction.redacted(value), allow_nan=False, ensure_ascii=False).encode()


def test_failures_of_one_cause_share_a_fingerprint() -> None:
    one = failures.fingerprint("Temporary", "Google has trouble of its own (HTTP 503) for jane@lp.example.")
    assert one == failures.fingerprint("Temporary", "Google has trouble of its own (HTTP 500) for bob@lp.example.")
    assert one != failures.fingerprint("Permanent", "Google has trouble of its own (HTTP 503) for jane@lp.example.")
    assert one != failures.fingerprint("Temporary", "Google asked us to slow down.")
