"""Background jobs of the domain. Each may run twice at once and does its work once."""

import structlog
from django.utils import timezone

from relationships import briefs, follow_ups, log_names, tenancy

log = structlog.get_logger("relationships.jobs")


def make_briefs(only: str = "") -> int:
    """Make the briefs that are due, over every company or ``only`` this one; returns how many were written.

    Runs each minute, and at once where it is said that what a brief tells has changed.
    """
    made = 0
    for company_id, touchpoint_id in briefs.due(timezone.now()):
        if only not in {"", str(company_id)}:
            continue
        with tenancy.within(company_id):
            try:
                brief = briefs.make(touchpoint_id)
            # One meeting's odd data must not cost the others their brief: kept with its reason, tried again each sweep.
            except Exception as error:
                log.exception("brief_failed", company_id=str(company_id), touchpoint_id=str(touchpoint_id))
                briefs.record_failure(company_id, touchpoint_id, error)
                continue
        briefs.clear_failure(touchpoint_id)
        made += brief is not None
    return made


def sweep_follow_ups() -> int:
    """What the clock changes in who owes an answer, over every company; returns how many follow-ups were opened."""
    return follow_ups.sweep()


def forget_names() -> int:
    """Take the names of what was deleted, or is withheld, out of the admin's log; returns of how many entries."""
    return log_names.forget()
