"""manage.py import_knowledge PATH --tenant SLUG [--source NAME] [--visibility WHO] [--json]"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import OperationalError
from psycopg.errors import DiskFull

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from knowledge.importing import import_path
from knowledge.models import Visibility


class Command(DatabaseCommand):
    help = "Takes a file, a folder, a zip or a corpus.jsonl into a tenant's knowledge base."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--tenant", required=True, help="made where there is none yet")
        parser.add_argument("--source", default="", help="the source's name; the path's own by default")
        parser.add_argument("--visibility", choices=Visibility.values, default="", help="of files that state none")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, path: Path, tenant: str, source: str, visibility: str, **options: Any) -> None:
        if not path.exists():
            raise CommandError(f"{path} does not exist")
        found = _tenant(tenant)
        name = source or path.resolve().name
        try:
            report = import_path(path, found, source_name=name, visibility=visibility, quiet=options["json"])
        except OperationalError as error:
            if not isinstance(error.__cause__, DiskFull):
                raise
            raise CommandError(
                "The database's disk is full. Articles that were taken in stay, the others are as they were: "
                "make room and run the same import again."
            ) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False))
            return
        for failure in report.failures:
            self.stderr.write(f"{failure['name']}: {failure['code']}: {failure['hint']}")
        counts = report.as_json()
        self.stdout.write(
            f"{counts['indexed']} indexed, {counts['unchanged']} unchanged, {counts['failed']} failed, "
            f"{counts['removed']} removed; {counts['passages']} passages in {counts['seconds']} s"
        )


def _tenant(slug: str) -> Tenant:
    """The tenant, made where there is none yet. Raises `CommandError` for a suspended one, and for
    what cannot be an address."""
    found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        found = Tenant(slug=slug, name=slug)
        try:
            found.full_clean()
        except ValidationError as error:
            raise CommandError(f"{slug!r} cannot be a tenant's address: {'; '.join(error.messages)}") from None
        found.save()
    if found.suspended_at is not None:
        raise CommandError(f"the tenant {slug!r} is suspended")
    return found
