"""What the admin's log calls rows of companies: it outlives them, and keeps no name of what was deleted or is withheld.

That something was done to a row, when and by whom stays, with the row's key.
"""

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from relationships.models import Touchpoint
from relationships.tenancy import TenantModel

REMOVED = "(removed)"


def forget() -> int:
    """Take out the names of rows that are gone, or may not be named any more, over every company; returns of how many
    entries. What was changed names rows below, such as addresses, and goes with them."""
    tables = [model for model in apps.get_app_config("relationships").get_models() if issubclass(model, TenantModel)]
    return sum(_forget(table) for table in tables)


def _forget(table: type[Model]) -> int:
    kind = ContentType.objects.get_for_model(table)
    entries = LogEntry.objects.filter(content_type=kind).exclude(object_repr=REMOVED)
    keys = set(entries.values_list("object_id", flat=True))
    if not keys:
        return 0
    rows = table._base_manager.filter(pk__among=keys)
    if table is Touchpoint:
        rows = rows.filter(is_withheld=False)
    gone = keys - {str(pk) for pk in rows.values_list("pk", flat=True)}
    return entries.filter(object_id__among=gone).update(object_repr=REMOVED, change_message="")
