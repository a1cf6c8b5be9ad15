"""`bench/budget_races.py`, shortened: its full run is published in docs/evaluation.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import DATA

BENCH = Path(__file__).resolve().parents[2] / "bench" / "budget_races.py"
NOTHING_WRONG = {
    "lines above their limit": 0,
    "overspend": 0,
    "reservations left": 0,
    "still held": 0,
    "lines less records": 0,
    "records less bills": 0,
    "calls without a record": 0,
}


@pytest.mark.slow
@pytest.mark.threat("B1", "B4")
def test_racing_processes_that_are_killed_overspend_nothing_and_lose_nothing() -> None:
    environment = {**os.environ, "CITEDESK_DATA_DIR": str(DATA)}
    command = [sys.executable, str(BENCH), "--races", "200", "--processes", "4"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    report = json.loads(done.stdout)
    assert {name: report[name] for name in NOTHING_WRONG} == NOTHING_WRONG, done.stderr
    assert report["answered"] > 20
    assert report["refused"] > 20
