"""`manage.py replay AUDIT_ID [--model ID] [--json]`: run an audited call again, and see the difference."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import replay
from gateway.audit.compare import Comparison, compare
from gateway.audit.replay import NotReplayable
from gateway.errors import GatewayError
from gateway.models import AuditRecord

MARKS = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}


class Command(DatabaseCommand):
    help = "Runs the frozen call of an audit record again, on the same or another model."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("audit_id", type=UUID, metavar="AUDIT_ID")
        parser.add_argument("--model", metavar="ID", help="a profile; the model that answered unless said")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = list(Tenant.objects.values_list("pk", flat=True))
        try:
            call = replay.frozen(tenants, options["audit_id"])
            if call is None:
                raise CommandError(f"There is no audit record {options['audit_id']}.")
            call = replay.on(call, options["model"])
            replay.run(call, by=None)
        except NotReplayable as error:
            raise CommandError(f"{error.code}: {error.reason}") from None
        except GatewayError as error:
            raise CommandError(f"{error.code}: {error.detail}") from None
        with tenant_scope(*tenants):
            found = compare(AuditRecord.objects.select_related("content", "subject").get(pk=call.id))
        assert found is not None, "the replay names the record that it was made from"
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json(), ensure_ascii=False))
        else:
            self._tell(found)

    def _tell(self, found: Comparison) -> None:
        for name, side in (("then", found.original), ("now", found.replay)):
            version = f" ({side.model_version})" if side.model_version else ""
            self.stdout.write(
                f"{name}: record {side.number}, {side.provider} {side.model}{version}, {side.input_tokens} + "
                f"{side.output_tokens} tokens, ${side.cost}, {side.milliseconds} ms, ended by {side.finish_reason}"
            )
        self.stdout.write("".join(MARKS[piece.kind].format(piece.text) for piece in found.pieces))
