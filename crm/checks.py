"""What is wrong with a mapping, before it can do harm: each problem in plain words, with its fix.

Everything is held against the CRM's own field lists, as they were last read. An error keeps a mapping from being
published; a warning says what some records will run into.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from crm import mapping, transforms
from crm.catalogue import KIND_LABELS, OURS
from crm.contract import Field, FieldType, NewField
from crm.mapping import Line, Row, Schema
from crm.models import ConflictRule, Direction, WriteMode
from crm.shapes import TYPE_WORDS
from crm.transforms import pairs_of

TAKES_OUT: Mapping[FieldType, frozenset[FieldType]] = {
    "text": frozenset({"text", "long_text", "html", "choice", "choices"}),
    "long_text": frozenset({"text", "long_text", "html"}),
    "html": frozenset({"text", "long_text", "html"}),
    "email": frozenset({"email", "text", "long_text"}),
    "phone": frozenset({"phone", "text", "long_text"}),
    "url": frozenset({"url", "text", "long_text"}),
    "integer": frozenset({"integer", "number", "text"}),
    "number": frozenset({"number", "text"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date", "text"}),
    "datetime": frozenset({"datetime", "text"}),
    "choice": frozenset({"choice", "choices", "text"}),
    "choices": frozenset({"choices", "text"}),
}
"""Types of theirs that take a value of each type of ours."""

_ANY_WORDS: frozenset[FieldType] = frozenset(
    {"text", "long_text", "html", "email", "phone", "url", "choice", "choices", "integer", "number"}
)
TAKES_IN: Mapping[FieldType, frozenset[FieldType]] = {
    "text": _ANY_WORDS,
    "long_text": _ANY_WORDS,
    "email": frozenset({"email", "text"}),
    "phone": frozenset({"phone", "text"}),
    "url": frozenset({"url", "text"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "number"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
    "choice": frozenset({"choice", "text"}),
}
"""Types of theirs that each type of ours can be filled from."""

BRIDGES: Mapping[tuple[FieldType, FieldType], str] = {
    ("datetime", "date"): "date_in_zone",
    ("date", "datetime"): "time_of_day",
    ("number", "integer"): "round",
    ("text", "url"): "domain",
    ("choice", "choice"): "choice_table",
    ("text", "phone"): "phone_e164",
}
"""The transform that helps where our type (first) does not fit theirs."""

MOST_NAMED = 5
USUAL, SMALL, LONGEST = 255, 40, 50_000
"""Characters: names and the like of ours that are stored in up to so many rarely have more than so few; long texts
rarely more than the last."""
LONG: frozenset[FieldType] = frozenset({"text", "long_text", "html"})


@dataclass(frozen=True)
class Problem:
    """``line`` counts the rows from 0; None is the mapping as a whole. ``field`` is the part of the row to change."""

    line: int | None
    field: str
    message: str
    fix: str
    is_error: bool = True


@dataclass(frozen=True)
class Crm:
    """What there is to check against: the field lists, which object is for which kind, and where our keys are kept."""

    schema: Schema
    objects: Mapping[str, str]
    key_fields: Mapping[str, str]
    new_fields: tuple[NewField, ...] = ()


def problems(rows: Sequence[Row], crm: Crm) -> list[Problem]:
    """Everything wrong with these rows, line by line, and then with the whole."""
    found: list[Problem] = []
    for number, row in enumerate(rows):
        found += of_row(number, row, crm)
    found += _doubled(rows)
    lines = [(number, line) for number, row in enumerate(rows) if (line := mapping.line(row, crm.schema))]
    found += _required_theirs(lines, crm)
    found += _required_ours(lines)
    found += _keys(lines, crm)
    return found


def errors(found: Iterable[Problem]) -> list[Problem]:
    """Those that keep a mapping from being published."""
    return [problem for problem in found if problem.is_error]


def of_row(number: int, row: Row, crm: Crm) -> list[Problem]:
    """What is wrong with one row by itself."""
    return [Problem(number, *each) for each in _of_row(row, crm)]


Said = tuple[str, str, str, bool]
"""field, message, fix, whether it is an error."""


def _of_row(row: Row, crm: Crm) -> Iterator[Said]:
    ours = OURS.get(row.lpxgp_field)
    if ours is None:
        yield "lpxgp_field", f"We have no field “{row.lpxgp_field}”.", "Choose one of the list.", True
        return
    for name, value, known in (
        ("sync_direction", row.sync_direction, Direction.values),
        ("conflict_rule", row.conflict_rule, ConflictRule.values),
        ("write_mode", row.write_mode, WriteMode.values),
    ):
        if value not in known:
            yield name, f"“{value}” is none of the choices.", "Choose one of the list.", True
            return
    wrong = transforms.problems(row.transform.get("name", ""), row.transform.get("options") or {})
    for words in wrong:
        yield "transform", words, "Correct it below, or choose another transform.", True
    line = mapping.line(row, crm.schema)
    if line is None:
        return
    yield from _direction(line)
    yield from _object(row, line, crm)
    if line.theirs is not None:
        yield from _access(line, line.theirs)
        yield from _types(line, line.theirs)
        if not wrong:
            yield from _choices(line, line.theirs)
        yield from _length(line, line.theirs)


def _goes_in(line: Line) -> bool:
    return line.direction != Direction.TO_CRM


def _goes_out(line: Line) -> bool:
    return line.direction != Direction.FROM_CRM


def _direction(line: Line) -> Iterator[Said]:
    if _goes_in(line) and not line.ours.is_incoming:
        message = f"{line.ours.label} is made here and cannot be changed from the CRM."
        yield "sync_direction", message, "Choose “From us to the CRM”.", True
    elif _goes_in(line) and line.transform.from_crm is None:
        message = f"“{line.transform.label}” has no way back from the CRM."
        yield "sync_direction", message, "Choose “From us to the CRM”, or another transform.", True
    if _goes_out(line) and not line.ours.is_outgoing:
        message = f"{line.ours.label} is never sent to a CRM."
        yield "sync_direction", message, "Choose “From the CRM to us”.", True
    if line.mode == WriteMode.APPEND:
        if line.direction == Direction.BIDIRECTIONAL:
            message = "Adding to what is there would go round in circles if it went both ways."
            yield "write_mode", message, "Choose one direction, or “Always”.", True
        elif line.ours.type not in LONG or (line.theirs and line.theirs.type not in LONG):
            yield "write_mode", "Only text can be added to what is there.", "Choose “Always” or “Only if empty”.", True


def _object(row: Row, line: Line, crm: Crm) -> Iterator[Said]:
    wanted = crm.objects.get(line.ours.kind)
    if not row.crm_field:
        yield "crm_field", "No field of the CRM is chosen.", "Choose one, or remove the line.", True
    elif wanted != row.crm_object:
        message = (
            f"{KIND_LABELS[line.ours.kind]} are kept in {wanted or 'nothing'} of this CRM, not in {row.crm_object}."
        )
        yield "crm_field", message, "Choose the field again.", True
    elif row.crm_object not in crm.schema:
        message = f"The field list of {row.crm_object} was not read yet, so this line could not be checked."
        yield "crm_field", message, "Press “Refresh fields”.", False
    elif line.theirs is None:
        is_new = any((new.object, new.name) == (row.crm_object, row.crm_field) for new in crm.new_fields)
        message = f"{row.crm_object} has no field “{row.crm_field}”, or hides it from the linked account."
        fix = (
            "Press “Create the missing fields” on the mapping's page, or ask the CRM's administrator to show it."
            if is_new
            else "Choose another field; if it is new or was just made visible, press “Refresh fields” first."
        )
        yield "crm_field", message, fix, True


def _access(line: Line, theirs: Field) -> Iterator[Said]:
    if theirs.type in {"reference", "other"}:
        message = f"{theirs.label} is a {TYPE_WORDS[theirs.type]}, which cannot be mapped."
        yield "crm_field", message, "Choose a field with a plain value.", True
    if not _goes_out(line):
        return
    if not theirs.is_createable and not theirs.is_updateable:
        message = f"{theirs.label} is read-only: the CRM works it out itself, or the linked account may not write it."
        fix = "Choose another field, ask the CRM's administrator for access, or let it come from the CRM alone."
        yield "crm_field", message, fix, True
    elif not theirs.is_updateable:
        message = f"{theirs.label} can be written when a record is created, and never changed after."
        yield "crm_field", message, "Nothing to do if that is meant.", False
    elif not theirs.is_createable:
        message = f"{theirs.label} cannot be written when a record is created; our value follows with its next change."
        yield "crm_field", message, "Nothing to do if that is meant.", False


def _types(line: Line, theirs: Field) -> Iterator[Said]:
    ours, transform = line.ours, line.transform
    if theirs.type in {"reference", "other"}:
        return
    if transform.name and ours.type not in transform.takes:
        message = f"“{transform.label}” is not for a {TYPE_WORDS[ours.type]} such as {ours.label}."
        yield "transform", message, "Choose another transform, or none.", True
        return
    given = _given(line)
    hint = BRIDGES.get((ours.type, theirs.type), "")
    has_hint = hint and hint != transform.name
    fix = f"Choose the transform “{transforms.TRANSFORMS[hint].label}”." if has_hint else "Choose another field."
    fits_out = any(theirs.type in TAKES_OUT.get(one, ()) for one in given)
    if _goes_out(line) and not fits_out:
        message = f"Our {TYPE_WORDS[given[0]]} does not fit {theirs.label}, which takes a {TYPE_WORDS[theirs.type]}."
        yield ("transform" if has_hint else "crm_field"), message, fix, True
    if _goes_in(line) and not _fits_in(line, theirs) and (fits_out or not _goes_out(line)):
        message = f"{theirs.label} holds a {TYPE_WORDS[theirs.type]}, which cannot become our {TYPE_WORDS[ours.type]}."
        yield ("transform" if has_hint else "crm_field"), message, fix, True


def _given(line: Line) -> tuple[FieldType, ...]:
    """The types our value may count as once it was turned."""
    transform, ours = line.transform, line.ours
    if not transform.name or transform.name == "shorten":
        return (ours.type,)
    if transform.name == "domain":
        return ("text", "url", "email") if line.options.get("form") != "address" else ("url",)
    if transform.name == "round" and str(line.options.get("digits", "0")).strip() in {"", "0"}:
        return ("integer", "number")
    if transform.name == "html_text":
        return ("html", "text")
    return (transform.gives,)


def _fits_in(line: Line, theirs: Field) -> bool:
    if line.transform.name:
        return theirs.type in line.transform.reads
    return theirs.type in TAKES_IN.get(line.ours.type, ())


def _choices(line: Line, theirs: Field) -> Iterator[Said]:
    known = {option.value for option in theirs.options if option.is_active}
    if line.transform.name == "choice_table":
        yield from _table(line, theirs, known)
        return
    ours = {option.value for option in line.ours.options} or ({line.ours.constant} - {""})
    if _goes_out(line) and theirs.is_restricted and theirs.type in {"choice", "choices"}:
        lacking = sorted(ours - known)
        if lacking:
            are = "is" if len(lacking) == 1 else "are"
            message = f"{theirs.label} takes certain choices only, and {_named(lacking)} {are} none of them."
            yield "transform", message, "Choose the transform “Table of choices” and fill it in.", True
        elif not ours:
            message = f"{theirs.label} takes certain choices only; any other text of ours is refused."
            yield "transform", message, "Choose the transform “Table of choices”, or a field of free text.", True
    if _goes_in(line) and line.ours.options and not (known and known <= ours):
        message = f"{line.ours.label} takes only {', '.join(sorted(ours))}; the CRM holds other values."
        yield "transform", message, "Choose the transform “Table of choices” and fill it in.", True


def _table(line: Line, theirs: Field, known: set[str]) -> Iterator[Said]:
    pairs = pairs_of(line.options)
    otherwise = str(line.options.get("otherwise") or "").strip()
    ours = {option.value for option in line.ours.options}
    if _goes_out(line) and known:
        sent = [value for _ours, value in pairs] + ([otherwise] if otherwise else [])
        for value in sorted(set(sent) - known):
            message = f"The CRM has no choice “{value}” in {theirs.label}."
            yield "transform", message, "Correct the table, or add the choice in the CRM.", theirs.is_restricted
    if ours and (strange := sorted({value for value, _theirs in pairs} - ours)):
        message = f"“{strange[0]}” is no value of {line.ours.label}: there are {', '.join(sorted(ours))}."
        yield "transform", message, "Correct the left side of the table.", True
    lacking = sorted(ours - {value for value, _theirs in pairs})
    if _goes_out(line) and lacking and not otherwise:
        is_one = len(lacking) == 1
        message = f"Our value {_named(lacking)} stands in no row: records that hold it are refused."
        if not is_one:
            message = f"Our values {_named(lacking)} stand in no row: records that hold them are refused."
        fix = f"Add a row for {'it' if is_one else 'each'}, or say what any other value becomes."
        yield "transform", message, fix, False
    back = str(line.options.get("otherwise_ours") or "").strip()
    if _goes_in(line) and ours and back and back not in ours:
        yield "transform", f"“{back}” is no value of {line.ours.label}.", f"Choose one of {', '.join(ours)}.", True


def _named(values: Sequence[str]) -> str:
    """The first of these values, each in quotes, and how many more there are."""
    told = ", ".join(f"“{value}”" for value in values[:MOST_NAMED])
    return told if len(values) <= MOST_NAMED else f"{told} and {len(values) - MOST_NAMED} more"


def _length(line: Line, theirs: Field) -> Iterator[Said]:
    if not _goes_out(line) or theirs.max_length is None or line.transform.name == "shorten":
        return
    ours = line.ours
    # What may be short by its nature is worth a note only where the field is really small.
    most = LONGEST if ours.type == "long_text" else ours.max_length or 0
    is_likely = most > theirs.max_length if most > USUAL else theirs.max_length < SMALL
    if ours.type in {"text", "long_text"} and not ours.constant and is_likely:
        message = f"{ours.label} may be longer than the {theirs.max_length:,} characters {theirs.label} holds."
        fix = "Choose the transform “Shorten”, or leave it: the CRM then refuses those that are too long."
        yield "transform", message, fix, False


def _doubled(rows: Sequence[Row]) -> Iterator[Problem]:
    ours = Counter(row.lpxgp_field for row in rows)
    theirs = Counter((_kind(row), row.crm_object, row.crm_field) for row in rows if row.crm_field)
    for number, row in enumerate(rows):
        if ours[row.lpxgp_field] > 1 and row.lpxgp_field in OURS:
            label = OURS[row.lpxgp_field].label
            yield Problem(number, "lpxgp_field", f"{label} is mapped more than once.", "Remove all lines but one.")
        if theirs[_kind(row), row.crm_object, row.crm_field] > 1:
            message = (
                f"{row.crm_object}.{row.crm_field} is used by more than one line, which would overwrite each other."
            )
            yield Problem(number, "crm_field", message, "Choose another field for all but one of them.")


def _kind(row: Row) -> str:
    return OURS[row.lpxgp_field].kind if row.lpxgp_field in OURS else ""


def _required_theirs(lines: Sequence[tuple[int, Line]], crm: Crm) -> Iterator[Problem]:
    """Fields that a new record needs and nobody fills. What a record belongs to is filled by the sync itself."""
    for kind, crm_object in crm.objects.items():
        out = [line for _number, line in lines if line.ours.kind == kind and _goes_out(line)]
        filled = {line.crm_field for line in out} | {crm.key_fields.get(crm_object, "")}
        for field in crm.schema.get(crm_object, {}).values() if out else ():
            is_filled = field.name in filled or (field.type == "reference" and not field.is_custom)
            if field.is_required and not is_filled:
                message = (
                    f"{KIND_LABELS[kind]}: the CRM requires {field.label} ({crm_object}.{field.name}) of a new record, "
                    "and no line fills it. Records that are there can still be written; new ones are refused."
                )
                yield Problem(None, field.name, message, f"Map a field of ours to {field.label}.", is_error=False)


def _required_ours(lines: Sequence[tuple[int, Line]]) -> Iterator[Problem]:
    incoming = {line.ours.name for _number, line in lines if _goes_in(line)}
    kinds = {OURS[name].kind for name in incoming}
    name_parts = {"person.name", "person.first_name", "person.last_name"}
    if "person" in kinds and not incoming & {"person.name", "person.last_name"}:
        message = "People: no line brings a name from the CRM, so people only the CRM has cannot be made here."
        yield Problem(None, "person", message, "Let the full name or the last name come from the CRM.", is_error=False)
    if "person.name" in incoming and len(incoming & name_parts) > 1:
        message = "People: the full name and its parts both come from the CRM, and would change each other."
        yield Problem(None, "person", message, "Let either the full name or its parts come from the CRM.")
    for field in OURS.values():
        if field.is_required and field.kind in kinds and field.name not in incoming:
            message = (
                f"{KIND_LABELS[field.kind]}: no line brings {field.label} from the CRM, so what only the CRM has "
                "cannot be made here."
            )
            yield Problem(None, field.name, message, f"Let {field.label} come from the CRM.", is_error=False)


def _keys(lines: Sequence[tuple[int, Line]], crm: Crm) -> Iterator[Problem]:
    """Where our key cannot be kept, a lost answer could make a record twice."""
    written = {line.crm_object for _number, line in lines if _goes_out(line)}
    for crm_object, name in crm.key_fields.items():
        if crm_object in written and crm_object in crm.schema and name not in crm.schema[crm_object]:
            message = f"{crm_object} has no field {name}, which holds our key: records there cannot be created safely."
            yield Problem(None, name, message, "Press “Create the missing fields”.", is_error=False)
    for number, line in lines:
        if _goes_out(line) and line.crm_field == crm.key_fields.get(line.crm_object):
            message = f"{line.crm_field} holds our own key and is filled by the sync."
            yield Problem(number, "crm_field", message, "Choose another field.")
