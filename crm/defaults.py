"""The standard mapping of each CRM, as its adapter's package holds it."""

import importlib
from dataclasses import dataclass
from functools import cache

from crm.contract import NewField
from crm.mapping import Row
from integrations import providers


@dataclass(frozen=True)
class Defaults:
    """What a company's mapping begins with, and the fields of ours that the CRM can be asked to create.

    ``creating_needs`` says what the linked account must be allowed for that, in the CRM's own words.
    """

    rows: tuple[Row, ...]
    new_fields: tuple[NewField, ...]
    creating_needs: str


@cache
def of(provider: str) -> Defaults:
    """The standard mapping of this CRM. Raises LookupError where the provider has none."""
    data = importlib.import_module(f"{providers.service(provider, 'crm').adapter}.defaults")
    return Defaults(tuple(Row(**row) for row in data.DEFAULT_ROWS), tuple(data.NEW_FIELDS), data.CREATING_NEEDS)
