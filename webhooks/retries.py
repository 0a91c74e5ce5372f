"""When a delivery is tried again: five tries, 4 to 60 seconds apart, growing, with jitter. Nobody sleeps meanwhile."""

from datetime import datetime, timedelta

from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_exponential_jitter

MAX_ATTEMPTS = 5
LONGEST_WAIT = 6 * 3600.0
"""Seconds: whatever a provider asks for, a delivery is tried again within this time."""

_WAIT = wait_exponential_jitter(multiplier=4, max=60, jitter=4, min=4)


def is_used_up(attempts: int) -> bool:
    """Whether no try is left after this many."""
    return attempts >= MAX_ATTEMPTS


def next_attempt_at(attempts: int, now: datetime, retry_after: float | None = None) -> datetime:
    """When to try again after ``attempts`` tries; never before the provider's ``retry_after`` seconds."""
    call = RetryCallState(Retrying(), None, (), {})
    call.attempt_number = attempts
    return now + timedelta(seconds=max(_WAIT(call), min(retry_after or 0.0, LONGEST_WAIT)))
