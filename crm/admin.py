"""Every admin page of the CRM: importing them registers them."""

from crm.admin_errors import RecordLinkAdmin
from crm.admin_mappings import FieldMappingAdmin
from crm.admin_records import ConflictAdmin, DriftReportAdmin, PolicyAdmin, TwinAdmin, WriteAdmin

__all__ = [
    "ConflictAdmin",
    "DriftReportAdmin",
    "FieldMappingAdmin",
    "PolicyAdmin",
    "RecordLinkAdmin",
    "TwinAdmin",
    "WriteAdmin",
]
