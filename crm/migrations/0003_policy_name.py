from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0002_links_by_row"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="policy",
            options={"verbose_name": "CRM policy", "verbose_name_plural": "CRM policies"},
        ),
    ]
