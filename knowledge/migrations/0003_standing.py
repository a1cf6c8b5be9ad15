"""An article may say of itself that it is outdated; existing ones are read anew when they change."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0002_statistics")]
    operations = [
        migrations.AddField("document", "outdated", models.BooleanField(default=False)),
        migrations.AddField("document", "superseded_by", models.CharField(blank=True, max_length=600)),
    ]
