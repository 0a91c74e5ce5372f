"""Pieces small enough for one statement: SQLite takes 32,766 variables, PostgreSQL 65,535."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

KEYS = 10_000
"""How many values one IN list, or rows of two columns one INSERT, may carry."""


def of(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``values`` in their order, at most ``size`` at a time; nothing for none."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
