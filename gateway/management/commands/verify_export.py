"""`manage.py verify_export FILE [--public-key HEX] [--mac-key FILE] [--json]`: without the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.audit import keys
from gateway.audit.offline import verify_export


class Command(BaseCommand):
    help = "Checks an export of the audit log: signature, links, texts, and the MACs where the key is given."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--public-key", metavar="HEX", help="of the installation; ours unless said")
        parser.add_argument("--mac-key", type=Path, metavar="FILE", help="as export_audit wrote it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        mac_key = bytes.fromhex(options["mac_key"].read_text().strip()) if options["mac_key"] else None
        found = verify_export(options["file"], options["public_key"] or keys.public_key(), mac_key)
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json()))
        else:
            where = f"{found.fault['code']}: {found.fault['detail']}" if found.fault else "as it was exported"
            macs = "" if mac_key else " The MACs were not checked: no key was given."
            self.stdout.write(f"{found.records} records, {where}.{macs}")
        if found.fault:
            raise SystemExit(1)
