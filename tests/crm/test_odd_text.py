"""What no database keeps does not come in from a CRM, and everything else comes as it is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from crm import connection, odd_text
from crm.transforms import is_storable
from integrations import grants, outbound
from tests.crm.out_scene import Out

SIGNS = st.text(
    st.sampled_from(["\0", "\ud83d", "\ude00", "😀", "\\", '"', "u", "0", "d", "8", "3", "ä", "\n", "\x01"])
)


def texts(value: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str):
        yield value


@given(st.recursive(SIGNS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(SIGNS, inner)))
def test_what_was_odd_is_storable_and_all_else_stays(value: Any) -> None:
    answer = json.dumps(value).encode()
    told = json.loads(odd_text.without(answer))
    assert all(map(is_storable, texts(told)))
    if all(map(is_storable, texts(value))):
        assert told == value


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb'"Alder \ud83d"', "Alder \ufffd"),
        (rb'"\ude00 Alder"', "\ufffd Alder"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\uD83D\uDE00"', "😀"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\u0000Alder"', "Alder"),
        (rb'"\\u0000\\ud83d"', r"\u0000\ud83d"),
        (b'"Al\0der"', "Alder"),
    ],
)
def test_half_characters_and_nothing(sent: bytes, read: str) -> None:
    assert json.loads(odd_text.without(sent)) == read


def test_a_table_is_left_alone_but_for_nul() -> None:
    table = b'"Id","Name"\r\n"003","C:\\users\\0"\r\n'
    assert odd_text.without(table) == table
    assert odd_text.without(b"a\0,b") == b"a,b"


@pytest.mark.django_db
def test_each_answer_of_a_connection_is_storable(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    answer = requests.Response()
    answer.status_code = 200
    answer._content = rb'{"records": [{"Name": "Alder \ud83d\u0000"}]}'
    monkeypatch.setattr(outbound.ProviderTransport, "send", lambda *arguments, **options: answer)
    with connection.open(out.integration, grants.Access("a token", 1)) as link:
        told = link.http.get("https://acme.my.salesforce.com/services/data").json()
    assert told == {"records": [{"Name": "Alder \ufffd"}]}
