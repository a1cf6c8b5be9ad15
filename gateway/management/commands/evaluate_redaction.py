"""`manage.py evaluate_redaction FILE`: precision, recall and F1 of the detector on marked texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway.conf import configured
from gateway.errors import NotInstalled
from gateway.redaction.detector import detector
from gateway.redaction.measuring import measure


class Command(BaseCommand):
    help = "Measures how well personal data is found in texts that people have marked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="JSON Lines of {text, spans: [{start, end, type}]}")
        parser.add_argument("--json", action="store_true", help="all figures as one JSON object")
        parser.add_argument("--detector", choices=("patterns", "presidio"), help="another than the settings name")

    def handle(self, *args: Any, **options: Any) -> None:
        conf = configured()
        try:
            found = measure(
                detector(options["detector"] or conf.redaction_detector, conf.presidio_model), _rows(options["file"])
            )
        except NotInstalled as error:
            raise CommandError(error.detail) from error
        self.stdout.write(json.dumps(found, indent=2) if options["json"] else _table(found))


def _rows(file: str) -> list[dict[str, Any]]:
    """Raises `CommandError`, naming the line."""
    try:
        lines = Path(file).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            spans = [{"start": int(e["start"]), "end": int(e["end"]), "type": str(e["type"])} for e in row["spans"]]
            rows.append({"text": str(row["text"]), "spans": spans})
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f"{file}, line {number}: no {{text, spans: [{{start, end, type}}]}}: {error}") from error
    return rows


def _table(found: dict[str, Any]) -> str:
    lines = [f"{'':12}{'marked':>8}{'found':>8}   {'exact  P      R      F1':24}   {'overlap  P      R      F1':26}"]
    for name, score in [*found["types"].items(), ("overall", found["overall"]), ("all marked", found["all_marked"])]:
        figures = "   ".join(
            "  " + "  ".join(f"{score[rule][each]:.3f}" for each in ("precision", "recall", "f1")) + "  "
            for rule in ("exact", "overlap")
        )
        lines.append(f"{name:12}{score['marked']:8}{score['found']:8}   {figures}")
    other = ", ".join(f"{label} {count}" for label, count in found["not_looked_for"].items()) or "none"
    return "\n".join(
        [
            *lines,
            f"Exact: same kind and offsets. Overlap: same kind, a character in common. Not looked for: {other}.",
            f"{found['leaked']:.1%} of the marked characters of the kinds that are looked for would have been sent.",
        ]
    )
