"""Meetings say that their calendar was disconnected with its data, which is not to be called off."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("relationships", "0007_match_updated_at")]

    operations = [
        migrations.AddField(
            model_name="touchpoint",
            name="is_orphaned",
            field=models.BooleanField(
                default=False,
                help_text="What was imported of it was deleted with its calendar. It was not called off; its notes stay.",
            ),
        ),
    ]
