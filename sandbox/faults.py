"""Faults on order: which call goes wrong next, and how.

A fault waits for calls whose operation matches its pattern, lets ``after`` of them through, spoils the next
``times`` of them and is gone. ``times`` of None spoils until cleared.
"""

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

ANSWER_KINDS = frozenset(
    {
        "rate_limit_403",
        "rate_limit_429",
        "forbidden_403",
        "not_found_404",
        "gone_410",
        "moved_301",
        "error_500",
        "error_503",
        "timeout",
        "half_page",
        "malformed_json",
        "html_200",
        "slow",
    }
)
PUSH_KINDS = frozenset({"lost", "late", "doubled", "reordered"})


@dataclass
class Fault:
    """One order. ``seconds`` is real time, for timeout, slow and late; ``retry_after`` goes out as a header."""

    id: int
    operation: str
    kind: str
    account: str = ""
    times: int | None = 1
    after: int = 0
    retry_after: str = ""
    seconds: float | None = None

    def matches(self, operation: str, account: str) -> bool:
        """Whether a call of ``operation`` by ``account`` (an address, may be empty) is meant."""
        if operation == "push" and self.operation != "push":
            return False
        is_account_meant = not self.account or self.account == account
        return is_account_meant and fnmatchcase(operation, self.operation)


class FaultBook:
    """The orders not used up yet, oldest first. The world's lock guards it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._next_id = 1

    def add(self, order: dict[str, Any]) -> Fault:
        """Take an order as the control API gives it; ValueError says what is wrong with it."""
        operation, kind = order.get("operation"), order.get("kind")
        if not isinstance(operation, str) or not operation:
            raise ValueError("operation is missing")
        allowed = PUSH_KINDS if operation == "push" else ANSWER_KINDS
        if kind not in allowed:
            raise ValueError(f"kind must be one of {', '.join(sorted(allowed))}")
        times, seconds, retry_after = order.get("times", 1), order.get("seconds"), order.get("retry_after")
        fault = Fault(
            id=self._next_id,
            operation=operation,
            kind=kind,
            account=str(order.get("account") or ""),
            times=None if times is None else int(times),
            after=int(order.get("after") or 0),
            retry_after="" if retry_after is None else str(retry_after),
            seconds=None if seconds is None else float(seconds),
        )
        self._next_id += 1
        self._faults.append(fault)
        return fault

    def take(self, operation: str, account: str) -> Fault | None:
        """The fault this call runs into, counted as used; None lets the call through."""
        for fault in self._faults:
            if not fault.matches(operation, account):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return fault
        return None

    def clear(self) -> None:
        """Cancel all orders."""
        self._faults.clear()

    def listing(self) -> list[dict[str, Any]]:
        """The open orders as JSON."""
        return [asdict(fault) for fault in self._faults]
