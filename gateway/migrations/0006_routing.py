import django.db.models.deletion
from django.conf import settings
from django.db import connections, migrations, models

from accounts.rls import protect

# A policy that once was in force stays readable: audit records name its version.
APPEND_ONLY = """
CREATE FUNCTION gateway_policy_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'routing policies are append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gateway_routingpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION gateway_policy_refuses();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gateway_routingdefault
    FOR EACH STATEMENT EXECUTE FUNCTION gateway_policy_refuses();
"""
NOT_APPEND_ONLY = """
DROP TRIGGER append_only ON gateway_routingdefault;
DROP TRIGGER append_only ON gateway_routingpolicy;
DROP FUNCTION gateway_policy_refuses();
"""


def revoke(apps, schema_editor):
    """Takes from the application's role what the default privileges gave it."""
    role = schema_editor.quote_name(connections["default"].settings_dict["USER"])
    tables = "gateway_routingpolicy, gateway_routingdefault"
    schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {tables} FROM {role}")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_example_questions"),
        ("gateway", "0005_circuit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="auditrecord",
            name="gateways",
            field=models.JSONField(default=list, verbose_name="reports of gateways in front"),
        ),
        migrations.AlterField(
            model_name="auditrecord",
            name="kind",
            field=models.CharField(
                choices=[
                    ("completion", "completion"),
                    ("embedding", "embedding"),
                    ("erasure", "erasure"),
                    ("retention", "retention"),
                    ("policy", "policy"),
                    ("routing", "routing policy"),
                ],
                max_length=12,
                verbose_name="kind",
            ),
        ),
        migrations.CreateModel(
            name="RoutingDefault",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("document", models.JSONField(default=dict, verbose_name="policy")),
                ("note", models.CharField(max_length=300, verbose_name="why")),
                ("restores", models.PositiveIntegerField(null=True, verbose_name="restores version")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="time")),
                ("version", models.PositiveIntegerField(unique=True, verbose_name="version")),
                (
                    "author",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
            ],
            options={
                "verbose_name": "default routing policy",
                "verbose_name_plural": "default routing policy",
                "ordering": ["-version"],
            },
        ),
        migrations.CreateModel(
            name="RoutingPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField(verbose_name="version")),
                ("document", models.JSONField(default=dict, verbose_name="policy")),
                ("note", models.CharField(max_length=300, verbose_name="why")),
                ("restores", models.PositiveIntegerField(null=True, verbose_name="restores version")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="time")),
                (
                    "author",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.tenant",
                        verbose_name="tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "routing policy",
                "verbose_name_plural": "routing policies",
                "ordering": ["tenant", "-version"],
                "constraints": [models.UniqueConstraint(fields=("tenant", "version"), name="one_policy_per_version")],
            },
        ),
        protect("gateway_routingpolicy"),
        migrations.RunSQL(APPEND_ONLY, NOT_APPEND_ONLY),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
