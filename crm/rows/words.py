"""The words in which rows are read and written, and the checks of single values."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from crm.catalogue import OURS
from crm.shapes import Ours

Values = dict[str, Any]
"""Values of ours by lpxgp_field (shapes.Ours), and by the names below."""

ADDRESSES = "person.addresses"
"""Of people: further addresses, as a tuple. They are added, none is taken away."""
ORGANIZATION = "person.organization"
"""Of people: the key of their firm, or None."""
PEOPLE = "note.people"
"""Of notes: the keys of the people it is about, as a frozenset."""
IS_WITHHELD = "is_withheld"
"""Of meetings and mail whether less of them may be told than of others."""
PARTS = "parts"
"""Of firms how many matches they have, of meetings how many notes go out with them."""


@dataclass(frozen=True)
class Problem:
    """Why a field was not written. ``other`` is the row of ours that already has what belongs to one alone."""

    field: str
    words: str
    other: uuid.UUID | None = None


@dataclass(frozen=True)
class New:
    """A row to be made."""

    values: Values


@dataclass(frozen=True)
class Created:
    """What came of one New."""

    id: uuid.UUID | None
    problems: list[Problem] = field(default_factory=list)


def checked(model: type[models.Model], column: str, value: Ours, name: str) -> tuple[Any, list[Problem]]:
    """``value`` as the column takes it, or why it does not, in the admin's own words."""
    column_field: Any = model._meta.get_field(column)
    try:
        return column_field.clean("" if value is None else value, None), []
    except ValidationError as error:
        return None, [Problem(name, f"{OURS[name].label}: {' '.join(error.messages)}")]
