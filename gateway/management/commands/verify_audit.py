"""`manage.py verify_audit [--tenant SLUG] [--full] [--json]`: is the audit log as it was written?"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from gateway.audit.keys import public_key
from gateway.audit.verify import Verification, audited_tenants, verify, verify_new
from gateway.types import JSON


class Command(DatabaseCommand):
    help = "Checks every audit record against its MAC, its predecessor, the head and the anchor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="check this tenant alone")
        parser.add_argument("--full", action="store_true", help="read every record, not only those since the last time")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        report = check(options["tenant"], verify if options["full"] else verify_new)
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
            self.stdout.write(
                f"{tenant['tenant']}: {tenant['records']} records read, through number {tenant['through']}: {state}"
            )
        self.stdout.write(f"{report['records']} records checked, {'all intact' if report['ok'] else 'NOT INTACT'}")


def check(slug: str | None, verified: Callable[[int], Verification]) -> JSON:
    """`{records, ok, tenants: [{tenant, records, through, ok, failure}], failure: {tenant, sequence,
    code, detail} | null, public_key}`. `records` are those that were read, `through` is the last
    number of the chain. A tenant that is gone is named by its id. Raises `CommandError` for a stranger."""
    names = dict(Tenant.objects.values_list("pk", "slug"))
    wanted = [pk for pk in audited_tenants() if slug is None or names.get(pk) == slug]
    if slug is not None and not wanted:
        raise CommandError(f"There is no tenant {slug!r}.")
    tenants = [{"tenant": names.get(pk, str(pk)), **verified(pk).as_json()} for pk in wanted]
    failed = [{"tenant": each["tenant"], **each["failure"]} for each in tenants if each["failure"]]
    return {
        "records": sum(each["records"] for each in tenants),
        "ok": not failed,
        "tenants": tenants,
        "failure": failed[0] if failed else None,
        "public_key": public_key(),
    }
