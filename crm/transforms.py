"""What may be done to a value on its way between us and the CRM, by name, with the options staff fill in.

A transform gets a value that is not empty. It says in plain words why it cannot do its work (TransformError), and never
guesses. ``from_crm`` is None where there is no way back: such a line can only go from us to the CRM.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers

from crm import shapes
from crm.contract import Field, FieldType, Value
from crm.shapes import Ours, TransformError
from integrations.email import plain_text
from relationships import addresses

__all__ = ["TRANSFORMS", "Context", "Transform", "TransformError", "normalise", "split_name"]

normalise = shapes.normal

Options = Mapping[str, Any]
MOST_PAIRS = 200
MOST_TEXT = 255
PARTICLES = frozenset(
    {"af", "al", "bin", "da", "de", "del", "della", "den", "der", "des", "di", "dos", "du", "la", "le"}
    | {"ten", "ter", "van", "vom", "von", "y", "zu", "zum", "zur"}
)
"""Small words that belong to the last name."""


@dataclass(frozen=True)
class Context:
    """What a transform may know beside the value: the company's time zone, and the CRM's field, where it is known."""

    time_zone: ZoneInfo = ZoneInfo("UTC")
    theirs: Field | None = None


@dataclass(frozen=True)
class FormOption:
    """One thing to fill in. ``form`` is how; ``pairs`` are rows of ours and theirs."""

    name: str
    label: str
    form: Literal["text", "choice", "number", "zone", "region", "time", "pairs"]
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    limits: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Transform:
    """One transform. ``takes`` are types of ours it is for, ``gives`` the type that comes out for the CRM, ``reads``
    types of theirs that it can bring back."""

    name: str
    label: str
    meaning: str
    takes: frozenset[FieldType]
    gives: FieldType
    to_crm: Callable[[Ours, Options, Context], Ours]
    from_crm: Callable[[Value, Options, Context], Ours] | None
    reads: frozenset[FieldType] = frozenset()
    options: tuple[FormOption, ...] = ()
    sample: str = ""


def _same(value: Any, options: Options, context: Context) -> Any:
    return value


def split_name(name: str) -> tuple[str, str]:
    """The first and the last name of a full one: (“Lena”, “von Alder”). One word, or one in a script without blanks, is
    a last name; “Alder, Lena” is turned round."""
    name = " ".join(name.split())
    last, comma, first = name.partition(", ")
    if comma and last and first:
        return first, last
    words = name.split(" ")
    at = max(len(words) - 1, 0)
    while at > 1 and words[at - 1].lower() in PARTICLES:
        at -= 1
    return " ".join(words[:at]), " ".join(words[at:])


def _part_of_name(value: Ours, options: Options, context: Context) -> Ours:
    first, last = split_name(str(value))
    return first if options.get("part") == "first" else last


def _phone(value: Any, options: Options, context: Context) -> str:
    region = _text(options, "region").upper() or None
    text = str(value).strip()
    if region is None and not text.startswith("+"):
        raise TransformError(
            f"“{shapes.short(text)}” has no country code. Choose the country that numbers without one belong to."
        )
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise TransformError(f"“{shapes.short(text)}” is no phone number.") from error
    if not phonenumbers.is_possible_number(number):
        raise TransformError(f"“{shapes.short(text)}” has the wrong length for a phone number.")
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{plain};ext={number.extension}" if number.extension else plain


def _domain(value: Any) -> str:
    text = str(value).strip().lower()
    text = text.partition("://")[2] or text
    host = text.split("/")[0].split("?")[0].rpartition("@")[2].partition(":")[0]
    try:
        return addresses.normalize_domain(host.removeprefix("www."))
    except ValueError as error:
        raise TransformError(f"“{shapes.short(value)}” is no domain or web address.") from error


def _domain_out(value: Ours, options: Options, context: Context) -> str:
    return ("https://" if options.get("form") == "address" else "") + _domain(value)


def _domain_in(value: Value, options: Options, context: Context) -> str:
    return _domain(value)


def _zone(options: Options, context: Context) -> ZoneInfo:
    name = _text(options, "zone")
    try:
        return ZoneInfo(name) if name else context.time_zone
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise TransformError(f"“{shapes.short(name)}” is no time zone such as Europe/Zurich.") from error


def _day_in_zone(value: Ours, options: Options, context: Context) -> date:
    try:
        return shapes.moment(value).astimezone(_zone(options, context)).date()
    except OverflowError as error:
        raise TransformError(f"“{shapes.short(value)}” lies beyond the calendar.") from error


def _midnight_in_zone(value: Value, options: Options, context: Context) -> datetime:
    return _at(shapes.day(value), time.min, _zone(options, context))


def _moment_of_day(value: Ours, options: Options, context: Context) -> datetime:
    return _at(shapes.day(value), _clock(options), _zone(options, context))


def _at(day: date, clock: time, zone: ZoneInfo) -> datetime:
    try:
        return datetime.combine(day, clock, zone).astimezone(UTC)
    except OverflowError as error:
        raise TransformError(f"“{day}” lies beyond the calendar.") from error


def _clock(options: Options) -> time:
    try:
        return time.fromisoformat(_text(options, "time") or "09:00").replace(tzinfo=None)
    except ValueError as error:
        raise TransformError("The time of day is not written like 09:00.") from error


def pairs_of(options: Options) -> list[tuple[str, str]]:
    """The table of choices: (ours, theirs), without what is half empty or no text."""
    rows = options.get("pairs")
    if not isinstance(rows, list):
        return []
    return [
        (row[0].strip(), row[1].strip())
        for row in rows[:MOST_PAIRS]
        if isinstance(row, list) and len(row) == 2 and all(isinstance(each, str) and each.strip() for each in row)
    ]


def _choice_out(value: Ours, options: Options, context: Context) -> str:
    text = str(value).strip()
    for ours, theirs in pairs_of(options):
        if ours == text:
            return theirs
    if otherwise := _text(options, "otherwise"):
        return otherwise
    raise TransformError(f"“{shapes.short(text)}” of ours has no row in the table of choices.")


def _choice_in(value: Value, options: Options, context: Context) -> str:
    text = str(value).strip()
    for ours, theirs in pairs_of(options):
        if theirs == text:
            return ours
    if otherwise := _text(options, "otherwise_ours"):
        return otherwise
    raise TransformError(f"“{shapes.short(text)}” of the CRM has no row in the table of choices.")


def _round(value: Ours, options: Options, context: Context) -> Decimal:
    digits = _number(options, "digits", 0, 6, 0)
    with localcontext(prec=100):
        return shapes.number(value).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def _number_in(value: Value, options: Options, context: Context) -> Decimal:
    return shapes.number(value)


def _shorten(value: Ours, options: Options, context: Context) -> str:
    text, theirs = str(value).strip(), context.theirs
    most = _number(options, "length", 1, 100_000, 0) or (theirs.max_length if theirs else None)
    short = _cut(text, most)
    while theirs and theirs.type == "html" and theirs.max_length and short:
        # One sign of ours is five of HTML at most.
        over = len(shapes.as_html(short)) - theirs.max_length
        if over <= 0:
            break
        short = _cut(text, len(short) - max(1, over // 5))
    return short


def _cut(text: str, most: int | None) -> str:
    return text if most is None or len(text) <= most else text[: max(most - 1, 0)].rstrip() + "…"


def _affix(value: Ours, options: Options, context: Context) -> str:
    return f"{_raw(options, 'before')}{value}{_raw(options, 'after')}"


def _unaffix(value: Value, options: Options, context: Context) -> str:
    text, before, after = str(value), _raw(options, "before"), _raw(options, "after")
    # The CRM trims what it stores, and so may have lost blanks at either end.
    for beginning in (before, before.lstrip()):
        if beginning and text.startswith(beginning):
            text = text.removeprefix(beginning)
            break
    for ending in (after, after.rstrip()):
        if ending and text.endswith(ending):
            return text.removesuffix(ending)
    return text


def _html_out(value: Ours, options: Options, context: Context) -> str:
    return shapes.as_html(str(value))


def _html_in(value: Value, options: Options, context: Context) -> str:
    return plain_text.of(str(value))


def _raw(options: Options, name: str) -> str:
    found = options.get(name)
    return found if isinstance(found, str) else ""


def _text(options: Options, name: str) -> str:
    return _raw(options, name).strip()


def _number(options: Options, name: str, least: int, most: int, otherwise: int) -> int:
    text = str(options.get(name, "")).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        return otherwise
    return min(max(int(text), least), most)


_WORDS: frozenset[FieldType] = frozenset({"text", "long_text", "html", "email", "phone", "url", "choice"})
_REGIONS = tuple((region, region) for region in sorted(phonenumbers.SUPPORTED_REGIONS))
_ZONE = FormOption("zone", "Time zone", "zone", "Empty takes the company's own.")

TRANSFORMS: dict[str, Transform] = {
    transform.name: transform
    for transform in (
        Transform("", "None", "The value goes over as it is.", frozenset(shapes.TYPE_WORDS), "text", _same, _same),
        Transform(
            "split_name", "Part of a name", "Takes the first or the last name out of a full one. There is no way back.",
            frozenset({"text"}), "text", _part_of_name, None, sample="Lena von Alder",
            options=(FormOption("part", "Part", "choice", choices=(("first", "First name"), ("last", "Last name")),
                                default="last"),),
        ),
        Transform(
            "phone_e164", "International phone number", "Writes phone numbers as +41441234567 on both sides.",
            frozenset({"phone", "text"}), "phone", _phone, _phone, reads=frozenset({"phone", "text"}),
            sample="044 123 45 67",
            options=(FormOption("region", "Country of numbers without +", "region",
                                "Two letters, such as CH.", _REGIONS),),
        ),
        Transform(
            "domain", "Domain of an address", "Between a mail domain and a web address: www. and the path are dropped.",
            frozenset({"text", "url", "email"}), "url", _domain_out, _domain_in,
            reads=frozenset({"url", "text", "email"}), sample="https://www.pension.example/about",
            options=(FormOption("form", "The CRM gets", "choice", choices=(
                ("domain", "the domain: pension.example"), ("address", "the address: https://pension.example")),
                default="domain"),),
        ),
        Transform(
            "date_in_zone", "Day of a moment", "The day a moment falls on in a time zone. Coming back, its midnight.",
            frozenset({"datetime"}), "date", _day_in_zone, _midnight_in_zone, reads=frozenset({"date"}),
            options=(_ZONE,), sample="2026-05-06T22:30:00Z",
        ),
        Transform(
            "time_of_day", "Day at a time", "A day becomes a moment: that day at this time. Coming back, its day.",
            frozenset({"date"}), "datetime", _moment_of_day, _day_in_zone, reads=frozenset({"datetime"}),
            options=(FormOption("time", "Time of day", "time", "Such as 09:00.", default="09:00"), _ZONE),
            sample="2026-05-06",
        ),
        Transform(
            "choice_table", "Table of choices", "Each of our values stands beside the CRM's that means the same.",
            frozenset({"choice", "text"}), "choice", _choice_out, _choice_in,
            reads=frozenset({"choice", "text"}),
            options=(
                FormOption("pairs", "Table", "pairs"),
                FormOption("otherwise", "Any other value of ours becomes", "text", "Empty refuses it."),
                FormOption("otherwise_ours", "Any other value of theirs becomes", "text", "Empty refuses it."),
            ),
        ),
        Transform(
            "round", "Round", "Rounds a number.", frozenset({"number"}), "number", _round, _number_in,
            reads=frozenset({"number", "integer"}), sample="82.45",
            options=(FormOption("digits", "Digits after the point", "number", default="0", limits=(0, 6)),),
        ),
        Transform(
            "shorten", "Shorten", "Cuts long text and ends it with “…”. Coming back, nothing is done.",
            frozenset({"text", "long_text"}), "text", _shorten, _same, reads=_WORDS, sample="A long title",
            options=(FormOption("length", "Characters at most", "number", "Empty takes what the CRM's field holds.",
                                limits=(1, 100_000)),),
        ),
        Transform(
            "affix", "Words around it", "Puts words before and after the text, and takes them off coming back.",
            frozenset({"text", "long_text", "choice"}), "text", _affix, _unaffix, reads=_WORDS, sample="First call",
            options=(FormOption("before", "Before", "text", "Such as “LPxGP: ”, with the blank at the end."),
                     FormOption("after", "After", "text")),
        ),
        Transform(
            "html_text", "Plain text in HTML", "For a field that holds HTML though the CRM does not say so.",
            frozenset({"text", "long_text"}), "html", _html_out, _html_in, reads=_WORDS, sample="Fees < 2 %",
        ),
    )
}  # fmt: skip
"""By the name that FieldMapping.transform holds."""


def problems(name: str, options: Options) -> list[str]:
    """What is wrong with the options of a transform, in plain words."""
    transform = TRANSFORMS.get(name)
    if transform is None:
        return [f"There is no transform “{shapes.short(name)}”."]
    found = [_wrong(option, options) for option in transform.options]
    known = {option.name for option in transform.options}
    found += [f"“{shapes.short(other)}” is no option of “{transform.label}”." for other in sorted(set(options) - known)]
    return [words for words in found if words]


def is_storable(text: str) -> bool:
    """Whether the databases take it: no NUL, no half of a character."""
    try:
        return "\0" not in text and bool(text.encode() or True)
    except UnicodeEncodeError:
        return False


def _wrong(option: FormOption, options: Options) -> str:
    """Why one option cannot be used; empty where it can."""
    if option.form == "pairs":
        return _wrong_pairs(options.get(option.name))
    given = options.get(option.name, "")
    if not isinstance(given, str) or len(given) > MOST_TEXT or not is_storable(given):
        return f"{option.label}: give a short text."
    text = given.strip()
    if not text:
        return ""
    if option.choices and text.upper() not in {value.upper() for value, _label in option.choices}:
        return f"{option.label}: “{shapes.short(text)}” is none of the choices."
    try:
        if option.form == "zone":
            ZoneInfo(text)
        elif option.form == "time":
            time.fromisoformat(text)
        elif option.form == "number" and not option.limits[0] <= int(text) <= option.limits[1]:
            return f"{option.label}: give a number from {option.limits[0]:,} to {option.limits[1]:,}."
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return f"{option.label}: “{shapes.short(text)}” cannot be used. {option.help}".strip()
    return ""


def _wrong_pairs(rows: Any) -> str:
    if not isinstance(rows, list) or not rows:
        return "The table of choices is empty: give each of our values its counterpart."
    if len(rows) > MOST_PAIRS:
        return f"The table of choices has more than {MOST_PAIRS} rows."
    pairs = pairs_of({"pairs": rows})
    if not all(len(each) <= MOST_TEXT and is_storable(each) for pair in pairs for each in pair):
        return "The table of choices holds text that is too long, or signs that cannot be stored."
    if len(pairs) != len(rows):
        return "A row of the table of choices is only half filled in."
    return ""
