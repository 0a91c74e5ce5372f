"""The staff's pages over every table of the domain. They run over all companies: lpxgp.middleware.Tenancy."""

from relationships.admin.contacts import (
    BlockRuleAdmin,
    FundAdmin,
    MatchAdmin,
    OrganizationAdmin,
    OrganizationDomainAdmin,
    PersonAddressAdmin,
    PersonAdmin,
)
from relationships.admin.firms import CompanyAdmin, CompanyDomainAdmin, UserAdmin
from relationships.admin.history import (
    BriefAdmin,
    BriefFailureAdmin,
    FollowUpAdmin,
    NoteAdmin,
    TaskAdmin,
    TouchpointAdmin,
)

__all__ = [
    "BlockRuleAdmin",
    "BriefAdmin",
    "BriefFailureAdmin",
    "CompanyAdmin",
    "CompanyDomainAdmin",
    "FollowUpAdmin",
    "FundAdmin",
    "MatchAdmin",
    "NoteAdmin",
    "OrganizationAdmin",
    "OrganizationDomainAdmin",
    "PersonAddressAdmin",
    "PersonAdmin",
    "TaskAdmin",
    "TouchpointAdmin",
    "UserAdmin",
]
