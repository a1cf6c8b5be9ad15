import django.db.models.deletion
from django.db import migrations, models

from accounts.rls import protect


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_api_key_purpose"), ("gateway", "0006_routing")]

    operations = [
        migrations.CreateModel(
            name="DoorPolicy",
            fields=[
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.tenant",
                    ),
                ),
                (
                    "classification",
                    models.CharField(
                        choices=[("public", "public"), ("internal", "internal"), ("personal", "personal")],
                        default="personal",
                        help_text="How sensitive the text of programs is held to be. Routing and redaction go by it.",
                        max_length=20,
                        verbose_name="classification",
                    ),
                ),
                ("block_private_keys", models.BooleanField(default=True, verbose_name="block private keys")),
                ("block_cloud_keys", models.BooleanField(default=True, verbose_name="block keys of clouds")),
                ("block_tokens", models.BooleanField(default=True, verbose_name="block tokens")),
                (
                    "blocked_repositories",
                    models.TextField(
                        blank=True,
                        help_text="One on each line: host/owner/name, owner/name or name; * stands for any one part.",
                        verbose_name="blocked repositories",
                    ),
                ),
            ],
            options={"verbose_name": "policy for programs", "verbose_name_plural": "policies for programs"},
        ),
        migrations.CreateModel(
            name="SavedAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.tenant"
                    ),
                ),
                (
                    "api_key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.apikey"
                    ),
                ),
                ("key", models.CharField(max_length=64)),
                ("request", models.CharField(max_length=64)),
                ("call", models.UUIDField()),
                ("body", models.BinaryField(default=b"")),
                ("created_at", models.DateTimeField(db_index=True)),
                ("lease_until", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("api_key", "key"), name="one_answer_per_idempotency_key")
                ],
            },
        ),
        *(protect(f"gateway_{table}") for table in ("doorpolicy", "savedanswer")),
    ]
