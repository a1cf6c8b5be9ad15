from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_example_questions")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="purpose",
            field=models.CharField(blank=True, max_length=40, verbose_name="purpose"),
        ),
        migrations.AddField(
            model_name="apikey",
            name="allowed_models",
            field=models.JSONField(blank=True, default=list, verbose_name="allowed models"),
        ),
    ]
