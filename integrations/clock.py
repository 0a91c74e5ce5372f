"""Back-off and jitter, in one place."""

import random

from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_exponential, wait_random

MAX_ATTEMPTS = 5
"""The specification's: after this many failed tries in a row, work is given up until somebody or the next poll asks."""

_waits = wait_exponential(multiplier=4, min=4, max=60) + wait_random(0, 2)


def back_off(failures: int, retry_after: float | None = None) -> float:
    """Seconds to wait after this many failed tries in a row: 4 to 60, doubling, with jitter; or what was asked for."""
    call = RetryCallState(Retrying(), None, (), {})
    call.attempt_number = max(1, failures)
    return max(float(_waits(call)), retry_after or 0.0)


def jittered(seconds: float, share: float = 0.1) -> float:
    """``seconds``, up to ``share`` more or less, so that many polls do not fall together."""
    return seconds * random.uniform(1 - share, 1 + share)  # noqa: S311
