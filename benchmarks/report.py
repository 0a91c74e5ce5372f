"""Medians and tables."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


class Rounds:
    """Numbers by configuration and name, one list each: one number per round."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[float]]] = {}

    def add(self, configuration: str, **numbers: float) -> None:
        """What one round of a configuration gave."""
        for name, number in numbers.items():
            self._values.setdefault(configuration, {}).setdefault(name, []).append(number)

    def median(self, configuration: str, name: str) -> float:
        return statistics.median(self._values[configuration][name])

    def medians(self, configuration: str) -> dict[str, float]:
        return {name: round(statistics.median(values), 4) for name, values in self._values[configuration].items()}

    def ratio(self, configuration: str, baseline: str, name: str) -> float:
        """The median of the ratios within each round, so that a noisy minute hits both sides."""
        pairs = zip(self._values[configuration][name], self._values[baseline][name], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def configurations(self) -> list[str]:
        return list(self._values)


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table that is Markdown too."""
    cells = [[_text(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(headings), *cells]) for column in range(len(headings))]
    print()
    for line in [list(headings), ["-" * width for width in widths], *cells]:
        print("| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |")
    print(flush=True)


def verdict(value: float, target: float, is_floor: bool = True) -> str:
    """The target and whether it is met."""
    is_met = value >= target if is_floor else value <= target
    return f"{'>=' if is_floor else '<='} {_text(target)} {'met' if is_met else 'MISSED'}"


def rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in numbers.items()}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
