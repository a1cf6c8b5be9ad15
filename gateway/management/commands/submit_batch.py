"""`manage.py submit_batch FILE.jsonl --tenant SLUG --task extract [--watch]`: many calls at half the price."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.commands import DatabaseCommand
from accounts.models import Tenant
from gateway.batch import progress
from gateway.batch.submitting import submit_batch
from gateway.batch.watching import watch
from gateway.errors import GatewayError
from gateway.routing.policy import ROUTED
from gateway.types import Call, Caller, Classification, Message, Options, Task


class Command(DatabaseCommand):
    help = (
        'Submits a file of calls, a JSON object a line: {"prompt": "…", "system": "…"}, the second as you like. Prints '
        "the batch's id, or with --watch waits for its end and prints a result a line, in the order of the file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE.jsonl")
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--task", required=True, choices=[task.value for task in ROUTED])
        parser.add_argument("--model", metavar="ID", help="a profile; by the routing policy unless said")
        parser.add_argument("--max-tokens", type=int, default=700, metavar="N", help="of each answer (700)")
        parser.add_argument(
            "--classification", choices=[each.value for each in Classification], default=Classification.PERSONAL.value
        )
        parser.add_argument("--watch", action="store_true", help="wait for the results")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        caller = Caller(tenant.pk, purpose="batch", classification=Classification(options["classification"]))
        wanted = Options(Task(options["task"]), options["model"], max_tokens=options["max_tokens"])
        calls = [_call(line, number, caller, wanted) for number, line in enumerate(_lines(options["file"]), 1)]
        if not calls:
            raise CommandError("The file has no calls.")
        try:
            batch_id = submit_batch(calls, label=options["file"].name)
        except GatewayError as error:
            raise CommandError(f"{error.code}: {error.detail}") from None
        self.stderr.write(f"batch {batch_id}: {len(calls)} calls")
        if not options["watch"]:
            self.stdout.write(str(batch_id))
            return
        for found in watch(tenant.pk, batch_id):
            self.stderr.write(f"{found.ended} of {found.total} ended, ${found.cost:.4f}")
        for result in progress.results(tenant.pk, batch_id):
            self.stdout.write(json.dumps(result, ensure_ascii=False))


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None


def _call(line: str, number: int, caller: Caller, options: Options) -> Call:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    texts = said if isinstance(said, dict) else {}
    if not isinstance(texts.get("prompt"), str) or not isinstance(texts.get("system", ""), str):
        raise CommandError(f'Call {number} is no JSON object with a text "prompt".')
    system = (Message("system", texts["system"]),) if texts.get("system") else ()
    return Call(caller, (*system, Message("user", texts["prompt"])), options, question=texts["prompt"])
