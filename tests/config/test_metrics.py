"""Metrics of several processes in one answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from tests.conftest import TestDatabase

ROOT = Path(__file__).parents[2]
WORKER = """
import django
django.setup()
from gateway.telemetry import metrics
metrics.calls.labels("draft", "gpt-6-luna", "acme", "stop").inc(2)
"""


def test_what_a_worker_counted_is_in_the_answer_of_the_web_process(
    live_db: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "CITEDESK_METRICS_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}
    for _worker in range(2):
        subprocess.run([sys.executable, "-c", WORKER], cwd=ROOT, env=environment, check=True)
    monkeypatch.setattr(settings, "METRICS_DIR", str(tmp_path))
    text = Client().get("/metrics").content.decode()
    assert 'citedesk_calls_total{model="gpt-6-luna",outcome="stop",task="draft",tenant="acme"} 4.0' in text
    assert "citedesk_standing_read 1" in text
