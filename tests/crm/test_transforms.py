"""What transforms do, that they never crash on anything, and that comparing is stable."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crm import mapping, shapes, transforms
from crm.catalogue import OURS
from crm.contract import Field, FieldType, Option
from crm.mapping import Row
from crm.transforms import TRANSFORMS, Context, TransformError

ZURICH = Context(time_zone=ZoneInfo("Europe/Zurich"))
TYPES: tuple[FieldType, ...] = get_args(FieldType)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | st.sampled_from(
    ["2026-05-06", "2026-05-06T11:56:44.000+0000", "1762336800000", "82.50", "1e999", "TRUE", "a;b", "+41 44 123 45 67",
     "<p>Fees &lt; 2&nbsp;%</p>", "&amp;amp;lt;b&gt;", "https://WWW.Pension.example/a/", "0001-01-01T00:00:00+14:00"]
)  # fmt: skip
VALUES = TEXTS | st.integers() | st.floats(allow_nan=True) | st.booleans() | st.none()
OURS_VALUES = VALUES | st.dates() | st.datetimes(timezones=st.just(UTC)) | st.decimals(allow_nan=True)
FIELDS = st.builds(
    Field,
    name=st.just("X"),
    label=st.just("X"),
    type=st.sampled_from(TYPES),
    max_length=st.none() | st.integers(1, 30),
    options=st.just((Option("a", "A"), Option("b", "B", is_active=False))),
    is_restricted=st.booleans(),
)
OPTIONS = st.dictionaries(
    st.sampled_from(["part", "region", "form", "zone", "time", "pairs", "otherwise", "digits", "length", "before"]),
    TEXTS | st.lists(st.lists(TEXTS, max_size=3)) | st.integers() | st.none(),
)


def out(name: str, value: Any, theirs: Field | None = None, **options: Any) -> Any:
    return TRANSFORMS[name].to_crm(value, options, replace(ZURICH, theirs=theirs))


def back(name: str, value: Any, **options: Any) -> Any:
    from_crm = TRANSFORMS[name].from_crm
    assert from_crm is not None
    return from_crm(value, options, ZURICH)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Lena Alder", ("Lena", "Alder")),
        ("  Lena   von  Alder ", ("Lena", "von Alder")),
        ("Maria de la Cruz", ("Maria", "de la Cruz")),
        ("Alder, Lena", ("Lena", "Alder")),
        ("Prince", ("", "Prince")),
        ("李小龙", ("", "李小龙")),
        ("von Alder", ("von", "Alder")),
        ("", ("", "")),
    ],
)
def test_a_name_is_taken_apart_at_its_last_part(name: str, parts: tuple[str, str]) -> None:
    assert transforms.split_name(name) == parts


def test_phone_numbers_become_international() -> None:
    assert out("phone_e164", "044 123 45 67", region="CH") == "+41441234567"
    assert back("phone_e164", "+41 44 123 45 67") == "+41441234567"
    assert out("phone_e164", "+41 44 123 45 67 ext. 12") == "+41441234567;ext=12"
    with pytest.raises(TransformError, match="no country code"):
        out("phone_e164", "044 123 45 67")
    with pytest.raises(TransformError, match="no phone number"):
        out("phone_e164", "ask Lena", region="CH")


def test_domains_lose_what_a_web_address_adds() -> None:
    assert back("domain", "https://www.Pension.example/about?x=1") == "pension.example"
    assert back("domain", "lena@pension.example") == "pension.example"
    assert out("domain", "pension.example", form="address") == "https://pension.example"
    assert out("domain", "pension.example") == "pension.example"
    with pytest.raises(TransformError):
        back("domain", "n/a")


def test_days_belong_to_a_zone() -> None:
    late = datetime(2026, 5, 6, 22, 30, tzinfo=UTC)
    assert out("date_in_zone", late) == date(2026, 5, 7)
    assert out("date_in_zone", late, zone="America/New_York") == date(2026, 5, 6)
    assert back("date_in_zone", "2026-05-07") == datetime(2026, 5, 6, 22, tzinfo=UTC)
    assert out("time_of_day", date(2026, 5, 6), time="08:30") == datetime(2026, 5, 6, 6, 30, tzinfo=UTC)
    assert back("time_of_day", "2026-05-06T22:30:00Z") == date(2026, 5, 7)


def test_a_table_of_choices_goes_both_ways_and_refuses_what_it_lacks() -> None:
    pairs = [["open", "Not Started"], ["done", "Completed"]]
    assert out("choice_table", "done", pairs=pairs) == "Completed"
    assert back("choice_table", "Not Started", pairs=pairs) == "open"
    assert back("choice_table", "Deferred", pairs=pairs, otherwise_ours="open") == "open"
    with pytest.raises(TransformError, match="“waiting” of ours has no row"):
        out("choice_table", "waiting", pairs=pairs)


def test_text_is_cut_to_what_the_field_holds() -> None:
    theirs = Field("Subject", "Subject", "text", max_length=10)
    assert out("shorten", "A very long title", theirs) == "A very lo…"
    assert out("shorten", "Short", theirs) == "Short"
    assert out("shorten", "A very long title", theirs, length="6") == "A ver…"


def test_words_around_come_off_again_even_where_the_crm_trimmed_them() -> None:
    assert out("affix", "First call", before="LPxGP: ") == "LPxGP: First call"
    assert back("affix", "LPxGP: First call", before="LPxGP: ") == "First call"
    assert back("affix", "First call, by LPxGP", after=", by LPxGP ") == "First call"


def test_rounding() -> None:
    assert out("round", Decimal("82.45")) == 82
    assert out("round", "82.45", digits="1") == Decimal("82.5")
    assert out("round", 10**23, digits="5") == 10**23


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("nothing", {}, "no transform"),
        ("choice_table", {}, "empty"),
        ("choice_table", {"pairs": [["a", ""]]}, "half filled"),
        ("date_in_zone", {"zone": "Mars/Phobos"}, "cannot be used"),
        ("time_of_day", {"time": "9 o'clock"}, "cannot be used"),
        ("round", {"digits": "9"}, "from 0 to 6"),
        ("phone_e164", {"region": "Switzerland"}, "none of the choices"),
        ("domain", {"colour": "red"}, "no option"),
    ],
)
def test_options_that_cannot_be_used_are_named(name: str, options: dict[str, Any], words: str) -> None:
    assert words in transforms.problems(name, options)[0]


def test_options_that_can_be_used_are_fine() -> None:
    assert transforms.problems("phone_e164", {"region": "ch"}) == []
    assert transforms.problems("choice_table", {"pairs": [["a", "b"]]}) == []
    assert transforms.problems("", {}) == []


@given(st.sampled_from(sorted(TRANSFORMS)), OURS_VALUES, OPTIONS, FIELDS)
def test_a_transform_gives_a_value_or_says_why_not(
    name: str, value: Any, options: dict[str, Any], theirs: Field
) -> None:
    transform = TRANSFORMS[name]
    transforms.problems(name, options)
    for way in filter(None, (transform.to_crm, transform.from_crm)):
        try:
            way(value, options, replace(ZURICH, theirs=theirs))
        except TransformError as error:
            assert str(error)  # noqa: PT017


@given(st.sampled_from(sorted(OURS)), st.sampled_from(sorted(TRANSFORMS)), OURS_VALUES, VALUES, OPTIONS, FIELDS)
def test_a_line_gives_a_value_that_fits_or_says_why_not(
    ours: str, name: str, value: Any, theirs_value: Any, options: dict[str, Any], theirs: Field
) -> None:
    row = Row(ours, "Account", "X", transform={"name": name, "options": options})
    line = mapping.line(row, {"Account": {"X": theirs}})
    assert line is not None
    try:
        sent = line.outgoing(value, ZURICH)
    except TransformError as error:
        assert str(error)  # noqa: PT017
    else:
        assert sent is None or isinstance(sent, str | int | float | bool)
        if isinstance(sent, str) and theirs.max_length and theirs.type == "text":
            assert len(sent) <= theirs.max_length
        assert sent != ""
    try:
        got = line.incoming(theirs_value, ZURICH)
    except TransformError as error:
        assert str(error)  # noqa: PT017
    else:
        assert got is None or got != ""
        if isinstance(got, datetime):
            assert got.tzinfo is not None


@given(VALUES | st.decimals() | st.dates(), FIELDS | st.none())
@example("0;/0000", Field("X", "X", "choices", max_length=6))
def test_what_is_compared_stays_the_same_when_compared_again(value: Any, field: Field | None) -> None:
    once = shapes.normal(value, field)
    assert shapes.normal(once, field) == once
    assert once != ""


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_survive_the_way_there_and_back(moment: datetime) -> None:
    line = mapping.line(Row("note.written_at", "Note", "X"), {"Note": {"X": Field("X", "X", "datetime")}})
    assert line is not None
    assert line.incoming(line.outgoing(moment, ZURICH), ZURICH) == moment.replace(microsecond=0)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=40))
def test_plain_text_survives_formatted_fields(text: str) -> None:
    line = mapping.line(Row("note.text", "notes", "body"), {"notes": {"body": Field("body", "Body", "html")}})
    assert line is not None
    assert line.incoming(line.outgoing(text, ZURICH), ZURICH) == text


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("text", " Alder\r\n", "Alder"),
        ("text", "", None),
        ("email", "Lena@Pension.example ", "lena@pension.example"),
        ("phone", "+41 44 123 45 67", "0041441234567"),
        ("number", "82.00", 82),
        ("number", 82.5, Decimal("82.50")),
        ("date", "2026-05-06T00:00:00.000+0000", "2026-05-06"),
        ("date", "1778025600000", "2026-05-06"),
        ("datetime", "2026-05-06T11:56:44.000+0000", "2026-05-06T13:56:44+02:00"),
        ("boolean", "true", True),
        ("choices", "b; a", "a;b"),
        ("html", "<p>Fees &lt; 2 %</p><p>Two</p>", "Fees &lt; 2 %<br>Two"),
        ("url", "HTTPS://Pension.example/", "https://pension.example"),
    ],
)
def test_equal_values_compare_as_equal(kind: FieldType, one: Any, other: Any) -> None:
    field = Field("X", "X", kind)
    assert shapes.normal(one, field) == shapes.normal(other, field)


@pytest.mark.parametrize(
    ("ours", "theirs", "value", "words"),
    [
        ("org.name", Field("X", "X", "text", max_length=5), "Pension", "takes 5"),
        ("org.name", Field("X", "X", "number"), "Pension", "no number"),
        ("match.score", Field("X", "X", "integer"), Decimal("82.5"), "no whole number"),
        (
            "org.name",
            Field("X", "Type", "choice", options=(Option("a", "A"),), is_restricted=True),
            "b",
            "Type does not",
        ),
        ("org.name", Field("X", "X", "date"), "soon", "no date"),
    ],
)
def test_what_does_not_fit_the_crm_is_said(ours: str, theirs: Field, value: Any, words: str) -> None:
    line = mapping.line(Row(ours, "Account", "X"), {"Account": {"X": theirs}})
    assert line is not None
    with pytest.raises(TransformError, match=words):
        line.outgoing(value, ZURICH)


def test_what_does_not_fit_us_is_said() -> None:
    kind = mapping.line(Row("org.kind", "Account", "X"), {})
    email = mapping.line(Row("person.email", "Contact", "X"), {})
    name = mapping.line(Row("org.name", "Account", "X"), {})
    assert kind is not None
    assert email is not None
    assert name is not None
    for line, value in ((kind, "Customer"), (email, "n/a"), (name, "x" * 201)):
        with pytest.raises(TransformError):
            line.incoming(value, ZURICH)
    assert kind.incoming("lp", ZURICH) == "lp"
    assert email.incoming("Lena@Pension.example", ZURICH) == "lena@pension.example"


def test_a_constant_is_the_same_for_every_row() -> None:
    row = Row(
        "email.status",
        "Task",
        "Status",
        transform={"name": "choice_table", "options": {"pairs": [["done", "Completed"]]}},
    )
    line = mapping.line(row, {})
    assert line is not None
    assert line.outgoing(None, ZURICH) == "Completed"
