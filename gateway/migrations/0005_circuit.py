from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0004_limits")]

    operations = [
        migrations.CreateModel(
            name="Circuit",
            fields=[
                ("key", models.CharField(max_length=120, primary_key=True, serialize=False, verbose_name="model")),
                ("state", models.JSONField(default=dict)),
            ],
            options={"verbose_name": "model's circuit", "verbose_name_plural": "models and their circuits"},
        ),
    ]
