"""Of one grant a hundred refresh tokens are good at once: the oldest goes when one more is given, and no sooner."""

from collections.abc import Callable
from itertools import count

import pytest

from sandbox.clock import Clock
from sandbox.google.tokens import Tokens as GoogleTokens
from sandbox.microsoft.tokens import Tokens as MicrosoftTokens


@pytest.mark.parametrize("kind", [GoogleTokens, MicrosoftTokens])
@pytest.mark.parametrize(("given", "gone"), [(1, 0), (60, 0), (99, 0), (100, 0), (101, 1), (130, 30)])
def test_no_more_than_a_hundred_live(
    kind: Callable[[Clock], GoogleTokens | MicrosoftTokens], given: int, gone: int
) -> None:
    tokens = kind(Clock())
    made = [tokens.new_refresh("app", "anna@acme.example", ["scope"]) for _ in range(given)]
    dead = [number for number, token in zip(count(), made, strict=False) if token not in tokens.refresh]
    assert dead == list(range(gone))
