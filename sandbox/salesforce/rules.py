"""What an admin demands of records: validation rules and duplicate rules."""

from dataclasses import dataclass


@dataclass
class ValidationRule:
    """Records of ``name`` for which ``when``, a condition in SOQL, is true are refused with ``message``."""

    name: str
    when: str
    message: str
    field: str = ""


@dataclass
class DuplicateRule:
    """A record of ``name`` that has the same value as another one in all ``fields`` is a duplicate.

    With ``allow_save`` the header Sforce-Duplicate-Rule-Header lets it pass.
    """

    name: str
    fields: list[str]
    allow_save: bool
    message: str
    rule: str
