"""Forms that change a record: inputs by what a field holds, and which of them somebody changed.

Beside each input lies what it came up with. Only what differs from that is sent on: what changed meanwhile elsewhere
is not put back by a form that was opened before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from html import escape

from werkzeug.datastructures import MultiDict

WAS = "was."
DATETIME_STEPS = {16: "", 19: ' step="1"', 23: ' step="0.001"'}
"""How fine a browser lets one choose, by how exact the time is that it shows."""


class Kind(StrEnum):
    """What an input is. A moment is in UTC, without an offset; several choices are joined by semicolons."""

    TEXT = "text"
    AREA = "area"
    NUMBER = "number"
    DATE = "date"
    MOMENT = "datetime-local"
    CHOICE = "choice"
    SEVERAL = "several"


@dataclass(frozen=True)
class Input:
    """One field. ``choices`` are values with their labels; of a text they are offered, of a choice they are all."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    value: str = ""
    choices: Sequence[tuple[str, str]] = ()
    is_required: bool = False
    hint: str = ""


def changed(form: MultiDict[str, str], inputs: Sequence[Input]) -> dict[str, str]:
    """The inputs whose values are not what they came up with."""
    found = [(one, given(form, one), lines(form.get(WAS + one.name, ""))) for one in inputs]
    return {one.name: value for one, value, was in found if plain(one, value) != plain(one, was)}


def plain(one: Input, value: str) -> str:
    """A value to compare: a time may be written in several ways."""
    try:
        return datetime.fromisoformat(value).isoformat() if one.kind is Kind.MOMENT else value
    except ValueError:
        return value


def given(form: MultiDict[str, str], one: Input) -> str:
    """What was filled in."""
    return lines(";".join(form.getlist(one.name)) if one.kind is Kind.SEVERAL else form.get(one.name, ""))


def lines(text: str) -> str:
    """A text with ends of lines as everywhere but in forms."""
    return text.replace("\r\n", "\n")


def form(
    button: str, main: str, more: str = "", *, is_open: bool = False, hidden: Mapping[str, str] | None = None
) -> str:
    """A form to the page itself; ``more`` is folded away unless ``is_open``."""
    kept = "".join(secret(name, value) for name, value in (hidden or {}).items())
    rest = f"<details{' open' if is_open else ''}><summary>More fields</summary>{more}</details>" if more else ""
    return f'<form method="post">{kept}{main}{rest}<div class="buttons">{button}</div></form>'


def button(do: str, text: str, *, is_main: bool = False) -> str:
    """A button that says what to do."""
    look = ' class="main"' if is_main else ""
    return f'<button{look} name="do" value="{escape(do)}">{escape(text)}</button>'


def secret(name: str, value: str) -> str:
    """A hidden input."""
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def grid(inputs: Sequence[Input], was: Mapping[str, str], problems: Mapping[str, str]) -> str:
    """Inputs beside one another where there is room; ``was`` is what they came up with, ``problems`` what is wrong."""
    return f'<div class="grid">{"".join(labelled(one, was.get(one.name, ""), problems) for one in inputs)}</div>'


def labelled(one: Input, was: str, problems: Mapping[str, str]) -> str:
    """An input with its label, its hint and its problem."""
    problem, key = problems.get(one.name, ""), f"f.{one.name}"
    told = f'<small id="{escape(key)}.p" class="problem">{escape(problem)}</small>' if problem else ""
    hint = f'<small id="{escape(key)}.h" class="quiet">{escape(one.hint)}</small>' if one.hint else ""
    about = " ".join(f"{key}.{part}" for part, text in (("h", hint), ("p", told)) if text)
    attributes = f' id="{escape(key)}" name="{escape(one.name)}"'
    attributes += f' aria-describedby="{escape(about)}"' if about else ""
    attributes += ' aria-invalid="true"' if problem else ""
    attributes += " required" if one.is_required else ""
    star = ' <span class="problem">(required)</span>' if one.is_required else ""
    wide = ' class="wide"' if one.kind is Kind.AREA else ""
    return (
        f'<div{wide}><label for="{escape(key)}">{escape(one.label)}{star}</label>'
        f"{control(one, attributes)}{hint}{told}{secret(WAS + one.name, was)}</div>"
    )


def control(one: Input, attributes: str) -> str:
    """The input alone."""
    match one.kind:
        case Kind.AREA:
            return f'<textarea rows="4"{attributes}>\n{escape(one.value)}</textarea>'
        case Kind.CHOICE:
            return f"<select{attributes}>{options(one.choices, [one.value])}</select>"
        case Kind.SEVERAL:
            return f'<select multiple size="5"{attributes}>{options(one.choices, one.value.split(";"))}</select>'
        case Kind.NUMBER:
            return f'<input type="number" step="any" value="{escape(one.value)}"{attributes}>'
        case Kind.MOMENT:
            step = DATETIME_STEPS.get(len(one.value), "")
            return f'<input type="datetime-local"{step} value="{escape(one.value)}"{attributes}>'
    return texted(one, attributes)


def texted(one: Input, attributes: str) -> str:
    """A line of text or a date; what is often written there is offered."""
    if not one.choices:
        return f'<input type="{one.kind}" value="{escape(one.value)}"{attributes}>'
    key = escape(f"l.{one.name}")
    offered = f'<datalist id="{key}">{options(one.choices, [])}</datalist>'
    return f'<input type="text" value="{escape(one.value)}" list="{key}"{attributes}>{offered}'


def options(choices: Sequence[tuple[str, str]], chosen: Sequence[str]) -> str:
    """Options of a list."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value in chosen else ""}>{escape(label)}</option>'
        for value, label in choices
    )


@dataclass(frozen=True)
class Refusal:
    """Why nothing was saved: in words, and which fields it is about."""

    why: Sequence[str]
    fields: Mapping[str, str]


def refilled(inputs: Sequence[Input], form: MultiDict[str, str]) -> list[Input]:
    """The inputs as somebody filled them in, to come up with again."""
    return [replace(one, value=given(form, one)) for one in inputs]


def came_up_with(inputs: Sequence[Input], form: MultiDict[str, str] | None) -> dict[str, str]:
    """What lies beside each input: of a form that comes back what lay there before."""
    if form is None:
        return {one.name: one.value for one in inputs}
    return {one.name: lines(form.get(WAS + one.name, "")) for one in inputs}
