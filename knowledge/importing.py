"""Takes many documents in at once, in this process, with progress: for commands and first start."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from django.db import connections
from tqdm import tqdm

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from knowledge import indexing, tasks
from knowledge.errors import KnowledgeError
from knowledge.indexing import Incoming
from knowledge.loading import incoming
from knowledge.models import Document, Passage, Source, State

TOGETHER = 16  # documents; their passages are embedded in one call
T = TypeVar("T")
AHEAD = 2  # groups that are converted and wait for the model


@dataclass
class Report:
    """What became of an import; `counts` by state, `failures` with code and hint."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)
    passages: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        counts = {name: self.counts[name] for name in ("indexed", "unchanged", "failed", "removed")}
        return {**counts, "passages": self.passages, "failures": self.failures, "seconds": round(self.seconds, 2)}


def import_path(
    path: Path,
    tenant: Tenant,
    *,
    source_name: str,
    visibility: str = "",
    quiet: bool = False,
    rolls_back: bool = False,
) -> Report:
    """Follows `path` as the source `source_name`: new and changed files are indexed, unchanged
    ones left alone, vanished ones removed. `visibility` is that of files which state none of their
    own. `rolls_back` says that the caller's transaction will."""
    report, started = Report(), time.perf_counter()
    with tenant_scope(tenant.pk):
        source, _ = Source.objects.get_or_create(tenant=tenant, name=source_name)
    seen: set[str] = set()
    waiting: list[str] = []
    with tqdm(total=0, desc=source_name, unit="article", disable=quiet) as bar:
        accepted = _accepted(path, source, visibility, report, seen)
        for states in _indexed(_announced(accepted, waiting, bar), tenant.pk, rolls_back):
            report.counts.update(states)
            bar.update(len(states))
    with tenant_scope(tenant.pk):
        gone = Document.objects.filter(source=source).exclude(external_id__in=seen)
        report.counts["removed"] = gone.count()
        for document in gone:
            indexing.remove(document)
        for row in Document.objects.filter(pk__in=waiting, state=State.FAILED).order_by("external_id"):
            report.failures.append({"name": row.external_id, "code": row.error_code, "hint": row.error_hint})
        report.passages = Passage.objects.filter(document__source=source).count()
    report.seconds = time.perf_counter() - started
    return report


def _accepted(path: Path, source: Source, visibility: str, report: Report, seen: set[str]) -> Iterator[list[str]]:
    """Groups of documents that wait, each accepted in one transaction; the rest goes into the report."""
    for group in _groups(incoming(path)):
        items = [replace(item, visibility=visibility) for item in group if isinstance(item, Incoming)]
        for failure in (item for item in group if not isinstance(item, Incoming)):
            _failed(report, *failure)
        with tenant_scope(source.tenant_id):
            documents = indexing.accept_all(source, items)
        names = {item.external_id for item in items}
        seen |= names
        report.counts["unchanged"] += len(names) - len(documents)
        if documents:
            yield [str(document.pk) for document in documents]


def _announced(groups: Iterable[list[str]], waiting: list[str], bar: tqdm[Any]) -> Iterator[list[str]]:
    for group in groups:
        waiting.extend(group)
        bar.total += len(group)
        yield group


def _indexed(groups: Iterable[list[str]], tenant_id: int, rolls_back: bool) -> Iterator[list[str]]:
    """The states that groups of documents end in. While the model embeds one group, others are
    accepted, converted and stored, and the books of a third are kept, so that it never waits for the
    database. In a transaction that `rolls_back` there is one connection, and so one thread."""
    if rolls_back:
        yield from (tasks.index_documents(tenant_id, group, rolls_back=True) for group in groups)
        return
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="citedesk-import") as model:
        under_way: deque[tuple[tasks.Batch, Future[dict[str, str]]]] = deque()
        for group in groups:
            batch = tasks.begin(tenant_id, group)
            under_way.append((batch, model.submit(_embedded, batch)))
            if len(under_way) > AHEAD:
                batch, vectors = under_way.popleft()
                yield tasks.finish(batch, vectors.result())
        for batch, vectors in under_way:
            yield tasks.finish(batch, vectors.result())


def _embedded(batch: tasks.Batch) -> dict[str, str]:
    """In another thread, whose connection goes back to the pool."""
    try:
        return tasks.embed(batch)
    finally:
        connections.close_all()


def _groups(items: Iterable[T]) -> Iterator[list[T]]:
    """Of at most `TOGETHER`, as they come."""
    rest = iter(items)
    while group := list(islice(rest, TOGETHER)):
        yield group


def _failed(report: Report, name: str, error: Exception) -> None:
    report.counts["failed"] += 1
    code = error.code if isinstance(error, KnowledgeError) else "unreadable"
    report.failures.append({"name": name, "code": code, "hint": str(error)})
