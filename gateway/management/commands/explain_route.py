"""`manage.py explain_route --tenant SLUG --task answer …`: why a call would go where."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from gateway.routing import policies
from gateway.routing.explain import Explanation
from gateway.routing.policy import ROUTED
from gateway.routing.sample import Sample, explained
from gateway.types import Classification, Task


class Command(DatabaseCommand):
    help = "Says for each candidate of a task whether a call like this would go to it, and why. Calls nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--task", required=True, choices=[task.value for task in ROUTED])
        parser.add_argument(
            "--classification", choices=[each.value for each in Classification], default=Classification.PUBLIC.value
        )
        parser.add_argument("--tokens", type=int, default=1_000, metavar="N", help="of the prompt (1000)")
        parser.add_argument("--tools", action="store_true", help="the call offers tools")
        parser.add_argument("--images", action="store_true", help="the call has an image")
        parser.add_argument("--json-schema", action="store_true", help="the answer has to satisfy a schema")
        parser.add_argument("--model", default="", metavar="ID", help="the call names this model")
        parser.add_argument("--call", type=UUID, default=None, metavar="UUID", help="draw as the call with this id did")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        sample = Sample(
            task=Task(options["task"]),
            classification=Classification(options["classification"]),
            tokens=options["tokens"],
            tools=options["tools"],
            images=options["images"],
            json_schema=options["json_schema"],
            model=options["model"],
            id=options["call"] or uuid4(),
        )
        found = explained(sample, tenant.pk, policies.in_force(tenant.pk))
        if options["json"]:
            about = {"tenant": tenant.slug, "task": sample.task.value, "call": str(sample.id)}
            self.stdout.write(json.dumps({**about, **found.as_json()}, ensure_ascii=False))
        else:
            self._tell(sample, found)

    def _tell(self, sample: Sample, found: Explanation) -> None:
        choice = "drawn by weight for this call's id" if found.weighted else "in order"
        self.stdout.write(f"{sample.task.value}: {found.source}, {choice} (policy: {found.version})")
        for step in found.steps:
            place = f"{step.place}." if step.taken else "-"
            weight = f", weight {step.weight}" if step.weight else ""
            self.stdout.write(f"{place:>3} {step.model}{weight}: {step.reason} [{step.code}]")
        if found.refusal is not None:
            self.stdout.write(f"The call is refused: {found.refusal.code}.")
