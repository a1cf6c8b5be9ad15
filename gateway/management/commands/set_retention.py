"""`manage.py set_retention --tenant SLUG (--days N | --for-ever)`: how long the audit log's texts are kept."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import retention


class Command(DatabaseCommand):
    help = "Sets how many days the texts of a tenant's audit records are kept. Metadata and chain stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", required=True)
        how_long = parser.add_mutually_exclusive_group(required=True)
        how_long.add_argument("--days", type=int, metavar="N")
        how_long.add_argument("--for-ever", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        days = None if options["for_ever"] else options["days"]
        if days is not None and days < 1:
            raise CommandError("Texts are kept for at least one day.")
        with tenant_scope(tenant.pk):
            retention.keep_for(tenant.pk, days, by=None)
        self.stdout.write(f"{tenant.slug}: texts are kept {'for ever' if days is None else f'for {days} days'}.")
