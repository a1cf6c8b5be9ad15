"""`manage.py watch_batch BATCH_ID --tenant SLUG`: waits for a batch and prints its results."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.batch import progress
from gateway.batch.watching import watch
from gateway.models import Batch


class Command(DatabaseCommand):
    help = "Waits for the end of a batch and prints a result a line, in the order in which it was submitted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("batch_id", type=UUID, metavar="BATCH_ID")
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--cancel", action="store_true", help="have what is not done yet stopped first")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        with tenant_scope(tenant.pk):
            batch = Batch.objects.filter(pk=options["batch_id"]).first()
            if batch is None:
                raise CommandError(f"There is no batch {options['batch_id']}.")
            if options["cancel"]:
                progress.cancel(batch)
        for found in watch(tenant.pk, batch.pk):
            self.stderr.write(f"{found.ended} of {found.total} ended, ${found.cost:.4f}")
        for result in progress.results(tenant.pk, batch.pk):
            self.stdout.write(json.dumps(result, ensure_ascii=False))
