import django.db.models.deletion
from django.db import migrations, models

from accounts.rls import protect


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("gateway", "0007_door")]

    operations = [
        migrations.CreateModel(
            name="RedactionPolicy",
            fields=[
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.tenant",
                        verbose_name="tenant",
                    ),
                ),
                ("cleared", models.JSONField(blank=True, default=list, verbose_name="cleared providers")),
            ],
            options={"verbose_name": "redaction policy", "verbose_name_plural": "redaction policies"},
        ),
        protect("gateway_redactionpolicy"),
    ]
