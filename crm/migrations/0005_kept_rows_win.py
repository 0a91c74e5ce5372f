"""Where two rows of ours were merged, it is the older one's value that stayed, not the CRM's."""

from typing import Any

from django.db import migrations, models
from django.db.models import Q

MERGED = "Two rows were merged here, and the older one's value stays."
WINNERS = [("theirs", "The CRM's value"), ("ours", "Our value"), ("kept", "The older row's value")]


def name_the_older(apps: Any, schema_editor: Any) -> None:
    """What was written down of merges until now."""
    apps.get_model("crm", "Conflict")._base_manager.filter(rule=MERGED).update(winner="kept")


class Migration(migrations.Migration):
    dependencies = [("crm", "0004_erased_values")]

    operations = [
        migrations.RemoveConstraint(model_name="conflict", name="conflict_winner"),
        migrations.AlterField(model_name="conflict", name="winner", field=models.TextField(choices=WINNERS)),
        migrations.AddConstraint(
            model_name="conflict",
            constraint=models.CheckConstraint(
                condition=Q(winner__in=["theirs", "ours", "kept"]), name="conflict_winner"
            ),
        ),
        migrations.RunPython(name_the_older, migrations.RunPython.noop),
    ]
