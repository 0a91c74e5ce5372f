"""Touchpoints say themselves that they are withheld. Until now one without a title and guests was."""

from typing import Any

from django.db import migrations, models


def withhold(apps: Any, schema_editor: Any) -> None:
    """Mark what forgetting left: every other touchpoint has guests."""
    touchpoints = apps.get_model("relationships", "Touchpoint")._base_manager
    touchpoints.filter(cancelled_at__isnull=False, title="", guests=[]).update(is_withheld=True)


class Migration(migrations.Migration):
    dependencies = [("relationships", "0005_main_domain")]

    operations = [
        migrations.AddField(
            model_name="touchpoint",
            name="is_withheld",
            field=models.BooleanField(
                default=False,
                help_text="A block rule hides it, or it became private: what was told of it elsewhere is taken back.",
            ),
        ),
        migrations.RunPython(withhold, migrations.RunPython.noop),
    ]
