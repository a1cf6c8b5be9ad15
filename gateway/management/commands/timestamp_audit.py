"""`manage.py timestamp_audit`: has the head of each chain confirmed by a timestamp authority (RFC 3161)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from gateway.audit import timestamps
from gateway.audit.timestamps import TimestampFailed


class Command(DatabaseCommand):
    help = "Asks the authority of CITEDESK_TIMESTAMP_URL to confirm what is new in each audit chain."

    def handle(self, *args: Any, **options: Any) -> None:
        if not timestamps.wanted():
            raise CommandError("CITEDESK_TIMESTAMP_URL is not set.")
        for tenant in Tenant.objects.order_by("slug"):
            try:
                number = timestamps.stamp(tenant.pk)
            except TimestampFailed as error:
                raise CommandError(f"{error.code}: {tenant.slug}: {error.detail}") from None
            self.stdout.write(f"{tenant.slug}: {f'record {number} is confirmed' if number else 'nothing new'}")
