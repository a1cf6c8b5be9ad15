"""manage.py evaluate_retrieval DIR [--stage dense|keyword|hybrid|ranked] [--json]"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts.commands import DatabaseCommand
from knowledge.evaluation import BadSet, evaluate
from knowledge.retrieval.retriever import Stage

STAGES: tuple[Stage, ...] = ("dense", "keyword", "hybrid", "ranked")


class Command(DatabaseCommand):
    help = "Measures retrieval on a folder with corpus.jsonl and queries.jsonl; leaves nothing behind."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--stage", choices=STAGES, help="all stages when not given")

    def handle(self, *args: Any, folder: Path, stage: Stage | None, **options: Any) -> None:
        try:
            results = evaluate(folder, (stage,) if stage else STAGES, quiet=options["json"])
        except BadSet as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("interrupted; nothing was kept", returncode=130) from None
        if options["json"]:
            self.stdout.write(json.dumps({"stage": stage, **results[stage]} if stage else results))
            return
        for name, row in results.items():
            self.stdout.write(f"{name}: " + ", ".join(f"{key} {value}" for key, value in row.items()))
