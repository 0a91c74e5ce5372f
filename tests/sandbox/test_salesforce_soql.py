"""SOQL's parser and record ids, against anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce.format import format_soql

from sandbox.salesforce import ids
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.soql import Compare, Parser

RECORDED = (
    "001dM00003jU9GxQAK",
    "00DdM00000vfgTuUAI",
    "003n000000NOtUbAAL",
    "0038M0000016Wv8QAE",
    "04ln0000009JvY4AAK",
)
WORDS = st.sampled_from(
    [
        "SELECT",
        "FROM",
        "WHERE",
        "AND",
        "OR",
        "NOT",
        "IN",
        "LIKE",
        "ORDER",
        "BY",
        "LIMIT",
        "NULLS",
        "FIRST",
        "Id",
        "Name",
        "Account",
        "COUNT",
        "(",
        ")",
        ",",
        "=",
        "!=",
        "<",
        "'a'",
        "5",
        "null",
    ]
)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_comes_through_as_the_client_quotes_it(text: str) -> None:
    query = Parser(format_soql("SELECT Id FROM Account WHERE Name = {}", text)).query()
    assert isinstance(query.where, Compare)
    assert query.where.values[0].value == text


@given(st.lists(WORDS).map(" ".join) | st.text())
def test_anything_else_is_parsed_or_refused(text: str) -> None:
    codes = []
    try:
        Parser(text).query()
    except ApiError as error:
        codes.append(error.code)
    assert codes in ([], ["MALFORMED_QUERY"])


@pytest.mark.parametrize("record_id", RECORDED)
def test_recorded_ids(record_id: str) -> None:
    assert ids.to18(record_id[:15]) == ids.to18(record_id) == record_id


@given(st.integers(0, 62**9 - 1))
def test_an_id_holds_its_number(number: int) -> None:
    made = ids.make("003", "dM0", number)
    assert ids.is_id(made)
    assert ids.number_of(made, "003", "dM0") == ids.number_of(made[:15], "003", "dM0") == number
    assert ids.number_of(made, "001", "dM0") is None
