"""What was written, what gave way and what is linked can be emptied of its values, and says so."""

from typing import Any

from django.db import migrations, models


def know_private_mail(apps: Any, schema_editor: Any) -> None:
    """Mail is private from the beginning, mostly: of that nothing was told that had to be taken back."""
    links = apps.get_model("crm", "RecordLink")._base_manager
    touchpoints = apps.get_model("relationships", "Touchpoint")._base_manager
    private = touchpoints.filter(kind="email", is_private=True, is_withheld=False)
    links.filter(kind="email", row_id__in=private.values("pk")).update(is_withheld=True)


class Migration(migrations.Migration):
    dependencies = [("crm", "0003_policy_name"), ("relationships", "0006_withheld_touchpoints")]

    operations = [
        migrations.AddField(
            model_name="conflict",
            name="erased_at",
            field=models.DateTimeField(help_text="When its values were removed here, for good.", null=True),
        ),
        migrations.AddField(model_name="conflict", name="erased_why", field=models.TextField(blank=True)),
        migrations.AddField(
            model_name="write",
            name="erased_at",
            field=models.DateTimeField(help_text="When its values were removed here, for good.", null=True),
        ),
        migrations.AddField(model_name="write", name="erased_why", field=models.TextField(blank=True)),
        migrations.AddField(
            model_name="recordlink",
            name="is_withheld",
            field=models.BooleanField(
                default=False,
                help_text="What its row was may not be told any more, and what was told is emptied here.",
            ),
        ),
        migrations.AddField(
            model_name="recordlink",
            name="parts",
            field=models.PositiveIntegerField(
                default=0,
                help_text="How many matches of a firm, or notes on a meeting, there were when it was last compared.",
            ),
        ),
        migrations.RunPython(know_private_mail, migrations.RunPython.noop),
    ]
