"""The measurement: right numbers, through the product's path, and nothing left behind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from knowledge import evaluation
from knowledge.evaluation import BadSet, metrics, read_queries
from tests.conftest import TestDatabase

CORPUS = [
    {"id": "hub", "title": "Reset the hub", "text": "Hold the button on the back for ten seconds to reset the hub."},
    {"id": "bill", "title": "Invoices", "text": "Invoices are sent by e-mail on the first day of each month."},
    {"id": "parcel", "title": "Lost parcels", "text": "A parcel that is ten days late counts as lost."},
    {"id": "x-1-22-333", "text": "The garden gate code is 4711 and changes every spring."},
]
QUERIES = [
    {"id": "1", "text": "How do I reset my hub?", "relevant": {"hub": 1}},
    {"id": "2", "text": "when do invoices come", "relevant": {"bill": 2, "parcel": 0}},
    {"id": "3", "text": "what is the garden gate code", "relevant": {"x-1-22-333": 1}},
    {"id": "4", "text": "nothing answers this", "relevant": {}},
]
STAGES = ("dense", "keyword", "hybrid", "ranked")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in (("corpus", CORPUS), ("queries", QUERIES)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def rows_in_tables(live_db: TestDatabase) -> Callable[[], dict[str, int]]:
    def count() -> dict[str, int]:
        with live_db.superuser() as superuser:
            tables = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            found = {}
            for (table,) in tables:
                row = superuser.execute(f'SELECT count(*) FROM "{table}"').fetchone()
                assert row is not None
                found[table] = row[0]
            return found

    return count


def _run(folder: Path, *options: str) -> Any:
    out = StringIO()
    call_command("evaluate_retrieval", str(folder), "--json", *options, stdout=out)
    return json.loads(out.getvalue())


def test_every_stage_is_measured_and_nothing_stays(folder: Path, rows_in_tables: Callable[[], dict[str, int]]) -> None:
    before = rows_in_tables()
    found = _run(folder)
    assert set(found) == set(STAGES)
    for row in found.values():
        assert row["queries"] == 3
        assert row["passages"] == 4
        assert row["passages_per_s"] > 0
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert row["ndcg@10"] == row["recall@10"] == row["recall@100"] == row["mrr@10"] == 1.0
    assert rows_in_tables() == before


def test_one_stage_is_printed_alone_with_its_name(folder: Path, live_db: TestDatabase) -> None:
    found = _run(folder, "--stage", "ranked")
    assert found["stage"] == "ranked"
    assert found["ndcg@10"] == 1.0


def test_an_interrupt_leaves_nothing_and_says_so(
    folder: Path, rows_in_tables: Callable[[], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "search", interrupted)
    before = rows_in_tables()
    with pytest.raises(CommandError, match="interrupted") as error:
        _run(folder)
    assert error.value.returncode == 130
    assert not connection.in_atomic_block
    assert rows_in_tables() == before


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("corpus.jsonl", None, "corpus.jsonl does not exist"),
        ("queries.jsonl", None, "queries.jsonl cannot be read"),
        ("queries.jsonl", "{}\n", r"queries.jsonl:1 is not an object"),
        ("queries.jsonl", '{"text": "a", "relevant": {"b": "much"}}', r"queries.jsonl:1 is not an object"),
        ("queries.jsonl", '{"text": "a", "relevant": {}}', "no query with a relevant document"),
        ("corpus.jsonl", "", "nothing in it could be indexed"),
    ],
)
def test_a_bad_folder_is_refused_in_words(
    folder: Path, live_db: TestDatabase, name: str, text: str | None, said: str
) -> None:
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=said) as error:
        _run(folder)
    assert error.value.returncode == 1


def test_metrics_are_those_of_the_literature() -> None:
    found = metrics(["x", "a", "y", "b"], {"a": 2, "b": 1, "z": 0, "gone": 1})
    ideal = 3 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["ndcg@10"] == pytest.approx((3 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert found["recall@10"] == pytest.approx(2 / 3)
    assert found["mrr@10"] == 0.5


def test_a_document_beyond_the_tenth_place_counts_for_the_long_recall_alone() -> None:
    found = metrics([*map(str, range(10)), "a"], {"a": 1})
    assert found == {"ndcg@10": 0.0, "recall@10": 0.0, "recall@100": 1.0, "mrr@10": 0.0}


def test_queries_without_an_answer_are_left_out(folder: Path) -> None:
    assert [query.text for query in read_queries(folder / "queries.jsonl")] == [row["text"] for row in QUERIES[:3]]
    with pytest.raises(BadSet):
        read_queries(folder / "missing.jsonl")


@pytest.mark.slow
def test_on_real_questions_every_stage_is_ahead_of_the_one_before(shared_data: Path, live_db: TestDatabase) -> None:
    found = _run(shared_data / "stackfaq")
    score = {stage: found[stage]["ndcg@10"] for stage in STAGES}
    assert score["keyword"] < score["dense"] < score["hybrid"] < score["ranked"]
    assert score["ranked"] > 0.97
