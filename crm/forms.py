"""The forms of the mapping page: one line with its transform's options, a note, and a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.http import QueryDict

from crm import portable, suggestions
from crm.catalogue import OurField
from crm.checks import BRIDGES
from crm.contract import Field, FieldType
from crm.mapping import Row
from crm.models import ConflictRule, Direction, WriteMode
from crm.shapes import TYPE_WORDS
from crm.transforms import MOST_PAIRS, TRANSFORMS, FormOption, Transform

OPTION = "option-"
MOST_SHOWN = 60
"""Fields of the CRM shown at once; typing narrows them."""
EMPTY_PAIRS = 2


class LineForm(forms.Form):
    """One line. Our field is given by the page; ``crm_field`` may name what the checks then complain about."""

    crm_field = forms.CharField(max_length=255, required=False, strip=True)
    sync_direction = forms.ChoiceField(choices=Direction.choices, label="Direction")
    conflict_rule = forms.ChoiceField(choices=ConflictRule.choices, label="Where both sides changed it")
    write_mode = forms.ChoiceField(choices=WriteMode.choices, label="Write")
    transform = forms.ChoiceField(
        choices=[(name, transform.label) for name, transform in TRANSFORMS.items()], required=False, label="Transform"
    )

    def __init__(self, data: QueryDict | None = None, *, row: Row) -> None:
        self.given = row
        initial = {
            "crm_field": row.crm_field,
            "sync_direction": row.sync_direction,
            "conflict_rule": row.conflict_rule,
            "write_mode": row.write_mode,
            "transform": row.transform.get("name", ""),
        }
        super().__init__(data, initial=initial)
        slug = slug_of(row.lpxgp_field)
        for name, field in self.fields.items():
            field.widget.attrs |= {"id": f"{slug}-{name}", "aria-describedby": f"{slug}-problems-{name}"}

    def row(self) -> Row:
        """The line as it was filled in; what cannot be read stays as it was."""
        if not self.is_bound:
            return self.given
        self.full_clean()
        read = {name: self.cleaned_data.get(name, self.initial[name]) for name in self.initial}
        name = read.pop("transform")
        assert isinstance(self.data, QueryDict)
        options = options_from(self.data, TRANSFORMS[name]) if name else {}
        return replace(self.given, **read, transform={"name": name, "options": options} if name else {})


class NoteForm(forms.Form):
    """What a version is for, in its author's words."""

    note = forms.CharField(max_length=500, strip=True)


class FileForm(forms.Form):
    """A mapping to be brought in."""

    file = forms.FileField()

    def clean_file(self) -> Any:
        """Refuse before reading what is too large."""
        file = self.cleaned_data["file"]
        if file.size > portable.MOST_BYTES:
            raise forms.ValidationError(f"The file is larger than {portable.MOST_BYTES // 1024} kB.")
        return file


@dataclass(frozen=True)
class Input:
    """One option of a transform as the page shows it."""

    option: FormOption
    name: str
    value: str


@dataclass(frozen=True)
class Pair:
    """One row of a table of choices."""

    ours: str
    theirs: str


@dataclass(frozen=True)
class Listed:
    """A field of the CRM in the list to choose from. ``facts`` are what matters about it, in a few words."""

    field: Field
    kind: str
    facts: tuple[str, ...]
    is_chosen: bool


@dataclass(frozen=True)
class FieldList:
    """The fields that fit a search, the chosen one first; ``more`` says how many others there are."""

    fields: Sequence[Listed]
    more: int
    total: int


def slug_of(lpxgp_field: str) -> str:
    """A field's name as part of an element's id."""
    return lpxgp_field.replace(".", "-").replace("_", "-")


def inputs(transform: Transform, options: Mapping[str, Any]) -> list[Input]:
    """What there is to fill in for a transform, but its table."""
    return [
        Input(option, OPTION + option.name, str(options.get(option.name, option.default)))
        for option in transform.options
        if option.form != "pairs"
    ]


def has_pairs(transform: Transform) -> bool:
    """Whether the transform has a table of choices."""
    return any(option.form == "pairs" for option in transform.options)


def pairs(options: Mapping[str, Any], ours: OurField, theirs: Field | None) -> list[Pair]:
    """The rows of a table of choices to show, and a few empty ones. A new table begins with what is called alike."""
    given = options.get("pairs")
    kept = [Pair(str(row[0]), str(row[1])) for row in given if len(row) == 2] if isinstance(given, list) else []
    if not kept:
        alike = dict(suggestions.table(ours, theirs)) if theirs else {}
        kept = [Pair(option.value, alike.get(option.value, "")) for option in ours.options]
    return kept[:MOST_PAIRS] + [Pair("", "")] * EMPTY_PAIRS


def options_from(data: QueryDict, transform: Transform) -> dict[str, Any]:
    """The options as they were filled in. Rows of a table that are wholly empty are left out."""
    found: dict[str, Any] = {}
    for option in transform.options:
        if option.form == "pairs":
            rows = zip(data.getlist("pair-ours"), data.getlist("pair-theirs"), strict=False)
            found["pairs"] = [[ours.strip(), theirs.strip()] for ours, theirs in rows if ours.strip() or theirs.strip()]
        elif text := data.get(OPTION + option.name, ""):
            found[option.name] = text if transform.name == "affix" else text.strip()
    return found


def field_list(fields: Mapping[str, Field], chosen: str, query: str, ours: OurField) -> FieldList:
    """The CRM's fields to choose from: the chosen one, then those whose type fits, by label."""
    words = query.lower().split()
    hits = [field for field in fields.values() if all(word in f"{field.label} {field.name}".lower() for word in words)]
    hits.sort(key=lambda field: (field.name != chosen, not _fits(ours.type, field.type), field.label.lower()))
    if chosen in fields and fields[chosen] not in hits:
        hits.insert(0, fields[chosen])
    shown = [Listed(field, TYPE_WORDS[field.type], facts(field), field.name == chosen) for field in hits[:MOST_SHOWN]]
    return FieldList(shown, len(hits) - len(shown), len(fields))


def facts(field: Field) -> tuple[str, ...]:
    """What matters about a field of the CRM before it is chosen."""
    is_writable = field.is_createable or field.is_updateable
    told = [
        (f"up to {field.max_length or 0:,} characters", field.max_length is not None),
        ("read-only", not is_writable),
        ("only at creation", field.is_createable and not field.is_updateable),
        ("required", field.is_required),
        ("unique", field.is_unique),
        (f"{len(field.options)} choices" + (" only" if field.is_restricted else ""), bool(field.options)),
        ("custom", field.is_custom),
    ]
    return tuple(words for words, is_so in told if is_so)


def _fits(ours: FieldType, theirs: FieldType) -> bool:
    alike = {
        "text": {"text", "long_text", "email", "phone", "url", "choice"},
        "long_text": {"text", "long_text", "html"},
    }
    return theirs == ours or theirs in alike.get(ours, ()) or (ours, theirs) in BRIDGES
