import uuid

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import pgvector.django.halfvec
import pgvector.django.indexes
import pgvector.django.sparsevec
from django.db import migrations, models

from accounts.rls import protect


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Document",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("external_id", models.CharField(max_length=500)),
                ("title", models.CharField(max_length=500)),
                ("url", models.CharField(blank=True, max_length=1000)),
                (
                    "visibility",
                    models.CharField(
                        choices=[("public", "public"), ("signed_in", "signed in"), ("internal", "internal")],
                        default="public",
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "waiting"),
                            ("indexing", "being indexed"),
                            ("indexed", "searchable"),
                            ("failed", "failed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("error_code", models.CharField(blank=True, max_length=50)),
                ("error_hint", models.CharField(blank=True, max_length=500)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("embedding", pgvector.django.halfvec.HalfVectorField(dimensions=384, editable=False, null=True)),
                ("title_embedding", pgvector.django.halfvec.HalfVectorField(dimensions=384, editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.tenant"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DocumentVersion",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("blocks", models.JSONField(default=list)),
                ("sha256", models.CharField(max_length=64)),
                ("warnings", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="knowledge.document"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.tenant"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="document",
            name="current_version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="knowledge.documentversion",
            ),
        ),
        migrations.CreateModel(
            name="Passage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "visibility",
                    models.CharField(
                        choices=[("public", "public"), ("signed_in", "signed in"), ("internal", "internal")],
                        max_length=10,
                    ),
                ),
                ("ordinal", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("start", models.PositiveIntegerField()),
                ("end", models.PositiveIntegerField()),
                ("heading_path", models.JSONField(default=list)),
                ("page", models.PositiveIntegerField(null=True)),
                ("embedded_sha256", models.CharField(max_length=64)),
                ("embedding", pgvector.django.halfvec.HalfVectorField(dimensions=384)),
                ("keywords", django.contrib.postgres.search.SearchVectorField()),
                ("weights", pgvector.django.sparsevec.SparseVectorField(dimensions=268435456)),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="passages", to="knowledge.document"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.tenant"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="passages",
                        to="knowledge.documentversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.tenant"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="document",
            name="source",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="documents", to="knowledge.source"
            ),
        ),
        migrations.CreateModel(
            name="StoredFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=500)),
                ("title", models.CharField(blank=True, max_length=500)),
                (
                    "visibility",
                    models.CharField(
                        blank=True,
                        choices=[("public", "public"), ("signed_in", "signed in"), ("internal", "internal")],
                        max_length=10,
                    ),
                ),
                ("media_type", models.CharField(blank=True, max_length=100)),
                ("data", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "document",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="file", to="knowledge.document"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.tenant"
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="TermCount",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("term", models.IntegerField()),
                ("passages", models.IntegerField()),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.tenant"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="documentversion",
            constraint=models.UniqueConstraint(fields=("document", "number"), name="version_number"),
        ),
        migrations.AddIndex(
            model_name="passage",
            index=pgvector.django.indexes.HnswIndex(
                ef_construction=64,
                fields=["embedding"],
                m=16,
                name="passage_embedding",
                opclasses=["halfvec_cosine_ops"],
            ),
        ),
        migrations.AddIndex(
            model_name="passage",
            index=django.contrib.postgres.indexes.GinIndex(fields=["keywords"], name="passage_keywords"),
        ),
        migrations.AddIndex(
            model_name="passage",
            index=models.Index(fields=["tenant", "embedded_sha256"], name="passage_reuse"),
        ),
        migrations.AddConstraint(
            model_name="passage",
            constraint=models.UniqueConstraint(fields=("version", "ordinal"), name="passage_ordinal"),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(fields=("tenant", "name"), name="source_name"),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.UniqueConstraint(fields=("source", "external_id"), name="document_identity"),
        ),
        migrations.AddConstraint(
            model_name="termcount",
            constraint=models.UniqueConstraint(fields=("tenant", "term"), name="term_once"),
        ),
        protect("knowledge_source"),
        protect("knowledge_document"),
        protect("knowledge_storedfile"),
        protect("knowledge_documentversion"),
        protect("knowledge_passage"),
        protect("knowledge_termcount"),
    ]
