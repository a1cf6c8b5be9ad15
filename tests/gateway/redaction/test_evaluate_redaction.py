"""The command that measures the detector."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gateway.errors import NotInstalled
from gateway.redaction.detector import detector

MAIL = "bob.ross@paint.example.org"


def row(text: str, *marked: tuple[str, str]) -> dict[str, Any]:
    spans = [{"start": text.index(part), "end": text.index(part) + len(part), "type": kind} for part, kind in marked]
    return {"text": text, "spans": spans}


def evaluated(path: Path, *rows: dict[str, Any]) -> dict[str, Any]:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    out = StringIO()
    call_command("evaluate_redaction", str(path), "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_both_rules_are_counted_by_type_and_overall(tmp_path: Path) -> None:
    found = evaluated(
        tmp_path / "rows.jsonl",
        row(f"Write to {MAIL} today", (MAIL, "EMAIL_ADDRESS")),
        row(f"Write to {MAIL} today", ("paint.example.org", "email")),
        row("Xylophone Qwertzuiop came by", ("Xylophone Qwertzuiop", "PERSON"), ("by", "ORGANIZATION")),
    )
    email, name = found["types"]["EMAIL"], found["types"]["NAME"]
    assert email["exact"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert email["overlap"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert (name["marked"], name["found"], name["overlap"]["f1"]) == (1, 0, 0.0)
    assert found["overall"]["overlap"] == {"precision": 1.0, "recall": 0.6667, "f1": 0.8}
    assert found["all_marked"]["overlap"]["recall"] == 0.5
    assert found["not_looked_for"] == {"ORGANIZATION": 1}
    assert 0 < found["leaked"] < 1


def test_the_table_says_how_it_counts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row(f"Write to {MAIL}", (MAIL, "EMAIL"))) + "\n")
    out = StringIO()
    call_command("evaluate_redaction", str(path), stdout=out)
    assert "EMAIL" in out.getvalue()
    assert "Overlap: same kind" in out.getvalue()


@pytest.mark.parametrize("line", ["no json", "[]", '{"text": "x"}', '{"text": "x", "spans": [{"start": 0}]}'])
def test_a_wrong_line_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row("x")) + "\n" + line + "\n")
    with pytest.raises(CommandError, match="line 2"):
        call_command("evaluate_redaction", str(path))


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match=r"citedesk\[presidio\]"):
        detector("presidio", "a_model_that_nobody_has")


@pytest.mark.parametrize(("name", "precision", "recall"), [("pii_presidio", 0.9, 0.8), ("pii_wnut17", 0.7, 0.35)])
def test_the_published_figures_hold(name: str, precision: float, recall: float, shared_data: Path) -> None:
    out = StringIO()
    call_command("evaluate_redaction", str(shared_data / name / "items.jsonl"), "--json", stdout=out)
    overall = json.loads(out.getvalue())["overall"]["overlap"]
    assert overall["precision"] >= precision
    assert overall["recall"] >= recall


def test_a_help_centre_is_left_nearly_as_it_is(shared_data: Path) -> None:
    """Placeholders for the words of an article make answers worse: at most two in a thousand words."""
    find, words, spans = detector("patterns").find, 0, 0
    for line in (shared_data / "thunderbird_kb" / "corpus.jsonl").read_text().splitlines():
        text = json.loads(line)["text"]
        words += len(text.split())
        spans += len(find(text))
    assert spans < 2 * words / 1000
