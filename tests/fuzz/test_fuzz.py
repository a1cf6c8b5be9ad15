"""A short run of the fuzzer; `python -m tests.fuzz` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge.sandbox.limits import MEGABYTE, Limits
from knowledge.sandbox.pool import Pool
from tests.fuzz.harness import Tally, made, run
from tests.fuzz.seeds import seeds

INPUTS = 650  # fifty of each format


@pytest.mark.slow
@pytest.mark.threat("F2", "F7", "F9")
def test_mutated_documents_are_converted_or_refused_by_name(tmp_path: Path) -> None:
    corpus, tally = seeds(), Tally(seed=7)
    pool = Pool(Limits(wall_seconds=20, cpu_seconds=20, memory_bytes=512 * MEGABYTE))
    try:
        run(tally, range(INPUTS), corpus, pool)
    finally:
        pool.close()
    assert tally.findings == []
    assert tally.count("converted") > INPUTS / 3
    assert sum(sum(counts.values()) for counts in tally.outcomes.values()) == INPUTS
    tally.save(tmp_path / "state")
    assert Tally.load(tmp_path / "state") == tally


def test_an_input_is_made_by_its_number_alone() -> None:
    corpus = seeds()
    assert [made(1, number, corpus) for number in range(40)] == [made(1, number, corpus) for number in range(40)]
    assert made(1, 3, corpus) != made(2, 3, corpus)
