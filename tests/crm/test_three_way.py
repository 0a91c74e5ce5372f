"""The decision about one field: it settles, and nothing that somebody wrote is lost unsaid."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.catalogue import OURS
from crm.contract import Field
from crm.mapping import Line
from crm.three_way import UNKNOWN, Decision, decide, halves
from crm.transforms import TRANSFORMS

LINE = Line(
    OURS["person.title"], "Contact", "Title", Field("Title", "Title", "text"), "bidirectional", "crm_wins", "always",
    TRANSFORMS[""],
)  # fmt: skip
OLD, NEW = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)

values = st.sampled_from([None, "CIO", "Partner", "Clerk"])
lines = st.builds(
    lambda direction, rule, mode: replace(LINE, direction=direction, rule=rule, mode=mode),
    st.sampled_from(["bidirectional", "from_crm", "to_crm"]),
    st.sampled_from(["crm_wins", "ours_wins", "newest"]),
    st.sampled_from(["always", "if_empty", "append"]),
)


def decided(line: Line, ours: Any, theirs: Any, base: Any = UNKNOWN, newer: str = "theirs") -> tuple[str, bool]:
    stamps = (OLD, NEW) if newer == "theirs" else (NEW, OLD)
    found = decide(line, ours, theirs, base, base, *stamps)
    return found.action, found.conflict


@pytest.mark.parametrize(
    ("ours", "theirs", "base", "expected"),
    [
        ("a", "a", "a", ("none", False)),
        ("a", "a", UNKNOWN, ("agree", False)),
        ("b", "b", "a", ("agree", False)),
        ("a", "b", "a", ("take_theirs", False)),
        ("b", "a", "a", ("take_ours", False)),
        ("b", "c", "a", ("take_theirs", True)),
        (None, "a", "a", ("take_ours", False)),
        ("a", None, "a", ("take_theirs", False)),
        ("b", None, "a", ("take_ours", False)),
        (None, "b", "a", ("take_theirs", False)),
        ("a", None, UNKNOWN, ("take_ours", False)),
        (None, "a", UNKNOWN, ("take_theirs", False)),
        ("a", "b", UNKNOWN, ("take_theirs", True)),
    ],
)
def test_both_ways_the_crm_wins(ours: Any, theirs: Any, base: Any, expected: tuple[str, bool]) -> None:
    assert decided(LINE, ours, theirs, base) == expected


def test_rules_choose_between_two_changes() -> None:
    assert decided(replace(LINE, rule="ours_wins"), "b", "c", "a") == ("take_ours", True)
    newest = replace(LINE, rule="newest")
    assert decided(newest, "b", "c", "a", newer="ours") == ("take_ours", True)
    assert decided(newest, "b", "c", "a", newer="theirs") == ("take_theirs", True)


def test_what_comes_from_the_crm_alone_is_put_right_and_told() -> None:
    line = replace(LINE, direction="from_crm")
    assert decided(line, "b", "a", "a") == ("take_theirs", True)
    assert decided(replace(line, rule="ours_wins"), "b", "a", "a") == ("agree", False)
    assert decided(line, "b", None, None) == ("agree", False)
    assert decided(line, None, "a", "a") == ("take_theirs", False)


def test_what_goes_out_alone_is_put_right_there_where_ours_wins() -> None:
    line = replace(LINE, direction="to_crm", rule="ours_wins")
    assert decided(line, "a", "b", "a") == ("take_ours", True)
    assert decided(line, None, "b", None) == ("agree", False)
    assert decided(replace(line, rule="crm_wins"), "a", "b", "a") == ("agree", False)
    assert decided(line, "a", "b") == ("take_ours", True)


def test_write_modes_spare_what_is_there() -> None:
    if_empty = replace(LINE, mode="if_empty")
    assert decided(if_empty, "b", "c", "a") == ("agree", False)
    assert decided(if_empty, None, "c") == ("take_theirs", False)
    append = replace(LINE, mode="append")
    assert decided(append, "b", "c", "b") == ("take_theirs", False)
    assert decided(append, "b and c", "c") == ("agree", False)


def test_a_lossy_transform_is_no_change() -> None:
    assert decide(LINE, "lena", "LENA A.", "lena", "LENA A.", OLD, NEW) == Decision("none")


@dataclass
class World:
    """Both sides of one field, its shadow, and the values that somebody put somewhere."""

    line: Line
    ours: Any
    theirs: Any
    shadow: dict[str, Any]

    def sync(self) -> bool:
        """Once in, once out, as pull and push do; whether anything was written or told."""
        half_ours, half_theirs = halves(self.shadow, "Title")
        found = decide(self.line, self.ours, self.theirs, half_ours, half_theirs, OLD, NEW)
        lost = self._lost(found)
        if found.action == "take_theirs":
            is_added = self.line.mode == "append" and self.ours
            self.ours = f"{self.ours}\n{self.theirs}" if is_added else self.theirs
        elif found.action == "take_ours":
            is_added = self.line.mode == "append" and self.theirs
            self.theirs = f"{self.theirs}\n{self.ours}" if is_added else self.ours
        if found.action != "none":
            self.shadow = {"Title": {"ours": self.ours, "theirs": self.theirs}}
        assert not lost or found.conflict, f"{lost} vanished by {found}"
        return found.action in {"take_theirs", "take_ours"} or found.conflict

    def _lost(self, found: Decision) -> Any:
        """A value that gives way though its own side wrote it since both agreed."""
        half_ours, half_theirs = halves(self.shadow, "Title")
        if self.line.mode == "append" or self.ours == self.theirs:
            return None
        if found.action == "take_theirs" and self.ours and self.ours != half_ours:
            return self.ours
        if found.action == "take_ours" and self.theirs and self.theirs != half_theirs:
            return self.theirs
        return None


@given(lines, values, values, st.one_of(st.none(), st.tuples(values, values)))
def test_it_settles_and_loses_nothing_unsaid(line: Line, ours: Any, theirs: Any, base: Any) -> None:
    shadow = {"Title": {"ours": base[0], "theirs": base[1]}} if base else {}
    world = World(line, ours, theirs, shadow)
    world.sync()
    assert not world.sync(), "the second time nothing happens"


@given(lines, values, values, st.tuples(values, values), st.booleans())
def test_a_winner_is_named_with_its_reason(line: Line, ours: Any, theirs: Any, base: Any, is_ours: bool) -> None:
    found = decide(line, ours, theirs, base[0], base[1], NEW if is_ours else OLD, OLD + timedelta(hours=1))
    assert bool(found.why and found.winner) or not found.conflict
    assert found.action != "take_theirs" or line.is_in
    assert found.action != "take_ours" or line.is_out
