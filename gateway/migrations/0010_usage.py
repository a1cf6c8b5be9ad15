from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("gateway", "0009_cache")]

    operations = [
        migrations.CreateModel(
            name="Usage",
            fields=[],
            options={
                "verbose_name": "usage",
                "verbose_name_plural": "usage",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("gateway.auditrecord",),
        ),
    ]
