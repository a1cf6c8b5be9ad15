"""`manage.py erase_person --tenant SLUG (--email ADDRESS | --again) [--yes] [--json]`: out of the
audit log, for good."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant, User
from accounts.tenancy import tenant_scope
from gateway.audit import erasure
from gateway.audit.erasure import Plan


class Command(DatabaseCommand):
    help = "Destroys the key of a person's audit records: their texts, and which records were theirs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", required=True)
        whom = parser.add_mutually_exclusive_group(required=True)
        whom.add_argument("--email", metavar="ADDRESS", help="the person's account")
        whom.add_argument("--again", action="store_true", help="after a backup was put back: all who were erased")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--json", action="store_true", help="print one JSON object; implies --yes")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        if options["again"]:
            self._report(erasure.again(tenant.pk), as_json=options["json"])
            return
        user = User.objects.filter(email=options["email"].lower()).first()
        if user is None:
            raise CommandError(f"Nobody has an account with the address {options['email']!r}.")
        with tenant_scope(tenant.pk):
            plan = erasure.plan(tenant.pk, user.pk)
        if plan is not None and not (options["yes"] or options["json"] or self._agreed(plan, user)):
            raise CommandError("Nothing was erased.")
        with tenant_scope(tenant.pk):
            erased = erasure.erase(tenant.pk, user.pk, by=None)
        self._report([erased] if erased else [], as_json=options["json"])

    def _agreed(self, plan: Plan, user: User) -> bool:
        self.stdout.write(
            f"This destroys the texts of {plan.texts} audit records of {user}, and whose {plan.records} records are, "
            "for good. The records stay without them."
        )
        return input("Type the e-mail address to go on: ").strip().lower() == user.email

    def _report(self, erased: list[Plan], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"erased": [asdict(each) for each in erased]}, default=str))
            return
        for each in erased:
            self.stdout.write(f"Erased: {each.texts} texts, {each.records} records that name nobody now.")
        if not erased:
            self.stdout.write("The audit log knows nothing of them.")
