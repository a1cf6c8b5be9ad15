"""What Citedesk's own commands share: they work in a checkout that was never served before."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

LOCK = 20261125  # of PostgreSQL's advisory locks: one process migrates, the others wait


class DatabaseCommand(BaseCommand):
    """Brings the embedded database's tables up to date first. A production database is migrated
    by its operator, never by a command in passing."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        if settings.EMBEDDED_DATABASE:
            migrate()
        return super().execute(*args, **options)


def migrate() -> None:
    """Applies what is missing, as the owner of the tables."""
    connection = connections["owner"]
    if not _missing():
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            if _missing():
                call_command("migrate", database="owner", verbosity=0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _missing() -> bool:
    executor = MigrationExecutor(connections["owner"])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
