"""The files of PDF versions, and what is drawn of their pages."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

from accounts.rls import protect


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("accounts", "0003_api_key_purpose"),
        ("knowledge", "0005_sources"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Original",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=500)),
                ("data", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="originals", to="knowledge.document"
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
            model_name="documentversion",
            name="original",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="versions",
                to="knowledge.original",
            ),
        ),
        migrations.CreateModel(
            name="PageLayout",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("boxes", models.BinaryField()),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                ("pages", models.PositiveIntegerField()),
                (
                    "original",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="layouts", to="knowledge.original"
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
        migrations.CreateModel(
            name="PagePicture",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("width", models.PositiveIntegerField()),
                ("image", models.BinaryField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "original",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pictures", to="knowledge.original"
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
        migrations.AddConstraint(
            model_name="original",
            constraint=models.UniqueConstraint(fields=("document", "sha256"), name="original_once"),
        ),
        migrations.AddConstraint(
            model_name="pagelayout",
            constraint=models.UniqueConstraint(fields=("original", "number"), name="page_layout_once"),
        ),
        migrations.AddConstraint(
            model_name="pagepicture",
            constraint=models.UniqueConstraint(fields=("original", "number", "width"), name="page_picture_once"),
        ),
        protect("knowledge_original"),
        protect("knowledge_pagelayout"),
        protect("knowledge_pagepicture"),
    ]
