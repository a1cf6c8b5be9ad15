"""`manage.py export_audit --tenant SLUG [--since TIME] [--until TIME] --out FILE [--mac-key FILE]`"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from gateway.audit import keys
from gateway.audit.export import export
from gateway.conf import configured


class Command(DatabaseCommand):
    help = "Writes a tenant's audit records as JSON Lines, with the proof that they are as they were written."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", required=True)
        parser.add_argument("--since", type=_time, metavar="TIME", help="ISO 8601; UTC unless it says otherwise")
        parser.add_argument("--until", type=_time, metavar="TIME", help="up to, and not including")
        parser.add_argument("--out", type=Path, metavar="FILE", required=True)
        parser.add_argument("--mac-key", type=Path, metavar="FILE", help="also write the tenant's MAC key, for a judge")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        count = export(tenant, options["out"], since=options["since"], until=options["until"])
        if options["mac_key"]:
            key = keys.tenant_key(configured().audit_key, tenant.pk).hex()
            with os.fdopen(os.open(options["mac_key"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(key + "\n")
        self.stdout.write(f"{count} records in {options['out']}. Public key: {keys.public_key()}")


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
