"""Pages that come back to one that was read before."""

from itertools import chain, cycle, islice

import pytest

from integrations.circles import Circle


@pytest.mark.parametrize("before", [0, 1, 7, 100])
@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_a_circle_of_any_length_is_noticed_soon(before: int, length: int) -> None:
    way = chain((f"way {n}" for n in range(before)), cycle([f"circle {n}" for n in range(length)]))
    circle = Circle("")
    passed = next(number for number, page in enumerate(islice(way, 1_000)) if circle.is_closed_by(page))
    assert before + length <= passed <= 3 * (before + length) + 1


def test_the_page_that_was_begun_with_counts() -> None:
    assert Circle("a").is_closed_by("a")


def test_what_never_comes_back_is_no_circle() -> None:
    circle = Circle("")
    assert not any(circle.is_closed_by(str(n)) for n in range(10_000))
