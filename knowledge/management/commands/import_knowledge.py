"""manage.py import_knowledge PATH --tenant SLUG [--source NAME] [--json]"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.permissions import tenant_by_slug
from knowledge.importing import import_path


class Command(BaseCommand):
    help = "Takes a file, a folder, a zip or a corpus.jsonl into a tenant's knowledge base."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--tenant", required=True)
        parser.add_argument("--source", default="", help="the source's name; the path's own by default")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, path: Path, tenant: str, source: str, **options: Any) -> None:
        found = tenant_by_slug(tenant)
        if found is None:
            raise CommandError(f"there is no tenant {tenant!r}")
        if not path.exists():
            raise CommandError(f"{path} does not exist")
        report = import_path(path, found, source_name=source or path.resolve().name, quiet=options["json"])
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
