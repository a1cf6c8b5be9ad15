"""manage.py evaluate_retrieval DIR [--stage dense|keyword|hybrid|ranked] [--json]"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, cast

from django.core.management.base import CommandError

from accounts.commands import DatabaseCommand
from knowledge.evaluation import evaluate
from knowledge.retrieval.retriever import Stage

STAGES = ("dense", "keyword", "hybrid")


class Command(DatabaseCommand):
    help = "Measures retrieval on a folder with corpus.jsonl and queries.jsonl; leaves nothing behind."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--json", action="store_true")
        # No ranker comes after fusion yet, so the ranked order is the hybrid one.
        parser.add_argument("--stage", choices=(*STAGES, "ranked"), help="all stages when not given")

    def handle(self, *args: Any, folder: Path, stage: str | None, **options: Any) -> None:
        for name in ("corpus.jsonl", "queries.jsonl"):
            if not (folder / name).exists():
                raise CommandError(f"{folder / name} does not exist")
        wanted = "hybrid" if stage == "ranked" else stage
        stages = cast(tuple[Stage, ...], (wanted,) if wanted else STAGES)
        results = evaluate(folder, stages, quiet=options["json"])
        if options["json"]:
            self.stdout.write(json.dumps({"stage": stage, **results[stages[0]]} if stage else results))
            return
        for name, row in results.items():
            self.stdout.write(f"{name}: " + ", ".join(f"{key} {value}" for key, value in row.items()))
