"""`manage.py verify_audit [--tenant SLUG] [--json]`: is the audit log as it was written?"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from gateway.audit.verify import audited_tenants, verify
from gateway.types import JSON


class Command(DatabaseCommand):
    help = "Checks every audit record against its MAC, its predecessor, the head and the anchor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="check this tenant alone")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        report = check(options["tenant"])
        if options["json"]:
            self.stdout.write(json.dumps(report))
        else:
            self._tell(report)
        if not report["ok"]:
            raise SystemExit(1)

    def _tell(self, report: JSON) -> None:
        for tenant in report["tenants"]:
            failure = tenant["failure"]
            state = f"{failure['code']} at record {failure['sequence']}: {failure['detail']}" if failure else "intact"
            self.stdout.write(f"{tenant['tenant']}: {tenant['records']} records, {state}")
        self.stdout.write(f"{report['records']} records checked, {'all intact' if report['ok'] else 'NOT INTACT'}")


def check(slug: str | None) -> JSON:
    """`{records, ok, tenants: [{tenant, records, ok, failure}], failure: {tenant, sequence, code,
    detail} | null}`. A tenant that is gone is named by its id. Raises `CommandError` for a stranger."""
    names = dict(Tenant.objects.values_list("pk", "slug"))
    wanted = [pk for pk in audited_tenants() if slug is None or names.get(pk) == slug]
    if slug is not None and not wanted:
        raise CommandError(f"There is no tenant {slug!r}.")
    tenants = [{"tenant": names.get(pk, str(pk)), **verify(pk).as_json()} for pk in wanted]
    failed = [{"tenant": each["tenant"], **each["failure"]} for each in tenants if each["failure"]]
    return {
        "records": sum(each["records"] for each in tenants),
        "ok": not failed,
        "tenants": tenants,
        "failure": failed[0] if failed else None,
    }
