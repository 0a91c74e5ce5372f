"""Matches say when their row was changed, besides when their score was computed."""

from typing import Any

from django.db import migrations, models
from django.db.models import F


def begin_with_the_score(apps: Any, schema_editor: Any) -> None:
    """Nothing is known to have changed since."""
    apps.get_model("relationships", "Match")._base_manager.update(updated_at=F("scored_at"))


class Migration(migrations.Migration):
    dependencies = [("relationships", "0006_withheld_touchpoints")]

    operations = [
        migrations.AddField(model_name="match", name="updated_at", field=models.DateTimeField(auto_now=True)),
        migrations.RunPython(begin_with_the_score, migrations.RunPython.noop),
    ]
