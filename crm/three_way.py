"""Which side's value of one field counts, by what both held when they last agreed. Pure: no rows, no clock.

All values are normalised and in the CRM's form (Line.normal). A side has changed where it differs from its own half of
the shadow, so a transform that loses something is no change. Emptiness never beats a value, but where the one side that
changed is the one that was emptied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal

from crm.contract import Value
from crm.mapping import Line
from crm.models import ConflictRule, WriteMode


class Unknown(Enum):
    """What stands for a half of the shadow that is not known: both sides never agreed on this field."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Half = Value | Unknown
Side = Literal["theirs", "ours"]


@dataclass(frozen=True)
class Decision:
    """What to do about one field.

    ``take_theirs`` writes it here, ``take_ours`` lets ours go out, ``agree`` leaves both and notes them as they are.
    ``conflict``: a value gives way, or both stay though they differ; ``winner`` is whose counts, ``why`` is in words.
    """

    action: Literal["none", "take_theirs", "take_ours", "agree"]
    conflict: bool = False
    winner: Side | Literal[""] = ""
    why: str = ""


NOTHING = Decision("none")
AGREE = Decision("agree")


def halves(shadow: Mapping[str, Any], crm_field: str) -> tuple[Half, Half]:
    """What ours and theirs were when both last agreed on this field; UNKNOWN twice where they never did."""
    known = shadow.get(crm_field)
    return (known["ours"], known["theirs"]) if known else (UNKNOWN, UNKNOWN)


def decide(
    line: Line,
    ours: Value,
    theirs: Value,
    shadow_half_ours: Half,
    shadow_half_theirs: Half,
    our_stamp: datetime | None,
    their_stamp: datetime | None,
) -> Decision:
    """What to do about this field, by both values, both halves, and when each side's record last changed."""
    if ours == theirs:
        return NOTHING if (shadow_half_ours, shadow_half_theirs) == (ours, theirs) else AGREE
    if shadow_half_ours is UNKNOWN:
        return _both(line, ours, theirs, our_stamp, their_stamp)
    we_changed, they_changed = ours != shadow_half_ours, theirs != shadow_half_theirs
    if we_changed and they_changed:
        return _both(line, ours, theirs, our_stamp, their_stamp)
    if they_changed:
        return _they_alone(line, ours, theirs)
    if we_changed:
        return _we_alone(line, ours, theirs)
    return NOTHING


def _they_alone(line: Line, ours: Value, theirs: Value) -> Decision:
    if line.is_in:
        return _take_theirs(line, ours, theirs)
    if line.rule == ConflictRule.OURS_WINS and _is_value(ours):
        words = "It goes from us to the CRM alone, and ours stays."
        return Decision("take_ours", _is_value(theirs), "ours", words)
    return AGREE


def _we_alone(line: Line, ours: Value, theirs: Value) -> Decision:
    if line.is_out:
        return _take_ours(line, ours, theirs)
    if line.rule == ConflictRule.CRM_WINS and _is_value(theirs):
        words = "It comes from the CRM alone, and the CRM's stays."
        return Decision("take_theirs", _is_value(ours), "theirs", words)
    return AGREE


def _both(line: Line, ours: Value, theirs: Value, our_stamp: datetime | None, their_stamp: datetime | None) -> Decision:
    """Both changed since they agreed, or never agreed: a value beats none, and of two the rule chooses."""
    if not _is_value(theirs):
        return _take_ours(line, ours, theirs) if line.is_out else AGREE
    if not _is_value(ours):
        return _take_theirs(line, ours, theirs) if line.is_in else AGREE
    winner, why = _by_rule(line, our_stamp, their_stamp)
    if winner == "theirs":
        taken = _take_theirs(line, ours, theirs) if line.is_in else AGREE
    else:
        taken = _take_ours(line, ours, theirs) if line.is_out else AGREE
    is_added = taken.action == "agree" or line.mode != WriteMode.ALWAYS
    # What is left as it is, or only added to, gives way to nothing; it is told all the same where nobody may write.
    is_silent = is_added and line.mode != WriteMode.ALWAYS
    return Decision(taken.action, not is_silent, "" if is_silent else winner, "" if is_silent else why)


def _by_rule(line: Line, our_stamp: datetime | None, their_stamp: datetime | None) -> tuple[Side, str]:
    if line.rule == ConflictRule.OURS_WINS:
        return "ours", "The mapping says that our value stays."
    if line.rule == ConflictRule.NEWEST and our_stamp and their_stamp:
        is_ours = our_stamp > their_stamp
        return ("ours", "Ours was changed later.") if is_ours else ("theirs", "The CRM's was changed later.")
    return "theirs", "The mapping says that the CRM's value stays."


def _take_theirs(line: Line, ours: Value, theirs: Value) -> Decision:
    return AGREE if _is_kept(line, held=ours, coming=theirs) else Decision("take_theirs", winner="theirs")


def _take_ours(line: Line, ours: Value, theirs: Value) -> Decision:
    return AGREE if _is_kept(line, held=theirs, coming=ours) else Decision("take_ours", winner="ours")


def _is_kept(line: Line, held: Value, coming: Value) -> bool:
    """Whether the write mode leaves what the receiving side holds as it is."""
    if line.mode == WriteMode.IF_EMPTY:
        return _is_value(held)
    if line.mode == WriteMode.APPEND:
        return not _is_value(coming) or str(coming) in str(held or "")
    return False


def _is_value(value: Value) -> bool:
    return value is not None and value != ""
