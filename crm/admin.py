"""Every admin page of the CRM: importing them registers them."""

from crm.admin_errors import RecordLinkAdmin
from crm.admin_mappings import FieldMappingAdmin
from crm.admin_policies import PolicyAdmin
from crm.admin_records import ConflictAdmin, DriftReportAdmin, WriteAdmin
from crm.admin_rows import LinkedOrganizationAdmin, LinkedPersonAdmin
from crm.admin_twins import TwinAdmin

__all__ = [
    "ConflictAdmin",
    "DriftReportAdmin",
    "FieldMappingAdmin",
    "LinkedOrganizationAdmin",
    "LinkedPersonAdmin",
    "PolicyAdmin",
    "RecordLinkAdmin",
    "TwinAdmin",
    "WriteAdmin",
]
