"""The members' pages over the domain. Rows come from the member's own company alone: lpxgp.middleware.Tenancy."""

from relationships.views.account import privacy, profile, rule
from relationships.views.follow_ups import follow_up, follow_ups
from relationships.views.guards import members_only
from relationships.views.meetings import meeting, task
from relationships.views.people import people, person
from relationships.views.today import today

__all__ = [
    "follow_up",
    "follow_ups",
    "meeting",
    "members_only",
    "people",
    "person",
    "privacy",
    "profile",
    "rule",
    "task",
    "today",
]
