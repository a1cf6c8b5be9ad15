"""Workers that die or work twice, real ones: each is a process of its own that kills itself with SIGKILL
in the middle of a step."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.tenancy import tenant_scope
from knowledge import tasks
from knowledge.indexing import Incoming, accept
from knowledge.models import Document, DocumentVersion, Passage, Source, State, TermCount
from tests.conftest import Cast, TestDatabase

ROOT = Path(__file__).parents[2]
OLD, NEW = "Lamps are returned within 30 days.", "Lamps are returned within 14 days."
WORKER = """
import os, signal, sys
import tests.environment
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from knowledge import indexing, swapping, tasks

name, tenant, document, step = sys.argv[1:]
place, _, when = step.partition(":")
settings.DATABASES["default"]["NAME"] = name
module = swapping if hasattr(swapping, place) else indexing
original = getattr(module, place)

def dying(*args, **more):
    if when == "after":
        original(*args, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(module, place, dying)
indexing.embedder = lambda tenant_id, rolls_back: lambda texts: [[0.05] * 384 for _ in texts]
tasks.index_document(int(tenant), document)
"""
STEPS = ["prepare", "prepare:after", "known_embeddings", "embed_missing:after", "swap", "_held:after"]
STEPS += ["_insert_passages", "_insert_passages:after", "remove_passages:after", "_mark_indexed:after", "swap:after"]


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How many workers are killed: as `--kills` says, else one at each step."""
    return int(request.config.getoption("--kills")) or len(STEPS)


@pytest.fixture
def document(cast: Cast, learn: Callable[..., None]) -> Document:
    """An article that is searchable as it was, and waits to be indexed as it is now."""
    learn(("Returns", OLD))
    return waiting(cast)


def waiting(cast: Cast) -> Document:
    with tenant_scope(cast.acme.pk):
        data = f"# Returns\n\n{NEW}\n".encode()
        found = accept(Source.objects.get(), Incoming("Returns", "Returns.md", data, title="Returns"))
    assert found is not None
    return found


def searchable(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.pk):
        assert list(Document.objects.values_list("current_version", flat=True)) == list(
            Passage.objects.values_list("version", flat=True)
        )
        return list(Passage.objects.values_list("text", flat=True))


@pytest.mark.slow
@pytest.mark.threat("R1")
def test_a_worker_killed_at_any_step_loses_nothing_and_doubles_nothing(
    cast: Cast, document: Document, live_db: TestDatabase, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    queued: list[str] = []
    monkeypatch.setattr(tasks.index, "delay", lambda tenant_id, document_id: queued.append(document_id))
    for step in islice(cycle(STEPS), kills):
        command = [sys.executable, "-c", WORKER, live_db.name, str(cast.acme.pk), str(document.pk), step]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert run.returncode == -signal.SIGKILL, run.stderr
        assert searchable(cast) == [OLD]
        with tenant_scope(cast.acme.pk):
            assert Document.objects.get().state == State.INDEXING
            Document.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    tasks.sweep()
    assert queued == [str(document.pk)]
    assert tasks.index_document(cast.acme.pk, queued[0]) == "indexed"
    assert searchable(cast) == [NEW]
    with tenant_scope(cast.acme.pk):
        assert DocumentVersion.objects.count() == 2
        assert set(TermCount.objects.values_list("passages", flat=True)) <= {0, 1}


@pytest.mark.threat("R2")
def test_a_document_whose_message_was_lost_is_found_by_the_sweep(
    cast: Cast, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[str] = []
    monkeypatch.setattr(tasks.index, "delay", lambda tenant_id, document_id: queued.append(document_id))
    tasks.sweep()
    assert queued == [str(document.pk)]


@pytest.mark.threat("R3")
def test_a_message_delivered_to_many_workers_has_one_effect(cast: Cast, document: Document) -> None:
    def work(_: int) -> str:
        from django.db import connection

        try:
            return tasks.index_document(cast.acme.pk, str(document.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        ends = sorted(workers.map(work, range(4)))
    assert ends == ["indexed", "skipped", "skipped", "skipped"]
    assert searchable(cast) == [NEW]
    with tenant_scope(cast.acme.pk):
        assert DocumentVersion.objects.count() == 2


@pytest.mark.threat("R3")
def test_a_worker_that_comes_late_does_not_undo_what_came_meanwhile(cast: Cast, document: Document) -> None:
    batch = tasks.begin(cast.acme.pk, [str(document.pk)])
    vectors = tasks.embed(batch)
    newest = "Lamps are returned within 7 days."
    with tenant_scope(cast.acme.pk):
        data = f"# Returns\n\n{newest}\n".encode()
        assert accept(Source.objects.get(), Incoming("Returns", "Returns.md", data, title="Returns"))
    assert tasks.finish(batch, vectors) == ["skipped"]
    assert searchable(cast) == [OLD]
    assert tasks.index_document(cast.acme.pk, str(document.pk)) == "indexed"
    assert searchable(cast) == [newest]


@pytest.mark.threat("R3")
def test_a_worker_whose_lease_was_taken_over_adds_no_second_version(cast: Cast, document: Document) -> None:
    late = tasks.begin(cast.acme.pk, [str(document.pk)])
    vectors = tasks.embed(late)
    with tenant_scope(cast.acme.pk):
        Document.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert tasks.index_document(cast.acme.pk, str(document.pk)) == "indexed"
    assert tasks.finish(late, vectors) == ["skipped"]
    assert searchable(cast) == [NEW]
    with tenant_scope(cast.acme.pk):
        assert DocumentVersion.objects.count() == 2
