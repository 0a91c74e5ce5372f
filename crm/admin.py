"""Every admin page of the CRM: importing them registers them."""

from crm.admin_mappings import FieldMappingAdmin

__all__ = ["FieldMappingAdmin"]
